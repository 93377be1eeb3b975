//go:build (!amd64 && !arm64) || purego

package dense

func dot(a, b []float32, s *sums)           { dotGeneric(a, b, s) }
func dotSquares(a, b []float32, s *[2]sums) { dotSquaresGeneric(a, b, s) }
func squaredL2(a, b []float32, s *sums)     { squaredL2Generic(a, b, s) }
