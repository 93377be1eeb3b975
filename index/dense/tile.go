package dense

// tile is how many vectors the kernels compare with a stored one together, so that it is
// read once.
const tile = 4

// Dots overwrites dst, of len(a), with the inner products of each of a, which have equal
// lengths, and the first so many numbers of b: the results of Dot, to the bit, in less
// time. It panics if lengths differ or b is too short: that is a bug in the caller.
func (f Format) Dots(dst []float64, a [][]float32, b []byte) {
	for len(a) >= tile {
		var s [tile]sums
		if t := f.tile(a, b); !f.dotTile(&t, b, &s) {
			break
		}
		for j := range s {
			dst[j] = f.finishDot(a[j], b, &s[j])
		}
		dst, a = dst[tile:], a[tile:]
	}
	for j, v := range a {
		dst[j] = f.Dot(v, b)
	}
}

// SquaredL2s is Dots for SquaredL2.
func (f Format) SquaredL2s(dst []float64, a [][]float32, b []byte) {
	for len(a) >= tile {
		var s [tile]sums
		if t := f.tile(a, b); !f.squaredL2Tile(&t, b, &s) {
			break
		}
		for j := range s {
			dst[j] = f.finishSquaredL2(a[j], b, &s[j])
		}
		dst, a = dst[tile:], a[tile:]
	}
	for j, v := range a {
		dst[j] = f.SquaredL2(v, b)
	}
}

// DotNorms is Dots for DotNorm. The norms may differ: see there.
func (f Format) DotNorms(products, norms []float64, a [][]float32, b []byte) {
	for len(a) >= tile {
		var s [tile + 1]sums
		if t := f.tile(a, b); !f.dotSquaresTile(&t, b, &s) {
			break
		}
		squares := f.finishSquares(len(a[0]), b, &s[tile])
		for j := range tile {
			products[j], norms[j] = f.finishDotNorm(a[j], b, &s[j], squares)
		}
		products, norms, a = products[tile:], norms[tile:], a[tile:]
	}
	for j, v := range a {
		products[j], norms[j] = f.DotNorm(v, b)
	}
}

// tile returns the whole lanes of the first vectors of a. It panics if lengths disagree:
// that is a bug in the caller.
func (f Format) tile(a [][]float32, b []byte) (t [tile][]float32) {
	f.check(a[0], b)
	for j := range t {
		if len(a[j]) != len(a[0]) {
			panic("dense: vectors of different lengths")
		}
		t[j] = a[j][:len(a[j])/lanes*lanes]
	}
	return t
}
