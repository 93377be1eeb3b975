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
				room := isatest.Guarded(t, make([]float32, 2*2*lanes), atEnd)
				s := (*[2]sums)(unsafe.Pointer(unsafe.SliceData(room)))
				whole := n / lanes * lanes
				x, y := a[n-whole:], b[n-whole:]
				dot(x, y, &s[1])
				squaredL2(x, y, &s[1])
				dotSquares(x, y, s)
				Dot(a, b)
				for _, f := range formats {
					stored := isatest.Guarded(t, f.Append(nil, random(r, n)), atEnd)
					f.Dot(a, stored)
					f.decode(a, stored, 0)
				}
			}
		}
	})
}

func TestTilesTouchNothingOutsideTheirRows(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, atEnd := range []bool{false, true} {
			for _, n := range []int{16, 32, 1024} {
				for _, count := range []int{1, 7, 8, 9, 20} {
					for _, f := range formats {
						const gap = 4
						var b []byte
						for range count {
							b = append(b, "gaps"...)
							b = f.Append(b, random(r, n))
						}
						b = isatest.Guarded(t, b[gap:], atEnd)
						var rows Rows
						rows.Reset(f.Format, b, f.Bytes(n)+gap, count, n)
						rows.Squares(isatest.Guarded(t, make([]float32, count), atEnd))
						for _, queries := range []int{1, 3, 4, 9} {
							room := n
							if queries > 1 {
								room *= (queries + tileQueries - 1) / tileQueries * tileQueries
							}
							q := Queries{count: queries, dims: n, floats: isatest.Guarded(t, random(r, room), atEnd)}
							limits := isatest.Guarded(t, make([]float32, queries), atEnd)
							q.Dots(nil, &rows, limits, isatest.Guarded(t, make([]float32, count), atEnd))
							q.SquaredL2s(nil, &rows, limits)
						}
					}
				}
			}
		}
	})
}
