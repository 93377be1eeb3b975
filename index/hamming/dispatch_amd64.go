//go:build !purego

package hamming

import (
	"math"
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// aheadWords is how far ahead of their use lines are asked for, in words of a row:
// as many groups as have so many words in all columns together, 8 KiB. Of 2 to 24 KiB
// it was the best for one query and for four, over codes of 256 bits in a column and of
// 1,024 bits in three.
const aheadWords = 128

func scan(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	out, tile, column, limit := (*byte)(unsafe.Pointer(&dst[0])), &t.words[0], (*byte)(unsafe.Pointer(&columns[0])), &limits[0]
	ahead := max(1, aheadWords/t.rowWords())
	switch active {
	case isa.AVX512:
		switch t.form {
		case oneQuery:
			return scan1AVX512(out, tile, column, len(columns), groups, ahead, limit)
		case fourQueries:
			return scan4AVX512(out, tile, column, len(columns), groups, ahead, limit)
		}
		n := 0
		for j := range t.queries {
			if limits[j] == 0 {
				continue
			}
			n += number(dst[n:], j, planesAVX512((*byte)(unsafe.Pointer(&dst[n])), &t.query(j)[0], column, len(columns), groups, ahead, &limits[j]))
		}
		return n
	case isa.AVX2:
		if t.form == oneQuery {
			return scan1AVX2(out, tile, column, len(columns), groups, ahead, limit)
		}
		return scanTables(dst, t, columns, groups, ahead, limits)
	default:
		return scanGeneric(dst, t, columns, 0, groups, limits)
	}
}

// scanTables is scanGeneric by the kernels that look up four dimensions at a time, for as
// many groups as they take. Distances that may not fit into their 16 bits, of codes of more
// than 65,472 bits or of 4,352 with the largest magnitudes, are left to the twin.
func scanTables(dst []Match, t *Tile, columns []Column, groups, ahead int, limits *[TileQueries]int64) int {
	whole := groups / tableGroups * tableGroups
	if whole == 0 || t.most >= math.MaxUint16 {
		return scanGeneric(dst, t, columns, 0, groups, limits)
	}
	if len(t.tables) == 0 {
		t.makeTables()
	}
	low := *limits
	for j := range low {
		low[j] = min(low[j], math.MaxUint16)
	}
	ahead = max(ahead, tableGroups)
	out, column, n := (*byte)(unsafe.Pointer(&dst[0])), (*byte)(unsafe.Pointer(&columns[0])), 0
	if t.queries == 1 {
		n = tables1AVX2(out, &t.tables[0], column, len(columns), whole, ahead, &low[0])
	} else {
		n = tables4AVX2(out, &t.tables[0], column, len(columns), whole, ahead, &low[0])
	}
	return n + scanGeneric(dst[n:], t, columns, whole, groups, limits)
}
