package index

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/storage"
)

// A directory that is open for reading answers as ever, beside others that read it, and
// refuses every change by name.
func TestADirectoryOpenForReadingIsNotChanged(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(12, 1))
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 32})
	records := randomRecords(r, 0, 300, 32)
	upsert(t, c, records...)
	closeSound(t, db)

	before := listing(t, dir)
	db = openWith(t, dir, Options{ReadOnly: true})
	beside := openWith(t, dir, Options{ReadOnly: true})
	for _, db := range []*DB{db, beside} {
		c, err := db.Collection("c")
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records[:5] {
			if hits := ask(t, c, Query{Vector: record.Vector, K: 3}).Hits; hits[0].ID != record.ID {
				t.Errorf("%q finds %v", record.ID, hits)
			}
		}
		if c.Count() != 300 {
			t.Errorf("%d vectors, want 300", c.Count())
		}
		ctx, half := t.Context(), encoder.Float16
		_, _, submitted := c.Submit(ctx, records[:1])
		_, removed := c.Remove(ctx, []string{records[0].ID})
		if _, err := c.Calibrate(ctx, CalibrateOptions{}); err != nil { // it keeps nothing
			t.Errorf("calibrate: %v", err)
		}
		_, created := db.Create(ctx, Spec{Name: "more", Dims: 8})
		for what, err := range map[string]error{
			"upsert": c.Upsert(ctx, records[:1]), "submit": submitted, "remove": removed, "update": c.Update(ctx, Change{Store: &half}),
			"labels": c.SetLabels(ctx, nil), "create": created, "delete": db.DeleteCollection(ctx, "c"),
		} {
			if !errors.Is(err, ErrReadOnly) {
				t.Errorf("%s: error is %v, want ErrReadOnly", what, err)
			}
		}
	}
	closeSound(t, db)
	closeSound(t, beside)
	if after := listing(t, dir); after != before {
		t.Errorf("the directory is\n%swant\n%s", after, before)
	}
	if _, err := Open(filepath.Join(dir, "no"), Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not there: error is %v, want that", err)
	}
}

// listing returns the names, sizes and times of all below dir.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			fmt.Fprintln(&b, path, info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What was acknowledged must be there for the next who opens the directory.
func TestACollectionWhoseFileIsGoneRefusesWritesAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 8})
	record := Record{ID: "a", Vector: []float32{1, 2, 3, 4, 5, 6, 7, 8}}
	upsert(t, c, record)
	if err := errors.Join(db.Health(), c.Health()); err != nil {
		t.Errorf("before: health is %v", err)
	}
	path := db.catalog.ShardPath(*c.entry.Load())
	for _, file := range []string{path, filepath.Join(dir, "catalog.db")} {
		if err := os.Rename(file, file+".away"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.Rename(file+".away", file); err != nil {
				t.Error(err)
			}
		}()
	}
	half := encoder.Float16
	for what, err := range map[string]error{
		"upsert": c.Upsert(t.Context(), []Record{record}), "health": c.Health(), "labels": c.SetLabels(t.Context(), nil),
		"update": c.Update(t.Context(), Change{Store: &half}), "health of the catalog": db.Health(),
	} {
		if !errors.Is(err, ErrGone) {
			t.Errorf("%s: error is %v, want ErrGone", what, err)
		}
	}
	if hits := ask(t, c, Query{Vector: record.Vector, K: 1}).Hits; hits[0].ID != "a" {
		t.Errorf("a search finds %v", hits)
	}
}

func TestCollectionsWithoutACatalogAreAdoptedUnderTheirNames(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	for _, name := range []string{"a", "b"} {
		upsert(t, create(t, db, Spec{Name: name, Dims: 2}), Record{ID: name, Vector: []float32{1, 2}})
	}
	closeSound(t, db)
	if err := os.Remove(filepath.Join(dir, "catalog.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrOrphans) {
		t.Fatalf("error is %v, want ErrOrphans", err)
	}
	names, err := Adopt(dir)
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Fatalf("adopted %q (%v)", names, err)
	}
	db = openDB(t, dir)
	for _, name := range names {
		c, err := db.Collection(name)
		if err != nil {
			t.Fatal(err)
		}
		if found, _, err := c.Get(t.Context(), []string{name}, ReadOptions{}); err != nil || len(found) != 1 {
			t.Errorf("%q has %v (%v)", name, found, err)
		}
	}
}

func TestNamesAreListedWithoutOpeningACollection(t *testing.T) {
	dir := t.TempDir()
	if _, err := NamesIn(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no collections: error is %v, want fs.ErrNotExist", err)
	}
	db := openDB(t, dir)
	create(t, db, Spec{Name: "b", Dims: 2})
	create(t, db, Spec{Name: "a", Dims: 2})
	if _, err := NamesIn(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("of an open directory: error is %v, want ErrLocked", err)
	}
	closeSound(t, db)
	shards, err := filepath.Glob(filepath.Join(dir, "*", "shard-*"))
	if err != nil || len(shards) != 2 {
		t.Fatalf("shards are %q (%v)", shards, err)
	}
	for _, shard := range shards {
		if err := os.Remove(shard); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := NamesIn(dir); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("names are %q (%v), want a and b though their files are gone", names, err)
	}
}

// A changed meaning must not be read as the old one: what is newer is refused by what it is.
func TestRowsOfANewerMeaningAreRefused(t *testing.T) {
	spec := Spec{Name: "c", Dims: 64}
	state, err := emptyState(&spec)
	if err != nil {
		t.Fatal(err)
	}
	sound, err := state.schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, engine, frozen, by, want string
	}{
		{"stored vectors", `"vectors":1`, "", `"vectors":2`, "stored vectors of version 2, and this program reads 1 to 1"},
		{"codes", "", `"version":2`, `"version":4`, "codes of profile version 4, and this program reads 1 to 3"},
		{"a metric", `"cosine"`, "", `"manhattan"`, "manhattan"},
		{"a precision", `"float32"`, "", `"int4"`, "int4"},
		{"a profile", "", `"exact"`, `"ternary"`, "ternary"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			newer := storage.Schema{Dims: sound.Dims, VectorBytes: sound.VectorBytes, Engine: sound.Engine, Frozen: sound.Frozen}
			edit := func(b []byte, old string) []byte {
				if old == "" {
					return b
				}
				changed := strings.Replace(string(b), old, tt.by, 1)
				if changed == string(b) {
					t.Fatalf("%s has no %s", b, old)
				}
				return []byte(changed)
			}
			newer.Engine, newer.Frozen = edit(sound.Engine, tt.engine), edit(sound.Frozen, tt.frozen)
			if _, err := readSchema(newer); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want ErrVersion and %q", err, tt.want)
			}
		})
	}
	if _, err := readSchema(sound); err != nil {
		t.Errorf("of today: %v", err)
	}
}
