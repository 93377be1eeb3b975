package basis

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestUnpackUndoesPack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 15, 16, 17, 40} {
		for _, width := range []int{1, tile, group} {
			for count := range 3 * width {
				vs := vectors(r, count, n)
				packed := random(r, (count+width-1)/width*packedSize(n, width))
				pack(packed, vs, n, width)
				var numbers int
				for _, x := range packed {
					if x != 0 {
						numbers++
					}
				}
				if numbers != count*n {
					t.Errorf("%d vectors of %d by %d: %d numbers are not zero", count, n, width, numbers)
				}
				for _, first := range []int{0, n / 2, n - 1} {
					got := vectors(r, count, n)
					for i, v := range got {
						copy(v[:first], vs[i])
					}
					unpack(got, packed, n, first, width)
					for i, v := range got {
						compare(t, fmt.Sprintf("vector %d of %d by %d, from %d on", i, count, width, first), v, vs[i])
					}
				}
			}
		}
	}
}

func TestAMatrixMultipliesAndAddsAsItsRowsDo(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range []struct{ rows, columns, vectors int }{{1, 1, 1}, {8, 16, 4}, {9, 17, 5}, {16, 40, 8}, {33, 50, 3}} {
		rows, vs, factors := counts(r, s.rows, s.columns), counts(r, s.vectors, s.columns), counts(r, s.vectors, s.rows)
		m := newMatrix(rows, s.columns)
		for i, want := range rows {
			got := make([]float32, s.columns)
			m.row(got, i)
			compare(t, fmt.Sprintf("row %d of %+v", i, s), got, want)
		}
		for _, width := range []int{1, tile} {
			tiles := (s.vectors + width - 1) / width
			x, products := make([]float32, tiles*packedSize(s.columns, width)), make([]float32, tiles*packedSize(s.rows, width))
			pack(x, vs, s.columns, width)
			m.multiply(products, x, width)
			got := zeros[float32](s.vectors, s.rows)
			unpack(got, products, s.rows, 0, width)
			for v := range got {
				for i, p := range got[v] {
					if want := dot32(rows[i], vs[v]); float64(p) != want {
						t.Errorf("%+v by %d: row %d times vector %d is %v, want %v", s, width, i, v, p, want)
					}
				}
			}
			pack(products, factors, s.rows, width)
			for first := range blocksOf(s.columns) {
				pack(x, vs, s.columns, width)
				m.add(x, products, first, width)
				sums := zeros[float32](s.vectors, s.columns)
				unpack(sums, x, s.columns, 0, width)
				for v := range sums {
					for j, got := range sums[v] {
						want := vs[v][j]
						for i := range rows {
							if j >= first*lanes {
								want += factors[v][i] * rows[i][j]
							}
						}
						if got != want {
							t.Errorf("%+v by %d, from block %d on: number %d of vector %d is %v, want %v", s, width, first, j, v, got, want)
						}
					}
				}
			}
		}
	}
}

// counts returns rows of small whole numbers, of which float32 sums are exact.
func counts(r *rand.Rand, rows, columns int) [][]float32 {
	m := zeros[float32](rows, columns)
	for i := range m {
		for j := range m[i] {
			m[i][j] = float32(r.IntN(100))
		}
	}
	return m
}
