//go:build (amd64 || arm64) && !purego

package rotation

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

func transform(v, signs []float32, scale float32) {
	if active == isa.Generic || len(v) < leastTransform {
		transformGeneric(v, signs, scale)
		return
	}
	transformKernel(unsafe.SliceData(v), unsafe.SliceData(signs), len(v), scale)
}

func mix(low, high []float32) {
	if active == isa.Generic {
		mixGeneric(low, high)
		return
	}
	whole := len(low) / mixLanes * mixLanes
	mixKernel(unsafe.SliceData(low), unsafe.SliceData(high), whole/mixLanes)
	mixGeneric(low[whole:], high[whole:])
}
