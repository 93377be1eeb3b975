package index

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

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
func (b *ScanBench) MaxThreads() int { return pieces(b.view.rows) }

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
	jobs := make([]*scanJob, queries)
	for i, q := range b.codes(queries, dims) {
		jobs[i] = &scanJob{query: q}
	}
	return b.run(ctx, jobs, threads, candidates)
}

// RunPlanes is Run for queries with magnitudes, see hamming.Weighted.
func (b *ScanBench) RunPlanes(ctx context.Context, queries, dims, threads, candidates int) [][]topk.Hit {
	jobs := make([]*scanJob, 0, queries)
	for q := range slices.Chunk(b.codes(queries*planesCodes, dims), planesCodes) {
		jobs = append(jobs, &scanJob{query: q[0], planes: (*[hamming.Planes][]uint64)(q[1:])})
	}
	return b.run(ctx, jobs, threads, candidates)
}

// planesCodes is how many codes make a query with magnitudes: its signs and its planes.
const planesCodes = 1 + hamming.Planes

// run carries jobs out, as many in a pass as may be.
func (b *ScanBench) run(ctx context.Context, jobs []*scanJob, threads, candidates int) [][]topk.Hit {
	hits := make([][]topk.Hit, 0, len(jobs))
	for together := range slices.Chunk(jobs, maxPassJobs) {
		for _, j := range together {
			j.ctx, j.k, j.done = ctx, candidates, make(chan struct{})
		}
		pass(b.view, slices.Clone(together), threads)
		for _, j := range together {
			hits = append(hits, j.hits())
		}
	}
	return hits
}
