//go:build !purego

package dense

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// a and b have equal lengths, a multiple of lanes. SliceData of an empty slice may
// be any address: the kernels read nothing then.

func dot(a, b []float32, s *sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		dotAVX512(x, y, blocks, &s[0])
	case isa.AVX2:
		dotAVX2(x, y, blocks, &s[0])
	default:
		dotGeneric(a, b, s)
	}
}

func dotSquares(a, b []float32, s *[2]sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		dotSquaresAVX512(x, y, blocks, &s[0][0])
	case isa.AVX2:
		dotSquaresAVX2(x, y, blocks, &s[0][0])
	default:
		dotSquaresGeneric(a, b, s)
	}
}

func squaredL2(a, b []float32, s *sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		squaredL2AVX512(x, y, blocks, &s[0])
	case isa.AVX2:
		squaredL2AVX2(x, y, blocks, &s[0])
	default:
		squaredL2Generic(a, b, s)
	}
}

// decodeBlocks is decodeGeneric for as many numbers as kernels can take, and returns how many.
func (f Format) decodeBlocks(dst []float32, b []byte, scale float32) (done int) {
	x, y, blocks := unsafe.SliceData(dst), unsafe.SliceData(b), len(dst)/lanes
	switch active {
	case isa.AVX512:
		switch f {
		case Float16:
			decodeFloat16AVX512(x, y, blocks)
		case BFloat16:
			decodeBFloat16AVX512(x, y, blocks)
		case Int8:
			decodeInt8AVX512(x, y, blocks, scale)
		default:
			return 0
		}
	case isa.AVX2:
		switch f {
		case Float16:
			decodeFloat16AVX2(x, y, blocks)
		case BFloat16:
			decodeBFloat16AVX2(x, y, blocks)
		case Int8:
			decodeInt8AVX2(x, y, blocks, scale)
		default:
			return 0
		}
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
	case active == isa.AVX512:
		return 6
	default:
		return 3
	}
}

// dotTile compares tileRows rows from i on with the one query of q, or with tileQueries from j
// on. The result has, row after row, the bits of the queries. It reads one of limits for each
// query, and one of weights for each row.
func dotTile(q *Queries, j int, rows *Rows, i int, limits, weights *float32) uint32 {
	x, y, blocks := &q.floats[j*q.dims], rows.at(i), q.dims/lanes
	var s [tileSums]float32
	switch {
	case active == isa.AVX512 && q.count == 1:
		return dot1x8AVX512(x, y, rows.stride, blocks, &s[0], limits, weights)
	case active == isa.AVX512:
		return dot4x6AVX512(x, 4*q.dims, y, rows.stride, blocks, &s[0], limits, weights)
	case active == isa.AVX2 && q.count == 1:
		return dot1x8AVX2(x, y, rows.stride, blocks, &s[0], limits, weights)
	case active == isa.AVX2:
		return dot4x3AVX2(x, 4*q.dims, y, rows.stride, blocks, &s[0], limits, weights)
	default:
		return dotTileGeneric(q, j, rows, i, limits, *weights)
	}
}

// squaredL2Tile is dotTile for squared distances.
func squaredL2Tile(q *Queries, j int, rows *Rows, i int, limits *float32) uint32 {
	x, y, blocks := &q.floats[j*q.dims], rows.at(i), q.dims/lanes
	var s [tileSums]float32
	switch {
	case active == isa.AVX512 && q.count == 1:
		return squaredL21x8AVX512(x, y, rows.stride, blocks, &s[0], limits)
	case active == isa.AVX512:
		return squaredL24x6AVX512(x, 4*q.dims, y, rows.stride, blocks, &s[0], limits)
	case active == isa.AVX2 && q.count == 1:
		return squaredL21x8AVX2(x, y, rows.stride, blocks, &s[0], limits)
	case active == isa.AVX2:
		return squaredL24x3AVX2(x, 4*q.dims, y, rows.stride, blocks, &s[0], limits)
	default:
		return squaredL2TileGeneric(q, j, rows, i, limits)
	}
}

// squares overwrites s with the squares of rows from i on.
func squares(rows *Rows, i int, s *[mostTileRows]float32) {
	switch active {
	case isa.AVX512:
		squares1x8AVX512(rows.at(i), rows.stride, rows.dims/lanes, &s[0])
	case isa.AVX2:
		squares1x8AVX2(rows.at(i), rows.stride, rows.dims/lanes, &s[0])
	default:
		squaresGeneric(rows, i, s)
	}
}
