//go:build !purego

package dense

// dotNEON sums the products of a and b over blocks*16 elements, by lane.
//
//go:noescape
func dotNEON(a *float32, b *float32, blocks int, sums *float32)

// dotSquaresNEON sums the products of a and b, and then the squares of b over blocks*16 elements, by lane.
//
//go:noescape
func dotSquaresNEON(a *float32, b *float32, blocks int, sums *float32)

// squaredL2NEON sums the squared differences of a and b over blocks*16 elements, by lane.
//
//go:noescape
func squaredL2NEON(a *float32, b *float32, blocks int, sums *float32)
