package scan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"weak"

	"github.com/hamnest/hamnest/encoder"
)

// passLog is the passes of a sharer, held up until a test lets them end.
type passLog struct {
	mu      sync.Mutex
	jobs    []int
	threads []int
	gate    chan struct{} // a pass takes one value before it ends
	began   chan struct{} // a pass gives one value when it begins
}

func (l *passLog) scan(jobs []*CodeJob, threads int) {
	l.mu.Lock()
	l.jobs, l.threads = append(l.jobs, len(jobs)), append(l.threads, threads)
	l.mu.Unlock()
	l.began <- struct{}{}
	<-l.gate
	finish(jobs)
}

func newPassLog() *passLog {
	return &passLog{gate: make(chan struct{}), began: make(chan struct{}, 1000)}
}

// start runs jobs in the background and returns a channel with the outcome.
func start(ctx context.Context, s *sharer[*CodeJob], jobs int) chan error {
	return startWith(ctx, s, jobs, nil)
}

func startWith(ctx context.Context, s *sharer[*CodeJob], jobs int, answer func() error) chan error {
	done := make(chan error, 1)
	all := make([]*CodeJob, jobs)
	for i := range all {
		all[i] = &CodeJob{}
	}
	go func() { done <- s.run(ctx, all, answer) }()
	return done
}

// waitFor spins until the sharer has n jobs waiting: there is nothing else to see.
func waitFor(s *sharer[*CodeJob], n int) {
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

func TestALoneJobStartsAtOnceOnAllTheThreadsItIsWorth(t *testing.T) {
	l := newPassLog()
	s := newSharer(l.scan, func() int { return 3 })
	s.free = 4
	done := start(t.Context(), s, 1)
	<-l.began // nothing else happens meanwhile: it did not wait for company
	l.gate <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.under.Wait()
	if !slices.Equal(l.jobs, []int{1}) || !slices.Equal(l.threads, []int{3}) || s.free != 4 {
		t.Errorf("passes of %v jobs on %v threads, %d threads free after, want one of 1 job on 3 threads, 4 free", l.jobs, l.threads, s.free)
	}
}

func TestJobsThatArriveDuringAPassRideTheNextTogether(t *testing.T) {
	l := newPassLog()
	s := newSharer(l.scan, func() int { return 2 })
	s.free = 2
	var done []chan error
	done = append(done, start(t.Context(), s, 1))
	<-l.began
	for i := range MaxPassJobs + 5 {
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
	s.under.Wait()
	if want := []int{1, MaxPassJobs, 5}; !slices.Equal(l.jobs, want) {
		t.Errorf("passes of %v jobs, want %v", l.jobs, want)
	}
}

func TestThreadsOfAPassStayWithThoseWhoAnswer(t *testing.T) {
	l := newPassLog()
	s := newSharer(l.scan, func() int { return 1 })
	s.free = 1
	answering, answered := make(chan struct{}), make(chan struct{})
	first := startWith(t.Context(), s, 1, func() error {
		answering <- struct{}{}
		<-answered
		return nil
	})
	<-l.began
	second := start(t.Context(), s, 1)
	waitFor(s, 1)
	l.gate <- struct{}{}
	<-answering // the pass is over
	third := start(t.Context(), s, 1)
	waitFor(s, 2)
	close(answered)
	l.gate <- struct{}{}
	for _, d := range []chan error{first, second, third} {
		if err := <-d; err != nil {
			t.Error(err)
		}
	}
	s.under.Wait()
	if want := []int{1, 2}; !slices.Equal(l.jobs, want) || s.free != 1 {
		t.Errorf("passes of %v jobs, %d threads free after, want %v and 1", l.jobs, s.free, want)
	}
}

func TestNobodyWaitsForThreadsThatItHolds(t *testing.T) {
	const jobs = 2*MaxPassJobs + 5 // of one call
	for threads := 1; threads <= 4; threads++ {
		l := newPassLog()
		s := newSharer(l.scan, func() int { return 1 })
		s.free = threads
		close(l.gate)
		failed := errors.New("failed")
		for _, want := range []error{nil, failed} {
			if err := <-startWith(t.Context(), s, jobs, func() error { return want }); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
		}
		s.under.Wait()
		if s.free != threads {
			t.Errorf("%d of %d threads are free", s.free, threads)
		}
	}
}

func TestThreadsOfThoseWhoGiveUpAreFree(t *testing.T) {
	l := newPassLog()
	s := newSharer(l.scan, func() int { return 1 })
	s.free = 1
	ctx, cancel := context.WithCancel(t.Context())
	answer := func() error {
		t.Error("it answers")
		return nil
	}
	riding := startWith(ctx, s, 1, answer)
	<-l.began
	waiting := startWith(ctx, s, 1, answer)
	waitFor(s, 1)
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	close(l.gate)
	if err := <-riding; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	s.under.Wait()
	if s.free != 1 {
		t.Errorf("%d threads are free, want 1", s.free)
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
	s.under.Wait()
}

func TestABatchIsSpreadOverTheFreeThreadsByTiles(t *testing.T) {
	for _, tt := range []struct {
		jobs, threads int
		want          []int // jobs of the passes, ascending
	}{
		{2, 4, []int{1, 1}},
		{3, 4, []int{1, 1, 1}},
		{5, 4, []int{1, 1, 1, 2}}, // no thread is idle for the sake of a whole tile
		{18, 4, []int{2, 4, 4, 8}},
		{2, 2, []int{1, 1}},
		{3, 2, []int{1, 2}},
		{6, 2, []int{2, 4}},
		{9, 2, []int{1, 8}},
		{5, 1, []int{5}},
		{MaxPassJobs + 1, 1, []int{1, MaxPassJobs}},
	} {
		t.Run(fmt.Sprintf("jobs=%d/threads=%d", tt.jobs, tt.threads), func(t *testing.T) {
			l := newPassLog()
			close(l.gate)
			s := newSharer(l.scan, func() int { return 1 })
			s.free = tt.threads
			if err := <-start(t.Context(), s, tt.jobs); err != nil {
				t.Fatal(err)
			}
			s.under.Wait()
			slices.Sort(l.jobs)
			if !slices.Equal(l.jobs, tt.want) || s.free != tt.threads {
				t.Errorf("passes of %v jobs, %d threads free, want %v and %d", l.jobs, s.free, tt.want, tt.threads)
			}
		})
	}
}

// What a job has found can be large: nobody may hold it when its search has ended.
func TestNothingHoldsAJobThatIsDone(t *testing.T) {
	p := newPool(t, encoder.Learned, encoder.Cosine, 100, 300)
	view := p.scanned(t, 3*blockRows, func(row uint32) int { return int(row) % 300 }, none).view
	r := rand.New(rand.NewPCG(8, 14))
	s := newSharer(
		func(jobs []*CodeJob, threads int) { codePasses(view.Present(), jobs, threads) },
		func() int { return 1 },
	)
	s.free = 2
	var held []weak.Pointer[CodeJob]
	for range 3 {
		held = append(held, carried(t, p, r, s)...)
	}
	s.under.Wait()
	kept := newScratch([]*CodeJob{p.job(t.Context(), gaussian(r, 100, 0), 1, 10)})
	runtime.GC() // pools keep what they have over one collection
	for i, job := range held {
		if job.Value() != nil {
			t.Fatalf("job %d of %d is held after its pass", i, len(held))
		}
	}
	kept.release()
	runtime.KeepAlive(s)
}

// carried returns the jobs of a batch that has been carried out.
func carried(t *testing.T, p *pool, r *rand.Rand, s *sharer[*CodeJob]) []weak.Pointer[CodeJob] {
	var jobs []*CodeJob
	var held []weak.Pointer[CodeJob]
	for range 3 * MaxPassJobs {
		j := p.job(t.Context(), gaussian(r, 100, 0), 1, 10)
		jobs, held = append(jobs, j), append(held, weak.Make(j))
	}
	if err := s.run(t.Context(), jobs, nil); err != nil {
		t.Fatal(err)
	}
	return held
}

func TestRoomForVeryManyHitsIsNotKept(t *testing.T) {
	p := newPool(t, encoder.Signs, encoder.Cosine, 64, 2)
	s := newScratch([]*CodeJob{p.job(t.Context(), p.vectors[0], 1, 10)})
	defer s.release()
	for c := range s.counters() {
		for _, k := range []int{1000, mostRoom} {
			c.Reset(k, math.MaxUint32)
			for row := range uint32(k) {
				c.Push(row, 1)
			}
		}
	}
	if s.forget(); s.room() < mostRoom {
		t.Errorf("there is room for %d hits, and it would be kept, want %d or more", s.room(), mostRoom)
	}
}
