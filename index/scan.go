package index

import (
	"context"
	"math/bits"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
)

// blockRows is how many rows a pass compares with all its queries before it goes
// on: their codes stay in the L1 and L2 caches meanwhile. Cancellation is looked at
// once a block.
const blockRows = 1024

// scanJob is S1 of one search: the k rows whose first words are nearest to query, and
// up to ties more that tie with the last.
type scanJob struct {
	ctx     context.Context
	query   []uint64
	planes  *[hamming.Planes][]uint64 // magnitudes, of which query has the signs; nil: none
	k, ties int

	view  *view         // that was scanned
	parts [][]topk.Hit  // what each lane found
	done  chan struct{} // closed when view and parts are set
}

// hits returns what the pass found, by row.
func (j *scanJob) hits() []topk.Hit {
	if len(j.parts) == 1 {
		return j.parts[0]
	}
	// Each lane's rows ascend, and are all below those of the next.
	return topk.Nearest(slices.Concat(j.parts...), j.k, j.ties)
}

// pass scans v for all jobs at once on the given number of goroutines, each taking
// some of the segments. Jobs whose context ends are dropped on the way.
func pass(v *view, jobs []*scanJob, lanes int) {
	lanes = max(1, min(lanes, len(v.segments)))
	for _, j := range jobs {
		j.view, j.parts = v, make([][]topk.Hit, lanes)
		defer close(j.done)
	}
	slices.SortStableFunc(jobs, func(a, b *scanJob) int { return a.shared() - b.shared() })
	var g errgroup.Group
	for lane := 1; lane < lanes; lane++ {
		g.Go(func() error {
			scanLane(v, jobs, lane, lanes)
			return nil
		})
	}
	scanLane(v, jobs, 0, lanes)
	_ = g.Wait() // lanes do not fail
}

// shared is the number of words over which the query can share a tile with others of
// that number; 0 for one with magnitudes, which has a tile of its own.
func (j *scanJob) shared() int {
	if j.planes != nil {
		return 0
	}
	return len(j.query)
}

// distance returns the distance of row from the query.
func (j *scanJob) distance(v *view, row uint32) uint32 {
	if j.planes != nil {
		return v.distancePlanes(j.query, j.planes, row)
	}
	return v.distance(j.query, row)
}

// laneScratch is what one lane needs for a pass.
type laneScratch struct {
	tiles   []tile
	columns []hamming.Column
	matches [blockRows / hamming.Lanes * hamming.TileQueries]hamming.Match
}

// tile is up to hamming.TileQueries jobs that are compared together.
type tile struct {
	jobs     []*scanJob
	queries  hamming.Tile
	counters [hamming.TileQueries]topk.Counter
}

var laneScratches = sync.Pool{New: func() any { return new(laneScratch) }}

// scanLane scans the segments of one lane.
func scanLane(v *view, jobs []*scanJob, lane, lanes int) {
	s := laneScratches.Get().(*laneScratch)
	defer laneScratches.Put(s)
	s.setTiles(v, jobs)
	for i := lane * len(v.segments) / lanes; i < (lane+1)*len(v.segments)/lanes; i++ {
		if !s.segment(v, i) {
			break
		}
	}
	for t := range s.tiles {
		for j, job := range s.tiles[t].jobs {
			job.parts[lane] = slices.Clone(s.tiles[t].counters[j].Hits())
		}
		s.tiles[t].jobs = nil
	}
}

// setTiles cuts jobs, those that can share a tile side by side, into tiles.
func (s *laneScratch) setTiles(v *view, jobs []*scanJob) {
	s.tiles = s.tiles[:0]
	for len(jobs) > 0 {
		s.tiles = slices.Grow(s.tiles, 1)[:len(s.tiles)+1] // what a tile holds is used again
		t := &s.tiles[len(s.tiles)-1]
		n := t.set(jobs)
		for j, job := range t.jobs {
			// A wish for more rows than there are is no reason to take more memory.
			t.counters[j].Reset(max(1, min(job.k, int(v.rows))), job.ties, t.queries.MaxDistance()+1)
		}
		jobs = jobs[n:]
	}
}

// set makes t a tile of the first jobs, and returns how many.
func (t *tile) set(jobs []*scanJob) int {
	shared, n := jobs[0].shared(), 1
	if shared == 0 {
		t.queries.ResetPlanes(jobs[0].query, jobs[0].planes)
	} else {
		queries := [hamming.TileQueries][]uint64{jobs[0].query}
		for n < min(len(jobs), len(queries)) && jobs[n].shared() == shared {
			queries[n] = jobs[n].query
			n++
		}
		t.queries.Reset(queries[:n]...)
	}
	t.jobs = jobs[:n]
	return n
}

// segment pushes the rows of segment i that are not retired and near enough to
// the counters. It returns false when no job is left that wants them.
func (s *laneScratch) segment(v *view, i int) bool {
	rows := int(min(v.rows-uint32(i)*segmentRows, segmentRows))
	whole := rows / hamming.Lanes * hamming.Lanes
	for at := 0; at < whole; at += blockRows {
		n, wanted := min(blockRows, whole-at), false
		for t := range s.tiles {
			wanted = s.tiles[t].block(v, s, i, at, n) || wanted
		}
		if !wanted {
			return false
		}
	}
	// The last group may still be filling up: its finished rows one by one.
	first, retired := uint32(i)*segmentRows, v.retired[i]
	for at := whole; at < rows; at++ {
		if retired != nil && retired.Test(uint(at)) {
			continue
		}
		for t := range s.tiles {
			for j, job := range s.tiles[t].jobs {
				s.tiles[t].counters[j].Push(first+uint32(at), job.distance(v, first+uint32(at)))
			}
		}
	}
	return true
}

// block compares rows at..at+n-1 of segment i with the tile. It returns false when
// none of its jobs wants them any more.
func (t *tile) block(v *view, s *laneScratch, i, at, n int) bool {
	var limits [hamming.TileQueries]uint32
	wanted := false
	for j, job := range t.jobs {
		if job.ctx.Err() == nil {
			limits[j], wanted = t.counters[j].Limit(), true
		}
	}
	if !wanted {
		return false
	}
	s.columns = v.block(s.columns[:0], v.segments[i], at, n, len(t.jobs[0].query))
	first, retired := uint32(i)*segmentRows, v.retired[i]
	for _, m := range t.queries.Scan(s.matches[:0], s.columns, n/hamming.Lanes, &limits) {
		for mask := uint(m.Mask); mask != 0; mask &= mask - 1 {
			lane := bits.TrailingZeros(mask)
			row := at + int(m.Group)*hamming.Lanes + lane
			if retired == nil || !retired.Test(uint(row)) {
				t.counters[m.Query].Push(first+uint32(row), m.Distances[lane])
			}
		}
	}
	return true
}
