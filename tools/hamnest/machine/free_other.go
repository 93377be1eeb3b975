//go:build !linux

package machine

// FreeBytes returns how much memory this process can take without swapping, and whether that is
// known. On this system it is not.
func FreeBytes() (uint64, bool) { return 0, false }
