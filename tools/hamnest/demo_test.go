package main

import (
	"math"
	"os"
	"strings"
	"testing"
)

func TestDemoShowsWhatIsKnownOfTheSample(t *testing.T) {
	rows := decode[demoRow](t, must(t, "demo", "--format", "json"))
	want := []demoRow{
		{Codes: "bits", Dims: 256, Recall: 0.698, NDCG: 0.764, BytesPerVector: 36},
		{Codes: "bits", Dims: 256, Rescored: 76, Recall: 0.999, NDCG: 0.805, BytesPerVector: 36},
		{Codes: "bits", Dims: 512, Recall: 0.743, NDCG: 0.791, BytesPerVector: 72},
		{Codes: "bits", Dims: 512, Rescored: 75, Recall: 1, NDCG: 0.808, BytesPerVector: 72},
		{Codes: "bits", Dims: 768, Recall: 0.755, NDCG: 0.797, BytesPerVector: 108},
		{Codes: "bits", Dims: 768, Rescored: 75, Recall: 1, NDCG: 0.808, BytesPerVector: 108},
		{Codes: "float32", Dims: 768, Recall: 1, NDCG: 0.808, BytesPerVector: 3072},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want two a prefix and the reference", len(rows))
	}
	for i, w := range want {
		got := rows[i]
		if got.Codes != w.Codes || got.Dims != w.Dims || got.BytesPerVector != w.BytesPerVector || math.Abs(got.TimesSmaller-3072/float64(w.BytesPerVector)) > 1e-9 ||
			math.Abs(float64(got.Rescored-w.Rescored)) > 5 || math.Abs(got.Recall-w.Recall) > .005 || math.Abs(got.NDCG-w.NDCG) > .005 {
			t.Errorf("row is %+v, want %+v", got, w)
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
