//go:build (!amd64 && !arm64) || purego

package dense

func dot(a, b []float32, s *sums)           { dotGeneric(a, b, s) }
func dotSquares(a, b []float32, s *[2]sums) { dotSquaresGeneric(a, b, s) }
func squaredL2(a, b []float32, s *sums)     { squaredL2Generic(a, b, s) }

func (f Format) decodeBlocks([]float32, []byte, float32) (done int) { return 0 }

func tileRows(int) int { return 1 }

func dotTile(q *Queries, j int, rows *Rows, i int, limits, weights *float32) uint32 {
	return dotTileGeneric(q, j, rows, i, limits, *weights)
}

func squaredL2Tile(q *Queries, j int, rows *Rows, i int, limits *float32) uint32 {
	return squaredL2TileGeneric(q, j, rows, i, limits)
}

func squares(rows *Rows, i int, s *[mostTileRows]float32) { squaresGeneric(rows, i, s) }
