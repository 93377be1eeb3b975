package index

import (
	"cmp"
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/topk"
	"github.com/hamnest/hamnest/storage"
)

// This file measures what searches would find and cost, at all settings at once: what
// a search does with fewer candidates, or under another bound, follows from the order in
// which one with the most candidates finds them, and from their scores.

// trial measures a codec over one view of a generation's rows. Rows that are written
// meanwhile are no part of it.
type trial struct {
	g       *generation // where vectors are stored
	codec   *codec
	view    *view
	k       int
	queries []*trialQuery

	forms  []scanForm
	counts []int     // of candidates, ascending
	bounds []float64 // none when the codec knows of no errors
}

// trialQuery is one query and its exact answer.
type trialQuery struct {
	vector []float32
	// stored: it is the vector of row self, which is left out.
	stored bool
	self   uint32
	// right hits there are, at most k, the last of which scores last.
	right int
	last  float64
}

// scanForm is a kind of scan.
type scanForm struct{ dims, bits int }

// The settings that are tried: counts of candidates that grow by a tenth, from one more
// than the hits, which tells whether a page follows, up to trialPerHit a hit but within
// trialLeast and MaxDefaultCandidates; and these bounds.
const (
	trialPerHit = 200
	trialLeast  = 2000
)

var trialBounds = []float64{0.25, 0.35, 0.5, 0.6, 0.7, 0.85, 1, 1.2, 1.4, 1.7, 2, 2.4, 2.8, 3.4, 4}

// What is timed of a search, for the median of timedQueries.
const (
	timedQueries = 16
	timedVectors = 64
)

// tally counts over the queries.
type tally struct{ right, read uint64 }

func (t *tally) add(o tally) { t.right, t.read = t.right+o.right, t.read+o.read }

// formTally is what one form of the scan gave: capped[c][m], m <= c, with counts[c]
// candidates of which counts[m] vectors are read, those of the best estimates;
// bounded[c][b] with as many candidates under bounds[b].
type formTally struct{ capped, bounded [][]tally }

func (t *trial) newTallies() []formTally {
	tallies := make([]formTally, len(t.forms))
	for i := range tallies {
		for c := range t.counts {
			tallies[i].capped = append(tallies[i].capped, make([]tally, c+1))
			tallies[i].bounded = append(tallies[i].bounded, make([]tally, len(t.bounds)))
		}
	}
	return tallies
}

// half is how many cores a trial takes: the others are for searches.
func half() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// findRight computes the exact answers on so many cores.
func (t *trial) findRight(ctx context.Context, cores int) error {
	jobs := make([]*exactJob, len(t.queries))
	for i, q := range t.queries {
		jobs[i] = &exactJob{plan: &plan{vector: q.vector, scorer: t.codec.scorer(q.vector), wanted: t.k + 1}}
		jobs[i].begin(ctx)
	}
	t.g.exactPass(t.view, jobs, cores)
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.g.shard.View(func(r *storage.Reader) error {
		for i, q := range t.queries {
			if jobs[i].err != nil {
				return jobs[i].err
			}
			var scores []float64
			for _, part := range jobs[i].parts {
				part.reader = r
				for _, s := range part.sorted() {
					if !q.stored || s.row != q.self {
						scores = append(scores, s.score)
					}
				}
				if part.err != nil {
					return part.err
				}
			}
			slices.SortFunc(scores, func(a, b float64) int { return cmp.Compare(b, a) })
			if q.right = min(t.k, len(scores)); q.right > 0 {
				q.last = scores[q.right-1]
			}
		}
		return nil
	})
}

// plan sets what is tried.
func (t *trial) plan() {
	t.forms = nil
	for _, dims := range t.codec.profile.Ladder() {
		if t.codec.profile.CheckPrefix(dims) == nil {
			t.forms = append(t.forms, scanForm{dims, 1}, scanForm{dims, encoder.Planes})
		}
	}
	most := min(max(trialPerHit*t.k, trialLeast), MaxDefaultCandidates)
	if uint64(most) > t.view.live {
		most = max(t.k+1, int(t.view.live))
	}
	t.counts = nil
	for n := t.k + 1; n < most; n += max(1, n/10) {
		t.counts = append(t.counts, n)
	}
	t.counts = append(t.counts, most)
	if t.bounds = nil; t.codec.profile.Kind().Rotates() {
		t.bounds = trialBounds
	}
}

// run returns the settings worth having, by prefix and cost.
func (t *trial) run(ctx context.Context) ([]Setting, error) {
	t.plan()
	tallies, err := t.count(ctx)
	if err != nil {
		return nil, err
	}
	cost, err := t.measureCost(ctx)
	if err != nil {
		return nil, err
	}
	return t.settings(tallies, cost), nil
}

// count returns what each form of the scan that is planned gives for all queries together.
func (t *trial) count(ctx context.Context) ([]formTally, error) {
	workers := make([]*trialWorker, min(half(), len(t.queries)))
	var next atomic.Int64
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range workers {
		w := &trialWorker{trial: t, tallies: t.newTallies()}
		workers[i] = w
		group.Go(func() error {
			for {
				at := int(next.Add(1)) - 1
				if at >= len(t.queries) {
					return nil
				}
				if err := w.try(groupCtx, t.queries[at]); err != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	total := t.newTallies()
	for _, w := range workers {
		for f := range total {
			for c := range t.counts {
				for i := range total[f].capped[c] {
					total[f].capped[c][i].add(w.tallies[f].capped[c][i])
				}
				for i := range total[f].bounded[c] {
					total[f].bounded[c][i].add(w.tallies[f].bounded[c][i])
				}
			}
		}
	}
	return total, nil
}

// settings turns tallies into the settings worth having.
func (t *trial) settings(tallies []formTally, cost trialCost) []Setting {
	var right uint64
	for _, q := range t.queries {
		right += uint64(q.right)
	}
	if right == 0 { // a collection of one vector, which is the query
		right = 1
	}
	of := make(map[int][]Setting) // a prefix
	for f, form := range t.forms {
		add := func(sum tally, candidates, rescore int, bound float64) {
			s := Setting{Dims: form.dims, ScanBits: form.bits, Candidates: candidates, RescoreCandidates: rescore, Bound: bound}
			s.Recall = float64(sum.right) / float64(right)
			s.VectorsRead = float64(sum.read) / float64(len(t.queries))
			t.price(&s, cost, f)
			of[form.dims] = append(of[form.dims], s)
		}
		for c, candidates := range t.counts {
			for m, sum := range tallies[f].capped[c] {
				if m == c {
					add(sum, candidates, 0, 0)
				} else {
					add(sum, candidates, t.counts[m], 0)
				}
			}
			for b, sum := range tallies[f].bounded[c] {
				add(sum, candidates, 0, t.bounds[b])
			}
		}
	}
	var settings []Setting
	for _, dims := range t.codec.profile.Ladder() {
		settings = append(settings, front(of[dims])...)
	}
	return settings
}

// price fills in what a setting of form f costs.
func (t *trial) price(s *Setting, cost trialCost, f int) {
	candidates := float64(min(uint64(s.Candidates), t.view.live))
	s.Microseconds = cost.scan[f] + cost.keep[f]*candidates + cost.read*s.VectorsRead
	s.Bytes = float64(t.view.rows)*float64(8*code.Words(s.Dims)) + s.VectorsRead*float64(t.codec.store.Bytes(t.codec.profile.Dims()))
	if s.RescoreCandidates != 0 || s.Bound != 0 {
		s.Microseconds += cost.refine * candidates
		s.Bytes += candidates * float64(8*code.Words(t.codec.profile.Dims())+4*t.codec.scalars())
	}
}

// trialWorker tries queries, one after the other, and adds up.
type trialWorker struct {
	*trial
	tallies []formTally

	// Of the query at hand: every row that some scan has kept, by row, and its place in
	// the order of each scan, nowhere when it was not kept.
	rows      []uint32
	estimates []estimate
	exact     []float64
	place     [][]int32 // per form
	top       []float64 // see bounded
}

const nowhere = math.MaxInt32

// try adds what searches for q would do.
func (w *trialWorker) try(ctx context.Context, q *trialQuery) error {
	if err := w.gather(ctx, q); err != nil {
		return err
	}
	order := make([]int32, len(w.rows))
	w.sort(order, math.Inf(1))
	for f := range w.forms {
		w.eachCount(f, order, func(c int, kept []int32) {
			w.capped(q, kept, w.tallies[f].capped[c])
		})
	}
	for b, bound := range w.bounds {
		w.sort(order, bound)
		for f := range w.forms {
			w.eachCount(f, order, func(c int, kept []int32) {
				w.tallies[f].bounded[c][b].add(w.bounded(q, kept))
			})
		}
	}
	return nil
}

// gather scans in every form, and estimates and scores what was kept.
func (w *trialWorker) gather(ctx context.Context, q *trialQuery) error {
	most := w.counts[len(w.counts)-1]
	p := &plan{vector: q.vector, size: len(q.vector), scorer: w.codec.scorer(q.vector), encoded: w.codec.profile.Query(q.vector), c1: most}
	if q.stored {
		p.c1++
	}
	jobs := make([]*scanJob, len(w.forms))
	for i, form := range w.forms {
		p.dims, p.scanBits = form.dims, form.bits
		jobs[i] = newScanJob(p)
		jobs[i].begin(ctx)
	}
	pass(w.view, slices.Clone(jobs), 1)
	if err := ctx.Err(); err != nil {
		return err
	}
	kept := make([][]topk.Hit, len(jobs))
	w.rows = w.rows[:0]
	for i, j := range jobs {
		hits := slices.DeleteFunc(slices.Clone(j.hits()), func(h topk.Hit) bool { return q.stored && h.Row == q.self })
		slices.SortFunc(hits, func(a, b topk.Hit) int {
			return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Row, b.Row))
		})
		kept[i] = hits[:min(most, len(hits))]
		for _, h := range kept[i] {
			w.rows = append(w.rows, h.Row)
		}
	}
	slices.Sort(w.rows)
	w.rows = slices.Compact(w.rows)
	w.place = make([][]int32, len(jobs))
	for i, hits := range kept {
		w.place[i] = slices.Repeat([]int32{nowhere}, len(w.rows))
		for place, h := range hits {
			at, _ := slices.BinarySearch(w.rows, h.Row)
			w.place[i][at] = int32(place)
		}
	}
	refiner := newRefiner(w.codec, w.view, p, p.size, encoder.Planes)
	w.estimates, w.exact = w.estimates[:0], w.exact[:0]
	for _, row := range w.rows {
		w.estimates = append(w.estimates, refiner.estimate(row))
	}
	slots := make([]uint64, len(w.rows))
	for i, row := range w.rows {
		slots[i] = uint64(row)
	}
	for part := range slices.Chunk(slots, exactRows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := w.g.shard.View(func(r *storage.Reader) error {
			return r.Vectors(part, func(_ uint64, vector []byte) { w.exact = append(w.exact, p.scorer.stored(vector)) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sort sets order to the gathered rows in the order in which a search under a bound
// would read their vectors.
func (w *trialWorker) sort(order []int32, bound float64) {
	for i := range w.estimates {
		e := &w.estimates[i]
		if e.best = float64(e.score); !math.IsInf(bound, 1) {
			e.best = e.unbiased + bound*e.deviation
		}
	}
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return compareBest(w.estimates[a], w.estimates[b]) })
}

// eachCount calls do for every count of candidates, with those that a scan of form f
// would keep, in order.
func (w *trialWorker) eachCount(f int, order []int32, do func(c int, kept []int32)) {
	kept := slices.Clone(order)
	for c, count := range slices.Backward(w.counts) {
		n := 0
		for _, at := range kept {
			if int(w.place[f][at]) < count {
				kept[n] = at
				n++
			}
		}
		kept = kept[:n]
		do(c, kept)
	}
}

// capped adds what searches that read the first counts[i] of kept find.
func (w *trialWorker) capped(q *trialQuery, kept []int32, sums []tally) {
	right, read := 0, 0
	for i := range sums {
		for ; read < len(kept) && read < w.counts[i]; read++ {
			if w.exact[kept[read]] >= q.last {
				right++
			}
		}
		sums[i].add(tally{uint64(min(right, q.right)), uint64(read)})
	}
}

// bounded is what a search that reads kept in order, with estimates for its bound, finds:
// rescore on numbers.
func (w *trialWorker) bounded(q *trialQuery, kept []int32) tally {
	wanted := w.k + 1
	top := w.top[:0] // the wanted best scores so far, best first
	right, read := 0, 0
	for batch := max(rescoreBatch, wanted); read < len(kept); batch = rescoreBatch {
		if len(top) == wanted && w.estimates[kept[read]].best < float64(top[wanted-1]) {
			break
		}
		for _, at := range kept[read:min(read+batch, len(kept))] {
			score := w.exact[at]
			if score >= q.last {
				right++
			}
			read++
			if len(top) == wanted {
				if score <= top[wanted-1] {
					continue
				}
				top = top[:wanted-1]
			}
			place, _ := slices.BinarySearchFunc(top, score, func(a, b float64) int { return cmp.Compare(b, a) })
			top = slices.Insert(top, place, score)
		}
	}
	w.top = top
	return tally{uint64(min(right, q.right)), uint64(read)}
}

// trialCost is what the steps of a search take, in microseconds.
type trialCost struct {
	scan, keep   []float64 // a scan in each form, and each candidate that it keeps
	refine, read float64   // each candidate's whole code, each vector
}

// measureCost times the steps of searches, one at a time.
func (t *trial) measureCost(ctx context.Context) (trialCost, error) {
	fewest, most := t.counts[0], t.counts[len(t.counts)-1]
	scans := make([][2][]float64, len(t.forms)) // with the fewest candidates and with the most
	var refine, read []float64
	for i := range min(timedQueries, len(t.queries)) {
		q := t.queries[i*len(t.queries)/min(timedQueries, len(t.queries))]
		p := &plan{vector: q.vector, size: len(q.vector), scorer: t.codec.scorer(q.vector), encoded: t.codec.profile.Query(q.vector)}
		var hits []topk.Hit
		for f, form := range t.forms {
			p.dims, p.scanBits = form.dims, form.bits
			for at, count := range [2]int{fewest, most} {
				p.c1 = count
				job := newScanJob(p)
				job.begin(ctx)
				start := time.Now()
				pass(t.view, []*scanJob{job}, min(wantLanes(t.view.rows), runtime.GOMAXPROCS(0)))
				hits = job.hits()
				scans[f][at] = append(scans[f][at], microseconds(start))
			}
		}
		if err := ctx.Err(); err != nil {
			return trialCost{}, err
		}
		start := time.Now()
		refiner := newRefiner(t.codec, t.view, p, p.size, encoder.Planes)
		estimates := make([]estimate, len(hits))
		for i, h := range hits {
			estimates[i] = refiner.estimate(h.Row)
			estimates[i].best = float64(estimates[i].score)
		}
		best := newBestFirst(estimates)
		some := best.take(timedVectors)
		refine = append(refine, microseconds(start)/float64(max(1, len(hits))))
		slots := make([]uint64, len(some))
		for i, e := range some {
			slots[i] = uint64(e.row)
		}
		err := t.g.shard.View(func(r *storage.Reader) error {
			start := time.Now()
			for part := range slices.Chunk(slots, rescoreBatch) {
				slices.Sort(part)
				if err := r.Vectors(part, func(_ uint64, vector []byte) { p.scorer.stored(vector) }); err != nil {
					return err
				}
			}
			read = append(read, microseconds(start)/float64(max(1, len(slots))))
			return nil
		})
		if err != nil {
			return trialCost{}, err
		}
	}
	cost := trialCost{refine: median(refine), read: median(read)}
	for f := range t.forms {
		low, high := median(scans[f][0]), median(scans[f][1])
		keep := max(0, high-low) / float64(max(1, most-fewest))
		cost.keep = append(cost.keep, keep)
		cost.scan = append(cost.scan, max(0, low-keep*float64(fewest)))
	}
	return cost, nil
}

func microseconds(since time.Time) float64 {
	return float64(time.Since(since)) / float64(time.Microsecond)
}

func median(x []float64) float64 { return slices.Sorted(slices.Values(x))[len(x)/2] }

// under measures the same queries under another profile.
func (t *trial) under(ctx context.Context, kind encoder.Kind) (settings []Setting, err error) {
	old := t.codec
	var sample [][]float32
	if kind.Centres() {
		if sample, err = t.g.sample(ctx); err != nil {
			return nil, err
		}
	}
	profile, err := encoder.FitProfile(kind, old.metric, old.profile.Dims(), old.profile.Ladder(), sample)
	if err != nil {
		return nil, err
	}
	other := *t
	other.codec = newCodec(engineState{Metric: old.metric, Store: old.store, Profile: profile})
	b := newBuilder(other.codec.layout())
	defer func() { err = errors.Join(err, b.release()) }()
	if err := b.grow(t.view.rows); err != nil {
		return nil, err
	}
	words, scalars, vector := make([]uint64, b.layout.words), make([]float32, b.layout.scalars), make([]float32, profile.Dims())
	for row := uint32(0); row < t.view.rows; {
		err := t.g.shard.View(func(r *storage.Reader) error {
			for end := min(t.view.rows, row+exactRows); row < end; row++ {
				stored, err := r.Vector(uint64(row))
				if err != nil {
					return err
				}
				old.decode(vector, stored)
				other.codec.encode(words, scalars, vector)
				b.add(words, scalars)
				if t.view.isRetired(row) {
					b.retire(row)
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	other.view = b.publish()
	return other.run(ctx)
}
