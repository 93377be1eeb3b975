//go:build !darwin && !linux && !windows

package storage

import "math"

// freeSpace returns more than any file takes: here nobody asks the file system.
func freeSpace(string) (uint64, error) { return math.MaxUint64, nil }
