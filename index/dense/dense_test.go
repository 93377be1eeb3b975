package dense

import (
	"fmt"
	"math"
	"math/big"
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
func laneSum(n int, add func(sum float64, i int) float64) float64 {
	var s [16]float64
	for i := range n {
		s[i%16] = add(s[i%16], i)
	}
	quarter := func(s []float64) float64 { return (s[0] + s[1]) + (s[2] + s[3]) }
	return (quarter(s[0:]) + quarter(s[4:])) + (quarter(s[8:]) + quarter(s[12:]))
}

func TestSumsRunInTheOrderPromised(t *testing.T) {
	isatest.Each(t, &active, testOrder)
}

func testOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 7, 15, 16, 17, 31, 32, 255, 256, 768, 1000} {
		a, b := random(r, n+1)[1:], random(r, n) // not aligned alike
		wantDot := laneSum(n, func(s float64, i int) float64 { return s + float64(a[i])*float64(b[i]) })
		wantSquares := laneSum(n, func(s float64, i int) float64 { return s + float64(b[i])*float64(b[i]) })
		wantL2 := laneSum(n, func(s float64, i int) float64 {
			d := float64(a[i]) - float64(b[i])
			return math.FMA(d, d, s)
		})
		if got := Dot(a, b); got != wantDot {
			t.Errorf("n %d: Dot = %v, want %v", n, got, wantDot)
		}
		if got := SquaredL2(a, b); got != wantL2 {
			t.Errorf("n %d: SquaredL2 = %v, want %v", n, got, wantL2)
		}
		if product, squares := DotSquares(a, b); product != wantDot || squares != wantSquares {
			t.Errorf("n %d: DotSquares = %v, %v, want %v, %v", n, product, squares, wantDot, wantSquares)
		}
		if got := Norm(b); got != math.Sqrt(wantSquares) {
			t.Errorf("n %d: Norm = %v, want %v", n, got, math.Sqrt(wantSquares))
		}
	}
}

// strange are numbers at the edges of float32.
var strange = []float32{0, float32(math.Copysign(0, -1)), 1, -1, math.SmallestNonzeroFloat32, -0x1p-126, 0x1p-75, 1e30, -math.MaxFloat32, float32(math.Inf(1))}

func TestKernelsAgreeWithTheTwinToTheBit(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		for _, n := range []int{0, 16, 32, 48, 1024} {
			for round := range 50 {
				a, b := random(r, n), random(r, n)
				for i := range round * n / 100 {
					a[r.IntN(n)], b[r.IntN(n)] = strange[i%len(strange)], strange[r.IntN(len(strange))]
				}
				var got, want struct {
					dot, l2 sums
					squares [2]sums
				}
				got.dot[3], want.dot[3] = 5, 5 // kernels add to what there is
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
						if !sameFloat(x, of.want[l]) {
							t.Fatalf("%s of %d, round %d, lane %d: %x, the twin has %x", of.name, n, round, l, x, of.want[l])
						}
					}
				}
			}
		}
	})
}

func TestSumsBeyondFloat32AreFinite(t *testing.T) {
	for _, tt := range []struct {
		name             string
		a, b             []float32
		dot, l2, squares float64
	}{
		{"products overflow", []float32{1e30, -1e30}, []float32{1e30, 1e30}, 0, 4e60, 2e60},
		{"squares overflow", []float32{1, 0}, []float32{3e38, 0}, 3e38, 9e76, 9e76},
		{"squares underflow", []float32{1, 0}, []float32{0, 1e-30}, 0, 1, 1e-60},
		{"the least number", []float32{0x1p-149}, []float32{0x1p-149}, 0x1p-298, 0, 0x1p-298},
		{"zero", []float32{1, 2}, []float32{0, 0}, 0, 5, 0},
	} {
		isatest.Each(t, &active, func(t *testing.T) {
			near := func(what string, got, want float64) {
				if math.IsNaN(got) || math.Abs(got-want) > 1e-6*math.Abs(want) {
					t.Errorf("%s: %s = %v, want %v", tt.name, what, got, want)
				}
			}
			product, squares := DotSquares(tt.a, tt.b)
			near("DotSquares' product", product, tt.dot)
			near("DotSquares' squares", squares, tt.squares)
			near("Dot", Dot(tt.a, tt.b), tt.dot)
			near("SquaredL2", SquaredL2(tt.a, tt.b), tt.l2)
		})
	}
}

func TestSumsAreRightToTheLastDigitsOfFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, offset := range []float32{0, 1e3, 1e6} {
		a, b := random(r, 700), random(r, 700)
		dot, l2 := new(big.Float).SetPrec(300), new(big.Float).SetPrec(300)
		var sizes float64
		for i := range a {
			a[i], b[i] = a[i]+offset, b[i]+offset
			x, y := big.NewFloat(float64(a[i])).SetPrec(300), big.NewFloat(float64(b[i])).SetPrec(300)
			dot.Add(dot, new(big.Float).Mul(x, y))
			sizes += math.Abs(float64(a[i]) * float64(b[i]))
			d := new(big.Float).Sub(x, y)
			l2.Add(l2, d.Mul(d, d))
		}
		wantDot, _ := dot.Float64()
		wantL2, _ := l2.Float64()
		if got := Dot(a, b); math.Abs(got-wantDot) > 1e-14*sizes {
			t.Errorf("offset %v: Dot = %v, want %v", offset, got, wantDot)
		}
		if got := SquaredL2(a, b); math.Abs(got-wantL2) > 1e-14*wantL2 {
			t.Errorf("offset %v: SquaredL2 = %v, want %v", offset, got, wantL2)
		}
	}
}

func BenchmarkDotSquares(b *testing.B) {
	before := active
	defer func() { active = before }()
	r := rand.New(rand.NewPCG(2, 2))
	for _, active = range isa.Usable() {
		for _, dims := range []int{256, 768, 1024} {
			b.Run(fmt.Sprintf("kernel=%v/dims=%d", active, dims), func(b *testing.B) {
				x, y := random(r, dims), random(r, dims)
				b.SetBytes(int64(4 * dims))
				for b.Loop() {
					DotSquares(x, y)
				}
			})
		}
	}
}
