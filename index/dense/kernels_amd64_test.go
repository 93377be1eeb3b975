//go:build !purego

package dense

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestASetHasWhatItsKernelsRequire compares what package isa says of a set with the
// lines that the generator writes over each routine.
func TestASetHasWhatItsKernelsRequire(t *testing.T) {
	source, err := os.ReadFile("kernels_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	has := map[string][]string{
		"AVX512": {"AVX", "AVX512F", "AVX512DQ", "AVX512VPOPCNTDQ"},
		"AVX2":   {"AVX", "AVX2", "F16C"},
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
	if found != 36 {
		t.Errorf("found %d kernels, want 36", found)
	}
}
