//go:build !purego

package hamming

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// aheadBytes is how far ahead of their use lines are prefetched, in bytes of all columns
// together, but at least one group. One query over 64 dimensions of 4 bits and 64 of 2 then
// reads from memory in .66 to .87 of the time that it takes without; none of 4 to 32 KiB was
// reliably better.
const aheadBytes = 8 << 10

func scan(dst []Match, t *Tile, rows *Rows, groups int, limits *[TileQueries]float32) int {
	size := 0
	for i := range rows.Columns {
		size += rows.Columns[i].groupBytes()
	}
	out, tile, of := (*byte)(unsafe.Pointer(&dst[0])), (*byte)(unsafe.Pointer(t)), (*byte)(unsafe.Pointer(rows))
	ahead, limit := max(1, aheadBytes/size), &limits[0]
	switch active {
	case isa.AVX512:
		switch t.queries {
		case 1:
			return scan1AVX512(out, tile, of, groups, ahead, limit)
		case 2:
			return scan2AVX512(out, tile, of, groups, ahead, limit)
		case 3:
			return scan3AVX512(out, tile, of, groups, ahead, limit)
		default:
			return scan4AVX512(out, tile, of, groups, ahead, limit)
		}
	case isa.AVX2:
		switch t.queries {
		case 1:
			return scan1AVX2(out, tile, of, groups, ahead, limit)
		case 2:
			return scan2AVX2(out, tile, of, groups, ahead, limit)
		case 3:
			return scan3AVX2(out, tile, of, groups, ahead, limit)
		default:
			return scan4AVX2(out, tile, of, groups, ahead, limit)
		}
	default:
		return scanGeneric(dst, t, rows, groups, limits)
	}
}

func sumSet(z []float32, words []uint64) float32 {
	switch active {
	case isa.AVX512:
		return sumSetAVX512(&z[0], &words[0], len(words))
	case isa.AVX2:
		return sumSetAVX2(&z[0], &words[0], len(words))
	default:
		return sumSetGeneric(z, words)
	}
}
