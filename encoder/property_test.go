package encoder

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
)

// Collections on disk carry fingerprints: these values, computed by another
// program from FNV-1a's definition, must never change.
func TestFingerprintsNeverChange(t *testing.T) {
	for _, tt := range []struct {
		dims int
		want string
	}{
		{768, "1d783823e788de06"},
		{1, "ed24241992af5a5b"},
	} {
		if got := profile(t, tt.dims).Fingerprint(); got != tt.want {
			t.Errorf("dims %d: fingerprint %s, want %s", tt.dims, got, tt.want)
		}
	}
}

func TestEveryPrefixThatIsAllowedIsACodeOfItsOwn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, dims := range []int{1, 63, 64, 65, 128, 300, 768, 1000} {
		p := profile(t, dims)
		v := make([]float32, dims)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		whole := make([]uint64, code.Words(dims))
		p.Encode(whole, nil, v)
		allowed := 0
		for n := 1; n <= dims; n++ {
			if p.CheckPrefix(n) != nil {
				if slices.Contains(p.Ladder(), n) {
					t.Errorf("%d of %d dims: a ladder step is no prefix", n, dims)
				}
				continue
			}
			allowed++
			prefix := make([]uint64, code.Words(n))
			p.Encode(prefix, nil, v[:n])
			if !slices.Equal(prefix, whole[:len(prefix)]) {
				t.Errorf("%d of %d dims: %x, want %x", n, dims, prefix, whole[:len(prefix)])
			}
		}
		if want := code.Words(dims); allowed != want {
			t.Errorf("%d dims: %d prefixes, want %d", dims, allowed, want)
		}
	}
}

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

func TestAProfileSharesNoMemoryWithItsCaller(t *testing.T) {
	steps := []int{64, 128}
	p := profile(t, 300, steps...)
	steps[0] = 1
	p.Ladder()[1] = 2
	if got := p.Ladder(); !slices.Equal(got, []int{64, 128, 300}) {
		t.Errorf("ladder is %v, want 64 128 300", got)
	}
}

func TestARefusedStateLeavesTheProfileAsItWas(t *testing.T) {
	p := profile(t, 768)
	before := p.Fingerprint()
	for _, state := range []string{
		`{"version":1,"kind":"plain","dims":100,"ladder":[64,32]}`,
		`{"version":1,"kind":"plain","dims":9223372036854775807,"ladder":[64]}`,
		`{"version":1,"kind":"plain","dims":1e9,"ladder":[64]}`,
		`{"version":1,"kind":"plain","dims":100,"ladder":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,100]}`,
		`{"version":0,"kind":"plain","dims":100}`,
		`{"version":1,"kind":"","dims":100}`,
		`{"version":1,"kind":0,"dims":100}`,
	} {
		if err := json.Unmarshal([]byte(state), p); err == nil {
			t.Errorf("%s was accepted", state)
		}
		if p.Fingerprint() != before {
			t.Fatalf("%s changed the profile", state)
		}
	}
}

func TestWhatHasNoNamePrintsItsNumber(t *testing.T) {
	if got := Metric(9).String(); got != "Metric(9)" {
		t.Errorf("metric 9 is %q", got)
	}
	if got := Kind(9).String(); got != "Kind(9)" {
		t.Errorf("kind 9 is %q", got)
	}
}

// Validate and Encode agree on what every vector is, bit patterns at random.
func FuzzVector(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0, 0x80, 1, 0, 0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		v := make([]float32, len(b)/4)
		DecodeFloat32(v, b)
		if got := AppendFloat32(nil, v); len(got) != 4*len(v) || !sameUnlessNaN(got, b, v) {
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
