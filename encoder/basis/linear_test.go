package basis

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkOrthonormal says whether rows are orthonormal to a tolerance.
func checkOrthonormal(t *testing.T, what string, rows [][]float64, tolerance float64) {
	t.Helper()
	for i, a := range rows {
		for j, b := range rows[:i+1] {
			want := 0.0
			if i == j {
				want = 1
			}
			if got := dot(a, b); !(math.Abs(got-want) <= tolerance) {
				t.Fatalf("%s: rows %d and %d have product %v, want %v", what, i, j, got, want)
			}
		}
	}
}

func TestRowsBecomeOrthonormal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name string
		rows [][]float64
	}{
		{"one", [][]float64{{3}}},
		{"one of zero", [][]float64{{0}}},
		{"zeros", zeros[float64](5, 7)},
		{"as many as numbers", gaussian(r, 20, 20)},
		{"alike", [][]float64{{1, 2, 3}, {1, 2, 3}, {-2, -4, -6}}},
		{"nearly alike", [][]float64{{1, 1, 1}, {1, 1, 1 + 1e-5}, {1, 1 + 1e-5, 1}}},
		{"very small and large", [][]float64{{1e-100, 1e-100}, {1e100, -2e100}}},
		{"the sum of others", [][]float64{{1, 0, 0, 0}, {0, 1, 0, 0}, {1, 1, 0, 0}, {2, 3, 0, 0}}},
	} {
		first := slices.Clone(tt.rows[0])
		orthonormalise(tt.rows)
		checkOrthonormal(t, tt.name, tt.rows, 1e-14)
		if length := math.Sqrt(dot(first, first)); math.Abs(dot(first, tt.rows[0])-length) > 1e-14*length {
			t.Errorf("%s: the first row has another direction", tt.name)
		}
	}
}

func TestDiagonaliseFindsTheSingularValues(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, tt := range []struct {
		name string
		want []float64
	}{
		{"one", []float64{2}},
		{"none", []float64{0, 0, 0}},
		{"all the same", []float64{1, 1, 1, 1, 1}},
		{"some the same, some none", []float64{3, 3, 3, 1, 1, 0, 0}},
		{"of very different sizes", []float64{1e6, 1, 1e-6, 1e-9}},
	} {
		n := len(tt.want)
		left, right := gaussian(r, n, n), gaussian(r, n, n)
		orthonormalise(left)
		orthonormalise(right)
		a, rows := zeros[float64](n, n), zeros[float64](n, 2*n)
		for i := range n {
			for k, s := range tt.want {
				accumulate(a[i], left[k][i]*s, right[k])
			}
			copy(rows[i], a[i])
			rows[i][n+i] = 1
		}
		norms := diagonalise(rows, n)
		for i, s := range norms {
			if math.Abs(s-tt.want[i]) > 1e-14*tt.want[0] {
				t.Errorf("%s: value %d is %v, want %v", tt.name, i, s, tt.want[i])
			}
		}
		turns := zeros[float64](n, n)
		for i, row := range rows {
			copy(turns[i], row[n:])
			made := make([]float64, n)
			for k, x := range row[n:] {
				accumulate(made, x, a[k])
			}
			for j, x := range made {
				if math.Abs(x-row[j]) > 1e-14*tt.want[0] {
					t.Errorf("%s: number %d of row %d is %v, and the turns make %v", tt.name, j, i, row[j], x)
				}
			}
		}
		checkOrthonormal(t, tt.name, turns, 1e-14)
	}
}

func gaussian(r *rand.Rand, rows, columns int) [][]float64 {
	m := zeros[float64](rows, columns)
	for _, row := range m {
		for i := range row {
			row[i] = r.NormFloat64()
		}
	}
	return m
}
