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

	"github.com/hamnest/hamnest/encoder"
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

// liveCheck is the recall that one search had, and the one that it asked for.
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
	if l == nil || p.exact || len(p.query.Vector) == 0 || p.size != l.collection.dims() {
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
		check, err := l.check(q)
		switch {
		case err == nil:
			l.mu.Lock()
			l.checks.add(check, liveChecks)
			l.mu.Unlock()
		case l.background.Err() == nil && !errors.Is(err, ErrClosed):
			l.collection.log.Warn("live recall cannot be checked", "collection", l.collection.entry.Load().Name, "error", err)
		}
	}()
}

// check searches for q once more, by codes and exactly: on the rows of one view, so that
// what is written meanwhile does not count.
func (l *live) check(q Query) (liveCheck, error) {
	g, release, err := l.collection.acquire()
	if err != nil {
		return liveCheck{}, err
	}
	defer release()
	found, err := g.plan(q)
	if err != nil {
		return liveCheck{}, err
	}
	right, err := g.plan(Query{Vector: q.Vector, K: q.K, Exact: true})
	if err != nil {
		return liveCheck{}, err
	}
	v := g.view.Load()
	job := &exactJob{plan: right}
	job.begin(l.background)
	g.exactPass(v, []*exactJob{job}, 1)
	exact, err := g.runExact(right, job)
	if err != nil {
		return liveCheck{}, err
	}
	check := liveCheck{recall: 1}
	if g.codec.profile.Kind() != encoder.Signs { // which promise nothing
		check.target = found.target
	}
	if found.exact {
		return check, l.background.Err()
	}
	s := &search{g: g, plan: found}
	s.begin()
	s.job.on = v
	s.job.begin(l.background)
	passes(v, []*scanJob{s.job}, 1)
	if err := l.background.Err(); err != nil {
		return liveCheck{}, err
	}
	result, err := s.finish(l.background)
	if err != nil {
		return liveCheck{}, err
	}
	check.recall = recallOf(result.Hits, exact.Hits)
	return check, nil
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

// close ends the check under way.
func (l *live) close() {
	if l != nil {
		l.stop()
	}
}

// stats returns what was learnt, nil when nothing is to be.
func (l *live) stats() *LiveStats {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &LiveStats{Queries: len(l.queries.items), Checks: len(l.checks.items)}
	if s.Checks == 0 {
		return s
	}
	n := float64(s.Checks)
	for _, c := range l.checks.items {
		s.Recall += c.recall / n
		s.Target += c.target / n
	}
	var squares float64
	for _, c := range l.checks.items {
		d := c.target - c.recall - (s.Target - s.Recall)
		squares += float64(d * d)
	}
	noise := math.Sqrt(squares/max(1, n-1)) / math.Sqrt(n)
	if missing := s.Target - s.Recall; s.Checks >= liveChecks/4 && missing > math.Max(liveTolerance, 2*noise) {
		s.Short = fmt.Sprintf("the last %d live searches that were checked found %.3f where %.3f was asked for", s.Checks, s.Recall, s.Target)
	}
	return s
}

// liveTolerance is how much less than its target live recall may be.
const liveTolerance = 0.005
