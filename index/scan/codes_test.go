package scan

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
)

// pool is some codes of a profile, of which the rows of a view are made.
type pool struct {
	profile *encoder.Profile
	vectors [][]float32
	rows    [][]uint64
}

// newPool encodes vectors under a learned profile, or under plain signs.
func newPool(t *testing.T, kind encoder.Kind, metric encoder.Metric, dims, n int) *pool {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(dims), uint64(metric)))
	p := &pool{}
	for range n {
		p.vectors = append(p.vectors, gaussian(r, dims, .3))
	}
	var err error
	if kind == encoder.Learned {
		p.profile, err = encoder.Learn(encoder.Shape{Metric: metric, Dims: dims}, p.vectors[:min(n, 50)])
	} else {
		p.profile, err = encoder.NewSigns(encoder.Shape{Metric: metric, Dims: dims})
	}
	if err != nil {
		t.Fatal(err)
	}
	for range p.vectors {
		p.rows = append(p.rows, make([]uint64, p.profile.RowWords()))
	}
	p.profile.Encode(p.rows, p.vectors)
	return p
}

// job is a pass for the k rows that a query like v may score best, over the first blocks.
func (p *pool) job(ctx context.Context, v []float32, blocks, k int) *CodeJob {
	q := p.profile.Query(v)
	s := q.NewScan(blocks, 2)
	j := &CodeJob{Query: codes.NewLayout(p.profile).Query(blocks, s.Offset, q.Magnitudes, s.A, s.B), Blocks: blocks, Step: q.Step(), K: k}
	j.begin(ctx)
	return j
}

// scores are the bounds of the codes, by the definition of package hamming, in float32: c o, then
// f (A - B h) for each block, or part of one that is too wide for a kernel, then the scale.
func (p *pool) scores(j *CodeJob) []float32 {
	scores := make([]float32, len(p.rows))
	for i, row := range p.rows {
		var side encoder.Side
		p.profile.Side(&side, row)
		offset := side.Offset
		if j.Step < len(side.Squares) {
			offset = side.Squares[j.Step]
		}
		s := float32(j.Query.Offset * offset)
		terms := j.Query.Terms
		for b, block := range p.profile.Blocks()[:j.Blocks] {
			for part := 0; part < block.PlaneWords(); part += len(terms[0].Magnitudes) / code.WordBits {
				if part > 0 {
					terms = terms[1:]
				}
				h := 0
				for d, m := range terms[0].Magnitudes {
					for plane := range block.Bits {
						bit := row[part+plane*block.PlaneWords()+d/code.WordBits] >> (d % code.WordBits) & 1
						if m > 0 && bit == 0 || m < 0 && bit == 1 {
							h += max(int(m), -int(m)) << (block.Bits - 1 - plane)
						}
					}
				}
				s += float32(encoder.Factor(side.Factors[b]) * (terms[0].A - float32(terms[0].B*float32(h))))
			}
			terms, row = terms[1:], row[block.Words():]
		}
		if j.Step < len(side.Scales) {
			s *= encoder.Half(side.Scales[j.Step])
		}
		scores[i] = s
	}
	return scores
}

// scanned is a view, and for its plain twin which code of the pool each row has: -1 where it
// is retired.
type scanned struct {
	pool *pool
	view *codes.View
	of   []int
}

func (p *pool) builder(t *testing.T, rows uint32) *codes.Builder {
	t.Helper()
	b := codes.NewBuilder(p.profile)
	if err := b.Grow(rows); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Release(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// scanned makes a view of rows.
func (p *pool) scanned(t *testing.T, rows uint32, of func(row uint32) int, retired func(row uint32) bool) *scanned {
	t.Helper()
	b := p.builder(t, rows)
	s := &scanned{pool: p, of: make([]int, rows)}
	for row := range rows {
		s.of[row] = of(row)
		b.Add(p.rows[s.of[row]])
		if retired(row) {
			b.Retire(row)
			s.of[row] = -1
		}
	}
	s.view = b.Publish()
	return s
}

// want is what j promises to find.
func (s *scanned) want(j *CodeJob) []topk.Hit {
	scores := s.pool.scores(j)
	var hits []topk.Hit
	for row, of := range s.of {
		if of >= 0 && (j.Floor == nil || scores[of] > *j.Floor) {
			hits = append(hits, topk.Hit{Row: uint32(row), Distance: RankOf(scores[of])})
		}
	}
	slices.SortStableFunc(hits, func(a, b topk.Hit) int { return cmp.Compare(a.Distance, b.Distance) })
	hits = hits[:min(j.K, len(hits))]
	slices.SortFunc(hits, func(a, b topk.Hit) int { return cmp.Compare(a.Row, b.Row) })
	return hits
}

// check compares what a pass of jobs finds with the twin.
func (s *scanned) check(t *testing.T, jobs []*CodeJob, threads int) {
	t.Helper()
	for _, j := range jobs {
		j.begin(j.ctx)
	}
	codePass(s.view.Present(), slices.Clone(jobs), threads)
	for i, j := range jobs {
		<-j.done
		if j.ctx.Err() != nil {
			continue
		}
		if got, want := j.Take(), s.want(j); !slices.Equal(got, want) {
			t.Errorf("%v, %d threads: job %d (%d blocks, step %d, k %d) found %v, want %v", s.pool.profile.Metric(), threads, i, j.Blocks, j.Step, j.K, first(got), first(want))
		}
	}
}

func first(hits []topk.Hit) string { return fmt.Sprint(len(hits), hits[:min(5, len(hits))]) }

func none(uint32) bool { return false }

func gaussian(r *rand.Rand, dims int, offset float64) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.NormFloat64() + offset)
	}
	return v
}

// A pass finds just the rows with the highest bounds: of one block or all, about every prefix,
// of rows that tie, with retired rows and a last group that is not full, above a floor, for many
// jobs and threads, beside a job whose context has ended.
func TestAPassFindsWhatEachJobAsksFor(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r := rand.New(rand.NewPCG(4, 4))
	for _, shape := range []struct {
		kind   encoder.Kind
		metric encoder.Metric
		dims   int
	}{
		{encoder.Learned, encoder.Cosine, 200},
		{encoder.Learned, encoder.Dot, 100},
		{encoder.Learned, encoder.L2, 300},
		{encoder.Signs, encoder.Dot, 65},
		{encoder.Signs, encoder.Cosine, 64*hamming.MaxWeight + 100},
	} {
		p := newPool(t, shape.kind, shape.metric, shape.dims, 300)
		for _, rows := range []uint32{1, hamming.Lanes - 1, hamming.Lanes, hamming.Lanes + 1, blockRows + 5, 2*codes.SegmentRows + 5001} {
			if rows > codes.SegmentRows && (shape.metric != encoder.L2 || testing.Short()) {
				continue
			}
			s := p.scanned(t, rows, func(uint32) int { return r.IntN(300) }, func(row uint32) bool { return row%17 == 5 })
			ladder := p.profile.Ladder()
			for _, threads := range []int{1, 2, 5} {
				var jobs []*CodeJob
				for i := range 14 {
					ctx := t.Context()
					if i == 5 {
						ctx = ended
					}
					size := ladder[i%len(ladder)]
					j := p.job(ctx, gaussian(r, size, .3), 1+i%len(p.profile.Blocks()), 1+2*i*i*i)
					if i%4 == 3 {
						scores := p.scores(j)
						floor := scores[r.IntN(len(scores))]
						j.Floor, j.K = &floor, int(rows)
					}
					jobs = append(jobs, j)
				}
				s.check(t, jobs, threads)
				s.check(t, jobs[2:3], threads)
				s.check(t, jobs[3:4], threads)
			}
		}
	}
}

func TestAPassFindsTheSameWhateverTheOrderOfTheRows(t *testing.T) {
	const rows = codes.SegmentRows + 3*blockRows + 5
	r := rand.New(rand.NewPCG(6, 6))
	p := newPool(t, encoder.Learned, encoder.Cosine, 100, 400)
	v := gaussian(r, 100, .3)
	scores := p.scores(p.job(t.Context(), v, 1, 1))
	slices.SortFunc(p.rows, func(a, b []uint64) int { // the best first
		score := func(row []uint64) float32 {
			i := slices.IndexFunc(p.rows, func(x []uint64) bool { return slices.Equal(x, row) })
			return scores[i]
		}
		return cmp.Compare(score(b), score(a))
	})
	groups := rows / hamming.Lanes
	step := max(1, min(groups/leastSample, sampleEach), groups/mostSample)
	sampled := func(row uint32) bool { return int(row)/hamming.Lanes%step == 0 }
	for _, tt := range []struct {
		name    string
		of      func(row uint32) int
		retired func(row uint32) bool
		wrong   bool // a guess for the 400 best must fail
	}{
		{"best first", func(row uint32) int { return int(row) * 400 / rows }, none, false},
		{"best last", func(row uint32) int { return 399 - int(row)*400/rows }, none, false},
		{"all alike", func(uint32) int { return 70 }, none, false},
		{"of three kinds", func(uint32) int { return 60 + r.IntN(3) }, none, false},
		{"few good rows, all in the sample", func(row uint32) int {
			if sampled(row) && row%11 == 0 {
				return 0
			}
			return 100 + r.IntN(300)
		}, none, true},
		{"only the sample is bad", func(row uint32) int {
			if sampled(row) {
				return 399
			}
			return 100 + r.IntN(200)
		}, none, false},
		{"the sample is retired", func(uint32) int { return r.IntN(400) }, sampled, false},
		{"nearly all is retired", func(uint32) int { return r.IntN(400) }, func(row uint32) bool { return row%200 != 0 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := p.scanned(t, rows, tt.of, tt.retired)
			for _, threads := range []int{1, 3} {
				best := p.job(t.Context(), v, 1, 400)
				jobs := []*CodeJob{best}
				for _, k := range []int{1, 400, 20_000} {
					jobs = append(jobs, p.job(t.Context(), gaussian(r, 100, 0), 1, k), p.job(t.Context(), gaussian(r, 64, 0), 2, k))
				}
				s.check(t, jobs, threads)
				if tt.wrong && best.limit != 0 {
					t.Errorf("%d threads: the limit is still %d, want a scan without", threads, best.limit)
				}
			}
		})
	}
}

func TestAGuessLeavesFewRowsToLookAt(t *testing.T) {
	const rows, k = codes.SegmentRows, 400
	r := rand.New(rand.NewPCG(8, 8))
	p := newPool(t, encoder.Learned, encoder.Dot, 100, 5000)
	s := p.scanned(t, rows, func(uint32) int { return r.IntN(5000) }, none)
	for range 10 {
		job := p.job(t.Context(), gaussian(r, 100, .3), 2, k)
		guess(s.view.Present(), []*CodeJob{job})
		if job.limit == 0 {
			t.Fatal("no guess")
		}
		below := 0
		scores := p.scores(job)
		for _, of := range s.of {
			if RankOf(scores[of]) < job.limit {
				below++
			}
		}
		if below < k || below > 8*k {
			t.Errorf("%d rows are below the limit, want %d to %d", below, k, 8*k)
		}
	}
}

// A commit that fails leaves room in the builder that no row has taken: it must not be found.
func TestRoomThatNoRowHasTakenIsNotScanned(t *testing.T) {
	p := newPool(t, encoder.Learned, encoder.L2, 100, 100)
	b := p.builder(t, 3*codes.SegmentRows)
	r := rand.New(rand.NewPCG(8, 9))
	for rows := range 70 {
		v := b.Publish()
		job := p.job(t.Context(), gaussian(r, 100, 0), 2, 100)
		floor := float32(math.Inf(-1))
		above := p.job(t.Context(), gaussian(r, 100, 0), 1, 100)
		above.Floor = &floor
		codePass(v.Present(), []*CodeJob{job, above}, 4)
		if got, all := job.Take(), above.Take(); len(got) != rows || len(all) != rows {
			t.Errorf("%d rows: found %d and %d", rows, len(got), len(all))
		}
		b.Add(p.rows[rows])
	}
}

// While a group fills up, scans of the views before read a copy of it. Run with -race.
func TestViewsAreScannedWhileRowsAreAdded(t *testing.T) {
	const rows = 3*hamming.Lanes + 7
	p := newPool(t, encoder.Learned, encoder.Cosine, 200, rows)
	b := p.builder(t, rows)
	s := &scanned{pool: p}
	r := rand.New(rand.NewPCG(8, 10))
	var scans sync.WaitGroup
	for row := range rows {
		b.Add(p.rows[row])
		s.of = append(s.of, row)
		if row%10 == 9 {
			b.Retire(uint32(row - 5))
			s.of[row-5] = -1
		}
		at := &scanned{pool: p, view: b.Publish(), of: slices.Clone(s.of)}
		jobs := []*CodeJob{p.job(t.Context(), gaussian(r, 200, .3), 1+row%3, 20), p.job(t.Context(), gaussian(r, 64, .3), 2, 1000)}
		scans.Go(func() { at.check(t, jobs, 2) })
	}
	scans.Wait()
}

func TestJobsOnSeveralViewsShareAPass(t *testing.T) {
	p := newPool(t, encoder.Learned, encoder.Dot, 100, 300)
	b := p.builder(t, 300)
	r := rand.New(rand.NewPCG(8, 11))
	var views []*scanned
	s := &scanned{pool: p}
	for row := range 300 {
		b.Add(p.rows[row])
		s.of = append(s.of, row)
		if row%70 == 69 {
			views = append(views, &scanned{pool: p, view: b.Publish(), of: slices.Clone(s.of)})
		}
	}
	last := &scanned{pool: p, view: b.Publish(), of: s.of}
	var jobs []*CodeJob
	var of []*scanned
	for i := range 23 {
		j := p.job(t.Context(), gaussian(r, 100, .3), 1+i%2, 200)
		at := last
		if i%3 > 0 {
			at = views[i/2%len(views)]
			j.Over = at.view.Present()
		}
		jobs, of = append(jobs, j), append(of, at)
	}
	codePasses(last.view.Present(), slices.Clone(jobs), 2)
	for i, j := range jobs {
		<-j.done
		if got, want := j.Take(), of[i].want(j); j.Scanned() != of[i].view.Present() || !slices.Equal(got, want) {
			t.Errorf("job %d found %v, want %v", i, first(got), first(want))
		}
	}
}

func TestRanksOrderScores(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 12))
	inf := float32(math.Inf(1))
	scores := []float32{-inf, -math.MaxFloat32, -1, -math.SmallestNonzeroFloat32, 0, math.SmallestNonzeroFloat32, 1, math.MaxFloat32, inf}
	for range 1000 {
		if s := math.Float32frombits(r.Uint32()); s == s {
			scores = append(scores, s)
		}
	}
	for _, a := range scores {
		if got := ScoreOf(RankOf(a)); got != a {
			t.Errorf("the rank of %v is that of %v", a, got)
		}
		if got := above(RankOf(a)); got != a {
			t.Errorf("what ranks before %v is above %v", a, got)
		}
		for _, b := range scores[:100] {
			if (a > b) != (RankOf(a) < RankOf(b)) && !(a == 0 && b == 0) {
				t.Errorf("%v and %v rank %x and %x", a, b, RankOf(a), RankOf(b))
			}
		}
	}
	if above(math.MaxUint32) != -inf || above(0) != inf {
		t.Errorf("no limit is above %v, and the closest above %v", above(math.MaxUint32), above(0))
	}
	if RankOf(0) != RankOf(float32(math.Copysign(0, -1))) {
		t.Error("zeros that score the same rank apart")
	}
}
