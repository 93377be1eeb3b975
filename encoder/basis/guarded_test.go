//go:build unix && (amd64 || arm64) && !purego

package basis

import (
	"math/rand/v2"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func TestKernelsTouchNothingOutsideTheirVectors(t *testing.T) {
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		for _, atEnd := range []bool{false, true} {
			for blocks := 1; blocks < 10; blocks++ {
				for _, vectors := range []int{1, tile} {
					rows := isatest.Guarded(t, random(r, blocks*group*lanes), atEnd)
					x := isatest.Guarded(t, random(r, blocks*vectors*lanes), atEnd)
					few := isatest.Guarded(t, random(r, (vectors-1)*lanes+group), atEnd)
					multiply(few, rows, x, vectors)
					add(x, rows, few, vectors)
				}
			}
		}
	})
}
