//go:build !purego

package rotation

// leastTransform is the least power of two that transformKernel takes, and mixLanes how
// many pairs mixKernel takes at a time.
const (
	leastTransform = 16
	mixLanes       = 4
)

func transformKernel(v, signs *float32, n int, scale float32) { transformNEON(v, signs, n, scale) }

func mixKernel(low, high *float32, blocks int) { mixNEON(low, high, blocks) }
