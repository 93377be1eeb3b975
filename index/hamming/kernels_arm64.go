//go:build !purego

package hamming

// Compares a tile of 1: see scanGeneric.
//
//go:noescape
func scan1NEON(out *byte, query *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)

// Compares a tile of 4: see scanGeneric.
//
//go:noescape
func scan4NEON(out *byte, query *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)

// Scores a query of 4 bit planes: see planesGeneric.
//
//go:noescape
func planes4NEON(out *byte, query *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)
