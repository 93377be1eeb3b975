package encoder

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// rotation is a random orthogonal map of a block of dimensions: rounds of random
// signs, a fast Walsh-Hadamard transform, and, where the width is not a power of
// two, a step that mixes its two halves. The transform takes the largest power of
// two that fits, from the front and from the back by turns (RaBitQ-Library's
// FhtKacRotator; each step is orthogonal, so the whole is). It takes O(n log n) and
// no matrix, for every width. The same seed and width give the same map, to the bit,
// on every machine.
type rotation struct {
	signs [][]float32 // +1 or -1: of each round, of each dimension
	fast  int         // the power of two that a transform takes
	scale float32     // 1/sqrt(fast)
}

// rotationRounds is how often a block is mixed: with fewer, what is alike in many
// vectors still shows in single dimensions. Where a transform does not reach all of a
// block, it takes longer.
const (
	rotationRounds      = 4
	extraRotationRounds = 2
)

func newRotation(width int, seed uint64, block int) *rotation {
	r := &rotation{fast: 1 << (bits.Len(uint(width)) - 1)}
	r.scale = float32(1 / math.Sqrt(float64(r.fast)))
	random := rand.NewPCG(seed, uint64(block)) // its numbers are part of the format
	rounds := rotationRounds
	if r.fast < width {
		rounds += extraRotationRounds
	}
	for range rounds {
		signs := make([]float32, width)
		var word uint64
		for i := range signs {
			if i%64 == 0 {
				word = random.Uint64()
			}
			signs[i] = 1 - 2*float32(word>>(i%64)&1)
		}
		r.signs = append(r.signs, signs)
	}
	return r
}

// apply rotates v, of the rotation's width, in place.
func (r *rotation) apply(v []float32) {
	for round, signs := range r.signs {
		for i, x := range v[:len(signs)] {
			v[i] = float32(x * signs[i])
		}
		part := v[:r.fast]
		if round%2 == 1 {
			part = v[len(v)-r.fast:]
		}
		hadamard(part)
		for i, x := range part {
			part[i] = float32(x * r.scale) // rounded here, not fused with what follows
		}
		if r.fast < len(v) {
			mixHalves(v)
		}
	}
}

// hadamard applies the Walsh-Hadamard transform, unscaled, to v, whose length is a
// power of two. The steps are those of hadamardPlain, and so are the roundings; but
// several are taken at each pass over v, while its numbers are in registers.
func hadamard(v []float32) {
	half := 1
	if len(v) >= 8 {
		for at := 0; at < len(v); at += 8 {
			hadamard8((*[8]float32)(v[at:]))
		}
		half = 8
	}
	for ; 4*half <= len(v); half *= 4 {
		for at := 0; at < len(v); at += 4 * half {
			a, b, c, d := v[at:][:half], v[at+half:][:half], v[at+2*half:][:half], v[at+3*half:][:half]
			for i := range a {
				w, x, y, z := a[i]+b[i], a[i]-b[i], c[i]+d[i], c[i]-d[i]
				a[i], b[i], c[i], d[i] = w+y, x+z, w-y, x-z
			}
		}
	}
	hadamardPlain(v, half)
}

// hadamard8 is the transform of eight numbers.
func hadamard8(v *[8]float32) {
	a, b, c, d, e, f, g, h := v[0]+v[1], v[0]-v[1], v[2]+v[3], v[2]-v[3], v[4]+v[5], v[4]-v[5], v[6]+v[7], v[6]-v[7]
	a, b, c, d, e, f, g, h = a+c, b+d, a-c, b-d, e+g, f+h, e-g, f-h
	v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7] = a+e, b+f, c+g, d+h, a-e, b-f, c-g, d-h
}

// hadamardPlain takes the steps of the transform in which numbers half apart, twice
// that, and so on, meet. From 1 it is the whole transform, and the reference.
func hadamardPlain(v []float32, half int) {
	for ; half < len(v); half *= 2 {
		for at := 0; at < len(v); at += 2 * half {
			low, high := v[at:at+half], v[at+half:at+2*half]
			for i, x := range low {
				y := high[i]
				low[i], high[i] = x+y, x-y
			}
		}
	}
}

// mixHalves turns each pair of dimensions half of v apart by 45 degrees. An odd one
// out in the middle stays.
func mixHalves(v []float32) {
	half := len(v) / 2
	low, high := v[:half], v[len(v)-half:]
	for i, x := range low {
		y := high[i]
		low[i], high[i] = float32((x+y)*math.Sqrt2/2), float32((x-y)*math.Sqrt2/2)
	}
}
