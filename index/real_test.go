package index

import (
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
)

// realSet is real vectors with the rows of their exact answers.
type realSet struct {
	base, queries [][]float32
	truth         [][]int
	relevant      []map[string]float64 // of each query, by row as an id
}

// sampleSet is the sample that comes with the program.
func sampleSet(t *testing.T) realSet { return readSet(t, "../tools/hamnest/demodata") }

// sharedSet is a set that lies beside the checkout.
func sharedSet(t *testing.T, name string) realSet {
	dir := filepath.Join("..", "..", "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("real vectors are missing: %v", err)
	}
	return readSet(t, dir)
}

func readSet(t *testing.T, dir string) realSet {
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
func readIDs(t *testing.T, path string) map[string]int {
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
func readNpy(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b[10+int(binary.LittleEndian.Uint16(b[8:])):]
}

func readHalves(t *testing.T, path string) [][]float32 {
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

// fitted makes a collection of the set under a profile fitted to its first rows.
func (s realSet) fitted(t *testing.T, kind encoder.Kind, metric encoder.Metric) *Collection {
	t.Helper()
	profile, err := encoder.FitProfile(kind, metric, len(s.base[0]), nil, s.base[:min(len(s.base), 4000)])
	if err != nil {
		t.Fatal(err)
	}
	c := createWith(t, openDB(t, t.TempDir()), kind.String(), metric, profile)
	for at := 0; at < len(s.base); at += 1000 {
		var records []Record
		for i := at; i < min(len(s.base), at+1000); i++ {
			records = append(records, Record{ID: fmt.Sprintf("%06d", i), Vector: s.base[i]})
		}
		upsert(t, c, records...)
	}
	return c
}

// The error of an estimate lies within so many of its standard deviations as often as
// that of a normal variable does: over all rows, and over those near the top, where
// it decides which vectors are read.
func TestTheBoundCoversWhatItPromises(t *testing.T) {
	for _, tt := range []struct {
		set     string
		metrics []encoder.Metric
	}{{"sample", []encoder.Metric{encoder.Cosine, encoder.L2}}, {"debian", []encoder.Metric{encoder.Cosine}}} {
		for _, kind := range []encoder.Kind{encoder.Nested, encoder.NestedCentred, encoder.FullCentred} {
			for _, metric := range tt.metrics {
				t.Run(fmt.Sprintf("%s/%v/%v", tt.set, kind, metric), func(t *testing.T) {
					set := sampleSet(t)
					if tt.set == "debian" {
						if testing.Short() {
							t.Skip("-short: 38,333 vectors")
						}
						set = sharedSet(t, "debian")
					}
					c := set.fitted(t, kind, metric)
					for _, dims := range []int{256, 768} {
						for _, bits := range []int{4, 32} {
							if c.current.Load().codec.profile.CheckQuery(dims) == nil {
								coverage(t, c, set, dims, bits)
							}
						}
					}
				})
			}
		}
	}
}

func coverage(t *testing.T, c *Collection, set realSet, dims, bits int) {
	t.Helper()
	g := c.current.Load()
	var all, top errorsOf
	for i, v := range set.queries[:40] {
		p, err := g.plan(Query{Vector: v[:dims], K: 10}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.encoded = g.codec.profile.Query(p.vector)
		r := newRefiner(g.codec, g.view.Load(), p, dims, bits)
		add := func(to *errorsOf, row int) {
			e := r.estimate(uint32(row))
			to.add((e.unbiased - float64(p.scorer.score(set.base[row][:dims]))) / e.deviation)
		}
		for row := i; row < len(set.base); row += 7 {
			add(&all, row)
		}
		for _, row := range set.truth[i] {
			add(&top, row)
		}
	}
	t.Logf("%d dims, %d bits: within 1, 2, 3 deviations %.3f %.3f %.4f of all, %.3f %.3f %.4f of the top; too low by more: %.3f %.3f %.4f of the top", dims, bits,
		all.inside(1), all.inside(2), all.inside(3), top.inside(1), top.inside(2), top.inside(3), top.below(-1), top.below(-2), top.below(-3))
	for _, n := range []struct {
		bound, inside float64
	}{{1, .683}, {2, .954}, {3, .9973}} {
		if got := all.inside(n.bound); got < n.inside-.03 || got > n.inside+.05 {
			t.Errorf("%d dims, %d bits: %.3f of all rows within %v deviations, want %.3f", dims, bits, got, n.bound, n.inside)
		}
		if missed, want := top.below(-n.bound), (1-n.inside)/2; missed > want+.02 {
			t.Errorf("%d dims, %d bits: %.3f of the top %v deviations too low, want %.3f at most", dims, bits, missed, n.bound, want)
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

// recall is the share of the true top 10 among the hits.
func recall(t *testing.T, c *Collection, set realSet, queries int, q Query) (recall, vectorsRead float64) {
	t.Helper()
	found, read := 0, uint64(0)
	for i, v := range set.queries[:queries] {
		q.Vector = v
		res := search(t, c, q)
		read += res.Receipt.VectorsRead
		right := make(map[string]bool)
		for _, row := range set.truth[i][:10] {
			right[fmt.Sprintf("%06d", row)] = true
		}
		for _, hit := range res.Hits {
			if right[hit.ID] {
				found++
			}
		}
	}
	return float64(found) / float64(10*queries), float64(read) / float64(queries)
}

// What the design promises of 38,333 real vectors.
func TestRecallPerBitOnDebian(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: 38,333 vectors under four profiles")
	}
	set := sharedSet(t, "debian")
	const queries = 500
	for _, tt := range []struct {
		kind             encoder.Kind
		q                Query
		recall, maxReads float64
	}{
		// Codes alone.
		{encoder.Full, Query{K: 40, Rescore: RescoreCodes}, .985, 0},
		{encoder.FullCentred, Query{K: 40, Rescore: RescoreCodes}, .985, 0},
		{encoder.Nested, Query{K: 40, Rescore: RescoreCodes}, .965, 0},
		{encoder.NestedCentred, Query{K: 40, Rescore: RescoreCodes}, .965, 0},
		// Vectors as far as the bound asks for them.
		{encoder.Nested, Query{K: 10}, .99, 100},
		{encoder.Nested, Query{K: 10, Dims: 256}, .99, 100},
		{encoder.NestedCentred, Query{K: 10}, .99, 100},
		{encoder.NestedCentred, Query{K: 10, Dims: 256}, .99, 100},
		{encoder.FullCentred, Query{K: 10}, .99, 60},
	} {
		c := set.fitted(t, tt.kind, encoder.Cosine)
		got, reads := recall(t, c, set, queries, tt.q)
		t.Logf("%-15v K %d dims %3d rescore %v: recall of the top 10 is %.4f, %.1f vectors read", tt.kind, tt.q.K, tt.q.Dims, tt.q.Rescore, got, reads)
		if got < tt.recall || reads > tt.maxReads {
			t.Errorf("%v, %+v: recall %.4f with %.1f vectors read, want %.3f with %.0f at most", tt.kind, tt.q, got, reads, tt.recall, tt.maxReads)
		}
	}
}

func TestCodesKeepTheOrderThatPeopleJudge(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: thousands of vectors under two profiles")
	}
	for _, tt := range []struct {
		set  string
		kind encoder.Kind
		q    Query
		kept float64
	}{
		{"scifact", encoder.NestedCentred, Query{Dims: 256, Candidates: 800}, .995},
		{"scifact", encoder.NestedCentred, Query{Dims: 512}, .995},
		{"scifact", encoder.NestedCentred, Query{Dims: 768}, .995},
		{"debian", encoder.NestedCentred, Query{Rescore: RescoreCodes}, .96},
		{"debian", encoder.FullCentred, Query{Rescore: RescoreCodes}, .96},
	} {
		t.Run(fmt.Sprintf("%s/%v/dims=%d", tt.set, tt.kind, tt.q.Dims), func(t *testing.T) {
			set := sharedSet(t, tt.set)
			c := set.fitted(t, tt.kind, encoder.Cosine)
			exact := set.ndcg(func(i int) []string {
				var ids []string
				for _, row := range set.truth[i] {
					ids = append(ids, fmt.Sprintf("%06d", row))
				}
				return ids
			})
			got := set.ndcg(func(i int) []string {
				q := tt.q
				q.Vector, q.K = set.queries[i], 10
				var ids []string
				for _, hit := range search(t, c, q).Hits {
					ids = append(ids, hit.ID)
				}
				return ids
			})
			t.Logf("nDCG@10 %.4f of %.4f, %.4f kept", got, exact, got/exact)
			if got < tt.kept*exact {
				t.Errorf("nDCG@10 is %.4f, want %.3f of %.4f", got, tt.kept, exact)
			}
		})
	}
}
