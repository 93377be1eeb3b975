package index_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index"
)

// What went wrong with other people's vectors, each by the smallest input that showed it
// and the right answer.

// nearest returns the k nearest rows to a query, with nothing set, and their scores.
func nearest(t *testing.T, c *index.Collection, q index.Query) (rows []int, scores []float32) {
	t.Helper()
	res, err := c.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range res.Hits {
		row, err := rowOf(hit.ID)
		if err != nil {
			t.Fatal(err)
		}
		rows, scores = append(rows, row), append(scores, hit.Score)
	}
	return rows, scores
}

// The signs of all these vectors are the same: codes of signs alone tell none from another.
func TestTheNearestOfAHundredAndOneVectorsOnOneSideIsFound(t *testing.T) {
	vectors := make([][]float32, 102)
	for i := range vectors {
		vectors[i] = []float32{float32(i), 1}
	}
	for _, tt := range []struct {
		metric encoder.Metric
		score  float32
	}{{encoder.L2, 0}, {encoder.Dot, 101*101 + 1}} {
		t.Run(tt.metric.String(), func(t *testing.T) {
			c := build(t, tt.metric, vectors)
			for _, least := range []*float32{nil, &tt.score} {
				rows, scores := nearest(t, c, index.Query{Vector: vectors[101], K: 1, MinScore: least})
				if !slices.Equal(rows, []int{101}) || scores[0] != tt.score {
					t.Errorf("rows %v with scores %v, want row 101 with score %v", rows, scores, tt.score)
				}
			}
		})
	}
}

func TestEveryVectorOfASmallOneSidedSetIsItsOwnNearest(t *testing.T) {
	rows := uniform(rand.New(rand.NewPCG(7, 0)), 0, 768).several(500)
	c := build(t, encoder.Cosine, rows)
	for i, v := range rows {
		if found, scores := nearest(t, c, index.Query{Vector: v, K: 1}); !slices.Equal(found, []int{i}) || scores[0] != 1 {
			t.Fatalf("row %d finds %v with scores %v, want itself with 1", i, found, scores)
		}
	}
}

// One row is a hundred times as long as the others and points almost at right angles to
// the query: its product is the largest, and its direction tells nothing of it.
func TestALongVectorIsFoundByItsProduct(t *testing.T) {
	const dims = 256
	r := rand.New(rand.NewPCG(0, 0))
	rows := gaussian(r, 0, dims).several(2000)
	for _, v := range rows {
		unit(v)
	}
	query := unit(gaussian(r, 0, dims)())
	var along float64
	for i, x := range query {
		along += float64(x) * float64(rows[0][i])
	}
	aside := unit(each(dims, func(i int) float64 { return float64(rows[0][i]) - along*float64(query[i]) }))
	rows[1999] = each(dims, func(i int) float64 { return 100 * (.02*float64(query[i]) + .9998*float64(aside[i])) })
	found, scores := nearest(t, build(t, encoder.Dot, rows), index.Query{Vector: query, K: 1})
	if !slices.Equal(found, []int{1999}) || math.Abs(float64(scores[0])-2) > 1e-5 {
		t.Errorf("rows %v with scores %v, want row 1999 with 2", found, scores)
	}
}

// Sets on which other people saw low recall, and what is right for them with nothing set.
func TestStrangersFindTheTenNearest(t *testing.T) {
	for _, tt := range []struct {
		name       string
		metric     encoder.Metric
		rows, dims int
		kind       kind
		asked      kind // of the queries; nil: the first rows
		queries    int
		recall     float64
	}{
		{"lengths that differ", encoder.Dot, 5000, 256, lengthened(.5, unitGaussian), gaussian, 100, .985},
		{"zeros and ones", encoder.L2, 20000, 512, zeroOrOne, nil, 60, .985},
		{"two dims", encoder.L2, 20000, 2, uniform, uniform, 100, 1},
		{"whole numbers behind 50,000", encoder.L2, 5000, 128, shifted(50_000, counts), shifted(50_000, counts), 40, .99},
		{"whole numbers behind 100,000", encoder.L2, 5000, 128, shifted(100_000, counts), shifted(100_000, counts), 40, .99},
		{"more whole numbers behind 100,000", encoder.L2, 10000, 128, shifted(100_000, counts), shifted(100_000, counts), 40, .99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && tt.rows*tt.dims > 1<<21 {
				t.Skip("-short: ten million numbers")
			}
			r := rand.New(rand.NewPCG(0, hash(tt.name)))
			rows := tt.kind(r, tt.rows, tt.dims).several(tt.rows)
			queries := rows[:tt.queries]
			if tt.asked != nil {
				queries = tt.asked(r, 0, tt.dims).several(tt.queries)
			}
			o := newTruth(tt.metric, rows, queries, nil).ask(t, build(t, tt.metric, rows), index.Query{K: 10}, tt.queries)
			t.Logf("%-36s %v", tt.name, o)
			if o.recall < tt.recall || o.fault != nil {
				t.Errorf("recall is %.4f, want %v at least: %v", o.recall, tt.recall, o.fault)
			}
		})
	}
}

// Neither sums beyond the largest float32 nor sums below the smallest lose the order.
func TestTheOrderOfVeryLargeAndVerySmallScoresIsThatOfFloat64(t *testing.T) {
	for _, tt := range []struct {
		name   string
		metric encoder.Metric
		rows   [][]float32
		query  []float32
		want   []int
	}{
		{"squares overflow", encoder.L2, [][]float32{{1e20, 2e19}, {1e20, 1e19}}, []float32{0, 0}, []int{1, 0}},
		{"products underflow", encoder.Dot, [][]float32{{1e-25, 0}, {3e-25, 0}, {2e-25, 0}}, []float32{1e-25, 0}, []int{1, 2, 0}},
		{"products overflow", encoder.Dot, [][]float32{{1e20, 0}, {3e20, 0}, {2e20, 0}}, []float32{1e20, 0}, []int{1, 2, 0}},
		{"squares underflow", encoder.L2, [][]float32{{3e-25, 0}, {2e-25, 0}, {1e-25, 0}}, []float32{0, 0}, []int{2, 1, 0}},
	} {
		for _, exact := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/exact=%v", tt.name, exact), func(t *testing.T) {
				c := build(t, tt.metric, tt.rows)
				rows, scores := nearest(t, c, index.Query{Vector: tt.query, K: len(tt.rows), Exact: exact})
				if !slices.Equal(rows, tt.want) {
					t.Errorf("rows %v with scores %v, want %v", rows, scores, tt.want)
				}
				for _, score := range scores {
					if math.IsNaN(float64(score)) {
						t.Errorf("scores are %v, want numbers", scores)
					}
				}
			})
		}
	}
}

// Products of whole numbers around 100,000 differ by less than a float32 of their size can
// tell.
func TestExactProductsFarFromZeroAreInTheOrderOfFloat64(t *testing.T) {
	next := shifted(1e5, counts)(rand.New(rand.NewPCG(5, 0)), 0, 128)
	rows := next.several(3000)
	tr := newTruth(encoder.Dot, rows, next.several(200), nil)
	c := build(t, encoder.Dot, rows)
	for _, k := range []int{1, 10, 100} {
		if o := tr.ask(t, c, index.Query{K: k, Exact: true}, 200); o.recall < 1 || o.fault != nil {
			t.Errorf("k %d: recall is %.4f, want 1: %v", k, o.recall, o.fault)
		}
	}
}

func TestAVectorScoresOneAgainstItself(t *testing.T) {
	alone := [][]float32{{.01, .09}}
	among := append(alone, unitGaussian(rand.New(rand.NewPCG(9, 0)), 0, 2).several(200)...)
	least := float32(1)
	for _, rows := range [][][]float32{alone, among} {
		c := build(t, encoder.Cosine, rows)
		for i, v := range rows {
			found, scores := nearest(t, c, index.Query{Vector: v, K: len(rows), MinScore: &least})
			if !slices.Contains(found, i) || scores[0] != 1 {
				t.Fatalf("of %d rows, row %d, %v, with min_score 1 finds rows %v with scores %v, want itself with 1", len(rows), i, v, found, scores)
			}
		}
	}
}

// unitGaussian vectors have length 1 and any direction.
func unitGaussian(r *rand.Rand, rows, dims int) draw {
	next := gaussian(r, rows, dims)
	return func() []float32 { return unit(next()) }
}
