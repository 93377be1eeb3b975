//go:build unix

package codes

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allocate returns n zero words outside the Go heap, page-aligned. On the heap the collector
// would let the process grow to twice the codes before it runs. Pages take memory when they are
// first written. Large pages, if the system has them, make a scan faster but take 2 MiB at a
// time.
func allocate(n int, large bool) ([]uint64, error) {
	mem, err := unix.Mmap(-1, 0, 8*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("codes: memory for %d codes' words: %w", n, err)
	}
	if large && runtime.GOOS == "linux" {
		const hugePage = 14 // MADV_HUGEPAGE, which package unix defines only for Linux
		_ = unix.Madvise(mem, hugePage)
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), n), nil
}

// release frees what allocate returned. Nobody may read it any more.
func release(words []uint64) error {
	mem := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
	if err := unix.Munmap(mem); err != nil {
		return fmt.Errorf("codes: memory: %w", err)
	}
	return nil
}
