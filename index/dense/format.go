package dense

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"
)

// Format is how the numbers of a vector lie in bytes: little-endian, one after the
// other, at any address.
//
// The methods take the numbers as they lie. Each gives, to the bit, what the function
// of its name gives for the float32s that they stand for.
type Format uint8

const (
	// Float32 is 4 bytes a number.
	Float32 Format = iota
	// Float16 is IEEE 754 binary16, 2 bytes a number.
	Float16
	// BFloat16 is the upper half of a float32, 2 bytes a number.
	BFloat16
	// Int8 is a float32, the scale, and then one int8 a number, which stands for its
	// product with the scale.
	Int8
)

const scaleBytes = 4

// Dot returns the inner product of a and the first len(a) numbers of b.
func (f Format) Dot(a []float32, b []byte) float64 {
	f.check(a, b)
	var s sums
	f.dot(a[:len(a)/lanes*lanes], b, &s)
	return f.finishDot(a, b, &s)
}

// SquaredL2 returns the squared Euclidean distance of a and the first len(a) numbers
// of b.
func (f Format) SquaredL2(a []float32, b []byte) float64 {
	f.check(a, b)
	var s sums
	f.squaredL2(a[:len(a)/lanes*lanes], b, &s)
	return f.finishSquaredL2(a, b, &s)
}

// DotNorm returns the inner product of a and the first len(a) numbers of b, and the
// Euclidean norm of the latter.
func (f Format) DotNorm(a []float32, b []byte) (product, norm float64) {
	f.check(a, b)
	var s [2]sums
	f.dotSquares(a[:len(a)/lanes*lanes], b, &s)
	return f.finishDotNorm(a, b, &s[0], f.finishSquares(len(a), b, &s[1]))
}

// finishDot is Dot when s has the sums of all lanes that are whole.
func (f Format) finishDot(a []float32, b []byte, s *sums) float64 {
	if d := f.product(a, b, s); d-d == 0 {
		return d
	}
	return Dot(a, f.floats(len(a), b))
}

// finishSquaredL2 is finishDot for SquaredL2.
func (f Format) finishSquaredL2(a []float32, b []byte, s *sums) float64 {
	var room sums
	rest := f.rest(&room, len(a), b)
	for i, x := range a[len(a)-len(rest):] {
		d := x - rest[i]
		s[i] += float32(d * d)
	}
	if d := s.total(); d-d == 0 {
		return d
	}
	return SquaredL2(a, f.floats(len(a), b))
}

// finishDotNorm is finishDot for DotNorm, when finishSquares has given squares.
func (f Format) finishDotNorm(a []float32, b []byte, s *sums, squares float64) (product, norm float64) {
	product = f.product(a, b, s)
	if product-product != 0 || squares-squares != 0 || squares < tiny {
		return DotNorm(a, f.floats(len(a), b))
	}
	return product, math.Sqrt(squares)
}

// product adds to s the products of what is left of a and of b, and then the lanes.
func (f Format) product(a []float32, b []byte, s *sums) float64 {
	var room sums
	rest := f.rest(&room, len(a), b)
	for i, x := range a[len(a)-len(rest):] {
		s[i] += float32(x * rest[i])
	}
	return s.total()
}

// finishSquares adds to s the squares of what is left of the first n numbers of b, and
// then the lanes.
func (f Format) finishSquares(n int, b []byte, s *sums) float64 {
	var room sums
	for i, y := range f.rest(&room, n, b) {
		s[i] += float32(y * y)
	}
	return s.total()
}

// rest returns, in room, those of the first n numbers of b that do not fill all lanes.
func (f Format) rest(room *sums, n int, b []byte) []float32 {
	rest := room[:n%lanes]
	f.decode(rest, b, n-len(rest))
	return rest
}

// check panics if b is too short for len(a) numbers: that is a bug in the caller.
func (f Format) check(a []float32, b []byte) {
	want := len(a)
	switch f {
	case Float32:
		want *= 4
	case Float16, BFloat16:
		want *= 2
	case Int8:
		want += scaleBytes
	default:
		panic(fmt.Sprintf("dense: no format has number %d", f))
	}
	if len(b) < want {
		panic(fmt.Sprintf("dense: %d bytes, want at least %d for %d numbers", len(b), want, len(a)))
	}
}

// floats returns the first n numbers of b, in new memory: for the rare sums that are
// computed again in float64.
func (f Format) floats(n int, b []byte) []float32 {
	v := make([]float32, n)
	f.decode(v, b, 0)
	return v
}

// decode overwrites dst with the numbers of b from number first on.
func (f Format) decode(dst []float32, b []byte, first int) {
	switch f {
	case Float32:
		b = b[4*first:][:4*len(dst)]
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case Float16:
		b = b[2*first:][:2*len(dst)]
		for i := range dst {
			dst[i] = float16.Frombits(binary.LittleEndian.Uint16(b[2*i:])).Float32()
		}
	case BFloat16:
		b = b[2*first:][:2*len(dst)]
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
		}
	case Int8:
		scale := math.Float32frombits(binary.LittleEndian.Uint32(b))
		b = b[scaleBytes+first:][:len(dst)]
		for i := range dst {
			dst[i] = float32(scale * float32(int8(b[i])))
		}
	}
}
