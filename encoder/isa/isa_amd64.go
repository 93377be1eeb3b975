//go:build !purego

package isa

import "github.com/klauspost/cpuid/v2"

func supported(s Set) bool {
	switch s {
	case AVX512:
		return supported(AVX2) && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL)
	case AVX2:
		return cpuid.CPU.Supports(cpuid.AVX, cpuid.AVX2, cpuid.FMA3, cpuid.F16C)
	default:
		return s == Generic
	}
}

// CountsBits reports whether this machine, if it has AVX512, also counts the bits of lanes, by
// AVX512VPOPCNTDQ. No set needs that.
func CountsBits() bool { return cpuid.CPU.Supports(cpuid.AVX512VPOPCNTDQ) }
