//go:build (!amd64 && !arm64) || purego

package dense

func dot(a, b []float32, s *sums)           { dotGeneric(a, b, s) }
func dotSquares(a, b []float32, s *[2]sums) { dotSquaresGeneric(a, b, s) }
func squaredL2(a, b []float32, s *sums)     { squaredL2Generic(a, b, s) }

func (f Format) dot(a []float32, b []byte, s *sums)           { f.dotGeneric(a, b, s) }
func (f Format) dotSquares(a []float32, b []byte, s *[2]sums) { f.dotSquaresGeneric(a, b, s) }
func (f Format) squaredL2(a []float32, b []byte, s *sums)     { f.squaredL2Generic(a, b, s) }
