//go:build !purego

package dense

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// a and b have equal lengths, a multiple of lanes. SliceData of an empty slice may
// be any address: the kernels read nothing then.

func dot(a, b []float32, s *sums) {
	if active == isa.NEON {
		dotNEON(unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes, &s[0])
		return
	}
	dotGeneric(a, b, s)
}

func dotSquares(a, b []float32, s *[2]sums) {
	if active == isa.NEON {
		dotSquaresNEON(unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes, &s[0][0])
		return
	}
	dotSquaresGeneric(a, b, s)
}

func squaredL2(a, b []float32, s *sums) {
	if active == isa.NEON {
		squaredL2NEON(unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes, &s[0])
		return
	}
	squaredL2Generic(a, b, s)
}

// decodeBlocks is decodeGeneric for as many numbers as kernels can take, and returns how many.
func (f Format) decodeBlocks(dst []float32, b []byte, scale float32) (done int) {
	if active != isa.NEON {
		return 0
	}
	x, y, blocks := unsafe.SliceData(dst), unsafe.SliceData(b), len(dst)/lanes
	switch f {
	case Float16:
		decodeFloat16NEON(x, y, blocks)
	case BFloat16:
		decodeBFloat16NEON(x, y, blocks)
	case Int8:
		decodeInt8NEON(x, y, blocks, scale)
	default:
		return 0
	}
	return blocks * lanes
}

// tileRows is how many rows are compared with that many queries at a time.
func tileRows(queries int) int {
	switch {
	case active == isa.Generic:
		return 1
	case queries == 1:
		return 8
	default:
		return 4
	}
}

// dotTile compares tileRows rows from i on with the one query of q, or with tileQueries from j
// on. The result has, row after row, the bits of the queries. It reads one of limits for each
// query, and one of weights for each row.
func dotTile(q *Queries, j int, rows *Rows, i int, limits, weights *float32) uint32 {
	x, y, blocks := &q.floats[j*q.dims], rows.at(i), q.dims/lanes
	var s [tileSums]float32
	switch {
	case active != isa.NEON:
		return dotTileGeneric(q, j, rows, i, limits, *weights)
	case q.count == 1:
		dot1x8NEON(x, y, rows.stride, blocks, &s[0])
		return notLess(s[:8], 1, limits, weights)
	default:
		dot4x4NEON(x, 4*q.dims, y, rows.stride, blocks, &s[0])
		return notLess(s[:16], tileQueries, limits, weights)
	}
}

// squaredL2Tile is dotTile for squared distances.
func squaredL2Tile(q *Queries, j int, rows *Rows, i int, limits *float32) uint32 {
	x, y, blocks := &q.floats[j*q.dims], rows.at(i), q.dims/lanes
	var s [tileSums]float32
	switch {
	case active != isa.NEON:
		return squaredL2TileGeneric(q, j, rows, i, limits)
	case q.count == 1:
		squaredL21x8NEON(x, y, rows.stride, blocks, &s[0])
		return notGreater(s[:8], 1, limits)
	default:
		squaredL24x4NEON(x, 4*q.dims, y, rows.stride, blocks, &s[0])
		return notGreater(s[:16], tileQueries, limits)
	}
}

// notLess compares sums, those of a row and n queries side by side, with their limits.
func notLess(sums []float32, n int, limits, weights *float32) (mask uint32) {
	of, rows := unsafe.Slice(limits, n), unsafe.Slice(weights, len(sums)/n)
	for i, s := range sums {
		if limit := float32(of[i%n] * rows[i/n]); !(s < limit) {
			mask |= 1 << i
		}
	}
	return mask
}

// notGreater is notLess for sums that must not exceed their limits.
func notGreater(sums []float32, n int, limits *float32) (mask uint32) {
	of := unsafe.Slice(limits, n)
	for i, s := range sums {
		if !(s > of[i%n]) {
			mask |= 1 << i
		}
	}
	return mask
}

// squares overwrites s with the squares of rows from i on.
func squares(rows *Rows, i int, s *[mostTileRows]float32) {
	if active == isa.NEON {
		squares1x8NEON(rows.at(i), rows.stride, rows.dims/lanes, &s[0])
		return
	}
	squaresGeneric(rows, i, s)
}
