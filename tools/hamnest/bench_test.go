package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/machine"
	"github.com/hamnest/hamnest/tools/hamnest/measure"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
	"github.com/hamnest/hamnest/tools/hamnest/synthetic"
)

func TestBenchScanMeasuresEveryCombinationOnEveryKernel(t *testing.T) {
	stdout := must(t, "bench", "scan", "--rows", "1024", "--bits", "256,500", "--queries", "5", "--time", "1ms", "--format", "json")
	checkScanFields(t, stdout)
	got := decode[measure.ScanLine](t, stdout)
	var want []measure.ScanLine
	for _, kernel := range isa.Usable() {
		for _, bits := range []int{256, 500} {
			for _, queries := range []int{1, 5} {
				// 1024 rows have work for one thread, whatever the machine has.
				want = append(want, measure.ScanLine{Kernel: kernel.String(), QueryBits: 4, Bits: bits, Rows: 1024, Queries: queries, Threads: 1})
			}
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		w.MSPerQuery, w.GBPerS, w.BandwidthGBPerS, w.PopcountGBPerS = g.MSPerQuery, g.GBPerS, g.BandwidthGBPerS, g.PopcountGBPerS
		w.RatioToBandwidth, w.RatioToPopcount = g.RatioToBandwidth, g.RatioToPopcount
		if g != w {
			t.Errorf("line %d is %+v, want %+v", i, g, w)
		}
		checkScanLine(t, g)
		// The limits are measured in turns with the passes over the same codes.
		if first := got[i/2*2]; g.BandwidthGBPerS != first.BandwidthGBPerS || g.PopcountGBPerS != first.PopcountGBPerS {
			t.Errorf("line %d has limits %v and %v, want %v and %v", i, g.BandwidthGBPerS, g.PopcountGBPerS, first.BandwidthGBPerS, first.PopcountGBPerS)
		}
	}
}

// checkScanLine checks that the numbers of a line agree with one another.
func checkScanLine(t *testing.T, l measure.ScanLine) {
	t.Helper()
	if l.MSPerQuery <= 0 || l.BandwidthGBPerS <= 0 || l.PopcountGBPerS <= 0 {
		t.Errorf("%+v has a number that is not positive", l)
	}
	if want := float64(l.Rows) * float64(l.Bits) / 8 / (l.MSPerQuery / 1e3) / 1e9; !near(l.GBPerS, want) {
		t.Errorf("%+v: gb_per_s is %v, want %v", l, l.GBPerS, want)
	}
	if !near(l.RatioToBandwidth, l.GBPerS/l.BandwidthGBPerS) || !near(l.RatioToPopcount, l.GBPerS/l.PopcountGBPerS) {
		t.Errorf("%+v: the ratios are not those of its numbers", l)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Abs(b) }

// scanFields are what bench scan prints, in order, to programs and to people.
const scanFields = "kernel, query_bits, bits, rows, queries, threads, ms_per_query, gb_per_s, bandwidth_gb_per_s, popcount_gb_per_s, ratio_to_bandwidth, ratio_to_popcount"

// checkScanFields checks that the first line of stdout has all fields, in order.
func checkScanFields(t *testing.T, stdout string) {
	t.Helper()
	first, _, _ := strings.Cut(stdout, "\n")
	dec := json.NewDecoder(strings.NewReader(first))
	var names []string
	for i := 0; dec.More() || i == 0; i++ {
		token, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			names = append(names, token.(string))
		}
	}
	if got := strings.Join(names, ", "); got != scanFields {
		t.Errorf("fields are %s, want %s", got, scanFields)
	}
}

func TestBenchScanCanBeNarrowed(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one core")
	}
	t.Setenv(isa.Variable, "generic")
	got := decode[measure.ScanLine](t, must(t, "bench", "scan", "--rows", "4097", "--bits", "64", "--queries", "1", "--threads", "2", "--time", "1ms", "--format", "json"))
	var shapes []string
	for _, l := range got {
		shapes = append(shapes, fmt.Sprintf("%s %d %d %d %d %d", l.Kernel, l.QueryBits, l.Bits, l.Rows, l.Queries, l.Threads))
		checkScanLine(t, l)
	}
	if want := []string{"generic 4 64 4097 1 1", "generic 4 64 4097 1 2"}; !slices.Equal(shapes, want) {
		t.Errorf("lines are %q, want %q", shapes, want)
	}
	r := hamnest(t, "bench", "scan", "--rows", "4096", "--bits", "64", "--queries", "1", "--threads", "2", "--time", "1ms")
	if want := "4096 rows are enough work for 1 threads, not for 2\n"; r.code != 0 || r.stderr != want {
		t.Errorf("too few rows for the threads: code %d, %q, want %q", r.code, r.stderr, want)
	}
	if header, _, _ := strings.Cut(r.stdout, "\n"); strings.Join(strings.Fields(header), ", ") != scanFields {
		t.Errorf("the table's header is %q, want %s", header, scanFields)
	}
}

func TestBenchScanRefusesWhatItCannotMeasure(t *testing.T) {
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"--rows is 0, want 1 to 2147483647", []string{"--rows", "0"}},
		{"--bits has 0, want 1 to 65536", []string{"--bits", "64,0"}},
		{"--queries is 0, want 1 to 65536", []string{"--queries", "0"}},
		{fmt.Sprintf("--threads is -1, want 1 to %d", runtime.GOMAXPROCS(0)), []string{"--threads", "-1"}},
		{fmt.Sprintf("want 1 to %d", runtime.GOMAXPROCS(0)), []string{"--threads", "100000"}},
		{"--candidates is 0, want 1", []string{"--candidates", "0"}},
		{"--time is 0s, want more than 0s", []string{"--time", "0s"}},
		{`--kernel has "quantum", want those that this machine can run: [generic`, []string{"--kernel", "quantum"}},
		{"found 1 arguments, want: hamnest bench scan", []string{"now"}},
		{"unknown flag: --row; see hamnest bench scan --help", []string{"--row", "1"}},
	} {
		mustFail(t, tt.want, append([]string{"bench", "scan"}, tt.args...)...)
	}
	if _, known := machine.FreeBytes(); known {
		mustFail(t, "are free: want fewer or shorter codes", "bench", "scan", "--rows", "2147483647", "--bits", "64,65536")
	}
	mustFail(t, `unknown command "sacn" for "hamnest bench"`, "bench", "sacn")
}

func TestBenchScanEndsWhenInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, kernels := range []string{isa.Active().String(), "generic,generic"} {
		var stdout, stderr bytes.Buffer
		code := execute(ctx, []string{"bench", "scan", "--rows", "1000", "--kernel", kernels}, strings.NewReader(""), &stdout, &stderr)
		if code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "interrupted") {
			t.Errorf("%s: code %d, printed %q and %q, want 1 and interrupted", kernels, code, &stdout, &stderr)
		}
	}
}

func TestBenchDataIsASetToIngestAndEvaluate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	args := []string{"bench", "data", "--rows", "3000", "--dims", "128", "--queries", "20", "--out", dir, "--format", "json"}
	got := decode[setSummary](t, must(t, args...))[0]
	if got.Seconds <= 0 {
		t.Errorf("it took %v seconds", got.Seconds)
	}
	got.Seconds = 0
	want := setSummary{
		Out: dir, Rows: 3000, Dims: 128, Queries: 20, Truth: 100, Seed: 1, Clusters: 54,
		Noise: synthetic.DefaultNoise, Decay: synthetic.DefaultDecay, BaseBytes: 128 + 4*3000*128,
	}
	if got != want {
		t.Errorf("summary is %+v, want %+v", got, want)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	for name, shape := range map[string][2]int{"base.npy": {3000, 128}, "queries.npy": {20, 128}, "truth.npy": {20, 100}} {
		err := files.WithMatrix(files.Disk, file(name), func(m *npy.Reader) error {
			if m.Rows() != shape[0] || m.Cols() != shape[1] {
				t.Errorf("%s is %d x %d, want %v", name, m.Rows(), m.Cols(), shape)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	target := []string{"--data", t.TempDir()}
	must(t, on(target, "ingest", "s", file("base.npy"), "--create")...)
	row := decode[measure.Summary](t, must(t, on(target, "eval", "s", "--queries", file("queries.npy"), "--truth", file("truth.npy"), "--exact", "--format", "json")...))[0]
	if row.Recall != 1 {
		t.Errorf("an exact search finds %v of the truth, want all", row.Recall)
	}
	mustFail(t, "base.npy is there already", args...)
}

func TestBenchDataSaysWhatItWrote(t *testing.T) {
	dir := t.TempDir()
	got := must(t, "bench", "data", "--rows", "100", "--dims", "64", "--queries", "2", "--clusters", "3", "--float16", "--out", dir)
	for _, want := range []string{"base.npy", "100 vectors of 64 dimensions around 3 centres, 12.6 KiB", "queries.npy", "2 queries", "truth.npy", "100 exact answers a query"} {
		if !strings.Contains(got, want) {
			t.Errorf("it printed %q, want it to say %q", got, want)
		}
	}
}

func TestBenchDataRefusesWhatItCannotMake(t *testing.T) {
	out := t.TempDir()
	for _, tt := range []struct {
		want string
		args []string
	}{
		{`required flag(s) "dims", "out", "rows" not set`, nil},
		{"99 rows, want 100", []string{"--rows", "99", "--dims", "64", "--out", out}},
		{"0 dims, want 1 to 65536", []string{"--rows", "100", "--dims", "0", "--out", out}},
		{"0 queries, want 1", []string{"--rows", "100", "--dims", "64", "--queries", "0", "--out", out}},
		{"0 clusters, want 1", []string{"--rows", "100", "--dims", "64", "--clusters", "0", "--out", out}},
		{"noise -1, want more than 0", []string{"--rows", "100", "--dims", "64", "--noise", "-1", "--out", out}},
		{"not a directory", []string{"--rows", "100", "--dims", "64", "--out", writeFile(t, "file", nil)}},
	} {
		mustFail(t, tt.want, append([]string{"bench", "data"}, tt.args...)...)
	}
}
