//go:build (amd64 || arm64) && !purego

package basis

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// multiply and add are multiplyGeneric and addGeneric by the active kernel, for one vector
// or a tile of them.

func multiply(products, rows, x []float32, vectors int) {
	if active == isa.Generic {
		multiplyGeneric(products, rows, x, vectors)
		return
	}
	multiplyKernel(unsafe.SliceData(products), unsafe.SliceData(rows), unsafe.SliceData(x), len(rows)/(group*lanes), vectors)
}

func add(x, rows, factors []float32, vectors int) {
	if active == isa.Generic {
		addGeneric(x, rows, factors, vectors)
		return
	}
	addKernel(unsafe.SliceData(x), unsafe.SliceData(rows), unsafe.SliceData(factors), len(rows)/(group*lanes), vectors)
}
