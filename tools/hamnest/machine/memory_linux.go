package machine

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allocate returns n zero words in large pages where the kernel has them.
func allocate(n int) ([]uint64, error) {
	mem, err := unix.Mmap(-1, 0, 8*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("machine: %d bytes of memory to read: %w", 8*n, err)
	}
	// A kernel without large pages uses small ones.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), n), nil
}

func release(words []uint64) error {
	if err := unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))); err != nil {
		return fmt.Errorf("machine: memory: %w", err)
	}
	return nil
}
