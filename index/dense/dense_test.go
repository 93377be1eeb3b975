package dense

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// laneSum is the plain twin of the order that the package promises.
func laneSum(n int, term func(i int) float32) float32 {
	var s [16]float32
	for i := range n {
		s[i%16] += term(i)
	}
	quarter := func(s []float32) float32 { return (s[0] + s[1]) + (s[2] + s[3]) }
	return (quarter(s[0:]) + quarter(s[4:])) + (quarter(s[8:]) + quarter(s[12:]))
}

func TestSumsRunInTheOrderPromised(t *testing.T) {
	isatest.Each(t, &active, testOrder)
}

func testOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 7, 15, 16, 17, 31, 32, 255, 256, 768, 1000} {
		a, b := random(r, n+1)[1:], random(r, n) // not aligned alike
		wantDot := laneSum(n, func(i int) float32 { return float32(a[i] * b[i]) })
		wantL2 := laneSum(n, func(i int) float32 { d := a[i] - b[i]; return float32(d * d) })
		wantNorm := laneSum(n, func(i int) float32 { return float32(b[i] * b[i]) })
		if got := Dot(a, b); got != float64(wantDot) {
			t.Errorf("n %d: Dot = %v, want %v", n, got, wantDot)
		}
		if got := SquaredL2(a, b); got != float64(wantL2) {
			t.Errorf("n %d: SquaredL2 = %v, want %v", n, got, wantL2)
		}
		product, norm := DotNorm(a, b)
		if product != float64(wantDot) || norm != math.Sqrt(float64(wantNorm)) {
			t.Errorf("n %d: DotNorm = %v, %v, want %v, %v", n, product, norm, wantDot, math.Sqrt(float64(wantNorm)))
		}
		var exact float64
		for i := range a {
			exact += float64(a[i]) * float64(b[i])
		}
		if math.Abs(float64(wantDot)-exact) > 1e-5*float64(n+1) {
			t.Errorf("n %d: Dot = %v, in float64 %v", n, wantDot, exact)
		}
	}
}

func TestKernelsAgreeWithTheTwinToTheBit(t *testing.T) {
	values := []float32{0, float32(math.Copysign(0, -1)), 1, -1, math.SmallestNonzeroFloat32, -0x1p-126, 0x1p-75, 1e30, -3e38, float32(math.Inf(1))}
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		for _, n := range []int{0, 16, 32, 48, 1024} {
			for round := range 50 {
				a, b := random(r, n), random(r, n)
				for i := range round * n / 100 {
					a[r.IntN(n)], b[r.IntN(n)] = values[i%len(values)], values[r.IntN(len(values))]
				}
				var got, want struct {
					dot, l2 sums
					squares [2]sums
				}
				dot(a, b, &got.dot)
				squaredL2(a, b, &got.l2)
				dotSquares(a, b, &got.squares)
				dotGeneric(a, b, &want.dot)
				squaredL2Generic(a, b, &want.l2)
				dotSquaresGeneric(a, b, &want.squares)
				for _, of := range []struct {
					name      string
					got, want sums
				}{
					{"dot", got.dot, want.dot},
					{"squaredL2", got.l2, want.l2},
					{"dotSquares, products", got.squares[0], want.squares[0]},
					{"dotSquares, squares", got.squares[1], want.squares[1]},
				} {
					for l, x := range of.got {
						if y := of.want[l]; math.Float32bits(x) != math.Float32bits(y) && (x == x || y == y) {
							t.Fatalf("%s of %d, round %d, lane %d: %x, the twin has %x", of.name, n, round, l, x, y)
						}
					}
				}
			}
		}
	})
}

func TestSumsBeyondFloat32AreFinite(t *testing.T) {
	for _, tt := range []struct {
		name          string
		a, b          []float32
		dot, l2, norm float64
	}{
		{"products overflow", []float32{1e30, -1e30}, []float32{1e30, 1e30}, 0, 4e60, math.Sqrt2 * 1e30},
		{"squares overflow", []float32{1, 0}, []float32{3e38, 0}, 3e38, 9e76, 3e38},
		{"squares underflow", []float32{1, 0}, []float32{0, 1e-30}, 0, 1, 1e-30},
		{"zero has norm zero", []float32{1, 2}, []float32{0, 0}, 0, 5, 0},
	} {
		isatest.Each(t, &active, func(t *testing.T) {
			near := func(what string, got, want float64) {
				if math.IsNaN(got) || math.Abs(got-want) > 1e-6*math.Abs(want) {
					t.Errorf("%s: %s = %v, want %v", tt.name, what, got, want)
				}
			}
			product, norm := DotNorm(tt.a, tt.b)
			near("DotNorm's product", product, tt.dot)
			near("DotNorm's norm", norm, tt.norm)
			near("Dot", Dot(tt.a, tt.b), tt.dot)
			near("SquaredL2", SquaredL2(tt.a, tt.b), tt.l2)
			near("Norm", Norm(tt.b), tt.norm)
		})
	}
}

func TestTheSumInFloat64RoundsProductsToo(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	a, b := random(r, 100), random(r, 100)
	var want float64
	for i := range a {
		a[i] *= 1e30
		b[i] *= 1e25
		d := float64(a[i]) - float64(b[i])
		want += float64(d * d) // the conversion forbids a fused multiply-add
	}
	if got := SquaredL2(a, b); got != want {
		t.Errorf("SquaredL2 = %v, want %v", got, want)
	}
}

func BenchmarkDotNorm(b *testing.B) {
	before := active
	defer func() { active = before }()
	r := rand.New(rand.NewPCG(2, 2))
	for _, active = range isa.Usable() {
		for _, dims := range []int{256, 768, 1024} {
			b.Run(fmt.Sprintf("kernel=%v/dims=%d", active, dims), func(b *testing.B) {
				x, y := random(r, dims), random(r, dims)
				b.SetBytes(int64(4 * dims))
				for b.Loop() {
					DotNorm(x, y)
				}
			})
		}
	}
}
