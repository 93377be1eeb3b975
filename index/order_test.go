package index

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

// trueScore is the score of v for q with 300 digits.
func trueScore(m encoder.Metric, q, v []float32) *big.Float {
	wide := func(x float32) *big.Float { return big.NewFloat(float64(x)).SetPrec(200) }
	sum := func(term func(i int) *big.Float) *big.Float {
		s := new(big.Float).SetPrec(200)
		for i := range q {
			s.Add(s, term(i))
		}
		return s
	}
	dot := func(a, b []float32) *big.Float {
		return sum(func(i int) *big.Float { return new(big.Float).Mul(wide(a[i]), wide(b[i])) })
	}
	switch m {
	case encoder.Dot:
		return dot(q, v)
	case encoder.L2:
		l2 := sum(func(i int) *big.Float {
			d := new(big.Float).Sub(wide(q[i]), wide(v[i]))
			return d.Mul(d, d)
		})
		return l2.Neg(l2)
	}
	length := new(big.Float).Mul(dot(q, q), dot(v, v))
	return new(big.Float).Quo(dot(q, v), length.Sqrt(length))
}

// ranked returns the ids of the k best of vectors, i being the id of vector i.
func ranked(m encoder.Metric, q []float32, vectors [][]float32, k int) []string {
	scores, rows := make([]*big.Float, len(vectors)), make([]int, len(vectors))
	for i, v := range vectors {
		scores[i], rows[i] = trueScore(m, q, v), i
	}
	slices.SortFunc(rows, func(a, b int) int {
		return cmp.Or(scores[b].Cmp(scores[a]), cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	var ids []string
	for _, row := range rows[:k] {
		ids = append(ids, fmt.Sprint(row))
	}
	return ids
}

func idsOf(hits []Hit) []string {
	var ids []string
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids
}

func TestExactOrderIsThatOfTheNumbersWhateverTheirSize(t *testing.T) {
	t.Parallel()
	for _, dims := range []int{3, 16, 40} { // without an estimate, and with one
		for _, tt := range []struct {
			name           string
			metric         encoder.Metric
			scale, offset  float64
			different, far float64 // lengths: a factor of up to e^different; and of far for some
		}{
			{"cosine", encoder.Cosine, 1, 0, 1, 1},
			{"cosine, tiny", encoder.Cosine, 1e-20, 0, 1, 1},
			{"cosine, denormal and huge", encoder.Cosine, 1e-40, 0, 1, 1e60},
			{"cosine, huge", encoder.Cosine, 1e18, 0, 1, 1},
			{"dot", encoder.Dot, 1, 0, 1, 1},
			{"dot, offset", encoder.Dot, 1, 1e5, 0, 1},
			{"dot, tiny", encoder.Dot, 1e-25, 0, 1, 1},
			{"dot, huge", encoder.Dot, 1e18, 0, 1, 1},
			{"dot, beyond float32", encoder.Dot, 1e20, 0, 1, 1e15},
			{"l2", encoder.L2, 1, 0, 1, 1},
			{"l2, offset", encoder.L2, 1, 1e6, 0, 1},
			{"l2, tiny", encoder.L2, 1e-25, 0, 1, 1},
			{"l2, beyond float32", encoder.L2, 1e20, 0, 1, 1e10},
		} {
			t.Run(fmt.Sprintf("%s/dims=%d", tt.name, dims), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(dims), 40))
				vector := func() []float32 {
					v, length := make([]float32, dims), math.Exp(tt.different*r.Float64())
					if r.IntN(20) == 0 {
						length *= tt.far
					}
					for i := range v {
						v[i] = float32(tt.offset + tt.scale*length*r.NormFloat64())
					}
					v[0] = cmp.Or(v[0], 1e-45) // never all zero
					return v
				}
				c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: dims, Metric: tt.metric, Profile: encoder.Signs})
				var vectors [][]float32
				var records []Record
				for i := range 1100 {
					vectors = append(vectors, vector())
					if i%50 == 1 { // a tie
						vectors[i] = vectors[i-1]
					}
					records = append(records, Record{ID: fmt.Sprint(i), Vector: vectors[i]})
				}
				upsert(t, c, records...)
				queries := []Query{}
				for i := range 4 {
					q := Query{Vector: vector(), K: []int{1, 10, 700}[i%3], Exact: true}
					if i == 3 {
						q.Vector = vectors[7]
					}
					queries = append(queries, q)
				}
				results, err := c.BatchSearch(t.Context(), queries)
				if err != nil {
					t.Fatal(err)
				}
				for i, q := range queries {
					want := ranked(tt.metric, q.Vector, vectors, q.K)
					if got := idsOf(results[i].Hits); !slices.Equal(got, want) {
						t.Errorf("query %d, k %d, with others: %.60v, want %.60v", i, q.K, got, want)
					}
					if got := idsOf(ask(t, c, q).Hits); !slices.Equal(got, want) {
						t.Errorf("query %d, k %d, alone: %.60v, want %.60v", i, q.K, got, want)
					}
				}
			})
		}
	}
}

func TestTheOrderIsRightWhereShownScoresSaturateOrVanish(t *testing.T) {
	for _, tt := range []struct {
		metric  encoder.Metric
		query   []float32
		vectors [][]float32
		want    []string
		scores  []float32
	}{
		{encoder.L2, []float32{0, 0}, [][]float32{{1e20, 2e19}, {1e20, 1e19}}, []string{"1", "0"}, []float32{-math.MaxFloat32, -math.MaxFloat32}},
		{encoder.Dot, []float32{1e-25, 0}, [][]float32{{1e-25, 0}, {3e-25, 0}, {2e-25, 0}}, []string{"1", "2", "0"}, []float32{0, 0, 0}},
		{encoder.L2, []float32{0, 0}, [][]float32{{3e-25, 0}, {1e-25, 0}, {2e-25, 0}}, []string{"1", "2", "0"}, []float32{0, 0, 0}},
		{encoder.Dot, []float32{1e20, 0}, [][]float32{{1e20, 0}, {3e20, 0}, {2e20, 0}}, []string{"1", "2", "0"}, []float32{math.MaxFloat32, math.MaxFloat32, math.MaxFloat32}},
	} {
		c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2, Metric: tt.metric})
		for i, v := range tt.vectors {
			upsert(t, c, Record{ID: fmt.Sprint(i), Vector: v})
		}
		for _, q := range []Query{{Exact: true}, {Candidates: 10}} {
			q.Vector, q.K = tt.query, len(tt.vectors)
			hits := ask(t, c, q).Hits
			if !slices.Equal(idsOf(hits), tt.want) {
				t.Errorf("%v, exact %t: %v, want %v", tt.metric, q.Exact, idsOf(hits), tt.want)
			}
			for i, h := range hits {
				if h.Score != tt.scores[i] {
					t.Errorf("%v, exact %t: %q scores %v, want %v", tt.metric, q.Exact, h.ID, h.Score, tt.scores[i])
				}
			}
			// The digits that are not shown settle where a page goes on.
			q.K = 1
			var paged []string
			for {
				page := ask(t, c, q)
				paged = append(paged, idsOf(page.Hits)...)
				if q.PageToken = page.NextPageToken; q.PageToken == "" {
					break
				}
			}
			if !slices.Equal(paged, tt.want) {
				t.Errorf("%v, exact %t, a hit a page: %v, want %v", tt.metric, q.Exact, paged, tt.want)
			}
		}
	}
}

func TestAMinimumOf1FindsTheVectorItself(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2})
	v := []float32{0.01, 0.09}
	upsert(t, c, Record{ID: "a", Vector: v}, Record{ID: "b", Vector: []float32{0.01, 0.05}})
	one := float32(1)
	for _, exact := range []bool{true, false} {
		if got := ask(t, c, Query{Vector: v, K: 3, MinScore: &one, Exact: exact}).Hits; len(got) != 1 || got[0].ID != "a" || got[0].Score != 1 {
			t.Errorf("exact %t: %v", exact, got)
		}
	}
}

// The longest vectors make bounds that a float32 cannot hold: no row may be lost by that.
func TestPlainSignsOfTheLongestVectorsAreAllFound(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 3))
	const rows, dims = 300, 70
	for _, metric := range []encoder.Metric{encoder.Dot, encoder.L2} {
		for _, store := range []encoder.Precision{encoder.None, encoder.Float32} {
			c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: dims, Ladder: []int{64}, Metric: metric, Profile: encoder.Signs, Store: store})
			records := randomRecords(r, 0, rows, dims)
			sizes := []float32{3e38, 1e20, 1, 1e-30}
			for i := range records {
				for j, x := range records[i].Vector {
					records[i].Vector[j] = max(-1, min(1, x)) * sizes[i%len(sizes)]
				}
			}
			upsert(t, c, records...)
			for i := range 8 {
				for _, size := range []int{64, dims} {
					if hits := ask(t, c, Query{Vector: records[i].Vector[:size], K: rows}).Hits; len(hits) != rows {
						t.Errorf("%v, vectors stored as %v: a query of %d dims as long as %g finds %d rows, want %d", metric, store, size, sizes[i%len(sizes)], len(hits), rows)
					}
				}
			}
		}
	}
}
