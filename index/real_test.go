package index

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/x448/float16"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/scan"
)

// realSet is real vectors with the rows of their exact answers.
type realSet struct {
	base, queries [][]float32
	truth         [][]int
	relevant      []map[string]float64 // of each query, by row as an id
}

// sampleSet is the sample that comes with the program.
func sampleSet(t testing.TB) realSet { return readSet(t, "../tools/hamnest/demodata") }

// sharedSet is a set that lies beside the checkout.
func sharedSet(t testing.TB, name string) realSet {
	dir := filepath.Join("..", "..", "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("real vectors are missing: %v", err)
	}
	return readSet(t, dir)
}

func readSet(t testing.TB, dir string) realSet {
	t.Helper()
	var s realSet
	s.base, s.queries = readHalves(t, filepath.Join(dir, "base.npy")), readHalves(t, filepath.Join(dir, "queries.npy"))
	const answers = 100
	b := readNpy(t, filepath.Join(dir, "truth.npy"))
	for at := 0; at < len(b); at += 4 * answers {
		rows := make([]int, answers)
		for i := range rows {
			rows[i] = int(binary.LittleEndian.Uint32(b[at+4*i:]))
		}
		s.truth = append(s.truth, rows)
	}
	docs, queries := readIDs(t, filepath.Join(dir, "docs.jsonl")), readIDs(t, filepath.Join(dir, "queries.jsonl"))
	s.relevant = make([]map[string]float64, len(s.queries))
	for i := range s.relevant {
		s.relevant[i] = make(map[string]float64)
	}
	qrels, err := os.ReadFile(filepath.Join(dir, "qrels.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(qrels)) {
		fields := strings.Fields(line)
		doc, found := docs[fields[1]]
		if gain, err := strconv.ParseFloat(fields[2], 64); err == nil && found {
			s.relevant[queries[fields[0]]][fmt.Sprintf("%06d", doc)] = gain
		}
	}
	return s
}

// readIDs returns the lines of a .jsonl file by their ids.
func readIDs(t testing.TB, path string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]int)
	for line := range strings.Lines(string(b)) {
		var item struct{ ID string }
		if err := json.Unmarshal([]byte(line), &item); err != nil {
			t.Fatal(err)
		}
		lines[item.ID] = len(lines)
	}
	return lines
}

// readNpy returns what follows the header of a .npy file of version 1.
func readNpy(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b[10+int(binary.LittleEndian.Uint16(b[8:])):]
}

func readHalves(t testing.TB, path string) [][]float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	var rows, cols int
	at := len("{'descr': '<f2', 'fortran_order': False, 'shape': (")
	if _, err := fmt.Sscanf(string(b[10+at:header]), "%d, %d)", &rows, &cols); err != nil {
		t.Fatalf("%s: header %q: %v", path, b[10:header], err)
	}
	vectors := make([][]float32, rows)
	for i := range vectors {
		vectors[i] = make([]float32, cols)
		for d := range cols {
			vectors[i][d] = float16.Frombits(binary.LittleEndian.Uint16(b[header+2*(i*cols+d):])).Float32()
		}
	}
	return vectors
}

// collection makes one of the set, as it comes, with codes.
func (s realSet) collection(t *testing.T, spec Spec) *Collection {
	t.Helper()
	spec.Name, spec.Dims = "real", len(s.base[0])
	spec.Ladder = encoder.DefaultLadder(spec.Dims) // queries are cut to its steps
	c := create(t, openDB(t, t.TempDir()), spec)
	records := make([]Record, len(s.base))
	for i, v := range s.base {
		records[i] = Record{ID: fmt.Sprintf("%06d", i), Vector: v}
	}
	for part := range slices.Chunk(records, 2000) {
		upsert(t, c, part...)
	}
	settle(t, c)
	if kind := c.Info().ProfileInForce; kind != encoder.Learned {
		t.Fatalf("profile %v is in force, want learned", kind)
	}
	return c
}

// ndcg is the mean nDCG@10 of ranked rows (Järvelin and Kekäläinen, TOIS 2002).
func (s realSet) ndcg(ranked func(query int) []string) float64 {
	var sum float64
	for i := range s.queries {
		var got, ideal float64
		for at, id := range ranked(i)[:10] {
			got += s.relevant[i][id] / math.Log2(float64(at+2))
		}
		gains := slices.Sorted(maps.Values(s.relevant[i]))
		slices.Reverse(gains)
		for at, gain := range gains[:min(10, len(gains))] {
			ideal += gain / math.Log2(float64(at+2))
		}
		sum += got / ideal
	}
	return sum / float64(len(s.queries))
}

// promise asks c for each k, target and size of query what it promises, and for the vectors read.
func (s realSet) promise(t *testing.T, c *Collection, queries int, ks []int, targets []float64, sizes []int) {
	t.Helper()
	for _, size := range sizes {
		var exact []Query
		for _, v := range s.queries[:queries] {
			exact = append(exact, Query{Vector: v[:size], K: slices.Max(ks), Exact: true})
		}
		right, err := c.BatchSearch(t.Context(), exact)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range ks {
			for _, target := range targets {
				var recall, expected, read float64
				all := make([]Query, queries)
				for i := range all {
					all[i] = Query{Vector: exact[i].Vector, K: k, TargetRecall: target}
				}
				results, err := c.BatchSearch(t.Context(), all)
				if err != nil {
					t.Fatal(err)
				}
				for i, res := range results {
					recall += recallOf(res.Hits, right[i].Hits[:k]) / float64(queries)
					expected += res.Receipt.ExpectedRecall / float64(queries)
					read += float64(res.Receipt.VectorsRead) / float64(queries)
				}
				t.Logf("%d dims, k %d, target %v: recall %.4f, %.4f expected, %.1f vectors read", size, k, target, recall, expected, read)
				if want := targetOf(Query{TargetRecall: target}); recall < want-.005 || k == 10 && target == 0 && recall < .99 {
					t.Errorf("%d dims, k %d, target %v: recall is %.4f", size, k, target, recall)
				}
				if k == 10 && target == 0 && size == len(s.base[0]) && read > 30 {
					t.Errorf("%.1f vectors are read, want 30 at most", read)
				}
			}
		}
	}
}

// findsItself fails the test unless stored vectors are the first of their own answers.
func (s realSet) findsItself(t *testing.T, c *Collection, each int) {
	t.Helper()
	for row := 0; row < len(s.base); row += each {
		for _, k := range []int{1, 10} {
			if best := ask(t, c, Query{Vector: s.base[row], K: k}).Hits[0]; best.Score < 1-1e-6 {
				t.Errorf("row %d finds %+v first of %d", row, best, k)
			}
		}
	}
}

var allTargets = []float64{.9, .95, .99, 0} // 0: the default

// What is promised of the sample, which is always there.
func TestPromisesHoldOnTheSample(t *testing.T) {
	t.Parallel()
	set := sampleSet(t)
	c := set.collection(t, Spec{})
	sizes, ks := []int{64, 128, 256, 512, 768}, []int{1, 10, 100}
	if testing.Short() {
		sizes, ks = []int{64, 768}, []int{10}
	}
	set.promise(t, c, min(len(set.queries), 150), ks, allTargets, sizes)
	set.findsItself(t, c, 11)
}

// What is promised of thousands of real vectors, that lie beside the checkout.
func TestPromisesHoldOnRealSets(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: tens of thousands of vectors")
	}
	t.Parallel()
	for _, name := range []string{"scifact", "debian"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := sharedSet(t, name)
			c := set.collection(t, Spec{})
			set.promise(t, c, 300, []int{10}, allTargets, []int{768})
			set.promise(t, c, 100, []int{1, 100}, []float64{0}, []int{768})
			set.promise(t, c, 100, []int{10}, []float64{0}, []int{64, 128, 256, 512})
			set.findsItself(t, c, 101)
			kept := func(q Query, least float64) {
				exact := set.ndcg(func(i int) []string {
					var ids []string
					for _, row := range set.truth[i] {
						ids = append(ids, fmt.Sprintf("%06d", row))
					}
					return ids
				})
				queries := make([]Query, len(set.queries))
				for i, v := range set.queries {
					queries[i] = q
					queries[i].Vector, queries[i].K = v, 10
				}
				results, err := c.BatchSearch(t.Context(), queries)
				if err != nil {
					t.Fatal(err)
				}
				got := set.ndcg(func(i int) []string {
					var ids []string
					for _, hit := range results[i].Hits {
						ids = append(ids, hit.ID)
					}
					return ids
				})
				t.Logf("exact %t, rescore %v: nDCG@10 %.4f of %.4f, %.4f kept", q.Exact, q.Rescore, got, exact, got/exact)
				if got < least*exact {
					t.Errorf("rescore %v: nDCG@10 is %.4f, want %.3f of %.4f", q.Rescore, got, least, exact)
				}
			}
			kept(Query{Exact: true}, .999)
			kept(Query{}, .995)
			kept(Query{Rescore: RescoreCodes}, .96)
		})
	}
}

// The error of an estimate lies within so many of its standard deviations as often as that of
// a normal variable does: over all rows, and over those near the top, where it decides which
// vectors are read.
func TestDeviationsCoverRealErrors(t *testing.T) {
	t.Parallel()
	set := sampleSet(t)
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		if testing.Short() && metric != encoder.Cosine {
			continue
		}
		p, err := encoder.Learn(encoder.Shape{Metric: metric, Dims: 768}, set.base[:1000])
		if err != nil {
			t.Fatal(err)
		}
		rows := make([][]uint64, len(set.base))
		for i := range rows {
			rows[i] = make([]uint64, p.RowWords())
		}
		p.Encode(rows, set.base)
		for _, dims := range []int{64, 256, 768} {
			var all, top errorsOf
			for i, v := range set.queries[:40] {
				e := p.Query(v[:dims])
				s := e.NewScan(2, 0)
				scorer := scan.NewScorer(metric, encoder.Float32, v[:dims])
				add := func(to *errorsOf, row int) {
					score, deviation := codeScore(p, e, s, rows[row])
					to.add((score - float64(scorer.Score(set.base[row][:dims]))) / deviation)
				}
				for row := i; row < len(set.base); row += 23 {
					add(&all, row)
				}
				scores, best := make([]float64, len(set.base)), make([]int, len(set.base))
				for row, x := range set.base {
					scores[row], best[row] = scorer.Score(x[:dims]), row
				}
				slices.SortFunc(best, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
				for _, row := range best[:50] {
					add(&top, row)
				}
			}
			t.Logf("%v, %d dims: within 1, 2, 3 deviations %.3f %.3f %.4f of all, %.3f %.3f %.4f of the top; too low by more: %.3f %.3f %.4f of the top", metric, dims,
				all.inside(1), all.inside(2), all.inside(3), top.inside(1), top.inside(2), top.inside(3), top.below(-1), top.below(-2), top.below(-3))
			for _, n := range []struct{ bound, inside float64 }{{1, .683}, {2, .954}, {3, .9973}} {
				if got := all.inside(n.bound); got < n.inside-.03 || got > n.inside+.05 {
					t.Errorf("%v, %d dims: %.3f of all rows within %v deviations, want %.3f", metric, dims, got, n.bound, n.inside)
				}
				if missed, want := top.below(-n.bound), (1-n.inside)/2; missed > want+.02 {
					t.Errorf("%v, %d dims: %.3f of the top %v deviations too low, want %.3f at most", metric, dims, missed, n.bound, want)
				}
			}
		}
	}
}

// errorsOf are errors in standard deviations.
type errorsOf []float64

func (e *errorsOf) add(z float64) { *e = append(*e, z) }

func (e errorsOf) inside(bound float64) float64 {
	n := 0
	for _, z := range e {
		if math.Abs(z) < bound {
			n++
		}
	}
	return float64(n) / float64(len(e))
}

func (e errorsOf) below(z float64) float64 {
	n := 0
	for _, x := range e {
		if x < z {
			n++
		}
	}
	return float64(n) / float64(len(e))
}
