package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// metaPages returns the offsets of the newer meta page of a file and of the older.
func metaPages(t *testing.T, path string) (newer, older int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, f)
	var commit [2]byte // the low bytes of the transactions: one is one more
	for page := range commit {
		if _, err := f.ReadAt(commit[page:page+1], int64(page)*pageBytes+pageHeader+48); err != nil {
			t.Fatal(err)
		}
	}
	if commit[1] == commit[0]+1 {
		return pageBytes, 0
	}
	return 0, pageBytes
}

// After an unclean stop one damaged page takes the last acknowledged commit with it, and
// nothing else tells. It is said on opening and by Check, until the next commit.
func TestADamagedMetaPageIsSaid(t *testing.T) {
	for _, tt := range []struct {
		name    string
		newest  bool
		byte    int64 // of the part that bbolt reads
		commits uint64
	}{
		{"the newer", true, 48, 1},
		{"its checksum", true, 56, 1},
		{"its first byte", true, 0, 1},
		{"the older", false, 20, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, s := newModel(tinySchema()), newShard(t, tinySchema())
			for i := range 2 {
				ops := m.randomOps(newRand(uint64(i)), 20)
				mustCommit(t, s, ops...)
				if uint64(i) < tt.commits {
					m.commit(ops)
				}
			}
			path := copyWhileOpen(t, s)
			at, other := metaPages(t, path)
			if !tt.newest {
				at = other
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, path, at+pageHeader+tt.byte, []byte{content[at+pageHeader+tt.byte] ^ 4})
			damaged := openSound(t, path)
			m.mustHold(t, damaged)
			want := fmt.Sprintf("meta page %d: checksum", at/pageBytes)
			if err := damaged.Doubt(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("doubt is %v, want ErrCorrupt, %q and the path", err, want)
			}
			if found := problems(t, damaged); !mentions(found, want) {
				t.Errorf("problems are %q", found)
			}
			ops := m.randomOps(newRand(9), 5)
			mustCommit(t, damaged, ops...)
			m.commit(ops)
			mustClose(t, damaged)
			mended := openShard(t, path)
			m.mustHold(t, mended)
			if err := mended.Doubt(); err != nil {
				t.Errorf("after a commit: %v", err)
			}
		})
	}
}

// Every byte of both pages that bbolt reads is looked at, and no other is blamed.
func TestEveryFlipOfAMetaPageIsNoticed(t *testing.T) {
	_, path := soundFile(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, f)
	content := make([]byte, 2*pageBytes)
	if _, err := f.ReadAt(content, 0); err != nil {
		t.Fatal(err)
	}
	const first, end = pageHeader, pageHeader + 64
	for at := range content {
		if in := at % pageBytes; in >= end+16 && in < pageBytes-16 { // all zeros
			continue
		}
		if _, err := f.WriteAt([]byte{content[at] ^ 1<<(at%8)}, int64(at)); err != nil {
			t.Fatal(err)
		}
		doubt, err := damagedMeta(f, pageBytes)
		if in := at % pageBytes; err != nil || (doubt != nil) != (in >= first && in < end) {
			t.Errorf("a flip of byte %d of page %d: %v, %v", in, at/pageBytes, doubt, err)
		}
		if _, err := f.WriteAt(content[at:at+1], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedMetaPageOfACatalogIsSaid(t *testing.T) {
	dir := t.TempDir()
	c := openCatalog(t, dir)
	mustCreate(t, c, "docs", nil)
	if err := c.Doubt(); err != nil {
		t.Errorf("of a sound catalog: %v", err)
	}
	mustClose(t, c)
	path := filepath.Join(dir, catalogFile)
	_, older := metaPages(t, path)
	overwrite(t, path, older+pageHeader, []byte("x"))
	if err := openCatalog(t, dir).Doubt(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("doubt is %v, want ErrCorrupt", err)
	}
}

// Writes to a file that nobody can open again would be acknowledged and lost.
func TestAFileThatIsGoneTakesNoWrites(t *testing.T) {
	for name, take := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) { rename(t, "", path, path+".away") },
		"replaced": func(t *testing.T, path string) {
			copyFile(t, path+".copy", path, 1<<20)
			rename(t, "", path, path+".away")
			rename(t, "", path+".copy", path)
		},
		"gone with its folder": func(t *testing.T, path string) {
			rename(t, "", filepath.Dir(path), filepath.Dir(path)+".away")
			t.Cleanup(func() { rename(t, "", filepath.Dir(path)+".away", filepath.Dir(path)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "in", shardFile)
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			m := newModel(tinySchema())
			if err := CreateShard(path, m.schema); err != nil {
				t.Fatal(err)
			}
			s := openShard(t, path)
			ops := m.randomOps(newRand(1), 10)
			mustCommit(t, s, ops...)
			m.commit(ops)
			if err := s.Health(); err != nil {
				t.Errorf("before: health is %v", err)
			}
			take(t, path)
			if _, err := s.Commit(ops); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), path) {
				t.Errorf("commit: error is %v, want ErrGone and the path", err)
			}
			if err := s.Health(); !errors.Is(err, ErrGone) {
				t.Errorf("health is %v, want ErrGone", err)
			}
			m.mustHold(t, s) // who reads has what there was
		})
	}
	t.Run("and put back", func(t *testing.T) {
		s := newShard(t, tinySchema())
		rename(t, "", s.path, s.path+".away")
		rename(t, "", s.path+".away", s.path)
		mustCommit(t, s)
	})
	t.Run("a catalog", func(t *testing.T) {
		dir := t.TempDir()
		c := openCatalog(t, dir)
		e := mustCreate(t, c, "docs", nil)
		rename(t, dir, catalogFile, "away.db")
		_, created := c.Create("more", nil, tinySchema())
		_, labelled := c.SetLabels("docs", nil)
		_, rewriting := c.BeginRewrite(e, tinySchema())
		for what, err := range map[string]error{
			"create": created, "labels": labelled, "rewrite": rewriting, "calibration": c.SetCalibration(e, nil), "delete": c.Delete("docs"), "health": c.Health(),
		} {
			if !errors.Is(err, ErrGone) {
				t.Errorf("%s: error is %v, want ErrGone", what, err)
			}
		}
	})
}

// An empty file is what a full disk or a careless hand leaves of one: it is not made a new
// one.
func TestAnEmptyFileIsLeftAsItIs(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		file string
		open func() error
	}{
		{catalogFile, func() error { _, err := OpenCatalog(dir); return err }},
		{catalogFile, func() error { _, err := ReadCatalog(dir); return err }},
		{catalogFile, func() error { _, err := Adopt(dir); return err }},
		{shardFile, func() error { _, err := OpenShard(filepath.Join(dir, shardFile)); return err }},
	} {
		path := filepath.Join(dir, tt.file)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := tt.open(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("error is %v, want ErrCorrupt, the path, and what to do", err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != 0 {
			t.Errorf("the file is %+v (%v), want it empty", info, err)
		}
	}
}

// The system names a file by the path under which it was opened, and bbolt by that and again.
func TestAFullDiskNamesTheFileOnceAndWhereItIs(t *testing.T) {
	c := openCatalog(t, t.TempDir())
	e := mustCreate(t, c, "docs", nil)
	old := openShard(t, c.ShardPath(e))
	s, err := c.BeginRewrite(e, tinySchema())
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	opened := s.path
	if err := s.Replace(old); err != nil {
		t.Fatal(err)
	}
	interpose(t, s.db, func(writer) writer {
		return func([]byte, int64) (int, error) {
			return 0, fmt.Errorf("file resize error: %w", &os.PathError{Op: "write", Path: opened, Err: syscall.ENOSPC})
		}
	})
	_, err = s.Commit(newModel(tinySchema()).randomOps(newRand(1), 5))
	if want := fmt.Sprintf("storage: %s: write: %v", c.ShardPath(e), syscall.ENOSPC); !errors.Is(err, syscall.ENOSPC) || err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
}

// listing returns the names, sizes and times of all below dir.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			fmt.Fprintln(&b, path, info.Size(), info.Mode(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What is opened for reading is not changed: not by what a crash has left to do either.
func TestReadingADirectoryChangesNothingInIt(t *testing.T) {
	for _, version := range goldenVersions {
		t.Run(version, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", version))); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"00112233445566778899aabbccddeeff" + suffixCreating, "10112233445566778899aabbccddeeff" + suffixDeleting} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			before := listing(t, dir)
			read := func() *Catalog {
				c, err := ReadCatalog(dir)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			c, other := read(), read() // at the same time
			entries, err := c.List()
			if err != nil || len(entries) != 2 {
				t.Fatalf("entries are %+v (%v), want 2", entries, err)
			}
			e := entries[1]
			mustHaveCalibration(t, c, e, goldenCalibration)
			s, err := c.OpenShard(e)
			if err != nil {
				t.Fatal(err)
			}
			goldenModel(version).mustHold(t, s)
			if found := problems(t, s); len(found) > 0 {
				t.Errorf("problems are %q", found)
			}
			_, committed := s.Commit([]Op{{ID: "row-01", Delete: true}})
			_, created := c.Create("more", nil, tinySchema())
			_, labelled := c.SetLabels("golden", nil)
			_, rewriting := c.BeginRewrite(e, tinySchema())
			for what, err := range map[string]error{
				"commit": committed, "create": created, "labels": labelled, "rewrite": rewriting, "calibration": c.SetCalibration(e, nil), "delete": c.Delete("golden"),
			} {
				if !errors.Is(err, ErrReadOnly) {
					t.Errorf("%s: error is %v, want ErrReadOnly", what, err)
				}
			}
			mustClose(t, s)
			mustClose(t, c)
			mustClose(t, other)
			if after := listing(t, dir); after != before {
				t.Errorf("the directory is\n%swant\n%s", after, before)
			}
		})
	}
	t.Run("one that is not there", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "no")
		if _, err := ReadCatalog(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error is %v, want that it is not there", err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("then there is one: %v", err)
		}
	})
}

// Who writes is alone, and who cannot open the directory is told who has it.
func TestWhoReadsIsNotBesideWhoWrites(t *testing.T) {
	t.Parallel() // a lock is waited for
	dir := t.TempDir()
	c := openCatalog(t, dir)
	mustCreate(t, c, "docs", nil)
	_, err := ReadCatalog(dir)
	if !errors.Is(err, ErrLocked) {
		t.Errorf("beside a writer: error is %v, want ErrLocked", err)
	}
	if want := fmt.Sprintf(", %d: ", os.Getpid()); holder(c.path) != "" && !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one with %q", err, want)
	}
	mustClose(t, c)
	reading, err := ReadCatalog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, reading)
	if _, err := OpenCatalog(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("a writer beside a reader: error is %v, want ErrLocked", err)
	}
}
