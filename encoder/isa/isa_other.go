//go:build (!amd64 && !arm64) || purego

package isa

func supported(s Set) bool { return s == Generic }
