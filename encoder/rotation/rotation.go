// Package rotation turns vectors by random orthogonal maps, so that each dimension of the
// result holds about as much as any other.
//
// A map depends only on a seed, a block number and a width. Its result is the same to the bit
// on every machine, so codes made from it stay comparable. The kernels are assembly, generated
// by ../../tools/asm for AVX2 and written by hand for NEON, with a pure-Go twin; package isa
// says which is used.
//
// The package knows slices and numbers, not what they stand for.
package rotation

//go:generate go -C ../../tools/asm run ./rotation -out ../../encoder/rotation/kernels_amd64.s -stubs ../../encoder/rotation/kernels_amd64.go -pkg rotation

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/hamnest/hamnest/encoder/isa"
)

// active is the kernel in use; tests change it.
var active = isa.Active()

// Rotation is a random orthogonal map: rounds of random signs, a fast Walsh-Hadamard transform
// and, if the width is not a power of two, a step that mixes its two halves. The transform
// takes the largest power of two that fits, alternately from the front and from the back
// (RaBitQ-Library's FhtKacRotator; each step is orthogonal, so the whole is). It takes O(n log
// n) and no matrix, for every width. A Rotation never changes and is safe for concurrent use.
type Rotation struct {
	signs [][]float32 // +1 or -1: of each round, of each dimension
	fast  int         // the power of two that a transform takes
	scale float32     // 1/sqrt(fast)
}

// rounds is how often a vector is mixed. With fewer rounds, what many vectors have in common
// still shows in single dimensions. If a transform does not reach the whole width, more rounds
// are needed.
const (
	rounds      = 4
	extraRounds = 2
)

// New makes the rotation of vectors of width dimensions, 1 or more, for a seed and the number
// of a block.
func New(width int, seed uint64, block int) *Rotation {
	r := &Rotation{fast: 1 << (bits.Len(uint(width)) - 1)}
	r.scale = float32(1 / math.Sqrt(float64(r.fast)))
	random := rand.NewPCG(seed, uint64(block)) // its numbers are part of the format
	n := rounds
	if r.fast < width {
		n += extraRounds
	}
	for range n {
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

// Apply rotates v, of the rotation's width and of finite numbers, in place.
func (r *Rotation) Apply(v []float32) {
	for round, signs := range r.signs {
		first := 0 // of the dimensions that are transformed
		if round%2 == 1 {
			first = len(signs) - r.fast
		}
		end := first + r.fast
		multiply(v[:first], signs[:first])
		transform(v[first:end], signs[first:end], r.scale)
		multiply(v[end:], signs[end:])
		if r.fast < len(v) {
			mixHalves(v)
		}
	}
}

func multiply(v, signs []float32) {
	for i, x := range v {
		v[i] = float32(x * signs[i])
	}
}

// mixHalves turns each pair of dimensions half of v apart by 45 degrees. With an odd length the
// middle one stays.
func mixHalves(v []float32) {
	half := len(v) / 2
	mix(v[:half], v[len(v)-half:])
}
