package basis

import (
	"math"
	"slices"
)

// This file works in float64, for the few steps before the kernels. Products are converted
// before they are added, so that no machine fuses the two: the bits are the same everywhere.

// dot is the inner product of a and b, of equal lengths. Four sums go on side by side.
func dot(a, b []float64) float64 {
	var s [4]float64
	for len(a) >= 4 && len(b) >= 4 {
		s[0] += float64(a[0] * b[0])
		s[1] += float64(a[1] * b[1])
		s[2] += float64(a[2] * b[2])
		s[3] += float64(a[3] * b[3])
		a, b = a[4:], b[4:]
	}
	for i, x := range a {
		s[0] += float64(x * b[i])
	}
	return s[0] + s[1] + (s[2] + s[3])
}

// accumulate adds f times a to sum, of equal lengths.
func accumulate(sum []float64, f float64, a []float64) {
	a = a[:len(sum)]
	for i := range sum {
		sum[i] += float64(f * a[i])
	}
}

func scale(a []float64, f float64) {
	for i := range a {
		a[i] *= f
	}
}

// orthonormalise makes rows, at most as many as they have numbers, orthonormal by the modified
// Gram-Schmidt process: it takes out of a row what the row holds of those before it. It does so
// twice, because the first time leaves rounding errors ("twice is enough", Giraud, Langou,
// Rozloznik 2005). A row of which only rounding errors are left is replaced by a direction
// orthogonal to those before it.
func orthonormalise(rows [][]float64) {
	const negligible = 1e-6 // float32 sums have errors not much smaller
	for i, row := range rows {
		before := math.Sqrt(dot(row, row))
		project(row, rows[:i])
		after := math.Sqrt(dot(row, row))
		if !(after > negligible*before) {
			complete(row, rows[:i])
			after = math.Sqrt(dot(row, row))
		}
		scale(row, 1/after)
	}
}

// project takes out of row what it holds of others, which are orthonormal.
func project(row []float64, others [][]float64) {
	for range 2 {
		for _, o := range others {
			accumulate(row, -dot(row, o), o)
		}
	}
}

// complete sets row to a direction orthogonal to others, which are orthonormal and fewer than
// the row has numbers. It starts from the first dimension of which they leave at least half of
// what they leave of a dimension on average.
func complete(row []float64, others [][]float64) {
	n := len(row)
	for at := range row {
		left := 1.0
		for _, o := range others {
			left -= float64(o[at] * o[at])
		}
		if left*float64(2*n) < float64(n-len(others)) {
			continue
		}
		clear(row)
		row[at] = 1
		project(row, others)
		return
	}
	panic("basis: no dimension is left to complete a basis with")
}

// diagonalise turns pairs of rows, as rotations do, until the first n numbers of any two are
// orthogonal. It sorts the rows by the norm of those numbers, descending, and returns the
// norms. It is the one-sided Jacobi method (Hestenes 1958; Golub & Van Loan, Matrix
// Computations, 8.6.3): it turns a matrix A into JA = SV', with J orthogonal, S diagonal and V'
// of orthonormal rows. An identity that follows in the rows is turned in the same way into J
// itself.
func diagonalise(rows [][]float64, n int) []float64 {
	const (
		orthogonal = 1e-12 // a cosine
		sweeps     = 40    // ten are enough for most; each sweep squares what is left
	)
	squares := make([]float64, len(rows))
	for range sweeps {
		for i, r := range rows {
			squares[i] = dot(r[:n], r[:n])
		}
		turned := false
		for i, a := range rows {
			for j := i + 1; j < len(rows); j++ {
				b := rows[j]
				product := dot(a[:n], b[:n])
				if math.Abs(product) <= orthogonal*math.Sqrt(squares[i])*math.Sqrt(squares[j]) {
					continue
				}
				turned = true
				z := (squares[j] - squares[i]) / (2 * product)
				tangent := math.Copysign(1/(math.Abs(z)+math.Sqrt(1+float64(z*z))), z)
				cosine := 1 / math.Sqrt(1+float64(tangent*tangent))
				turn(a, b, cosine, cosine*tangent)
				squares[i] = max(0, squares[i]-float64(tangent*product))
				squares[j] = max(0, squares[j]+float64(tangent*product))
			}
		}
		if !turned {
			break
		}
	}
	type ranked struct {
		row  []float64
		norm float64
	}
	order := make([]ranked, len(rows))
	for i, r := range rows {
		order[i] = ranked{r, math.Sqrt(dot(r[:n], r[:n]))}
	}
	slices.SortStableFunc(order, func(a, b ranked) int {
		switch {
		case a.norm > b.norm:
			return -1
		case a.norm < b.norm:
			return 1
		}
		return 0
	})
	norms := make([]float64, len(rows))
	for i, o := range order {
		rows[i], norms[i] = o.row, o.norm
	}
	return norms
}

// turn turns a and b, of equal lengths, towards each other.
func turn(a, b []float64, cosine, sine float64) {
	b = b[:len(a)]
	for i, x := range a {
		y := b[i]
		a[i] = float64(cosine*x) - float64(sine*y)
		b[i] = float64(sine*x) + float64(cosine*y)
	}
}
