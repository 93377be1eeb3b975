package basis

import (
	"math"
	"math/rand/v2"
)

// Fit makes a basis of the first h principal components of the rows of sample, in descending
// order of energy: the h directions that hold most of the sum of the rows' squares. It takes
// second moments about zero; if anything is to be taken out, the caller has already done so. If
// h exceeds the rows' dimensions, it finds one component for each dimension. Directions in
// which the rows hold nothing are filled up, so that the set is always orthonormal.
//
// sample has one row or more, all with the same number of finite numbers, at least one; h is 1
// or more. Fit does not change sample. The result depends only on the arguments, and is the
// same on every machine.
//
// The method is randomised subspace iteration (Halko, Martinsson & Tropp, Finding Structure
// with Randomness, 2011: algorithm 4.4 and section 5.1). The components are not exact; the
// energy of all of them together nearly is.
func Fit(sample [][]float32, h int, seed uint64) *Basis {
	const (
		extra  = 16 // directions that are followed but not kept, which improves the last ones kept
		rounds = 4  // misses at most half a percent of the energy on embeddings; 2 rounds miss 2.5 %
	)
	dims := len(sample[0])
	h = min(h, dims)
	followed := min(dims, h+extra)
	s := newSketch(sample, followed)
	if followed == dims {
		for i, d := range s.directions {
			d[i] = 1
		}
	} else {
		r := rand.NewPCG(seed, 0)
		for _, d := range s.directions {
			for i := range d {
				d[i] = float64(int64(r.Uint64())) / (1 << 63)
			}
		}
		for range rounds {
			s.iterate()
			orthonormalise(s.directions)
		}
	}

	moments := s.moments()
	diagonalise(moments, followed)
	components := zeros[float64](h, dims)
	for i := range components {
		for j, d := range s.directions {
			accumulate(components[i], moments[i][j], d)
		}
	}
	orthonormalise(components)
	rows := narrow(components)
	return newBasis(newMatrix(rows, dims), rows)
}

// sketch is rows, and directions to follow in them.
type sketch struct {
	rows       *matrix
	directions [][]float64
	x          []float32 // the directions, packed for the kernels
	products   []float32 // those of the rows and of the directions, packed alike
}

// newSketch copies the sample, scaled by a power of two so that the largest number is about 1,
// with that many directions of zeros.
func newSketch(sample [][]float32, directions int) *sketch {
	dims := len(sample[0])
	tiles := (directions + tile - 1) / tile
	s := &sketch{
		rows:       newMatrix(sample, dims),
		directions: zeros[float64](directions, dims),
		x:          make([]float32, tiles*packedSize(dims, tile)),
		products:   make([]float32, tiles*packedSize(len(sample), tile)),
	}
	var largest float32
	for _, rows := range s.rows.groups {
		for _, x := range rows {
			largest = max(largest, x, -x)
		}
	}
	_, exponent := math.Frexp(float64(largest))
	factor := math.Ldexp(1, -exponent)
	for _, rows := range s.rows.groups {
		for i, x := range rows {
			rows[i] = float32(float64(x) * factor)
		}
	}
	return s
}

// multiply takes the products of the rows and of the directions.
func (s *sketch) multiply() {
	pack(s.x, narrow(s.directions), s.rows.columns, tile)
	s.rows.multiply(s.products, s.x, tile)
}

// iterate multiplies the directions by the rows' second moments: by each row's product with
// the direction, times the row, summed.
func (s *sketch) iterate() {
	s.multiply()
	clear(s.x)
	s.rows.add(s.x, s.products, 0, tile)
	s.directions = widen(s.x, len(s.directions), s.rows.columns)
}

// moments returns the second moments of the rows along the directions.
func (s *sketch) moments() [][]float64 {
	s.multiply()
	products := widen(s.products, len(s.directions), s.rows.rows)
	moments := zeros[float64](len(products), len(products))
	for i, a := range products {
		for j, b := range products[:i+1] {
			moments[i][j] = dot(a, b)
			moments[j][i] = moments[i][j]
		}
	}
	return moments
}

func narrow(rows [][]float64) [][]float32 {
	m := zeros[float32](len(rows), len(rows[0]))
	for i, r := range rows {
		for j, x := range r {
			m[i][j] = float32(x)
		}
	}
	return m
}

// widen unpacks the first rows of packed, of columns numbers each.
func widen(packed []float32, rows, columns int) [][]float64 {
	unpacked, m := zeros[float32](rows, columns), zeros[float64](rows, columns)
	unpack(unpacked, packed, columns, 0, tile)
	for i, r := range unpacked {
		for j, x := range r {
			m[i][j] = float64(x)
		}
	}
	return m
}
