package dense

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// all makes Rows of vectors as format f keeps them, with a gap between each two.
func all(f formatOf, vectors [][]float32, dims int) *Rows {
	const gap = 8
	stride := f.Bytes(len(vectors[0])) + gap
	var b []byte
	for _, v := range vectors {
		b = append(f.Append(b, v), "gapsgaps"...)
	}
	rows := new(Rows)
	rows.Reset(f.Format, b[:len(b)-gap], stride, len(vectors), dims)
	return rows
}

// integers returns vectors of small whole numbers, of which every sum is exact in float32.
func integers(r *rand.Rand, vectors, n int) [][]float32 {
	all := make([][]float32, vectors)
	for i := range all {
		all[i] = make([]float32, n)
		for j := range all[i] {
			all[i][j] = float32(r.IntN(15) - 7)
		}
	}
	return all
}

// slowly is the twin of a comparison: every row with every query.
func slowly(vectors, queries [][]float32, matters func(q, row int) bool) []Match {
	var want []Match
	for row := range vectors {
		m := Match{Row: uint32(row)}
		for q := range queries {
			if matters(q, row) {
				m.Queries |= 1 << q
			}
		}
		if m.Queries != 0 {
			want = append(want, m)
		}
	}
	return want
}

func TestRowsWithinTheLimitsMatch(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 7))
		var q Queries
		for _, f := range formats {
			for _, n := range []int{1, 15, 16, 17, 48, 100} {
				for _, count := range []int{1, 5, 6, 7, 8, 9, 31} {
					for _, queries := range []int{1, 2, 4, 5, 64} {
						vectors, qs := integers(r, count, n+3), integers(r, queries, n)
						for i := range vectors {
							vectors[i][n] = 127 // so that int8 has whole numbers of a scale of 1
							if f.Format == Int8 {
								f.Decode(vectors[i], f.Append(nil, vectors[i]))
							}
						}
						limits := make([]float32, queries)
						weights := make([]float32, count)
						for i := range weights {
							weights[i] = float32(r.IntN(3))
						}
						for j := range limits {
							limits[j] = float32(r.IntN(200) - 50)
						}
						limits[queries-1] = []float32{limits[0], float32(math.Inf(1)), float32(math.Inf(-1))}[r.IntN(3)]
						q.Reset(qs...)
						rows := all(f, vectors, n)
						got := q.Dots(nil, rows, limits, weights)
						want := slowly(vectors, qs, func(j, row int) bool { return !(float32(Dot(qs[j], vectors[row][:n])) < limits[j]*weights[row]) })
						if !slices.Equal(got, want) {
							t.Fatalf("%v, %d numbers, %d rows, %d queries: Dots = %v, want %v", f.Precision, n, count, queries, got, want)
						}
						for j := range limits {
							limits[j] = float32(SquaredL2(qs[j], vectors[r.IntN(count)][:n]))
						}
						got = q.SquaredL2s(nil, rows, limits)
						want = slowly(vectors, qs, func(j, row int) bool { return !(float32(SquaredL2(qs[j], vectors[row][:n])) > limits[j]) })
						if !slices.Equal(got, want) {
							t.Fatalf("%v, %d numbers, %d rows, %d queries: SquaredL2s = %v, want %v", f.Precision, n, count, queries, got, want)
						}
						squares := make([]float32, count)
						rows.Squares(squares)
						for i, s := range squares {
							if want := float32(Dot(vectors[i][:n], vectors[i][:n])); s != want {
								t.Fatalf("%v, %d numbers, row %d of %d: Squares = %v, want %v", f.Precision, n, i, count, s, want)
							}
						}
					}
				}
			}
		}
	})
}

// matched reports whether query others of others+1 matches row 3 of some.
func matched(v []float32, x []float32, others int, compare func(q *Queries, rows *Rows, limits []float32) []Match, limit float32) bool {
	queries := slices.Repeat([][]float32{make([]float32, len(x))}, others+1)
	queries[others] = x
	var q Queries
	q.Reset(queries...)
	limits := slices.Repeat([]float32{limit}, len(queries))
	for _, m := range compare(&q, all(formats[0], slices.Repeat([][]float32{v}, mostTileRows), len(x)), limits) {
		if m.Row == 3 && m.Queries>>others&1 == 1 {
			return true
		}
	}
	return false
}

func TestAnEstimateIsOffByNoMoreThanSlack(t *testing.T) {
	weights := slices.Repeat([]float32{1}, mostTileRows)
	isatest.Each(t, &active, func(t *testing.T) {
		for seed := range uint64(300) {
			r := rand.New(rand.NewPCG(seed, 8))
			n := 1 + r.IntN(300)
			a, b := random(r, n), random(r, n)
			scale := math.Ldexp(1, r.IntN(100)-50)
			if seed%10 == 0 {
				scale = 0x1p-74 // products underflow
			}
			for i := range a {
				if seed%2 == 0 { // the worst: roundings all one way
					a[i], b[i] = float32(math.Abs(float64(a[i]))), float32(math.Abs(float64(b[i])))
				}
				a[i], b[i] = float32(float64(a[i])*scale), float32(float64(b[i])*scale)
			}
			others := r.IntN(6)
			dots := func(q *Queries, rows *Rows, l []float32) []Match { return q.Dots(nil, rows, l, weights) }
			l2s := func(q *Queries, rows *Rows, l []float32) []Match { return q.SquaredL2s(nil, rows, l) }
			product, off := Dot(a, b), Slack(n)*Norm(a)*Norm(b)+Underflow(n)
			if !matched(b, a, others, dots, float32(product-off)) || matched(b, a, others, dots, float32(product+off)) {
				t.Errorf("seed %d: the estimate of a product of %d numbers is not within %v of %v", seed, n, off, product)
			}
			squared := SquaredL2(a, b)
			off = Slack(n)*squared + Underflow(n)
			if !matched(b, a, others, l2s, float32(squared+off)) || matched(b, a, others, l2s, float32(squared-off)) {
				t.Errorf("seed %d: the estimate of a distance over %d numbers is not within %v of %v", seed, n, off, squared)
			}
		}
	})
}

func TestAnEstimateThatIsNoNumberMatches(t *testing.T) {
	inf := float32(math.Inf(1))
	weights := slices.Repeat([]float32{1}, mostTileRows)
	dots := func(q *Queries, rows *Rows, l []float32) []Match { return q.Dots(nil, rows, l, weights) }
	isatest.Each(t, &active, func(t *testing.T) {
		for others := range 6 {
			a, b := make([]float32, 32), make([]float32, 32)
			a[0], a[16], b[0], b[16] = 1e30, 1e30, 1e30, -1e30 // infinite, and then less infinite
			if !matched(b, a, others, dots, inf) {
				t.Errorf("%d other queries: infinities that cancel do not match", others)
			}
		}
	})
}

func TestWhatDoesNotFitTogetherPanics(t *testing.T) {
	two := func() *Rows { return all(formats[0], [][]float32{{1, 2}, {3, 4}}, 2) }
	for _, tt := range []struct {
		want string
		do   func()
	}{
		{"0 queries, want 1 to 64", func() { new(Queries).Reset() }},
		{"65 queries, want 1 to 64", func() { new(Queries).Reset(make([][]float32, 65)...) }},
		{"different lengths", func() { new(Queries).Reset([]float32{1}, []float32{1, 2}) }},
		{"different lengths", func() {
			var q Queries
			q.Reset(make([]float32, 17))
			q.SquaredL2s(nil, two(), []float32{1})
		}},
		{"2 limits, want 1", func() {
			var q Queries
			q.Reset([]float32{1, 2})
			q.SquaredL2s(nil, two(), []float32{1, 2})
		}},
		{"1 weights, want 2", func() {
			var q Queries
			q.Reset([]float32{1, 2})
			q.Dots(nil, two(), []float32{1}, []float32{1})
		}},
		{"room for 3 squares, want 2", func() { two().Squares(make([]float32, 3)) }},
		{"15 bytes, want at least 16 for 2 vectors 8 bytes apart", func() { new(Rows).Reset(Float32, make([]byte, 15), 8, 2, 2) }},
		{"for 0 vectors", func() { new(Rows).Reset(Float32, make([]byte, 15), 8, 0, 2) }},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want %q", got, tt.want)
				}
			}()
			tt.do()
		}()
	}
}

// BenchmarkQueries compares queries with rows that are in the L2 cache.
func BenchmarkQueries(b *testing.B) {
	before := active
	defer func() { active = before }()
	r := rand.New(rand.NewPCG(9, 9))
	const count, dims = 64, 768
	vectors := make([][]float32, count)
	for i := range vectors {
		vectors[i] = random(r, dims)
	}
	weights, squares := slices.Repeat([]float32{1}, count), make([]float32, count)
	for _, active = range isa.Usable() {
		for _, f := range formats[:2] {
			rows := all(f, vectors, dims)
			for _, queries := range []int{1, 4, 64} {
				var q Queries
				q.Reset(vectors[:queries]...)
				none, least := slices.Repeat([]float32{float32(math.Inf(1))}, queries), slices.Repeat([]float32{-1}, queries)
				for _, do := range []struct {
					name string
					run  func()
				}{
					{"dot", func() { q.Dots(nil, rows, none, weights) }},
					{"l2", func() { q.SquaredL2s(nil, rows, least) }},
					{"squares", func() { rows.Squares(squares) }},
				} {
					b.Run(fmt.Sprintf("do=%s/kernel=%v/precision=%v/queries=%d", do.name, active, f.Precision, queries), func(b *testing.B) {
						for b.Loop() {
							do.run()
						}
						b.ReportMetric(2*count*dims*float64(queries)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
					})
				}
			}
		}
	}
}
