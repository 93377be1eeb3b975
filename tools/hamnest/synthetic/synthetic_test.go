package synthetic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// small has rows for several blocks, and dims that are no multiple of anything.
var small = Set{Rows: 1500, Queries: 7, Dims: 333, Seed: 3, Clusters: 20, Noise: DefaultNoise, Decay: DefaultDecay}

func write(t *testing.T, s Set) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "set")
	if err := s.Write(t.Context(), dir, func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, path string) *npy.Reader {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := npy.NewReader(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func floats(t *testing.T, path string) (rows [][]float32) {
	t.Helper()
	m := open(t, path)
	all := make([]float32, m.Rows()*m.Cols())
	if err := m.ReadFloats(all, 0); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(slices.Chunk(all, m.Cols()))
}

func ints(t *testing.T, path string) (rows [][]int64) {
	t.Helper()
	m := open(t, path)
	all := make([]int64, m.Rows()*m.Cols())
	if err := m.ReadInts(all, 0); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(slices.Chunk(all, m.Cols()))
}

func hash(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// TestBytesNeverChange guards measurements that name a set by its flags.
func TestBytesNeverChange(t *testing.T) {
	half := small
	half.Float16 = true
	for _, tt := range []struct {
		name string
		set  Set
		want [3]string // of base, queries and truth
	}{
		{"float32", small, [3]string{"1ef0c7e9c855bfcf", "d1b313ca3ef31fb8", "ce2b3935704d30c5"}},
		{"float16", half, [3]string{"4992992698fa36c4", "d1b313ca3ef31fb8", "8aa3cf9fb4744cd3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, tt.set)
			for i, name := range []string{BaseName, QueriesName, TruthName} {
				if got := hash(t, filepath.Join(dir, name)); got != tt.want[i] {
					t.Errorf("%s has hash %s, want %s", name, got, tt.want[i])
				}
			}
		})
	}
}

func TestASeedMakesAnotherSet(t *testing.T) {
	other := small
	other.Seed++
	a, b := write(t, small), write(t, other)
	for _, name := range []string{BaseName, QueriesName, TruthName} {
		if hash(t, filepath.Join(a, name)) == hash(t, filepath.Join(b, name)) {
			t.Errorf("%s is the same for seeds %d and %d", name, small.Seed, other.Seed)
		}
	}
}

func TestTruthIsThatOfBruteForce(t *testing.T) {
	half, one, flat := small, small, small
	half.Float16 = true
	one.Dims = 1 // all cosines are 1 or -1: rows decide
	flat.Rows, flat.Noise = TruthColumns, 1000
	for name, set := range map[string]Set{"float32": small, "float16": half, "ties": one, "all rows": flat} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, set)
			base, queries, truth := floats(t, filepath.Join(dir, BaseName)), floats(t, filepath.Join(dir, QueriesName)), ints(t, filepath.Join(dir, TruthName))
			if len(base) != set.Rows || len(base[0]) != set.Dims || len(queries) != set.Queries || len(queries[0]) != set.Dims || len(truth) != set.Queries || len(truth[0]) != TruthColumns {
				t.Fatalf("base %d x %d, queries %d x %d, truth %d x %d", len(base), len(base[0]), len(queries), len(queries[0]), len(truth), len(truth[0]))
			}
			for q, query := range queries {
				score := make([]float64, len(base))
				want := make([]int64, len(base))
				for row, v := range base {
					var dot, square float64
					for i, x := range v {
						dot += float64(x) * float64(query[i])
						square += float64(x) * float64(x)
					}
					score[row], want[row] = dot/math.Sqrt(square), int64(row)
				}
				slices.SortStableFunc(want, func(a, b int64) int {
					switch {
					case score[a] > score[b]:
						return -1
					case score[a] < score[b]:
						return 1
					}
					return 0
				})
				if !slices.Equal(truth[q], want[:TruthColumns]) {
					t.Errorf("query %d: %v, want %v", q, truth[q], want[:TruthColumns])
				}
			}
		})
	}
}

func TestVectorsHaveLengthOneAndAFallingSpectrum(t *testing.T) {
	dir := write(t, small)
	base := floats(t, filepath.Join(dir, BaseName))
	energy := make([]float64, small.Dims)
	for row, v := range base {
		var square float64
		for i, x := range v {
			square += float64(x) * float64(x)
			energy[i] += float64(x) * float64(x)
		}
		if math.Abs(square-1) > 1e-6 {
			t.Fatalf("row %d has a squared length of %v, want 1", row, square)
		}
	}
	var first, last float64
	for i := range 32 {
		first += energy[i]
		last += energy[small.Dims-1-i]
	}
	// sigma is 1 / (1 + 16/100) and 1 / (1 + 317/100) in the middle of the two.
	if ratio := first / last; ratio < 9 || ratio > 17 {
		t.Errorf("the first 32 components hold %.1f times the energy of the last, want about 12.9", ratio)
	}
}

func TestQueriesAreNearTheVectorsButNotAmongThem(t *testing.T) {
	dir := write(t, small)
	base, queries, truth := floats(t, filepath.Join(dir, BaseName)), floats(t, filepath.Join(dir, QueriesName)), ints(t, filepath.Join(dir, TruthName))
	var sum float64
	for q, query := range queries {
		cosine := dot(query, base[truth[q][0]])
		if cosine > 0.999 {
			t.Errorf("query %d is row %d", q, truth[q][0])
		}
		sum += cosine
	}
	if mean := sum / float64(len(queries)); mean < 0.3 {
		t.Errorf("the nearest has a cosine of %.2f on average, want more than chance", mean)
	}
}

func TestNothingIsOverwrittenAndNothingHalfDoneIsLeft(t *testing.T) {
	dir := write(t, small)
	before := hash(t, filepath.Join(dir, BaseName))
	err := small.Write(t.Context(), dir, func(string, int) {})
	if err == nil || !strings.Contains(err.Error(), "base.npy is there already") {
		t.Errorf("writing again gives %v", err)
	}
	if hash(t, filepath.Join(dir, BaseName)) != before {
		t.Error("base.npy has changed")
	}
	if err := os.Remove(filepath.Join(dir, BaseName)); err != nil {
		t.Fatal(err)
	}
	if err := small.Write(t.Context(), dir, func(string, int) {}); err == nil || !strings.Contains(err.Error(), "queries.npy is there already") {
		t.Errorf("writing over queries.npy gives %v", err)
	}
	if left := names(t, dir); !slices.Equal(left, []string{QueriesName, TruthName}) {
		t.Errorf("left are %v, want what was there", left)
	}

	ctx, stop := context.WithCancel(t.Context())
	dir = t.TempDir()
	err = small.Write(ctx, dir, func(stage string, _ int) {
		if stage == "exact answers" {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted write gives %v", err)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("an interrupted write leaves %v", left)
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWhatCannotBeMadeIsRefused(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*Set)
	}{
		{"99 rows, want 100 (each query has so many exact answers) to 2147483647", func(s *Set) { s.Rows = 99 }},
		{"0 queries, want 1", func(s *Set) { s.Queries = 0 }},
		{"0 dims, want 1", func(s *Set) { s.Dims = 0 }},
		{"65537 dims, want 1 to 65536", func(s *Set) { s.Dims = 65537 }},
		{"0 clusters, want 1", func(s *Set) { s.Clusters = 0 }},
		{"noise 0, want more than 0", func(s *Set) { s.Noise = 0 }},
		{"noise NaN, want more than 0", func(s *Set) { s.Noise = math.NaN() }},
		{"decay -1, want more than 0", func(s *Set) { s.Decay = -1 }},
	} {
		s := small
		tt.change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want an error that says %q", err, tt.want)
		}
	}
}

func TestVectorsInMemoryAreThoseOfTheFiles(t *testing.T) {
	dir := write(t, small)
	want := [][][]float32{floats(t, filepath.Join(dir, QueriesName)), floats(t, filepath.Join(dir, BaseName))}
	seen := []int{0, 0}
	small.Vectors(func(base bool, row int, v []float32) {
		of := 0
		if base {
			of = 1
		}
		if row != seen[of] || !slices.Equal(v, want[of][row]) {
			t.Fatalf("vector %d of the base (%v) is another than in the file", row, base)
		}
		seen[of]++
	})
	if seen[0] != small.Queries || seen[1] != small.Rows {
		t.Errorf("%v queries and vectors, want %d and %d", seen, small.Queries, small.Rows)
	}
}
