package rotation

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// matrix is a rotation as a matrix: the images of the unit vectors.
func matrix(r *Rotation, n int) [][]float32 {
	images := make([][]float32, n)
	for i := range images {
		images[i] = make([]float32, n)
		images[i][i] = 1
		r.Apply(images[i])
	}
	return images
}

func TestARotationIsOrthogonal(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 44, 64, 100, 127, 256, 384} {
		m := matrix(New(n, 7, 1), n)
		for i := range m {
			for j := range i + 1 {
				var product, want float64
				for k := range n {
					product += float64(m[i][k]) * float64(m[j][k])
				}
				if i == j {
					want = 1
				}
				if math.Abs(product-want) > 1e-5 {
					t.Fatalf("width %d: images of dimensions %d and %d have product %v, want %v", n, i, j, product, want)
				}
			}
		}
	}
}

func TestARotationSpreadsEveryDimensionOverAll(t *testing.T) {
	for _, n := range []int{256, 384, 768, 1000} {
		for i, image := range matrix(New(n, 7, 0), n) {
			for k, x := range image {
				if math.Abs(float64(x)) > 9/math.Sqrt(float64(n)) { // of 1/sqrt(n) on average
					t.Fatalf("width %d: dimension %d puts %v of itself into %d", n, i, x, k)
				}
			}
		}
	}
}

func TestHadamardIsTheSumOfTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 32
	v, want := make([]float32, n), make([]float64, n)
	for i := range v {
		v[i] = float32(r.IntN(100))
	}
	for k := range want {
		for i, x := range v {
			sign := 1.0
			for both := i & k; both != 0; both &= both - 1 {
				sign = -sign
			}
			want[k] += sign * float64(x)
		}
	}
	hadamard(v)
	for k, x := range v {
		if float64(x) != want[k] {
			t.Errorf("%d: %v, want %v", k, x, want[k])
		}
	}
}

func TestHadamardRoundsAsThePlainLoopDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := 1; n <= 4096; n *= 2 {
		v := random(r, n)
		want := slices.Clone(v)
		hadamard(v)
		hadamardPlain(want, 1)
		compare(t, "transformed", v, want)
	}
}

func TestTransformAndMixRoundAsTheirTwinsDo(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, first := range []int{0, 1} { // aligned or not
			for n := 1; n <= 1<<14; n *= 2 {
				checkTransform(t, random(r, first+n)[first:], randomSigns(r, first+n)[first:])
			}
			for n := range 70 {
				checkMix(t, random(r, first+n)[first:], random(r, n))
			}
		}
	})
}

func FuzzKernels(f *testing.F) {
	f.Add(make([]byte, 4*300), uint64(1))
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x80, 1, 0, 0, 0, 0xff, 0xff, 0x7f, 0x7f}, uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		v := make([]float32, len(b)/4+64) // wide enough for every kernel
		for i := range len(b) / 4 {
			if x := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])); math.Abs(float64(x)) < 1e30 { // as callers promise
				v[i] = x
			}
		}
		before := active
		defer func() { active = before }()
		for _, active = range isa.Usable() {
			checkTransform(t, v[:1<<(bits.Len(uint(len(v)))-1)], randomSigns(rand.New(rand.NewPCG(seed, 0)), len(v)))
			checkMix(t, v[:len(v)/2], v[len(v)-len(v)/2:])
		}
	})
}

// checkTransform compares transform under the active kernel with the plain loops.
func checkTransform(t *testing.T, v, signs []float32) {
	t.Helper()
	const scale = 0.3
	got, want := slices.Clone(v), slices.Clone(v)
	transform(got, signs[:len(v)], scale)
	multiply(want, signs[:len(v)])
	hadamardPlain(want, 1)
	for i, x := range want {
		want[i] = float32(x * scale)
	}
	compare(t, "transformed", got, want)
}

func checkMix(t *testing.T, low, high []float32) {
	t.Helper()
	x, y, wantX, wantY := slices.Clone(low), slices.Clone(high), slices.Clone(low), slices.Clone(high)
	mix(x, y)
	mixGeneric(wantX, wantY)
	compare(t, "mixed, low", x, wantX)
	compare(t, "mixed, high", y, wantY)
}

// compare compares bits: -0 is not 0.
func compare(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, x := range got {
		if math.Float32bits(x) != math.Float32bits(want[i]) {
			t.Fatalf("%s, %d numbers: number %d is %x, want %x", what, len(got), i, x, want[i])
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

func randomSigns(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(1 - 2*r.IntN(2))
	}
	return v
}

// Codes on disk were made by these maps: the sums, of results in the version that first
// wrote codes, must never change.
func TestRotationsNeverChange(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		for _, tt := range []struct {
			width int
			want  uint64 // FNV-1a of the result's bits
		}{
			{1, 0x33181db4512ddf28},
			{2, 0x155ce7037edd07b7},
			{3, 0x67c0a05e9936af1d},
			{44, 0x4f4651cd4273729d},
			{45, 0xfe35e72cebf1b99b},
			{64, 0xdfe98c741c989e04},
			{127, 0x80f4a5e2b0c6a199},
			{256, 0x71339417e38aae8b},
			{384, 0x58b18b7694f3d286},
			{512, 0xb64792842546504e},
			{768, 0xc70143d149f8bfe2},
			{769, 0x7617787af4a13a00},
			{1000, 0xdb2de93eba3541ff},
			{1024, 0xb25c59da4382804d},
			{2048, 0xd3041faaa365715e},
			{4096, 0x8a855b8f113d8164},
			{65535, 0xc617310eade47eba},
			{65536, 0x97e24b2724972b35},
		} {
			r := rand.New(rand.NewPCG(1, uint64(tt.width)))
			v := make([]float32, tt.width)
			for i := range v {
				v[i] = float32(r.IntN(1<<24)-1<<23) / (1 << 23)
			}
			New(tt.width, 1, 2).Apply(v)
			h := fnv.New64a()
			if err := binary.Write(h, binary.LittleEndian, v); err != nil {
				t.Fatal(err)
			}
			if got := h.Sum64(); got != tt.want {
				t.Errorf("width %d: sum %#016x, want %#016x", tt.width, got, tt.want)
			}
		}
	})
}

func TestSeedBlockAndWidthMakeTheRotation(t *testing.T) {
	image := func(width int, seed uint64, block int) float32 {
		v := make([]float32, width)
		v[0] = 1
		New(width, seed, block).Apply(v)
		return v[width/2]
	}
	if a, b := image(100, 1, 0), image(100, 1, 0); a != b {
		t.Errorf("the same one twice: %v and %v", a, b)
	}
	if a, b := image(100, 1, 0), image(100, 2, 0); a == b {
		t.Errorf("another seed: %v both times", a)
	}
	if a, b := image(100, 1, 0), image(100, 1, 1); a == b {
		t.Errorf("another block: %v both times", a)
	}
}

func BenchmarkApply(b *testing.B) {
	before := active
	defer func() { active = before }()
	for _, active = range isa.Usable() {
		for _, dims := range []int{256, 768, 1024} {
			b.Run(fmt.Sprintf("kernel=%v/dims=%d", active, dims), func(b *testing.B) {
				r, v := New(dims, 1, 0), make([]float32, dims)
				v[0] = 1
				b.SetBytes(int64(4 * dims))
				for b.Loop() {
					r.Apply(v)
				}
			})
		}
	}
}
