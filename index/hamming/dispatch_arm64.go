//go:build !purego

package hamming

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

func scan(dst []Match, t *Tile, rows *Rows, groups int, limits *[TileQueries]float32) int {
	if active != isa.NEON {
		return scanGeneric(dst, t, rows, groups, limits)
	}
	out, tile, of := (*byte)(unsafe.Pointer(&dst[0])), (*byte)(unsafe.Pointer(t)), (*byte)(unsafe.Pointer(rows))
	switch t.queries {
	case 1:
		return scan1NEON(out, tile, of, groups, &limits[0])
	case 2:
		return scan2NEON(out, tile, of, groups, &limits[0])
	case 3:
		return scan3NEON(out, tile, of, groups, &limits[0])
	default:
		return scan4NEON(out, tile, of, groups, &limits[0])
	}
}

func sumSet(z []float32, words []uint64) float32 {
	if active != isa.NEON {
		return sumSetGeneric(z, words)
	}
	return sumSetNEON(&z[0], &words[0], len(words))
}
