package storage

import (
	"encoding/json"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// This file keeps the aliases of a catalog's collections, and renames those; see FORMAT.md.

// Alias is another name of a collection.
type Alias struct {
	Name string
	ID   string // Entry.ID
}

// aliasValue is an Alias as the catalog stores it.
type aliasValue struct {
	ID string `json:"id"`
}

// Aliases returns all aliases by name, ascending.
func (c *Catalog) Aliases() (aliases []Alias, err error) {
	err = c.guard(func() error {
		return c.db.View(func(tx *bolt.Tx) error {
			aliases, _, err = readAliases(tx)
			return err
		})
	})
	return aliases, err
}

// SetAlias makes alias a name of a collection, durably, whatever it was a name of before.
// ErrExists when a collection has that name, ErrNotFound when there is no such collection. alias is
// 1 to MaxIDBytes bytes.
func (c *Catalog) SetAlias(alias, collection string) error {
	if err := checkName(alias); err != nil {
		return err
	}
	return c.change(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketCollections).Get([]byte(alias)) != nil {
			return fmt.Errorf("collection %q: %w", alias, ErrExists)
		}
		e, err := entryOf(tx, collection)
		if err != nil {
			return err
		}
		b, err := tx.CreateBucketIfNotExists(bucketAliases)
		if err != nil {
			return err
		}
		body, err := json.Marshal(aliasValue{e.ID})
		if err != nil {
			return err
		}
		return b.Put([]byte(alias), seal([]byte(alias), body))
	})
}

// DeleteAlias removes an alias, durably. ErrNotFound when it is not there.
func (c *Catalog) DeleteAlias(alias string) error {
	return c.change(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketAliases)
		if b == nil || b.Get([]byte(alias)) == nil {
			return fmt.Errorf("alias %q: %w", alias, ErrNotFound)
		}
		return b.Delete([]byte(alias))
	})
}

// Rename gives a collection another name, durably, and returns its entry. ErrNotFound when it is
// not there, ErrExists when a collection or an alias has the new name. to is 1 to MaxIDBytes
// bytes.
func (c *Catalog) Rename(name, to string) (e Entry, err error) {
	if err := checkName(to); err != nil {
		return Entry{}, err
	}
	err = c.change(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketCollections)
		if e, err = entryOf(tx, name); err != nil {
			return err
		}
		if err := unused(tx, to); err != nil {
			return err
		}
		if err := b.Delete([]byte(name)); err != nil {
			return err
		}
		e.Name = to
		return putEntry(tx, e)
	})
	return e, err
}

// unused returns ErrExists when a collection or an alias has that name.
func unused(tx *bolt.Tx, name string) error {
	if tx.Bucket(bucketCollections).Get([]byte(name)) != nil {
		return fmt.Errorf("collection %q: %w", name, ErrExists)
	}
	if b := tx.Bucket(bucketAliases); b != nil && b.Get([]byte(name)) != nil {
		return fmt.Errorf("alias %q: %w", name, ErrExists)
	}
	return nil
}

// refuseAliased returns ErrAliased when there are aliases of e.
func refuseAliased(tx *bolt.Tx, e Entry) error {
	aliases, _, err := readAliases(tx)
	if err != nil {
		return err
	}
	var names []string
	for _, a := range aliases {
		if a.ID == e.ID {
			names = append(names, fmt.Sprintf("%q", a.Name))
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("collection %q: %w: %s", e.Name, ErrAliased, strings.Join(names, ", "))
	}
	return nil
}

// readAliases returns the aliases by name, ascending: those that are some, and the names of those
// that mean nothing.
func readAliases(tx *bolt.Tx) (aliases []Alias, void []string, err error) {
	b := tx.Bucket(bucketAliases)
	if b == nil {
		return nil, nil, nil
	}
	collections, ids := tx.Bucket(bucketCollections), make(map[string]bool)
	err = collections.ForEach(func(name, value []byte) error {
		e, err := parseEntry(name, value)
		ids[e.ID] = true
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = b.ForEach(func(name, value []byte) error {
		body, err := unseal(name, value)
		if err != nil {
			return fmt.Errorf("alias %q: %w", head(name), err)
		}
		var v aliasValue
		if err := json.Unmarshal(body, &v); err != nil || !isID(v.ID) {
			return corrupt("alias %q: entry %q (%v)", head(name), head(body), err)
		}
		if !ids[v.ID] || collections.Get(name) != nil {
			void = append(void, string(name))
			return nil
		}
		aliases = append(aliases, Alias{string(name), v.ID})
		return nil
	})
	return aliases, void, err
}

// dropVoid removes the aliases that mean nothing.
func (c *Catalog) dropVoid() error {
	var void []string
	err := c.guard(func() error {
		return c.db.View(func(tx *bolt.Tx) (err error) {
			_, void, err = readAliases(tx)
			return err
		})
	})
	if err != nil || len(void) == 0 {
		return err
	}
	return c.change(func(tx *bolt.Tx) error {
		for _, name := range void {
			if err := tx.Bucket(bucketAliases).Delete([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
}
