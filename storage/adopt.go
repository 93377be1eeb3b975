package storage

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// This file keeps folders that no catalog lists from being lost: the catalog was removed or
// replaced by another, or the folder came from elsewhere.

// orphans returns the ids of the folders of dir that have a shard and are not listed,
// ascending. Folders that a crash left unfinished have other names.
func orphans(dir string, listed map[string]bool) ([]string, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	var ids []string
	for _, f := range found {
		if !isID(f.Name()) || listed[f.Name()] {
			continue
		}
		_, err := os.Stat(filepath.Join(dir, f.Name(), shardFile))
		switch {
		case err == nil:
			ids = append(ids, f.Name())
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("storage: %w", err)
		}
	}
	return ids, nil
}

func refuseOrphans(dir string, listed map[string]bool) error {
	ids, err := orphans(dir, listed)
	if err != nil || len(ids) == 0 {
		return err
	}
	return fmt.Errorf("storage: %s: %w: folders %s: hamnest collection adopt --data %s enters them, or move them away", dir, ErrOrphans, strings.Join(ids, ", "), dir)
}

// Adopt enters the folders of dir that are not in its catalog. If there is no catalog it
// makes one. A collection gets the name that it had when its file was made, or its id if
// the file does not say or the name is taken; its labels are lost. Adopt returns the
// entries it made. If a shard cannot be opened, Adopt fails and enters nothing. ErrLocked
// when another process has the directory open.
func Adopt(dir string) (adopted []Entry, err error) {
	path := filepath.Join(dir, catalogFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := createCatalog(path); err != nil {
			return nil, err
		}
	}
	c, err := loadCatalog(dir, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	entries, err := c.List()
	if err != nil {
		return nil, err
	}
	listed, taken := make(map[string]bool), make(map[string]bool)
	for _, e := range entries {
		listed[e.ID], taken[e.Name] = true, true
	}
	ids, err := orphans(dir, listed)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	aliases, err := c.Aliases()
	if err != nil {
		return nil, err
	}
	for _, a := range aliases {
		taken[a.Name] = true
	}
	for _, id := range ids {
		e := Entry{ID: id, Created: time.Now().UTC().Truncate(time.Microsecond)}
		s, err := c.OpenShard(e)
		if err != nil {
			return nil, err
		}
		e.Name = cmp.Or(s.schema.Collection, id)
		if err := s.Close(); err != nil {
			return nil, err
		}
		if taken[e.Name] {
			e.Name = id
		}
		taken[e.Name] = true
		adopted = append(adopted, e)
	}
	return adopted, c.change(func(tx *bolt.Tx) error {
		for _, e := range adopted {
			if err := putEntry(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// isID reports whether a folder of that name belongs to a collection.
func isID(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == 16
}
