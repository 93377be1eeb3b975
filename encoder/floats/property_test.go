package floats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever the size of the numbers, a prefix under cosine has length 1 and the
// direction that it had.
func TestAPrefixUnderCosineHasLengthOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, size := range []float64{math.SmallestNonzeroFloat32, 1e-38, 1e-20, 1, 1e20, math.MaxFloat32} {
		for _, dims := range []int{1, 2, 64, 768} {
			v := make([]float32, 768)
			for i := range v {
				v[i] = float32(size * (2*rng.Float64() - 1))
			}
			v[0] = float32(size) // not all zero
			before := slices.Clone(v)
			p := Prefix(v, dims, Cosine)
			var length, dot, was float64
			for i, x := range p {
				length += float64(x) * float64(x)
				dot += float64(x) * float64(v[i])
				was += float64(v[i]) * float64(v[i])
			}
			if len(p) != dims || math.Abs(math.Sqrt(length)-1) > 1e-6 || math.Abs(dot/math.Sqrt(was)-1) > 1e-6 {
				t.Errorf("%d dims of size %g: %d components of length %v, cosine to what they were %v", dims, size, len(p), math.Sqrt(length), dot/math.Sqrt(was))
			}
			p[0]++
			if !slices.Equal(v, before) {
				t.Errorf("%d dims of size %g: the vector changed", dims, size)
			}
		}
	}
}

// Validate and Encode agree on what every vector is, bit patterns at random.
func FuzzVector(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0, 0x80, 1, 0, 0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		v := make([]float32, len(b)/4)
		Decode(v, b)
		if got := Append(nil, v); len(got) != 4*len(v) || !sameUnlessNaN(got, b, v) {
			t.Errorf("% x came back as % x", b, got)
		}
		finite, zero := true, true
		for _, x := range v {
			finite = finite && !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0)
			zero = zero && x == 0
		}
		for _, m := range []Metric{Cosine, Dot, L2} {
			if err := Validate(v, len(v), m); (err == nil) != (finite && (m != Cosine || !zero)) {
				t.Errorf("%v under %v: error %v", v, m, err)
			}
			if Validate(v, len(v)+1, m) == nil {
				t.Errorf("%d dims pass for %d", len(v), len(v)+1)
			}
		}
	})
}

// sameUnlessNaN compares bytes of floats; a signalling NaN may come back quiet.
func sameUnlessNaN(a, b []byte, v []float32) bool {
	for i, x := range v {
		if !math.IsNaN(float64(x)) && !slices.Equal(a[4*i:4*i+4], b[4*i:4*i+4]) {
			return false
		}
	}
	return true
}
