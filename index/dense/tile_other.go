//go:build !amd64 || purego

package dense

// There are no kernels for a tile: vectors are compared one by one.

func (f Format) dotTile(*[tile][]float32, []byte, *[tile]sums) bool            { return false }
func (f Format) dotSquaresTile(*[tile][]float32, []byte, *[tile + 1]sums) bool { return false }
func (f Format) squaredL2Tile(*[tile][]float32, []byte, *[tile]sums) bool      { return false }
