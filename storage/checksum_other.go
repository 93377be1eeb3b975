//go:build !amd64 || purego

package storage

func firstDamaged(rows []byte, stride int, crcs []uint32) int {
	return firstDamagedGeneric(rows, stride, crcs)
}
