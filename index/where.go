package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"iter"
	"slices"
	"time"

	"github.com/hamnest/hamnest/index/attr"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/filter"
	"github.com/hamnest/hamnest/storage"
)

// DefaultFilterBytes is Options.FilterBytes's default: the columns of some short fields of ten
// million rows.
const DefaultFilterBytes = 256 << 20

// parseFilter returns the canonical form of a filter: that of all records when text is empty.
func parseFilter(text string) (filter.Expr, error) {
	e, err := filter.Parse(text)
	if err == nil {
		e, err = e.Check(nil)
	}
	if bad := new(filter.Error); errors.As(err, &bad) {
		return filter.Expr{}, invalid("filter", "column %d: %s", bad.Column, bad.Reason)
	}
	return e.Normalize(), err
}

// allowed returns the rows of the current view that match e, in canonical form: nil for all.
func (g *generation) allowed(ctx context.Context, e filter.Expr) (*codes.Set, error) {
	if e.Op == filter.OpAll {
		return nil, nil
	}
	set, err := g.columns.Select(ctx, e)
	if bad := new(attr.Error); errors.As(err, &bad) {
		return nil, invalid("filter", "the metadata of a record cannot be read, store it anew: %v", err)
	}
	return set, err
}

// allowed returns the rows that the search may find, nil for all, and notes how long that took.
func (s *settled) allowed(ctx context.Context, g *generation) (*codes.Set, error) {
	if s.filter.Op == filter.OpAll {
		return nil, nil
	}
	start := time.Now()
	set, err := g.allowed(ctx, s.filter)
	s.filtered = time.Since(start)
	return set, err
}

// where returns the rows of the current view that match a filter.
func (g *generation) where(ctx context.Context, text string) (*codes.Set, error) {
	e, err := parseFilter(text)
	if err != nil {
		return nil, err
	}
	set, err := g.allowed(ctx, e)
	if err != nil || set != nil {
		return set, err
	}
	return g.view.Load().Present(), nil
}

// readRows reads the ids and metadata of rows for columns: see columns.Read.
func (g *generation) readRows(ctx context.Context, from, to uint32, want func(row uint32) bool, fn func(row uint32, id, metadata []byte) error) error {
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(to, from+rowsInView)
		err := g.shard.View(func(r *storage.Reader) error {
			for ; from < end; from++ {
				if !want(from) {
					continue
				}
				id, metadata, err := r.Row(uint64(from))
				if err != nil {
					return err
				}
				if err := fn(from, id, metadata); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsInView is how many rows are read in one transaction: a few milliseconds.
const rowsInView = 1 << 12

// stored yields the ids and metadata of the rows that ops have stored, in order.
func stored(ops []storage.Op, applied []storage.Applied) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for i, a := range applied {
			if a.Slot != storage.NoSlot && !yield(ops[i].ID, ops[i].Metadata) {
				return
			}
		}
	}
}

// CountWhere returns how many vectors match a filter. *InvalidError with field filter.
func (c *Collection) CountWhere(ctx context.Context, text string) (n uint64, err error) {
	err = c.use(ctx, func(ctx context.Context, g *generation) error {
		set, err := g.where(ctx, text)
		if err == nil {
			n = set.Len()
		}
		return err
	})
	return n, err
}

// RemoveWhere deletes the vectors that match a filter and returns how many those were: those that
// are there when it is called, and are not replaced before their turn. It is several changes if
// they are many. When it returns nil the deletion is durable, and searches that start later do not see
// them; when it fails, also with the end of ctx, so many were deleted, and those of one
// change more may be. ErrRewriting when the collection was rewritten twice meanwhile; *InvalidError
// with field filter, also when it matches everything because it is empty.
func (c *Collection) RemoveWhere(ctx context.Context, text string) (removed int, err error) {
	if e, err := filter.Parse(text); err == nil && e.Op == filter.OpAll {
		return 0, invalid("filter", "is empty, want one that says what to delete; %s:* matches everything", attr.ID)
	}
	err = c.use(ctx, func(ctx context.Context, g *generation) error {
		set, err := g.where(ctx, text)
		if err != nil {
			return err
		}
		for rows := range slices.Chunk(set.Spread(int(set.Len())), commitBytes/opBytes) {
			n, err := c.removeRows(ctx, g, rows)
			if removed += n; err != nil {
				return err
			}
		}
		return nil
	})
	return removed, err
}

// removeRows deletes those of rows of g that are still there.
func (c *Collection) removeRows(ctx context.Context, g *generation, rows []uint32) (int, error) {
	ch := change{rows: make([]storage.Op, 0, len(rows)), of: g, at: rows}
	in := func(row uint32) bool {
		_, ok := slices.BinarySearch(rows, row)
		return ok
	}
	err := g.readRows(ctx, rows[0], rows[len(rows)-1]+1, in, func(_ uint32, id, _ []byte) error {
		ch.rows = append(ch.rows, storage.Op{ID: string(id), Delete: true})
		return nil
	})
	if err != nil {
		return 0, err
	}
	return c.remove(ctx, ch)
}

// still keeps of a change that deletes rows by number what is still to be deleted.
func (c *Collection) still(ch *change) error {
	g, of := c.current.Load(), ch.of
	if of != g && of.successor != g {
		return fmt.Errorf("%w: it was rewritten more than once since the delete began", ErrRewriting)
	}
	present, kept := of.view.Load().Present(), ch.rows[:0]
	for i, op := range ch.rows {
		if present.Has(ch.at[i]) {
			kept = append(kept, op)
		}
	}
	ch.rows, ch.of, ch.at = kept, nil, nil
	if of == g {
		return nil
	}
	// The rows have other numbers in this generation, below those that were stored since.
	return g.shard.View(func(r *storage.Reader) error {
		kept := ch.rows[:0]
		for _, op := range ch.rows {
			slot, err := r.Slot(op.ID)
			if err != nil {
				return err
			}
			if slot < uint64(g.inherited) {
				kept = append(kept, op)
			}
		}
		ch.rows = kept
		return nil
	})
}

// listWhere is List of the rows that match a filter.
func (c *Collection) listWhere(ctx context.Context, g *generation, n int, token string, opts ReadOptions) ([]Record, string, error) {
	e, err := parseFilter(opts.Filter)
	if err != nil {
		return nil, "", err
	}
	hash := binary.BigEndian.AppendUint64(nil, crc64.Checksum([]byte(e.String()), hashTable))
	from, err := c.parseListToken(g, token, hash)
	if err != nil {
		return nil, "", err
	}
	set, err := g.where(ctx, opts.Filter)
	if err != nil {
		return nil, "", err
	}
	var records []Record
	rows := set.View().Rows()
	row := rows
	if from < uint64(rows) {
		row = set.Next(uint32(from))
	}
	err = g.shard.View(func(r *storage.Reader) error {
		for ; row < rows && len(records) < n; row = set.Next(row + 1) {
			if err := ctx.Err(); err != nil {
				return err
			}
			id, metadata, err := r.Row(uint64(row))
			if err != nil {
				return err
			}
			record, err := g.record(r, uint64(row), string(id), metadata, opts)
			if err != nil {
				return err
			}
			records = append(records, record)
		}
		return nil
	})
	if err != nil || row == rows {
		return records, "", err
	}
	return records, c.listToken(g, uint64(row), hash), nil
}
