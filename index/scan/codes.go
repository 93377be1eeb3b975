package scan

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
	// blockRows is how many rows a pass compares with all its queries before it goes on: their
	// codes stay in the L2 cache meanwhile. 2,048 and 4,096 rows took 2 and 4 % less time over
	// 256 bits, the same over 1,024, and 2 and 7 % more over 3,072 (64 queries on a thread,
	// AVX-512, Zen 5 with 1 MiB of L2, 25 alternating passes).
	blockRows = 1024
	// pieceRows is how many rows a thread takes at a time: few enough that all threads end at
	// about the same time, and enough for a long sequential read. Each piece checks once for
	// cancellation.
	pieceRows = 4 * blockRows
)

// CodeJob is what one search wants from a pass over codes: the K rows with the highest scores,
// or all rows above a floor.
type CodeJob struct {
	Query  hamming.Query
	Blocks int // that are looked at
	Step   int // of the ladder; scores are about it
	K      int
	Spare  bool       // more rows than K may be kept if that is less work
	Floor  *float32   // unless nil, all rows above it are wanted, and K does not matter
	Over   *codes.Set // the rows that may be found; nil: those that are present when the pass begins

	waiter
	limit uint32       // a guessed rank, see RankOf, that K rows are likely to be below; 0: none
	over  *codes.Set   // that was scanned
	parts [][]topk.Hit // what each thread found, by row
}

// RankOf orders scores as package topk orders distances: the higher, the smaller.
func RankOf(score float32) uint32 {
	b := math.Float32bits(score + 0) // 0 and -0 rank alike, as kernels compare them
	if b>>31 == 0 {
		return ^(b | 1<<31)
	}
	return b
}

// ScoreOf is the reverse of RankOf, except for ranks of NaN.
func ScoreOf(rank uint32) float32 {
	if rank>>31 == 0 {
		return math.Float32frombits(^rank &^ (1 << 31))
	}
	return math.Float32frombits(rank)
}

// above is the score that rows must exceed for their rank to be below rank.
func above(rank uint32) float32 {
	return ScoreOf(max(min(rank, RankOf(float32(math.Inf(-1)))), RankOf(float32(math.Inf(1)))))
}

// Scanned is the set that the pass scanned.
func (j *CodeJob) Scanned() *codes.Set { return j.over }

// Take returns what the pass found, by row, and does not keep it.
func (j *CodeJob) Take() []topk.Hit {
	parts := j.parts
	j.parts = nil
	if len(parts) == 1 {
		return parts[0]
	}
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

// spareRows is the multiple of k that a job with spare keeps at most: hardly any guess lets
// more through.
const spareRows = 8

// keep is the most rows that the job keeps.
func (j *CodeJob) keep() int {
	if j.Spare && j.limit > 0 {
		return spareRows * j.K
	}
	return j.K
}

// most is the most rows that the job can find, not counting ties. Asking for more rows than
// exist takes no more memory.
func (j *CodeJob) most(rows uint32) int { return max(1, min(j.keep(), int(rows))) }

// sameTile orders jobs so that those whose queries can share a tile are side by side: those of
// equally many blocks, about the same step. It is 0 for two that can.
func sameTile(a, b *CodeJob) int {
	return cmp.Or(a.Blocks-b.Blocks, a.Step-b.Step)
}

// Codes carries out jobs on the given number of threads. Neighbouring jobs over one set ride
// one pass. present is for jobs that name no set. Jobs are dropped when their ctx ends.
func Codes(ctx context.Context, present *codes.Set, jobs []*CodeJob, threads int) {
	for _, j := range jobs {
		j.begin(ctx)
	}
	codePasses(present, jobs, threads)
}

// codePasses is Codes for jobs that have begun, each with a context of its own.
func codePasses(present *codes.Set, jobs []*CodeJob, threads int) {
	for over, together := range bySet(jobs, func(j *CodeJob) *codes.Set { return j.Over }) {
		codePass(cmp.Or(over, present), together, threads)
	}
}

// codePass scans for all jobs at once. Jobs whose context ends are dropped on the way.
func codePass(over *codes.Set, jobs []*CodeJob, threads int) {
	defer finish(jobs)
	slices.SortStableFunc(jobs, sameTile)
	guess(over, jobs)
	scan(over, jobs, threads)
	var again []*CodeJob
	for _, j := range jobs {
		if j.guessedTooLow() {
			j.limit = 0
			again = append(again, j)
		}
	}
	if len(again) > 0 {
		scan(over, again, threads)
	}
}

// guess sets limits: bounds that the rows a job wants are likely to exceed, and not many
// others. Rows below a limit cost nothing, and if a guess was too high the job scans again.
// guess looks at groups spread evenly over all rows. The rank of the limit in this sample is
// lower in the same proportion, plus three standard deviations. Of a million rows, a job that
// wants 400 is expected to look at 1,000; without a guess, with a limit that falls on the way,
// at 3,500.
func guess(over *codes.Set, jobs []*CodeJob) {
	rows := over.View().Rows()
	groups := int(rows / hamming.Lanes)
	step := max(1, min(groups/leastSample, sampleEach), groups/mostSample)
	sampled := groups / step * hamming.Lanes
	rank := func(j *CodeJob) int {
		mean := float64(min(uint64(j.K), over.Len())) * float64(sampled) / float64(rows)
		return int(mean + 3*math.Sqrt(mean) + 3)
	}
	gain := make([]*CodeJob, 0, len(jobs)) // jobs whose limit would keep most rows out
	for _, j := range jobs {
		if j.Floor != nil {
			j.limit = RankOf(*j.Floor)
		} else if sampled > 0 && 4*rank(j) <= sampled {
			gain = append(gain, j)
		}
	}
	if len(gain) == 0 {
		return
	}
	s := newScratch(gain)
	defer s.release()
	for c, j := range s.counters() {
		c.Reset(rank(j), math.MaxUint32)
	}
	for g := range groups / step {
		s.block(over, uint32(g*step*hamming.Lanes), 1)
	}
	for c, j := range s.counters() {
		if hits := c.Hits(); len(hits) == rank(j) { // the set has that many
			for _, h := range hits {
				j.limit = max(j.limit, h.Distance+1)
			}
		}
	}
}

// guess looks at one group in sampleEach, but at least at leastSample, because a rank among
// fewer says little, and at most at mostSample.
const (
	sampleEach  = 32
	leastSample = 16
	mostSample  = 256
)

// guessedTooLow reports whether fewer rows than the job wants are below its limit.
func (j *CodeJob) guessedTooLow() bool {
	if j.limit == 0 || j.Floor != nil || j.ctx.Err() != nil {
		return false
	}
	n := 0
	for _, part := range j.parts {
		n += len(part)
	}
	return uint64(n) < min(uint64(j.K), j.over.Len())
}

// scan finds what the jobs want below their limits. Threads take pieces of the rows in turn, so
// that a slow thread does not delay the others.
func scan(over *codes.Set, jobs []*CodeJob, threads int) {
	threads = max(1, min(threads, Pieces(over.View().Rows())))
	for _, j := range jobs {
		j.over, j.parts = over, make([][]topk.Hit, threads)
	}
	var next atomic.Int64 // piece
	var others sync.WaitGroup
	for thread := 1; thread < threads; thread++ {
		others.Go(func() { scanPieces(over, jobs, thread, &next) })
	}
	scanPieces(over, jobs, 0, &next)
	others.Wait()
}

// Pieces is how many pieces rows make; no pass over them can use more threads.
func Pieces(rows uint32) int { return (int(rows) + pieceRows - 1) / pieceRows }

// scanPieces scans pieces until there are none left.
func scanPieces(over *codes.Set, jobs []*CodeJob, thread int, next *atomic.Int64) {
	s := newScratch(jobs)
	defer s.release()
	rows := over.View().Rows()
	for c, j := range s.counters() {
		c.Reset(j.most(rows), cmp.Or(j.limit, math.MaxUint32))
	}
	for n := Pieces(rows); ; {
		piece := int(next.Add(1)) - 1
		if piece >= n || !s.piece(over, uint32(piece*pieceRows)) {
			break
		}
	}
	for c, j := range s.counters() {
		j.parts[thread] = slices.Clone(c.Hits())
	}
}

// scratch is what one thread needs for a pass over codes.
type scratch struct {
	tiles   []tile
	rows    hamming.Rows
	matches [blockRows / hamming.MatchLanes * hamming.TileQueries]hamming.Match
}

// tile is up to hamming.TileQueries jobs that are compared together.
type tile struct {
	jobs     []*CodeJob
	queries  hamming.Tile
	counters [hamming.TileQueries]topk.Counter
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// newScratch cuts jobs into tiles. Those that can share a tile must be side by side.
func newScratch(jobs []*CodeJob) *scratch {
	s := scratches.Get().(*scratch)
	for len(jobs) > 0 {
		s.tiles = slices.Grow(s.tiles, 1)[:len(s.tiles)+1] // reuse what a tile holds
		jobs = jobs[s.tiles[len(s.tiles)-1].set(jobs):]
	}
	return s
}

// release gives s back, without references to jobs and rows. Nobody may use it or the hits of
// its counters any more.
func (s *scratch) release() {
	s.forget()
	if s.room() < mostRoom {
		scratches.Put(s)
	}
}

// mostRoom is the most hits whose memory is used again: 16 MiB, several times what a full pass
// of common searches takes.
const mostRoom = 1 << 21

// room is the number of hits that the counters have memory for.
func (s *scratch) room() (hits int) {
	all := s.tiles[:cap(s.tiles)]
	for t := range all {
		for c := range all[t].counters {
			hits += all[t].counters[c].Cap()
		}
	}
	return hits
}

// forget drops the references to jobs and rows.
func (s *scratch) forget() {
	for t := range s.tiles {
		s.tiles[t].jobs = nil
	}
	s.tiles = s.tiles[:0]
	clear(s.rows.Columns[:cap(s.rows.Columns)])
	s.rows.Offsets, s.rows.Scales = nil, nil
}

// set makes t a tile of the first jobs, and returns how many it took.
func (t *tile) set(jobs []*CodeJob) int {
	n := 1
	for n < min(len(jobs), hamming.TileQueries) && sameTile(jobs[0], jobs[n]) == 0 {
		n++
	}
	t.jobs = jobs[:n]
	var queries [hamming.TileQueries]hamming.Query
	for i, j := range t.jobs {
		queries[i] = j.Query
	}
	t.queries.Reset(queries[:n]...)
	return n
}

// counters yields the jobs and their counters.
func (s *scratch) counters() iter.Seq2[*topk.Counter, *CodeJob] {
	return func(yield func(*topk.Counter, *CodeJob) bool) {
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

// piece pushes the set's rows in the piece from row first on to the counters, if they are near
// enough. It returns false when no job wants any more rows.
func (s *scratch) piece(over *codes.Set, first uint32) bool {
	for c, j := range s.counters() {
		if j.ctx.Err() != nil {
			c.Reset(1, 0) // no row ranks before that
		}
	}
	rows := min(pieceRows, over.View().Rows()-first)
	whole := rows / hamming.Lanes * hamming.Lanes
	wanted := true
	for at := uint32(0); at < whole && wanted; at += blockRows {
		wanted = s.block(over, first+at, int(min(blockRows, whole-at)/hamming.Lanes))
	}
	if whole < rows && wanted {
		wanted = s.block(over, first+whole, 1)
	}
	return wanted
}

// block compares groups, from row first on, with all tiles. It does not read the codes of
// groups that hold no row of the set. It returns false when no tile wants any row.
func (s *scratch) block(over *codes.Set, first uint32, groups int) (wanted bool) {
	allowed := over.Groups(first, groups)
	if allowed == nil {
		return s.compare(over, first, groups, nil)
	}
	rows := over.View().Rows() - first
	empty := func(g int) bool {
		word := allowed[g]
		if here := rows - uint32(g)*hamming.Lanes; here < hamming.Lanes {
			word &= 1<<here - 1
		}
		return word == 0
	}
	wanted = true
	for g := 0; g < groups && wanted; {
		n := 0
		for g+n < groups && !empty(g+n) {
			n++
		}
		if n > 0 {
			wanted = s.compare(over, first+uint32(g)*hamming.Lanes, n, allowed[g:])
		}
		g += n + 1
	}
	return wanted
}

// compare is block for groups that are all read; allowed, a word for each group, may be nil.
func (s *scratch) compare(over *codes.Set, first uint32, groups int, allowed []uint64) (wanted bool) {
	v := over.View()
	var last *CodeJob
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
			v.Groups(&s.rows, first, last.Blocks, last.Step)
		}
		for _, m := range t.queries.Scan(s.matches[:0], &s.rows, groups, &limits) {
			mask := uint64(m.Mask)
			if allowed != nil {
				mask &= allowed[m.Row/hamming.Lanes] >> (m.Row % hamming.Lanes)
			}
			for ; mask != 0; mask &= mask - 1 {
				lane := bits.TrailingZeros64(mask)
				if row := first + m.Row + uint32(lane); row < v.Rows() {
					t.counters[m.Query].Push(row, RankOf(m.Scores[lane]))
				}
			}
		}
	}
	return wanted
}
