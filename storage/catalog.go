package storage

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	catalogFile     = "catalog.db"
	shardFile       = "shard-0000.db"
	suffixCreating  = ".creating"
	suffixDeleting  = ".deleting"
	suffixRewriting = ".rewriting"
)

// Catalog is a directory of collections. While it is open for writing, no other process can
// use it. It is safe for concurrent use.
type Catalog struct {
	dir string
	file
}

// Entry is one collection of a catalog.
type Entry struct {
	Name    string
	ID      string // the folder's name
	Created time.Time
	Labels  map[string]string
}

// entryValue is an Entry as the catalog stores it.
type entryValue struct {
	ID      string            `json:"id"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
}

// FindCatalog returns nil when dir has a catalog. The error is ErrOrphans when dir has collections
// but has lost its catalog, otherwise fs.ErrNotExist.
func FindCatalog(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, catalogFile)); err != nil {
		if lost := refuseOrphans(dir, nil); errors.Is(lost, ErrOrphans) {
			return lost
		}
		return fmt.Errorf("storage: no collections in %s: %w", dir, err)
	}
	return nil
}

// OpenCatalog opens the directory dir, makes it if necessary, and finishes what a crash
// interrupted. ErrLocked when another process has it open; ErrOrphans when there are
// folders of collections that the catalog does not have, see Adopt.
func OpenCatalog(dir string) (*Catalog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	path := filepath.Join(dir, catalogFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := refuseOrphans(dir, nil); err != nil {
			return nil, err
		}
		if err := createCatalog(path); err != nil {
			return nil, err
		}
	}
	c, err := loadCatalog(dir, false)
	if err != nil {
		return nil, err
	}
	if err := c.recover(); err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	return c, nil
}

// ReadCatalog opens the directory dir for reading. It changes nothing, not even what a
// crash left unfinished, so the medium may be read-only. Any number of processes can read
// at a time. ErrLocked when one has it open for writing; otherwise as FindCatalog.
func ReadCatalog(dir string) (*Catalog, error) {
	if err := FindCatalog(dir); err != nil {
		return nil, err
	}
	return loadCatalog(dir, true)
}

// createCatalog makes an empty catalog beside path and moves it there, unless another
// process was faster. It does so because bbolt cannot open a file whose first pages were
// torn by a power cut.
func createCatalog(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), catalogFile+".*"+suffixCreating)
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	fresh := f.Name()
	defer func() { _ = os.Remove(fresh) }() // recover removes what stays
	if err := f.Close(); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	made, err := createFile(fresh)
	if err != nil {
		return err
	}
	db := made.db
	_, err = update(fresh, db, func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(bucketCollections); err != nil {
			return err
		}
		return meta.Put(keyFormat, seal(keyFormat, appendFormat(catalogMagic, catalogVersion)))
	})
	if err := errors.Join(err, closeBolt(db)); err != nil {
		return err
	}
	// A rename would replace a catalog that is in use by now.
	err = os.Link(fresh, path)
	if _, there := os.Stat(path); errors.Is(there, fs.ErrNotExist) { // no links here
		err = os.Rename(fresh, path)
	} else if there == nil {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// loadCatalog opens the existing catalog of dir.
func loadCatalog(dir string, readOnly bool) (*Catalog, error) {
	f, err := openFile(filepath.Join(dir, catalogFile), readOnly)
	if err != nil {
		return nil, err
	}
	c := &Catalog{dir: dir, file: f}
	err = c.guard(func() error {
		return c.db.View(func(tx *bolt.Tx) error {
			if _, err := checkFormat(tx, catalogMagic, catalogVersion); err != nil {
				return err
			}
			if tx.Bucket(bucketCollections) == nil {
				return corrupt("no bucket %q", bucketCollections)
			}
			return nil
		})
	})
	if err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	return c, nil
}

// Doubt is Shard.Doubt for the catalog's file.
func (c *Catalog) Doubt() error {
	if c.doubt == nil {
		return nil
	}
	return fmt.Errorf("storage: %s: %w", c.path, c.doubt)
}

// Health is Shard.Health for the catalog's file.
func (c *Catalog) Health() error { return c.present() }

// recover finishes creations and deletions that a crash interrupted; see FORMAT.md. The
// engine restarts rewrites.
func (c *Catalog) recover() error {
	entries, err := c.List()
	if err != nil {
		return err
	}
	listed := make(map[string]bool, len(entries))
	for _, e := range entries {
		listed[e.ID] = true
	}
	if err := refuseOrphans(c.dir, listed); err != nil {
		return err
	}
	if err := c.dropVoid(); err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeFile(c.ShardPath(e) + suffixCreating); err != nil {
			return err
		}
	}
	found, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	for _, f := range found {
		id, cut := strings.CutSuffix(f.Name(), suffixCreating)
		if !cut {
			id, cut = strings.CutSuffix(f.Name(), suffixDeleting)
		}
		path := filepath.Join(c.dir, f.Name())
		if cut && strings.HasPrefix(id+".", catalogFile+".") { // see createCatalog
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("storage: %w", err)
			}
		}
		if !cut || !isID(id) {
			continue
		}
		if listed[id] {
			err = os.Rename(path, filepath.Join(c.dir, id))
		} else {
			err = os.RemoveAll(path)
		}
		if err != nil {
			return fmt.Errorf("storage: %w", err)
		}
	}
	return syncDir(c.dir)
}

// List returns all entries by name, ascending.
func (c *Catalog) List() ([]Entry, error) {
	var entries []Entry
	err := c.guard(func() error {
		entries = nil
		return c.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketCollections).ForEach(func(name, value []byte) error {
				e, err := parseEntry(name, value)
				entries = append(entries, e)
				return err
			})
		})
	})
	return entries, err
}

func parseEntry(name, value []byte) (Entry, error) {
	body, err := unseal(name, value)
	if err != nil {
		return Entry{}, fmt.Errorf("collection %q: %w", head(name), err)
	}
	var v entryValue
	if err := json.Unmarshal(body, &v); err != nil || !isID(v.ID) {
		return Entry{}, corrupt("collection %q: entry %q (%v)", head(name), head(body), err)
	}
	return Entry{Name: string(name), ID: v.ID, Created: v.Created, Labels: v.Labels}, nil
}

func putEntry(tx *bolt.Tx, e Entry) error {
	body, err := json.Marshal(entryValue{e.ID, e.Created, e.Labels})
	if err != nil {
		return err
	}
	key := []byte(e.Name)
	return tx.Bucket(bucketCollections).Put(key, seal(key, body))
}

// entryOf returns the entry of the collection of that name. ErrNotFound when it is not there.
func entryOf(tx *bolt.Tx, name string) (Entry, error) {
	value := tx.Bucket(bucketCollections).Get([]byte(name))
	if value == nil {
		return Entry{}, fmt.Errorf("collection %q: %w", name, ErrNotFound)
	}
	return parseEntry([]byte(name), value)
}

func checkName(name string) error {
	if len(name) < 1 || len(name) > MaxIDBytes {
		return fmt.Errorf("storage: name of %d bytes, want 1 to %d", len(name), MaxIDBytes)
	}
	return nil
}

// Create makes a collection with an empty shard, durably. ErrExists when a collection or an
// alias has the name. name is 1 to MaxIDBytes bytes.
func (c *Catalog) Create(name string, labels map[string]string, schema Schema) (Entry, error) {
	if err := checkName(name); err != nil {
		return Entry{}, err
	}
	if err := c.writable(); err != nil {
		return Entry{}, err
	}
	var id [16]byte
	rand.Read(id[:]) // never fails, see its documentation
	e := Entry{Name: name, ID: hex.EncodeToString(id[:]), Created: time.Now().UTC().Truncate(time.Microsecond), Labels: labels}
	creating := filepath.Join(c.dir, e.ID+suffixCreating)
	if err := os.Mkdir(creating, 0o700); err != nil {
		return Entry{}, fmt.Errorf("storage: %w", err)
	}
	schema.Collection = name
	err := CreateShard(filepath.Join(creating, shardFile), schema)
	if err == nil {
		err = errors.Join(syncDir(creating), syncDir(c.dir))
	}
	var entered bool
	if err == nil {
		err = c.change(func(tx *bolt.Tx) error {
			if err := unused(tx, name); err != nil {
				return err
			}
			err := putEntry(tx, e)
			entered = err == nil
			return err
		})
	}
	switch {
	case err != nil && entered: // or not, the disk failed: the next open will know
		return Entry{}, err
	case err != nil:
		return Entry{}, errors.Join(err, os.RemoveAll(creating))
	}
	if err := os.Rename(creating, filepath.Join(c.dir, e.ID)); err != nil {
		return Entry{}, fmt.Errorf("storage: %w", err)
	}
	return e, syncDir(c.dir)
}

// change makes one durable change to the catalog.
func (c *Catalog) change(fn func(tx *bolt.Tx) error) error {
	_, err := c.update(fn)
	return err
}

// SetLabels replaces the labels of a collection. ErrNotFound when there is no such
// collection.
func (c *Catalog) SetLabels(name string, labels map[string]string) (Entry, error) {
	var e Entry
	err := c.change(func(tx *bolt.Tx) error {
		var err error
		if e, err = entryOf(tx, name); err != nil {
			return err
		}
		e.Labels = labels
		return putEntry(tx, e)
	})
	return e, err
}

// SetCalibration stores a measurement of a collection, a JSON value, durably, and replaces
// the previous one. ErrNotFound when there is no such collection.
func (c *Catalog) SetCalibration(e Entry, calibration []byte) error {
	return c.change(func(tx *bolt.Tx) error {
		name, id := []byte(e.Name), []byte(e.ID)
		value := tx.Bucket(bucketCollections).Get(name)
		if value == nil {
			return fmt.Errorf("collection %q: %w", e.Name, ErrNotFound)
		}
		if now, err := parseEntry(name, value); err != nil || now.ID != e.ID {
			return errors.Join(err, fmt.Errorf("collection %q of id %s: %w", e.Name, e.ID, ErrNotFound))
		}
		b, err := tx.CreateBucketIfNotExists(bucketCalibrations)
		if err != nil {
			return err
		}
		return b.Put(id, seal(id, calibration))
	})
}

// Calibration returns what SetCalibration stored, or nil.
func (c *Catalog) Calibration(e Entry) (calibration []byte, err error) {
	err = c.guard(func() error {
		return c.db.View(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketCalibrations)
			if b == nil {
				return nil
			}
			value := b.Get([]byte(e.ID))
			if value == nil {
				return nil
			}
			body, err := unseal([]byte(e.ID), value)
			if err != nil {
				return fmt.Errorf("calibration of collection %q: %w", e.Name, err)
			}
			calibration = slices.Clone(body)
			return nil
		})
	})
	return calibration, err
}

// Delete drops a collection and its files. Its shard must be closed. ErrNotFound when there
// is no such collection, ErrAliased when it has aliases.
func (c *Catalog) Delete(name string) error {
	entries, err := c.List()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name == name {
			return c.drop(e)
		}
	}
	return fmt.Errorf("storage: collection %q: %w", name, ErrNotFound)
}

func (c *Catalog) drop(e Entry) error {
	if err := c.writable(); err != nil {
		return err
	}
	err := c.guard(func() error {
		return c.db.View(func(tx *bolt.Tx) error { return refuseAliased(tx, e) })
	})
	if err != nil {
		return err
	}
	deleting := filepath.Join(c.dir, e.ID+suffixDeleting)
	err = os.Rename(filepath.Join(c.dir, e.ID), deleting)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // otherwise somebody removed it, or an earlier try renamed it
		return fmt.Errorf("storage: %w", err)
	}
	if err := syncDir(c.dir); err != nil {
		return err
	}
	err = c.change(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucketCalibrations); b != nil {
			if err := b.Delete([]byte(e.ID)); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketCollections).Delete([]byte(e.Name))
	})
	if err != nil {
		return err
	}
	if err := os.RemoveAll(deleting); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	return syncDir(c.dir)
}

// ShardPath returns the path of the collection's shard.
func (c *Catalog) ShardPath(e Entry) string { return filepath.Join(c.dir, e.ID, shardFile) }

// OpenShard opens the shard of a collection, for reading if the catalog is.
func (c *Catalog) OpenShard(e Entry) (*Shard, error) {
	return openShardFile(c.ShardPath(e), c.readOnly)
}

// Close releases the directory. The shards must be closed.
func (c *Catalog) Close() error {
	if c.readOnly {
		return c.db.Close()
	}
	return closeBolt(c.db)
}
