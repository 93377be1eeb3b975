//go:build !purego

package hamming

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// TestTheGeneratorKnowsTheTypes guards the offsets written down in _asm/main.go.
func TestTheGeneratorKnowsTheTypes(t *testing.T) {
	var c Column
	var m Match
	got := []uintptr{
		unsafe.Offsetof(c.Words), unsafe.Offsetof(c.Stride), unsafe.Offsetof(c.Used), unsafe.Sizeof(c),
		unsafe.Offsetof(m.Group), unsafe.Offsetof(m.Query), unsafe.Offsetof(m.Mask), unsafe.Offsetof(m.Distances), unsafe.Sizeof(m),
	}
	if want := []uintptr{0, 24, 32, 40, 0, 4, 5, 8, 40}; !slices.Equal(got, want) {
		t.Errorf("offsets are %v, the generator has %v", got, want)
	}
}

// TestASetHasWhatItsKernelsRequire compares what package isa says of a set with the
// lines that the generator writes over each routine.
func TestASetHasWhatItsKernelsRequire(t *testing.T) {
	source, err := os.ReadFile("kernels_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	has := map[string][]string{ // and what every amd64 has: MMX+ is PREFETCHT0
		"AVX512": {"MMX+", "AVX", "AVX512F", "AVX512DQ", "AVX512VPOPCNTDQ"},
		"AVX2":   {"MMX+", "AVX", "AVX2"},
	}
	found := 0
	for _, m := range regexp.MustCompile(`// func \w+?(AVX512|AVX2)\(.*\n// Requires: (.*)\n`).FindAllStringSubmatch(string(source), -1) {
		found++
		for feature := range strings.SplitSeq(m[2], ", ") {
			if !slices.Contains(has[m[1]], feature) {
				t.Errorf("a kernel for %s requires %s, which package isa does not ask for", m[1], feature)
			}
		}
	}
	if found != 6 {
		t.Errorf("found %d kernels, want 6", found)
	}
}
