package storage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

func mustAlias(t testing.TB, c *Catalog, alias string, e Entry) {
	t.Helper()
	if err := c.SetAlias(alias, e.Name); err != nil {
		t.Fatal(err)
	}
}

func mustHaveAliases(t testing.TB, c *Catalog, want ...Alias) {
	t.Helper()
	if got, err := c.Aliases(); err != nil || !slices.Equal(got, want) {
		t.Errorf("aliases are %+v (%v), want %+v", got, err, want)
	}
}

func TestAliasesAreKeptSwitchedAndRemoved(t *testing.T) {
	dir := t.TempDir()
	c := openCatalog(t, dir)
	reopen := func() {
		mustClose(t, c)
		c = openCatalog(t, dir)
	}
	mustHaveAliases(t, c)
	a, b := mustCreate(t, c, "a", nil), mustCreate(t, c, "b", nil)
	mustAlias(t, c, "prod", a)
	mustAlias(t, c, "dev", a)
	mustHaveAliases(t, c, Alias{"dev", a.ID}, Alias{"prod", a.ID})
	mustAlias(t, c, "prod", b)
	reopen()
	mustHaveAliases(t, c, Alias{"dev", a.ID}, Alias{"prod", b.ID})
	if err := c.DeleteAlias("dev"); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteAlias("dev"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an alias that is gone: %v, want ErrNotFound", err)
	}
	reopen()
	mustHaveAliases(t, c, Alias{"prod", b.ID})
	mustList(t, c, []Entry{a, b})
}

func TestANameIsACollectionsOrAnAliass(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	a, b := mustCreate(t, c, "a", nil), mustCreate(t, c, "b", nil)
	mustAlias(t, c, "prod", a)
	for what, err := range map[string]error{
		"an alias with a collection's name":     c.SetAlias("b", "a"),
		"an alias with its own collection's":    c.SetAlias("a", "a"),
		"a new collection with an alias's name": second(c.Create("prod", nil, tinySchema())),
		"one renamed to an alias of another":    second(c.Rename("b", "prod")),
		"one renamed to an alias of its own":    second(c.Rename("a", "prod")),
		"one renamed to another":                second(c.Rename("a", "b")),
		"one renamed to the name that it has":   second(c.Rename("a", "a")),
	} {
		if !errors.Is(err, ErrExists) {
			t.Errorf("%s: %v, want ErrExists", what, err)
		}
	}
	for what, err := range map[string]error{
		"an alias of what is not there": c.SetAlias("x", "c"),
		"an alias of an alias":          c.SetAlias("x", "prod"),
		"one renamed that is not there": second(c.Rename("prod", "x")),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
	long := strings.Repeat("x", MaxIDBytes+1)
	for _, name := range []string{"", long} {
		if c.SetAlias(name, "a") == nil || second(c.Rename("a", name)) == nil {
			t.Errorf("a name of %d bytes is taken", len(name))
		}
	}
	mustHaveAliases(t, c, Alias{"prod", a.ID})
	mustList(t, c, []Entry{a, b})
}

func second(_ Entry, err error) error { return err }

func TestACollectionWithAliasesIsNotDropped(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	a, b := mustCreate(t, c, "a", nil), mustCreate(t, c, "b", nil)
	mustAlias(t, c, "prod", a)
	mustAlias(t, c, "dev", a)
	if err := c.Delete("a"); !errors.Is(err, ErrAliased) || !strings.Contains(err.Error(), `"dev", "prod"`) {
		t.Errorf("error %v, want ErrAliased with both names", err)
	}
	mustAlias(t, c, "prod", b)
	if err := c.DeleteAlias("dev"); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete("a"); err != nil {
		t.Errorf("when none is left: %v", err)
	}
	mustList(t, c, []Entry{b})
}

func TestARenamedCollectionKeepsAllButItsName(t *testing.T) {
	dir := t.TempDir()
	c := openCatalog(t, dir)
	a := mustCreate(t, c, "a", map[string]string{"k": "v"})
	mustAlias(t, c, "prod", a)
	renamed, err := c.Rename("a", "z")
	a.Name = "z"
	if err != nil || renamed.Name != "z" || renamed.ID != a.ID {
		t.Fatalf("renamed to %+v, %v, want %+v", renamed, err, a)
	}
	for range 2 {
		mustHaveAliases(t, c, Alias{"prod", a.ID})
		mustList(t, c, []Entry{a})
		mustClose(t, c)
		c = openCatalog(t, dir)
	}
	mustCreate(t, c, "a", nil) // the old name is free
}

// What a program that knows no aliases does to collections makes aliases void, and no damage.
func TestAliasesThatOlderProgramsMadeVoidAreRemoved(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change change
	}{
		{"the collection was deleted", func(tx *bolt.Tx) error { return tx.Bucket(bucketCollections).Delete([]byte("a")) }},
		{"the name was given to another", func(tx *bolt.Tx) error {
			e, err := entryOf(tx, "b")
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketCollections).Delete([]byte("b")); err != nil {
				return err
			}
			e.Name = "prod"
			return putEntry(tx, e)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c := openCatalog(t, dir)
			a, b := mustCreate(t, c, "a", nil), mustCreate(t, c, "b", nil)
			mustAlias(t, c, "prod", a)
			mustAlias(t, c, "dev", b)
			mustClose(t, c)
			if err := os.RemoveAll(filepath.Dir(c.ShardPath(a))); err != nil {
				t.Fatal(err)
			}
			tamper(t, filepath.Join(dir, catalogFile), tt.change)
			reader, err := ReadCatalog(dir)
			if err != nil {
				t.Fatal(err)
			}
			mustHaveAliases(t, reader, Alias{"dev", b.ID})
			mustClose(t, reader)
			c = openCatalog(t, dir)
			mustHaveAliases(t, c, Alias{"dev", b.ID})
			err = c.db.View(func(tx *bolt.Tx) error {
				if tx.Bucket(bucketAliases).Get([]byte("prod")) != nil {
					t.Error("the alias is still on disk")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestADamagedAliasIsFound(t *testing.T) {
	prod := []byte("prod")
	for _, tt := range []struct {
		name   string
		change change
	}{
		{"a flipped bit", edit(bucketAliases, prod, flip(5))},
		{"no JSON", editBody(bucketAliases, prod, func([]byte) []byte { return []byte("{") })},
		{"an id that is none", editBody(bucketAliases, prod, func([]byte) []byte { return []byte(`{"id":"../x"}`) })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c := openCatalog(t, dir)
			mustAlias(t, c, "prod", mustCreate(t, c, "a", nil))
			mustClose(t, c)
			tamper(t, filepath.Join(dir, catalogFile), tt.change)
			if c, err := OpenCatalog(dir); !errors.Is(err, ErrCorrupt) {
				t.Errorf("opened %v, error %v, want ErrCorrupt", c, err)
			}
		})
	}
}
