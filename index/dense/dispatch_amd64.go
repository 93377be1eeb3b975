//go:build !purego

package dense

import (
	"unsafe"

	"github.com/hamnest/hamnest/index/isa"
)

// a and b have equal lengths, a multiple of lanes. SliceData of an empty slice may
// be any address: the kernels read nothing then.

func dot(a, b []float32, s *sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		dotAVX512(x, y, blocks, &s[0])
	case isa.AVX2:
		dotAVX2(x, y, blocks, &s[0])
	default:
		dotGeneric(a, b, s)
	}
}

func dotSquares(a, b []float32, s *[2]sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		dotSquaresAVX512(x, y, blocks, &s[0][0])
	case isa.AVX2:
		dotSquaresAVX2(x, y, blocks, &s[0][0])
	default:
		dotSquaresGeneric(a, b, s)
	}
}

func squaredL2(a, b []float32, s *sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		squaredL2AVX512(x, y, blocks, &s[0])
	case isa.AVX2:
		squaredL2AVX2(x, y, blocks, &s[0])
	default:
		squaredL2Generic(a, b, s)
	}
}
