package index

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
)

// fixture is a collection with learned codes that many tests search and none changes, and
// the same rows as a twin.
type fixture struct {
	c       *Collection
	w       *twin
	queries [][]float32
	row     map[string]int
}

// fixtures are made when the first test asks for them, and closed by TestMain.
var fixtures struct {
	mu  sync.Mutex
	dir string
	db  *DB
	all map[string]*fixture
}

const fixtureRows, fixtureDims = 3000, 200

// learned is a collection of fixtureRows rows near some centres, a few of them alike, deleted and
// replaced, whose scans look at the first blocks blocks of three.
func learned(t *testing.T, metric encoder.Metric, blocks int) *fixture {
	t.Helper()
	fixtures.mu.Lock()
	defer fixtures.mu.Unlock()
	var err error
	if fixtures.db == nil {
		if fixtures.dir, err = os.MkdirTemp("", "hamnest"); err != nil { //nolint:usetesting // it outlives the test
			t.Fatal(err)
		}
		if fixtures.db, err = Open(fixtures.dir, Options{Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		fixtures.all = make(map[string]*fixture)
	}
	name := fmt.Sprintf("%v-%d", metric, blocks)
	if f := fixtures.all[name]; f != nil {
		return f
	}
	r := rand.New(rand.NewPCG(10, uint64(metric)))
	centres := gaussians(r, 60, fixtureDims, .3)
	draw := func(r *rand.Rand) []float32 {
		v, centre := gaussian(r, fixtureDims, 0), centres[r.IntN(len(centres))]
		for i := range v {
			v[i] = .5*v[i] + centre[i]
		}
		return v
	}
	f := &fixture{w: &twin{metric: metric}}
	var sample [][]float32
	for i := range fixtureRows {
		v := draw(r)
		if i%50 == 7 {
			v = slices.Clone(f.w.rows[i-1].Vector) // alike: ties
		}
		f.w.rows = append(f.w.rows, Record{ID: fmt.Sprint((i * 7919) % 100_003), Vector: v})
		sample = append(sample, v)
	}
	profile := scanning(t, learntFrom(t, encoder.Shape{Metric: metric, Dims: fixtureDims}, sample[:1500]), blocks)
	f.c = createWith(t, fixtures.db, name, metric, profile)
	upsert(t, f.c, f.w.rows...)
	f.w.rows = slices.Clone(f.w.rows)
	f.w.retireSome(t, r, f.c, draw)
	f.row = make(map[string]int)
	for row, record := range f.w.rows {
		if record.ID != "" {
			f.row[record.ID] = row
		}
	}
	for range 100 {
		f.queries = append(f.queries, draw(r))
	}
	fixtures.all[name] = f
	return f
}

// closeFixtures ends what learned has begun.
func closeFixtures() error {
	if fixtures.db == nil {
		return nil
	}
	if err := fixtures.db.Close(); err != nil {
		return err
	}
	return os.RemoveAll(fixtures.dir)
}

// scanning returns p with scans of the first blocks blocks.
func scanning(t *testing.T, p *encoder.Profile, blocks int) *encoder.Profile {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]json.RawMessage
	if err := json.Unmarshal(b, &state); err != nil {
		t.Fatal(err)
	}
	state["scan"] = fmt.Append(nil, blocks)
	if b, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	var q encoder.Profile
	if err := json.Unmarshal(b, &q); err != nil {
		t.Fatal(err)
	}
	return &q
}

func eachLearned(t *testing.T, do func(t *testing.T, f *fixture)) {
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		for _, blocks := range []int{2, 3} {
			if testing.Short() && (metric == encoder.Dot || blocks == 3 && metric != encoder.Cosine) {
				continue
			}
			t.Run(fmt.Sprintf("%v/blocks=%d", metric, blocks), func(t *testing.T) { do(t, learned(t, metric, blocks)) })
		}
	}
}

// exactly is the exact answer.
func exactly(t *testing.T, c *Collection, q Query) []Hit {
	t.Helper()
	return ask(t, c, Query{Vector: q.Vector, ID: q.ID, K: q.K, MinScore: q.MinScore, Exact: true}).Hits
}

// The target recall is what is found in the mean, whatever the target, the prefix and k; scores
// are exact, and what was deleted is not found.
func TestTheTargetRecallIsFound(t *testing.T) {
	t.Parallel()
	eachLearned(t, func(t *testing.T, f *fixture) {
		for _, dims := range f.c.Info().Ladder {
			var exact []Query
			for _, v := range f.queries {
				exact = append(exact, Query{Vector: v[:dims], K: 40, Exact: true})
			}
			right, err := f.c.BatchSearch(t.Context(), exact)
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range []float64{.9, 0} {
				for _, k := range []int{1, 10, 40} {
					var recall, expected float64
					for i, v := range f.queries {
						q := Query{Vector: v[:dims], K: k, TargetRecall: target}
						if i%3 == 0 {
							q.Dims = min(64, dims)
						}
						res := ask(t, f.c, q)
						recall += recallOf(res.Hits, right[i].Hits[:k]) / float64(len(f.queries))
						expected += res.Receipt.ExpectedRecall / float64(len(f.queries))
						for n, h := range res.Hits {
							if n > 0 && (h.Score > res.Hits[n-1].Score || h.Score == res.Hits[n-1].Score && h.ID < res.Hits[n-1].ID) {
								t.Fatalf("%v follows %v", h, res.Hits[n-1])
							}
							row, live := f.row[h.ID]
							if want := f.w.score(v[:dims], f.w.rows[row].Vector); !live || math.Abs(float64(h.Score-want)) > 1e-5*(1+math.Abs(float64(want))) {
								t.Fatalf("%v should score %v", h, want)
							}
						}
						if r := res.Receipt; len(res.Hits) != k || !r.Exact && r.TargetRecall != targetOf(q) || r.Dims > dims {
							t.Fatalf("%d hits of %d with receipt %+v", len(res.Hits), k, r)
						}
					}
					want := targetOf(Query{TargetRecall: target})
					if recall < want-.015 {
						t.Errorf("%d dims, k %d: recall is %.4f, want %v", dims, k, recall, want)
					}
					if expected < want-1e-3 {
						t.Errorf("%d dims, k %d: a recall of %.4f is expected, want %v", dims, k, expected, want)
					}
				}
			}
		}
	})
}

// targetOf is TargetRecall with its default.
func targetOf(q Query) float64 {
	if q.TargetRecall == 0 {
		return DefaultTargetRecall
	}
	return q.TargetRecall
}

func TestAStoredVectorFindsItself(t *testing.T) {
	t.Parallel()
	eachLearned(t, func(t *testing.T, f *fixture) {
		step := 3
		if f.w.metric == encoder.Dot {
			step = 50
		}
		for i := 0; i < len(f.w.rows); i += step {
			row := f.w.rows[i]
			if row.ID == "" {
				continue
			}
			if f.w.metric == encoder.Dot { // a longer vector scores more
				row = f.w.rows[f.row[f.w.exact(row.Vector, 1)[0].ID]]
			}
			for _, k := range []int{1, 10} {
				best := ask(t, f.c, Query{Vector: row.Vector, K: k}).Hits[0]
				if found := f.w.rows[f.row[best.ID]]; !slices.Equal(found.Vector, row.Vector) || found.ID > row.ID {
					t.Errorf("row %d finds %v", i, best)
				}
				if f.w.metric == encoder.Cosine && best.Score < 1-1e-6 {
					t.Errorf("row %d scores %v against itself", i, best.Score)
				}
			}
		}
	})
}

func TestATargetOfOneIsExact(t *testing.T) {
	eachLearned(t, func(t *testing.T, f *fixture) {
		for _, v := range f.queries[:10] {
			q := Query{Vector: v, K: 20, TargetRecall: 1}
			res := ask(t, f.c, q)
			if err := sameHits(res.Hits, exactly(t, f.c, q)); err != nil {
				t.Error(err)
			}
			if !res.Receipt.Exact || res.Receipt.ExpectedRecall != 1 {
				t.Errorf("receipt is %+v", res.Receipt)
			}
		}
	})
}

// With a bound so wide that nothing can be beyond it answers are exact, however few rows the
// scan keeps at first: the second pass finds what it has not kept.
func TestFurtherPassesFindWhatTheFirstHasNotKept(t *testing.T) {
	eachLearned(t, func(t *testing.T, f *fixture) {
		r := rand.New(rand.NewPCG(10, 10))
		passes, exact := 0, 0
		for i, v := range f.queries {
			ladder := f.c.Info().Ladder
			q := Query{Vector: v[:ladder[i%len(ladder)]], K: 1 + r.IntN(30), Bound: 5}
			q.Candidates = q.K + r.IntN(3)
			if i%2 == 0 {
				q.Dims = 64
			}
			res := ask(t, f.c, q)
			if err := sameHits(res.Hits, exactly(t, f.c, q)); err != nil {
				t.Errorf("query %d, k %d of %d dims: %v", i, q.K, len(q.Vector), err)
			}
			if res.Receipt.Passes > 1 {
				passes++
			}
			if res.Receipt.Exact {
				exact++
			} else if res.Receipt.Bound != 5 || res.Receipt.TargetRecall != 0 {
				t.Errorf("receipt is %+v, want the bound in it", res.Receipt)
			}
		}
		if passes < 50 || exact > 50 {
			t.Errorf("%d of 100 searches made a second pass, and %d read all vectors", passes, exact)
		}
	})
}

func TestWhatWouldReadTooMuchIsExact(t *testing.T) {
	eachLearned(t, func(t *testing.T, f *fixture) {
		q := Query{Vector: f.queries[3], K: 10, Bound: 1000}
		res := ask(t, f.c, q)
		if err := sameHits(res.Hits, exactly(t, f.c, q)); err != nil {
			t.Error(err)
		}
		r := res.Receipt
		if !r.Exact || r.ExpectedRecall != 1 || r.VectorsRead <= f.c.Count() || r.VectorsRead > 2*f.c.Count() || r.Candidates == 0 || r.Passes == 0 || r.CodeBytesRead == 0 {
			t.Errorf("receipt is %+v, want one of an exact search that has begun otherwise", r)
		}
		if r.VectorBytesRead != r.VectorsRead*4*fixtureDims {
			t.Errorf("%d bytes were read of %d vectors", r.VectorBytesRead, r.VectorsRead)
		}
	})
}

// Searches that end at codes rank all rows by what their definitions say, spelled out here.
func TestScoresOfCodesAreTheEstimates(t *testing.T) {
	t.Parallel()
	eachLearned(t, func(t *testing.T, f *fixture) {
		profile := f.c.current.Load().codec.profile
		live := int(f.c.Count())
		rows, vectors := make([][]uint64, len(f.w.rows)), make([][]float32, len(f.w.rows))
		for i := range rows {
			rows[i], vectors[i] = make([]uint64, profile.RowWords()), f.w.rows[i].Vector
		}
		profile.Encode(rows, vectors)
		for _, dims := range profile.Ladder() {
			for _, rescore := range []Rescore{RescoreNone, RescoreCodes} {
				for _, v := range f.queries[:2] {
					e := profile.Query(v[:dims])
					blocks := profile.ScanBlocks()
					if !e.Familiar(blocks) {
						blocks = len(profile.Blocks())
					}
					s := e.NewScan(blocks, 0)
					want := f.w.search(live, func(row int) float32 {
						if rescore == RescoreCodes {
							s := *s
							if s.Blocks < len(profile.Blocks()) { // by the query's floats in all blocks
								s.Blocks = 0
							}
							score, _ := codeScore(profile, e, &s, rows[row])
							return float32(score)
						}
						r, head, _ := productsOf(profile, e, s, rows[row])
						score, _ := s.Estimate(head, &r)
						return float32(score)
					})
					res := ask(t, f.c, Query{Vector: v[:dims], K: live, Candidates: live, Rescore: rescore})
					if len(res.Hits) != live {
						t.Fatalf("%d hits, want %d", len(res.Hits), live)
					}
					for i, h := range res.Hits {
						if math.Abs(float64(h.Score-want[i].Score)) > 1e-4*(1+math.Abs(float64(want[i].Score))) {
							t.Fatalf("%v, %d dims: hit %d is %v, want %v", rescore, dims, i, h, want[i])
						}
					}
					if r := res.Receipt; r.VectorsRead != 0 || r.Rescore != rescore || r.Candidates != live {
						t.Errorf("receipt is %+v, want one of %v", r, rescore)
					}
				}
			}
		}
	})
}

// What a search may miss is for the target to say, not what a row scores.
func TestScoresOfCodesDoNotDependOnTheTarget(t *testing.T) {
	eachLearned(t, func(t *testing.T, f *fixture) {
		for _, v := range f.queries[:20] {
			for _, rescore := range []Rescore{RescoreNone, RescoreCodes} {
				for _, dims := range []int{0, 64} {
					scores := make(map[string]float32)
					for _, q := range []Query{{TargetRecall: .5}, {TargetRecall: .9}, {}, {TargetRecall: .9999}, {Bound: 3}} {
						q.Vector, q.K, q.Rescore, q.Dims = v, 20, rescore, dims
						for _, h := range ask(t, f.c, q).Hits {
							if before, is := scores[h.ID]; is && before != h.Score {
								t.Fatalf("%v, %d dims: %q scores %v, and with target %v and bound %v %v", rescore, dims, h.ID, before, q.TargetRecall, q.Bound, h.Score)
							}
							scores[h.ID] = h.Score
						}
					}
				}
			}
		}
	})
}

// codeScore is what S2 says of a row, its products spelled out.
func codeScore(p *encoder.Profile, e *encoder.Query, s *encoder.Scan, words []uint64) (score, deviation float64) {
	row, head, rest := productsOf(p, e, s, words)
	return e.Estimate(s.Blocks, head, rest, &row)
}

// productsOf returns the sums of f <u, z> over the blocks that a scan looks at, z in magnitudes,
// and over the others.
func productsOf(p *encoder.Profile, e *encoder.Query, s *encoder.Scan, words []uint64) (row encoder.Row, head, rest float64) {
	var side encoder.Side
	p.Side(&side, words)
	row = e.Row(&side)
	k := 1.0 // what products count for in scores
	if p.Metric() == encoder.L2 {
		k = 2
	}
	for b, block := range p.Blocks() {
		var product float64
		for i := range block.Kept {
			level := 0
			for plane := range block.Bits {
				level = 2*level + int(words[plane*block.PlaneWords()+i/code.WordBits]>>(i%code.WordBits)&1)
			}
			u := float64(2*level + 1 - 1<<block.Bits)
			if b < s.Blocks {
				product += u * float64(e.Magnitudes(b)[i])
			} else {
				product += u * float64(e.Floats(b)[i])
			}
		}
		words = words[block.Words():]
		if product *= float64(row.Factors[b]); b < s.Blocks {
			head += product * float64(s.B[b]) / (2 * s.Gain * k) // B is twice the step
		} else {
			rest += product
		}
	}
	return row, head, rest
}

// A search that ends at the codes looks again as one that reads vectors does.
func TestCodesAloneAreSearchedAsFarAsItMatters(t *testing.T) {
	eachLearned(t, func(t *testing.T, f *fixture) {
		live := int(f.c.Count())
		profile := f.c.current.Load().codec.profile
		again, cut := 0, 0
		for i, v := range f.queries[:40] {
			want := ask(t, f.c, Query{Vector: v, K: 10, Rescore: RescoreCodes, Candidates: live, Bound: 5})
			q := Query{Vector: v, K: 10, Rescore: RescoreCodes, Candidates: 10, Bound: 5}
			got := ask(t, f.c, q)
			if profile.ScanBlocks() == 3 { // one cut, and none of it judged
				if got.Receipt.Passes != 1 || len(got.Hits) != 10 {
					t.Errorf("%d hits in %d passes, want 10 in one", len(got.Hits), got.Receipt.Passes)
				}
				continue
			}
			if err := sameHits(got.Hits, want.Hits); err != nil {
				t.Errorf("query %d: %v", i, err)
			}
			if profile.Query(v).Familiar(profile.ScanBlocks()) {
				cut++
			} else if got.Receipt.Passes != 1 || got.Receipt.Dims != profile.Dims() {
				t.Errorf("query %d, unlike the others: %d passes over %d dims, want one over all", i, got.Receipt.Passes, got.Receipt.Dims)
			}
			if got.Receipt.Passes > 1 {
				again++
			}
		}
		if profile.ScanBlocks() == 2 && (again < cut/2 || cut < 10) {
			t.Errorf("%d of %d looked again", again, cut)
		}
	})
}

func TestPagesOfALearnedCollectionAreOneLongAnswer(t *testing.T) {
	eachLearned(t, func(t *testing.T, f *fixture) {
		low := f.w.exact(f.queries[0], 60)[59].Score
		for name, q := range map[string]Query{
			"exact":             {Exact: true},
			"wide":              {Bound: 6},
			"few candidates":    {Bound: 6, Oversampling: 1},
			"above a score":     {Bound: 6, MinScore: &low},
			"codes":             {Rescore: RescoreCodes, Candidates: fixtureRows},
			"a stored vector":   {Bound: 6, ID: f.w.rows[0].ID},
			"about a prefix":    {Bound: 6, Vector: f.queries[0][:64]},
			"exact, of an id":   {Exact: true, ID: f.w.rows[0].ID},
			"one block scanned": {Bound: 6, Dims: 64},
		} {
			t.Run(name, func(t *testing.T) {
				if q.Vector == nil && q.ID == "" {
					q.Vector = f.queries[0]
				}
				q.K = 100
				all := ask(t, f.c, q).Hits
				if q.MinScore != nil && len(all) != 60 {
					t.Fatalf("%d hits score %v or more, want 60", len(all), low)
				}
				q.K = 9
				var got []Hit
				for len(got) < 100 {
					page := ask(t, f.c, q)
					got = append(got, page.Hits...)
					if q.PageToken = page.NextPageToken; q.PageToken == "" {
						break
					}
				}
				if err := sameHits(got[:min(100, len(got))], all); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

func TestAMinimalScoreEndsASearch(t *testing.T) {
	t.Parallel()
	eachLearned(t, func(t *testing.T, f *fixture) {
		for i, v := range f.queries[:20] {
			right := exactly(t, f.c, Query{Vector: v, K: 200})
			for _, n := range []int{1, 5, 50, 150} {
				q := Query{Vector: v, K: 200, MinScore: &right[n].Score, Bound: 6, Candidates: 200 + i}
				if err := sameHits(ask(t, f.c, q).Hits, exactly(t, f.c, q)); err != nil {
					t.Errorf("query %d above the score of hit %d: %v", i, n, err)
				}
			}
			beyond := right[0].Score + 1
			q := Query{Vector: v, K: 10, MinScore: &beyond}
			if res := ask(t, f.c, q); len(res.Hits) > 0 || res.Receipt.VectorsRead > uint64(fixtureRows)/4 {
				t.Errorf("%d hits score more than the best, after %d vectors", len(res.Hits), res.Receipt.VectorsRead)
			}
		}
	})
}

func TestAStoredVectorIsLeftOutOfItsOwnAnswer(t *testing.T) {
	eachLearned(t, func(t *testing.T, f *fixture) {
		for i := 1; i < 300; i += 13 {
			row := f.w.rows[i]
			if row.ID == "" {
				continue
			}
			for _, k := range []int{1, 10} {
				want := f.w.exact(row.Vector, k+1)
				want = slices.DeleteFunc(want, func(h Hit) bool { return h.ID == row.ID })
				res := ask(t, f.c, Query{ID: row.ID, K: k, Bound: 6, Candidates: k})
				for n, h := range res.Hits {
					if h.ID != want[n].ID {
						t.Errorf("like row %d: hit %d is %v, want %v", i, n, h, want[n])
					}
				}
				if len(res.Hits) != k {
					t.Errorf("like row %d: %d hits, want %d", i, len(res.Hits), k)
				}
			}
		}
	})
}

// Searches that come together answer as each alone.
func TestABatchAnswersAsEachAlone(t *testing.T) {
	eachLearned(t, func(t *testing.T, f *fixture) {
		var queries []Query
		ladder := f.c.Info().Ladder
		for i, v := range f.queries[:70] {
			q := Query{Vector: v[:ladder[i%len(ladder)]], K: 1 + i%20}
			switch i % 7 {
			case 1:
				q.Exact = true
			case 2:
				q.Rescore = RescoreNone
			case 3:
				q.Rescore = RescoreCodes
			case 4:
				q.Dims = 64
			case 5:
				q.Candidates = q.K
			case 6:
				q = Query{ID: f.w.rows[0].ID, K: 5}
			}
			queries = append(queries, q)
		}
		results, err := f.c.BatchSearch(t.Context(), queries)
		if err != nil {
			t.Fatal(err)
		}
		var searches sync.WaitGroup
		for i, q := range queries {
			searches.Go(func() {
				res, err := f.c.Search(t.Context(), q)
				if err != nil {
					t.Error(err)
					return
				}
				if err := sameHits(results[i].Hits, res.Hits); err != nil {
					t.Errorf("query %d: %v", i, err)
				}
				a, b := results[i].Receipt, res.Receipt
				if a.VectorsRead != b.VectorsRead || a.Refined != b.Refined || a.Passes != b.Passes || a.ExpectedRecall != b.ExpectedRecall {
					t.Errorf("query %d: receipt %+v, alone %+v", i, a, b)
				}
			})
		}
		searches.Wait()
	})
}

// More hits than rows, and no row at all.
func TestAllRowsAreFoundWhereAllAreWanted(t *testing.T) {
	f := learned(t, encoder.Cosine, 2)
	profile := f.c.current.Load().codec.profile
	for _, rows := range []int{0, 1, 2, 63, 64, 65, 200} {
		c := createWith(t, openDB(t, t.TempDir()), "c", encoder.Cosine, profile)
		w := &twin{metric: encoder.Cosine, rows: slices.Clone(f.w.rows[100 : 100+rows])}
		if rows > 0 {
			upsert(t, c, w.rows...)
		}
		for _, k := range []int{1, 10, 200, 5000} {
			for _, q := range []Query{{}, {Rescore: RescoreCodes}, {Rescore: RescoreNone}, {Candidates: 5000}, {TargetRecall: .5}, {Dims: 64}} {
				q.Vector, q.K = f.queries[0], k
				res := ask(t, c, q)
				if len(res.Hits) != min(k, rows) {
					t.Errorf("%d rows, k %d, %+v: %d hits", rows, k, q.Rescore, len(res.Hits))
				}
				if q.Rescore == RescoreAuto && k >= rows {
					if err := sameHits(res.Hits, exactly(t, c, q)); err != nil {
						t.Errorf("%d rows, k %d: %v", rows, k, err)
					}
				}
			}
		}
	}
}

// The best of a query that lies outside of the head of a code would be missed by a scan of the
// head: nothing that it sees tells of them.
func TestAQueryUnlikeTheOthersIsScannedWhole(t *testing.T) {
	t.Parallel()
	const rows, dims = 4000, 300
	r := rand.New(rand.NewPCG(31, 7))
	base := make([][]float32, rows)
	for i := range base {
		v := make([]float32, dims)
		for j := range v {
			v[j] = float32(r.NormFloat64())
			if j >= 128 { // what few rows have in common
				v[j] *= .2
			}
		}
		base[i] = v
	}
	db, err := Open(t.TempDir(), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := db.Create(t.Context(), Spec{Name: "rare", Dims: dims})
	if err != nil {
		t.Fatal(err)
	}
	records := make([]Record, rows)
	for i, v := range base {
		records[i] = Record{ID: fmt.Sprintf("%05d", i), Vector: v}
	}
	if err := c.Upsert(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	profile := c.current.Load().codec.profile
	for i := range 50 {
		v := slices.Clone(base[i*rows/50])
		clear(v[:128])
		if profile.Query(v).Familiar(2) {
			t.Fatalf("query %d lies outside of the head and is taken for one of the others", i)
		}
		got, want := ask(t, c, Query{Vector: v, K: 10, Dims: 128}), ask(t, c, Query{Vector: v, K: 10, Exact: true})
		if got.Receipt.Dims != dims || got.Hits[0].ID != want.Hits[0].ID {
			t.Errorf("query %d: %s is found by %d dims, want %s by all %d", i, got.Hits[0].ID, got.Receipt.Dims, want.Hits[0].ID, dims)
		}
	}
}
