//go:build (!amd64 && !arm64) || purego

package hamming

func scan(dst []Match, t *Tile, rows *Rows, groups int, limits *[TileQueries]float32) int {
	return scanGeneric(dst, t, rows, groups, limits)
}

func sumSet(z []float32, words []uint64) float32 { return sumSetGeneric(z, words) }
