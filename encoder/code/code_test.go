package code

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive is Signs by the definition: bit i%64 of word i/64 is 1 when v[i] > 0.
func naive(v []float32) []uint64 {
	words := make([]uint64, (len(v)+63)/64)
	for i, x := range v {
		if x > 0 {
			words[i/64] |= 1 << (i % 64)
		}
	}
	return words
}

func TestSignsAreTheBitsOfTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	edges := []float32{
		0, float32(math.Copysign(0, -1)), float32(math.NaN()), math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32,
		math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)),
	}
	for _, n := range []int{0, 1, 63, 64, 65, 127, 128, 768, 1000} {
		for range 20 {
			v := make([]float32, n)
			for i := range v {
				if v[i] = float32(r.NormFloat64()); r.IntN(4) == 0 {
					v[i] = edges[r.IntN(len(edges))]
				}
			}
			got := make([]uint64, Words(n))
			for i := range got {
				got[i] = ^uint64(0) // overwritten
			}
			Signs(got, v)
			if want := naive(v); !slices.Equal(got, want) {
				t.Fatalf("%d dims: %x, want %x for %v", n, got, want, v)
			}
			if !Padded(got, n) {
				t.Fatalf("%d dims: bits past the last dimension are set", n)
			}
		}
	}
}

func TestWordsRoundsUp(t *testing.T) {
	for dims, want := range map[int]int{0: 0, 1: 1, 63: 1, 64: 1, 65: 2, 128: 2, 129: 3, 4096: 64} {
		if got := Words(dims); got != want {
			t.Errorf("Words(%d) = %d, want %d", dims, got, want)
		}
	}
}

func TestPaddedAsksForWordsAndZeroBits(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    []uint64
		dims int
		want bool
	}{
		{"no dims", nil, 0, true},
		{"the last bit in use", []uint64{1 << 9}, 10, true},
		{"the first bit not in use", []uint64{1 << 10}, 10, false},
		{"a full word", []uint64{^uint64(0)}, 64, true},
		{"a word too few", []uint64{0}, 65, false},
		{"a word too many", []uint64{0, 0}, 64, false},
		{"the second word", []uint64{^uint64(0), 2}, 65, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Padded(tt.c, tt.dims); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestDistanceCountsTheBitsThatDiffer(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	a, b := []uint64{r.Uint64(), r.Uint64(), 0}, []uint64{r.Uint64(), r.Uint64(), ^uint64(0)}
	want := 0
	for i := range 192 {
		if a[i/64]>>(i%64)&1 != b[i/64]>>(i%64)&1 {
			want++
		}
	}
	if got := Distance(a, b); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if got := Distance(a, a); got != 0 {
		t.Errorf("from itself: %d", got)
	}
}

func TestBytesAreLittleEndian(t *testing.T) {
	words := []uint64{0x0807060504030201, 0x100f0e0d0c0b0a09}
	want := []byte{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	got := AppendBytes([]byte{0xff}, words)
	if !bytes.Equal(got, want) {
		t.Fatalf("got % x, want % x", got, want)
	}
	back := make([]uint64, 2)
	FromBytes(back, got[1:])
	if !slices.Equal(back, words) {
		t.Errorf("back: %x, want %x", back, words)
	}
}

func BenchmarkSigns(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 3))
	v := make([]float32, 1024)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	dst := make([]uint64, Words(len(v)))
	b.SetBytes(int64(4 * len(v)))
	for b.Loop() {
		Signs(dst, v)
	}
}
