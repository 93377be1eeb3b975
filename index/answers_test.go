package index

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

var writeAnswers = flag.Bool("write-answers", false, "write testdata/answers.txt anew instead of comparing with it")

// answersOf describes how c answers queries, a line for each way to ask: a hash of all ids
// and score bits, and the first hit for a reader to see.
func answersOf(t *testing.T, c *Collection, queries [][]float32, vectors bool) []byte {
	t.Helper()
	ways := []struct {
		name string
		q    Query
	}{
		{"default", Query{K: 10}},
		{"k=1", Query{K: 1}},
		{"k=100", Query{K: 100}},
		{"target=.9", Query{K: 10, TargetRecall: .9}},
		{"bound=2", Query{K: 10, Bound: 2}},
		{"candidates=50", Query{K: 10, Candidates: 50}},
		{"oversampling=3", Query{K: 10, Oversampling: 3}},
		{"dims=64", Query{K: 10, Dims: 64}},
		{"dims=256", Query{K: 10, Dims: 256}},
		{"rescore=none", Query{K: 10, Rescore: RescoreNone}},
		{"rescore=none dims=128", Query{K: 10, Rescore: RescoreNone, Dims: 128}},
		{"rescore=codes", Query{K: 10, Rescore: RescoreCodes}},
		{"rescore=vectors", Query{K: 10, Rescore: RescoreVectors}},
		{"exact", Query{K: 10, Exact: true}},
		{"exact dims=128", Query{K: 10, Exact: true, Dims: 128}},
	}
	if !vectors { // plain signs
		ways = ways[:0]
		for _, stage := range []Rescore{RescoreAuto, RescoreNone, RescoreCodes} {
			ways = append(ways, struct {
				name string
				q    Query
			}{"rescore=" + stage.String(), Query{K: 10, Rescore: stage}})
		}
	}
	var b bytes.Buffer
	for _, size := range []int{768, 256, 64} {
		for _, way := range ways {
			if way.q.Dims > size {
				continue
			}
			h := fnv.New64a()
			var first Hit
			for i, v := range queries {
				q := way.q
				q.Vector = v[:size]
				for _, hit := range ask(t, c, q).Hits {
					if i == 0 && first.ID == "" {
						first = hit
					}
					h.Write([]byte(hit.ID))
					h.Write(binary.LittleEndian.AppendUint32([]byte{0}, math.Float32bits(hit.Score)))
				}
			}
			fmt.Fprintf(&b, "query=%d %s: %016x, first %s %v\n", size, way.name, h.Sum64(), first.ID, first.Score)
		}
	}
	return b.Bytes()
}

// What a directory answers is a function of what is stored and of the request: neither the
// instruction set, nor the number of cores, nor how the code is arranged has a part in it.
func TestAnswersStayWhatTheyWere(t *testing.T) {
	t.Parallel()
	sample := sampleSet(t)
	queries := sample.queries[:20]
	var got bytes.Buffer
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		for _, store := range []encoder.Precision{encoder.Float32, encoder.Float16, encoder.BFloat16, encoder.Int8, encoder.None} {
			if metric != encoder.Cosine && store != encoder.Float32 || testing.Short() && got.Len() > 0 {
				continue
			}
			c := create(t, openDB(t, t.TempDir()), Spec{Name: "sample", Dims: 768, Ladder: encoder.DefaultLadder(768), Metric: metric, Store: store})
			records := make([]Record, len(sample.base))
			for i, v := range sample.base {
				records[i] = Record{ID: fmt.Sprintf("%06d", i), Vector: v}
			}
			upsert(t, c, records[:3000]...) // what is learnt is learnt of these,
			settle(t, c)
			upsert(t, c, records[3000:]...)
			for i := 0; i < 600; i += 3 { // in each segment some rows are retired
				if _, err := c.Remove(t.Context(), []string{records[i].ID}); err != nil {
					t.Fatal(err)
				}
			}
			upsert(t, c, records[600:700]...)
			fmt.Fprintf(&got, "# %v, %v, profile %v\n", metric, store, c.Info().ProfileInForce)
			got.Write(answersOf(t, c, queries, store != encoder.None))
		}
	}
	path := filepath.Join("testdata", "answers.txt")
	if *writeAnswers {
		if err := os.WriteFile(path, got.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wants, gots := bytes.Split(want, []byte("\n")), bytes.Split(got.Bytes(), []byte("\n"))
	if testing.Short() {
		wants = append(wants[:len(gots)-1], nil)
	}
	if len(wants) != len(gots) {
		t.Fatalf("%d lines, want %d: -write-answers writes them anew", len(gots), len(wants))
	}
	heading := []byte(nil)
	for i := range wants {
		if bytes.HasPrefix(wants[i], []byte("#")) {
			heading = wants[i]
		}
		if !bytes.Equal(wants[i], gots[i]) {
			t.Errorf("%s: %s, want %s", heading, gots[i], wants[i])
		}
	}
}
