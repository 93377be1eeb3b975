package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/learn"
)

// openDB opens a database in dir that is closed at cleanup, after every collection
// in it has passed Check.
func openDB(t *testing.T, dir string) *DB {
	t.Helper()
	return openWith(t, dir, Options{})
}

// openWith is openDB with options, of which the logger is set here.
func openWith(t *testing.T, dir string, opts Options) *DB {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	db, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSound(t, db) })
	return db
}

func closeSound(t *testing.T, db *DB) {
	t.Helper()
	for _, name := range db.Names() {
		c, err := db.Collection(name)
		if errors.Is(err, ErrClosed) {
			return
		}
		if err != nil {
			t.Errorf("collection %q: %v", name, err)
			continue
		}
		report, err := c.Check(context.Background()) // t.Context() has ended when cleanups run
		if err != nil || len(report.Problems) > 0 {
			t.Errorf("check of %q: %v %v", name, report.Problems, err)
		}
		if damaged, err := c.CheckPages(); err != nil || len(damaged) > 0 {
			t.Errorf("pages of %q: %v %v", name, damaged, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func create(t *testing.T, db *DB, spec Spec) *Collection {
	t.Helper()
	c, err := db.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// createWith is create with a profile that is learnt already.
func createWith(t *testing.T, db *DB, name string, metric encoder.Metric, profile *encoder.Profile) *Collection {
	t.Helper()
	return createAs(t, db, name, engineState{Metric: metric, Profile: profile})
}

// createAs is create of a collection in that state, whose ladder was given.
func createAs(t *testing.T, db *DB, name string, state engineState) *Collection {
	t.Helper()
	state.Ladder = ladderGiven
	schema, err := state.schema()
	if err != nil {
		t.Fatal(err)
	}
	entry, err := db.catalog.Create(name, nil, schema)
	if err != nil {
		t.Fatal(err)
	}
	c, err := openCollection(db.catalog, entry, db.opts)
	if err != nil {
		t.Fatal(err)
	}
	db.collections[name] = c
	return c
}

// whole returns a vector of small whole numbers, never all zero. Their products
// sum exactly in float32, so that a twin can expect the very same scores, and they
// give many ties.
func whole(r *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.IntN(5) - 2)
	}
	if slices.Max(v) == 0 && slices.Min(v) == 0 {
		v[r.IntN(dims)] = 1
	}
	return v
}

// gaussian returns a vector of normal components, the first ones larger, around an offset.
func gaussian(r *rand.Rand, dims int, offset float64) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32((r.NormFloat64() + offset) / (1 + float64(i)/50))
	}
	return v
}

func gaussians(r *rand.Rand, n, dims int, offset float64) [][]float32 {
	all := make([][]float32, n)
	for i := range all {
		all[i] = gaussian(r, dims, offset)
	}
	return all
}

// learntFrom is the profile that a collection of these vectors would learn.
func learntFrom(t testing.TB, shape encoder.Shape, sample [][]float32) *encoder.Profile {
	t.Helper()
	p, err := learn.Profile(t.Context(), shape, sample)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func upsert(t *testing.T, c *Collection, records ...Record) {
	t.Helper()
	if err := c.Upsert(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, c *Collection, q Query) *Result {
	t.Helper()
	res, err := c.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// twin is a plain collection: what searches should find, by the definitions.
type twin struct {
	metric encoder.Metric
	rows   []Record // in the order stored; ID "" is a retired row
}

func (w *twin) score(q, v []float32) float32 {
	var dot, qq, vv, l2 float64
	for i := range q {
		x, y := float64(q[i]), float64(v[i])
		dot, qq, vv, l2 = dot+x*y, qq+x*x, vv+y*y, l2+(x-y)*(x-y)
	}
	switch w.metric {
	case encoder.Dot:
		return float32(dot)
	case encoder.L2:
		return float32(-l2 + 0)
	}
	if vv == 0 || qq == 0 {
		return 0
	}
	return float32(max(-1, min(1, dot/math.Sqrt(qq)/math.Sqrt(vv))))
}

// search ranks all rows by the scores that score gives.
func (w *twin) search(k int, score func(row int) float32) []Hit {
	var hits []Hit
	for row, r := range w.rows {
		if r.ID != "" {
			hits = append(hits, Hit{ID: r.ID, Score: score(row)})
		}
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return hits[:min(len(hits), k)]
}

// exact is the right answer to a query for the first dims components of a vector.
func (w *twin) exact(q []float32, k int) []Hit {
	return w.search(k, func(row int) float32 { return w.score(q, w.rows[row].Vector) })
}

// recallOf is the share of the right hits that are among hits: one that scores as the last of the
// right ones does is right.
func recallOf(hits, right []Hit) float64 {
	found := 0
	for _, h := range hits {
		if h.Score >= right[len(right)-1].Score {
			found++
		}
	}
	return float64(min(found, len(right))) / float64(len(right))
}

// sameIDs is the share of the right hits whose ids are among hits.
func sameIDs(hits, right []Hit) float64 {
	found := 0
	for _, h := range hits {
		if slices.ContainsFunc(right, func(r Hit) bool { return r.ID == h.ID }) {
			found++
		}
	}
	return float64(found) / float64(len(right))
}

func sameHits(got, want []Hit) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d hits, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].ID != want[i].ID || got[i].Score != want[i].Score {
			return fmt.Errorf("hit %d is %q at %v, want %q at %v", i, got[i].ID, got[i].Score, want[i].ID, want[i].Score)
		}
	}
	return nil
}

// retireSome retires a fifth of the first rows, by deleting and by replacing.
func (w *twin) retireSome(t *testing.T, r *rand.Rand, c *Collection, draw func(r *rand.Rand) []float32) {
	t.Helper()
	for i := range min(len(w.rows), 100) {
		switch i % 10 {
		case 3:
			if n, err := c.Remove(t.Context(), []string{w.rows[i].ID}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			w.rows[i].ID = ""
		case 6:
			again := Record{ID: w.rows[i].ID, Vector: draw(r)}
			upsert(t, c, again)
			w.rows[i].ID = ""
			w.rows = append(w.rows, again)
		}
	}
}

// TestSmallCollectionsAnswerExactly compares answers with the definition, over sizes around
// groups, blocks and the seal: without codes, under every metric, with whole vectors and prefixes.
func TestSmallCollectionsAnswerExactly(t *testing.T) {
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		for _, shape := range []struct {
			dims   int
			ladder []int
		}{{1, nil}, {3, nil}, {16, nil}, {64, nil}, {65, []int{64}}, {100, []int{64}}, {320, []int{192}}} {
			for _, rows := range []int{0, 1, 2, 3, 9, 200, 1023, 1024, 1031} {
				if testing.Short() && (shape.dims == 320 || rows == 3 || rows >= 1023 && shape.dims != 65) {
					continue
				}
				t.Run(fmt.Sprintf("%v/dims=%d/rows=%d", metric, shape.dims, rows), func(t *testing.T) {
					t.Parallel()
					seed := uint64(1000*rows + shape.dims)
					r := rand.New(rand.NewPCG(seed, uint64(metric)))
					c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: shape.dims, Ladder: shape.ladder, Metric: metric})
					w := &twin{metric: metric}
					for i := range rows {
						w.rows = append(w.rows, Record{ID: fmt.Sprint((i * 7919) % 10007), Vector: whole(r, shape.dims)})
					}
					if rows > 0 {
						upsert(t, c, w.rows...)
					}
					w.rows = slices.Clone(w.rows)
					w.retireSome(t, r, c, func(r *rand.Rand) []float32 { return whole(r, shape.dims) })
					for range 20 {
						q := Query{K: 1 + r.IntN(20), Vector: whole(r, shape.dims), Exact: r.IntN(2) == 0}
						if ladder := c.Info().Ladder; r.IntN(2) == 0 {
							q.Vector = q.Vector[:ladder[r.IntN(len(ladder))]]
							q.Vector[0] = 1 // not all zero
						}
						dims := len(q.Vector)
						if q.Exact && r.IntN(2) == 0 && dims > 64 {
							q.Dims, dims = 64, 64
						}
						res := ask(t, c, q)
						if err := sameHits(res.Hits, w.exact(q.Vector[:dims], q.K)); err != nil {
							t.Fatalf("seed %d: exact %t, %d of %d dims: %v", seed, q.Exact, dims, len(q.Vector), err)
						}
						if !res.Receipt.Exact || res.Receipt.ExpectedRecall != 1 || res.Receipt.VectorsRead != c.Count() || res.Receipt.Dims != dims {
							t.Errorf("receipt is %+v, want one of an exact search over %d dims", res.Receipt, dims)
						}
					}
				})
			}
		}
	}
}
