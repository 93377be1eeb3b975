package index

import (
	"context"
	"errors"
	"math/bits"
	"math/rand/v2"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
)

// ScanBench is the codes of a collection, random and without the collection, for
// measuring the scan on a machine. It is for one goroutine.
type ScanBench struct {
	builder *builder
	view    *view
	dims    int
	random  *rand.Rand
	queries [][]uint64
	planes  []planesLane
}

// NewScanBench makes rows random codes in columns by ladder, whose last step is
// the size of a code. They and the queries depend on seed.
func NewScanBench(rows uint32, ladder []int, seed uint64) (*ScanBench, error) {
	b := &ScanBench{
		builder: newBuilder(newLayout(ladder, 0)),
		dims:    ladder[len(ladder)-1],
		random:  rand.New(rand.NewPCG(seed, 0)),
	}
	if err := b.builder.grow(rows); err != nil {
		return nil, errors.Join(err, b.builder.release())
	}
	words := make([]uint64, code.Words(b.dims))
	for range rows {
		b.randomCode(words)
		b.builder.add(words, nil)
	}
	b.view = b.builder.publish()
	return b, nil
}

// Close gives the memory back.
func (b *ScanBench) Close() error { return b.builder.release() }

// MaxThreads is how many threads a pass over the codes can use.
func (b *ScanBench) MaxThreads() int { return len(b.view.segments) }

// randomCode overwrites words with a code.
func (b *ScanBench) randomCode(words []uint64) {
	for i := range words {
		words[i] = b.random.Uint64()
	}
	if used := b.dims % code.WordBits; used != 0 {
		words[len(words)-1] &= 1<<used - 1
	}
}

// codes returns the first dims bits of n random codes, the same for every call.
func (b *ScanBench) codes(n, dims int) [][]uint64 {
	for len(b.queries) < n {
		words := make([]uint64, code.Words(b.dims))
		b.randomCode(words)
		b.queries = append(b.queries, words)
	}
	prefixes := make([][]uint64, n)
	for i := range prefixes {
		prefixes[i] = b.queries[i][:code.Words(dims)]
	}
	return prefixes
}

// Run finds the candidates rows nearest to each of so many queries in the first
// dims bits, a step of the ladder or a multiple of 64. It makes the passes that
// Collection.Search makes for searches that come together.
func (b *ScanBench) Run(ctx context.Context, queries, dims, threads, candidates int) [][]topk.Hit {
	hits := make([][]topk.Hit, 0, queries)
	for together := range slices.Chunk(b.codes(queries, dims), maxPassJobs) {
		jobs := make([]*scanJob, len(together))
		for i, q := range together {
			jobs[i] = &scanJob{ctx: ctx, query: q, dims: dims, k: candidates, done: make(chan struct{})}
		}
		pass(b.view, jobs, threads)
		for _, j := range jobs {
			hits = append(hits, j.hits())
		}
	}
	return hits
}

// planesCodes is how many codes make a query with magnitudes: its signs and its planes.
const planesCodes = 1 + hamming.Planes

// planesLane is laneScratch for queries with magnitudes.
type planesLane struct {
	tiles    []hamming.Tile
	counters []topk.Counter
	columns  []hamming.Column
	matches  [blockRows / hamming.Lanes * hamming.TileQueries]hamming.Match
}

// RunPlanes is Run for queries with magnitudes, see hamming.Tile.ResetPlanes, for
// which the engine has no stage yet: the loop is that of scanLane.
func (b *ScanBench) RunPlanes(ctx context.Context, queries, dims, threads, candidates int) [][]topk.Hit {
	all := b.codes(queries*planesCodes, dims)
	lanes := max(1, min(threads, len(b.view.segments)))
	b.planes = slices.Grow(b.planes[:0], lanes)[:lanes]
	var g errgroup.Group
	for lane := range lanes {
		g.Go(func() error {
			b.planes[lane].reset(all, min(candidates, int(b.view.rows)))
			for i := lane * len(b.view.segments) / lanes; i < (lane+1)*len(b.view.segments)/lanes; i++ {
				b.planes[lane].segment(ctx, b.view, i, code.Words(dims))
			}
			return nil
		})
	}
	_ = g.Wait() // lanes do not fail
	hits := make([][]topk.Hit, queries)
	for q := range hits {
		for lane := range lanes {
			hits[q] = append(hits[q], b.planes[lane].counters[q].Hits()...)
		}
		hits[q] = topk.Nearest(hits[q], candidates, 0)
	}
	return hits
}

// reset prepares for queries of planesCodes codes each.
func (l *planesLane) reset(codes [][]uint64, candidates int) {
	n := len(codes) / planesCodes
	l.tiles, l.counters = slices.Grow(l.tiles[:0], n)[:n], slices.Grow(l.counters[:0], n)[:n]
	for q := range n {
		query := codes[q*planesCodes:][:planesCodes]
		l.tiles[q].ResetPlanes(query[0], (*[hamming.Planes][]uint64)(query[1:]))
		l.counters[q].Reset(candidates, 0, l.tiles[q].MaxDistance())
	}
}

// segment pushes the rows of segment i to the counters.
func (l *planesLane) segment(ctx context.Context, v *view, i, words int) {
	first := uint32(i) * segmentRows
	rows := int(min(v.rows-first, segmentRows))
	for at := 0; at < rows && ctx.Err() == nil; at += blockRows {
		// The last group is read to its end: a row not there yet is zero.
		groups := (min(blockRows, rows-at) + hamming.Lanes - 1) / hamming.Lanes
		l.columns = v.block(l.columns[:0], v.segments[i], at, groups*hamming.Lanes, words)
		for q := range l.tiles {
			counter := &l.counters[q]
			for _, m := range l.tiles[q].Scan(l.matches[:0], l.columns, groups, &[hamming.TileQueries]uint32{counter.Limit()}) {
				for mask := uint(m.Mask); mask != 0; mask &= mask - 1 {
					lane := bits.TrailingZeros(mask)
					if row := first + uint32(at+int(m.Group)*hamming.Lanes+lane); row < v.rows {
						counter.Push(row, m.Distances[lane])
					}
				}
			}
		}
	}
}
