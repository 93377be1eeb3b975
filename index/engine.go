package index

import (
	"context"
	"errors"
	"iter"

	"github.com/hamnest/hamnest/index/api"
)

// The methods of api.Engine take a collection's name. Each finds the collection and leaves the
// rest to it.
var _ api.Engine = (*DB)(nil)

// on calls use with the collection of that name and returns its result.
func on[T any](db *DB, name string, use func(c *Collection) (T, error)) (T, error) {
	c, err := db.Collection(name)
	if err != nil {
		var none T
		return none, err
	}
	return use(c)
}

// CreateCollection is Create, and describes the collection.
func (db *DB) CreateCollection(ctx context.Context, spec Spec) (Info, error) {
	c, err := db.Create(ctx, spec)
	if err != nil {
		return Info{}, err
	}
	return c.Info(), nil
}

// GetCollection describes a collection.
func (db *DB) GetCollection(_ context.Context, name string) (Info, error) {
	return on(db, name, func(c *Collection) (Info, error) { return c.Info(), nil })
}

// Collections describes all collections by name, ascending; one whose files could not be
// opened has a Name and no more.
func (db *DB) Collections(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for _, name := range db.Names() {
			info, err := db.GetCollection(ctx, name)
			switch {
			case errors.Is(err, ErrNotFound): // deleted since
				continue
			case errors.Is(err, ErrClosed):
				yield(Info{}, err)
				return
			case err != nil:
				info = Info{Spec: Spec{Name: name}}
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// SetLabels is Collection.SetLabels, and describes the collection.
func (db *DB) SetLabels(ctx context.Context, name string, labels map[string]string) (Info, error) {
	return on(db, name, func(c *Collection) (Info, error) {
		if err := c.SetLabels(ctx, labels); err != nil {
			return Info{}, err
		}
		return c.Info(), nil
	})
}

// UpdateCollection is Collection.Update, and describes the collection. A change of nothing
// does nothing.
func (db *DB) UpdateCollection(ctx context.Context, name string, change Change) (Info, error) {
	return on(db, name, func(c *Collection) (Info, error) {
		if change == (Change{}) {
			return c.Info(), nil
		}
		if err := c.Update(ctx, change); err != nil {
			return Info{}, err
		}
		return c.Info(), nil
	})
}

// Compact is Collection.Compact.
func (db *DB) Compact(ctx context.Context, name string) (RewriteStats, error) {
	return on(db, name, func(c *Collection) (RewriteStats, error) { return c.Compact(ctx) })
}

// Stats is Collection.Stats.
func (db *DB) Stats(_ context.Context, name string) (Stats, error) {
	return on(db, name, (*Collection).Stats)
}

// Calibrate is Collection.Calibrate.
func (db *DB) Calibrate(ctx context.Context, name string, opts CalibrateOptions) (*Calibration, error) {
	return on(db, name, func(c *Collection) (*Calibration, error) { return c.Calibrate(ctx, opts) })
}

// Check is Collection.Check.
func (db *DB) Check(ctx context.Context, name string) (CheckReport, error) {
	return on(db, name, func(c *Collection) (CheckReport, error) { return c.Check(ctx) })
}

// Upsert is Collection.Upsert.
func (db *DB) Upsert(ctx context.Context, name string, records []Record) error {
	c, err := db.Collection(name)
	if err != nil {
		return err
	}
	return c.Upsert(ctx, records)
}

// Get is Collection.Get.
func (db *DB) Get(ctx context.Context, name string, ids []string, opts ReadOptions) (found []Record, missing []string, err error) {
	c, err := db.Collection(name)
	if err != nil {
		return nil, nil, err
	}
	return c.Get(ctx, ids, opts)
}

// Delete is Collection.Remove.
func (db *DB) Delete(ctx context.Context, name string, ids []string) (int, error) {
	return on(db, name, func(c *Collection) (int, error) { return c.Remove(ctx, ids) })
}

// DeleteWhere is Collection.RemoveWhere.
func (db *DB) DeleteWhere(ctx context.Context, name string, filter string) (int, error) {
	return on(db, name, func(c *Collection) (int, error) { return c.RemoveWhere(ctx, filter) })
}

// defaultPage is how many records a page has if the caller gives no size.
const defaultPage = 1000

// ListPage is Collection.List, with pages of 1000 records when size is 0.
func (db *DB) ListPage(ctx context.Context, name string, size int, token string, opts ReadOptions) (page []Record, next string, err error) {
	c, err := db.Collection(name)
	switch {
	case err != nil:
		return nil, "", err
	case size < 0:
		return nil, "", invalid("page_size", "%d, want at least 0", size)
	case size == 0:
		size = defaultPage
	}
	return c.List(ctx, size, token, opts)
}

// Count is Collection.CountWhere.
func (db *DB) Count(ctx context.Context, name string, filter string) (uint64, error) {
	return on(db, name, func(c *Collection) (uint64, error) { return c.CountWhere(ctx, filter) })
}

// Search is Collection.Search.
func (db *DB) Search(ctx context.Context, name string, q Query) (*Result, error) {
	return on(db, name, func(c *Collection) (*Result, error) { return c.Search(ctx, q) })
}

// BatchSearch is Collection.BatchSearch.
func (db *DB) BatchSearch(ctx context.Context, name string, queries []Query) ([]*Result, error) {
	return on(db, name, func(c *Collection) ([]*Result, error) { return c.BatchSearch(ctx, queries) })
}
