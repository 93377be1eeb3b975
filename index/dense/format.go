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
	return f.finishDotNorm(a, b, &s[0], &s[1])
}

// finishDot is Dot when s has the sums of all lanes that are whole.
func (f Format) finishDot(a []float32, b []byte, s *sums) float64 {
	if n := len(a) / lanes * lanes; n < len(a) {
		var rest sums
		f.decode(rest[:len(a)-n], b, n)
		for i, x := range a[n:] {
			s[i] += float32(x * rest[i])
		}
	}
	if d := s.total(); d-d == 0 {
		return d
	}
	return Dot(a, f.floats(len(a), b))
}

// finishSquaredL2 is finishDot for SquaredL2.
func (f Format) finishSquaredL2(a []float32, b []byte, s *sums) float64 {
	if n := len(a) / lanes * lanes; n < len(a) {
		var rest sums
		f.decode(rest[:len(a)-n], b, n)
		for i, x := range a[n:] {
			d := x - rest[i]
			s[i] += float32(d * d)
		}
	}
	if d := s.total(); d-d == 0 {
		return d
	}
	return SquaredL2(a, f.floats(len(a), b))
}

// finishDotNorm is finishDot for DotNorm. It leaves ofB, the sums of squares, as they are.
func (f Format) finishDotNorm(a []float32, b []byte, s, ofB *sums) (product, norm float64) {
	squares := *ofB
	if n := len(a) / lanes * lanes; n < len(a) {
		var rest sums
		f.decode(rest[:len(a)-n], b, n)
		for i, x := range a[n:] {
			y := rest[i]
			s[i] += float32(x * y)
			squares[i] += float32(y * y)
		}
	}
	product, square := s.total(), squares.total()
	if product-product != 0 || square-square != 0 || square < tiny {
		return DotNorm(a, f.floats(len(a), b))
	}
	return product, math.Sqrt(square)
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
