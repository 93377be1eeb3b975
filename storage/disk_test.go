package storage

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// This file lets the disk fail under a commit, and cuts the power.

// writer is how bbolt writes to its file.
type writer func(b []byte, at int64) (int, error)

// interpose puts wrap around bbolt's writes. bbolt keeps the place for its own
// tests and does not export it.
func interpose(t *testing.T, db *bolt.DB, wrap func(write writer) writer) {
	t.Helper()
	field := reflect.ValueOf(db).Elem().FieldByName("ops").FieldByName("writeAt")
	write := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Interface().(*func([]byte, int64) (int, error))
	inner := *write
	*write = wrap(inner)
	t.Cleanup(func() { // so that Close is not in the way
		if *write != nil {
			*write = inner
		}
	})
}

// failing lets n writes pass and fails the others, having written them or not.
func failing(n int, written bool) func(write writer) writer {
	return func(write writer) writer {
		return func(b []byte, at int64) (int, error) {
			if n--; n >= 0 {
				return write(b, at)
			}
			if written {
				if _, err := write(b, at); err != nil {
					return 0, err
				}
			}
			return 0, fs.ErrPermission // any error that bbolt knows nothing of
		}
	}
}

// However far a commit came when the disk failed, all of it is there after
// opening again or nothing. Until then the shard takes no other.
func TestACommitThatTheDiskFailsIsAllThereOrNotAtAll(t *testing.T) {
	for _, written := range []bool{false, true} {
		for passed := range 50 {
			m, s := newModel(tinySchema()), newShard(t, tinySchema())
			rng := newRand(uint64(passed))
			before := m.randomOps(rng, 30)
			mustCommit(t, s, before...)
			m.commit(before)
			interpose(t, s.db, failing(passed, written))
			ops := m.randomOps(rng, 30)
			_, err := s.Commit(ops)
			if err == nil {
				if passed < 3 {
					t.Fatalf("a commit made only %d writes", passed)
				}
				break // it needed no more than this
			}
			if !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrCorrupt) {
				t.Fatalf("after %d writes: error is %v, want the disk's", passed, err)
			}
			if _, err := s.Commit(ops); !errors.Is(err, fs.ErrPermission) {
				t.Fatalf("after %d writes, the next commit: error is %v, want the disk's", passed, err)
			}
			if found := problems(t, s); len(found) > 0 {
				t.Errorf("after %d writes: problems are %q", passed, found)
			}
			mustClose(t, s)
			s = openShard(t, s.path)
			if s.state.Commits == 2 { // the last write was written, but for the disk's word
				if !written {
					t.Errorf("after %d writes: the commit is there without its last", passed)
				}
				m.commit(ops)
			}
			m.mustHold(t, s)
			again := m.randomOps(rng, 10)
			if got, want := mustCommit(t, s, again...), m.commit(again); !slices.Equal(got, want) {
				t.Errorf("after %d writes: applied %+v, want %+v", passed, got, want)
			}
			m.mustHold(t, s)
			mustClose(t, s)
		}
	}
}

// A full disk is not the end: when there is room again, commits go on.
func TestCommitsGoOnWhenTheDiskHasRoomAgain(t *testing.T) {
	m, s := newModel(tinySchema()), newShard(t, tinySchema())
	rng := newRand(3)
	before := m.randomOps(rng, 30)
	mustCommit(t, s, before...)
	m.commit(before)
	full := true
	interpose(t, s.db, func(write writer) writer {
		return func(b []byte, at int64) (int, error) {
			if full {
				return 0, syscall.ENOSPC
			}
			return write(b, at)
		}
	})
	ops := m.randomOps(rng, 30)
	for range 2 {
		if _, err := s.Commit(ops); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("on a full disk: error is %v, want ENOSPC", err)
		}
	}
	m.mustHold(t, s)
	full = false
	if got, want := mustCommit(t, s, ops...), m.commit(ops); !slices.Equal(got, want) {
		t.Errorf("with room again: applied %+v, want %+v", got, want)
	}
	m.mustHold(t, s)
}

// When a page is lost that bbolt needs to undo what it could not do, it keeps its
// lock for writers. The shard still answers, and closing it does not wait for ever.
func TestAShardThatIsStuckSaysSo(t *testing.T) {
	m, path := soundFile(t)
	_, freelist := bboltPages(t, path)
	s := openShard(t, path)
	overwrite(t, path, freelist*4096, make([]byte, 4096))
	remove := Op{ID: "row-00", Delete: true}
	for range 2 {
		if _, err := s.Commit([]Op{remove}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("commit: error is %v, want ErrCorrupt", err)
		}
	}
	m.mustHold(t, s)
	if err := s.Close(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("close: error is %v, want ErrCorrupt", err)
	}
}

// A catalog in the same straits closes with an error, too.
func TestACatalogThatIsStuckSaysSo(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	e := mustCreate(t, c, "docs", nil)
	mustClose(t, c)
	path := filepath.Join(c.dir, catalogFile)
	_, freelist := bboltPages(t, path)
	c, err := OpenCatalog(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, freelist*4096, make([]byte, 4096))
	if got, err := c.List(); err != nil || len(got) != 1 || got[0].ID != e.ID {
		t.Errorf("list is %+v (%v)", got, err)
	}
	if err := c.Close(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("close: error is %v, want ErrCorrupt", err)
	}
}

// A power cut keeps any part of what was written since the last sync. bbolt syncs
// before it writes a meta page, the one write that makes a commit, and after.
func TestAPowerCutInsideACommitLeavesWhatWasThereBefore(t *testing.T) {
	t.Run("of a new shard", func(t *testing.T) {
		cutPower(t, newModel(tinySchema()), newShard(t, tinySchema()))
	})
	for _, version := range goldenVersions { // the first commit brings the old to the new
		t.Run("of a shard of "+version, func(t *testing.T) {
			cutPower(t, goldenModel(version), openSound(t, goldenShard(t, version)))
		})
	}
}

func cutPower(t *testing.T, m *model, s *Shard) {
	const page, sector = 4096, 512
	rng := newRand(newSeed(t))
	for range min(30, crashRounds(t)) {
		before := snapshot(t, s)
		type write struct {
			b  []byte
			at int64
		}
		var writes []write
		interpose(t, s.db, func(inner writer) writer {
			return func(b []byte, at int64) (int, error) {
				writes = append(writes, write{slices.Clone(b), at})
				return inner(b, at)
			}
		})
		old, ops := m.clone(), m.randomOps(rng, rng.IntN(40))
		mustCommit(t, s, ops...)
		m.commit(ops)
		data, meta := writes[:len(writes)-1], writes[len(writes)-1]
		if meta.at >= 2*page || len(meta.b) != page {
			t.Fatalf("the last write of a commit is %d bytes at %d, not a meta page", len(meta.b), meta.at)
		}
		for range 5 {
			// Cut while the pages were written: any of their sectors arrived.
			image := slices.Clone(before)
			for _, w := range data {
				image = grown(image, w.at+int64(len(w.b)))
				for i := 0; i < len(w.b); i += sector {
					if rng.IntN(2) == 0 {
						copy(image[w.at+int64(i):], w.b[i:i+sector])
					}
				}
			}
			old.mustHold(t, openImage(t, image))
		}
		// Cut while the meta page was written: garbled, or all there.
		image := slices.Clone(before)
		for _, w := range data {
			image = grown(image, w.at+int64(len(w.b)))
			copy(image[w.at:], w.b)
		}
		garbled := slices.Clone(image)
		copy(garbled[meta.at:], meta.b)
		garble(rng, garbled[meta.at+16:][:64])
		path := filepath.Join(t.TempDir(), shardFile)
		if err := os.WriteFile(path, garbled, 0o600); err != nil {
			t.Fatal(err)
		}
		doubtful := openShard(t, path)
		old.mustHold(t, doubtful)
		if doubtful.Doubt() == nil {
			t.Error("nothing is said of the meta page that was cut")
		}
		copy(image[meta.at:], meta.b)
		m.mustHold(t, openImage(t, image))
	}
}

// snapshot returns the bytes in use of an open shard's file.
func snapshot(t *testing.T, s *Shard) []byte {
	t.Helper()
	var size int64
	err := s.db.View(func(tx *bolt.Tx) error {
		size = tx.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, f)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func grown(b []byte, size int64) []byte {
	if more := size - int64(len(b)); more > 0 {
		b = append(b, make([]byte, more)...)
	}
	return b
}

func garble(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] ^= byte(1 + rng.IntN(255))
	}
}

// openImage opens a file of these bytes, which must be sound.
func openImage(t *testing.T, image []byte) *Shard {
	t.Helper()
	path := filepath.Join(t.TempDir(), shardFile)
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return openSound(t, path)
}
