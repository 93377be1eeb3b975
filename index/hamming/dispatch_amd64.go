//go:build !purego

package hamming

import (
	"unsafe"

	"github.com/hamnest/hamnest/index/isa"
)

func scan(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	out, query, column, limit := (*byte)(unsafe.Pointer(&dst[0])), &t.words[0], (*byte)(unsafe.Pointer(&columns[0])), &limits[0]
	switch {
	case active == isa.AVX512 && t.size == 1:
		return scan1AVX512(out, query, column, len(columns), groups, limit)
	case active == isa.AVX512:
		return scan4AVX512(out, query, column, len(columns), groups, limit)
	case active == isa.AVX2 && t.size == 1:
		return scan1AVX2(out, query, column, len(columns), groups, limit)
	case active == isa.AVX2:
		return scan4AVX2(out, query, column, len(columns), groups, limit)
	default:
		return scanGeneric(dst, t, columns, groups, limits)
	}
}

func planes(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	out, query, column, limit := (*byte)(unsafe.Pointer(&dst[0])), &t.words[0], (*byte)(unsafe.Pointer(&columns[0])), &limits[0]
	switch active {
	case isa.AVX512:
		return planes4AVX512(out, query, column, len(columns), groups, limit)
	case isa.AVX2:
		return planes4AVX2(out, query, column, len(columns), groups, limit)
	default:
		return planesGeneric(dst, t, columns, groups, limits)
	}
}
