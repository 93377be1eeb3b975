//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package storage

import "os"

// unlock does nothing: here a lock ends when the file is closed.
func unlock(*os.File) error { return nil }

// allocated returns the size of a file, the most disk that it can take.
func allocated(info os.FileInfo) int64 { return info.Size() }

// willNeed does nothing: the file is read when it is touched.
func willNeed([]byte) {}
