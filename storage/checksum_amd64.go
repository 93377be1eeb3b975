//go:build !purego

package storage

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// firstDamaged is firstDamagedGeneric. Every instruction set but Go's own has SSE4.2. It
// overwrites crcs.
func firstDamaged(rows []byte, stride int, crcs []uint32) int {
	if active == isa.Generic {
		return firstDamagedGeneric(rows, stride, crcs)
	}
	for i := range crcs {
		crcs[i] = ^crcs[i]
	}
	return firstDamagedSSE42(unsafe.SliceData(rows), stride, stride/8-1, len(crcs), unsafe.SliceData(crcs))
}
