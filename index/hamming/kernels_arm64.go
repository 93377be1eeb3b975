//go:build !purego

package hamming

// Compares a tile of 1: see scanGeneric.
//
//go:noescape
func scan1NEON(out *byte, tile *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)

// Compares a tile of 4: see scanGeneric.
//
//go:noescape
func scan4NEON(out *byte, tile *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)

// Compares a query with magnitudes: see scanGeneric.
//
//go:noescape
func planesNEON(out *byte, tile *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)
