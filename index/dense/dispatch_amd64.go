//go:build !purego

package dense

import (
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// a and b have equal lengths, a multiple of lanes. SliceData of an empty slice may
// be any address: the kernels read nothing then.

func dot(a, b []float32, s *sums) {
	x, y, blocks := unsafe.SliceData(a), (*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(a)/lanes
	switch active {
	case isa.AVX512:
		dotFloat32AVX512(x, y, blocks, &s[0])
	case isa.AVX2:
		dotFloat32AVX2(x, y, blocks, &s[0])
	default:
		dotGeneric(a, b, s)
	}
}

func dotSquares(a, b []float32, s *[2]sums) {
	x, y, blocks := unsafe.SliceData(a), (*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(a)/lanes
	switch active {
	case isa.AVX512:
		dotSquaresFloat32AVX512(x, y, blocks, &s[0][0])
	case isa.AVX2:
		dotSquaresFloat32AVX2(x, y, blocks, &s[0][0])
	default:
		dotSquaresGeneric(a, b, s)
	}
}

func squaredL2(a, b []float32, s *sums) {
	x, y, blocks := unsafe.SliceData(a), (*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(a)/lanes
	switch active {
	case isa.AVX512:
		squaredL2Float32AVX512(x, y, blocks, &s[0])
	case isa.AVX2:
		squaredL2Float32AVX2(x, y, blocks, &s[0])
	default:
		squaredL2Generic(a, b, s)
	}
}

// In the other formats b has at least the numbers that a has.

func (f Format) dot(a []float32, b []byte, s *sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		switch f {
		case Float32:
			dotFloat32AVX512(x, y, blocks, &s[0])
		case Float16:
			dotFloat16AVX512(x, y, blocks, &s[0])
		case BFloat16:
			dotBFloat16AVX512(x, y, blocks, &s[0])
		case Int8:
			dotInt8AVX512(x, y, blocks, &s[0])
		}
	case isa.AVX2:
		switch f {
		case Float32:
			dotFloat32AVX2(x, y, blocks, &s[0])
		case Float16:
			dotFloat16AVX2(x, y, blocks, &s[0])
		case BFloat16:
			dotBFloat16AVX2(x, y, blocks, &s[0])
		case Int8:
			dotInt8AVX2(x, y, blocks, &s[0])
		}
	default:
		f.dotGeneric(a, b, s)
	}
}

func (f Format) dotSquares(a []float32, b []byte, s *[2]sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		switch f {
		case Float32:
			dotSquaresFloat32AVX512(x, y, blocks, &s[0][0])
		case Float16:
			dotSquaresFloat16AVX512(x, y, blocks, &s[0][0])
		case BFloat16:
			dotSquaresBFloat16AVX512(x, y, blocks, &s[0][0])
		case Int8:
			dotSquaresInt8AVX512(x, y, blocks, &s[0][0])
		}
	case isa.AVX2:
		switch f {
		case Float32:
			dotSquaresFloat32AVX2(x, y, blocks, &s[0][0])
		case Float16:
			dotSquaresFloat16AVX2(x, y, blocks, &s[0][0])
		case BFloat16:
			dotSquaresBFloat16AVX2(x, y, blocks, &s[0][0])
		case Int8:
			dotSquaresInt8AVX2(x, y, blocks, &s[0][0])
		}
	default:
		f.dotSquaresGeneric(a, b, s)
	}
}

func (f Format) squaredL2(a []float32, b []byte, s *sums) {
	x, y, blocks := unsafe.SliceData(a), unsafe.SliceData(b), len(a)/lanes
	switch active {
	case isa.AVX512:
		switch f {
		case Float32:
			squaredL2Float32AVX512(x, y, blocks, &s[0])
		case Float16:
			squaredL2Float16AVX512(x, y, blocks, &s[0])
		case BFloat16:
			squaredL2BFloat16AVX512(x, y, blocks, &s[0])
		case Int8:
			squaredL2Int8AVX512(x, y, blocks, &s[0])
		}
	case isa.AVX2:
		switch f {
		case Float32:
			squaredL2Float32AVX2(x, y, blocks, &s[0])
		case Float16:
			squaredL2Float16AVX2(x, y, blocks, &s[0])
		case BFloat16:
			squaredL2BFloat16AVX2(x, y, blocks, &s[0])
		case Int8:
			squaredL2Int8AVX2(x, y, blocks, &s[0])
		}
	default:
		f.squaredL2Generic(a, b, s)
	}
}

// The kernels for a tile are those of AVX2, which AVX-512 has too.

func (f Format) dotTile(a *[tile][]float32, b []byte, s *[tile]sums) bool {
	if active == isa.Generic {
		return false
	}
	x, y, blocks := pointers(a), unsafe.SliceData(b), len(a[0])/lanes
	switch f {
	case Float32:
		dotTileFloat32AVX2(&x[0], y, blocks, &s[0][0])
	case Float16:
		dotTileFloat16AVX2(&x[0], y, blocks, &s[0][0])
	case BFloat16:
		dotTileBFloat16AVX2(&x[0], y, blocks, &s[0][0])
	case Int8:
		dotTileInt8AVX2(&x[0], y, blocks, &s[0][0])
	}
	return true
}

func (f Format) dotSquaresTile(a *[tile][]float32, b []byte, s *[tile + 1]sums) bool {
	if active == isa.Generic {
		return false
	}
	x, y, blocks := pointers(a), unsafe.SliceData(b), len(a[0])/lanes
	switch f {
	case Float32:
		dotSquaresTileFloat32AVX2(&x[0], y, blocks, &s[0][0])
	case Float16:
		dotSquaresTileFloat16AVX2(&x[0], y, blocks, &s[0][0])
	case BFloat16:
		dotSquaresTileBFloat16AVX2(&x[0], y, blocks, &s[0][0])
	case Int8:
		dotSquaresTileInt8AVX2(&x[0], y, blocks, &s[0][0])
	}
	return true
}

func (f Format) squaredL2Tile(a *[tile][]float32, b []byte, s *[tile]sums) bool {
	if active == isa.Generic {
		return false
	}
	x, y, blocks := pointers(a), unsafe.SliceData(b), len(a[0])/lanes
	switch f {
	case Float32:
		squaredL2TileFloat32AVX2(&x[0], y, blocks, &s[0][0])
	case Float16:
		squaredL2TileFloat16AVX2(&x[0], y, blocks, &s[0][0])
	case BFloat16:
		squaredL2TileBFloat16AVX2(&x[0], y, blocks, &s[0][0])
	case Int8:
		squaredL2TileInt8AVX2(&x[0], y, blocks, &s[0][0])
	}
	return true
}

func pointers(a *[tile][]float32) (p [tile]*float32) {
	for j, v := range a {
		p[j] = unsafe.SliceData(v)
	}
	return p
}
