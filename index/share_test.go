package index

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// passLog is the passes of a sharer, held up until a test lets them end.
type passLog struct {
	mu    sync.Mutex
	jobs  []int
	lanes []int
	gate  chan struct{} // a pass takes one value before it ends
	began chan struct{} // a pass gives one value when it begins
}

func (l *passLog) scan(jobs []*scanJob, lanes int) {
	l.mu.Lock()
	l.jobs, l.lanes = append(l.jobs, len(jobs)), append(l.lanes, lanes)
	l.mu.Unlock()
	l.began <- struct{}{}
	<-l.gate
	for _, j := range jobs {
		close(j.done)
	}
}

func newPassLog() *passLog {
	return &passLog{gate: make(chan struct{}), began: make(chan struct{}, 1000)}
}

// start runs jobs in the background and returns a channel with the outcome.
func start(ctx context.Context, s *sharer[*scanJob], jobs int) chan error {
	done := make(chan error, 1)
	all := make([]*scanJob, jobs)
	for i := range all {
		all[i] = &scanJob{}
	}
	go func() { done <- s.run(ctx, all) }()
	return done
}

// waitFor spins until the sharer has n jobs waiting: there is nothing else to see.
func waitFor(s *sharer[*scanJob], n int) {
	for {
		s.mu.Lock()
		waiting := len(s.waiting)
		s.mu.Unlock()
		if waiting == n {
			return
		}
		runtime.Gosched()
	}
}

func TestALoneJobStartsAtOnceOnAllTheLanesItIsWorth(t *testing.T) {
	l := newPassLog()
	s := newSharer(l.scan, func() int { return 3 })
	s.free = 4
	done := start(t.Context(), s, 1)
	<-l.began // nothing else happens meanwhile: it did not wait for company
	l.gate <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.wait()
	if !slices.Equal(l.jobs, []int{1}) || !slices.Equal(l.lanes, []int{3}) || s.free != 4 {
		t.Errorf("passes of %v jobs on %v lanes, %d lanes free after, want one of 1 job on 3 lanes, 4 free", l.jobs, l.lanes, s.free)
	}
}

func TestJobsThatArriveDuringAPassRideTheNextTogether(t *testing.T) {
	l := newPassLog()
	s := newSharer(l.scan, func() int { return 2 })
	s.free = 2
	var done []chan error
	done = append(done, start(t.Context(), s, 1))
	<-l.began
	for i := range maxPassJobs + 5 {
		done = append(done, start(t.Context(), s, 1))
		waitFor(s, i+1)
	}
	for range 3 {
		l.gate <- struct{}{}
	}
	for _, d := range done {
		if err := <-d; err != nil {
			t.Error(err)
		}
	}
	s.wait()
	if want := []int{1, maxPassJobs, 5}; !slices.Equal(l.jobs, want) {
		t.Errorf("passes of %v jobs, want %v", l.jobs, want)
	}
}

func TestAJobWhoseContextEndsDoesNotWait(t *testing.T) {
	l := newPassLog()
	s := newSharer(l.scan, func() int { return 1 })
	s.free = 1
	first := start(t.Context(), s, 1)
	<-l.began
	ctx, cancel := context.WithCancel(t.Context())
	second := start(ctx, s, 1)
	waitFor(s, 1)
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the job that was cancelled: %v", err)
	}
	close(l.gate)
	if err := <-first; err != nil {
		t.Errorf("the other job: %v", err)
	}
	s.wait()
}

func TestABatchIsSpreadOverTheFreeLanesByTiles(t *testing.T) {
	for _, tt := range []struct {
		jobs, lanes int
		want        []int // jobs of the passes, ascending
	}{
		{2, 4, []int{1, 1}},
		{3, 4, []int{1, 1, 1}},
		{5, 4, []int{1, 1, 1, 2}}, // no lane is idle for the sake of a whole tile
		{18, 4, []int{2, 4, 4, 8}},
		{2, 2, []int{1, 1}},
		{3, 2, []int{1, 2}},
		{6, 2, []int{2, 4}},
		{9, 2, []int{1, 8}},
		{5, 1, []int{5}},
		{maxPassJobs + 1, 1, []int{1, maxPassJobs}},
	} {
		t.Run(fmt.Sprintf("jobs=%d/lanes=%d", tt.jobs, tt.lanes), func(t *testing.T) {
			l := newPassLog()
			close(l.gate)
			s := newSharer(l.scan, func() int { return 1 })
			s.free = tt.lanes
			if err := <-start(t.Context(), s, tt.jobs); err != nil {
				t.Fatal(err)
			}
			s.wait()
			slices.Sort(l.jobs)
			if !slices.Equal(l.jobs, tt.want) || s.free != tt.lanes {
				t.Errorf("passes of %v jobs, %d lanes free, want %v and %d", l.jobs, s.free, tt.want, tt.lanes)
			}
		})
	}
}
