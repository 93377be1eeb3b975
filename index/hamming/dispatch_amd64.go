//go:build !purego

package hamming

import (
	"unsafe"

	"github.com/hamnest/hamnest/index/isa"
)

// aheadWords is how far ahead of their use lines are asked for, in words of a row:
// as many groups as have so many words in all columns together, 8 KiB. Of 2 to 24 KiB
// it was the best for one query and for four, over codes of 256 bits in a column and of
// 1,024 bits in three.
const aheadWords = 128

func scan(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	out, tile, column, limit := (*byte)(unsafe.Pointer(&dst[0])), &t.words[0], (*byte)(unsafe.Pointer(&columns[0])), &limits[0]
	ahead := max(1, aheadWords*int(t.form)/len(t.words))
	switch active {
	case isa.AVX512:
		switch t.form {
		case oneQuery:
			return scan1AVX512(out, tile, column, len(columns), groups, ahead, limit)
		case fourQueries:
			return scan4AVX512(out, tile, column, len(columns), groups, ahead, limit)
		default:
			return planesAVX512(out, tile, column, len(columns), groups, ahead, limit)
		}
	case isa.AVX2:
		switch t.form {
		case oneQuery:
			return scan1AVX2(out, tile, column, len(columns), groups, ahead, limit)
		case fourQueries:
			return scan4AVX2(out, tile, column, len(columns), groups, ahead, limit)
		default:
			return planesAVX2(out, tile, column, len(columns), groups, ahead, limit)
		}
	default:
		return scanGeneric(dst, t, columns, groups, limits)
	}
}
