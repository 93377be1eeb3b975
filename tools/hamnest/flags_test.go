package main

import (
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func TestLargeNumbersAreReadAsPeopleWriteThem(t *testing.T) {
	for in, want := range map[string]uint64{
		"1M": 1_000_000, "41M": 41_000_000, "1e6": 1_000_000, "1_000_000": 1_000_000, "250k": 250_000, "1.5M": 1_500_000, "2G": 2_000_000_000, "0": 0, "7": 7,
	} {
		if got, err := parseCount(in); got != want || err != nil {
			t.Errorf("%q is %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "M", "-1", "1.5", "1e-3", "NaN", "Inf", "1e30", "ten", "1MM", "0x10", "1m"} {
		if got, err := parseCount(in); err == nil || !strings.Contains(err.Error(), "want a whole number such as 1000000") {
			t.Errorf("%q is %d, %v, want an error", in, got, err)
		}
	}
}

func TestThreadsHoldForOneCommand(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	during := 0
	cmd := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { during = runtime.GOMAXPROCS(0); return nil }}
	addThreads(cmd)
	cmd.SetArgs([]string{"--threads", "1"})
	if err := cmd.Execute(); err != nil || during != 1 || runtime.GOMAXPROCS(0) != before {
		t.Errorf("%d threads during and %d after (%v), want 1 and %d", during, runtime.GOMAXPROCS(0), err, before)
	}
	mustFail(t, "--threads is 0, want at least 1", "demo", "--threads", "0")
	mustFail(t, "--threads is -1, want at least 1", "serve", "--threads", "-1", "--data", t.TempDir())
}

func TestCommandsThatComputeTakeThreads(t *testing.T) {
	for _, path := range []string{"serve", "ingest", "search", "eval", "calibrate", "plan", "demo", "bench scan", "bench data", "collection update"} {
		cmd, _, err := newRoot().Find(strings.Fields(path))
		if err != nil || cmd.Flags().Lookup("threads") == nil {
			t.Errorf("hamnest %s takes no --threads (%v)", path, err)
		}
	}
}

func TestPlanAndIngestAssumeTheShapeThatCreateMakes(t *testing.T) {
	flags := func(path string) *cobra.Command {
		cmd, _, err := newRoot().Find(strings.Fields(path))
		if err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	create := flags("collection create")
	for _, path := range []string{"plan", "ingest"} {
		for _, name := range []string{"dims", "ladder", "bits", "metric", "profile", "store"} {
			if got, want := flags(path).Flags().Lookup(name).Value.String(), create.Flags().Lookup(name).Value.String(); got != want {
				t.Errorf("%s assumes --%s %s, and create %s", path, name, got, want)
			}
		}
	}
}

func TestShellsCompleteNamesAndValues(t *testing.T) {
	complete := func(args ...string) string { return must(t, append([]string{"__complete"}, args...)...) }
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "collection", "create", "packages", "--dims", "8")...)
		must(t, on(target, "collection", "create", "notes", "--dims", "8")...)
		for _, command := range [][]string{{"search"}, {"stats"}, {"collection", "describe"}, {"ingest"}} {
			if got := complete(slices.Concat(command, target, []string{""})...); !strings.Contains(got, "notes\npackages\n:4\n") {
				t.Errorf("%v completes to %q, want the names", command, got)
			}
		}
		if got := complete(slices.Concat([]string{"collection", "create"}, target, []string{""})...); strings.Contains(got, "notes") {
			t.Errorf("create completes to %q, want no name that is there", got)
		}
	})
	for _, nowhere := range [][]string{{"--data", t.TempDir() + "/nowhere"}, {"--server", "http://x"}, {}} {
		if got := complete(slices.Concat([]string{"stats"}, nowhere, []string{""})...); !strings.HasPrefix(got, ":") {
			t.Errorf("with %v it completes to %q, want nothing", nowhere, got)
		}
	}
	for want, args := range map[string][]string{
		"cosine\ndot\nl2\n":                {"plan", "--metric", ""},
		"table\njson\n":                    {"stats", "--format", ""},
		"auto\nnone\ncodes\nvectors\n":     {"eval", "--rescore", ""},
		"learned\nsigns\n":                 {"collection", "create", "--profile", ""},
		"float16\nbfloat16\nint8\nnone\n":  {"collection", "update", "--store", ""},
		"numpy\nnumpy-signed\npgvector\nf": {"export", "--dialect", ""},
	} {
		if got := complete(args...); !strings.HasPrefix(got, want) {
			t.Errorf("%v completes to %q, want %q", args, got, want)
		}
	}
}

func TestVersionKnowsItsCommitHoweverItWasBuilt(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for _, tt := range []struct {
		name     string
		version  string
		settings []debug.BuildSetting
		want     []string // in the table
	}{
		{
			"go build", "v0.0.0-20261128083354-0123456789ab+dirty",
			[]debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.time", Value: "2026-11-28T08:33:54Z"}, {Key: "vcs.modified", Value: "true"}},
			[]string{commit + ", with local changes", "2026-11-28T08:33:54Z"},
		},
		{"go install", "v0.0.0-20261128083354-0123456789ab", nil, []string{"0123456789ab\n", "2026-11-28T08:33:54Z"}},
		{"go install after a release", "v1.2.4-0.20261128083354-0123456789ab", nil, []string{"0123456789ab\n", "2026-11-28T08:33:54Z"}},
		{"go install of a release", "v1.2.3", nil, []string{"hamnest   v1.2.3", "commit    unknown", "date      unknown"}},
		{"go run", "(devel)", nil, []string{"commit    unknown: built without the repository, for example by go run"}},
	} {
		info := &debug.BuildInfo{Settings: tt.settings}
		info.Main.Version = tt.version
		var b strings.Builder
		if err := printVersion(show.NewOutput(&b, false), versionOf(info)); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(tt.want, func(want string) bool { return !strings.Contains(b.String(), want) }) {
			t.Errorf("%s: it prints\n%swant %q", tt.name, b.String(), tt.want)
		}
	}
}
