//go:build (!amd64 && !arm64) || purego

package hamming

func scan(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	return scanGeneric(dst, t, columns, 0, groups, limits)
}
