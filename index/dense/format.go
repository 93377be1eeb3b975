package dense

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/x448/float16"

	"github.com/hamnest/hamnest/encoder/isa"
)

// Format says how the numbers of a vector lie in bytes: little-endian, one after the other, at
// any address.
//
// The methods read the numbers where they lie. Each gives, to the bit, what the function of its
// name gives for the float32s that they stand for.
type Format uint8

const (
	// Float32 is 4 bytes a number.
	Float32 Format = iota
	// Float16 is IEEE 754 binary16, 2 bytes a number.
	Float16
	// BFloat16 is the upper half of a float32, 2 bytes a number.
	BFloat16
	// Int8 is a float32, the scale, and then one int8 a number, which stands for its product
	// with the scale.
	Int8
)

const scaleBytes = 4

// piece is how many numbers are converted to float32 at a time, on the stack: whole lanes.
const piece = 256

// Dot returns the inner product of a and the first len(a) numbers of b.
func (f Format) Dot(a []float32, b []byte) float64 {
	if v, ok := f.view(len(a), b); ok {
		return Dot(a, v)
	}
	var s sums
	var room [piece]float32
	for i := 0; i < len(a); i += piece {
		v := room[:min(piece, len(a)-i)]
		f.decode(v, b, i)
		addDot(&s, a[i:i+len(v)], v)
	}
	return s.total()
}

// SquaredL2 returns the squared Euclidean distance of a and the first len(a) numbers
// of b.
func (f Format) SquaredL2(a []float32, b []byte) float64 {
	if v, ok := f.view(len(a), b); ok {
		return SquaredL2(a, v)
	}
	var s sums
	var room [piece]float32
	for i := 0; i < len(a); i += piece {
		v := room[:min(piece, len(a)-i)]
		f.decode(v, b, i)
		addSquaredL2(&s, a[i:i+len(v)], v)
	}
	return s.total()
}

// DotSquares returns the inner product of a and the first len(a) numbers of b, and that of
// those numbers of b with themselves.
func (f Format) DotSquares(a []float32, b []byte) (product, squares float64) {
	if v, ok := f.view(len(a), b); ok {
		return DotSquares(a, v)
	}
	var s [2]sums
	var room [piece]float32
	for i := 0; i < len(a); i += piece {
		v := room[:min(piece, len(a)-i)]
		f.decode(v, b, i)
		addDotSquares(&s, a[i:i+len(v)], v)
	}
	return s[0].total(), s[1].total()
}

// Dots fills dst with the inner products of a and the first len(a) numbers of each of len(dst)
// vectors, which begin stride bytes apart in b: the results of Dot.
func (f Format) Dots(dst []float64, a []float32, b []byte, stride int) {
	if len(a) >= lanes {
		for i := range dst {
			dst[i] = f.Dot(a, b[i*stride:])
		}
		return
	}
	var s sums
	var room [lanes]float32
	for i := range dst {
		for l, y := range f.few(&room, len(a), b[i*stride:]) {
			s[l] = float64(a[l]) * float64(y)
		}
		dst[i] = s.total()
	}
}

// SquaredL2s is Dots for SquaredL2.
func (f Format) SquaredL2s(dst []float64, a []float32, b []byte, stride int) {
	if len(a) >= lanes {
		for i := range dst {
			dst[i] = f.SquaredL2(a, b[i*stride:])
		}
		return
	}
	var s sums
	var room [lanes]float32
	for i := range dst {
		for l, y := range f.few(&room, len(a), b[i*stride:]) {
			d := float64(a[l]) - float64(y)
			s[l] = float64(d * d) // rounded once, as if there were nothing to add it to
		}
		dst[i] = s.total()
	}
}

// DotsSquares is Dots for DotSquares.
func (f Format) DotsSquares(products, squares []float64, a []float32, b []byte, stride int) {
	if len(a) >= lanes {
		for i := range products {
			products[i], squares[i] = f.DotSquares(a, b[i*stride:])
		}
		return
	}
	var s [2]sums
	var room [lanes]float32
	for i := range products {
		for l, y := range f.few(&room, len(a), b[i*stride:]) {
			s[0][l] = float64(a[l]) * float64(y)
			s[1][l] = float64(y) * float64(y)
		}
		products[i], squares[i] = s[0].total(), s[1].total()
	}
}

// few returns the first n numbers of b, n < lanes, where they lie or copied to room.
func (f Format) few(room *[lanes]float32, n int, b []byte) []float32 {
	if v, ok := f.view(n, b); ok {
		return v
	}
	f.decode(room[:n], b, 0)
	return room[:n]
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// view returns the first n numbers of b where they lie, if they are float32s that can be read
// there: kernels read at any address. It panics if b is too short, a bug in the caller.
func (f Format) view(n int, b []byte) ([]float32, bool) {
	if want := f.bytes(n); len(b) < want {
		panic(fmt.Sprintf("dense: %d bytes, want at least %d for %d numbers", len(b), want, n))
	}
	if n == 0 {
		return nil, true
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if f != Float32 || !littleEndian || active == isa.Generic && uintptr(p)%4 != 0 {
		return nil, false
	}
	return unsafe.Slice((*float32)(p), n), true
}

// bytes returns how many bytes n numbers take.
func (f Format) bytes(n int) int {
	switch f {
	case Float32:
		return 4 * n
	case Float16, BFloat16:
		return 2 * n
	case Int8:
		return scaleBytes + n
	}
	panic(fmt.Sprintf("dense: no format has number %d", f))
}

// decode fills dst with the numbers of b from number first on.
func (f Format) decode(dst []float32, b []byte, first int) {
	var scale float32
	if f == Int8 {
		scale = math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	b = b[f.bytes(first):f.bytes(first+len(dst))]
	done := f.decodeBlocks(dst, b, scale)
	b = b[f.bytes(done)-f.bytes(0):]
	f.decodeGeneric(dst[done:], b, scale)
}

// decodeGeneric fills dst with the numbers of b, multiplied by scale.
func (f Format) decodeGeneric(dst []float32, b []byte, scale float32) {
	switch f {
	case Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case Float16:
		for i := range dst {
			dst[i] = float16.Frombits(binary.LittleEndian.Uint16(b[2*i:])).Float32()
		}
	case BFloat16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
		}
	case Int8:
		for i := range dst {
			dst[i] = float32(scale * float32(int8(b[i])))
		}
	}
}
