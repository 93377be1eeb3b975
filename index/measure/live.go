package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hamnest/hamnest/index/api"
)

// Live is what a collection learns from the searches it answers: the recent queries, and the
// recall of some of them. Nil when there is nothing to learn.
type Live struct {
	most   int     // queries to remember
	share  float64 // the share of searches to check
	again  Again
	failed func(error)

	background context.Context // ends when the collection is closed
	stop       context.CancelFunc
	checking   atomic.Bool // one check at a time
	checker    sync.WaitGroup

	mu      sync.Mutex
	queries ring[[]float32]
	checks  ring[liveCheck]
}

// Again answers a query again, as it was asked and exactly, both on the same rows, so that
// writes meanwhile do not count. target is the recall that it asked for.
type Again func(ctx context.Context, q api.Query) (found, right []api.Hit, target float64, err error)

// liveChecks is how many checks count: few enough to be recent, and enough to tell 0.98 from
// 0.99 over 10 hits each.
const liveChecks = 200

// liveCheck is the recall of one search, and the recall it asked for.
type liveCheck struct{ recall, target float64 }

// ring keeps the last most of the added items.
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

// NewLive remembers the most recent queries, and uses again to check a share of the searches,
// one at a time and in the background. failed is told why a check could not be made.
func NewLive(most int, share float64, again Again, failed func(error)) *Live {
	if most == 0 && share == 0 {
		return nil
	}
	l := &Live{most: most, share: share, again: again, failed: failed}
	l.background, l.stop = context.WithCancel(context.Background())
	return l
}

// Saw learns from an answered query. Its hits are checked only if they should be the best ones.
func (l *Live) Saw(q api.Query, best bool) {
	if l == nil {
		return
	}
	if l.most > 0 {
		vector := slices.Clone(q.Vector) // the caller's
		l.mu.Lock()
		l.queries.add(vector, l.most)
		l.mu.Unlock()
	}
	if !best || q.K > api.MaxCalibrationK || rand.Float64() >= l.share || !l.checking.CompareAndSwap(false, true) {
		return
	}
	q.Vector, q.WithVector, q.WithMetadata, q.Budget = slices.Clone(q.Vector), false, false, nil
	l.checker.Go(func() {
		defer l.checking.Store(false)
		found, right, target, err := l.again(l.background, q)
		switch {
		case err == nil:
			l.mu.Lock()
			l.checks.add(liveCheck{recallOf(found, right), target}, liveChecks)
			l.mu.Unlock()
		case l.background.Err() == nil && !errors.Is(err, api.ErrClosed):
			l.failed(err)
		}
	})
}

// Recent returns the remembered queries of that many dims, or an InvalidError.
func (l *Live) Recent(dims int) ([][]float32, error) {
	if l == nil || l.most == 0 {
		return nil, notLive("set, and live queries are not remembered here (Options.LiveQueries, hamnest serve --live-queries)")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	queries := slices.DeleteFunc(slices.Clone(l.queries.items), func(q []float32) bool { return len(q) != dims })
	if len(queries) == 0 {
		return nil, notLive("set, and there has been no live query yet")
	}
	return queries, nil
}

func notLive(reason string) error {
	return &api.InvalidError{Violations: []api.Violation{{Field: "live", Reason: reason}}}
}

// Wait returns when no check is under way.
func (l *Live) Wait() {
	if l != nil {
		l.checker.Wait()
	}
}

// Close ends the check under way. Saw must not be called again.
func (l *Live) Close() {
	if l != nil {
		l.stop()
		l.Wait()
	}
}

// Stats returns what was learnt, or nil if there is nothing to learn.
func (l *Live) Stats() *api.LiveStats {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &api.LiveStats{Queries: len(l.queries.items), Checks: len(l.checks.items)}
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

// liveTolerance is how far live recall may be below its target.
const liveTolerance = 0.005
