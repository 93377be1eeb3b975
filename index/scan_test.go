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
				jobs = append(jobs, randomJob(ctx, r, 1+i%3, i%2 == 1, 1+2*i*i*i, i%4))
			}
			s.check(t, jobs, lanes)
			s.check(t, jobs[2:3], lanes)
			s.check(t, jobs[3:4], lanes)
		}
	}
}

func TestAPassFindsTheSameWhateverTheOrderOfTheRows(t *testing.T) {
	const rows = segmentRows + 3*blockRows + 5
	r := rand.New(rand.NewPCG(6, 6))
	far := func(bits int) (code [3]uint64) { // so many bits from zero
		for i := range bits {
			code[i/64] |= 1 << (i % 64)
		}
		return code
	}
	sampled := func(row uint32) bool { return row/hamming.Lanes%sampleGroups == 0 }
	none := func(uint32) bool { return false }
	for _, tt := range []struct {
		name    string
		code    func(row uint32) [3]uint64
		retired func(row uint32) bool
		wrong   bool // a guess for the 400 nearest to zero must fail
	}{
		{"nearest first", func(row uint32) [3]uint64 { return far(int(row) * 192 / rows) }, none, false},
		{"nearest last", func(row uint32) [3]uint64 { return far(192 - int(row)*192/rows) }, none, false},
		{"all alike", func(uint32) [3]uint64 { return far(70) }, none, false},
		{"of three kinds", func(uint32) [3]uint64 { return far(60 + r.IntN(3)) }, none, false},
		{"few near rows, all in the sample", func(row uint32) [3]uint64 {
			if sampled(row) && row%(8*hamming.Lanes*sampleGroups) < hamming.Lanes {
				return far(0)
			}
			return far(50 + r.IntN(100))
		}, none, true},
		{"only the sample is far", func(row uint32) [3]uint64 {
			if sampled(row) {
				return far(192)
			}
			return far(50 + r.IntN(100))
		}, none, false},
		{"the sample is retired", func(uint32) [3]uint64 { return far(r.IntN(192)) }, sampled, false},
		{"nearly all is retired", func(uint32) [3]uint64 { return far(r.IntN(192)) }, func(row uint32) bool { return row%200 != 0 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScanned(t, rows, tt.code, tt.retired)
			for _, lanes := range []int{1, 3} {
				nearZero := &scanJob{ctx: t.Context(), query: make([]uint64, 3), k: 400, ties: 3}
				jobs := []*scanJob{nearZero}
				for _, k := range []int{1, 400, 20_000} {
					for _, ties := range []int{0, 4096} {
						jobs = append(jobs, randomJob(t.Context(), r, 3, false, k, ties), randomJob(t.Context(), r, 3, true, k, ties))
					}
				}
				s.check(t, jobs, lanes)
				if tt.wrong && nearZero.limit != 0 {
					t.Errorf("%d lanes: the limit is still %d, want a scan without", lanes, nearZero.limit)
				}
			}
		})
	}
}

func TestAGuessLeavesFewRowsToLookAt(t *testing.T) {
	const rows, k = segmentRows, 400
	r := rand.New(rand.NewPCG(8, 8))
	s := newScanned(t, rows,
		func(uint32) [3]uint64 { return [3]uint64{r.Uint64(), r.Uint64(), r.Uint64()} },
		func(uint32) bool { return false })
	for range 20 {
		for _, magnitudes := range []bool{false, true} {
			job := randomJob(t.Context(), r, 3, magnitudes, k, 0)
			guess(s.view, []*scanJob{job})
			if job.limit == 0 {
				t.Fatal("no guess")
			}
			below := 0
			for row := range uint32(rows) {
				if job.distance(s.view, row) < job.limit {
					below++
				}
			}
			if below < k || below > 6*k {
				t.Errorf("magnitudes %t: %d rows are below the limit, want %d to %d", magnitudes, below, k, 6*k)
			}
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
