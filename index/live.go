package index

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

// live is what a collection learns from the searches that it answers: the recent
// queries, and what recall some of them had. Nil when nothing is to be learnt.
type live struct {
	collection *Collection
	most       int     // queries to remember
	share      float64 // of the searches to check

	background context.Context // ends when the collection is closed
	stop       context.CancelFunc
	checking   atomic.Bool // there is one check at a time

	mu      sync.Mutex
	queries ring[[]float32]
	checks  ring[liveCheck]
}

// liveChecks is how many checks count: recent ones, and enough to tell 0.98 from 0.99
// over 10 hits each.
const liveChecks = 200

// liveCheck is the recall that one search had, and the one that it asked for, 0 for none.
type liveCheck struct{ recall, target float64 }

// ring keeps the last most of the items added.
type ring[T any] struct {
	items []T
	next  int // the oldest, when there are most
}

func (r *ring[T]) add(item T, most int) {
	if len(r.items) < most {
		r.items = append(r.items, item)
		return
	}
	r.items[r.next] = item
	r.next = (r.next + 1) % most
}

func newLive(c *Collection, opts Options) *live {
	if opts.LiveQueries == 0 && opts.LiveChecks == 0 {
		return nil
	}
	l := &live{collection: c, most: opts.LiveQueries, share: opts.LiveChecks}
	l.background, l.stop = context.WithCancel(context.Background())
	return l
}

// saw learns from a search that was answered as p says.
func (l *live) saw(p *plan) {
	if l == nil || p.query.Exact || len(p.query.Vector) == 0 || p.size != l.collection.dims() {
		return
	}
	if l.most > 0 {
		vector := slices.Clone(p.query.Vector) // the caller's
		l.mu.Lock()
		l.queries.add(vector, l.most)
		l.mu.Unlock()
	}
	if p.stage != RescoreVectors || p.query.MinScore != nil || p.cursor.seen > 0 || p.query.K > MaxCalibrationK {
		return // its hits are not the best ones by design
	}
	if rand.Float64() >= l.share || !l.checking.CompareAndSwap(false, true) {
		return
	}
	q := p.query
	q.Vector, q.WithVector, q.WithMetadata, q.Budget = slices.Clone(q.Vector), false, false, nil
	go func() {
		defer l.checking.Store(false)
		recall, err := l.check(q)
		switch {
		case err == nil:
			l.mu.Lock()
			l.checks.add(liveCheck{recall, q.TargetRecall}, liveChecks)
			l.mu.Unlock()
		case l.background.Err() == nil && !errors.Is(err, ErrUncalibrated) && !errors.Is(err, ErrClosed):
			l.collection.log.Warn("live recall cannot be checked", "collection", l.collection.entry.Load().Name, "error", err)
		}
	}()
}

// check returns the recall of q, searched for once more: on the rows of one view, so
// that what is written meanwhile does not count.
func (l *live) check(q Query) (float64, error) {
	g, release, err := l.collection.acquire()
	if err != nil {
		return 0, err
	}
	defer release()
	p, err := g.plan(q, l.collection.calibrations.stored.Load())
	if err != nil {
		return 0, err
	}
	t := &trial{g: g, codec: g.codec, view: g.view.Load(), k: q.K, queries: []*trialQuery{{vector: q.Vector}}}
	if err := t.findRight(l.background, 1); err != nil {
		return 0, err
	}
	p.encoded = g.codec.encodeQuery(p)
	p.job = newScanJob(p)
	p.job.begin(l.background)
	pass(t.view, []*scanJob{p.job}, 1)
	if err := l.background.Err(); err != nil {
		return 0, err
	}
	result, err := g.runStages(l.background, p)
	if err != nil {
		return 0, err
	}
	exact := t.queries[0]
	if exact.right == 0 {
		return 1, nil // of nothing
	}
	found := 0
	for _, hit := range result.Hits {
		if hit.Score >= finite(exact.last) {
			found++
		}
	}
	return float64(min(found, exact.right)) / float64(exact.right), nil
}

// recent returns the queries that are remembered, or an InvalidError.
func (l *live) recent(dims int) ([][]float32, error) {
	if l == nil || l.most == 0 {
		return nil, invalid("live", "set, and live queries are not remembered here (Options.LiveQueries, hamnest serve --live-queries)")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	queries := slices.DeleteFunc(slices.Clone(l.queries.items), func(q []float32) bool { return len(q) != dims })
	if len(queries) == 0 {
		return nil, invalid("live", "set, and there has been no live query yet")
	}
	return queries, nil
}

// forget drops the checks, of settings that are no longer in force.
func (l *live) forget() {
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.checks = ring[liveCheck]{}
	}
}

// close ends the check under way.
func (l *live) close() {
	if l != nil {
		l.stop()
	}
}

// LiveStats is what was learnt from the searches that were answered.
type LiveStats struct {
	// Queries are remembered for CalibrateOptions.Live.
	Queries int
	// Checks are the last searches that were answered again exactly, at most 200 since
	// the collection was opened or calibrated; Recall is what they had in the mean.
	Checks int
	Recall float64
	// Targeted of them asked for a target recall, Target in the mean, and had
	// TargetedRecall.
	Targeted               int
	Target, TargetedRecall float64
}

// stats returns what was learnt, nil when nothing is to be, and why it calls for
// another calibration, empty when it does not.
func (l *live) stats() (s *LiveStats, recalibrate string) {
	if l == nil {
		return nil, ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s = &LiveStats{Queries: len(l.queries.items), Checks: len(l.checks.items)}
	var recall, short []float64
	for _, c := range l.checks.items {
		recall = append(recall, c.recall)
		if c.target > 0 {
			s.Targeted++
			s.Target += c.target
			s.TargetedRecall += c.recall
			short = append(short, c.target-c.recall)
		}
	}
	s.Recall, _ = compare(recall, nil)
	if s.Targeted == 0 {
		return s, ""
	}
	s.Target /= float64(s.Targeted)
	s.TargetedRecall /= float64(s.Targeted)
	missing, noise := compare(short, nil)
	if s.Targeted >= liveChecks/4 && missing > math.Max(liveTolerance, 2*noise) {
		recalibrate = fmt.Sprintf("the last %d live searches with a target recall found %.3f where %.3f was asked for", s.Targeted, s.TargetedRecall, s.Target)
	}
	return s, recalibrate
}

// liveTolerance is how much less than its target live recall may be.
const liveTolerance = 0.01
