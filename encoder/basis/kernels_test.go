package basis

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
)

func TestKernelsRoundAsTheirTwinsDo(t *testing.T) {
	each(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, first := range []int{0, 1} { // aligned or not
			for blocks := 1; blocks < 40; blocks++ {
				for _, vectors := range []int{1, tile} {
					rows, x := random(r, first+blocks*group*lanes)[first:], random(r, first+blocks*vectors*lanes)[first:]
					checkKernels(t, rows, x, random(r, first+vectors*lanes)[first:], vectors)
				}
			}
		}
	})
}

func FuzzKernels(f *testing.F) {
	f.Add(make([]byte, 4*300), uint8(1))
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x80, 1, 0, 0, 0, 0xff, 0xff, 0x7f, 0x7f}, uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, blocks uint8) {
		var numbers []float32
		for ; len(b) >= 4; b = b[4:] {
			if x := math.Float32frombits(binary.LittleEndian.Uint32(b)); math.Abs(float64(x)) < 1e15 { // as callers promise
				numbers = append(numbers, x)
			}
		}
		if len(numbers) == 0 {
			return
		}
		next := 0
		take := func(n int) []float32 { // the numbers, again and again
			v := make([]float32, n)
			for i := range v {
				v[i] = numbers[next%len(numbers)]
				next++
			}
			return v
		}
		before := active
		defer func() { active = before }()
		n := int(blocks%8) + 1
		for _, active = range sets() {
			for _, vectors := range []int{1, tile} {
				checkKernels(t, take(n*group*lanes), take(n*vectors*lanes), take(vectors*lanes), vectors)
			}
		}
	})
}

// checkKernels compares the active kernel with its twin. What a kernel must not write is in
// both of what is compared.
func checkKernels(t *testing.T, rows, x, factors []float32, vectors int) {
	t.Helper()
	got, want := slices.Clone(factors), slices.Clone(factors)
	multiply(got, rows, x, vectors)
	multiplyGeneric(want, rows, x, vectors)
	compare(t, fmt.Sprintf("products with %d vectors of %d", vectors, len(x)/vectors), got, want)
	got, want = slices.Clone(x), slices.Clone(x)
	add(got, rows, factors, vectors)
	addGeneric(want, rows, factors, vectors)
	compare(t, fmt.Sprintf("sums for %d vectors of %d", vectors, len(x)/vectors), got, want)
}

func TestTheTwinsComputeTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const blocks, vectors = 3, tile
	rows, x, factors := make([]float32, blocks*group*lanes), make([]float32, blocks*vectors*lanes), make([]float32, vectors*lanes)
	for _, v := range [][]float32{rows, x, factors} {
		for i := range v {
			v[i] = float32(r.IntN(100)) // so that float32 sums are exact
		}
	}
	products, sums := slices.Clone(factors), slices.Clone(x)
	multiplyGeneric(products, rows, x, vectors)
	addGeneric(sums, rows, factors, vectors)
	for v := range vectors {
		for k := range group {
			var want float32
			for i := range blocks * lanes {
				want += rows[(i/lanes*group+k)*lanes+i%lanes] * x[(i/lanes*vectors+v)*lanes+i%lanes]
			}
			if got := products[v*lanes+k]; got != want {
				t.Errorf("vector %d, row %d: product %v, want %v", v, k, got, want)
			}
		}
		for i := range blocks * lanes {
			at := (i/lanes*vectors+v)*lanes + i%lanes
			want := x[at]
			for k := range group {
				want += factors[v*lanes+k] * rows[(i/lanes*group+k)*lanes+i%lanes]
			}
			if sums[at] != want {
				t.Errorf("vector %d, number %d: sum %v, want %v", v, i, sums[at], want)
			}
		}
	}
}

// each runs fn under every set that this machine's kernels can run under.
func each(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	before := active
	defer func() { active = before }()
	for _, active = range sets() {
		t.Run("kernel="+active.String(), fn)
	}
	for _, s := range []isa.Set{isa.AVX2, isa.AVX512, isa.NEON} {
		if !slices.Contains(sets(), s) {
			t.Logf("this machine cannot run %v: not tested here", s)
		}
	}
}

// compare compares bits: -0 is not 0.
func compare(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, x := range got {
		if math.Float32bits(x) != math.Float32bits(want[i]) {
			t.Fatalf("%s: number %d is %x, want %x", what, i, x, want[i])
		}
	}
}

// random returns n numbers of very different sizes, some of them zeros of either sign.
func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(40)-20)))
		if r.IntN(8) == 0 {
			v[i] *= 0
		}
	}
	return v
}
