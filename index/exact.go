package index

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/storage"
)

const (
	// exactRows is how many stored vectors an exact pass reads in one transaction.
	// Cancellation is looked at as often.
	exactRows = 1024
	// exactTile is how many of them are compared with some queries, then with others: they
	// stay in the L2 cache meanwhile, and the queries in the L1 cache.
	exactTile = 16
	// exactQueries is how many queries are compared with such vectors at a time, a multiple
	// of what package dense compares with one vector together.
	exactQueries = 4
)

// exactJob is one exact search's part of a pass over the stored vectors.
type exactJob struct {
	ctx  context.Context
	plan *plan

	parts []*ranker     // what each lane found
	err   error         // what kept the pass from reading on
	done  chan struct{} // closed when parts and err are set
}

func (j *exactJob) begin(ctx context.Context) { j.ctx, j.done = ctx, make(chan struct{}) }

func (j *exactJob) finished() <-chan struct{} { return j.done }

// wantExactLanes is how many lanes an exact pass over rows is worth: vectors are so
// much larger than codes that a block of them is worth a core.
func wantExactLanes(rows uint32) int {
	return min(runtime.GOMAXPROCS(0), max(1, (int(rows)+exactRows-1)/exactRows))
}

// exactPass compares every row of v that is not retired with the queries of all jobs,
// so that each is read, and its checksum computed, once. Rows of a view are never
// rewritten: reading them over several transactions still gives one answer. Jobs whose
// context ends are dropped on the way.
func (g *generation) exactPass(v *view, jobs []*exactJob, lanes int) {
	for _, j := range jobs {
		j.parts = make([]*ranker, lanes)
		defer close(j.done)
	}
	var next atomic.Uint32 // blocks given to lanes
	group, ctx := errgroup.WithContext(context.Background())
	for lane := range lanes {
		for _, j := range jobs {
			j.parts[lane] = newRanker(j.plan, nil)
		}
		group.Go(func() error { return g.exactLane(ctx, v, jobs, lane, &next) })
	}
	if err := group.Wait(); err != nil {
		for _, j := range jobs {
			j.err = err
		}
	}
}

// exactLane reads blocks until there are no more, no job wants them, or ctx ends.
func (g *generation) exactLane(ctx context.Context, v *view, jobs []*exactJob, lane int, next *atomic.Uint32) error {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, sameSize)
	together := exactTogether(jobs)
	blocks := (v.rows + exactRows - 1) / exactRows
	for ctx.Err() == nil {
		block := next.Add(1) - 1
		if ended := func(j *exactJob) bool { return j.ctx.Err() != nil }; slices.ContainsFunc(jobs, ended) {
			jobs = slices.DeleteFunc(jobs, ended)
			together = exactTogether(jobs)
		}
		if block >= blocks || len(jobs) == 0 {
			return nil
		}
		err := g.shard.View(func(r *storage.Reader) error {
			return exactBlock(v, r, together, lane, block*exactRows)
		})
		if err != nil {
			return err
		}
	}
	return nil // another lane has failed
}

// exactJobs are jobs whose queries are of one size, and their scorers.
type exactJobs struct {
	jobs    []*exactJob
	scorers scorers
}

// sameSize is 0 for jobs that can be compared together.
func sameSize(a, b *exactJob) int {
	return cmp.Compare(len(a.plan.scorer.query), len(b.plan.scorer.query))
}

// exactTogether cuts jobs, in the order of sameSize.
func exactTogether(jobs []*exactJob) []exactJobs {
	var all []exactJobs
	for len(jobs) > 0 {
		n := 1
		for n < min(len(jobs), exactQueries) && sameSize(jobs[0], jobs[n]) == 0 {
			n++
		}
		t := exactJobs{jobs: jobs[:n]}
		for _, j := range t.jobs {
			t.scorers.add(&j.plan.scorer)
		}
		all, jobs = append(all, t), jobs[n:]
	}
	return all
}

// exactBlock offers the rows of one block that are not retired to the jobs.
func exactBlock(v *view, r *storage.Reader, together []exactJobs, lane int, first uint32) error {
	slots, vectors := make([]uint64, 0, exactTile), make([][]byte, 0, exactTile)
	end := min(v.rows, first+exactRows)
	for row := first; row < end; {
		slots, vectors = slots[:0], vectors[:0]
		for ; row < end && len(slots) < exactTile; row++ {
			if !v.isRetired(row) {
				slots = append(slots, uint64(row))
			}
		}
		err := r.Vectors(slots, func(_ uint64, vector []byte) { vectors = append(vectors, vector) })
		if err != nil {
			return err
		}
		for _, t := range together {
			for _, j := range t.jobs {
				j.parts[lane].reader = r
				j.parts[lane].read += uint64(len(vectors))
			}
			for i, vector := range vectors {
				for n, score := range t.scorers.stored(vector) {
					t.jobs[n].parts[lane].offer(uint32(slots[i]), score)
				}
			}
		}
	}
	return nil
}

// runExact answers p, whose pass is over.
func (g *generation) runExact(p *plan) (*Result, error) {
	job := p.exact
	if job.err != nil {
		return nil, job.err
	}
	var read uint64
	var result *Result
	err := g.shard.View(func(r *storage.Reader) error {
		rank := newRanker(p, r)
		for _, part := range job.parts {
			part.reader = r
			for _, s := range part.sorted() {
				rank.offer(s.row, s.score)
			}
			if part.err != nil {
				return part.err
			}
			read += part.read
		}
		var err error
		result, err = g.answer(p, rank)
		return err
	})
	if err != nil {
		return nil, err
	}
	result.Receipt = Receipt{RowsScanned: read, VectorsRead: read, VectorBytesRead: read * uint64(g.codec.store.Bytes(p.dims))}
	return result, nil
}
