package scan

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/storage"
)

// Passes are the passes over the rows of one file and their codes. Concurrent searches share
// them.
type Passes struct {
	codes   *sharer[*CodeJob]
	vectors *sharer[*VectorJob]
}

// NewPasses makes passes over shard's vectors and over the view that now returns.
func NewPasses(shard *storage.Shard, now func() *codes.View) *Passes {
	return &Passes{
		newSharer(
			func(jobs []*CodeJob, threads int) { codePasses(now().Present(), jobs, threads) },
			func() int { return CodeThreads(now().Rows()) },
		),
		newSharer(
			func(jobs []*VectorJob, threads int) { vectorPasses(shard, now().Present(), jobs, threads) },
			func() int { return vectorThreads(now().Rows()) },
		),
	}
}

// Codes carries out jobs and returns when all are done, or when ctx ends. Passes then drop the
// jobs, and whoever frees what they read must Wait.
func (p *Passes) Codes(ctx context.Context, jobs []*CodeJob) error {
	return p.codes.run(ctx, jobs, nil)
}

// Vectors carries out jobs as Codes does, in passes over the stored vectors, and then calls
// answer, whose error it returns. No thread of the pass begins another pass before all its
// searches have answered. A pass takes much longer than an answer, so it is better to wait for
// callers who then ask again, and can ride the next pass too. answer must not use Passes.
func (p *Passes) Vectors(ctx context.Context, jobs []*VectorJob, answer func() error) error {
	return p.vectors.run(ctx, jobs, answer)
}

// Wait returns when no pass is under way. All other calls must have returned.
func (p *Passes) Wait() {
	p.codes.under.Wait()
	p.vectors.under.Wait()
}

// parallelRows is how many rows make it worthwhile to use one more thread in a pass over codes:
// some milliseconds of work against some microseconds to wake it.
const parallelRows = 2 * codes.SegmentRows

// CodeThreads is how many threads a pass over the codes of that many rows is worth.
func CodeThreads(rows uint32) int { return 1 + int(rows)/parallelRows }

// MaxPassJobs bounds a pass: with more queries it would not read less, only make them wait
// longer.
const MaxPassJobs = 64

// waiter is a job's part of waiting for a pass.
type waiter struct {
	ctx  context.Context
	done chan struct{} // closed when the pass is over

	// Of the sharer, under its mutex.
	held *hold // the threads of its ride that it keeps until it has answered; nil: none
	left bool  // it has answered, or no longer wants to
}

// hold is the threads of a ride while somebody still needs them.
type hold struct{ threads, holders int }

func (w *waiter) seat() *waiter { return w }

func (w *waiter) begin(ctx context.Context) { w.ctx, w.done = ctx, make(chan struct{}) }

func (w *waiter) finished() <-chan struct{} { return w.done }

func (w *waiter) finish() { close(w.done) }

// finish ends the wait for jobs.
func finish[J sharedJob](jobs []J) {
	for _, j := range jobs {
		j.finish()
	}
}

// sharedJob is a job that can share a pass with others: a CodeJob or a VectorJob.
type sharedJob interface {
	begin(ctx context.Context)
	finished() <-chan struct{} // closed by finish
	finish()                   // when the pass is over
	seat() *waiter
}

// sharer lets concurrent searches of one collection share the cores and the passes over its
// codes or, if they are exact, over its vectors. There is one thread for each core that Go may
// use. A job that finds one free starts with those that come at the same time, on as many
// threads as its collection is worth. Jobs that find none wait. When threads come free, all
// that wait ride one pass together, first come first served. Nobody waits for a timer, and the
// busier the machine, the more queries each row read serves.
type sharer[J sharedJob] struct {
	pass func(jobs []J, threads int) // carries one out
	want func() int                  // threads that a pass is worth now

	mu      sync.Mutex
	free    int
	waiting []J

	under sync.WaitGroup // rides under way
}

func newSharer[J sharedJob](pass func([]J, int), want func() int) *sharer[J] {
	return &sharer[J]{pass: pass, want: want, free: runtime.GOMAXPROCS(0)}
}

// run carries jobs out and returns when all are done, or when ctx ends. Passes then drop the
// jobs, and whoever frees what they read must wait for the passes.
//
// Unless answer is nil it is called when all are done, and the threads stay with the jobs
// meanwhile.
func (s *sharer[J]) run(ctx context.Context, jobs []J, answer func() error) error {
	for _, j := range jobs {
		j.seat().left = answer == nil
		j.begin(ctx)
	}
	s.mu.Lock()
	s.waiting = append(s.waiting, jobs...)
	s.mu.Unlock()
	if answer != nil {
		defer s.leave(jobs)
	}
	s.ride(func() bool { return isClosed(jobs[len(jobs)-1].finished()) })
	for i, j := range jobs {
		if answer != nil && !isClosed(j.finished()) {
			s.leave(jobs[:i]) // or j would wait for the threads that they hold
		}
		select {
		case <-j.finished():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil || answer == nil {
		return err
	}
	return answer()
}

// leave gives back what jobs hold, and what jobs that have not begun to ride would hold.
func (s *sharer[J]) leave(jobs []J) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		w := j.seat()
		if w.left = true; w.held != nil {
			s.release(w.held)
			w.held = nil
		}
	}
}

// release takes one holder from h; the last passes the threads on. The caller holds s.mu.
func (s *sharer[J]) release(h *hold) {
	if h.holders--; h.holders > 0 {
		return
	}
	s.free += h.threads
	if len(s.waiting) > 0 {
		s.under.Go(func() { s.ride(func() bool { return false }) })
	}
}

// ride is a pass and its threads.
type ride[J sharedJob] struct {
	jobs []J
	held *hold
}

// board gives the free threads to the waiting jobs. The caller holds s.mu.
func (s *sharer[J]) board() []ride[J] {
	var rides []ride[J]
	for s.free > 0 && len(s.waiting) > 0 {
		r := ride[J]{held: &hold{threads: min(s.want(), s.free), holders: 1}} // the pass is one
		n := len(s.waiting)
		if r.held.threads == 1 { // whole tiles, but leave a job for each other free thread
			share := (n + s.free - 1) / s.free
			tiles := (share + hamming.TileQueries - 1) / hamming.TileQueries * hamming.TileQueries
			n = min(tiles, max(share, n-(s.free-1)))
		}
		n = min(n, MaxPassJobs)
		// A riding job must not stay in the waiting array, which would keep alive what it
		// finds.
		r.jobs = slices.Clone(s.waiting[:n])
		s.waiting = slices.Delete(s.waiting, 0, n)
		for _, j := range r.jobs {
			if w := j.seat(); !w.left {
				w.held = r.held
				r.held.holders++
			}
		}
		s.free -= r.held.threads
		s.under.Add(1)
		rides = append(rides, r)
	}
	return rides
}

// ride gives the free threads to the waiting jobs and carries out one of the rides itself,
// unless needless says that somebody has already done its work.
//
// It first lets others run that are about to ask: callers between two searches, who would find
// the threads taken. Then all that wait ride together. A single caller is not held up.
func (s *sharer[J]) ride(needless func() bool) {
	runtime.Gosched()
	if needless() {
		return
	}
	s.mu.Lock()
	rides := s.board()
	s.mu.Unlock()
	for i, r := range rides {
		if i < len(rides)-1 {
			go s.carry(r)
		} else {
			s.carry(r)
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// carry carries a ride out and releases its threads.
func (s *sharer[J]) carry(r ride[J]) {
	defer s.under.Done()
	defer func() { // also after a panic, or the threads would be lost
		s.mu.Lock()
		defer s.mu.Unlock()
		s.release(r.held)
	}()
	s.pass(r.jobs, r.held.threads)
}
