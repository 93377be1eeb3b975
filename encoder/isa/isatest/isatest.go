// Package isatest has what the tests of kernels share: every instruction set in turn, what a
// set includes, and guarded memory. It knows no kernel.
package isatest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
)

// Each runs fn with *active set to every set that this machine has, then restores it, and says
// which sets were not tested.
func Each(t *testing.T, active *isa.Set, fn func(t *testing.T)) {
	t.Helper()
	before := *active
	defer func() { *active = before }()
	usable := isa.Usable()
	for _, *active = range usable {
		t.Run("kernel="+active.String(), fn)
	}
	for _, s := range []isa.Set{isa.AVX2, isa.AVX512, isa.NEON} {
		if !slices.Contains(usable, s) {
			t.Logf("this machine cannot run %v: not tested here", s)
		}
	}
}

// includes says what a machine has if package isa finds a set, by the generator's names, plus
// what every amd64 has: SSE, and MMX+ for PREFETCHT0.
var includes = map[string][]string{
	"AVX2":   {"SSE", "MMX+", "AVX", "AVX2", "FMA3", "F16C"},
	"AVX512": {"SSE", "MMX+", "AVX", "AVX2", "FMA3", "F16C", "AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL"},
}

// Requires compares what a set includes with the lines that the generator wrote over each of
// the kernels in a file of assembly; kernels is their number.
func Requires(t *testing.T, file string, kernels int) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`// func \w+?(AVX512|AVX2)\(.*\n// Requires: (.*)\n`).FindAllStringSubmatch(string(source), -1)
	for _, m := range found {
		for feature := range strings.SplitSeq(m[2], ", ") {
			if !slices.Contains(includes[m[1]], feature) {
				t.Errorf("a kernel for %s requires %s, which package isa does not ask for", m[1], feature)
			}
		}
	}
	if len(found) != kernels {
		t.Errorf("found %d kernels, want %d", len(found), kernels)
	}
}
