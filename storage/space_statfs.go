//go:build darwin || linux

package storage

import "golang.org/x/sys/unix"

// freeSpace returns the bytes that the file system of path has left for this user.
func freeSpace(path string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, err
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}
