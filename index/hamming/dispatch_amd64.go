//go:build !purego

package hamming

import (
	"unsafe"

	"github.com/hamnest/hamnest/index/isa"
)

func scan(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	out, tile, column, limit := (*byte)(unsafe.Pointer(&dst[0])), &t.words[0], (*byte)(unsafe.Pointer(&columns[0])), &limits[0]
	switch active {
	case isa.AVX512:
		switch t.form {
		case oneQuery:
			return scan1AVX512(out, tile, column, len(columns), groups, limit)
		case fourQueries:
			return scan4AVX512(out, tile, column, len(columns), groups, limit)
		default:
			return planesAVX512(out, tile, column, len(columns), groups, limit)
		}
	case isa.AVX2:
		switch t.form {
		case oneQuery:
			return scan1AVX2(out, tile, column, len(columns), groups, limit)
		case fourQueries:
			return scan4AVX2(out, tile, column, len(columns), groups, limit)
		default:
			return planesAVX2(out, tile, column, len(columns), groups, limit)
		}
	default:
		return scanGeneric(dst, t, columns, groups, limits)
	}
}
