package main

import (
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func TestDemoShowsWhatIsKnownOfTheSampleAndLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetErr(io.Discard)
	var people, programs strings.Builder
	err := runDemo(cmd, func(d *demo) error {
		return errors.Join(d.print(t.Context(), show.NewOutput(&people, false)), d.print(t.Context(), show.NewOutput(&programs, true)))
	})
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("demo leaves %v behind (%v)", left, err)
	}
	for _, want := range []string{
		"5000 descriptions of Debian packages as vectors of 768 dimensions",
		"all vectors            3072          5000      1.000    0.808    100.0 %",
		"\n      by default             147",
		"\n  \"Distraction free Markdown editor\"\n    1. apostrophe (0.",
		"hamnest eval packages --queries queries.npy --truth truth.npy",
	} {
		if !strings.Contains(people.String(), want) {
			t.Errorf("demo prints\n%swithout %q", people.String(), want)
		}
	}
	rows := decode[demoRow](t, programs.String())
	// The recall is at least that of the target; the numbers that follow are in the middle of
	// those that were seen: what is learnt depends on which rows the first commits bring.
	want := []demoRow{
		{Search: "by default", Dims: 768, TargetRecall: .995, VectorsRead: 18, Recall: .999, NDCG: .805, BytesPerVector: 147},
		{Search: "target 0.95", Dims: 768, TargetRecall: .95, VectorsRead: 15, Recall: .991, NDCG: .805, BytesPerVector: 147},
		{Search: "target 0.9", Dims: 768, TargetRecall: .9, VectorsRead: 15, Recall: .987, NDCG: .805, BytesPerVector: 147},
		{Search: "codes alone", Dims: 768, Recall: .895, NDCG: .802, BytesPerVector: 147},
		{Search: "first 256 dims", Dims: 256, TargetRecall: .995, VectorsRead: 19, Recall: .914, NDCG: .802, BytesPerVector: 147},
		{Search: "all vectors", Dims: 768, VectorsRead: 5000, Recall: 1, NDCG: .808, BytesPerVector: 3072},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, w := range want {
		got := rows[i]
		if got.Search != w.Search || got.Dims != w.Dims || got.TargetRecall != w.TargetRecall || math.Abs(float64(got.BytesPerVector-w.BytesPerVector)) > 3 ||
			math.Abs(got.TimesSmaller-3072/float64(got.BytesPerVector)) > 1e-9 ||
			math.Abs(got.VectorsRead-w.VectorsRead) > 5 || math.Abs(got.Recall-w.Recall) > .015 || math.Abs(got.NDCG-w.NDCG) > .01 {
			t.Errorf("row is %+v, want %+v", got, w)
		}
	}
	if first := rows[0]; first.Recall < .99 {
		t.Errorf("by default %+v, want a recall of 0.99 at least", first)
	}
	if last := rows[len(rows)-1]; last.Recall != 1 || last.NDCGKept != 1 {
		t.Errorf("the reference is %+v, want recall 1 and all of its nDCG", last)
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
