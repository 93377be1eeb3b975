package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	mathbits "math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
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

// createWith is create with a profile that is fitted already.
func createWith(t *testing.T, db *DB, name string, metric encoder.Metric, profile *encoder.Profile) *Collection {
	t.Helper()
	schema, err := engineState{Metric: metric, Profile: profile}.schema()
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
	metric  encoder.Metric
	profile *encoder.Profile
	rows    []Record // in the order stored; ID "" is a retired row
	words   [][]uint64
	scalars [][]float32
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

// codeDistance is a row's distance from the query over some dims: the sum of the
// magnitudes, all 1 in the 1-bit form, where the signs differ.
func codeDistance(q *encoder.Query, words []uint64, first, end, bits int) int {
	d := 0
	for w := first / 64; w < code.Words(end); w++ {
		differ := q.Signs[w] ^ words[w]
		if end < 64*(w+1) {
			differ &= 1<<(end%64) - 1
		}
		for ; differ != 0; differ &= differ - 1 {
			if bits == 1 {
				d++
				continue
			}
			for j, plane := range q.Planes {
				d += int(plane[w]>>mathbits.TrailingZeros64(differ)&1) << j
			}
		}
	}
	return d
}

// signedSum is the inner product of the query's dims first to end-1 and a row's signs,
// added up ladder step by ladder step in the order of the tables.
func (w *twin) signedSum(q *encoder.Query, words []uint64, first, end int) float32 {
	var sum float32
	from := 0
	for _, step := range w.profile.Ladder() {
		if to := min(step, end); from >= first && from < end {
			var f hamming.Floats
			f.Reset(q.Floats[from:to])
			column := make([]uint64, hamming.Lanes*code.Words(to-from))
			hamming.Put(column, words[from/64:code.Words(to)], 0)
			sum += f.Row(column, code.Words(to-from), 0)
		}
		from = step
	}
	return sum
}

// estimate is the score that the first dims bits of a code suggest, and how far off
// it may be.
func (w *twin) estimate(q Query, e *encoder.Query, row, dims, bits int) (score float32, unbiased, deviation float64) {
	v := w.rows[row].Vector
	words, scalars := w.code(row)
	qn, vn := length(q.Vector), float64(float32(length(v)))
	if q.Code != nil {
		qn = 1
	}
	if w.profile.Kind() == encoder.Plain {
		var cosine float64
		switch bits {
		case 1:
			cosine = math.Cos(math.Pi * float64(codeDistance(e, words, 0, dims, 1)) / float64(dims))
		case 4:
			cosine = e.PlainCosine(dims)(uint32(codeDistance(e, words, 0, dims, 4)))
		case 32:
			cosine = e.PlainCosineFloat(dims)(float64(w.signedSum(e, words, 0, dims)))
		}
		switch w.metric {
		case encoder.Dot:
			cosine *= qn * vn
		case encoder.L2:
			cosine = min(0, 2*cosine*qn*vn-qn*qn-vn*vn)
		}
		return float32(cosine), cosine, math.Inf(1)
	}
	var distances []uint32
	var products []float32
	first := 0
	for _, end := range w.profile.Blocks() {
		if end <= dims {
			distances = append(distances, uint32(codeDistance(e, words, first, end, 4)))
			products = append(products, w.signedSum(e, words, first, end))
		}
		first = end
	}
	got := e.Estimate(distances, scalars)
	if bits == 32 {
		got = e.EstimateFloat(products, scalars)
	}
	pooled, unbiased, deviation := got.Pooled, got.Product, got.Deviation
	qn = e.Norm(len(distances))
	spread := 0.0
	if dims < len(v) { // all that is known of the row's length is an estimate
		vn = e.RowNorm(len(distances), scalars)
		spread = math.Sqrt((math.Pi - 3) / float64(dims))
	}
	switch {
	case w.metric == encoder.L2:
		squares := qn*qn + vn*vn
		return float32(min(0, 2*pooled-squares)), 2*unbiased - squares, 2 * math.Hypot(deviation, vn*vn*spread)
	case w.metric == encoder.Cosine && spread > 0:
		pooled, unbiased = pooled/(qn*vn), unbiased/(qn*vn)
		deviation = math.Hypot(deviation/(qn*vn), unbiased*spread)
	}
	if w.metric == encoder.Cosine {
		pooled = max(-1, min(1, pooled))
	}
	return float32(pooled), unbiased, deviation
}

// code returns what stands for a row.
func (w *twin) code(row int) (words []uint64, scalars []float32) {
	for i := len(w.words); i <= row; i++ {
		words, scalars := make([]uint64, code.Words(w.profile.Dims())), make([]float32, w.profile.Scalars())
		w.profile.Encode(words, scalars, w.rows[i].Vector)
		w.words, w.scalars = append(w.words, words), append(w.scalars, scalars)
	}
	return w.words[row], w.scalars[row]
}

func length(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

type candidate struct {
	row, distance int
	best          float64 // the best score that the bound leaves possible
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

// search is S1, S2, S3 spelled out. c1 and c2 are as the query resolves them. A query
// by code comes with the vector that it is of, which settles its size and nothing else.
func (w *twin) search(q Query, dims, c1, c2 int) []Hit {
	var all []candidate
	e := w.profile.Query(q.Vector)
	scanBits, refineBits := cmp.Or(q.ScanBits, 4), cmp.Or(q.RefineBits, 4)
	if q.Code != nil {
		e, scanBits = w.profile.CodeQuery(q.Code, len(q.Vector)), cmp.Or(q.ScanBits, 1)
	}
	for row, r := range w.rows {
		if r.ID != "" {
			words, _ := w.code(row)
			distance := codeDistance(e, words, 0, min(dims, len(q.Vector)), scanBits)
			all = append(all, candidate{row: row, distance: distance, hit: Hit{ID: r.ID}})
		}
	}
	if q.Exact {
		for i, c := range all {
			all[i].hit.Score = w.exact(q.Vector[:dims], w.rows[c.row].Vector)
		}
		return best(all, q.K)
	}
	plain := w.profile.Kind() == encoder.Plain
	all = nearest(all, c1, q.Rescore == RescoreNone && plain && w.metric == encoder.Cosine)
	compared := len(q.Vector)
	if q.Rescore == RescoreNone {
		compared = dims
		if plain {
			refineBits = scanBits
		}
	}
	bound := math.Inf(1)
	if w.profile.Kind().Rotates() {
		bound = cmp.Or(q.Bound, DefaultBound)
	}
	for i, c := range all {
		score, unbiased, deviation := w.estimate(q, e, c.row, compared, refineBits)
		all[i].hit.Score, all[i].best = score, float64(score)
		if !math.IsInf(bound, 1) {
			all[i].best = unbiased + bound*deviation
		}
	}
	if q.Rescore == RescoreNone || q.Rescore == RescoreCodes {
		return best(all, q.K)
	}
	if c2 < c1 || !math.IsInf(bound, 1) {
		slices.SortFunc(all, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.best, a.best), cmp.Compare(a.row, b.row))
		})
		all = all[:min(len(all), c2)]
	}
	var read []candidate
	for batch := max(16, q.K+1); len(all) > 0; batch = 16 {
		ranked := best(read, q.K+1)
		if len(ranked) == q.K+1 && !math.IsInf(bound, 1) && all[0].best < float64(ranked[q.K].Score) {
			break
		}
		n := min(batch, len(all))
		for _, c := range all[:n] {
			c.hit.Score = w.exact(q.Vector, w.rows[c.row].Vector)
			read = append(read, c)
		}
		all = all[n:]
	}
	return best(read, q.K)
}

// best returns the k best hits.
func best(all []candidate, k int) []Hit {
	hits := make([]Hit, len(all))
	for i, c := range all {
		hits[i] = c.hit
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return hits[:min(len(hits), k)]
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
// over sizes around groups, blocks and the seal, under every metric and profile.
func TestSearchDoesWhatTheDefinitionsSay(t *testing.T) {
	for _, kind := range []encoder.Kind{encoder.Plain, encoder.Nested, encoder.NestedCentred, encoder.Full} {
		for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
			for _, shape := range []struct {
				dims   int
				ladder []int
			}{{1, nil}, {64, nil}, {65, []int{64}}, {100, nil}, {320, []int{64, 192}}, {400, []int{128, 256}}, {768, nil}} {
				for _, rows := range []int{0, 1, 7, 8, 9, 250, 1023, 1024, 1031} {
					plain := kind == encoder.Plain
					if !plain && (shape.dims < 300 || rows != 9 && rows != 1031) {
						continue
					}
					if testing.Short() && (shape.dims == 768 || rows == 8 || rows == 250 || rows == 1023 || !plain && shape.dims != 400) {
						continue
					}
					t.Run(fmt.Sprintf("%v/%v/dims=%d/rows=%d", kind, metric, shape.dims, rows), func(t *testing.T) {
						seed := uint64(1000*rows + shape.dims)
						r := rand.New(rand.NewPCG(seed, uint64(metric)))
						var records []Record
						for i := range rows {
							records = append(records, Record{ID: fmt.Sprintf("%d", (i*7919)%10007), Vector: whole(r, shape.dims)})
						}
						sample := [][]float32{whole(r, shape.dims), whole(r, shape.dims), whole(r, shape.dims)}
						profile, err := encoder.FitProfile(kind, metric, shape.dims, shape.ladder, sample)
						if err != nil {
							t.Fatal(err)
						}
						c := createWith(t, openDB(t, t.TempDir()), "c", metric, profile)
						w := &twin{metric: metric, profile: profile}
						if rows > 0 {
							upsert(t, c, records...)
						}
						w.rows = slices.Clone(records)
						w.retireSome(t, r, c, records)
						w.compare(t, r, c, seed)
					})
				}
			}
		}
	}
}

// retireSome retires a fifth of the first rows, by deleting and by replacing.
func (w *twin) retireSome(t *testing.T, r *rand.Rand, c *Collection, records []Record) {
	for i := range records[:min(len(records), 100)] {
		switch i % 10 {
		case 3:
			if n, err := c.Remove(t.Context(), []string{records[i].ID}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			w.rows[i].ID = ""
		case 6:
			again := Record{ID: records[i].ID, Vector: whole(r, len(records[i].Vector))}
			upsert(t, c, again)
			w.rows[i].ID = ""
			w.rows = append(w.rows, again)
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
			if step := info.Ladder[r.IntN(len(info.Ladder))]; w.profile.CheckQuery(step) == nil {
				q.Vector = q.Vector[:step]
				q.Vector[0] = 1 // not all zero
			}
		}
		dims := len(q.Vector)
		if at := 64 * (1 + r.IntN(1+dims/64)); r.IntN(2) == 0 && at <= dims && w.profile.CheckPrefix(at) == nil {
			q.Dims, dims = at, at
		}
		q.Exact = r.IntN(4) == 0
		c1 := min(max(MinDefaultCandidates, DefaultOversampling*q.K), MaxDefaultCandidates)
		c2 := c1
		if !q.Exact {
			q.Rescore = []Rescore{RescoreAuto, RescoreNone, RescoreCodes, RescoreVectors}[r.IntN(4)]
			if q.Rescore == RescoreNone && w.metric == encoder.Cosine && w.profile.Kind() == encoder.Plain {
				c1 = q.K
			}
			q.ScanBits = []int{0, 1, 4}[r.IntN(3)]
			q.RefineBits = []int{0, 4, 32}[r.IntN(3)]
			if r.IntN(2) == 0 && w.profile.Kind().Rotates() {
				q.Bound = []float64{.3, 1, 4, math.Inf(1)}[r.IntN(4)]
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
			if r.IntN(2) == 0 && q.Rescore != RescoreNone && q.Rescore != RescoreCodes {
				q.RescoreCandidates = q.K + r.IntN(c1-q.K+1)
				c2 = q.RescoreCandidates
			}
		}
		asked := q
		if r.IntN(2) == 0 && !q.Exact && (q.Rescore == RescoreNone || q.Rescore == RescoreCodes) {
			q.Code, q.Bound = w.profile.Query(q.Vector).Signs, 0
			asked = q
			asked.Vector = nil
		}
		want := w.search(q, dims, c1, c2)
		res, err := c.Search(t.Context(), asked)
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
