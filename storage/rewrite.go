package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// A rewrite fills a new shard beside the one in use, and then replaces that one with it;
// see FORMAT.md.

// BeginRewrite makes the empty shard that will replace that of e, durably, and opens it. It
// replaces a shard left by an earlier rewrite, which must be closed.
func (c *Catalog) BeginRewrite(e Entry, schema Schema) (*Shard, error) {
	if err := c.writable(); err != nil {
		return nil, err
	}
	creating, rewriting := c.ShardPath(e)+suffixCreating, c.rewritePath(e)
	if err := removeFile(creating); err != nil {
		return nil, err
	}
	schema.Collection = e.Name
	if err := CreateShard(creating, schema); err != nil {
		return nil, errors.Join(err, removeFile(creating))
	}
	if err := os.Rename(creating, rewriting); err != nil {
		return nil, errors.Join(fmt.Errorf("storage: %w", err), removeFile(creating))
	}
	err := syncDir(filepath.Dir(rewriting))
	if err == nil {
		var s *Shard
		if s, err = OpenShard(rewriting); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, removeFile(rewriting))
}

// UnfinishedRewrite returns the schema of the shard that a rewrite was filling when its
// process ended, or fs.ErrNotExist.
func (c *Catalog) UnfinishedRewrite(e Entry) (Schema, error) {
	s, err := OpenShard(c.rewritePath(e))
	if err != nil {
		return Schema{}, err
	}
	return s.schema, s.Close()
}

// AbandonRewrite removes the shard left by a rewrite of e, which must be closed.
func (c *Catalog) AbandonRewrite(e Entry) error {
	return errors.Join(removeFile(c.rewritePath(e)), removeFile(c.ShardPath(e)+suffixCreating))
}

func (c *Catalog) rewritePath(e Entry) string { return c.ShardPath(e) + suffixRewriting }

// Replace puts s, from BeginRewrite, in the place of the shard in use, durably. From then
// on old takes no commits, but can be read until it is closed, which frees its space.
//
// When it fails, old is in its place as before. There is one exception: if the disk does
// not say which of the two is, neither takes commits, and opening the collection again
// tells.
func (s *Shard) Replace(old *Shard) error {
	old.mu.Lock()
	defer old.mu.Unlock()
	if old.broken != nil { // what it holds is unknown, and so is what s should hold
		return fmt.Errorf("storage: %s: %w", old.path, old.broken)
	}
	if err := old.present(); err != nil { // another file is there now, and it is not ours to replace
		return err
	}
	if err := s.adopt(old.state.Applied); err != nil {
		return err
	}
	if err := os.Rename(s.path, old.path); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if err := syncDir(filepath.Dir(old.path)); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		old.broken, s.broken = err, err
		return err
	}
	old.broken = errReplaced
	s.path = old.path
	return nil
}

// adopt sets applied to the number of the last change that s holds, durably: copied rows
// were not changes.
func (s *Shard) adopt(applied uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	state.Applied = applied
	_, err := s.update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put(keyState, seal(keyState, state.append()))
	})
	if err == nil {
		s.state = state
	}
	return err
}

var errReplaced = errors.New("another shard has taken its place")

// removeFile removes a file that may not exist.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("storage: %w", err)
	}
	return nil
}
