package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// asNobody runs fn with the rights of a user to whom no file belongs, in this thread alone.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Getuid() == 0 {
		const nobody = 65534
		runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
	fn()
}

// A medium that cannot be written can be opened to read, and only so.
func TestADirectoryThatCannotBeWrittenCanBeRead(t *testing.T) {
	dir := t.TempDir()
	c := openCatalog(t, dir)
	e := mustCreate(t, c, "docs", nil)
	m := newModel(tinySchema())
	s := openShard(t, c.ShardPath(e))
	ops := m.randomOps(newRand(1), 30)
	mustCommit(t, s, ops...)
	m.commit(ops)
	mustClose(t, s)
	mustClose(t, c)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // else nobody gets there
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		mode := fs.FileMode(0o444)
		if d.IsDir() {
			mode = 0o555
		}
		return errors.Join(err, os.Chmod(path, mode))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, path := range []string{dir, filepath.Join(dir, e.ID)} { // to be removed
			if err := os.Chmod(path, 0o700); err != nil {
				t.Error(err)
			}
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		asNobody(t, func() {
			if _, err := OpenCatalog(dir); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("opened to write: error is %v, want %v", err, fs.ErrPermission)
			}
			c, err := ReadCatalog(dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer mustClose(t, c)
			s, err := c.OpenShard(e)
			if err != nil {
				t.Error(err)
				return
			}
			defer mustClose(t, s)
			v := m.read(s)
			report, err := s.Check(t.Context(), nil)
			if err != nil || len(v.wrong)+len(v.errs)+len(report.Problems) > 0 {
				t.Errorf("wrong answers %q, errors %v, problems %q (%v)", v.wrong, v.errs, report.Problems, err)
			}
		})
	}()
	<-done
}
