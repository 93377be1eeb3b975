package main

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/x448/float16"
)

// What follows up to the first test is an independent brute force over the
// sample's files: it shares no code with the product.

const sampleDims, sampleAnswers = 768, 100

// sampleVectors returns the rows of a float16 file, whose header takes 128 bytes.
func sampleVectors(t *testing.T, name string) (vectors [][]float64) {
	b := sampleFile(t, name)[128:]
	for row := range slices.Chunk(b, 2*sampleDims) {
		v := make([]float64, sampleDims)
		for i := range v {
			v[i] = float64(float16.Frombits(binary.LittleEndian.Uint16(row[2*i:])).Float32())
		}
		vectors = append(vectors, v)
	}
	return vectors
}

func sampleFile(t *testing.T, name string) []byte {
	b, err := os.ReadFile(filepath.Join("demodata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func bruteCosine(a, b []float64) float64 {
	var dot, aa, bb float64
	for i := range a {
		dot, aa, bb = dot+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return dot / math.Sqrt(aa*bb)
}

func bruteSigns(v []float64, dims int) (code [sampleDims / 8]uint8) {
	for i := range dims {
		if v[i] > 0 {
			code[i/8] |= 1 << (i % 8)
		}
	}
	return code
}

// bruteMagnitudes returns the magnitudes of v in steps of a fifteenth of the largest.
func bruteMagnitudes(v []float64) []float64 {
	var largest float64
	for _, x := range v {
		largest = max(largest, math.Abs(x))
	}
	steps := make([]float64, len(v))
	for i, x := range v {
		steps[i] = math.Round(math.Abs(x) / (largest / 15))
	}
	return steps
}

// bruteRecall returns recall@10 of the candidates that differ least in the first dims
// signs, each counted by the query's magnitude, all of them ranked by cosine when
// there are more than 10.
func bruteRecall(base, queries [][]float64, ids []string, truth []byte, dims, candidates int) float64 {
	codes := make([][sampleDims / 8]uint8, len(base))
	for row, v := range base {
		codes[row] = bruteSigns(v, dims)
	}
	found := 0
	for q, query := range queries {
		code, magnitudes := bruteSigns(query, dims), bruteMagnitudes(query)
		distance := make([]float64, len(base))
		order := make([]int, len(base))
		for row := range base {
			order[row] = row
			for i := range dims {
				if (code[i/8]^codes[row][i/8])>>(i%8)&1 == 1 {
					distance[row] += magnitudes[i]
				}
			}
		}
		byDistance := func(a, b int) int { return cmp.Or(cmp.Compare(distance[a], distance[b]), cmp.Compare(ids[a], ids[b])) }
		slices.SortFunc(order, byDistance)
		order = order[:candidates]
		if candidates > 10 {
			for _, row := range order {
				distance[row] = -bruteCosine(query, base[row])
			}
			slices.SortFunc(order, byDistance)
		}
		tenth := base[binary.LittleEndian.Uint32(truth[4*(q*sampleAnswers+9):])]
		for _, row := range order[:10] { // right is what is as near as the tenth of the truth
			if bruteCosine(query, base[row]) >= bruteCosine(query, tenth)-1e-6 {
				found++
			}
		}
	}
	return float64(found) / float64(10*len(queries))
}

func TestDemoAgreesWithBruteForceAndWithWhatIsKnownOfTheSample(t *testing.T) {
	base, queries, truth := sampleVectors(t, "base.npy"), sampleVectors(t, "queries.npy"), sampleFile(t, "truth.npy")[128:]
	var ids []string
	for line := range strings.Lines(string(sampleFile(t, "docs.jsonl"))) {
		var doc struct{ ID string }
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, doc.ID)
	}
	rows := decode[demoRow](t, must(t, "demo", "--format", "json"))
	if len(rows) != 2*len(demoPrefixes)+1 {
		t.Fatalf("%d rows, want two a prefix and the reference", len(rows))
	}
	for _, row := range rows[:len(rows)-1] {
		want := bruteRecall(base, queries, ids, truth, row.Dims, max(10, row.Rescored))
		if math.Abs(row.Recall-want) > 1e-9 {
			t.Errorf("%d bits, %d rescored: recall@10 is %.6f, want %.6f", row.Dims, row.Rescored, row.Recall, want)
		}
	}

	// What is known of this sample.
	for _, want := range []demoRow{
		{Codes: "bits", Dims: 256, Rescored: 0, Recall: 0.624, BytesPerVector: 32, TimesSmaller: 96},
		{Codes: "bits", Dims: 256, Rescored: 40, Recall: 0.895, NDCG: 0.803, BytesPerVector: 32, TimesSmaller: 96},
		{Codes: "bits", Dims: 768, Rescored: 0, Recall: 0.704, BytesPerVector: 96, TimesSmaller: 32},
		{Codes: "bits", Dims: 768, Rescored: 40, Recall: 0.951, NDCG: 0.807, BytesPerVector: 96, TimesSmaller: 32},
		{Codes: "float32", Dims: 768, Rescored: 0, Recall: 1, NDCG: 0.808, BytesPerVector: 3072, TimesSmaller: 1},
	} {
		i := slices.IndexFunc(rows, func(r demoRow) bool {
			return r.Codes == want.Codes && r.Dims == want.Dims && r.Rescored == want.Rescored
		})
		if i < 0 {
			t.Errorf("no row of %s, %d dims, %d rescored", want.Codes, want.Dims, want.Rescored)
			continue
		}
		got := rows[i]
		if math.Abs(got.Recall-want.Recall) > 0.005 || (want.NDCG != 0 && math.Abs(got.NDCG-want.NDCG) > 0.005) ||
			got.BytesPerVector != want.BytesPerVector || got.TimesSmaller != want.TimesSmaller {
			t.Errorf("row is %+v, want %+v", got, want)
		}
	}
	if last := rows[len(rows)-1]; last.Recall != 1 || last.NDCGKept != 1 {
		t.Errorf("the reference is %+v, want recall 1 and all of its nDCG", last)
	}
}

func TestDemoLeavesNothingBehindAndSaysWhatIsNext(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	got := must(t, "demo")
	for _, want := range []string{
		"5000 descriptions of Debian packages as vectors of 768 dimensions",
		"float32            3072       1x       all      1.000    0.808    100.0 %",
		"\n  \"Distraction free Markdown editor\"\n    1. apostrophe (0.",
		"hamnest eval packages --queries queries.npy --truth truth.npy",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("demo prints\n%swithout %q", got, want)
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("demo leaves %v behind (%v)", left, err)
	}
}

func TestBundledSampleCarriesItsAttribution(t *testing.T) {
	readme, err := demoData.ReadFile("demodata/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "Package descriptions from the Debian archive (bookworm, main), each under its package's free licence; vectors computed from them with static-mrl-768."; !strings.Contains(string(readme), want) {
		t.Errorf("the sample's README.md does not say %q", want)
	}
}
