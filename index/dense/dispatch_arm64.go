//go:build !purego

package dense

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// a and b have equal lengths, a multiple of lanes. SliceData of an empty slice may
// be any address: the kernels read nothing then.

func dot(a, b []float32, s *sums) {
	if active == isa.NEON {
		dotFloat32NEON(unsafe.SliceData(a), (*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(a)/lanes, &s[0])
		return
	}
	dotGeneric(a, b, s)
}

func dotSquares(a, b []float32, s *[2]sums) {
	if active == isa.NEON {
		dotSquaresFloat32NEON(unsafe.SliceData(a), (*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(a)/lanes, &s[0][0])
		return
	}
	dotSquaresGeneric(a, b, s)
}

func squaredL2(a, b []float32, s *sums) {
	if active == isa.NEON {
		squaredL2Float32NEON(unsafe.SliceData(a), (*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(a)/lanes, &s[0])
		return
	}
	squaredL2Generic(a, b, s)
}

// In the other formats b has at least the numbers that a has.

func (f Format) dot(a []float32, b []byte, s *sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	if active != isa.NEON {
		f.dotGeneric(a, b, s)
		return
	}
	switch f {
	case Float32:
		dotFloat32NEON(x, y, blocks, &s[0])
	case Float16:
		dotFloat16NEON(x, y, blocks, &s[0])
	case BFloat16:
		dotBFloat16NEON(x, y, blocks, &s[0])
	case Int8:
		dotInt8NEON(x, y, blocks, &s[0])
	}
}

func (f Format) dotSquares(a []float32, b []byte, s *[2]sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	if active != isa.NEON {
		f.dotSquaresGeneric(a, b, s)
		return
	}
	switch f {
	case Float32:
		dotSquaresFloat32NEON(x, y, blocks, &s[0][0])
	case Float16:
		dotSquaresFloat16NEON(x, y, blocks, &s[0][0])
	case BFloat16:
		dotSquaresBFloat16NEON(x, y, blocks, &s[0][0])
	case Int8:
		dotSquaresInt8NEON(x, y, blocks, &s[0][0])
	}
}

func (f Format) squaredL2(a []float32, b []byte, s *sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	if active != isa.NEON {
		f.squaredL2Generic(a, b, s)
		return
	}
	switch f {
	case Float32:
		squaredL2Float32NEON(x, y, blocks, &s[0])
	case Float16:
		squaredL2Float16NEON(x, y, blocks, &s[0])
	case BFloat16:
		squaredL2BFloat16NEON(x, y, blocks, &s[0])
	case Int8:
		squaredL2Int8NEON(x, y, blocks, &s[0])
	}
}
