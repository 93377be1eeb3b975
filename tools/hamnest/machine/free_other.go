//go:build !linux

package machine

// FreeBytes returns how much memory this process can still take. Here the system does not tell.
func FreeBytes() (uint64, bool) { return 0, false }
