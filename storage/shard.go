package storage

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// MaxIDBytes is the longest id, and MaxMetadataBytes the most metadata a row may have.
const (
	MaxIDBytes       = 512
	MaxMetadataBytes = 64 << 10
)

// NoSlot stands for the absence of a slot.
const NoSlot = math.MaxUint64

// Shard is the rows of one collection in one bbolt file. It is safe for
// concurrent use: commits take turns, and reads wait for nobody.
type Shard struct {
	path   string
	db     *bolt.DB
	schema Schema
	disk   diskReads
	places places
	latest atomic.Pointer[latest] // of the views lately

	// recent is what Schema.sweepDue keeps small; replaced when a sweep has ended.
	recent atomic.Pointer[recent]

	mu      sync.Mutex // held by the one commit under way, and by Close
	state   state
	sweep   *sweep // under way, nil when none is
	version uint32 // of the file
	dirty   bool   // a commit since open: the freelist on disk is gone

	broken error // from bbolt, which was writing: what the file holds is not known
	stuck  bool  // and bbolt kept its writer's lock, for which closing would wait
}

// Op is one step of a commit: an upsert, or with Delete set a removal by id.
type Op struct {
	// ID is the user's key, 1 to MaxIDBytes bytes.
	ID     string
	Delete bool
	// Code has the words of Schema.Dims, Scalars Schema.Scalars numbers, Vector
	// Schema.VectorBytes bytes, Metadata at most MaxMetadataBytes.
	Code     []uint64
	Scalars  []float32
	Vector   []byte
	Metadata []byte
}

// Applied says what one Op did.
type Applied struct {
	// Slot is the row an upsert was given; NoSlot for a removal.
	Slot uint64
	// Retired is the row that the id had before; NoSlot when it had none.
	Retired uint64
}

// CreateShard makes the file of an empty shard, which must not be there yet, and
// syncs it. The caller syncs its folder.
func CreateShard(path string, schema Schema) error {
	schema = schema.withDefaults()
	if err := schema.validate(); err != nil {
		return fmt.Errorf("storage: schema: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("storage: %s: %w", path, fs.ErrExist)
	}
	db, err := openBolt(path)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(schema)
	if err != nil {
		return errors.Join(fmt.Errorf("storage: schema: %w", err), db.Close())
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range shardBuckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		if len(schema.Frozen) > 0 {
			frozen, err := tx.CreateBucket(bucketFrozen)
			if err != nil {
				return err
			}
			if err := frozen.Put(keyEngine, seal(keyEngine, bytes.Clone(schema.Frozen))); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		return errors.Join(
			meta.Put(keyFormat, seal(keyFormat, appendFormat(shardMagic, shardVersion))),
			meta.Put(keySchema, seal(keySchema, encoded)),
			meta.Put(keyState, seal(keyState, state{}.append())),
			putHashes(tx.Bucket(bucketHashes), nil, math.MaxUint64),
		)
	})
	return errors.Join(err, closeBolt(db))
}

var (
	shardBuckets    = [][]byte{bucketMeta, bucketCodes, bucketVectors, bucketTail, bucketRows, bucketHashes, bucketRetired}
	shardBucketsOld = [][]byte{bucketMeta, bucketCodes, bucketVectors, bucketTail, bucketRows, bucketIDs, bucketRetired}
)

// OpenShard opens the file of a shard, which CreateShard made. It takes the
// file's lock and fails with ErrLocked when another process has it. ErrVersion
// and ErrCorrupt tell of the contents.
func OpenShard(path string) (*Shard, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	db, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	s := &Shard{path: path, db: db}
	if err := s.guard(s.load); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// load reads the meta bucket, and the ids of recent rows.
func (s *Shard) load() error {
	return s.db.View(func(tx *bolt.Tx) (err error) {
		if s.version, err = checkFormat(tx, shardMagic, shardVersionOld, shardVersion); err != nil {
			return err
		}
		buckets := shardBuckets
		if s.version == shardVersionOld {
			buckets = shardBucketsOld
		}
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return corrupt("no bucket %q", name)
			}
		}
		meta := tx.Bucket(bucketMeta)
		body, err := unseal(keySchema, meta.Get(keySchema))
		if err != nil {
			return fmt.Errorf("schema: %w", err)
		}
		if err := json.Unmarshal(body, &s.schema); err != nil {
			return corrupt("schema: %v", err)
		}
		if err := s.schema.validate(); err != nil {
			return corrupt("schema: %v", err)
		}
		if frozen := tx.Bucket(bucketFrozen); frozen != nil {
			body, err := unseal(keyEngine, frozen.Get(keyEngine))
			if err != nil {
				return fmt.Errorf("frozen state of the engine: %w", err)
			}
			s.schema.Frozen = bytes.Clone(body)
		}
		if s.state, err = s.schema.readState(tx); err != nil {
			return err
		}
		s.recent.Store(readRecent(tx.Bucket(bucketRows), s.state.Indexed, s.state.Next))
		return nil
	})
}

// checkFormat looks at the kind and the version of a file, which it returns, and at
// nothing else of it: that may not be as these versions have it.
func checkFormat(tx *bolt.Tx, magic []byte, oldest, newest uint32) (uint32, error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return 0, corrupt("no bucket %q", bucketMeta)
	}
	body, err := unseal(keyFormat, meta.Get(keyFormat))
	if err != nil {
		return 0, fmt.Errorf("format: %w", err)
	}
	return parseFormat(body, magic, oldest, newest)
}

func (s Schema) readState(tx *bolt.Tx) (state, error) {
	body, err := unseal(keyState, tx.Bucket(bucketMeta).Get(keyState))
	if err != nil {
		return state{}, fmt.Errorf("state: %w", err)
	}
	return s.parseState(body)
}

// Schema returns the shard's geometry.
func (s *Shard) Schema() Schema { return s.schema }

// Path returns the file's path.
func (s *Shard) Path() string { return s.path }

// Size returns the bytes of disk that the file takes and how much of them is free
// for later commits.
func (s *Shard) Size() (bytes, free int64, err error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0, 0, fmt.Errorf("storage: %w", err)
	}
	stats := s.db.Stats()
	return allocated(info), int64(stats.FreePageN+stats.PendingPageN) * int64(s.db.Info().PageSize), nil
}

// Close waits for the commit and the reads under way and closes the file.
func (s *Shard) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stuck:
		return fmt.Errorf("storage: %s: stays open: %w", s.path, s.broken)
	case s.dirty && s.broken == nil:
		return closeBolt(s.db)
	}
	return s.db.Close()
}

// guard runs fn, which reads the file's pages, names the file in its error, and
// catches damage.
func (s *Shard) guard(fn func() error) error { return guard(s.path, s.db, fn) }

// guard is Shard.guard for the file at path that db has, nil while it is being opened.
func guard(path string, db *bolt.DB, fn func() error) error {
	if err := catchDamage(db, fn); err != nil {
		return fmt.Errorf("storage: %s: %w", path, err)
	}
	return nil
}

// catchDamage runs fn and turns the panics that damaged pages cause, in bbolt or
// as a fault of the mapping, into ErrCorrupt. Any other panic is a bug and goes on.
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

// update is db.Update of the file at path, under guard. stuck tells that bbolt, undoing what it could
// not do, tripped as well, and still has its lock for writers.
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

// fromPages reports whether p, just recovered, was raised by bbolt, or what that calls of the
// standard library, or is a fault of memory that damaged pages led to: one that bbolt or this
// package met, or anybody in the mapping that db has of its file. bbolt copies small buckets,
// whose offsets lead out of the copies then. Other memory that cannot be read is a bug's.
func fromPages(db *bolt.DB, p any) bool {
	by := raiser()
	if strings.HasPrefix(by, "go.etcd.io/bbolt") {
		return true
	}
	fault, is := p.(interface{ Addr() uintptr })
	return is && (strings.HasPrefix(by, thisPackage) || isMapped(db, fault.Addr()))
}

const thisPackage = "github.com/hamnest/hamnest/storage."

// raiser returns the function that raised the panic just recovered, or called the one of the
// standard library that did.
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

// isStandard reports whether a function is of the standard library, whose packages have no dot
// in the first element of their paths.
func isStandard(function string) bool {
	first, _, _ := strings.Cut(function, "/")
	name, _, _ := strings.Cut(first, ".")
	return len(first) == len(function) && name != "main" || !strings.Contains(first, ".")
}

// isMapped reports whether addr is of the mapping of db's file, or where a damaged page may
// point: offsets are of 32 bits, and the length comes on top. A large mapping has room for that.
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

// mapBytes is how much address space a file gets at open. Growing the mapping
// waits for all readers, so it should never have to grow; address space costs
// nothing. Not on Windows, where the file would be grown to that size.
func mapBytes() int {
	if runtime.GOOS == "windows" || math.MaxInt == math.MaxInt32 {
		return 0
	}
	gib := 64 // not a constant: it does not fit where it is not used
	return gib << 30
}

// openBolt opens or makes a bbolt file. The freelist is not kept on disk while
// the file is open, which makes commits independent of how much is free;
// closeBolt writes it once, so that the next open need not look for it.
func openBolt(path string) (*bolt.DB, error) {
	options := &bolt.Options{
		Timeout:         lockTimeout,
		FreelistType:    bolt.FreelistMapType,
		NoFreelistSync:  true,
		PageSize:        4096,
		InitialMmapSize: mapBytes(),
	}
	var file *os.File
	options.OpenFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, perm)
		if file == nil {
			file = f
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
		options.InitialMmapSize = 0
		err = guard(path, nil, open)
	}
	if err != nil && file != nil {
		// bbolt has done so, but not after a panic, and then the lock would stay.
		_, _ = unlock(file), file.Close()
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %w", err, ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", err, ErrCorrupt)
	case err != nil:
		return nil, err
	}
	if err := guard(path, db, func() error { return checkTrees(db, file) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.AllocSize = 64 << 20 // fewer, larger growths: each costs an fsync of its own
	return db, nil
}

func closeBolt(db *bolt.DB) error {
	db.NoFreelistSync = false
	stuck, err := update(db.Path(), db, func(*bolt.Tx) error { return nil })
	if stuck {
		return err
	}
	// Without a freelist the next open takes longer: no reason to fail.
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
