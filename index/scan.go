package index

import (
	"cmp"
	"context"
	"iter"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
)

const (
	// blockRows is how many rows a pass compares with all its queries before it goes
	// on: their codes stay in the L2 cache meanwhile. 2,048 and 4,096 rows took 2 and 4 %
	// less time over 256 bits, the same over 1,024, and 2 and 7 % more over 3,072 (64
	// queries on a thread, AVX-512, Zen 5 with 1 MiB of L2, 25 passes by turns).
	blockRows = 1024
	// pieceRows is how many rows a lane of a pass takes at a time: few, so that all
	// lanes end at about the same time, and enough to be a long sequence. Cancellation
	// is looked at once a piece.
	pieceRows = 4 * blockRows
)

// scanJob is S1 of one search: the k rows whose first words are nearest to query, and
// up to ties more that tie with the last.
type scanJob struct {
	ctx     context.Context
	query   []uint64
	planes  *[hamming.Planes][]uint64 // magnitudes, of which query has the signs; nil: none
	k, ties int

	limit uint32        // a distance that k rows are thought to be below; 0: none
	view  *view         // that was scanned
	parts [][]topk.Hit  // what each lane found, by row
	done  chan struct{} // closed when view and parts are set
}

func (j *scanJob) begin(ctx context.Context) { j.ctx, j.done = ctx, make(chan struct{}) }

func (j *scanJob) finished() <-chan struct{} { return j.done }

// hits returns what the pass found, by row.
func (j *scanJob) hits() []topk.Hit {
	if len(j.parts) == 1 {
		return j.parts[0]
	}
	parts := slices.Clone(j.parts)
	for n := len(parts); n > 1; n = len(parts) {
		for i := range n / 2 {
			parts[i] = merge(parts[i], parts[n-1-i])
		}
		parts = parts[:n-n/2]
	}
	return topk.Nearest(parts[0], j.k, j.ties)
}

// merge returns the hits of a and b, each by row, by row.
func merge(a, b []topk.Hit) []topk.Hit {
	all := make([]topk.Hit, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].Row < b[0].Row {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// most is the most rows that the job can find besides ties. A wish for more than
// there are is no reason to take more memory.
func (j *scanJob) most(v *view) int { return max(1, min(j.k, int(v.rows))) }

// sameTile orders jobs so that those whose queries can share a tile are side by side: of
// as many words, and all with magnitudes or none. It is 0 for two that can.
func sameTile(a, b *scanJob) int {
	withPlanes := func(j *scanJob) int {
		if j.planes != nil {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(len(a.query), len(b.query)), withPlanes(a)-withPlanes(b))
}

// distance returns the distance of row from the query.
func (j *scanJob) distance(v *view, row uint32) uint32 {
	if j.planes != nil {
		return v.distancePlanes(j.query, j.planes, row)
	}
	return v.distance(j.query, row)
}

// pass scans v for all jobs at once on the given number of goroutines. Jobs whose
// context ends are dropped on the way.
func pass(v *view, jobs []*scanJob, lanes int) {
	defer func() {
		for _, j := range jobs {
			close(j.done)
		}
	}()
	slices.SortStableFunc(jobs, sameTile)
	guess(v, jobs)
	scan(v, jobs, lanes)
	var again []*scanJob
	for _, j := range jobs {
		if j.guessedTooLow() {
			j.limit = 0
			again = append(again, j)
		}
	}
	if len(again) > 0 {
		scan(v, again, lanes)
	}
}

// sampleGroups is how many groups there are to each that guess looks at. With one in 64
// a job that keeps 400 of a million rows is expected to look at 780; with one in 128 at
// 900, and with no guess, under a limit that falls on the way, at 3,500. Those of a
// segment are as many rows as a block.
const sampleGroups = segmentRows / blockRows

// guess sets limits: distances that the rows which a job wants are likely to be below,
// and not many more. Rows from there on cost nothing, and when a guess was too low the
// job scans again. It looks at groups spread evenly over all rows, in which the rank of
// the limit is as many times smaller as they are fewer; three standard deviations are
// added to it.
func guess(v *view, jobs []*scanJob) {
	sampled := 0 // rows
	for i := range v.segments {
		sampled += v.rowsIn(i) / hamming.Lanes / sampleGroups * hamming.Lanes
	}
	rank := func(j *scanJob) int {
		mean := float64(j.most(v)) * float64(sampled) / float64(v.rows)
		return int(mean + 3*math.Sqrt(mean) + 3)
	}
	gain := make([]*scanJob, 0, len(jobs)) // those whose limit would keep most rows out
	for _, j := range jobs {
		if sampled > 0 && 4*rank(j) <= sampled {
			gain = append(gain, j)
		}
	}
	if len(gain) == 0 {
		return
	}
	s := newLaneScratch(gain)
	defer s.release()
	for c, j := range s.counters() {
		c.Reset(rank(j), 0, math.MaxUint32)
	}
	for i := range v.segments {
		s.block(v, i, 0, v.rowsIn(i)/hamming.Lanes/sampleGroups, sampleGroups)
	}
	for c, j := range s.counters() {
		if hits := c.Hits(); len(hits) == rank(j) { // there are so many that are not retired
			for _, h := range hits {
				j.limit = max(j.limit, h.Distance+1)
			}
		}
	}
}

// guessedTooLow reports whether fewer rows than the job wants are below its limit.
func (j *scanJob) guessedTooLow() bool {
	if j.limit == 0 || j.ctx.Err() != nil {
		return false
	}
	n := 0
	for _, part := range j.parts {
		n += len(part)
	}
	return uint64(n) < min(uint64(j.most(j.view)), j.view.live)
}

// scan finds what the jobs want below their limits. Lanes take pieces of v in turn, so
// that one that is held up holds up no other.
func scan(v *view, jobs []*scanJob, lanes int) {
	lanes = max(1, min(lanes, pieces(v.rows)))
	for _, j := range jobs {
		j.view, j.parts = v, make([][]topk.Hit, lanes)
	}
	var next atomic.Int64 // piece
	var others sync.WaitGroup
	for lane := 1; lane < lanes; lane++ {
		others.Go(func() { scanLane(v, jobs, lane, &next) })
	}
	scanLane(v, jobs, 0, &next)
	others.Wait()
}

// pieces is how many pieces rows make.
func pieces(rows uint32) int { return (int(rows) + pieceRows - 1) / pieceRows }

// scanLane scans pieces until there are none left.
func scanLane(v *view, jobs []*scanJob, lane int, next *atomic.Int64) {
	s := newLaneScratch(jobs)
	defer s.release()
	for c, j := range s.counters() {
		c.Reset(j.most(v), j.ties, cmp.Or(j.limit, math.MaxUint32))
	}
	for n := pieces(v.rows); ; {
		piece := int(next.Add(1)) - 1
		if piece >= n || !s.piece(v, piece) {
			break
		}
	}
	for c, j := range s.counters() {
		j.parts[lane] = slices.Clone(c.Hits())
	}
}

// laneScratch is what one lane needs for a pass.
type laneScratch struct {
	tiles   []tile
	columns []hamming.Column
	matches [blockRows / hamming.Lanes * hamming.TileQueries]hamming.Match
}

// tile is up to hamming.TileQueries jobs that are compared together.
type tile struct {
	jobs     []*scanJob
	queries  hamming.Tile
	counters [hamming.TileQueries]topk.Counter
}

var laneScratches = sync.Pool{New: func() any { return new(laneScratch) }}

// newLaneScratch cuts jobs, those that can share a tile side by side, into tiles.
func newLaneScratch(jobs []*scanJob) *laneScratch {
	s := laneScratches.Get().(*laneScratch)
	for len(jobs) > 0 {
		s.tiles = slices.Grow(s.tiles, 1)[:len(s.tiles)+1] // what a tile holds is used again
		jobs = jobs[s.tiles[len(s.tiles)-1].set(jobs):]
	}
	return s
}

// release gives s back. Nobody may use it or the hits of its counters any more.
func (s *laneScratch) release() {
	for t := range s.tiles {
		s.tiles[t].jobs = nil
	}
	s.tiles = s.tiles[:0]
	laneScratches.Put(s)
}

// set makes t a tile of the first jobs, and returns how many.
func (t *tile) set(jobs []*scanJob) int {
	n := 1
	for n < min(len(jobs), hamming.TileQueries) && sameTile(jobs[0], jobs[n]) == 0 {
		n++
	}
	t.jobs = jobs[:n]
	if jobs[0].planes != nil {
		var queries [hamming.TileQueries]hamming.Weighted
		for i, j := range t.jobs {
			queries[i] = hamming.Weighted{Signs: j.query, Planes: j.planes}
		}
		t.queries.ResetWeighted(queries[:n]...)
	} else {
		var queries [hamming.TileQueries][]uint64
		for i, j := range t.jobs {
			queries[i] = j.query
		}
		t.queries.Reset(queries[:n]...)
	}
	return n
}

// counters yields the jobs and their counters.
func (s *laneScratch) counters() iter.Seq2[*topk.Counter, *scanJob] {
	return func(yield func(*topk.Counter, *scanJob) bool) {
		for i := range s.tiles {
			t := &s.tiles[i]
			for j, job := range t.jobs {
				if !yield(&t.counters[j], job) {
					return
				}
			}
		}
	}
}

// piece pushes the rows of a piece that are not retired and near enough to the
// counters. It returns false when no job is left that wants any.
func (s *laneScratch) piece(v *view, piece int) bool {
	for c, j := range s.counters() {
		if j.ctx.Err() != nil {
			c.Reset(1, 0, 0) // no row is nearer
		}
	}
	first := uint32(piece * pieceRows)
	i, start := int(first/segmentRows), int(first%segmentRows)
	end := min(start+pieceRows, v.rowsIn(i))
	whole := end / hamming.Lanes * hamming.Lanes
	wanted := true
	for at := start; at < whole && wanted; at += blockRows {
		wanted = s.block(v, i, at, min(blockRows, whole-at)/hamming.Lanes, 1)
	}
	// The last group may still be filling up: its finished rows one by one.
	for at := whole; at < end; at++ {
		if row := uint32(i)*segmentRows + uint32(at); !v.isRetired(row) {
			for c, j := range s.counters() {
				c.Push(row, j.distance(v, row))
			}
		}
	}
	return wanted
}

// block compares groups of segment i, from row at on, one in step, with all tiles. It
// returns false when none of them wants any row.
func (s *laneScratch) block(v *view, i, at, groups, step int) (wanted bool) {
	words, retired := 0, v.retired[i]
	for k := range s.tiles {
		t := &s.tiles[k]
		var limits [hamming.TileQueries]uint32
		for j := range t.jobs {
			limits[j] = t.counters[j].Limit()
		}
		if limits == [hamming.TileQueries]uint32{} {
			continue
		}
		wanted = true
		if n := len(t.jobs[0].query); n != words {
			words = n
			s.columns = v.block(s.columns[:0], v.segments[i], at, groups, step, words)
		}
		for _, m := range t.queries.Scan(s.matches[:0], s.columns, groups, &limits) {
			first := at + int(m.Group)*step*hamming.Lanes
			for mask := uint(m.Mask); mask != 0; mask &= mask - 1 {
				lane := bits.TrailingZeros(mask)
				if retired == nil || !retired.Test(uint(first+lane)) {
					t.counters[m.Query].Push(uint32(i*segmentRows+first+lane), m.Distances[lane])
				}
			}
		}
	}
	return wanted
}
