//go:build !purego

package rotation

// leastTransform is the least power of two that transformKernel takes, and mixLanes how
// many pairs mixKernel takes at a time.
const (
	leastTransform = 64
	mixLanes       = 8
)

// transformKernel and mixKernel use AVX2 even on AVX-512 machines: wider kernels have not been
// tried.
func transformKernel(v, signs *float32, n int, scale float32) { transformAVX2(v, signs, n, scale) }

func mixKernel(low, high *float32, blocks int) { mixAVX2(low, high, blocks) }
