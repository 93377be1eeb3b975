package basis

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// kinds are sets of components that are hard in different ways.
var kinds = []struct {
	name string
	make func(r *rand.Rand, h, dims int) [][]float64
}{
	{"any", func(r *rand.Rand, h, dims int) [][]float64 {
		m := zeros[float64](h, dims)
		for _, row := range m {
			for i := range row {
				row[i] = r.NormFloat64()
			}
		}
		return m
	}},
	{"the first dimensions", func(_ *rand.Rand, h, dims int) [][]float64 { return units(h, dims, func(i int) int { return i }) }},
	{"the first dimensions, negated", func(_ *rand.Rand, h, dims int) [][]float64 {
		m := units(h, dims, func(i int) int { return i })
		for i := range m {
			m[i][i] = -1
		}
		return m
	}},
	{"the last dimensions", func(_ *rand.Rand, h, dims int) [][]float64 {
		return units(h, dims, func(i int) int { return dims - 1 - i })
	}},
	{"the first dimensions in turn", func(_ *rand.Rand, h, dims int) [][]float64 {
		return units(h, dims, func(i int) int { return (i + 1) % h })
	}},
	{"all but in the first dimensions", func(r *rand.Rand, h, dims int) [][]float64 {
		m := zeros[float64](h, dims)
		for _, row := range m {
			for i := range row {
				row[i] = r.NormFloat64()
				if i >= h {
					row[i] *= 1e-4
				}
			}
		}
		return m
	}},
}

func units(h, dims int, at func(i int) int) [][]float64 {
	m := zeros[float64](h, dims)
	for i, row := range m {
		row[at(i)] = 1
	}
	return m
}

// made is a basis, and the components that it is made of.
type made struct {
	name       string
	basis      *Basis
	components [][]float32
}

// bases are of dims and heads of which none is left over, one more and one less than what
// the kernels take, few, and many.
var bases = sync.OnceValue(func() (all []made) {
	for _, s := range []struct{ dims, head int }{
		{1, 1},
		{2, 1},
		{2, 2},
		{3, 2},
		{7, 7},
		{8, 7},
		{9, 8},
		{15, 3},
		{16, 16},
		{17, 16},
		{33, 17},
		{64, 64},
		{128, 128},
		{129, 128},
		{384, 128},
		{1000, 31},
	} {
		for _, k := range kinds {
			m := k.make(rand.New(rand.NewPCG(uint64(s.head), uint64(s.dims))), s.head, s.dims)
			orthonormalise(m)
			rows := narrow(m)
			b, err := New(slices.Concat(rows...), s.dims)
			if err != nil {
				panic(err)
			}
			all = append(all, made{fmt.Sprintf("%d of %d, %s", s.head, s.dims, k.name), b, rows})
		}
	}
	return all
})

func vectors(r *rand.Rand, n, dims int) [][]float32 {
	vs := make([][]float32, n)
	for i := range vs {
		vs[i] = make([]float32, dims)
		for j := range vs[i] {
			vs[i][j] = float32(r.NormFloat64())
		}
	}
	return vs
}

func dot32(a, b []float32) (sum float64) {
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

func TestABasisKeepsLengthsAndProducts(t *testing.T) {
	each(t, func(t *testing.T) {
		for _, m := range bases() {
			vs := vectors(rand.New(rand.NewPCG(1, 1)), 5, m.basis.Dims())
			copy(vs[0], m.components[0]) // the head holds all of it
			turned := make([][]float32, len(vs))
			for i, v := range vs {
				turned[i] = slices.Clone(v)
				m.basis.Apply(turned[i])
			}
			for i := range vs {
				for j := range i + 1 {
					got, want := dot32(turned[i], turned[j]), dot32(vs[i], vs[j])
					if size := math.Sqrt(dot32(vs[i], vs[i]) * dot32(vs[j], vs[j])); math.Abs(got-want) > 1e-6*size {
						t.Errorf("%s: vectors %d and %d have product %v, want %v, of lengths with product %v", m.name, i, j, got, want, size)
					}
				}
			}
		}
	})
}

func TestTheHeadIsTheProductsWithTheComponents(t *testing.T) {
	each(t, func(t *testing.T) {
		for _, m := range bases() {
			v := vectors(rand.New(rand.NewPCG(2, 2)), 1, m.basis.Dims())[0]
			turned := slices.Clone(v)
			m.basis.Apply(turned)
			for i, c := range m.components {
				if got, want := float64(turned[i]), dot32(c, v); math.Abs(got-want) > 5e-7*math.Sqrt(dot32(v, v)) {
					t.Errorf("%s: number %d is %v, want %v", m.name, i, got, want)
				}
			}
		}
	})
}

func TestAWideBasisIsAsExact(t *testing.T) {
	const dims, head = 1 << 16, 3
	vs := vectors(rand.New(rand.NewPCG(3, 3)), 2, dims)
	wide := gaussian(rand.New(rand.NewPCG(4, 4)), head, dims)
	orthonormalise(wide)
	components := narrow(wide)
	b, err := New(slices.Concat(components...), dims)
	if err != nil {
		t.Fatal(err)
	}
	copy(vs[1], components[0]) // all terms of a sum have one sign
	each(t, func(t *testing.T) {
		for _, v := range vs {
			turned := slices.Clone(v)
			b.Apply(turned)
			size := dot32(v, v)
			if got := dot32(turned, turned); math.Abs(got-size) > 2e-6*size {
				t.Errorf("square of the length %v, want %v", got, size)
			}
			for i, c := range components {
				if got, want := float64(turned[i]), dot32(c, v); math.Abs(got-want) > 1e-6*math.Sqrt(size) {
					t.Errorf("number %d is %v, want %v", i, got, want)
				}
			}
		}
	})
}

// A large number and many small ones: in a sum of float32 all are rounded the same way.
func TestAWideComponentOfUnequalNumbersIsAccepted(t *testing.T) {
	const dims = 1 << 16
	for _, large := range []float64{.5, .7, .9, .95, .99} {
		row := make([]float32, dims)
		for i := range row {
			row[i] = float32(math.Sqrt((1 - large*large) / (dims - 1)))
		}
		row[0] = float32(large)
		each(t, func(t *testing.T) {
			if _, err := New(row, dims); err != nil {
				t.Errorf("%v beside many small numbers: %v", large, err)
			}
		})
	}
}

func TestManyAreTurnedAsOneIs(t *testing.T) {
	each(t, func(t *testing.T) {
		for i := 0; i < len(bases()); i += len(kinds) {
			m := bases()[i]
			for _, n := range []int{0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 18, 33} {
				vs := vectors(rand.New(rand.NewPCG(4, uint64(n))), n, m.basis.Dims())
				want := make([][]float32, n)
				for i, v := range vs {
					want[i] = slices.Clone(v)
					m.basis.Apply(want[i])
				}
				m.basis.ApplyAll(vs)
				for i, v := range vs {
					compare(t, fmt.Sprintf("%s, vector %d of %d", m.name, i, n), v, want[i])
				}
			}
		}
	})
}

func TestABasisCanBeUsedByMany(t *testing.T) {
	b := Fit(decaying(30, 100), 20, 1)
	vs := vectors(rand.New(rand.NewPCG(5, 5)), 64, 100)
	want := make([][]float32, len(vs))
	for i, v := range vs {
		want[i] = slices.Clone(v)
		b.Apply(want[i])
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			part := vs[i*16:][:16]
			if i%2 == 0 {
				b.ApplyAll(part)
				return
			}
			for _, v := range part {
				b.Apply(v)
			}
		})
	}
	all.Wait()
	for i, v := range vs {
		compare(t, fmt.Sprintf("vector %d", i), v, want[i])
	}
}

func TestComponentsComeBackAsTheyWere(t *testing.T) {
	for _, m := range bases() {
		compare(t, m.name, m.basis.Components(), slices.Concat(m.components...))
		if dims, head := len(m.components[0]), len(m.components); m.basis.Dims() != dims || m.basis.Head() != head {
			t.Errorf("%s: %d dims and a head of %d", m.name, m.basis.Dims(), m.basis.Head())
		}
	}
}

func TestNewRefusesWhatIsNoBasis(t *testing.T) {
	for _, tt := range []struct {
		name       string
		components []float32
		dims       int
		want       string
	}{
		{"nothing", nil, 2, "0 numbers in 2 dims"},
		{"no dims", []float32{1}, 0, "1 numbers in 0 dims"},
		{"dims below none", []float32{1}, -1, "1 numbers in -1 dims"},
		{"a part of a row", []float32{1, 0, 0}, 2, "3 numbers in 2 dims"},
		{"more rows than dims", []float32{1, 0, 0, 1, 0, 0}, 2, "6 numbers in 2 dims"},
		{"NaN", []float32{1, 0, 0, float32(math.NaN())}, 2, "component 1 holds NaN in dim 1"},
		{"infinity", []float32{float32(math.Inf(-1)), 0}, 2, "component 0 holds -Inf in dim 0"},
		{"too long", []float32{1.0001, 0}, 2, "components 0 and 0 have product"},
		{"zeros", []float32{1, 0, 0, 0}, 2, "components 1 and 1 have product 0, want 1"},
		{"not orthogonal", []float32{1, 0, 1, 0}, 2, "components 1 and 0 have product 1, want 0"},
		{"so large that products of float32 are not finite", []float32{3e38, 3e38, 3e38, -3e38}, 2, "components 0 and 0 have product 1.8"},
	} {
		if b, err := New(tt.components, tt.dims); err == nil || !strings.Contains(err.Error(), tt.want) || b != nil {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestAVectorOfAnotherSizeIsTheCallersMistake(t *testing.T) {
	b := Fit(decaying(2, 3), 2, 1)
	for _, v := range [][]float32{nil, make([]float32, 2), make([]float32, 4)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d numbers of 3 were taken", len(v))
				}
			}()
			b.Apply(v)
		}()
	}
}

// Codes on disk are made by these maps: the sums must never change once they are released.
func TestBasesNeverChange(t *testing.T) {
	each(t, func(t *testing.T) {
		for _, tt := range []struct {
			rows, dims, head   int
			components, turned uint64 // FNV-1a of the bits
		}{
			{50, 1, 1, 0x4b72477f9c5c2f98, 0x4df8ee18b7bbdf3d},
			{50, 24, 24, 0xaff5499c37b41121, 0x1647167f4eb68361},
			{7, 100, 20, 0x3daf29a96e0723b5, 0x0ff4a804a80dc257},
			{150, 200, 128, 0x4d696fa8750b818c, 0x7acbd46091706aba},
		} {
			b := Fit(decaying(tt.rows, tt.dims), tt.head, 1)
			if got := sum(t, b.Components()); got != tt.components {
				t.Errorf("%d of %d: components have sum %#016x, want %#016x", tt.head, tt.dims, got, tt.components)
			}
			vs := decaying(5, tt.dims)
			b.ApplyAll(vs)
			if got := sum(t, slices.Concat(vs...)); got != tt.turned {
				t.Errorf("%d of %d: turned vectors have sum %#016x, want %#016x", tt.head, tt.dims, got, tt.turned)
			}
		}
	})
}

func sum(t *testing.T, v []float32) uint64 {
	t.Helper()
	h := fnv.New64a()
	if err := binary.Write(h, binary.LittleEndian, v); err != nil {
		t.Fatal(err)
	}
	return h.Sum64()
}

// decaying returns rows whose numbers are smaller from dimension to dimension, and whose
// dimensions have something in common. It takes no function that machines round differently.
func decaying(rows, dims int) [][]float32 {
	r := rand.New(rand.NewPCG(1, uint64(dims)))
	vs := make([][]float32, rows)
	for i := range vs {
		vs[i] = make([]float32, dims)
		var before float32
		for j := range vs[i] {
			x := float32(r.IntN(1<<24)-1<<23) / (1 << 23) / float32(1+j/8)
			vs[i][j] = x + float32(before*0.5)
			before = x
		}
	}
	return vs
}

func BenchmarkApply(b *testing.B) { benchmark(b, 1) }

func BenchmarkApplyAll(b *testing.B) { benchmark(b, 64) }

// benchmark reports the time a vector.
func benchmark(b *testing.B, n int) {
	before := active
	defer func() { active = before }()
	for _, active = range sets() {
		for _, dims := range []int{384, 768, 1024, 3072} {
			b.Run(fmt.Sprintf("kernel=%v/dims=%d", active, dims), func(b *testing.B) {
				m := zeros[float64](128, dims)
				orthonormalise(m)
				rows := narrow(m)
				basis := newBasis(newMatrix(rows, dims), rows)
				vs := vectors(rand.New(rand.NewPCG(1, 1)), n, dims)
				for b.Loop() {
					if n == 1 {
						basis.Apply(vs[0])
					} else {
						basis.ApplyAll(vs)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/float64(b.N*n), "µs/vector")
			})
		}
	}
}

func TestAFittedBasisIsTheOneThatNewMakesOfItsComponents(t *testing.T) {
	const dims = 150
	fitted := Fit(decaying(40, dims), 30, 1)
	again, err := New(fitted.Components(), dims)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range decaying(5, dims) {
		want := slices.Clone(v)
		fitted.Apply(want)
		again.Apply(v)
		compare(t, fmt.Sprintf("vector %d", i), v, want)
	}
}
