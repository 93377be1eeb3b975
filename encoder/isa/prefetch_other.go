//go:build (!amd64 && !arm64) || purego

package isa

// Prefetch asks for bytes to be loaded into the caches, and does not wait. Here there is no way
// to ask.
func Prefetch(_ *byte, _ int) {}
