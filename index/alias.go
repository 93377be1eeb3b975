package index

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/hamnest/hamnest/storage"
)

// This file names collections: aliases, and other names for good.

// SetAlias makes name another name of a collection, durably, whatever it was an alias of before:
// calls that begin later go there, and those under way end where they began. collection may be an
// alias itself, and then that of the same collection is meant. It returns what was set.
//
// ErrNotFound when there is no such collection, ErrExists when one has that name; *InvalidError
// with field name.
func (db *DB) SetAlias(ctx context.Context, name, collection string) (Alias, error) {
	if err := checkName(name); err != nil {
		return Alias{}, invalid("name", "%v", err)
	}
	unlock, err := db.rename(ctx)
	if err != nil {
		return Alias{}, err
	}
	defer unlock()
	set := Alias{Name: name, Collection: db.realName(collection)}
	if _, err := db.Collection(set.Collection); errors.Is(err, ErrNotFound) { // or being deleted
		return Alias{}, err
	}
	if err := db.catalog.SetAlias(name, set.Collection); err != nil {
		return Alias{}, inWords(err, fmt.Sprintf("collection %q", collection), name)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.aliases[name] = set.Collection
	return set, nil
}

// Aliases lists all aliases by name, ascending. An error is the last pair.
func (db *DB) Aliases(ctx context.Context) iter.Seq2[Alias, error] {
	return func(yield func(Alias, error) bool) {
		db.mu.RLock()
		closed, aliases := db.closed, maps.Clone(db.aliases)
		db.mu.RUnlock()
		if closed {
			yield(Alias{}, ErrClosed)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(aliases)) {
			if err := ctx.Err(); err != nil {
				yield(Alias{}, err)
				return
			}
			if !yield(Alias{Name: name, Collection: aliases[name]}, nil) {
				return
			}
		}
	}
}

// DeleteAlias removes an alias, durably, and leaves its collection. ErrNotFound when there is no
// such alias.
func (db *DB) DeleteAlias(ctx context.Context, name string) error {
	unlock, err := db.rename(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := db.catalog.DeleteAlias(name); err != nil {
		return inWords(err, fmt.Sprintf("alias %q", name), name)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.aliases, name)
	return nil
}

// RenameCollection gives a collection another name, durably and at once, and describes it. Its
// aliases stay; the calls under way end as they would have. ErrExists when a collection or an
// alias has the new name; *InvalidError with field name when that is an alias's, and with field
// new_name.
func (db *DB) RenameCollection(ctx context.Context, name, newName string) (Info, error) {
	if err := checkName(newName); err != nil {
		return Info{}, invalid("new_name", "%v", err)
	}
	unlock, err := db.rename(ctx)
	if err != nil {
		return Info{}, err
	}
	defer unlock()
	if err := db.refuseAlias(name); err != nil {
		return Info{}, err
	}
	c, err := db.Collection(name)
	if err != nil {
		return Info{}, err
	}
	err = c.changeEntry(func(storage.Entry) (storage.Entry, error) { return db.catalog.Rename(name, newName) })
	if err != nil {
		return Info{}, inWords(err, fmt.Sprintf("collection %q", name), newName)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.collections, name)
	db.collections[newName] = c
	for alias, of := range db.aliases {
		if of == name {
			db.aliases[alias] = newName
		}
	}
	return c.Info(), nil
}

// rename holds db.create for a change of names, until unlock is called.
func (db *DB) rename(ctx context.Context) (unlock func(), err error) {
	if db.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	db.create.Lock()
	db.mu.RLock()
	defer db.mu.RUnlock()
	if err = ctx.Err(); err == nil && db.closed {
		err = ErrClosed
	}
	if err != nil {
		db.create.Unlock()
		return nil, err
	}
	return db.create.Unlock, nil
}

// realName returns the name of the collection that name, if it is an alias, stands for.
func (db *DB) realName(name string) string {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.resolve(name)
}

// resolve is realName while db.mu is held.
func (db *DB) resolve(name string) string {
	if of, is := db.aliases[name]; is {
		return of
	}
	return name
}

// refuseAlias returns an *InvalidError of name if that is an alias.
func (db *DB) refuseAlias(name string) error {
	if real := db.realName(name); real != name {
		return invalid("name", "%q is an alias of collection %q, want the name of a collection", name, real)
	}
	return nil
}

// refuseAliased returns ErrAliased and the aliases of a collection, if there are any.
func (db *DB) refuseAliased(name string) error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	var names []string
	for alias, of := range db.aliases {
		if of == name {
			names = append(names, fmt.Sprintf("%q", alias))
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("collection %q: %w: %s", name, ErrAliased, strings.Join(names, ", "))
}

// inWords returns an error of the catalog's in the words of package api: of what is missing, or of
// the name that is taken.
func inWords(err error, missing, taken string) error {
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return fmt.Errorf("%s: %w", missing, ErrNotFound)
	case errors.Is(err, storage.ErrExists):
		return fmt.Errorf("%q: %w", taken, ErrExists)
	}
	return err
}

// readAliases fills in the aliases of entries.
func (db *DB) readAliases(entries []storage.Entry) error {
	aliases, err := db.catalog.Aliases()
	if err != nil {
		return err
	}
	names := make(map[string]string, len(entries))
	for _, e := range entries {
		names[e.ID] = e.Name
	}
	for _, a := range aliases {
		db.aliases[a.Name] = names[a.ID]
	}
	return nil
}
