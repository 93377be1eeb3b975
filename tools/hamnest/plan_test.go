package main

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/tools/hamnest/measure"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func TestAPlanIsWhatTheCollectionThenIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := decode[measure.Plan](t, must(t, "plan", "--rows", "8000", "--dims", "256", "--ladder", "128", "--data", dir, "--time", "1ms", "--format", "json"))[0]
	file := spectralMatrix(1, 8000, 256).file(t, "base.npy")
	must(t, "ingest", "c", file, "--create", "--ladder", "128", "--data", dir)
	stats := decode[statsJSON](t, must(t, "stats", "c", "--data", dir, "--format", "json"))[0]
	value := func(name string) float64 {
		e, ok := p.Estimates[name]
		if !ok {
			t.Errorf("the plan has no %s", name)
		}
		return e.Value
	}
	if got := value("memory_codes"); got != float64(stats.MemoryBytes) {
		t.Errorf("codes take %d bytes of memory, %v were planned", stats.MemoryBytes, got)
	}
	used := float64(stats.DiskBytes - stats.DiskFreeBytes)
	if got := value("disk_total") - value("disk_spare"); got < 0.95*used || got > 1.05*used {
		t.Errorf("%v bytes of disk are in use, %v were planned", used, got)
	}
	if p.ProfilePlanned != "learned" || !slices.Equal(p.Ladder, []int{128, 256}) {
		t.Errorf("profile %s and ladder %v are planned, want learned and 128,256", p.ProfilePlanned, p.Ladder)
	}
}

func TestAPlanSaysWhatEachNumberIsDerivedFrom(t *testing.T) {
	t.Parallel()
	p := decode[measure.Plan](t, must(t, "plan", "--rows", "70000", "--dims", "256", "--bits", "300", "--store", "int8", "--candidates", "50", "--metadata-bytes", "100", "--id-bytes", "20", "--time", "1ms", "--data", t.TempDir(), "--format", "json"))[0]
	if p.Profile != "learned" || p.ProfilePlanned != "learned" || p.Bits != 300 {
		t.Errorf("profile %q is planned as %q with %d bits, want learned with 300", p.Profile, p.ProfilePlanned, p.Bits)
	}
	sum := 0.0
	for name, e := range p.Estimates {
		if e.From == "" || e.Unit == "" || e.Value < 0 {
			t.Errorf("%s is %+v, want a number, a unit and what it is derived from", name, e)
		}
		if strings.HasPrefix(name, "disk_") && name != "disk_total" {
			sum += e.Value
		}
	}
	if total := p.Estimates["disk_total"].Value; sum != total {
		t.Errorf("the parts of the disk are %v together, want %v", sum, total)
	}
	if len(p.Searches) != 1 {
		t.Fatalf("%d searches, want the default one", len(p.Searches))
	}
	s := p.Searches[0]
	if s.Dims < 64 || s.CodeBytes < 16 || s.Candidates < 50 || s.Passes < 1 || s.VectorsRead < 10 || s.Refined < s.VectorsRead {
		t.Errorf("search is %+v, want at least 50 candidates and 10 vectors", s)
	}
	if s.ScanMS <= 0 || s.RestMS <= 0 || s.EncodeMS <= 0 || !near(s.LatencyMS, s.ScanMS+s.RestMS+s.EncodeMS) || s.QPS <= 0 {
		t.Errorf("search is %+v, want times above 0 and their sum", s)
	}
	var printed strings.Builder
	p.Order = slices.Collect(maps.Keys(p.Estimates))
	if err := printPlan(show.NewOutput(&printed, false), &p); err != nil {
		t.Fatal(err)
	}
	table := printed.String()
	for name, e := range p.Estimates {
		if !strings.Contains(table, name) {
			t.Errorf("the table lacks %s", name)
		}
		if strings.HasPrefix(name, "disk_") && !strings.Contains(table, e.From) {
			t.Errorf("the table lacks what %s is derived from, %q", name, e.From)
		}
	}
	few := must(t, "plan", "--rows", "100", "--dims", "512", "--time", "1ms", "--data", t.TempDir())
	if want := "profile learned (exact at this size)"; !strings.Contains(few, want) {
		t.Errorf("the table of few lacks %q", want)
	}
	for _, want := range []string{"profile learned, stored as int8", "latency_ms", "page cache"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q", want)
		}
	}
}

func TestAPlanOfAnyShapeIsMadeAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir, many := t.TempDir(), "1000"
	if allSets {
		many = "10000"
	}
	for _, tt := range [][]string{
		{"--rows", "1", "--dims", "1", "--metric", "dot"},
		{"--rows", "4294967295", "--dims", "64", "--metric", "l2", "--store", "none", "--profile", "signs"},
		{"--rows", "1000", "--dims", "300", "--store", "float16", "-k", "2"},
		{"--rows", "100000", "--dims", many, "--ladder", "64,128", "--store", "bfloat16", "--target-recall", "0.9"},
	} {
		args := append([]string{"plan", "--data", filepath.Join(dir, "not", "there"), "--time", "1ms", "--format", "json"}, tt...)
		var any map[string]any
		if err := json.Unmarshal([]byte(must(t, args...)), &any); err != nil {
			t.Errorf("%v: %v", tt, err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

func TestAPlanOfWhatCannotBeIsRefused(t *testing.T) {
	for _, tt := range []struct {
		want string
		args []string
	}{
		{`required flag(s) "dims", "rows" not set`, nil},
		{"--rows is 0, want at least 1", []string{"--rows", "0", "--dims", "64"}},
		{"--time is 0s, want more than 0s and at most 1m0s", []string{"--rows", "1", "--dims", "64", "--time", "0s"}},
		{"--time is 2m0s, want", []string{"--rows", "1", "--dims", "64", "--time", "2m"}},
		{"dims: 0, want 1 to 65536", []string{"--rows", "1", "--dims", "0"}},
		{"rows: 4294967296, want at most 4294967295", []string{"--rows", "4294967296", "--dims", "64"}},
		{"ids of 0 bytes, want 1 to 512", []string{"--rows", "1", "--dims", "64", "--id-bytes", "0"}},
		{"metadata of -1 bytes, want 0 to 65536", []string{"--rows", "1", "--dims", "64", "--metadata-bytes", "-1"}},
		{"unknown profile \"best\"", []string{"--rows", "1", "--dims", "64", "--profile", "best"}},
		{"profile: exact, want learned or signs", []string{"--rows", "1", "--dims", "64", "--profile", "exact"}},
		{"target_recall: 2, want more than 0", []string{"--rows", "1", "--dims", "64", "--target-recall", "2"}},
		{"candidates: 3, want at least k = 10", []string{"--rows", "1", "--dims", "64", "--candidates", "3"}},
		{"k: -1, want at least 1", []string{"--rows", "1", "--dims", "64", "-k", "-1"}},
	} {
		mustFail(t, tt.want, append([]string{"plan", "--time", "1ms", "--data", t.TempDir()}, tt.args...)...)
	}
}

func TestAPlanEndsWhenInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var stdout, stderr strings.Builder
	code := execute(ctx, []string{"plan", "--rows", "1000", "--dims", "64", "--data", dir}, strings.NewReader(""), &stdout, &stderr)
	if code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("code %d, printed %q and %q, want 1 and interrupted", code, stdout.String(), stderr.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}
