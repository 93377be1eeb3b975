//go:build !purego

package dense

// dotNEON adds the products of a and b over blocks*16 elements to sums, by lane.
//
//go:noescape
func dotNEON(a, b *float32, blocks int, sums *float64)

// dotSquaresNEON adds the products of a and b, and then the squares of b over blocks*16 elements to sums, by lane.
//
//go:noescape
func dotSquaresNEON(a, b *float32, blocks int, sums *float64)

// squaredL2NEON adds the squared differences of a and b over blocks*16 elements to sums, by lane.
//
//go:noescape
func squaredL2NEON(a, b *float32, blocks int, sums *float64)

// decodeFloat16NEON makes float32s of blocks*16 numbers.
//
//go:noescape
func decodeFloat16NEON(dst *float32, b *byte, blocks int)

// decodeBFloat16NEON makes float32s of blocks*16 numbers.
//
//go:noescape
func decodeBFloat16NEON(dst *float32, b *byte, blocks int)

// decodeInt8NEON makes float32s of blocks*16 numbers.
//
//go:noescape
func decodeInt8NEON(dst *float32, b *byte, blocks int, scale float32)

// dot4x4NEON sums the products of 4 queries and 4 rows of blocks*16 elements: row r and query q in sums[r*4+q]. Strides are bytes.
//
//go:noescape
func dot4x4NEON(queries *float32, queryStride int, rows *float32, rowStride int, blocks int, sums *float32)

// squaredL24x4NEON sums the squared differences of 4 queries and 4 rows of blocks*16 elements: row r and query q in sums[r*4+q]. Strides are bytes.
//
//go:noescape
func squaredL24x4NEON(queries *float32, queryStride int, rows *float32, rowStride int, blocks int, sums *float32)

// dot1x8NEON sums the products of a query and 8 rows of blocks*16 elements. The stride is bytes.
//
//go:noescape
func dot1x8NEON(queries *float32, rows *float32, rowStride int, blocks int, sums *float32)

// squaredL21x8NEON sums the squared differences of a query and 8 rows of blocks*16 elements. The stride is bytes.
//
//go:noescape
func squaredL21x8NEON(queries *float32, rows *float32, rowStride int, blocks int, sums *float32)

// squares1x8NEON sums the squares of 8 rows of blocks*16 elements. The stride is bytes.
//
//go:noescape
func squares1x8NEON(rows *float32, rowStride int, blocks int, sums *float32)
