//go:build !purego

package rotation

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// leastTransform is the least power of two that transformAVX2 takes, and mixLanes how
// many pairs mixAVX2 takes at a time.
const (
	leastTransform = 64
	mixLanes       = 8
)

// transform and mix use AVX2 on machines with AVX-512 too: wider kernels have not been tried.

func transform(v, signs []float32, scale float32) {
	if active == isa.Generic || len(v) < leastTransform {
		transformGeneric(v, signs, scale)
		return
	}
	transformAVX2(unsafe.SliceData(v), unsafe.SliceData(signs), len(v), scale)
}

func mix(low, high []float32) {
	if active == isa.Generic {
		mixGeneric(low, high)
		return
	}
	whole := len(low) / mixLanes * mixLanes
	mixAVX2(unsafe.SliceData(low), unsafe.SliceData(high), whole/mixLanes)
	mixGeneric(low[whole:], high[whole:])
}
