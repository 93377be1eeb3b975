package storage

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// This file opens bbolt's files and keeps damage to bbolt away from the rest.

// file is an open bbolt file: a shard's or the catalog's.
type file struct {
	path     string
	db       *bolt.DB
	opened   os.FileInfo
	readOnly bool
	doubt    error // see Shard.Doubt
}

// guard runs fn, which reads the file's pages, names the file in its error, and catches
// damage.
func (f *file) guard(fn func() error) error { return guard(f.path, f.db, fn) }

// guard is file.guard for the file at path, opened as db; db is nil while it is being
// opened.
func guard(path string, db *bolt.DB, fn func() error) error {
	err := catchDamage(db, fn)
	if err == nil {
		return nil
	}
	// Errors of the system name the file by the path that it had when it was opened.
	if by := (*fs.PathError)(nil); errors.As(err, &by) && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("storage: %s: %s: %w", path, by.Op, by.Err)
	}
	return fmt.Errorf("storage: %s: %w", path, err)
}

// present returns ErrGone when the path leads to another file than the open one, or to
// none.
func (f *file) present() error {
	now, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(now, f.opened):
		return fmt.Errorf("storage: %s: %w", f.path, ErrGone)
	case err != nil:
		return fmt.Errorf("storage: %w", err)
	}
	return nil
}

// writable returns why nothing can be written to the file, or nil.
func (f *file) writable() error {
	if f.readOnly {
		return fmt.Errorf("storage: %s: %w", f.path, ErrReadOnly)
	}
	return f.present()
}

// update is db.Update under guard, if the file is writable. stuck says that bbolt failed
// again while undoing a failed commit, and still holds its writers' lock.
func (f *file) update(fn func(tx *bolt.Tx) error) (stuck bool, err error) {
	if err := f.writable(); err != nil {
		return false, err
	}
	return update(f.path, f.db, fn)
}

// catchDamage runs fn and turns the panics that damaged pages cause, in bbolt or as a fault
// of the mapping, into ErrCorrupt. Any other panic is a bug and continues.
func catchDamage(db *bolt.DB, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if !fromPages(db, p) {
				panic(p)
			}
			err = corrupt("a damaged page: %v", p)
		}
	}()
	return fn()
}

// update is file.update for a file that may be new.
func update(path string, db *bolt.DB, fn func(tx *bolt.Tx) error) (stuck bool, err error) {
	var tx *bolt.Tx
	err = guard(path, db, func() error {
		return db.Update(func(t *bolt.Tx) error {
			tx = t
			return fn(t)
		})
	})
	return tx != nil && tx.DB() != nil, err
}

// fromPages reports whether damaged pages caused p, a panic just recovered. It is true if
// bbolt, or what it calls of the standard library, raised p; if bbolt or this package met a
// fault of memory; and if anybody did in the mapping of db's file. bbolt copies small
// buckets, and offsets in them may then lead outside the copies. Any other fault of memory
// is a bug.
func fromPages(db *bolt.DB, p any) bool {
	by := raiser()
	if strings.HasPrefix(by, "go.etcd.io/bbolt") {
		return true
	}
	fault, is := p.(interface{ Addr() uintptr })
	return is && (strings.HasPrefix(by, thisPackage) || isMapped(db, fault.Addr()))
}

const thisPackage = "github.com/hamnest/hamnest/storage."

// raiser returns the function that raised the panic just recovered, or that called the
// function of the standard library that did.
func raiser() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
	for raised := false; ; {
		frame, more := frames.Next()
		if raised && !isStandard(frame.Function) {
			return frame.Function
		}
		raised = raised || frame.Function == "runtime.gopanic"
		if !more {
			return ""
		}
	}
}

// isStandard reports whether a function is of the standard library: the first elements of
// its packages' paths have no dot.
func isStandard(function string) bool {
	first, _, _ := strings.Cut(function, "/")
	name, _, _ := strings.Cut(first, ".")
	return len(first) == len(function) && name != "main" || !strings.Contains(first, ".")
}

// isMapped reports whether addr is in the mapping of db's file, or where a damaged page may
// point: offsets have 32 bits, and the length is added. A large mapping has room for that.
func isMapped(db *bolt.DB, addr uintptr) bool {
	const reach = 2 << 32
	if db == nil { // nobody else reads yet
		return false
	}
	size := cmp.Or(uint64(mapBytes()), reach)
	if info, err := os.Stat(db.Path()); err == nil {
		size = max(size, uint64(info.Size()))
	}
	data := db.Info().Data
	return addr >= data && uint64(addr-data) < size
}

const lockTimeout = 2 * time.Second

// mapBytes is how much address space a file gets at open. Growing the mapping waits for all
// readers, so it should never have to grow; address space costs nothing. Not on Windows,
// which would grow the file to that size.
func mapBytes() int {
	if runtime.GOOS == "windows" || math.MaxInt == math.MaxInt32 {
		return 0
	}
	gib := 64 // not a constant, which would overflow a 32-bit int
	return gib << 30
}

// openFile opens an existing bbolt file, readOnly or not.
func openFile(path string, readOnly bool) (file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return file{}, fmt.Errorf("storage: %w", err)
	}
	if info.Size() == 0 { // bbolt would make a new one of it
		return file{}, fmt.Errorf("storage: %s: %w", path, corrupt("the file is empty, and was left so: put a copy of it back, or move it away"))
	}
	return openBolt(path, readOnly)
}

// createFile makes a bbolt file, or fills an empty one.
func createFile(path string) (file, error) { return openBolt(path, false) }

// openBolt opens or makes a bbolt file. The freelist is not kept on disk while the file is
// open, so the cost of a commit does not depend on how much is free. closeBolt writes it
// once, so that the next open need not search for free pages.
func openBolt(path string, readOnly bool) (file, error) {
	options := &bolt.Options{
		ReadOnly:        readOnly,
		PreLoadFreelist: true, // for CheckPages, in files where it is not loaded anyway
		Timeout:         lockTimeout,
		FreelistType:    bolt.FreelistMapType,
		NoFreelistSync:  true,
		PageSize:        4096,
		InitialMmapSize: mapBytes(),
	}
	var opened *os.File
	options.OpenFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, perm)
		if opened == nil {
			opened = f
		}
		return f, err
	}
	var db *bolt.DB
	open := func() (err error) {
		db, err = bolt.Open(path, 0o600, options)
		return err
	}
	err := guard(path, nil, open)
	if errors.Is(err, syscall.ENOMEM) { // address space is limited: let the map grow
		options.InitialMmapSize, opened = 0, nil
		err = guard(path, nil, open)
	}
	if err != nil && opened != nil {
		// bbolt has done so, except after a panic, which would leave the lock.
		_, _ = unlock(opened), opened.Close()
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return file{}, fmt.Errorf("storage: %s: %w%s", path, ErrLocked, holder(path))
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return file{}, fmt.Errorf("%w: %w", err, ErrCorrupt)
	case err != nil:
		return file{}, err
	}
	f := file{path: path, db: db, readOnly: readOnly}
	f.opened, err = opened.Stat()
	if err == nil {
		f.doubt, err = damagedMeta(opened, int64(db.Info().PageSize))
	}
	if err == nil {
		err = f.guard(func() error { return checkTrees(db, opened) })
	}
	if err != nil {
		return file{}, errors.Join(err, db.Close())
	}
	db.AllocSize = 64 << 20 // fewer, larger growths: each costs an fsync of its own
	return f, nil
}

// damagedMeta looks at both meta pages; bbolt uses the newest whole one. If one is damaged,
// doubt says what may be missing.
func damagedMeta(file *os.File, pageSize int64) (doubt, err error) {
	const (
		summed = 56 // bytes covered by the checksum after them
		size   = summed + 8
	)
	for page := range int64(2) {
		var meta [size]byte
		if _, err := file.ReadAt(meta[:], page*pageSize+pageHeader); err != nil {
			return nil, fmt.Errorf("storage: meta page %d: %w", page, err)
		}
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:summed])
		if want := binary.NativeEndian.Uint64(meta[summed:]); sum.Sum64() != want {
			doubt = corrupt("meta page %d: checksum %016x, want %016x: if it was the newer of the two, the last commit is missing, "+
				"acknowledged or not; a power cut inside a commit leaves the same, and then nothing is missing", page, sum.Sum64(), want)
		}
	}
	return doubt, nil
}

func closeBolt(db *bolt.DB) error {
	db.NoFreelistSync = false
	stuck, err := update(db.Path(), db, func(*bolt.Tx) error { return nil })
	if stuck {
		return err
	}
	// Without a freelist the next open takes longer: that is no reason to fail.
	return db.Close()
}

// syncDir makes the entries of a folder durable.
func syncDir(path string) error {
	if runtime.GOOS == "windows" { // folders cannot be opened for syncing there
		return nil
	}
	dir, err := os.Open(filepath.Clean(path))
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	return nil
}
