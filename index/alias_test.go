package index

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// setProd makes prod an alias of a collection.
func setProd(t *testing.T, db *DB, collection string) {
	t.Helper()
	if _, err := db.SetAlias(t.Context(), "prod", collection); err != nil {
		t.Fatal(err)
	}
}

func aliasesOf(t *testing.T, db *DB) []Alias {
	t.Helper()
	var all []Alias
	for a, err := range db.Aliases(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// tagged makes a collection each of whose rows has a metadata that tells whose it is.
func tagged(t *testing.T, db *DB, name string, rows int) *Collection {
	t.Helper()
	c := create(t, db, Spec{Name: name, Dims: 8})
	records := randomRecords(rand.New(rand.NewPCG(1, 50)), 0, rows, 8)
	for i := range records {
		records[i].Metadata = fmt.Appendf(nil, `{"of":%q}`, name)
	}
	upsert(t, c, records...)
	return c
}

func TestAnAliasIsTakenWhereverANameIs(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := tagged(t, db, "docs-2026", 10)
	setProd(t, db, "docs-2026")
	for range 2 {
		ctx := t.Context()
		if info, err := db.GetCollection(ctx, "prod"); err != nil || info.Name != "docs-2026" {
			t.Errorf("it is described as %+v (%v), want docs-2026", info, err)
		}
		for what, call := range map[string]func() error{
			"labels":  func() error { _, err := db.SetLabels(ctx, "prod", map[string]string{"a": "b"}); return err },
			"update":  func() error { _, err := db.UpdateCollection(ctx, "prod", Change{}); return err },
			"compact": func() error { _, err := db.Compact(ctx, "prod"); return err },
			"stats":   func() error { _, err := db.Stats(ctx, "prod"); return err },
			"check":   func() error { _, err := db.Check(ctx, "prod"); return err },
			"upsert":  func() error { return db.Upsert(ctx, "prod", nil) },
			"get":     func() error { _, _, err := db.Get(ctx, "prod", []string{"id-00001"}, ReadOptions{}); return err },
			"delete":  func() error { _, err := db.Delete(ctx, "prod", []string{"nope"}); return err },
			"list":    func() error { _, _, err := db.ListPage(ctx, "prod", 3, "", ReadOptions{}); return err },
			"count":   func() error { _, err := db.Count(ctx, "prod", ""); return err },
			"search":  func() error { _, err := db.Search(ctx, "prod", Query{ID: "id-00001", K: 1}); return err },
			"batch": func() error {
				_, err := db.BatchSearch(ctx, "prod", []Query{{ID: "id-00001", K: 1}})
				return err
			},
			"another alias": func() error {
				a, err := db.SetAlias(ctx, "dev", "prod")
				if a.Collection != "docs-2026" {
					err = errors.Join(err, fmt.Errorf("it leads to %q", a.Collection))
				}
				return err
			},
		} {
			if err := call(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		settle(t, c)
		if names := db.Names(); !slices.Equal(names, []string{"docs-2026"}) {
			t.Errorf("the collections are %q, want the one", names)
		}
		if got := aliasesOf(t, db); !slices.Equal(got, []Alias{{Name: "dev", Collection: "docs-2026"}, {Name: "prod", Collection: "docs-2026"}}) {
			t.Errorf("the aliases are %+v", got)
		}
		closeSound(t, db)
		db = openDB(t, dir)
		var err error
		if c, err = db.Collection("prod"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNamesAreNeverShared(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	create(t, db, Spec{Name: "a", Dims: 8})
	create(t, db, Spec{Name: "b", Dims: 8})
	setProd(t, db, "a")
	ctx := t.Context()
	for _, tt := range []struct {
		what string
		is   error
		text string
		call func() error
	}{
		{"an alias with a collection's name", ErrExists, `"b"`, func() error { _, err := db.SetAlias(ctx, "b", "a"); return err }},
		{"an alias of its own name", ErrExists, `"a"`, func() error { _, err := db.SetAlias(ctx, "a", "a"); return err }},
		{"a collection with an alias's name", ErrExists, `"prod"`, func() error { _, err := db.Create(ctx, Spec{Name: "prod", Dims: 8}); return err }},
		{"a new name that is an alias's", ErrExists, `"prod"`, func() error { _, err := db.RenameCollection(ctx, "b", "prod"); return err }},
		{"a new name that is a collection's", ErrExists, `"b"`, func() error { _, err := db.RenameCollection(ctx, "a", "b"); return err }},
		{"an alias of nothing", ErrNotFound, `"nope"`, func() error { _, err := db.SetAlias(ctx, "x", "nope"); return err }},
		{"renaming nothing", ErrNotFound, `"nope"`, func() error { _, err := db.RenameCollection(ctx, "nope", "x"); return err }},
		{"deleting no alias", ErrNotFound, `"a"`, func() error { return db.DeleteAlias(ctx, "a") }},
		{"renaming an alias", &InvalidError{}, `alias of collection "a"`, func() error { _, err := db.RenameCollection(ctx, "prod", "x"); return err }},
		{"deleting a collection by an alias", &InvalidError{}, `alias of collection "a"`, func() error { return db.DeleteCollection(ctx, "prod") }},
		{"deleting a collection with an alias", ErrAliased, `"prod"`, func() error { return db.DeleteCollection(ctx, "a") }},
		{"a malformed alias", &InvalidError{}, "name", func() error { _, err := db.SetAlias(ctx, "../x", "a"); return err }},
		{"a malformed new name", &InvalidError{}, "new_name", func() error { _, err := db.RenameCollection(ctx, "a", ""); return err }},
	} {
		err := tt.call()
		var invalid *InvalidError
		if is := errors.Is(err, tt.is); (!is && !errors.As(err, &invalid)) || is == (invalid != nil) || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v that says %s", tt.what, err, tt.is, tt.text)
		}
	}
	if names := db.Names(); !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("the collections are %q, want a and b", names)
	}
	closeSound(t, db)
	reader, err := Open(dir, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := reader.Count(ctx, "prod", ""); err != nil {
		t.Errorf("an alias in a directory that is read: %v", err)
	}
	for what, err := range map[string]error{
		"set": func() error { _, err := reader.SetAlias(ctx, "x", "a"); return err }(), "delete": reader.DeleteAlias(ctx, "prod"),
		"rename": func() error { _, err := reader.RenameCollection(ctx, "a", "x"); return err }(),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", what, err)
		}
	}
}

// Each answer is of one collection, and those that begin after the switch are of the new one.
func TestAnAliasIsSwitchedAtOnce(t *testing.T) {
	db := openDB(t, t.TempDir())
	old, next := tagged(t, db, "docs-2026", 2000), tagged(t, db, "docs-2027", 2000)
	setProd(t, db, "docs-2026")
	under, release, err := old.acquire()
	if err != nil {
		t.Fatal(err)
	}
	var searching sync.WaitGroup
	switched, stop := make(chan struct{}), make(chan struct{})
	for range 3 {
		searching.Go(func() {
			for {
				after := false
				select {
				case <-stop:
					return
				case <-switched:
					after = true
				default:
				}
				res, err := db.Search(t.Context(), "prod", Query{Vector: []float32{1, 2, 3, 4, 5, 6, 7, 8}, K: 50, WithMetadata: true})
				if err != nil {
					t.Error(err)
					return
				}
				for _, h := range res.Hits {
					if of := string(h.Metadata); of != string(res.Hits[0].Metadata) || after && of != `{"of":"docs-2027"}` {
						t.Errorf("a hit is of %s, the first of %s, after the switch: %t", of, res.Hits[0].Metadata, after)
						return
					}
				}
			}
		})
	}
	setProd(t, db, "docs-2027")
	close(switched)
	results, err := under.searchAll(t.Context(), []Query{{ID: "id-00003", K: 1}}) // a search under way ends where it began
	release()
	if err != nil || len(results[0].Hits) != 1 {
		t.Errorf("a search that began before: %v", err)
	}
	if err := db.DeleteCollection(t.Context(), "docs-2026"); err != nil {
		t.Error(err)
	}
	close(stop)
	searching.Wait()
	if c, err := db.Collection("prod"); err != nil || c != next {
		t.Errorf("the alias leads elsewhere (%v), want docs-2027", err)
	}
}

func TestATokenOfAListIsOfOneCollection(t *testing.T) {
	db := openDB(t, t.TempDir())
	tagged(t, db, "a", 10)
	tagged(t, db, "b", 10)
	setProd(t, db, "a")
	_, token, err := db.ListPage(t.Context(), "prod", 3, "", ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.RenameCollection(t.Context(), "a", "z"); err != nil {
		t.Fatal(err)
	}
	if page, _, err := db.ListPage(t.Context(), "prod", 3, token, ReadOptions{}); err != nil || page[0].ID != "id-00003" {
		t.Errorf("after a renaming: %v, want the next page", err)
	}
	setProd(t, db, "b")
	if _, _, err := db.ListPage(t.Context(), "prod", 3, token, ReadOptions{}); fieldOf(err) != "page_token" || !strings.Contains(err.Error(), "another collection") {
		t.Errorf("after a switch: %v, want an InvalidError of page_token that tells of another collection", err)
	}
}

func TestARenamedCollectionGoesOn(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := tagged(t, db, "a", 2000)
	setProd(t, db, "a")
	var writing sync.WaitGroup
	for w := range 2 { // labels change the entry too
		writing.Go(func() {
			for i := range 20 {
				if err := c.SetLabels(t.Context(), map[string]string{"n": fmt.Sprint(w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if _, err := c.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := db.RenameCollection(t.Context(), "a", "z")
	if err != nil || info.Name != "z" || info.Dims != 8 {
		t.Fatalf("renamed to %+v, %v", info, err)
	}
	writing.Wait()
	settle(t, c)
	if err := c.SetLabels(t.Context(), map[string]string{"k": "v"}); err != nil {
		t.Error(err)
	}
	for range 2 {
		for _, name := range []string{"z", "prod"} {
			if info, err := db.GetCollection(t.Context(), name); err != nil || info.Name != "z" || info.Labels["k"] != "v" {
				t.Errorf("%s is %+v (%v), want z with its labels", name, info, err)
			}
		}
		if n, err := db.Count(t.Context(), "prod", ""); err != nil || n != 2000 {
			t.Errorf("%d vectors (%v), want 2000", n, err)
		}
		if _, err := db.Collection("a"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the old name: %v, want ErrNotFound", err)
		}
		if names := db.Names(); !slices.Equal(names, []string{"z"}) {
			t.Errorf("the collections are %q, want z", names)
		}
		closeSound(t, db)
		db = openDB(t, dir)
	}
	create(t, db, Spec{Name: "a", Dims: 3}) // the old name is free
}
