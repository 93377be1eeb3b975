//go:build unix && (amd64 || arm64) && !purego

package dense

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func TestKernelsTouchNothingOutsideTheirVectors(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		for _, atEnd := range []bool{false, true} {
			for _, n := range []int{1, 15, 16, 17, 32, 1023, 1024} {
				a, b := isatest.Guarded(t, random(r, n), atEnd), isatest.Guarded(t, random(r, n), atEnd)
				// Sums are guarded as well: dotSquares has the most.
				s := (*[2]sums)(unsafe.Pointer(unsafe.SliceData(isatest.Guarded(t, make([]float32, 2*lanes), atEnd))))
				whole := n / lanes * lanes
				x, y := a[n-whole:], b[n-whole:]
				dot(x, y, &s[1])
				squaredL2(x, y, &s[1])
				dotSquares(x, y, s)
				Dot(a, b)
				for _, f := range formats {
					stored := isatest.Guarded(t, f.Append(nil, random(r, max(whole, 1))), atEnd)
					f.dot(x, stored, &s[1])
					f.squaredL2(x, stored, &s[1])
					f.dotSquares(x, stored, s)
					four := [tile][]float32{x, x, x, x}
					most := (*[tile + 1]sums)(unsafe.Pointer(unsafe.SliceData(isatest.Guarded(t, make([]float32, (tile+1)*lanes), atEnd))))
					f.dotTile(&four, stored, (*[tile]sums)(most[1:]))
					f.squaredL2Tile(&four, stored, (*[tile]sums)(most[1:]))
					f.dotSquaresTile(&four, stored, most)
					stored = isatest.Guarded(t, f.Append(nil, random(r, n)), atEnd)
					f.Dot(a, stored)
				}
			}
		}
	})
}
