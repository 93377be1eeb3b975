//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package storage

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unlock releases the lock that bbolt holds on f. Closing f is not enough while the file is
// still mapped.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// allocated returns the bytes of disk that a file takes. bbolt makes its file larger than
// what it has written, and the rest takes no disk.
func allocated(info os.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}

// willNeed asks the kernel to read b, a part of a mapped file, and does not wait for it.
// bbolt maps its files for random access, so a page is read only when it is touched. b must
// not be on the Go heap: its page begins before it.
func willNeed(b []byte) {
	first := unsafe.Pointer(unsafe.SliceData(b))
	before := int(uintptr(first) & uintptr(os.Getpagesize()-1)) // on its page
	pages := unsafe.Slice((*byte)(unsafe.Add(first, -before)), before+len(b))
	_ = unix.Madvise(pages, unix.MADV_WILLNEED) // if this fails, b is read when it is touched
}
