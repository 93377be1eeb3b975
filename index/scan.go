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

	"github.com/hamnest/hamnest/index/codes"
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

// scanJob is S1 of one search: the k rows with the highest bounds, or all above a floor.
type scanJob struct {
	ctx    context.Context
	query  hamming.Query
	blocks int // that are looked at
	step   int // of the ladder, that scores are about
	k      int
	spare  bool        // more rows than k may be kept where that is less work
	floor  *float32    // unless nil, the rows above it are wanted, and k are too many
	on     *codes.View // to scan; nil: the one published last

	limit uint32        // a rank, see rankOf, that k rows are thought to be below; 0: none
	view  *codes.View   // that was scanned
	parts [][]topk.Hit  // what each lane found, by row
	done  chan struct{} // closed when view and parts are set
}

func (j *scanJob) begin(ctx context.Context) { j.ctx, j.done = ctx, make(chan struct{}) }

func (j *scanJob) finished() <-chan struct{} { return j.done }

// rankOf orders scores as package topk orders distances: the higher, the smaller.
func rankOf(score float32) uint32 {
	b := math.Float32bits(score + 0) // 0 and -0 rank alike, as kernels compare them
	if b>>31 == 0 {
		return ^(b | 1<<31)
	}
	return b
}

// scoreOf is the reverse of rankOf, for ranks of numbers.
func scoreOf(rank uint32) float32 {
	if rank>>31 == 0 {
		return math.Float32frombits(^rank &^ (1 << 31))
	}
	return math.Float32frombits(rank)
}

// above is the score that rows must be above for their rank to be below rank.
func above(rank uint32) float32 {
	return scoreOf(max(min(rank, rankOf(float32(math.Inf(-1)))), rankOf(float32(math.Inf(1)))))
}

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
	return topk.Nearest(parts[0], j.keep())
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

// spareRows is how many times k a job with spare keeps at most: as many as hardly any
// guess lets through.
const spareRows = 8

// keep is how many rows the job keeps at most.
func (j *scanJob) keep() int {
	if j.spare && j.limit > 0 {
		return spareRows * j.k
	}
	return j.k
}

// most is the most rows that the job can find besides ties. A wish for more than
// there are is no reason to take more memory.
func (j *scanJob) most(v *codes.View) int { return max(1, min(j.keep(), int(v.Rows()))) }

// sameTile orders jobs so that those whose queries can share a tile are side by side: of
// as many blocks, about the same step. It is 0 for two that can.
func sameTile(a, b *scanJob) int {
	return cmp.Or(a.blocks-b.blocks, a.step-b.step)
}

// passes scans for all jobs, those that want the same view together; now is the one
// published last.
func passes(now *codes.View, jobs []*scanJob, lanes int) {
	for len(jobs) > 0 {
		v := jobs[0].on
		together := slices.IndexFunc(jobs, func(j *scanJob) bool { return j.on != v })
		if together < 0 {
			together = len(jobs)
		}
		pass(cmp.Or(v, now), jobs[:together:together], lanes)
		jobs = jobs[together:]
	}
}

// pass scans v for all jobs at once on the given number of goroutines. Jobs whose
// context ends are dropped on the way.
func pass(v *codes.View, jobs []*scanJob, lanes int) {
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

// guess sets limits: bounds that the rows which a job wants are likely to be above, and not
// many more. Rows below cost nothing, and when a guess was too high the job scans again. It
// looks at groups spread evenly over all rows, in which the place of the limit is as many
// times lower as they are fewer; three standard deviations are added to it. Of a million
// rows a job that wants 400 is expected to look at 1,000; with no guess, under a limit that
// falls on the way, at 3,500.
func guess(v *codes.View, jobs []*scanJob) {
	groups := int(v.Rows() / hamming.Lanes)
	step := max(1, min(groups/leastSample, sampleEach), groups/mostSample)
	sampled := groups / step * hamming.Lanes
	rank := func(j *scanJob) int {
		mean := float64(min(j.k, int(v.Rows()))) * float64(sampled) / float64(v.Rows())
		return int(mean + 3*math.Sqrt(mean) + 3)
	}
	gain := make([]*scanJob, 0, len(jobs)) // those whose limit would keep most rows out
	for _, j := range jobs {
		if j.floor != nil {
			j.limit = rankOf(*j.floor)
		} else if sampled > 0 && 4*rank(j) <= sampled {
			gain = append(gain, j)
		}
	}
	if len(gain) == 0 {
		return
	}
	s := newLaneScratch(gain)
	defer s.release()
	for c, j := range s.counters() {
		c.Reset(rank(j), math.MaxUint32)
	}
	for g := range groups / step {
		first := g * step * hamming.Lanes
		s.block(v, first/codes.SegmentRows, first%codes.SegmentRows, 1)
	}
	for c, j := range s.counters() {
		if hits := c.Hits(); len(hits) == rank(j) { // there are so many that are not retired
			for _, h := range hits {
				j.limit = max(j.limit, h.Distance+1)
			}
		}
	}
}

// What guess looks at: one group in sampleEach, but at least leastSample, for a place among
// fewer says little, and at most mostSample.
const (
	sampleEach  = 32
	leastSample = 16
	mostSample  = 256
)

// guessedTooLow reports whether fewer rows than the job wants are below its limit.
func (j *scanJob) guessedTooLow() bool {
	if j.limit == 0 || j.floor != nil || j.ctx.Err() != nil {
		return false
	}
	n := 0
	for _, part := range j.parts {
		n += len(part)
	}
	return uint64(n) < min(uint64(j.k), j.view.Present().Len())
}

// scan finds what the jobs want below their limits. Lanes take pieces of v in turn, so
// that one that is held up holds up no other.
func scan(v *codes.View, jobs []*scanJob, lanes int) {
	lanes = max(1, min(lanes, pieces(v.Rows())))
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
func scanLane(v *codes.View, jobs []*scanJob, lane int, next *atomic.Int64) {
	s := newLaneScratch(jobs)
	defer s.release()
	for c, j := range s.counters() {
		c.Reset(j.most(v), cmp.Or(j.limit, math.MaxUint32))
	}
	for n := pieces(v.Rows()); ; {
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
	rows    hamming.Rows
	matches [blockRows / hamming.MatchLanes * hamming.TileQueries]hamming.Match
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
	var queries [hamming.TileQueries]hamming.Query
	for i, j := range t.jobs {
		queries[i] = j.query
	}
	t.queries.Reset(queries[:n]...)
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
func (s *laneScratch) piece(v *codes.View, piece int) bool {
	for c, j := range s.counters() {
		if j.ctx.Err() != nil {
			c.Reset(1, 0) // no row ranks before that
		}
	}
	first := uint32(piece * pieceRows)
	i, start := int(first/codes.SegmentRows), int(first%codes.SegmentRows)
	end := min(start+pieceRows, int(min(codes.SegmentRows, v.Rows()-uint32(i)*codes.SegmentRows)))
	whole := end / hamming.Lanes * hamming.Lanes
	wanted := true
	for at := start; at < whole && wanted; at += blockRows {
		wanted = s.block(v, i, at, min(blockRows, whole-at)/hamming.Lanes)
	}
	if whole < end && wanted {
		wanted = s.block(v, i, whole, 1)
	}
	return wanted
}

// block compares groups of segment i, from row at on, with all tiles. It returns false when
// none of them wants any row.
func (s *laneScratch) block(v *codes.View, i, at, groups int) (wanted bool) {
	first := uint32(i*codes.SegmentRows + at)
	allowed := v.Present().Groups(first, groups)
	var last *scanJob
	for k := range s.tiles {
		t := &s.tiles[k]
		var limits [hamming.TileQueries]float32
		open := false
		for j := range t.jobs {
			rank := t.counters[j].Limit()
			open = open || rank > 0
			limits[j] = above(rank)
		}
		if !open {
			continue
		}
		wanted = true
		if last == nil || sameTile(last, t.jobs[0]) != 0 {
			last = t.jobs[0]
			v.Groups(&s.rows, first, last.blocks, last.step)
		}
		for _, m := range t.queries.Scan(s.matches[:0], &s.rows, groups, &limits) {
			mask := uint64(m.Mask)
			if allowed != nil {
				mask &= allowed[m.Row/hamming.Lanes] >> (m.Row % hamming.Lanes)
			}
			for ; mask != 0; mask &= mask - 1 {
				lane := bits.TrailingZeros64(mask)
				if row := first + m.Row + uint32(lane); row < v.Rows() {
					t.counters[m.Query].Push(row, rankOf(m.Scores[lane]))
				}
			}
		}
	}
	return wanted
}
