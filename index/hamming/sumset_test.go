package hamming

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// sumInLanes is what SumSet promises.
func sumInLanes(z []float32, words []uint64) float32 {
	var sums [64]float32
	for i, x := range z {
		if words[i/64]>>(i%64)&1 == 1 {
			sums[i%64] += x
		}
	}
	for n := 32; n > 0; n /= 2 {
		for j := range n {
			sums[j] += sums[j+n]
		}
	}
	return sums[0]
}

func randomNumbers(r *rand.Rand, n int, wild bool) []float32 {
	z := make([]float32, n)
	for i := range z {
		z[i] = number(r, wild)
	}
	return z
}

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func TestSumSetAddsWhatIsSetInTheOrderPromised(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		for n := range 20 {
			for _, wild := range []bool{false, false, true} {
				z, words := randomNumbers(r, 64*n, wild), randomWords(r, n)
				if got, want := SumSet(z, words), sumInLanes(z, words); !same(got, want) {
					t.Errorf("%d words, wild %v: %v, want %v", n, wild, got, want)
				}
			}
		}
	})
}

func TestWhatIsNotSetCountsForNothing(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		z := make([]float32, 128)
		for i := range z {
			z[i] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Copysign(0, -1))}[i%3]
		}
		for i := range z {
			z[i], z[(i+1)%128] = 3, float32(math.NaN())
			words := []uint64{0, 0}
			words[i/64] = 1 << (i % 64)
			if got := SumSet(z, words); got != 3 {
				t.Errorf("bit %d alone: %v, want 3", i, got)
			}
		}
		for i := range z {
			z[i] = float32(math.Copysign(0, -1))
		}
		if got := SumSet(z, []uint64{^uint64(0), ^uint64(0)}); math.Signbit(float64(got)) {
			t.Error("a sum of -0 is -0, want +0: it begins there")
		}
	})
}

func TestSumSetRefusesSizesThatDisagree(t *testing.T) {
	for _, n := range []int{0, 1, 63, 65, 128} {
		wantPanic(t, func() { SumSet(make([]float32, n), []uint64{1}) })
	}
}

func FuzzSumSetAgreesWithTheTwin(f *testing.F) {
	f.Add(uint64(1), uint8(3), true)
	f.Fuzz(func(t *testing.T, seed uint64, words uint8, wild bool) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + int(words)%40
		z, set := randomNumbers(r, 64*n, wild), randomWords(r, n)
		want := sumSetGeneric(z, set)
		before := active
		defer func() { active = before }()
		for _, active = range isa.Usable() {
			if got := SumSet(z, set); !same(got, want) {
				t.Errorf("%s, %d words: %v, want %v", Kernel(), n, got, want)
			}
		}
	})
}

func BenchmarkSumSet(b *testing.B) {
	before := active
	defer func() { active = before }()
	r := rand.New(rand.NewPCG(23, 24))
	for _, active = range isa.Usable() {
		for _, n := range []int{2, 10} {
			z, words := randomNumbers(r, 64*n, false), make([]uint64, n)
			for i := range words {
				words[i] = r.Uint64()
			}
			b.Run(fmt.Sprintf("words=%d/kernel=%s", n, Kernel()), func(b *testing.B) {
				for b.Loop() {
					SumSet(z, words)
				}
			})
		}
	}
}
