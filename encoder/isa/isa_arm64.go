//go:build !purego

package isa

// supported asks nobody: NEON is part of the least that an arm64 is.
func supported(s Set) bool { return s == Generic || s == NEON }
