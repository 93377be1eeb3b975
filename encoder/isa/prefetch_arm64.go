//go:build !purego

package isa

// Asks for the lines of n bytes, 1 or more.
//
//go:noescape
func prefetch(p *byte, n int)
