//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package storage

import "os"

// unlock does nothing: here a lock ends when the file is closed.
func unlock(*os.File) error { return nil }

// allocated returns the size of a file: at most so much of the disk it takes.
func allocated(info os.FileInfo) int64 { return info.Size() }

// willNeed does nothing: the file is read when it is touched.
func willNeed([]byte) {}
