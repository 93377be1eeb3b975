package scan

import (
	"cmp"
	"context"
	"iter"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/dense"
	"github.com/hamnest/hamnest/storage"
)

// An exact pass reads every vector once for all its searches. It first compares many rows with
// many queries in float32. That is an estimate whose error has a bound, and it rules out nearly
// all rows. The few that are left are scored in float64, as any search scores what it reads, so
// the answers do not depend on the estimate.

const (
	// exactRows is the least number of rows that a thread of a pass takes at a time, in one
	// transaction. Each transaction checks once for cancellation.
	exactRows = 1024
	// exactBytes is the least number of bytes of vectors that it takes: of small vectors more
	// rows.
	exactBytes = 128 << 10
	// exactL1 and exactL2 are how many bytes of vectors are checked and then compared, with few
	// queries and with many: they stay in that cache meanwhile.
	exactL1 = 28 << 10
	exactL2 = 160 << 10
	// exactLeast is the least number of these vectors, which is a multiple of it. Package dense
	// compares six or eight rows at a time.
	exactLeast = 8
	// exactFew is the most dimensions at which an estimate is not worth its cost.
	exactFew = 15
)

// VectorJob is what one search wants from a pass over the stored vectors: the best by their
// scores.
type VectorJob struct {
	Scorer *Scorer // has as many leading dimensions as should be compared
	Want   Want
	Over   *codes.Set // the rows that may be found; nil: those that are present when the pass begins

	waiter
	parts []*Ranker // what each thread found
	err   error     // what stopped the pass from reading on
}

// Best returns what the pass found, with r as its reader, and how many vectors the pass read.
func (j *VectorJob) Best(r *storage.Reader) (best *Ranker, read uint64, err error) {
	if j.err != nil {
		return nil, 0, j.err
	}
	best = NewRanker(j.Want)
	best.Reader = r
	for _, part := range j.parts {
		for _, s := range part.heap {
			best.Offer(s.Row, s.Score)
		}
		if part.err != nil {
			return nil, 0, part.err
		}
		read += part.read
	}
	return best, read, nil
}

// exactStep is how many rows of that many bytes a thread takes at a time, a multiple of
// exactRows.
func exactStep(rowBytes int) uint32 {
	step := uint32(exactRows)
	for int(step)*rowBytes < exactBytes {
		step *= 2
	}
	return step
}

// vectorThreads is how many threads a pass over the vectors of rows is worth. They are so much
// larger than codes that a block of them is worth a thread.
func vectorThreads(rows uint32) int {
	return min(runtime.GOMAXPROCS(0), max(1, (int(rows)+exactRows-1)/exactRows))
}

// Vectors carries out jobs over the stored vectors on the given number of threads. Neighbouring
// jobs over one set ride one pass. present is for jobs that name no set. Jobs are dropped when
// their ctx ends.
func Vectors(ctx context.Context, shard *storage.Shard, present *codes.Set, jobs []*VectorJob, threads int) {
	for _, j := range jobs {
		j.begin(ctx)
	}
	vectorPasses(shard, present, jobs, threads)
}

// vectorPasses is Vectors for jobs that have begun, each with a context of its own.
func vectorPasses(shard *storage.Shard, present *codes.Set, jobs []*VectorJob, threads int) {
	for over, together := range bySet(jobs, func(j *VectorJob) *codes.Set { return j.Over }) {
		vectorPass(shard, cmp.Or(over, present), together, threads)
	}
}

// bySet cuts jobs into those that stand side by side and are over one set.
func bySet[J any](jobs []J, over func(J) *codes.Set) iter.Seq2[*codes.Set, []J] {
	return func(yield func(*codes.Set, []J) bool) {
		for len(jobs) > 0 {
			first := over(jobs[0])
			n := slices.IndexFunc(jobs, func(j J) bool { return over(j) != first })
			if n < 0 {
				n = len(jobs)
			}
			if !yield(first, jobs[:n:n]) {
				return
			}
			jobs = jobs[n:]
		}
	}
}

// vectorPass compares every row of a set with the queries of all jobs, so that each row is
// read, and its checksum computed, once. Rows of a view are never rewritten, so reading them in
// several transactions still gives one answer. Jobs whose context ends are dropped on the way.
func vectorPass(shard *storage.Shard, over *codes.Set, jobs []*VectorJob, threads int) {
	defer finish(jobs)
	for _, j := range jobs {
		j.parts = make([]*Ranker, threads)
	}
	var next atomic.Uint32 // steps given to threads
	group, ctx := errgroup.WithContext(context.Background())
	for thread := range threads {
		for _, j := range jobs {
			j.parts[thread] = NewRanker(j.Want)
		}
		group.Go(func() error { return compareSteps(ctx, shard, over, jobs, thread, &next) })
	}
	if err := group.Wait(); err != nil {
		for _, j := range jobs {
			j.err = err
		}
	}
}

// compareSteps reads steps until there are no more, no job wants them, or ctx ends.
func compareSteps(ctx context.Context, shard *storage.Shard, over *codes.Set, jobs []*VectorJob, thread int, next *atomic.Uint32) error {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, sameSize)
	l := comparison{over: over, thread: thread}
	l.group(jobs)
	rows, step := over.View().Rows(), exactStep(shard.Schema().VectorBytes+storage.ChecksumBytes)
	for steps := (rows + step - 1) / step; ctx.Err() == nil; {
		n := next.Add(1) - 1
		if ended := func(j *VectorJob) bool { return j.ctx.Err() != nil }; slices.ContainsFunc(jobs, ended) {
			jobs = slices.DeleteFunc(jobs, ended)
			l.group(jobs)
		}
		if n >= steps || len(jobs) == 0 {
			return nil
		}
		err := shard.View(func(r *storage.Reader) error {
			return l.read(r, n*step, min(rows, (n+1)*step))
		})
		if err != nil {
			return err
		}
	}
	return nil // another thread has failed
}

// comparison is the scratch of one thread of a pass over vectors.
type comparison struct {
	over   *codes.Set
	thread int
	groups []exactGroup

	rows             dense.Rows
	lengths, weights []float32
	matches          []dense.Match
	scores, squares  []float64
}

// exactGroup is jobs whose queries are of one size.
type exactGroup struct {
	jobs    []*VectorJob
	bounds  []exactBound // of each
	queries dense.Queries
	limits  []float32
}

// sameSize is 0 for jobs that can be compared together.
func sameSize(a, b *VectorJob) int {
	return cmp.Compare(len(a.Scorer.query), len(b.Scorer.query))
}

// group cuts jobs, in the order of sameSize, into groups.
func (l *comparison) group(jobs []*VectorJob) {
	l.groups = nil
	for len(jobs) > 0 {
		n := 1
		for n < min(len(jobs), dense.MaxQueries) && sameSize(jobs[0], jobs[n]) == 0 {
			n++
		}
		g := exactGroup{jobs: jobs[:n], limits: make([]float32, n)}
		queries := make([][]float32, n)
		for i, j := range g.jobs {
			g.bounds = append(g.bounds, newExactBound(j.Scorer))
			queries[i] = g.bounds[i].query
		}
		if len(queries[0]) > exactFew {
			g.queries.Reset(queries...)
		}
		l.groups, jobs = append(l.groups, g), jobs[n:]
	}
}

// read offers the rows first to end-1 of the set to the jobs.
func (l *comparison) read(r *storage.Reader, first, end uint32) error {
	for _, g := range l.groups {
		for _, j := range g.jobs {
			j.parts[l.thread].Reader = r
		}
	}
	others := func(slot uint64) bool { return !l.over.Has(uint32(slot)) }
	for first = l.over.Next(first); first < end; first = l.over.Next(first) {
		b, err := r.Block(uint64(first), uint64(end))
		if err != nil {
			return err
		}
		for at, n := 0, l.together(b.Stride); at < b.Count; at += n {
			n = min(n, b.Count-at)
			row := first + uint32(at)
			if l.over.Next(row) >= row+uint32(n) {
				continue
			}
			if err := b.Check(at, at+n, others); err != nil {
				return err
			}
			l.compare(row, b.Rows[at*b.Stride:], b.Stride, n)
		}
		first += uint32(b.Count)
	}
	return nil
}

// together is how many rows of that many bytes are checked and then compared at a time.
func (l *comparison) together(rowBytes int) int {
	cache := exactL1
	if len(l.groups) > 1 || len(l.groups[0].jobs) > 4 {
		cache = exactL2
	}
	return max(exactLeast, cache/rowBytes/exactLeast*exactLeast)
}

// compare offers count rows, which begin stride bytes apart in b, to all jobs.
func (l *comparison) compare(first uint32, b []byte, stride, count int) {
	allowed := uint64(0)
	for i := range count {
		if l.over.Has(first + uint32(i)) {
			allowed++
		}
	}
	for i := range l.groups {
		g := &l.groups[i]
		for _, j := range g.jobs {
			j.parts[l.thread].read += allowed
		}
		if len(g.jobs[0].Scorer.query) > exactFew {
			l.estimate(g, first, b, stride, count)
		} else {
			l.score(g, first, b, stride, count)
		}
	}
}

// score scores count rows, which begin stride bytes apart in b.
func (l *comparison) score(g *exactGroup, first uint32, b []byte, stride, count int) {
	l.scores, l.squares = resized(l.scores, count), resized(l.squares, count)
	for _, j := range g.jobs {
		part := j.parts[l.thread]
		j.Scorer.storedAll(l.scores, l.squares, b, stride)
		worst, full := part.worst()
		for i, score := range l.scores {
			if full && score < worst {
				continue
			}
			if row := first + uint32(i); l.over.Has(row) {
				part.Offer(row, score)
				worst, full = part.worst()
			}
		}
	}
}

// estimate scores those of count rows, which begin stride bytes apart in b, that an
// estimate does not rule out.
func (l *comparison) estimate(g *exactGroup, first uint32, b []byte, stride, count int) {
	s := g.jobs[0].Scorer
	l.rows.Reset(s.format, b, stride, count, len(s.query))
	longest := 0.
	if s.metric != encoder.L2 {
		longest = l.measure(s, b, stride, count)
	}
	for i, j := range g.jobs {
		worst, full := j.parts[l.thread].worst()
		g.limits[i] = g.bounds[i].limit(worst, full, longest)
	}
	if s.metric == encoder.L2 {
		l.matches = g.queries.SquaredL2s(l.matches[:0], &l.rows, g.limits)
	} else {
		l.matches = g.queries.Dots(l.matches[:0], &l.rows, g.limits, l.weights)
	}
	for _, m := range l.matches {
		row := first + m.Row
		if !l.over.Has(row) {
			continue
		}
		vector := b[int(m.Row)*stride:]
		for of := m.Queries; of != 0; of &= of - 1 {
			j := g.jobs[bits.TrailingZeros64(of)]
			j.parts[l.thread].Offer(row, j.Scorer.Stored(vector))
		}
	}
}

// Vectors with lengths between these are estimated well in float32: their squares are far from
// the largest number, and from those that have fewer digits.
const (
	shortLength = 0x1p-45
	longLength  = 0x1p60
)

// measure sets l.weights to the factors of a row's limit: under Cosine its length, NaN if that
// is beyond what float32s can hold; under Dot 1. It returns the greatest length.
func (l *comparison) measure(s *Scorer, b []byte, stride, count int) (longest float64) {
	l.lengths, l.weights = resized(l.lengths, count), resized(l.weights, count)
	l.rows.Squares(l.lengths)
	for i, squares := range l.lengths {
		length := math.Sqrt(float64(squares))
		if !(length > shortLength && length < longLength) {
			_, exact := s.format.DotSquares(s.query, b[i*stride:])
			length = math.Sqrt(exact)
		}
		l.weights[i] = 1
		if longest = max(longest, length); s.metric == encoder.Cosine {
			if l.weights[i] = float32(length); length != 0 && length < leastLength || length > mostLength {
				l.weights[i] = float32(math.NaN())
			}
		}
	}
	return longest
}

func resized[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// exactBound turns the score that a row must reach into a limit of its estimate.
type exactBound struct {
	metric   encoder.Metric
	query    []float32 // the scorer's, under Cosine and Dot of length .5 to 1
	exponent int       // of two: how much longer the scorer's query is
	norm     float64   // of query
	slack    float64   // the relative error of an estimate, and of a limit
	least    float64   // the rest of its error
}

// Estimates of vectors of these lengths do not overflow, because the query's length is at most
// 1. What they lose below the least number is nothing beside the slack: at most 2^-128, in 2^20
// dimensions.
const (
	leastLength = 0x1p-98
	mostLength  = 0x1p120
)

func newExactBound(s *Scorer) exactBound {
	e := exactBound{metric: s.metric, query: s.query, slack: 3 * dense.Slack(len(s.query)), least: 2 * dense.Underflow(len(s.query))}
	if s.metric != encoder.L2 && s.norm > 0 {
		// A power of two changes no digits, except in numbers too small to count.
		_, e.exponent = math.Frexp(s.norm)
		e.query = make([]float32, len(s.query))
		for i, x := range s.query {
			e.query[i] = float32(math.Ldexp(float64(x), -e.exponent))
		}
	}
	e.norm = math.Ldexp(s.norm, -e.exponent)
	return e
}

// limit returns what the estimate of a row must reach (under L2, must not exceed) for its score
// to be worst or better. Under Cosine the limit is still to be multiplied by the row's length;
// under Dot no row may be longer than longest. Without a worst every row passes.
func (e *exactBound) limit(worst float64, full bool, longest float64) float32 {
	inf := float32(math.Inf(1))
	switch {
	case !full && e.metric == encoder.L2:
		return inf
	case !full:
		return -inf
	case e.metric == encoder.L2:
		// A sum near the largest number may have been infinite on the way.
		if limit := -worst*(1+e.slack) + e.least; limit < mostLength {
			return math.Nextafter32(float32(limit), inf)
		}
		return inf
	case e.metric == encoder.Cosine:
		return math.Nextafter32(float32((worst-e.slack)*e.norm), -inf)
	case longest > mostLength:
		return -inf
	default:
		limit := math.Ldexp(worst, -e.exponent) - e.slack*e.norm*longest - e.least
		return math.Nextafter32(float32(limit), -inf)
	}
}
