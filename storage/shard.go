package storage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// MaxIDBytes is the longest id, and MaxMetadataBytes the most metadata a row may have.
const (
	MaxIDBytes       = 512
	MaxMetadataBytes = 64 << 10
)

// NoSlot stands for the absence of a slot.
const NoSlot = math.MaxUint64

// Shard is the rows of one collection in one bbolt file. It is safe for concurrent use:
// commits take turns, and reads never wait.
type Shard struct {
	file
	schema Schema
	disk   diskReads
	places places
	latest atomic.Pointer[latest] // of recent views

	// recent is kept small by Schema.sweepDue; it is replaced when a sweep has ended.
	recent atomic.Pointer[recent]

	mu      sync.Mutex // held by the one commit under way, and by Close
	state   state
	sweep   *sweep // the sweep under way, or nil
	version uint32 // of the file
	dirty   bool   // a commit since open: the freelist on disk is gone

	broken error // from bbolt, while it was writing: the content of the file is unknown
	stuck  bool  // bbolt also kept its writers' lock, and closing would wait for it
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
	// Slot is the slot that an upsert got; NoSlot for a removal.
	Slot uint64
	// Retired is the slot that the id had before; NoSlot if it had none.
	Retired uint64
}

// CreateShard makes the file of an empty shard, which must not exist yet, and syncs it. The
// caller syncs its folder.
func CreateShard(path string, schema Schema) error {
	schema = schema.withDefaults()
	if err := schema.validate(); err != nil {
		return fmt.Errorf("storage: schema: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("storage: %s: %w", path, fs.ErrExist)
	}
	fresh, err := createFile(path)
	if err != nil {
		return err
	}
	db := fresh.db
	encoded, err := json.Marshal(schema)
	if err != nil {
		return errors.Join(fmt.Errorf("storage: schema: %w", err), db.Close())
	}
	_, err = update(path, db, func(tx *bolt.Tx) error {
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
			putHashes(tx.Bucket(bucketHashes), nil, 0, math.MaxUint64),
		)
	})
	return errors.Join(err, closeBolt(db))
}

var (
	shardBuckets    = [][]byte{bucketMeta, bucketCodes, bucketVectors, bucketTail, bucketRows, bucketHashes, bucketRetired}
	shardBucketsIDs = [][]byte{bucketMeta, bucketCodes, bucketVectors, bucketTail, bucketRows, bucketIDs, bucketRetired}
)

// OpenShard opens the file of a shard that CreateShard made. It takes the file's lock and
// fails with ErrLocked if another process has it. ErrVersion and ErrCorrupt are about the
// contents.
func OpenShard(path string) (*Shard, error) { return openShardFile(path, false) }

func openShardFile(path string, readOnly bool) (*Shard, error) {
	f, err := openFile(path, readOnly)
	if err != nil {
		return nil, err
	}
	s := &Shard{file: f}
	if err := s.guard(s.load); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// load reads the meta bucket, and the ids of recent rows.
func (s *Shard) load() error {
	return s.db.View(func(tx *bolt.Tx) (err error) {
		if s.version, err = checkFormat(tx, shardMagic, shardVersion); err != nil {
			return err
		}
		buckets := shardBuckets
		if s.version == shardVersionIDs {
			buckets = shardBucketsIDs
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

// checkFormat checks the kind and the version of a file, returns the version, and checks
// what else a reader must know. It looks at nothing else, which may differ in a version
// that it does not know.
func checkFormat(tx *bolt.Tx, magic []byte, newest uint32) (uint32, error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return 0, corrupt("no bucket %q", bucketMeta)
	}
	body, err := unseal(keyFormat, meta.Get(keyFormat))
	if err != nil {
		return 0, fmt.Errorf("format: %w", err)
	}
	version, err := parseFormat(body, magic, newest)
	if err != nil {
		return 0, err
	}
	if needs := meta.Get(keyNeeds); needs != nil {
		body, err := unseal(keyNeeds, needs)
		if err == nil {
			err = parseNeeds(body)
		}
		if err != nil {
			return 0, fmt.Errorf("needs: %w", err)
		}
	}
	return version, nil
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

// Health returns why the next commit would be refused: ErrGone when the file was removed or
// replaced since it was opened, or the error of a commit that broke off. Nil when no
// problem is known. It waits for the commit under way.
func (s *Shard) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.refusal()
	}
	return s.present()
}

// Doubt returns an error when the last commit may be missing: when the file was opened, one
// of the two pages that bbolt writes in turn at the end of each commit was damaged. The
// contents are then those of the other page, and the next commit rewrites the damaged one.
// Nil when both were whole.
func (s *Shard) Doubt() error {
	if s.doubt == nil {
		return nil
	}
	return fmt.Errorf("storage: %s: %w", s.path, s.doubt)
}

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

// FreeSpace returns the bytes that the file system of the file has left.
func (s *Shard) FreeSpace() (uint64, error) {
	free, err := freeSpace(filepath.Dir(s.path))
	if err != nil {
		return 0, fmt.Errorf("storage: free space at %s: %w", s.path, err)
	}
	return free, nil
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
