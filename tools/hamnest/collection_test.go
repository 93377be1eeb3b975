package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

func TestCollectionIsMadeListedDescribedAndDeleted(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		created := decode[collectionJSON](t, must(t, on(target, "collection", "create", "docs", "--dims", "768", "--ladder", "128,256",
			"--bits", "900", "--metric", "dot", "--label", "model=m1", "--label", "owner=me", "--format", "json")...))
		must(t, on(target, "collection", "create", "abc", "--dims", "100")...)

		described := decode[collectionJSON](t, must(t, on(target, "collection", "describe", "docs", "--format", "json")...))
		for _, got := range []collectionJSON{created[0], described[0]} {
			if got.Name != "docs" || got.Dims != 768 || !slices.Equal(got.Ladder, []int{128, 256, 768}) || got.Metric != encoder.Dot ||
				got.Profile != "learned" || got.ProfileInForce != "exact" || got.Bits != 900 || got.ProfileFingerprint == "" || len(got.Labels) != 2 || got.Labels["model"] != "m1" || got.Created.IsZero() {
				t.Errorf("collection is %+v", got)
			}
		}
		table := must(t, on(target, "collection", "describe", "docs")...)
		for _, want := range []string{"128,256,768", "label model", "m1"} {
			if !strings.Contains(table, want) {
				t.Errorf("description %q does not have %q", table, want)
			}
		}

		list := decode[collectionJSON](t, must(t, on(target, "collection", "list", "--format", "json")...))
		if len(list) != 2 || list[0].Name != "abc" || list[1].Name != "docs" {
			t.Errorf("list is %+v, want abc and docs", list)
		}
		if table := must(t, on(target, "collection", "list")...); !strings.Contains(table, "docs  768   128,256,768  dot     learned") {
			t.Errorf("list is %q", table)
		}

		signs := decode[collectionJSON](t, must(t, on(target, "collection", "create", "signs", "--dims", "100", "--profile", "signs", "--format", "json")...))[0]
		if signs.Profile != "signs" || signs.ProfileInForce != "signs" || signs.ProfileFingerprint == created[0].ProfileFingerprint {
			t.Errorf("collection is %+v, want profile signs", signs)
		}
		must(t, on(target, "collection", "delete", "signs", "--yes")...)
		must(t, on(target, "collection", "delete", "docs", "--yes")...)
		list = decode[collectionJSON](t, must(t, on(target, "collection", "list", "--format", "json")...))
		if len(list) != 1 || list[0].Name != "abc" {
			t.Errorf("list after the delete is %+v, want abc", list)
		}
	})
}

func TestCollectionIsUpdated(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		stats := func() statsJSON {
			return decode[statsJSON](t, must(t, on(target, "stats", "c", "--format", "json")...))[0]
		}
		before := stats()
		got := decode[collectionJSON](t, must(t, on(target, "collection", "update", "c", "--profile", "learned", "--store", "float16", "--wait", "--format", "json")...))[0]
		if got.Profile != "learned" || got.ProfileInForce != "exact" || got.Store != encoder.Float16 {
			t.Errorf("updated to %+v, want learned, so few of which have no codes, and float16", got)
		}
		if after := stats(); after.Vectors != before.Vectors || after.Rewrite != nil || after.RewriteError != "" || 2*after.VectorBytesPerVector != before.VectorBytesPerVector {
			t.Errorf("stats are %+v, were %+v", after, before)
		}
		must(t, on(target, "collection", "update", "c", "--profile", "signs", "--wait")...)
		if got := must(t, on(target, "collection", "describe", "c")...); !strings.Contains(got, "signs") {
			t.Errorf("description %q does not have signs", got)
		}
		must(t, on(target, "delete", "c", "doc1")...)
		must(t, on(target, "collection", "update", "c", "--store", "int8", "--wait")...)
		if after := stats(); after.Retired != 0 || after.Dropped != 1 {
			t.Errorf("stats are %+v, want none retired and 1 dropped", after)
		}
		for _, tt := range []struct {
			name string
			want string
			args []string
		}{
			{"nothing", "want --profile or --store", []string{"c"}},
			{"a collection that is not there", `collection "nope": not found`, []string{"nope", "--store", "int8"}},
			{"a profile that nobody can ask for", "profile: exact, want learned or signs", []string{"c", "--profile", "exact"}},
			{"an unknown profile", `unknown profile "cubist"`, []string{"c", "--profile", "cubist"}},
			{"an unknown precision", `unknown precision "float8"`, []string{"c", "--store", "float8"}},
			{"a precision raised", "float32, want int8 or less: what was rounded away", []string{"c", "--store", "float32"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				mustFail(t, tt.want, on(target, append([]string{"collection", "update"}, tt.args...)...)...)
			})
		}
	})
}

func TestCollectionIsCompacted(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		must(t, on(target, "delete", "c", "doc1", "doc2")...)
		before := decode[statsJSON](t, must(t, on(target, "stats", "c", "--format", "json")...))[0]
		got := decode[statsJSON](t, must(t, on(target, "collection", "compact", "c", "--wait", "--format", "json")...))[0]
		if before.Retired != 2 || got.Retired != 0 || got.Dropped != 2 || got.Vectors != before.Vectors || got.Rewrite != nil {
			t.Errorf("stats are %+v, were %+v, want none retired and 2 dropped", got, before)
		}
		mustFail(t, `collection "nope": not found`, on(target, "collection", "compact", "nope")...)
	})
}

func TestBadCollectionsAreRefused(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "collection", "create", "docs", "--dims", "8")...)
		before := snapshot(t, target)
		for _, tt := range []struct {
			name string
			want string
			args []string
		}{
			{"a name that is taken", `collection "docs": already exists`, []string{"create", "docs", "--dims", "8"}},
			{"a name with a space", `"a b", want 1 to 128 of`, []string{"create", "a b", "--dims", "8"}},
			{"no dimensions", "0, want 1 to 65536", []string{"create", "new", "--dims", "0"}},
			{"dimensions left out", `required flag(s) "dims" not set`, []string{"create", "new"}},
			{"too few bits", "319 bits a vector of 768 dimensions, want 320 to 1792", []string{"create", "new", "--dims", "768", "--bits", "319"}},
			{"a ladder that is no ladder", "ladder step 128 follows 256", []string{"create", "new", "--dims", "768", "--ladder", "256,128"}},
			{"an unknown metric", `unknown metric "manhattan"`, []string{"create", "new", "--dims", "8", "--metric", "manhattan"}},
			{"an unknown profile", `unknown profile "cubist"`, []string{"create", "new", "--dims", "8", "--profile", "cubist"}},
			{"two names", "found 2 arguments, want: hamnest collection create NAME", []string{"create", "a", "b", "--dims", "8"}},
			{"describing what is not there", `collection "nope": not found`, []string{"describe", "nope"}},
			{"deleting what is not there", `collection "nope": not found`, []string{"delete", "nope", "--yes"}},
			{"deleting without being asked", "there is no terminal to ask: want --yes", []string{"delete", "docs"}},
			{"a subcommand that is none", `unknown command "drop" for "hamnest collection"`, []string{"drop", "docs"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				args := append([]string{"collection"}, tt.args...)
				if tt.args[0] != "drop" {
					args = on(target, args...)
				}
				mustFail(t, tt.want, args...)
			})
		}
		if after := snapshot(t, target); after != before {
			t.Errorf("the store changed from %s to %s", before, after)
		}
	})
}

func TestDamagedCollectionDoesNotHideTheOthers(t *testing.T) {
	dir := t.TempDir()
	searchable(t, []string{"--data", dir}) // makes c
	if err := os.Truncate(shardFile(t, dir), 0); err != nil {
		t.Fatal(err)
	}
	must(t, "collection", "create", "d", "--dims", "8", "--data", dir)
	check := func(t *testing.T, target []string) {
		r := hamnest(t, on(target, "collection", "list")...)
		if r.code != 1 || !strings.Contains(r.stdout, "\nd     8 ") || strings.Contains(r.stdout, "\nc ") || !strings.Contains(r.stderr, `hamnest: collection "c": `) {
			t.Errorf("list gives code %d, %q and %q, want d, and a failure that names c", r.code, r.stdout, r.stderr)
		}
		must(t, on(target, "collection", "describe", "d")...)
	}
	t.Run("in a directory", func(t *testing.T) { check(t, []string{"--data", dir}) })
	t.Run("on a server", func(t *testing.T) { check(t, []string{"--server", startServer(t, dir)}) })
	must(t, "collection", "delete", "c", "--yes", "--data", dir)
	if got := must(t, "collection", "list", "--data", dir); strings.Contains(got, "\nc ") {
		t.Errorf("after its deletion c is still listed: %q", got)
	}
}

func TestCollectionsOfALostCatalogAreAdopted(t *testing.T) {
	dir := t.TempDir()
	target := []string{"--data", dir}
	searchable(t, target) // makes c
	must(t, "collection", "create", "d", "--dims", "8", "--data", dir)
	if got := must(t, "collection", "adopt", "--data", dir); got != "the catalog lists every collection\n" {
		t.Errorf("with nothing to adopt it prints %q", got)
	}
	if err := os.Remove(filepath.Join(dir, "catalog.db")); err != nil {
		t.Fatal(err)
	}
	way := "hamnest collection adopt --data " + dir
	for _, command := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"collection", "list"}, {"collection", "create", "e", "--dims", "8"}, {"search", "c", "--id", "doc1"}, {"check", "c"}} {
		mustFail(t, way, on(target, command...)...)
	}
	got := must(t, on(target, strings.Fields("collection adopt")...)...)
	if lines := slices.Sorted(strings.Lines(got)); !slices.Equal(lines, []string{"adopted c\n", "adopted d\n"}) {
		t.Errorf("it prints %q, want c and d", got)
	}
	if got := must(t, on(target, "search", "c", "--id", "doc1", "-k", "1", "--format", "json")...); !strings.Contains(got, `"hits":[{`) {
		t.Errorf("a search then prints %q", got)
	}
	if err := os.Remove(filepath.Join(dir, "catalog.db")); err != nil {
		t.Fatal(err)
	}
	adopted := decode[adoptedJSON](t, must(t, on(target, "collection", "adopt", "--format", "json")...))
	if len(adopted) != 2 {
		t.Errorf("as JSON it prints %v, want two", adopted)
	}
	mustFail(t, "there is no directory "+dir+"/missing", "collection", "adopt", "--data", dir+"/missing")
	mustFail(t, "give --data DIR", "collection", "adopt")
}

// A program of commit 134efe0 wrote these, of 64 dimensions, and nothing in them tells it from an older one.
func TestOlderCodesAreTrustedWhenTheOwnerSaysSo(t *testing.T) {
	const golden = "../../index/testdata/golden/134efe0"
	search := []string{"search", "nested.none", "--vector", "[" + strings.Repeat("1,", 63) + "2]", "-k", "1"}
	for name, trust := range map[string]func(t *testing.T, dir string){
		"by an update": func(t *testing.T, dir string) {
			must(t, "collection", "update", "nested.none", "--trust-older-codes", "--data", dir)
		},
		"by a server": func(t *testing.T, dir string) {
			t.Run("serving", func(t *testing.T) {
				target := []string{"--server", startServer(t, dir, "--trust-older-codes")}
				must(t, on(target, search...)...)
				mustFail(t, "hamnest serve --trust-older-codes", on(target, "collection", "update", "nested.none", "--trust-older-codes")...)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
				t.Fatal(err)
			}
			target := []string{"--data", dir}
			mustFail(t, "--trust-older-codes", on(target, "collection", "update", "nested.none", "--profile", "signs")...)
			trust(t, dir)
			must(t, on(target, search...)...) // it needs no trust any more
		})
	}
}

func TestStatsMeasureTheCollection(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		must(t, on(target, "delete", "c", "doc1", "doc2")...)
		got := decode[statsJSON](t, must(t, on(target, "stats", "c", "--format", "json")...))[0]
		if got.Vectors != 198 || got.Retired != 2 || got.CodeBytesPerVector != 22 || got.VectorBytesPerVector != 512 || got.Commits == 0 ||
			got.MemoryBytes == 0 || got.DiskBytes == 0 || got.Kernel == "" || got.ProfileFingerprint == "" {
			t.Errorf("stats are %+v", got)
		}
		table := must(t, on(target, "stats", "c")...)
		for _, want := range []string{"vectors              198\n", "retired              2\n", "code, a vector       22 B\n"} {
			if !strings.Contains(table, want) {
				t.Errorf("table %q does not have %q", table, want)
			}
		}
	})
}
