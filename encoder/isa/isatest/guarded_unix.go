//go:build unix

package isatest

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Guarded returns a copy of v, without room to grow, placed so that reading or writing before
// it (or, with atEnd, after it) ends the program.
func Guarded[T byte | uint64 | float32](t *testing.T, v []T, atEnd bool) []T {
	t.Helper()
	page, size := os.Getpagesize(), int(unsafe.Sizeof(*new(T)))
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
	return room[:copy(room, v):len(v)]
}
