//go:build !purego

package isa

// supported asks nobody: NEON is part of every arm64.
func supported(s Set) bool { return s == Generic || s == NEON }
