package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// openCatalog opens a catalog that is closed when the test ends.
func openCatalog(t testing.TB, dir string) *Catalog {
	t.Helper()
	c, err := OpenCatalog(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, berrors.ErrDatabaseNotOpen) {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func mustCreate(t testing.TB, c *Catalog, name string, labels map[string]string) Entry {
	t.Helper()
	e, err := c.Create(name, labels, tinySchema())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// mustList fails the test unless the catalog lists want and the directory has
// the catalog and the folders of those collections, sound, and nothing else.
func mustList(t testing.TB, c *Catalog, want []Entry) {
	t.Helper()
	got, err := c.List()
	if err != nil {
		t.Fatal(err)
	}
	want = slices.Clone(want)
	slices.SortFunc(want, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	if len(got) != len(want) || (len(got) > 0 && !reflect.DeepEqual(got, want)) {
		t.Errorf("list is %+v, want %+v", got, want)
	}
	files := []string{catalogFile}
	for _, e := range want {
		files = append(files, e.ID)
		mustBeSound(t, c.ShardPath(e))
	}
	slices.Sort(files)
	if found := folder(t, c.dir); !slices.Equal(found, files) {
		t.Errorf("the folder has %q, want %q", found, files)
	}
}

// folder returns the sorted names in a folder.
func folder(t testing.TB, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

func TestACatalogRemembersItsCollections(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on the way")
	c := openCatalog(t, dir)
	reopen := func() {
		mustClose(t, c)
		c = openCatalog(t, dir)
	}
	mustList(t, c, nil)
	reopen()
	mustList(t, c, nil)

	b := mustCreate(t, c, "b", map[string]string{"team": "search", "": "x"})
	a := mustCreate(t, c, "a", nil)
	mustList(t, c, []Entry{a, b})
	reopen()
	mustList(t, c, []Entry{a, b})

	for _, labels := range []map[string]string{{"team": "ads"}, nil, {"new": "one", "and": "another"}} {
		changed, err := c.SetLabels("b", labels)
		if err != nil {
			t.Fatal(err)
		}
		b.Labels = labels
		if !reflect.DeepEqual(changed, b) {
			t.Errorf("entry is %+v, want %+v", changed, b)
		}
		mustList(t, c, []Entry{a, b})
		reopen()
		mustList(t, c, []Entry{a, b})
	}

	if err := c.Delete("a"); err != nil {
		t.Fatal(err)
	}
	mustList(t, c, []Entry{b})
	reopen()
	again := mustCreate(t, c, "a", nil)
	if again.ID == a.ID {
		t.Error("a new collection has the id of the one before")
	}
	mustList(t, c, []Entry{again, b})
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	e := mustCreate(t, c, "there", nil)
	for _, name := range []string{"", "the", "there ", "There"} {
		if _, err := c.SetLabels(name, nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("labels of %q: error is %v, want ErrNotFound", name, err)
		}
		if err := c.Delete(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("delete %q: error is %v, want ErrNotFound", name, err)
		}
	}
	mustList(t, c, []Entry{e})
}

func TestACollectionThatIsRefusedLeavesNothingBehind(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	e := mustCreate(t, c, "taken", nil)
	for _, tt := range []struct {
		name   string
		schema Schema
		want   error // nil for any
	}{
		{"taken", tinySchema(), ErrExists},
		{"", tinySchema(), nil},
		{strings.Repeat("x", MaxIDBytes+1), tinySchema(), nil},
		{"without dimensions", Schema{}, nil},
		{"without an engine", Schema{Dims: 1}, nil},
	} {
		if got, err := c.Create(tt.name, nil, tt.schema); err == nil || (tt.want != nil && !errors.Is(err, tt.want)) {
			t.Errorf("%q: made %+v, error %v, want one", tt.name, got, err)
		}
		mustList(t, c, []Entry{e})
	}
}

func TestACollectionsNameIsAnyBytesUpToTheLimit(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	var entries []Entry
	for _, name := range []string{"x", "..", "a/b", "\x00\xff", "日本", strings.Repeat("y", MaxIDBytes)} {
		entries = append(entries, mustCreate(t, c, name, nil))
	}
	mustList(t, c, entries)
	for len(entries) > 0 {
		if err := c.Delete(entries[0].Name); err != nil {
			t.Fatal(err)
		}
		entries = entries[1:]
		mustList(t, c, entries)
	}
}

func TestTheShardOfACollectionKeepsItsRows(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	e := mustCreate(t, c, "docs", nil)
	m, s := newModel(tinySchema()), openSound(t, c.ShardPath(e))
	ops := m.randomOps(newRand(1), 30)
	mustCommit(t, s, ops...)
	m.commit(ops)
	mustClose(t, s)
	mustClose(t, c)
	c = openCatalog(t, c.dir)
	m.mustHold(t, openShard(t, c.ShardPath(e)))
}

// crashedID is the folder of the collection of the crash tests.
const crashedID = "0123456789abcdef0123456789abcdef"

// enter puts that collection into a closed catalog by hand, and
// strike takes it out.
func enter(t *testing.T, dir string) {
	t.Helper()
	tamper(t, filepath.Join(dir, catalogFile), func(tx *bolt.Tx) error {
		body, err := json.Marshal(map[string]string{"id": crashedID, "created": "2026-01-02T03:04:05Z"})
		if err != nil {
			return err
		}
		key := []byte("crashed")
		return tx.Bucket(bucketCollections).Put(key, seal(key, body))
	})
}

func strike(t *testing.T, dir string) {
	t.Helper()
	tamper(t, filepath.Join(dir, catalogFile), remove(bucketCollections, []byte("crashed")))
}

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(path...), 0o700); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, content string, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every state in which a crash can leave the making and the dropping of a
// collection, step by step, and what opening makes of it: the table of FORMAT.md.
func TestOpeningEndsWhatACrashCutShort(t *testing.T) {
	const id = crashedID
	for _, tt := range []struct {
		name  string
		build func(t *testing.T, dir string) // id has the whole folder of a collection, not in the catalog
		there bool                           // the collection, afterwards
	}{
		{"making: an empty folder", func(t *testing.T, dir string) {
			rename(t, dir, id, id+".creating")
			if err := os.Remove(filepath.Join(dir, id+".creating", shardFile)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"making: an empty shard file", func(t *testing.T, dir string) {
			rename(t, dir, id, id+".creating")
			write(t, "", dir, id+".creating", shardFile)
		}, false},
		{"making: half a shard file", func(t *testing.T, dir string) {
			rename(t, dir, id, id+".creating")
			if err := os.Truncate(filepath.Join(dir, id+".creating", shardFile), 5000); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"making: a shard, not in the catalog", func(t *testing.T, dir string) {
			rename(t, dir, id, id+".creating")
		}, false},
		{"making: in the catalog, not renamed", func(t *testing.T, dir string) {
			rename(t, dir, id, id+".creating")
			enter(t, dir)
		}, true},
		{"made", func(t *testing.T, dir string) {
			enter(t, dir)
		}, true},
		{"dropping: renamed, in the catalog", func(t *testing.T, dir string) {
			enter(t, dir)
			rename(t, dir, id, id+".deleting")
		}, true},
		{"dropping: not in the catalog", func(t *testing.T, dir string) {
			enter(t, dir)
			rename(t, dir, id, id+".deleting")
			strike(t, dir)
		}, false},
		{"dropping: half removed", func(t *testing.T, dir string) {
			rename(t, dir, id, id+".deleting")
			if err := os.Remove(filepath.Join(dir, id+".deleting", shardFile)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"dropped", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, id)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"two at once", func(t *testing.T, dir string) {
			mkdir(t, dir, strings.Repeat("ab", 16)+".deleting")
			mkdir(t, dir, strings.Repeat("cd", 16)+".creating", "deeper")
			rename(t, dir, id, id+".creating")
			enter(t, dir)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c := openCatalog(t, dir)
			other := mustCreate(t, c, "other", nil)
			whole := mustCreate(t, c, "crashed", nil)
			mustClose(t, c)
			rename(t, dir, whole.ID, id)
			strike(t, dir)
			tt.build(t, dir)

			for range 2 { // what opening did stays done
				c = openCatalog(t, dir)
				entries, err := c.List()
				if err != nil {
					t.Fatal(err)
				}
				there := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == "crashed" && e.ID == id })
				if (there >= 0) != tt.there {
					t.Fatalf("entries are %+v, want the collection there: %t", entries, tt.there)
				}
				want := []Entry{other}
				if tt.there {
					want = append(want, entries[there])
				}
				mustList(t, c, want)
				mustClose(t, c)
			}
			c = openCatalog(t, dir) // and the name can be used again
			if tt.there {
				if err := c.Delete("crashed"); err != nil {
					t.Fatal(err)
				}
			}
			mustList(t, c, []Entry{other, mustCreate(t, c, "crashed", nil)})
		})
	}
}

func TestWhatIsNotOursInTheDirectoryStays(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	c := openCatalog(t, dir)
	e := mustCreate(t, c, "docs", nil)
	mustClose(t, c)
	mkdir(t, dir, "lost+found")
	mkdir(t, dir, id)                       // a collection of a catalog that was lost
	mkdir(t, dir, id+".bak")                // somebody's copy
	mkdir(t, dir, id[:31]+".creating")      // no id: too short
	mkdir(t, dir, id+"0.deleting")          // too long
	mkdir(t, dir, id[:31]+"g.deleting")     // no hex digit
	mkdir(t, dir, "notes.creating", "deep") // not even close
	write(t, "mine", dir, "README")
	write(t, "mine", dir, "x.deleting")
	want := folder(t, dir)
	for range 2 {
		c = openCatalog(t, dir)
		if err := c.Delete("docs"); err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		mustClose(t, c)
	}
	want = slices.DeleteFunc(want, func(name string) bool { return name == e.ID })
	if found := folder(t, dir); !slices.Equal(found, want) {
		t.Errorf("the folder has %q, want %q", found, want)
	}
}

// A crash while the very first catalog was made leaves a file beside its place.
func TestAFirstCatalogCutShortIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, "torn", dir, "catalog.db.creating")
	write(t, "torn", dir, "catalog.db.123.creating")
	mustList(t, openCatalog(t, dir), nil)
}

func TestFindCatalogDoesNotMakeOne(t *testing.T) {
	dir := t.TempDir()
	if err := FindCatalog(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want %v", err, fs.ErrNotExist)
	}
	if found := folder(t, dir); len(found) > 0 {
		t.Errorf("the folder has %q", found)
	}
	mustClose(t, openCatalog(t, dir))
	if err := FindCatalog(dir); err != nil {
		t.Error(err)
	}
}

func TestADirectoryThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	write(t, "x", dir, "file")
	if c, err := OpenCatalog(filepath.Join(dir, "file")); err == nil {
		t.Errorf("opened %+v", c)
	}
	mkdir(t, dir, catalogFile)
	if c, err := OpenCatalog(dir); err == nil {
		t.Errorf("opened %+v", c)
	}
}

func TestTheFilesOfAnotherKindOrVersionAreRefused(t *testing.T) {
	var h byHand
	format := func(magic string, version uint32) []byte {
		return h.join(magic, version, h.crc("format", magic, version))
	}
	next := func(tx *bolt.Tx) error { // all else may be different in the next version
		for _, name := range append([][]byte{bucketCollections}, shardBuckets[1:]...) {
			if err := tx.DeleteBucket(name); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, format("HAMNSHRD", 4))
	}
	for _, tt := range []struct {
		name   string
		change change
		want   error
	}{
		{"the next version", next, ErrVersion},
		{"the next version, alike in all else", put(bucketMeta, keyFormat, format("HAMNSHRD", 4)), ErrVersion},
		{"this version, with a need that nobody knows", put(bucketMeta, keyNeeds, seal(keyNeeds, []byte(`["attributes"]`))), ErrVersion},
		{"this version, with nothing that it needs", put(bucketMeta, keyNeeds, seal(keyNeeds, []byte(`[]`))), nil},
		{"needs that are no list", put(bucketMeta, keyNeeds, seal(keyNeeds, []byte(`"x"`))), ErrCorrupt},
		{"needs that are damaged", put(bucketMeta, keyNeeds, []byte(`["attributes"]`)), ErrCorrupt},
		{"another magic", put(bucketMeta, keyFormat, format("SOMEBODY", 1)), ErrCorrupt},
		{"another magic and version", put(bucketMeta, keyFormat, format("SOMEBODY", 4)), ErrCorrupt},
		{"a format value that is damaged", edit(bucketMeta, keyFormat, flip(8)), ErrCorrupt},
		{"no format value", remove(bucketMeta, keyFormat), ErrCorrupt},
		{"no meta bucket", func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketMeta) }, ErrCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, path := soundFile(t)
			tamper(t, path, tt.change)
			if s, err := OpenShard(path); !errors.Is(err, tt.want) {
				t.Errorf("shard: opened %v, error %v, want %v", s, err, tt.want)
			} else if err == nil {
				mustClose(t, s)
			}

			dir := t.TempDir()
			c := openCatalog(t, dir)
			mustCreate(t, c, "docs", nil)
			mustClose(t, c)
			path = filepath.Join(dir, catalogFile)
			tamper(t, path, tt.change)
			// The same table for both: a shard's magic becomes a catalog's.
			tamper(t, path, func(tx *bolt.Tx) error {
				b := tx.Bucket(bucketMeta)
				if b != nil && strings.HasPrefix(string(b.Get(keyFormat)), "HAMNSHRD") {
					return b.Put(keyFormat, format("HAMNCATL", 2))
				}
				return nil
			})
			if c, err := OpenCatalog(dir); !errors.Is(err, tt.want) {
				t.Errorf("catalog: opened %v, error %v, want %v", c, err, tt.want)
			} else if err == nil {
				mustClose(t, c)
			}
		})
	}
	t.Run("each in the place of the other", func(t *testing.T) {
		_, path := soundFile(t)
		dir := t.TempDir()
		mustClose(t, openCatalog(t, dir))
		if s, err := OpenShard(filepath.Join(dir, catalogFile)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("shard: opened %v, error %v, want ErrCorrupt", s, err)
		}
		rename(t, "", path, filepath.Join(dir, catalogFile))
		if c, err := OpenCatalog(dir); !errors.Is(err, ErrCorrupt) {
			t.Errorf("catalog: opened %v, error %v, want ErrCorrupt", c, err)
		}
	})
}

// Who meets a file that is newer than the program is told by how much, and which file.
func TestAFileThatIsTooNewSaysWhichVersionsAreWanted(t *testing.T) {
	var h byHand
	_, path := soundFile(t)
	for _, tt := range []struct {
		change change
		want   string
	}{
		{put(bucketMeta, keyNeeds, seal(keyNeeds, []byte(`["attributes"]`))), `the file needs "attributes", which this program does not know`},
		{put(bucketMeta, keyFormat, h.join("HAMNSHRD", uint32(9), h.crc("format", "HAMNSHRD", uint32(9)))), "format version 9, and this program reads 1 to 3"},
	} {
		tamper(t, path, tt.change)
		if _, err := OpenShard(path); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error is %v, want ErrVersion, %q and the path", err, tt.want)
		}
	}
}

func TestAShardWhoseMetaIsDamagedIsRefused(t *testing.T) {
	_, sound := soundFile(t)
	schema := func(body string) change {
		return editBody(bucketMeta, keySchema, func([]byte) []byte { return []byte(body) })
	}
	for _, tt := range []struct {
		name   string
		change change
	}{
		{"no schema", remove(bucketMeta, keySchema)},
		{"a schema with a flipped bit", edit(bucketMeta, keySchema, flip(1))},
		{"a schema that is no JSON", schema("{")},
		{"a schema of strings", schema(`{"dims":"70"}`)},
		{"a schema out of bounds", schema(`{"dims":70,"scalars":2,"vector_bytes":13,"block_rows":9,"chunk_rows":4,"engine":{}}`)},
		{"a schema of blocks beyond memory", schema(`{"dims":1048576,"scalars":2,"vector_bytes":13,"block_rows":65536,"chunk_rows":4,"engine":{}}`)},
		{"no state", remove(bucketMeta, keyState)},
		{"a state with a flipped bit", edit(bucketMeta, keyState, flip(1))},
		{"a state of more live rows than rows", editState(func(s *State) { s.Live = s.Next + 1 })},
		{"the state in the place of the format", swap(bucketMeta, keyState, keyFormat)},
		{"no bucket of hashes", func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketHashes) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), shardFile)
			copyFile(t, path, sound, 1<<20)
			tamper(t, path, tt.change)
			if s, err := OpenShard(path); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("opened %v, error %v, want ErrCorrupt and the path", s, err)
			}
		})
	}
}

func TestADamagedEntryOfTheCatalogIsRefused(t *testing.T) {
	docs := []byte("docs")
	body := func(b string) change {
		return editBody(bucketCollections, docs, func([]byte) []byte { return []byte(b) })
	}
	for _, tt := range []struct {
		name   string
		change change
	}{
		{"a flipped bit", edit(bucketCollections, docs, flip(5))},
		{"an empty value", put(bucketCollections, docs, nil)},
		{"no JSON", body("{")},
		{"no id", body(`{"created":"2026-01-02T03:04:05Z"}`)},
		{"an id that is a way out", body(`{"id":"../../../../../../../../etc/pass"}`)},
		{"a time that is none", body(`{"id":"0123456789abcdef0123456789abcdef","created":"yesterday"}`)},
		{"an entry under another name", func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketCollections)
			return b.Put([]byte("docz"), slices.Clone(b.Get(docs)))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c := openCatalog(t, dir)
			mustCreate(t, c, "docs", nil)
			mustClose(t, c)
			tamper(t, filepath.Join(dir, catalogFile), tt.change)
			if c, err := OpenCatalog(dir); !errors.Is(err, ErrCorrupt) {
				t.Errorf("opened %v, error %v, want ErrCorrupt", c, err)
			}
		})
	}
}

func TestWhatIsOpenIsLocked(t *testing.T) {
	t.Parallel() // both tries wait for as long as the lock is waited for
	t.Run("a directory", func(t *testing.T) {
		t.Parallel()
		c := openCatalog(t, t.TempDir())
		e := mustCreate(t, c, "docs", nil)
		if second, err := OpenCatalog(c.dir); !errors.Is(err, ErrLocked) {
			t.Errorf("opened %v, error %v, want ErrLocked", second, err)
		}
		mustList(t, c, []Entry{e})
	})
	t.Run("a shard", func(t *testing.T) {
		t.Parallel()
		s := newShard(t, tinySchema())
		if second, err := OpenShard(s.path); !errors.Is(err, ErrLocked) {
			t.Errorf("opened %v, error %v, want ErrLocked", second, err)
		}
	})
}

// Of many that open a new directory at once one has it, then the next: whoever
// has it finds what those before made.
func TestANewDirectoryIsMadeOnce(t *testing.T) {
	for range 4 {
		dir := t.TempDir()
		var running sync.WaitGroup
		var held sync.Mutex
		start, made := make(chan struct{}), make([]Entry, 8)
		for i := range made {
			running.Go(func() {
				<-start
				c, err := OpenCatalog(dir)
				if errors.Is(err, ErrLocked) {
					return // a slow machine
				}
				if err != nil {
					t.Error(err)
					return
				}
				if !held.TryLock() {
					t.Error("two hold the directory")
					return
				}
				if made[i], err = c.Create(fmt.Sprint(i), nil, tinySchema()); err != nil {
					t.Error(err)
				}
				held.Unlock()
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		running.Wait()
		made = slices.DeleteFunc(made, func(e Entry) bool { return e.ID == "" })
		mustList(t, openCatalog(t, dir), made)
		if t.Failed() {
			return
		}
	}
}

func TestACatalogServesManyAtOnce(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	var running sync.WaitGroup
	var mu sync.Mutex
	var kept []Entry
	for i := range 4 {
		running.Go(func() {
			e, err := c.Create("contested", nil, tinySchema())
			if err != nil && !errors.Is(err, ErrExists) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				kept = append(kept, e)
				mu.Unlock()
			}
			name := fmt.Sprint(i)
			if _, err := c.Create(name, nil, tinySchema()); err != nil {
				t.Error(err)
			}
			if _, err := c.SetLabels(name, map[string]string{"of": name}); err != nil {
				t.Error(err)
			}
			if _, err := c.List(); err != nil {
				t.Error(err)
			}
			if err := c.Delete(name); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if len(kept) != 1 {
		t.Errorf("%d made the contested collection, want 1", len(kept))
	}
	mustList(t, c, kept)
}

// When the disk fails while a collection is entered in the catalog, it may be in
// there or not. Either way the next open finds it whole or not at all.
func TestACollectionThatTheDiskFailsIsAllThereOrNotAtAll(t *testing.T) {
	for _, written := range []bool{false, true} {
		for passed := range 10 {
			c := openCatalog(t, t.TempDir())
			entries := []Entry{mustCreate(t, c, "before", nil)}
			interpose(t, c.db, failing(passed, written))
			if _, err := c.Create("docs", nil, tinySchema()); err == nil {
				break
			} else if !errors.Is(err, fs.ErrPermission) {
				t.Fatalf("after %d writes: error is %v, want the disk's", passed, err)
			}
			interpose(t, c.db, func(writer) writer { return failing(1000, false)(nil) })
			_ = c.db.Close() // as a crash would: without a word to the disk
			c = openCatalog(t, c.dir)
			found, err := c.List()
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 2 {
				entries = found
			}
			mustList(t, c, entries)
			mustClose(t, c)
		}
	}
}

// A collection whose folder somebody removed by hand can still be dropped, and so
// can one whose drop failed half way.
func TestACollectionWithoutItsFolderCanBeDropped(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	gone, half := mustCreate(t, c, "gone", nil), mustCreate(t, c, "half", nil)
	if err := os.RemoveAll(filepath.Join(c.dir, gone.ID)); err != nil {
		t.Fatal(err)
	}
	rename(t, c.dir, half.ID, half.ID+".deleting")
	for _, name := range []string{"gone", "half"} {
		if err := c.Delete(name); err != nil {
			t.Error(err)
		}
	}
	mustList(t, c, nil)
}

func mustHaveCalibration(t testing.TB, c *Catalog, e Entry, want []byte) {
	t.Helper()
	if got, err := c.Calibration(e); err != nil || string(got) != string(want) {
		t.Errorf("the calibration of %q is %q (%v), want %q", e.Name, got, err, want)
	}
}

func TestACalibrationIsKeptUntilTheNextOrUntilItsCollectionGoes(t *testing.T) {
	dir := t.TempDir()
	c := openCatalog(t, dir)
	docs, other := mustCreate(t, c, "docs", nil), mustCreate(t, c, "other", nil)
	mustHaveCalibration(t, c, docs, nil)
	for _, calibration := range []string{`{"a":1}`, `{"b":2}`} {
		if err := c.SetCalibration(docs, []byte(calibration)); err != nil {
			t.Fatal(err)
		}
		mustHaveCalibration(t, c, docs, []byte(calibration))
	}
	if err := c.SetCalibration(other, []byte("3")); err != nil {
		t.Fatal(err)
	}
	mustClose(t, c)
	c = openCatalog(t, dir)
	mustHaveCalibration(t, c, docs, []byte(`{"b":2}`))
	if err := c.Delete("docs"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetCalibration(docs, []byte("4")); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a collection that is gone: %v, want %v", err, ErrNotFound)
	}
	again := mustCreate(t, c, "docs", nil)
	if err := c.SetCalibration(docs, []byte("5")); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a collection that another has taken the name of: %v, want %v", err, ErrNotFound)
	}
	mustHaveCalibration(t, c, again, nil)
	mustHaveCalibration(t, c, docs, nil)
	mustHaveCalibration(t, c, other, []byte("3"))
}

func TestADamagedCalibrationIsFound(t *testing.T) {
	dir := t.TempDir()
	c := openCatalog(t, dir)
	e := mustCreate(t, c, "docs", nil)
	if err := c.SetCalibration(e, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, c)
	tamper(t, filepath.Join(dir, catalogFile), func(tx *bolt.Tx) error {
		b, id := tx.Bucket(bucketCalibrations), []byte(e.ID)
		return b.Put(id, flip(3)(slices.Clone(b.Get(id))))
	})
	if got, err := openCatalog(t, dir).Calibration(e); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "docs") {
		t.Errorf("found %q (%v), want an %v that names the collection", got, err, ErrCorrupt)
	}
}
