// Package floats is about vectors of float32 themselves: which ones are acceptable, how a
// [Metric] compares two of them, and how exactly a [Precision] keeps one in bytes.
//
// It is a leaf without kernels, so that clients can share it with the engine.
package floats

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// MaxDims is the largest vector size.
const MaxDims = 65536

// Validate returns nil when v can be stored or searched under m: it has dims
// components, each finite, and under Cosine not all of them zero. Otherwise the
// error says what was found and where.
func Validate(v []float32, dims int, m Metric) error {
	if len(v) != dims {
		return fmt.Errorf("has %d dimensions, want %d", len(v), dims)
	}
	var nonZero, carries uint32 // gathered without a branch: every vector passes here
	for _, x := range v {
		bits := math.Float32bits(x) &^ (1 << 31)
		nonZero |= bits
		carries |= bits + 1<<23 // into the top bit, if the exponent is all ones: NaN or infinite
	}
	if carries>>31 != 0 {
		i := slices.IndexFunc(v, func(x float32) bool { return x-x != 0 })
		return fmt.Errorf("component %d is %v, want a finite number", i, v[i])
	}
	if nonZero == 0 && m == Cosine {
		return fmt.Errorf("all %d components are zero: an all-zero vector has no direction, which %v needs", dims, m)
	}
	return nil
}

// Finite returns the finite float32 nearest to x: an infinite one would say less, and JSON has
// none.
func Finite(x float64) float32 {
	return float32(max(-math.MaxFloat32, min(x, math.MaxFloat32)))
}

// Prefix returns the first dims components of v as a vector in their own right:
// under Cosine scaled to length 1 (unless all are zero), under the other metrics
// as they are. This is how a Matryoshka-trained model's shorter embeddings are
// made (Kusupati et al., NeurIPS 2022, section 3). dims is 1 to len(v); the
// result is new memory.
func Prefix(v []float32, dims int, m Metric) []float32 {
	p := append([]float32(nil), v[:dims]...)
	if m != Cosine {
		return p
	}
	var sum float64
	for _, x := range p {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return p
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range p {
		p[i] = float32(float64(x) * scale)
	}
	return p
}

// Append appends v to dst, 4 bytes a component, little-endian.
func Append(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// View returns the first len(scratch) components that Append wrote to b: b itself, seen as
// numbers, if the machine is little-endian and b is aligned, otherwise decoded into scratch.
func View(scratch []float32, b []byte) []float32 {
	b = b[:4*len(scratch)]
	if p := unsafe.Pointer(unsafe.SliceData(b)); littleEndian && uintptr(p)%4 == 0 {
		return unsafe.Slice((*float32)(p), len(scratch))
	}
	Decode(scratch, b)
	return scratch
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Decode overwrites dst with the components that Append wrote to
// the first 4*len(dst) bytes of b.
func Decode(dst []float32, b []byte) {
	b = b[:4*len(dst)]
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
}
