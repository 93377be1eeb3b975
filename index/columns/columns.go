// Package columns answers filters: which rows of a view match an expression, as an exact set in
// scan order.
//
// For each path that a filter has named it keeps the values of all rows in memory, by value: a
// column. Columns are derived. They are made by reading the rows once, for the first filter that
// names the path; whoever writes rows adds them, and what is still missing is read when a filter
// needs it. Columns, and the sets that filters gave on the current view, share a budget of bytes,
// and those that were used least recently go first. What cannot be answered by columns within
// the budget is answered by the plain evaluator of package filter, row by row.
//
// What searches read never changes, so that none waits for a writer.
package columns

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/hamnest/hamnest/index/attr"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/filter"
)

// Columns is the columns of the rows of one file. It is safe for concurrent use.
type Columns struct {
	read   Read
	now    func() *codes.View
	budget int

	reading chan struct{} // has an element while somebody makes columns longer

	mu      sync.Mutex // held for moments
	columns map[attr.Path]*column
	view    *codes.View // that sets are of
	sets    map[string]*knownSet
	bytes   int
	clock   uint64 // counts uses
}

// Read calls fn with the ids and metadata of rows from..to-1, ascending, of which want returns
// true, until fn fails or ctx ends. What fn is given dies with the call.
type Read func(ctx context.Context, from, to uint32, want func(row uint32) bool, fn func(row uint32, id, metadata []byte) error) error

// column is the values of one path in rows 0 to rows-1, those apart that were retired when they
// were read. Only used changes.
type column struct {
	rows    uint32
	runs    []*run // in the order of their rows, each at least twice as long as the next
	bytes   int
	tooMuch bool // the column does not fit the budget: it is given up, and has no runs
	used    uint64
}

// knownSet is what a filter gave.
type knownSet struct {
	set   *codes.Set
	bytes int
	used  uint64
}

// New returns columns without any path, of the rows that read reads and the view that now
// returns, in at most budget bytes.
func New(read Read, now func() *codes.View, budget int64) *Columns {
	return &Columns{
		read: read, now: now,
		budget:  int(min(budget, math.MaxUint32)), // fewer than 2^32 values are in a column
		reading: make(chan struct{}, 1),
		columns: make(map[attr.Path]*column),
		sets:    make(map[string]*knownSet),
	}
}

// Bytes is about what the columns and the sets take.
func (c *Columns) Bytes() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(c.bytes)
}

// Select returns the rows of the current view that match e, which is in canonical form and was
// checked. It reads rows when it has to, as long as ctx allows. A row whose metadata cannot be
// read is an error in which there is an *attr.Error.
func (c *Columns) Select(ctx context.Context, e filter.Expr) (*codes.Set, error) {
	text, paths := e.String(), e.Fields()
	if matchesNone(e) {
		paths = nil
	}
	for {
		// First the columns, then the view: rows that are missing in a column were retired in
		// a view before this one.
		columns, fit := c.of(paths)
		view := c.now()
		if set := c.known(view, text); set != nil {
			return set, nil
		}
		var set *codes.Set
		switch {
		case !fit:
			var err error
			if set, err = c.matchAll(ctx, view, e); err != nil {
				return nil, err
			}
		case slices.ContainsFunc(paths, func(p attr.Path) bool { return columns[p].rows < view.Rows() }):
			if err := c.extend(ctx, view, paths); err != nil {
				return nil, err
			}
			continue
		default:
			set = view.Present().Only(evaluator{columns, words(view)}.matches(e))
		}
		c.keep(view, text, set)
		return set, nil
	}
}

// matchesNone reports whether e is the canonical form of what matches no record, whatever its field.
func matchesNone(e filter.Expr) bool { return e.Op == filter.OpIn && len(e.Values) == 0 }

// words is how many words a set of rows of a view has.
func words(view *codes.View) int {
	segments := (uint64(view.Rows()) + codes.SegmentRows - 1) / codes.SegmentRows
	return int(segments * (codes.SegmentRows / 64))
}

// of returns the columns of paths, of no rows where there is none yet, and whether they fit the
// budget.
func (c *Columns) of(paths []attr.Path) (columns map[attr.Path]*column, fit bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	columns, fit = make(map[attr.Path]*column, len(paths)), true
	for _, path := range paths {
		columns[path] = new(column)
		if known := c.columns[path]; known != nil {
			columns[path] = known
			c.clock++
			known.used = c.clock
			fit = fit && !known.tooMuch
		}
	}
	return columns, fit
}

// known returns what the filter gave on view, or nil.
func (c *Columns) known(view *codes.View, text string) *codes.Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.sets[text]
	if c.view != view || known == nil {
		return nil
	}
	c.clock++
	known.used = c.clock
	return known.set
}

// keep remembers what the filter gave on view.
func (c *Columns) keep(view *codes.View, text string, set *codes.Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.view != view {
		for text := range c.sets {
			c.forget(text)
		}
		c.view = view
	}
	if c.sets[text] == nil {
		c.clock++
		c.sets[text] = &knownSet{set: set, bytes: len(text) + 8*words(view), used: c.clock}
		c.bytes += c.sets[text].bytes
	}
	c.trim(nil)
}

// forget drops a set. c.mu is held.
func (c *Columns) forget(text string) {
	c.bytes -= c.sets[text].bytes
	delete(c.sets, text)
}

// put puts a column in the place of the one that path has. c.mu is held.
func (c *Columns) put(path attr.Path, next *column) {
	c.clock++
	next.used = c.clock
	if last := c.columns[path]; last != nil {
		c.bytes -= last.bytes
		next.used = last.used
	}
	c.columns[path] = next
	c.bytes += next.bytes
}

// trim drops what was used least recently until the budget holds, but no column of needed. When
// these alone do not fit, the largest of them is given up. c.mu is held.
func (c *Columns) trim(needed []attr.Path) {
	for c.bytes > c.budget {
		oldest := uint64(math.MaxUint64)
		drop := func() {
			largest := slices.MaxFunc(needed, func(a, b attr.Path) int { return c.size(a) - c.size(b) })
			c.put(largest, &column{tooMuch: true})
		}
		for path, column := range c.columns {
			if column.used < oldest && column.bytes > 0 && !slices.Contains(needed, path) {
				oldest = column.used
				drop = func() {
					c.bytes -= column.bytes
					delete(c.columns, path)
				}
			}
		}
		for text, set := range c.sets {
			if set.used < oldest {
				oldest = set.used
				drop = func() { c.forget(text) }
			}
		}
		drop()
	}
}

// size is what the column of a path takes.
func (c *Columns) size(path attr.Path) int {
	if column := c.columns[path]; column != nil {
		return column.bytes
	}
	return 0
}

// readRows is how many rows are read before columns grow by them and the budget is looked at.
const readRows = 1 << 14

// extend makes the columns of paths as long as view, whose retired rows it leaves out, unless
// they do not fit the budget. What was read when ctx ends is kept.
func (c *Columns) extend(ctx context.Context, view *codes.View, paths []attr.Path) error {
	select {
	case c.reading <- struct{}{}:
		defer func() { <-c.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	reader := attr.NewReader(nil)
	for {
		columns, fit := c.of(paths)
		from := view.Rows()
		for _, column := range columns {
			from = min(from, column.rows)
		}
		if from == view.Rows() || !fit {
			return nil
		}
		to := min(from+readRows, view.Rows())
		builders := make(map[attr.Path]*runBuilder, len(paths))
		for path, column := range columns {
			if column.rows == from {
				builders[path] = new(runBuilder)
			} else {
				to = min(to, column.rows)
			}
		}
		err := c.read(ctx, from, to, view.Present().Has, func(row uint32, id, metadata []byte) error {
			return gather(reader, builders, row, string(id), metadata)
		})
		if err != nil {
			return err
		}
		c.grow(builders, from, to, paths)
	}
}

// Add tells of rows that are about to be visible, from row first on, which follows the last: their
// ids and metadata. It leaves those columns alone that do not end at that row.
func (c *Columns) Add(first uint32, records iter.Seq2[string, []byte]) {
	select {
	case c.reading <- struct{}{}:
		defer func() { <-c.reading }()
	default: // who reads now will miss these rows, and they are read when they are needed
		return
	}
	builders := make(map[attr.Path]*runBuilder)
	c.mu.Lock()
	for path, column := range c.columns {
		if column.rows == first && !column.tooMuch {
			builders[path] = new(runBuilder)
		}
	}
	c.mu.Unlock()
	if len(builders) == 0 {
		return
	}
	reader, row := attr.NewReader(nil), first
	for id, metadata := range records {
		if err := gather(reader, builders, row, id, metadata); err != nil {
			return // the filter that needs the row will say so
		}
		row++
	}
	c.grow(builders, first, row, nil)
}

// gather adds the values of a row to the builders of their paths.
func gather(reader *attr.Reader, builders map[attr.Path]*runBuilder, row uint32, id string, metadata []byte) error {
	if b := builders[attr.ID]; b != nil {
		b.add(row, attr.StringValue(id))
	}
	err := reader.Read(metadata, func(path attr.Path, value attr.Value) error {
		if b := builders[path]; b != nil && path != attr.ID { // a member of that name has none
			b.add(row, value)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("vector %q: %w", id, err)
	}
	return nil
}

// grow adds what was gathered of rows from..to-1 to the columns, of which needed are not dropped.
// It is for one goroutine at a time.
func (c *Columns) grow(builders map[attr.Path]*runBuilder, from, to uint32, needed []attr.Path) {
	for path, builder := range builders {
		c.mu.Lock()
		last := c.columns[path]
		c.mu.Unlock()
		if last == nil {
			if from > 0 { // it was dropped meanwhile
				continue
			}
			last = new(column)
		}
		next := last.with(builder.run(to - from))
		c.mu.Lock()
		c.put(path, next)
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trim(needed)
}

// with returns the column with one more run at its end.
func (c *column) with(r *run) *column {
	runs := slices.Clone(c.runs)
	rows := c.rows + r.rows
	for n := len(runs) - 1; n >= 0 && runs[n].rows < 2*r.rows; n-- {
		r, runs = merged(runs[n], r), runs[:n]
	}
	next := &column{rows: rows, runs: append(runs, r)}
	for _, r := range next.runs {
		next.bytes += r.size
	}
	return next
}

// matchAll is Select by the plain evaluator.
func (c *Columns) matchAll(ctx context.Context, view *codes.View, e filter.Expr) (*codes.Set, error) {
	rows := make(bits, words(view))
	reader, values := attr.NewReader(nil), make(map[attr.Path]attr.Value)
	err := c.read(ctx, 0, view.Rows(), view.Present().Has, func(row uint32, id, metadata []byte) error {
		clear(values)
		err := reader.Read(metadata, func(path attr.Path, value attr.Value) error {
			values[path] = value
			return nil
		})
		if err != nil {
			return fmt.Errorf("vector %q: %w", id, err)
		}
		values[attr.ID] = attr.StringValue(string(id))
		if e.Matches(values) {
			rows.add([]uint32{row})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return view.Present().Only(rows), nil
}
