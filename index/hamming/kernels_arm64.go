//go:build !purego

package hamming

// Scans for a tile of 1: see scanGeneric.
//
//go:noescape
func scan1NEON(out, tile, rows *byte, groups int, limits *float32) (matches int)

// Scans for a tile of 2: see scanGeneric.
//
//go:noescape
func scan2NEON(out, tile, rows *byte, groups int, limits *float32) (matches int)

// Scans for a tile of 3: see scanGeneric.
//
//go:noescape
func scan3NEON(out, tile, rows *byte, groups int, limits *float32) (matches int)

// Scans for a tile of 4: see scanGeneric.
//
//go:noescape
func scan4NEON(out, tile, rows *byte, groups int, limits *float32) (matches int)

// Sums over n words, 1 or more: see sumSetGeneric.
//
//go:noescape
func sumSetNEON(z *float32, words *uint64, n int) float32
