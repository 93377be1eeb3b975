//go:build !purego

package rotation

// transformNEON multiplies n numbers, a power of two from 16 on, by signs, transforms them
// and multiplies them by scale.
//
//go:noescape
func transformNEON(v *float32, signs *float32, n int, scale float32)

// mixNEON turns blocks*4 pairs of numbers by 45 degrees.
//
//go:noescape
func mixNEON(low *float32, high *float32, blocks int)
