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
func guarded(t *testing.T, v []float32, atEnd bool) []float32 {
	t.Helper()
	page := os.Getpagesize()
	inner := (4*len(v) + page - 1) / page * page
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
	room := unsafe.Slice((*float32)(unsafe.Pointer(&mem[page])), inner/4)
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
			}
		}
	})
}
