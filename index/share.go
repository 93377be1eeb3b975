package index

import (
	"context"
	"runtime"
	"sync"

	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
)

// parallelRows is how many rows make it worth to put one more core to a pass:
// some milliseconds of work against some microseconds of waking it.
const parallelRows = 2 * codes.SegmentRows

// maxPassJobs bounds a pass: more queries would not read less, only wait longer.
const maxPassJobs = 64

// sharedJob is what can ride a pass with others: a scanJob, an exactJob.
type sharedJob interface {
	begin(ctx context.Context)
	finished() <-chan struct{} // closed when the pass is over
}

// sharer lets concurrent searches of one collection share the cores and the passes
// over its codes, or if they are exact those over its vectors. There are as many lanes
// as cores. A job that finds a lane free starts with those that come at the same time, and
// takes as many lanes as its collection is worth. Jobs that find none wait, and when lanes
// come free all that wait, first come first served, ride one pass together: nobody waits for
// a timer, and the busier the machine, the more queries each row that is read serves.
type sharer[J sharedJob] struct {
	scan func(jobs []J, lanes int) // carries a pass out
	want func() int                // lanes that a pass is worth now

	mu      sync.Mutex
	free    int
	waiting []J

	under sync.WaitGroup // rides under way
}

func newSharer[J sharedJob](scan func([]J, int), want func() int) *sharer[J] {
	return &sharer[J]{scan: scan, want: want, free: runtime.GOMAXPROCS(0)}
}

// wantLanes is how many lanes a pass over rows is worth.
func wantLanes(rows uint32) int { return 1 + int(rows)/parallelRows }

// run carries jobs out and returns when all are done, or when ctx ends: passes drop
// the jobs then, and whoever frees what they read must wait for the passes.
func (s *sharer[J]) run(ctx context.Context, jobs []J) error {
	for _, j := range jobs {
		j.begin(ctx)
	}
	s.mu.Lock()
	s.waiting = append(s.waiting, jobs...)
	s.mu.Unlock()
	s.ride(func() bool { return isClosed(jobs[len(jobs)-1].finished()) })
	for _, j := range jobs {
		select {
		case <-j.finished():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// wait returns when no pass is under way, after the last run has returned.
func (s *sharer[J]) wait() { s.under.Wait() }

// ride is a pass and the lanes it has.
type ride[J sharedJob] struct {
	jobs  []J
	lanes int
}

// board gives the free lanes to the jobs that wait. s.mu is held.
func (s *sharer[J]) board() []ride[J] {
	var rides []ride[J]
	for s.free > 0 && len(s.waiting) > 0 {
		r := ride[J]{lanes: min(s.want(), s.free)}
		n := len(s.waiting)
		if r.lanes == 1 { // whole tiles, but so that each other free lane has a job
			share := (n + s.free - 1) / s.free
			tiles := (share + hamming.TileQueries - 1) / hamming.TileQueries * hamming.TileQueries
			n = min(tiles, max(share, n-(s.free-1)))
		}
		n = min(n, maxPassJobs)
		r.jobs, s.waiting = s.waiting[:n:n], s.waiting[n:]
		s.free -= r.lanes
		s.under.Add(1)
		rides = append(rides, r)
	}
	return rides
}

// ride gives the free lanes to the jobs that wait, and carries one of the rides out itself,
// unless needless says that somebody has done what it was for.
//
// Whoever is about to ask may do so first: callers between two searches, who would find the
// lanes taken. Then all that wait ride together. A caller alone is not held up.
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

// carry carries a ride out and hands its lanes on.
func (s *sharer[J]) carry(r ride[J]) {
	defer s.under.Done()
	defer func() { // also after a panic, or the lanes would be lost
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free += r.lanes
		if len(s.waiting) > 0 {
			s.under.Go(func() { s.ride(func() bool { return false }) })
		}
	}()
	s.scan(r.jobs, r.lanes)
}
