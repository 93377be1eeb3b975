//go:build !purego

package basis

import "unsafe"

// The kernels take one vector of a tile at a time: the rows stay in the first cache.

func multiplyKernel(products, rows, x *float32, blocks, vectors int) {
	for v := range vectors {
		multiplyNEON(ofVector(products, v), rows, ofVector(x, v), blocks, vectors)
	}
}

func addKernel(x, rows, factors *float32, blocks, vectors int) {
	for v := range vectors {
		addNEON(ofVector(x, v), rows, ofVector(factors, v), blocks, vectors)
	}
}

// ofVector returns where the numbers of vector v of a tile begin.
func ofVector(first *float32, v int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(first), v*lanes*4))
}
