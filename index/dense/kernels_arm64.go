//go:build !purego

package dense

// dotFloat32NEON sums the products of a and b over blocks*16 elements, by lane.
//
//go:noescape
func dotFloat32NEON(a *float32, b *byte, blocks int, sums *float32)

// dotSquaresFloat32NEON sums the products of a and b, and then the squares of b over blocks*16 elements, by lane.
//
//go:noescape
func dotSquaresFloat32NEON(a *float32, b *byte, blocks int, sums *float32)

// squaredL2Float32NEON sums the squared differences of a and b over blocks*16 elements, by lane.
//
//go:noescape
func squaredL2Float32NEON(a *float32, b *byte, blocks int, sums *float32)

// dotFloat16NEON sums the products of a and b over blocks*16 elements, by lane.
//
//go:noescape
func dotFloat16NEON(a *float32, b *byte, blocks int, sums *float32)

// dotSquaresFloat16NEON sums the products of a and b, and then the squares of b over blocks*16 elements, by lane.
//
//go:noescape
func dotSquaresFloat16NEON(a *float32, b *byte, blocks int, sums *float32)

// squaredL2Float16NEON sums the squared differences of a and b over blocks*16 elements, by lane.
//
//go:noescape
func squaredL2Float16NEON(a *float32, b *byte, blocks int, sums *float32)

// dotBFloat16NEON sums the products of a and b over blocks*16 elements, by lane.
//
//go:noescape
func dotBFloat16NEON(a *float32, b *byte, blocks int, sums *float32)

// dotSquaresBFloat16NEON sums the products of a and b, and then the squares of b over blocks*16 elements, by lane.
//
//go:noescape
func dotSquaresBFloat16NEON(a *float32, b *byte, blocks int, sums *float32)

// squaredL2BFloat16NEON sums the squared differences of a and b over blocks*16 elements, by lane.
//
//go:noescape
func squaredL2BFloat16NEON(a *float32, b *byte, blocks int, sums *float32)

// dotInt8NEON sums the products of a and b over blocks*16 elements, by lane.
//
//go:noescape
func dotInt8NEON(a *float32, b *byte, blocks int, sums *float32)

// dotSquaresInt8NEON sums the products of a and b, and then the squares of b over blocks*16 elements, by lane.
//
//go:noescape
func dotSquaresInt8NEON(a *float32, b *byte, blocks int, sums *float32)

// squaredL2Int8NEON sums the squared differences of a and b over blocks*16 elements, by lane.
//
//go:noescape
func squaredL2Int8NEON(a *float32, b *byte, blocks int, sums *float32)
