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
)

// openDB opens a database in dir that is closed at cleanup, after every collection
// in it has passed Check.
func openDB(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
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

func upsert(t *testing.T, c *Collection, records ...Record) {
	t.Helper()
	if err := c.Upsert(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func search(t *testing.T, c *Collection, q Query) *Result {
	t.Helper()
	res, err := c.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// twin is a plain collection: what Search should return, by the definitions.
type twin struct {
	metric encoder.Metric
	rows   []Record // in the order stored; ID "" is a retired row
}

func (w *twin) exact(q, v []float32) float32 {
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

func (w *twin) estimate(q, v []float32, h, bits int) float32 {
	var qq, vv float64
	for _, x := range q {
		qq += float64(x) * float64(x)
	}
	for _, x := range v {
		vv += float64(x) * float64(x)
	}
	cosine := math.Cos(math.Pi * float64(h) / float64(bits))
	qn, vn := math.Sqrt(qq), float64(float32(math.Sqrt(vv)))
	switch w.metric {
	case encoder.Dot:
		return float32(cosine * qn * vn)
	case encoder.L2:
		return float32(min(0, 2*cosine*qn*vn-qn*qn-vn*vn))
	}
	return float32(cosine)
}

func hammingDistance(a, b []float32, dims int) int {
	d := 0
	for i := range dims {
		if (a[i] > 0) != (b[i] > 0) {
			d++
		}
	}
	return d
}

type candidate struct {
	row, distance int
	hit           Hit
}

// nearest returns the k candidates of least distance, lower rows first, with the
// ties of the last when ties is set.
func nearest(all []candidate, k int, ties bool) []candidate {
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	end := min(k, len(all))
	for ties && end < len(all) && all[end].distance == all[k-1].distance {
		end++
	}
	return all[:end]
}

// search is S1, S2, S3 spelled out. c1 and c2 are as the query resolves them.
func (w *twin) search(q Query, dims, c1, c2 int) []Hit {
	var all []candidate
	for row, r := range w.rows {
		if r.ID != "" {
			all = append(all, candidate{row: row, distance: hammingDistance(q.Vector, r.Vector, min(dims, len(q.Vector))), hit: Hit{ID: r.ID}})
		}
	}
	ties := q.Rescore == RescoreNone || q.Rescore == RescoreCodes
	if !q.Exact {
		all = nearest(all, c1, ties)
		bits := dims
		if q.Rescore == RescoreCodes || c2 < c1 {
			bits = len(q.Vector)
			for i := range all {
				all[i].distance = hammingDistance(q.Vector, w.rows[all[i].row].Vector, bits)
			}
			slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.row, b.row) })
			all = nearest(all, c2, ties)
		}
		for i, c := range all {
			v := w.rows[c.row].Vector
			if ties {
				all[i].hit.Score = w.estimate(q.Vector, v, c.distance, bits)
			} else {
				all[i].hit.Score = w.exact(q.Vector, v)
			}
		}
	} else {
		for i, c := range all {
			all[i].hit.Score = w.exact(q.Vector[:dims], w.rows[c.row].Vector)
		}
	}
	hits := make([]Hit, len(all))
	for i, c := range all {
		hits[i] = c.hit
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return hits[:min(len(hits), q.K)]
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

// TestSearchDoesWhatTheDefinitionsSay compares every kind of search with the twin,
// over sizes around groups, blocks and the seal, under every metric.
func TestSearchDoesWhatTheDefinitionsSay(t *testing.T) {
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		for _, shape := range []struct {
			dims   int
			ladder []int
		}{{1, nil}, {64, nil}, {65, []int{64}}, {100, nil}, {320, []int{64, 192}}, {768, nil}} {
			for _, rows := range []int{0, 1, 7, 8, 9, 250, 1023, 1024, 1031} {
				if shape.dims == 768 && rows > 250 && testing.Short() {
					continue
				}
				t.Run(fmt.Sprintf("%v/dims=%d/rows=%d", metric, shape.dims, rows), func(t *testing.T) {
					seed := uint64(1000*rows + shape.dims)
					r := rand.New(rand.NewPCG(seed, uint64(metric)))
					c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: shape.dims, Ladder: shape.ladder, Metric: metric})
					w := &twin{metric: metric}
					var records []Record
					for i := range rows {
						records = append(records, Record{ID: fmt.Sprintf("%d", (i*7919)%10007), Vector: whole(r, shape.dims)})
					}
					if rows > 0 {
						upsert(t, c, records...)
					}
					w.rows = slices.Clone(records)
					for i := range records { // retire a fifth, by deleting and by replacing
						switch i % 10 {
						case 3:
							if n, err := c.Remove(t.Context(), []string{records[i].ID}); n != 1 || err != nil {
								t.Fatal(n, err)
							}
							w.rows[i].ID = ""
						case 6:
							again := Record{ID: records[i].ID, Vector: whole(r, shape.dims)}
							upsert(t, c, again)
							w.rows[i].ID = ""
							w.rows = append(w.rows, again)
						}
						if i > 100 {
							break
						}
					}
					w.compare(t, r, c, seed)
				})
			}
		}
	}
}

// compare asks c and the twin the same random questions.
func (w *twin) compare(t *testing.T, r *rand.Rand, c *Collection, seed uint64) {
	t.Helper()
	info := c.Info()
	for range 25 {
		q := Query{K: 1 + r.IntN(20), Vector: whole(r, info.Dims)}
		if r.IntN(3) == 0 { // a Matryoshka prefix as the query
			q.Vector = q.Vector[:info.Ladder[r.IntN(len(info.Ladder))]]
			q.Vector[0] = 1 // not all zero
		}
		dims := len(q.Vector)
		if r.IntN(2) == 0 && dims > 64 {
			dims = 64 * (1 + r.IntN((dims-1)/64))
			q.Dims = dims
		}
		q.Exact = r.IntN(4) == 0
		c1 := min(max(MinDefaultCandidates, DefaultOversampling*q.K), MaxDefaultCandidates)
		c2 := c1
		if !q.Exact {
			q.Rescore = []Rescore{RescoreAuto, RescoreNone, RescoreCodes, RescoreVectors}[r.IntN(4)]
			if q.Rescore == RescoreNone && w.metric == encoder.Cosine {
				c1 = q.K
			}
			switch r.IntN(3) {
			case 0:
				q.Candidates = q.K + r.IntN(300)
				c1 = q.Candidates
			case 1:
				q.Oversampling = 1 + 5*r.Float64()
				c1 = int(math.Ceil(q.Oversampling * float64(q.K)))
			}
			c2 = c1
			if r.IntN(2) == 0 && q.Rescore != RescoreNone {
				q.RescoreCandidates = q.K + r.IntN(c1-q.K+1)
				c2 = q.RescoreCandidates
			}
		}
		want := w.search(q, dims, c1, c2)
		res, err := c.Search(t.Context(), q)
		if err != nil {
			t.Fatalf("seed %d: %+v: %v", seed, q, err)
		}
		if err := sameHits(res.Hits, want); err != nil {
			q.Vector = nil
			t.Fatalf("seed %d: query of dims %d, c1 %d, c2 %d %+v: %v", seed, dims, c1, c2, q, err)
		}
	}
}

func TestAPublishedViewDoesNotChange(t *testing.T) {
	b := newBuilder(newLayout([]int{64}, 1))
	if err := b.grow(20); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.release(); err != nil {
			t.Error(err)
		}
	}()
	for i := range uint64(10) {
		b.add([]uint64{i}, []float32{float32(i)})
	}
	b.retire(3)
	old := b.publish()
	b.retire(4)
	b.retire(5)
	b.add([]uint64{99}, []float32{99})
	now := b.publish()
	if old.rows != 10 || old.live != 9 || !old.isRetired(3) || old.isRetired(4) || old.isRetired(5) {
		t.Errorf("the old view became %d rows, %d live", old.rows, old.live)
	}
	if now.rows != 11 || now.live != 8 || !now.isRetired(3) || !now.isRetired(4) || !now.isRetired(5) || now.isRetired(10) {
		t.Errorf("the new view has %d rows, %d live, want 11 and 8", now.rows, now.live)
	}
	if now.scalar(0, 10) != 99 || now.distance([]uint64{99}, 10) != 0 {
		t.Error("the new view lacks the row added last")
	}
}
