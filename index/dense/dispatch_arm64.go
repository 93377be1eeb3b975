//go:build !purego

package dense

import (
	"unsafe"

	"github.com/hamnest/hamnest/index/isa"
)

// a and b have equal lengths, a multiple of lanes. SliceData of an empty slice may
// be any address: the kernels read nothing then.

func dot(a, b []float32, s *sums) {
	if active == isa.NEON {
		dotNEON(unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes, &s[0])
		return
	}
	dotGeneric(a, b, s)
}

func dotSquares(a, b []float32, s *[2]sums) {
	if active == isa.NEON {
		dotSquaresNEON(unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes, &s[0][0])
		return
	}
	dotSquaresGeneric(a, b, s)
}

func squaredL2(a, b []float32, s *sums) {
	if active == isa.NEON {
		squaredL2NEON(unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes, &s[0])
		return
	}
	squaredL2Generic(a, b, s)
}
