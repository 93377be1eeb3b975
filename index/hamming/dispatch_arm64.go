//go:build !purego

package hamming

import (
	"unsafe"

	"github.com/hamnest/hamnest/index/isa"
)

func scan(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	out, query, column, limit := (*byte)(unsafe.Pointer(&dst[0])), &t.words[0], (*byte)(unsafe.Pointer(&columns[0])), &limits[0]
	switch {
	case active == isa.NEON && t.size == 1:
		return scan1NEON(out, query, column, len(columns), groups, limit)
	case active == isa.NEON:
		return scan4NEON(out, query, column, len(columns), groups, limit)
	default:
		return scanGeneric(dst, t, columns, groups, limits)
	}
}

func planes(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	if active != isa.NEON {
		return planesGeneric(dst, t, columns, groups, limits)
	}
	out, query, column, limit := (*byte)(unsafe.Pointer(&dst[0])), &t.words[0], (*byte)(unsafe.Pointer(&columns[0])), &limits[0]
	return planes4NEON(out, query, column, len(columns), groups, limit)
}
