//go:build unix && (amd64 || arm64) && !purego

package rotation

import (
	"math/rand/v2"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func TestKernelsTouchNothingOutsideTheirVectors(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		for _, atEnd := range []bool{false, true} {
			for _, n := range []int{0, 1, 7, 8, 9, 16, 32, 64, 128, 256, 512, 1024, 2048} {
				v, signs := isatest.Guarded(t, random(r, n), atEnd), isatest.Guarded(t, randomSigns(r, n), atEnd)
				if n&(n-1) == 0 && n > 0 {
					transform(v, signs, 0.5)
				}
				mix(v, signs)
			}
		}
	})
}
