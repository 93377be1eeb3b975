package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Folders that no catalog has were collections: they are not passed over in silence.
func TestFoldersWithoutAnEntryAreNotPassedOver(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lose  func(t *testing.T, dir string)
		taken string // the name of a collection that the new catalog has
		want  []string
	}{
		{"the catalog was removed", func(t *testing.T, dir string) { mustRemove(t, filepath.Join(dir, catalogFile)) }, "", []string{"docs", "notes"}},
		{"another is in its place", func(t *testing.T, dir string) {
			mustRemove(t, filepath.Join(dir, catalogFile))
			other := t.TempDir()
			c := openCatalog(t, other)
			mustClose(t, c)
			rename(t, "", filepath.Join(other, catalogFile), filepath.Join(dir, catalogFile))
		}, "", []string{"docs", "notes"}},
		{"another that has one of the names", func(t *testing.T, dir string) {
			mustRemove(t, filepath.Join(dir, catalogFile))
			other := t.TempDir()
			c := openCatalog(t, other)
			e := mustCreate(t, c, "notes", nil)
			mustClose(t, c)
			rename(t, "", filepath.Join(other, catalogFile), filepath.Join(dir, catalogFile))
			rename(t, "", filepath.Join(other, e.ID), filepath.Join(dir, e.ID))
		}, "notes", []string{"docs", "ID"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c := openCatalog(t, dir)
			m := newModel(tinySchema())
			ids := make(map[string]string)
			for _, name := range []string{"docs", "notes"} {
				ids[name] = mustCreate(t, c, name, nil).ID
			}
			entries, err := c.List()
			if err != nil {
				t.Fatal(err)
			}
			s := openShard(t, c.ShardPath(entries[0]))
			ops := m.randomOps(newRand(1), 20)
			mustCommit(t, s, ops...)
			m.commit(ops)
			mustClose(t, s)
			mustClose(t, c)

			tt.lose(t, dir)
			before := listing(t, dir)
			if c, err := OpenCatalog(dir); !errors.Is(err, ErrOrphans) || !strings.Contains(err.Error(), ids["docs"]) || !strings.Contains(err.Error(), "hamnest collection adopt --data "+dir) {
				t.Fatalf("opened %v, error %v, want ErrOrphans, the folder, and what to do", c, err)
			}
			if _, err := os.Stat(filepath.Join(dir, catalogFile)); errors.Is(err, fs.ErrNotExist) {
				if c, err := ReadCatalog(dir); !errors.Is(err, ErrOrphans) {
					t.Fatalf("opened %v for reading, error %v, want ErrOrphans", c, err)
				}
			}
			if tt.taken == "" && listing(t, dir) != before {
				t.Errorf("the directory is\n%swant\n%s", listing(t, dir), before)
			}
			adopted, err := Adopt(dir)
			if err != nil || len(adopted) != 2 {
				t.Fatalf("adopted %+v (%v), want 2", adopted, err)
			}
			var names []string
			for _, e := range adopted {
				name := e.Name
				if name == ids["notes"] {
					name = "ID"
				}
				names = append(names, name)
			}
			if slices.Sort(names); !slices.Equal(names, slices.Sorted(slices.Values(tt.want))) {
				t.Errorf("adopted are %q, want %q", names, tt.want)
			}
			c = openCatalog(t, dir)
			entries, err = c.List()
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == "docs" && e.ID == ids["docs"] })
			if at < 0 {
				t.Fatalf("entries are %+v, want one of docs", entries)
			}
			m.mustHold(t, openShard(t, c.ShardPath(entries[at])))
			if again, err := Adopt(t.TempDir()); err != nil || len(again) != 0 {
				t.Errorf("of an empty directory: adopted %+v (%v), want none", again, err)
			}
		})
	}
}

// A rewrite keeps the name that adoption goes by, and files of older programs have none.
func TestAdoptionGoesByWhatTheFileSays(t *testing.T) {
	dir := t.TempDir()
	c := openCatalog(t, dir)
	e := mustCreate(t, c, "docs", nil)
	old := openShard(t, c.ShardPath(e))
	s, err := c.BeginRewrite(e, tinySchema())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(old); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	mustClose(t, old)
	mustClose(t, c)
	mustRemove(t, filepath.Join(dir, catalogFile))
	if adopted, err := Adopt(dir); err != nil || len(adopted) != 1 || adopted[0].Name != "docs" {
		t.Errorf("adopted %+v (%v), want docs", adopted, err)
	}

	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "v2"))); err != nil {
		t.Fatal(err)
	}
	mustRemove(t, filepath.Join(dir, catalogFile))
	adopted, err := Adopt(dir)
	if err != nil || len(adopted) != 2 || adopted[0].Name != adopted[0].ID || adopted[1].Name != adopted[1].ID {
		t.Errorf("adopted %+v (%v), want two of the names of their folders", adopted, err)
	}
}

// Half an adoption would need another.
func TestADamagedFolderIsNotAdoptedNorAnyBesideIt(t *testing.T) {
	dir := t.TempDir()
	c := openCatalog(t, dir)
	mustCreate(t, c, "docs", nil)
	e := mustCreate(t, c, "notes", nil)
	mustClose(t, c)
	overwrite(t, c.ShardPath(e), 0, make([]byte, 2*pageBytes))
	mustRemove(t, filepath.Join(dir, catalogFile))
	if adopted, err := Adopt(dir); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), e.ID) {
		t.Errorf("adopted %+v, error %v, want ErrCorrupt and the folder", adopted, err)
	}
	if _, err := OpenCatalog(dir); !errors.Is(err, ErrOrphans) {
		t.Errorf("then open says %v, want ErrOrphans", err)
	}
}

func mustRemove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
