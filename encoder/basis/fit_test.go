package basis

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/x448/float16"
)

// energies returns what each component holds of the squares of rows, and those squares.
func energies(b *Basis, rows [][]float32) (components []float64, all float64) {
	components = make([]float64, b.Head())
	directions := slices.Collect(slices.Chunk(b.Components(), b.Dims()))
	for _, row := range rows {
		all += dot32(row, row)
		for i, c := range directions {
			p := dot32(c, row)
			components[i] += p * p
		}
	}
	return components, all
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

func TestTheHeadHoldsTheEnergyOfTheLargestValues(t *testing.T) {
	const rows, dims, head = 60, 80, 12
	for _, tt := range []struct {
		name  string
		value func(i int) float64 // a singular value, descending
	}{
		{"all the same", func(int) float64 { return 1 }},
		{"slowly falling", func(i int) float64 { return 1 / math.Sqrt(float64(1+i)) }},
		{"falling", func(i int) float64 { return 1 / float64(1+i) }},
		{"falling fast", func(i int) float64 { return math.Exp2(-float64(i)) }},
		{"a step at the head", func(i int) float64 { return []float64{1, 0.5}[min(1, i/head)] }},
		{"a step before the head", func(i int) float64 { return []float64{1, 0.3}[min(1, i/(head/2))] }},
		{"one", func(i int) float64 { return []float64{1, 0}[min(1, i)] }},
		{"one, and little of others", func(i int) float64 { return []float64{1, 1e-3}[min(1, i)] }},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		left, right := gaussian(r, rows, rows), gaussian(r, rows, dims)
		orthonormalise(left)
		orthonormalise(right)
		var want, all float64
		sample := zeros[float64](rows, dims)
		for k := range rows {
			s := tt.value(k)
			for i := range sample {
				accumulate(sample[i], left[k][i]*s, right[k])
			}
			all += s * s
			if k < head {
				want += s * s
			}
		}
		narrowed := narrow(sample)
		for seed := range uint64(5) {
			held, _ := energies(Fit(narrowed, head, seed), narrowed)
			if got := total(held); got < 0.99*want || got > want*(1+1e-5) {
				t.Errorf("%s, seed %d: the head holds %.4f of the energy, want %.4f", tt.name, seed, got/all, want/all)
			}
			for i, e := range held[1:] {
				if e > held[i]+1e-5*all {
					t.Errorf("%s, seed %d: component %d holds %v, and the one before it %v", tt.name, seed, i+1, e, held[i])
				}
			}
		}
	}
}

// The shares are LAPACK's: numpy.linalg.eigvalsh of the float64 second moments of the first
// thousand rows.
func TestTheHeadHoldsTheEnergyOfRealVectors(t *testing.T) {
	for _, tt := range []struct {
		set  string
		want map[int]float64 // by the size of the head
	}{
		{"debian", map[int]float64{32: 0.557365, 128: 0.906493}},
		{"minilm", map[int]float64{32: 0.501454, 128: 0.846388}},
	} {
		t.Run(tt.set, func(t *testing.T) {
			if testing.Short() {
				t.Skip("real vectors take long under the race detector")
			}
			path := filepath.Join("..", "..", "..", "shared", "data", tt.set, "base.npy")
			if _, err := os.Stat(path); err != nil {
				t.Skipf("real vectors are missing: %v", err)
			}
			sample := halves(t, path, 1000)
			for head, want := range tt.want {
				held, all := energies(Fit(sample, head, 1), sample)
				got := total(held) / all
				t.Logf("the first %d hold %.4f of the energy, of %.4f", head, got, want)
				if got < 0.99*want || got > 1.0001*want {
					t.Errorf("the first %d hold %.4f of the energy, want %.4f", head, got, want)
				}
			}
		})
	}
}

// halves reads the first rows of a file of float16s in NumPy's format.
func halves(t *testing.T, path string, rows int) [][]float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var n, dims int
	header, values := string(b[10:128]), b[128:]
	if _, err := fmt.Sscanf(header, "{'descr': '<f2', 'fortran_order': False, 'shape': (%d, %d)", &n, &dims); err != nil {
		t.Fatalf("%s: %v in %q", path, err, header)
	}
	vs := zeros[float32](min(rows, n), dims)
	for _, v := range vs {
		for i := range v {
			v[i] = float16.Frombits(binary.LittleEndian.Uint16(values)).Float32()
			values = values[2:]
		}
	}
	return vs
}

func TestFitAlwaysFindsAnOrthonormalSet(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	scaled := func(rows [][]float32, factor func(i int) float64) [][]float32 {
		for i, row := range rows {
			for j, x := range row {
				row[j] = float32(float64(x) * factor(i))
			}
		}
		return rows
	}
	same := func(n, dims int, x float32) [][]float32 {
		rows := zeros[float32](n, dims)
		for _, row := range rows {
			for i := range row {
				row[i] = x
			}
		}
		return rows
	}
	one := vectors(r, 1, 40)
	alone := zeros[float32](30, 90)
	for i, row := range alone {
		row[80] = float32(i)
	}
	for _, tt := range []struct {
		name   string
		sample [][]float32
		head   int
		rank   int // of the sample; 0 where it is more than the head
	}{
		{"one dimension", vectors(r, 3, 1), 1, 1},
		{"one dimension, and zero", same(3, 1, 0), 1, 1},
		{"a larger head than dimensions", vectors(r, 30, 5), 128, 5},
		{"one row", vectors(r, 1, 50), 20, 1},
		{"fewer rows than the head", vectors(r, 7, 200), 20, 7},
		{"as many rows as the head", vectors(r, 20, 60), 20, 20},
		{"zeros", same(50, 60, 0), 20, 1},
		{"many zeros and few dimensions", same(50, 20, 0), 20, 1},
		{"all numbers the same", same(50, 60, 0.1), 20, 1},
		{"rows that are alike", slices.Repeat(one, 50), 20, 1},
		{"one dimension of many", alone, 20, 1},
		{"rank 3", slices.Repeat(vectors(r, 3, 70), 10), 20, 3},
		{"tiny", scaled(vectors(r, 9, 60), func(int) float64 { return 1e-20 }), 20, 9},
		{"not normal", scaled(vectors(r, 9, 60), func(int) float64 { return 1e-42 }), 20, 9},
		{"huge", scaled(vectors(r, 9, 60), func(int) float64 { return 1e15 }), 20, 9},
		{"the largest", scaled(vectors(r, 9, 60), func(int) float64 { return 5e37 }), 20, 9},
		{"of all sizes", scaled(vectors(r, 36, 60), func(i int) float64 { return math.Pow(10, float64(i-20)) }), 20, 0},
	} {
		before := slices.Concat(tt.sample...)
		b := Fit(tt.sample, tt.head, 1)
		compare(t, tt.name+": the sample", slices.Concat(tt.sample...), before)
		dims := len(tt.sample[0])
		if b.Dims() != dims || b.Head() != min(tt.head, dims) {
			t.Errorf("%s: a head of %d in %d dims", tt.name, b.Head(), b.Dims())
		}
		components := zeros[float64](b.Head(), dims)
		for i, c := range slices.Collect(slices.Chunk(b.Components(), dims)) {
			for j, x := range c {
				components[i][j] = float64(x)
			}
		}
		checkOrthonormal(t, tt.name, components, 3e-7)
		if held, all := energies(b, tt.sample); tt.rank > 0 && !(total(held[:tt.rank]) >= all*(1-1e-5)) {
			t.Errorf("%s: the first %d components hold %v of %v", tt.name, tt.rank, total(held[:tt.rank]), all)
		}
	}
}

func TestTheSeedHardlyMatters(t *testing.T) {
	sample := decaying(100, 150)
	first, _ := energies(Fit(sample, 20, 1), sample)
	other, _ := energies(Fit(sample, 20, 2), sample)
	if a, b := total(first), total(other); math.Abs(a-b) > 1e-2*a {
		t.Errorf("one seed holds %v, another %v", a, b)
	}
	if slices.Equal(Fit(sample, 20, 1).Components(), Fit(sample, 20, 2).Components()) {
		t.Error("the seed is not used")
	}
}

func BenchmarkFit(b *testing.B) {
	before := active
	defer func() { active = before }()
	for _, active = range sets() {
		for _, s := range []struct{ rows, dims int }{{1400, 768}, {4000, 1024}} {
			b.Run(fmt.Sprintf("kernel=%v/rows=%d/dims=%d", active, s.rows, s.dims), func(b *testing.B) {
				sample := decaying(s.rows, s.dims)
				for b.Loop() {
					Fit(sample, 128, 1)
				}
			})
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for _, dims := range []int{384, 1024, 3072} {
		b.Run(fmt.Sprintf("dims=%d", dims), func(b *testing.B) {
			components := Fit(decaying(200, dims), 128, 1).Components()
			for b.Loop() {
				if _, err := New(components, dims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
