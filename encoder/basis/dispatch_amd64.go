//go:build !purego

package basis

import "github.com/hamnest/hamnest/encoder/isa"

func multiplyKernel(products, rows, x *float32, blocks, vectors int) {
	switch {
	case active == isa.AVX512 && vectors == tile:
		multiply4AVX512(products, rows, x, blocks)
	case active == isa.AVX512:
		multiply1AVX512(products, rows, x, blocks)
	case vectors == tile:
		multiply4AVX2(products, rows, x, blocks)
	default:
		multiply1AVX2(products, rows, x, blocks)
	}
}

func addKernel(x, rows, factors *float32, blocks, vectors int) {
	switch {
	case active == isa.AVX512 && vectors == tile:
		add4AVX512(x, rows, factors, blocks)
	case active == isa.AVX512:
		add1AVX512(x, rows, factors, blocks)
	case vectors == tile:
		add4AVX2(x, rows, factors, blocks)
	default:
		add1AVX2(x, rows, factors, blocks)
	}
}
