//go:build linux && (amd64 || arm64) && !purego

package dense

import (
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guarded returns a copy of v before or after which is a fault.
func guarded[T byte | float32](t *testing.T, v []T, atEnd bool) []T {
	t.Helper()
	page, size := os.Getpagesize(), int(unsafe.Sizeof(v[0]))
	inner := (size*len(v) + page - 1) / page * page
	mem, err := unix.Mmap(-1, 0, inner+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{mem[:page], mem[page+inner:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	room := unsafe.Slice((*T)(unsafe.Pointer(&mem[page])), inner/size)
	if atEnd {
		room = room[len(room)-len(v):]
	}
	return room[:copy(room, v)]
}

func TestKernelsTouchNothingOutsideTheirVectors(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		for _, atEnd := range []bool{false, true} {
			for _, n := range []int{1, 15, 16, 17, 32, 1023, 1024} {
				a, b := guarded(t, random(r, n), atEnd), guarded(t, random(r, n), atEnd)
				// Sums are guarded as well: dotSquares has the most.
				s := (*[2]sums)(unsafe.Pointer(unsafe.SliceData(guarded(t, make([]float32, 2*lanes), atEnd))))
				whole := n / lanes * lanes
				x, y := a[n-whole:], b[n-whole:]
				dot(x, y, &s[1])
				squaredL2(x, y, &s[1])
				dotSquares(x, y, s)
				Dot(a, b)
				for _, f := range formats {
					stored := guarded(t, f.Append(nil, random(r, max(whole, 1))), atEnd)
					f.dot(x, stored, &s[1])
					f.squaredL2(x, stored, &s[1])
					f.dotSquares(x, stored, s)
					four := [tile][]float32{x, x, x, x}
					most := (*[tile + 1]sums)(unsafe.Pointer(unsafe.SliceData(guarded(t, make([]float32, (tile+1)*lanes), atEnd))))
					f.dotTile(&four, stored, (*[tile]sums)(most[1:]))
					f.squaredL2Tile(&four, stored, (*[tile]sums)(most[1:]))
					f.dotSquaresTile(&four, stored, most)
					stored = guarded(t, f.Append(nil, random(r, n)), atEnd)
					f.Dot(a, stored)
				}
			}
		}
	})
}
