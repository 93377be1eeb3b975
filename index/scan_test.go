package index

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
)

// scanned is a view and, for its plain twin, its codes: those of retired rows are nil.
type scanned struct {
	view  *view
	codes [][]uint64
}

// newScanned makes a view of rows whose codes of 192 bits in two columns are what
// code says, and retires those that it is told to.
func newScanned(t *testing.T, rows uint32, code func(row uint32) [3]uint64, retired func(row uint32) bool) *scanned {
	t.Helper()
	b := newBuilder(newLayout([]int{64, 192}, 0))
	if err := b.grow(rows); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.release(); err != nil {
			t.Error(err)
		}
	})
	s := &scanned{codes: make([][]uint64, rows)}
	for row := range rows {
		words := code(row)
		b.add(words[:], nil)
		if retired(row) {
			b.retire(row)
		} else {
			s.codes[row] = words[:]
		}
	}
	s.view = b.publish()
	return s
}

// want is what j promises to find, by the definition.
func (s *scanned) want(j *scanJob) []topk.Hit {
	var hits []topk.Hit
	for row, c := range s.codes {
		if c == nil {
			continue
		}
		d := 0
		for w, x := range j.query {
			differ := x ^ c[w]
			if j.planes == nil {
				d += bits.OnesCount64(differ)
				continue
			}
			for p, plane := range j.planes {
				d += bits.OnesCount64(differ&plane[w]) << p
			}
		}
		hits = append(hits, topk.Hit{Row: uint32(row), Distance: uint32(d)})
	}
	slices.SortStableFunc(hits, func(a, b topk.Hit) int { return cmp.Compare(a.Distance, b.Distance) })
	end := min(j.k, len(hits))
	for end < len(hits) && end < j.k+j.ties && hits[end].Distance == hits[j.k-1].Distance {
		end++
	}
	hits = hits[:end]
	slices.SortFunc(hits, func(a, b topk.Hit) int { return cmp.Compare(a.Row, b.Row) })
	return hits
}

// check compares what a pass of jobs finds with the twin.
func (s *scanned) check(t *testing.T, jobs []*scanJob, lanes int) {
	t.Helper()
	for _, j := range jobs {
		j.done = make(chan struct{})
	}
	pass(s.view, slices.Clone(jobs), lanes)
	for i, j := range jobs {
		<-j.done
		if j.ctx.Err() != nil {
			continue
		}
		if got, want := j.hits(), s.want(j); !slices.Equal(got, want) {
			t.Errorf("%d lanes: job %d (%d words, magnitudes %t, k %d, ties %d) found %v, want %v",
				lanes, i, len(j.query), j.planes != nil, j.k, j.ties, first(got), first(want))
		}
	}
}

func first(hits []topk.Hit) string { return fmt.Sprint(len(hits), hits[:min(5, len(hits))]) }

func randomJob(ctx context.Context, r *rand.Rand, words int, magnitudes bool, k, ties int) *scanJob {
	random := func() []uint64 { return []uint64{r.Uint64(), r.Uint64(), r.Uint64()}[:words] }
	j := &scanJob{ctx: ctx, query: random(), k: k, ties: ties}
	if magnitudes {
		j.planes = new([hamming.Planes][]uint64)
		for p := range j.planes {
			j.planes[p] = random()
		}
	}
	return j
}

// TestAPassFindsWhatEachJobAsksFor mixes sizes, kinds, wishes and a job whose context
// has ended.
func TestAPassFindsWhatEachJobAsksFor(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r := rand.New(rand.NewPCG(4, 4))
	for _, rows := range []uint32{1, 7, 8, blockRows + 5, 2*segmentRows + 5001} {
		s := newScanned(t, rows,
			func(uint32) [3]uint64 { return [3]uint64{r.Uint64(), r.Uint64(), r.Uint64()} },
			func(row uint32) bool { return row%17 == 5 })
		for _, lanes := range []int{1, 2, 5} {
			var jobs []*scanJob
			for i := range 16 {
				ctx := t.Context()
				if i == 5 {
					ctx = ended
				}
				jobs = append(jobs, randomJob(ctx, r, 1+i%3, i%5 == 2, 1+2*i*i*i, i%4))
			}
			s.check(t, jobs, lanes)
			s.check(t, jobs[2:3], lanes)
			s.check(t, jobs[3:4], lanes)
		}
	}
}

// A commit that fails leaves room in the builder that no row has taken. What an
// empty code is near to must not find rows there.
func TestRoomThatNoRowHasTakenIsNotScanned(t *testing.T) {
	b := newBuilder(newLayout([]int{64}, 0))
	if err := b.grow(3 * segmentRows); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.release(); err != nil {
			t.Error(err)
		}
	}()
	for rows := range 3 {
		v := b.publish()
		job := &scanJob{ctx: t.Context(), query: []uint64{0}, k: 10, done: make(chan struct{})}
		pass(v, []*scanJob{job}, 4)
		if got := job.hits(); len(got) != rows {
			t.Errorf("%d rows: found %v", rows, got)
		}
		b.add([]uint64{^uint64(0)}, nil)
	}
}
