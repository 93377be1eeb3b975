// Package isa chooses the instruction set of the kernels of the encoder, the engine and
// storage.
//
// At start it chooses the best set that the machine has; the environment variable
// HAMNEST_KERNEL can name another (generic, avx2, avx512, neon). If the machine cannot run that
// set, [Err] keeps an error for whoever opens a database: another set would run than was asked
// for, and a library must not end the process.
//
// The package is a leaf: it knows names and processors, not kernels. [Prefetch] is here because
// several packages need it.
package isa

import (
	"fmt"
	"os"
)

// Set is an instruction set. Among those of one machine, larger is better.
type Set int

const (
	// Generic is pure Go.
	Generic Set = iota
	// AVX2 is amd64 with AVX, AVX2, FMA3 and F16C.
	AVX2
	// AVX512 is AVX2 plus AVX512F, AVX512BW, AVX512DQ and AVX512VL.
	AVX512
	// NEON is on every arm64.
	NEON
)

var names = [...]string{Generic: "generic", AVX2: "avx2", AVX512: "avx512", NEON: "neon"}

// String returns the name that HAMNEST_KERNEL takes.
func (s Set) String() string { return names[s] }

// Variable is the environment variable that chooses a set by name.
const Variable = "HAMNEST_KERNEL"

var active, wrong = choose(os.Getenv(Variable))

// Active returns the set to use: the best of this machine when Err returns an error.
func Active() Set { return active }

// Err returns nil, or why the set that Variable names cannot be used.
func Err() error { return wrong }

// Usable lists the sets that this machine has, ascending.
func Usable() []Set {
	sets := []Set{Generic}
	for _, s := range []Set{AVX2, AVX512, NEON} {
		if supported(s) {
			sets = append(sets, s)
		}
	}
	return sets
}

func choose(name string) (Set, error) {
	usable := Usable()
	best := usable[len(usable)-1]
	if name == "" {
		return best, nil
	}
	for _, s := range usable {
		if s.String() == name {
			return s, nil
		}
	}
	return best, fmt.Errorf("%s is %q, want one that this machine can run: %v", Variable, name, usable)
}
