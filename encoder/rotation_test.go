package encoder

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// matrix is a rotation as a matrix: the images of the unit vectors.
func matrix(r *rotation, n int) [][]float32 {
	images := make([][]float32, n)
	for i := range images {
		images[i] = make([]float32, n)
		images[i][i] = 1
		r.apply(images[i])
	}
	return images
}

func TestARotationIsOrthogonal(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 44, 64, 100, 127, 256, 384} {
		m := matrix(newRotation(n, 7, 1), n)
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
		for i, image := range matrix(newRotation(n, 7, 0), n) {
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
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(40)-20)))
		}
		want := slices.Clone(v)
		hadamard(v)
		hadamardPlain(want, 1)
		for i, x := range v {
			if math.Float32bits(x) != math.Float32bits(want[i]) {
				t.Fatalf("width %d: dimension %d is %x, want %x", n, i, x, want[i])
			}
		}
	}
}

func TestSeedBlockAndWidthMakeTheRotation(t *testing.T) {
	image := func(width int, seed uint64, block int) float32 {
		v := make([]float32, width)
		v[0] = 1
		newRotation(width, seed, block).apply(v)
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

func BenchmarkRotation(b *testing.B) {
	for _, n := range []int{256, 768, 1024} {
		b.Run(nameOf(n), func(b *testing.B) {
			r, v := newRotation(n, 1, 0), make([]float32, n)
			v[0] = 1
			b.SetBytes(int64(4 * n))
			for b.Loop() {
				r.apply(v)
			}
		})
	}
}
