//go:build !purego

package hamming

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

func scan(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	if active != isa.NEON {
		return scanGeneric(dst, t, columns, 0, groups, limits)
	}
	out, tile, column, limit := (*byte)(unsafe.Pointer(&dst[0])), &t.words[0], (*byte)(unsafe.Pointer(&columns[0])), &limits[0]
	switch t.form {
	case oneQuery:
		return scan1NEON(out, tile, column, len(columns), groups, limit)
	case fourQueries:
		return scan4NEON(out, tile, column, len(columns), groups, limit)
	}
	n := 0
	for j := range t.queries {
		if limits[j] == 0 {
			continue
		}
		n += number(dst[n:], j, planesNEON((*byte)(unsafe.Pointer(&dst[n])), &t.query(j)[0], column, len(columns), groups, &limits[j]))
	}
	return n
}
