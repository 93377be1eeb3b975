package encoder

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
)

var allKinds = []Kind{Plain, Centred, Nested, NestedCentred, Full, FullCentred}

// skewed returns n vectors around a common offset, the first dimensions with the
// most energy, as Matryoshka models make them.
func skewed(n, dims int, seed uint64) [][]float32 {
	r := rand.New(rand.NewPCG(seed, 9))
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, dims)
		for d := range dims {
			vectors[i][d] = float32(.3 + r.NormFloat64()/(1+float64(d)/100))
		}
	}
	return vectors
}

func fit(t testing.TB, kind Kind, metric Metric, dims int, ladder []int, sample [][]float32) *Profile {
	t.Helper()
	p, err := FitProfile(kind, metric, dims, ladder, sample)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// distances is the plain meaning of the 4-bit form, block by block.
func distances(q *Query, blocks []int, row []uint64) []uint32 {
	var d []uint32
	first := 0
	for _, end := range blocks {
		var sum uint32
		for i := first; i < end; i++ {
			if (q.Signs[i/64]^row[i/64])>>(i%64)&1 == 1 {
				for j, plane := range q.Planes {
					sum += uint32(plane[i/64]>>(i%64)&1) << j
				}
			}
		}
		d, first = append(d, sum), end
	}
	return d
}

// products is the plain meaning of the float32 form.
func products(q *Query, blocks []int, row []uint64) []float32 {
	var all []float32
	first := 0
	for _, end := range blocks {
		var sum float32
		for i := first; i < end; i++ {
			if row[i/64]>>(i%64)&1 == 1 {
				sum += q.Floats[i]
			} else {
				sum -= q.Floats[i]
			}
		}
		all, first = append(all, sum), end
	}
	return all
}

func dot(a, b []float32) float64 {
	var sum float64
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

func TestAPrefixOfACodeIsTheCodeOfThePrefix(t *testing.T) {
	ladder := []int{256, 512, 700}
	sample := skewed(50, 700, 1)
	for _, kind := range allKinds {
		for _, metric := range []Metric{Dot, L2} { // cosine scales a prefix anew
			p := fit(t, kind, metric, 700, ladder, sample)
			words, scalars := make([]uint64, code.Words(700)), make([]float32, p.Scalars())
			p.Encode(words, scalars, sample[3])
			for _, step := range ladder {
				if p.CheckQuery(step) != nil {
					continue
				}
				q := p.Query(sample[3][:step])
				if !slices.Equal(q.Signs, words[:code.Words(step)]) {
					t.Errorf("%v, %d dims: the signs of the prefix are not a prefix of the code", kind, step)
				}
			}
		}
	}
}

func TestAKindTellsItsBlocksAndPrefixes(t *testing.T) {
	sample := skewed(5, 1000, 1)
	for _, tt := range []struct {
		kind     Kind
		ladder   []int
		blocks   []int
		prefixes []int // ladder steps that are valid
		scalars  int
	}{
		{Nested, []int{256, 512, 1000}, []int{256, 512, 1000}, []int{256, 512, 1000}, 3},
		{NestedCentred, []int{64, 128, 256, 512, 960}, []int{256, 512, 960, 1000}, []int{256, 512, 960, 1000}, 8},
		{NestedCentred, []int{64, 192}, []int{1000}, []int{1000}, 2},
		{Full, []int{256, 512}, []int{1000}, []int{1000}, 1},
		{FullCentred, nil, []int{1000}, []int{1000}, 2},
		{Centred, []int{256}, []int{256, 1000}, []int{256, 1000}, 4},
	} {
		p := fit(t, tt.kind, Cosine, 1000, tt.ladder, sample)
		var prefixes []int
		for n := 1; n <= 1000; n++ {
			if p.CheckPrefix(n) == nil {
				prefixes = append(prefixes, n)
				if p.CheckQuery(n) != nil {
					t.Errorf("%v of %v: a prefix of %d but no query", tt.kind, tt.ladder, n)
				}
			}
		}
		if !slices.Equal(p.Blocks(), tt.blocks) || !slices.Equal(prefixes, tt.prefixes) || p.Scalars() != tt.scalars {
			t.Errorf("%v of %v: blocks %v, prefixes %v and %d scalars, want %v, %v and %d", tt.kind, tt.ladder, p.Blocks(), prefixes, p.Scalars(),
				tt.blocks, tt.prefixes, tt.scalars)
		}
	}
}

func TestTheQuantisedQueryIsWithinHalfAStep(t *testing.T) {
	p := fit(t, Nested, Cosine, 300, nil, nil)
	q := p.Query(skewed(1, 300, 4)[0])
	for i, x := range q.Floats {
		u := 0
		for j, plane := range q.Planes {
			u |= int(plane[i/64]>>(i%64)&1) << j
		}
		if math.Abs(math.Abs(float64(x))-q.step*float64(u)) > q.step*.5001 {
			t.Errorf("dimension %d: %v is %d steps of %v", i, x, u, q.step)
		}
	}
}

// The error of an estimate, in its own standard deviations, has mean 0 and standard
// deviation 1 where a rotation makes it so.
func TestTheErrorOfEstimatesIsWhatTheySay(t *testing.T) {
	const dims = 768
	rows, queries := skewed(150, dims, 2), skewed(12, dims, 3)
	for _, kind := range []Kind{Nested, NestedCentred, Full, FullCentred} {
		for _, metric := range []Metric{Cosine, Dot, L2} {
			if testing.Short() && metric != Cosine {
				continue
			}
			for _, size := range []int{256, dims} {
				p := fit(t, kind, metric, dims, []int{256, 512}, rows)
				if p.CheckQuery(size) != nil {
					continue
				}
				for _, form := range []string{"4 bits", "float32"} {
					var n, sum, squares, inside float64
					words, scalars := make([]uint64, code.Words(dims)), make([]float32, p.Scalars())
					for _, v := range queries {
						q := p.Query(v[:size])
						blocks := p.Blocks()[:q.Blocks(size)]
						for _, row := range rows {
							p.Encode(words, scalars, row)
							estimate := q.Estimate(distances(q, blocks, words), scalars)
							if form == "float32" {
								estimate = q.EstimateFloat(products(q, blocks, words), scalars)
							}
							want := dot(v[:size], row[:size])
							if metric == Cosine {
								want /= norm(v[:size]) * norm(row)
							}
							z := (estimate.Product - want) / estimate.Deviation
							n, sum, squares = n+1, sum+z, squares+z*z
							if math.Abs(z) < 2 {
								inside++
							}
							rowNorm := norm(row[:size])
							if metric == Cosine {
								rowNorm /= norm(row)
							}
							if got := q.RowNorm(len(blocks), scalars); math.Abs(got/rowNorm-1) > .12 {
								t.Fatalf("%v, %v, %d dims: the norm of a row is estimated as %v, want %v", kind, metric, size, got, rowNorm)
							}
						}
					}
					mean, deviation := sum/n, math.Sqrt(squares/n)
					if math.Abs(mean) > .25 || deviation < .85 || deviation > 1.12 || inside/n < .93 {
						t.Errorf("%v, %v, %d dims, %s: error of mean %.2f and deviation %.2f, %.3f within 2, want 0, 1 and .954", kind, metric, size, form, mean, deviation, inside/n)
					}
				}
			}
		}
	}
}

func TestPlainCosineIsThatOfAQuantisedQueryAndSigns(t *testing.T) {
	const dims = 768
	vectors := skewed(2, dims, 8)
	p := fit(t, Plain, Cosine, dims, nil, nil)
	words := make([]uint64, code.Words(dims))
	p.Encode(words, nil, vectors[1])
	q := p.Query(vectors[0])
	for _, size := range []int{64, 320, dims} {
		got := q.PlainCosine(size)(distances(q, []int{size}, words)[0])
		want := float64(products(q, []int{size}, words)[0]) / norm(vectors[0][:size]) / math.Sqrt(float64(size)*2/math.Pi)
		if math.Abs(got-want) > .05 {
			t.Errorf("%d dims: %v, want %v", size, got, want)
		}
	}
	if got := p.Query(make([]float32, dims)).PlainCosine(dims)(0); got != 0 {
		t.Errorf("of a zero query: %v", got)
	}
}

// Under Plain only the direction counts, whatever the length.
func TestALongQueryEstimatesAsAShortOne(t *testing.T) {
	const dims = 128
	vectors := skewed(2, dims, 8)
	long := make([]float32, dims)
	for i, x := range vectors[0] {
		long[i] = x * 0x1p100
	}
	p := fit(t, Plain, Cosine, dims, nil, nil)
	words := make([]uint64, code.Words(dims))
	p.Encode(words, nil, vectors[1])
	a, b := p.Query(vectors[0]), p.Query(long)
	blocks := []int{dims}
	if got, want := b.PlainCosine(dims)(distances(b, blocks, words)[0]), a.PlainCosine(dims)(distances(a, blocks, words)[0]); math.Abs(got-want) > .01 {
		t.Errorf("in 4 bits %v, want %v", got, want)
	}
	if got, want := b.PlainCosineFloat(dims)(float64(products(b, blocks, words)[0])), a.PlainCosineFloat(dims)(float64(products(a, blocks, words)[0])); math.Abs(got-want) > .01 {
		t.Errorf("in float32 %v, want %v", got, want)
	}
}

func TestAFittedProfileComesBackFromItsState(t *testing.T) {
	sample := skewed(30, 300, 5)
	for _, kind := range allKinds {
		p := fit(t, kind, Cosine, 300, nil, sample)
		state, err := p.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Profile
		if err := back.UnmarshalJSON(state); err != nil {
			t.Fatalf("%v: %v", kind, err)
		}
		a, b := make([]uint64, 5), make([]uint64, 5)
		sa, sb := make([]float32, p.Scalars()), make([]float32, p.Scalars())
		p.Encode(a, sa, sample[0])
		back.Encode(b, sb, sample[0])
		if !slices.Equal(a, b) || !slices.Equal(sa, sb) || p.Fingerprint() != back.Fingerprint() {
			t.Errorf("%v: what came back encodes otherwise", kind)
		}
	}
}

func TestAMeanMustBeFitted(t *testing.T) {
	if _, err := NewProfile(Centred, Cosine, 64, nil); err == nil {
		t.Error("a centred profile of no vectors at all")
	}
	if _, err := FitProfile(NestedCentred, Cosine, 64, nil, nil); err == nil {
		t.Error("a centred profile of an empty sample")
	}
	for _, state := range []string{
		`{"version":1,"kind":"centred","dims":2,"ladder":[2]}`,
		`{"version":1,"kind":"centred","dims":2,"ladder":[2],"mean":"AAAAAA=="}`,
		`{"version":1,"kind":"centred","dims":1,"ladder":[1],"mean":"AADAfw=="}`, // NaN
		`{"version":1,"kind":"plain","dims":1,"ladder":[1],"mean":"AAAAAA=="}`,
		`{"version":1,"kind":"plain","dims":1,"ladder":[1],"seed":3}`,
	} {
		var p Profile
		if err := p.UnmarshalJSON([]byte(state)); err == nil {
			t.Errorf("%s is a profile", state)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	sample := skewed(10, 1024, 6)
	for _, kind := range allKinds {
		p := fit(b, kind, Cosine, 1024, nil, sample)
		b.Run("profile="+kind.String(), func(b *testing.B) {
			words, scalars := make([]uint64, 16), make([]float32, p.Scalars())
			b.SetBytes(4 * 1024)
			for b.Loop() {
				p.Encode(words, scalars, sample[0])
			}
		})
	}
}

func TestNormIsThatOfTheQueryAsTheProfileScalesIt(t *testing.T) {
	const dims = 700
	rows := skewed(30, dims, 2)
	for _, kind := range allKinds {
		if kind == Plain {
			continue // has no blocks to sum over
		}
		for _, metric := range []Metric{Cosine, Dot, L2} {
			p := fit(t, kind, metric, dims, []int{256, 512}, rows)
			for _, size := range p.Blocks() {
				for _, factor := range []float64{1, 3, 1e20} {
					v := make([]float32, size)
					for i := range v {
						v[i] = float32(factor * float64(rows[0][i]))
					}
					q, whole := p.Query(v), norm(v)
					for b, end := range p.Blocks()[:q.Blocks(size)] {
						want := norm(v[:end])
						switch {
						case metric == Cosine:
							want /= whole
						case whole > maxNorm:
							want *= maxNorm / whole
						}
						if got := q.Norm(b + 1); math.Abs(got/want-1) > 1e-6 {
							t.Errorf("%v, %v, %v times a query of %d dims: its first %d have norm %v, want %v", kind, metric, factor, size, end, got, want)
						}
					}
				}
			}
		}
	}
}

func TestPlanesHoldTheNearestMultipleOfTheStep(t *testing.T) {
	for _, dims := range []int{1, 63, 64, 65, 768} {
		for i, v := range skewed(20, dims, 5) {
			q := fit(t, Nested, Dot, dims, nil, nil).Query(v)
			for d, x := range q.Floats {
				var u uint64
				for j, plane := range q.Planes {
					u |= plane[d/64] >> (d % 64) & 1 << j
				}
				if off := math.Abs(math.Abs(float64(x)) - q.step*float64(u)); off > q.step*.500001 {
					t.Fatalf("query %d of %d dims: dimension %d is %v, and %d steps of %v", i, dims, d, x, u, q.step)
				}
			}
		}
	}
}

func BenchmarkQuery(b *testing.B) {
	const dims = 768
	rows := skewed(100, dims, 3)
	for _, kind := range []Kind{Plain, NestedCentred} {
		b.Run("profile="+kind.String(), func(b *testing.B) {
			p := fit(b, kind, Cosine, dims, nil, rows)
			b.ReportAllocs()
			for b.Loop() {
				p.Query(rows[0])
			}
		})
	}
}
