//go:build !purego

package basis

// multiplyNEON is multiplyGeneric for one of the vectors, whose blocks lie 16*vectors
// numbers apart, and blocks*16 columns, of which there are some.
//
//go:noescape
func multiplyNEON(products, rows, x *float32, blocks, vectors int)

// addNEON is addGeneric for one of the vectors, as multiplyNEON takes it.
//
//go:noescape
func addNEON(x, rows, factors *float32, blocks, vectors int)
