package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/storage"
)

// A rewrite gives a collection another codec, or gives back the space of its retired rows, while
// it is in use. It fills a new generation from the rows of the current one, round by round:
//
//   - A round takes the old generation's view, whose rows never change, and copies the
//     rows that were added or retired since the view of the round before.
//   - Rounds shrink, because each copies only what was written during the last.
//   - The writer itself does the last round between two commits, so that nothing is
//     missing. It puts the new file in the place of the old, durably, and then makes the new
//     generation current. So a write is acknowledged by the generation that has it.
//
// Rows that are already retired at the start are not copied. A rewrite that is interrupted
// changes nothing; the next open starts it again, because the new file has had its schema from
// the start.
const (
	// pauseRows is the most rows the last round should have: writes wait for some milliseconds
	// meanwhile.
	pauseRows = 1024
	// maxRounds ends a race with writes that arrive faster than they can be copied.
	maxRounds = 16
)

// rewrite is a rewrite under way.
type rewrite struct {
	cancel   context.CancelCauseFunc
	finished chan struct{}
	compacts bool            // and changes nothing else
	after    <-chan struct{} // unless nil, closed when the compaction that gave way has ended
	started  time.Time
	first    *codes.View                 // what the first round copies, without its retired rows
	target   atomic.Pointer[engineState] // the state now while it is being settled
	done     atomic.Uint64               // rows copied
	total    atomic.Uint64               // and to copy in all
}

// update starts the rewrite that a change of settings needs, and acknowledges when it has
// durably begun. The writer calls it; slow work is done in the background. A compaction under
// way gives way to it.
func (c *Collection) update(p *Pending) {
	r, background, err := c.reserve(false)
	if err != nil {
		c.acknowledge(p, nil, err)
		return
	}
	go func() {
		if r.after != nil {
			<-r.after
		}
		g := c.current.Load() // no other rewrite can change it
		next, err := c.beginUpdate(background, r, g, *p.change.settings)
		if next == nil {
			c.withdraw(r)
			c.compactWhenDue() // one may have given way
			c.acknowledge(p, nil, err)
			return
		}
		c.acknowledge(p, nil, nil)
		c.rewrite(background, r, g, next)
	}()
}

// beginUpdate returns the generation that a change of settings leads to, still to be filled:
// nil if nothing changes or there is an error.
func (c *Collection) beginUpdate(ctx context.Context, r *rewrite, g *generation, settings Change) (*generation, error) {
	target, err := g.target(ctx, settings)
	if err != nil || target.same(g.codec.state) {
		return nil, err
	}
	return c.begin(r, target)
}

// idle returns ErrRewriting when a rewrite is under way that does not give way.
func (c *Collection) idle() error {
	c.rewriteMu.Lock()
	defer c.rewriteMu.Unlock()
	return c.rewriting.busy()
}

// busy returns ErrRewriting, unless r is nil or gives way.
func (r *rewrite) busy() error {
	if r == nil || r.compacts {
		return nil
	}
	return r.under()
}

// under returns ErrRewriting and how far r is.
func (r *rewrite) under() error {
	return fmt.Errorf("%w: %d of %d rows since %s", ErrRewriting, r.done.Load(), r.total.Load(), r.started.Format(time.RFC3339))
}

// Settle waits until no rewrite is under way, and returns why the last one failed.
func (c *Collection) Settle(ctx context.Context) error {
	for {
		c.rewriteMu.Lock()
		r, err := c.rewriting, c.rewriteErr
		c.rewriteMu.Unlock()
		if r == nil {
			return err
		}
		select {
		case <-r.finished:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// target returns the state that a rewrite under way leads to, or nil if there is none.
func (c *Collection) target() *engineState {
	c.rewriteMu.Lock()
	defer c.rewriteMu.Unlock()
	if c.rewriting == nil {
		return nil
	}
	return c.rewriting.target.Load()
}

// rewriteStats returns what Stats reports about rewrites.
func (c *Collection) rewriteStats() (under *RewriteStats, failed string) {
	c.rewriteMu.Lock()
	defer c.rewriteMu.Unlock()
	if c.rewriteErr != nil {
		failed = c.rewriteErr.Error()
	}
	r := c.rewriting
	if r == nil {
		return nil, failed
	}
	stats := r.stats()
	return &stats, failed
}

// stats returns how far r is.
func (r *rewrite) stats() RewriteStats {
	target := r.target.Load()
	return RewriteStats{Profile: target.wanted(), Store: target.Store, Started: r.started, Done: r.done.Load(), Total: r.total.Load()}
}

// errGaveWay ends a compaction to make way for another rewrite.
var errGaveWay = errors.New("index: a compaction gave way to another rewrite")

// reserve makes sure that there is no other rewrite until finish is called. It returns
// ErrRewriting if there is one, except that a compaction gives way to any other rewrite. The
// returned context is for background work: it ends when the collection is closed.
func (c *Collection) reserve(compacts bool) (*rewrite, context.Context, error) {
	c.life.RLock()
	defer c.life.RUnlock()
	if c.closed {
		return nil, nil, c.closedError()
	}
	if c.readOnly {
		return nil, nil, ErrReadOnly
	}
	c.rewriteMu.Lock()
	defer c.rewriteMu.Unlock()
	var after <-chan struct{}
	if other := c.rewriting; other != nil {
		if compacts || !other.compacts {
			return nil, nil, other.under()
		}
		other.cancel(errGaveWay)
		after = other.finished
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.rewriting = &rewrite{cancel: cancel, finished: make(chan struct{}), started: time.Now(), compacts: compacts, after: after}
	c.rewriting.target.Store(&c.current.Load().codec.state)
	c.rewrites.Add(1)
	return c.rewriting, ctx, nil
}

// finish ends what reserve began.
func (c *Collection) finish(r *rewrite, err error) {
	c.rewriteMu.Lock()
	defer c.rewriteMu.Unlock()
	if c.rewriting == r { // else another has driven it out
		c.rewriting, c.rewriteErr = nil, err
	}
	r.cancel(nil)
	close(r.finished)
	c.rewrites.Done()
}

// withdraw ends what reserve began when no rewrite follows. The reason why the last one failed
// stays.
func (c *Collection) withdraw(r *rewrite) {
	c.rewriteMu.Lock()
	last := c.rewriteErr
	c.rewriteMu.Unlock()
	c.finish(r, last)
}

// target returns the state that change leads to.
func (g *generation) target(ctx context.Context, change Change) (engineState, error) {
	state := g.codec.state
	state.Generation++
	if err := g.checkChange(change); err != nil {
		return state, err
	}
	if change.Store != nil {
		state.Store = *change.Store
	}
	kind := state.wanted()
	if change.Profile != nil {
		kind = *change.Profile
	}
	shape := state.Profile.Shape()
	if kind == encoder.Signs {
		shape.Bits = 0
	}
	vectors := g.view.Load().Present().Len()
	switch {
	case change.Profile != nil && kind != state.Profile.Kind(), kind == encoder.Learned && (change.Profile != nil || state.Store == encoder.None && state.Profile.Kind() == encoder.Exact):
		if err := g.codec.needVectors("another profile"); err != nil {
			return state, err
		}
		var err error
		switch {
		case kind == encoder.Signs, vectors == 0 && state.Store == encoder.None:
			state.Profile, err = encoder.NewSigns(shape)
		case state.Store == encoder.None || shape.Dims > exactDims && vectors*uint64(shape.Dims) > codedFloats:
			state.Profile, err = g.learn(ctx)
		default:
			state.Profile, err = encoder.NewExact(shape)
		}
		return state, err
	}
	return state, nil
}

// checkChange returns what is malformed in change.
func (g *generation) checkChange(change Change) error {
	if change.Profile != nil {
		if k := *change.Profile; k != encoder.Learned && k != encoder.Signs {
			return invalid("profile", "%v, want %v or %v", k, encoder.Learned, encoder.Signs)
		}
	}
	if change.Store != nil {
		if _, err := change.Store.MarshalText(); err != nil {
			return invalid("store", "%v", err)
		}
		if *change.Store < g.codec.store {
			return invalid("store", "%v, want %v or less: what was rounded away when the vectors were stored is gone", *change.Store, g.codec.store)
		}
	}
	return nil
}

// same reports whether e keeps vectors as o does.
func (e engineState) same(o engineState) bool {
	return e.Store == o.Store && e.Profile == o.Profile
}

// learnWhenDue starts the rewrite to a learned profile when the collection has become large
// enough for one. The channel it returns is closed when the rewrite ends; nil if none began.
func (c *Collection) learnWhenDue() (finished <-chan struct{}) {
	g := c.current.Load()
	if n := g.view.Load().Present().Len(); !g.codec.state.due(n) || n < c.learnAt.Load() {
		return nil
	}
	r, ctx, err := c.reserve(false)
	if err != nil { // closing, or a rewrite is under way, which will ask again
		return nil
	}
	if c.current.Load() != g {
		c.withdraw(r)
		return nil
	}
	go func() {
		state := g.codec.state
		state.Generation++
		var err error
		state.Profile, err = g.learn(ctx)
		var next *generation
		if err == nil {
			next, err = c.begin(r, state)
		}
		if err == nil {
			c.rewrite(ctx, r, g, next)
			return
		}
		c.giveUp(ctx, r, err)
	}()
	return r.finished
}

// begin makes the file of the next generation, if the disk has room for it. Once it returns nil,
// a crash does not stop the rewrite.
func (c *Collection) begin(r *rewrite, target engineState) (*generation, error) {
	old := c.current.Load()
	r.first = old.view.Load()
	target.Dropped = old.codec.state.Dropped + r.first.Retired()
	r.total.Store(r.first.Present().Len())
	schema, err := target.schema()
	if err != nil {
		return nil, err
	}
	shard, err := c.catalog.BeginRewrite(*c.entry.Load(), schema)
	if err != nil {
		return nil, err
	}
	err = c.checkSpace(old, shard)
	var next *generation
	if err == nil {
		next, err = newGeneration(shard, c.filterBytes)
	}
	if err == nil {
		err = next.load()
	}
	if err != nil {
		return nil, errors.Join(err, shard.Close(), c.catalog.AbandonRewrite(*c.entry.Load()))
	}
	r.target.Store(&target)
	c.info("rewrite begun", "profile", target.Profile.Kind(), "store", target.Store, "generation", target.Generation)
	return next, nil
}

// resume restarts the rewrite that an earlier process did not finish.
func (c *Collection) resume() {
	old := c.current.Load()
	schema, err := c.catalog.UnfinishedRewrite(*c.entry.Load())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var target engineState
	if err == nil {
		target, err = readSchema(schema)
	}
	if err == nil && !target.follows(old.codec.state) {
		err = fmt.Errorf("index: unfinished rewrite to generation %d of %d dims, want one that follows %d of %d: %w",
			target.Generation, target.Profile.Dims(), old.codec.state.Generation, old.codec.profile.Dims(), ErrCorrupt)
	}
	if errors.Is(err, ErrCorrupt) {
		err = errors.Join(err, c.catalog.AbandonRewrite(*c.entry.Load()))
	}
	compacts := err == nil && old.codec.state.legacy == nil && newCodec(target).same(old.codec)
	r, background, busy := c.reserve(compacts)
	if busy != nil {
		panic("index: a collection that is being opened is in use: " + busy.Error())
	}
	var next *generation
	if err == nil {
		next, err = c.begin(r, target)
	}
	if err != nil {
		c.log.Error("rewrite cannot be resumed", "collection", c.entry.Load().Name, "error", err)
		c.finish(r, err)
		return
	}
	if old.codec.state.legacy != nil {
		c.held = r.finished
	}
	go c.rewrite(background, r, old, next)
}

// follows reports whether a rewrite of o could lead to e.
func (e engineState) follows(o engineState) bool {
	return e.Generation == o.Generation+1 && e.Metric == o.Metric && slices.Equal(e.Profile.Ladder(), o.Profile.Ladder()) && e.legacy == nil
}

// rewrite fills next, makes it current, and frees old when its last user has left.
func (c *Collection) rewrite(ctx context.Context, r *rewrite, old, next *generation) {
	err := c.fill(ctx, r, old, next)
	switch {
	case err == nil:
		c.info("rewrite done", "rows", r.done.Load(), "seconds", time.Since(r.started).Seconds())
		c.compactFrom.Store(0)
		c.rewrites.Add(1) // finish must not wait for the users
		defer c.rewrites.Done()
		c.finish(r, nil)
		c.learnWhenDue() // it may have become so meanwhile
		c.compactWhenDue()
		if err := old.close(); err != nil {
			c.log.Error("file that was rewritten does not close", "collection", c.entry.Load().Name, "error", err)
		}
		return
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errGaveWay): // closing: the next open begins anew
		err = next.close()
	default:
		err = errors.Join(err, next.close(), c.catalog.AbandonRewrite(*c.entry.Load()))
	}
	c.giveUp(ctx, r, err)
}

// giveUp ends a rewrite that failed, or that was stopped by closing the collection.
func (c *Collection) giveUp(ctx context.Context, r *rewrite, err error) {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	if err != nil {
		c.log.Error("rewrite failed", "collection", c.entry.Load().Name, "error", err)
		c.learnAt.Store(2 * c.Count()) // trying again at every write would help nobody
		c.compactFrom.Store(2 * c.current.Load().view.Load().Retired())
	}
	c.finish(r, err)
}

// fill brings next up to the rows of old, and replaces old with it.
func (c *Collection) fill(ctx context.Context, r *rewrite, old, next *generation) error {
	if err := c.round(ctx, r, old, next, nil, r.first); err != nil {
		return err
	}
	have := r.first // the rows of old that next has
	for range maxRounds {
		v := old.view.Load()
		if missing(have, v) <= pauseRows {
			break
		}
		if err := c.round(ctx, r, old, next, have, v); err != nil {
			return err
		}
		have = v
	}
	result := make(chan error, 1)
	last := func() { result <- c.replace(ctx, r, old, next, have) }
	select {
	case c.handover <- last:
		return <-result
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replace is the last round. The writer does it.
func (c *Collection) replace(ctx context.Context, r *rewrite, old, next *generation, have *codes.View) error {
	if err := c.round(ctx, r, old, next, have, old.view.Load()); err != nil {
		return err
	}
	if err := next.shard.Replace(old.shard); err != nil {
		return err
	}
	c.info("rewrite in place", "generation", next.codec.state.Generation)
	c.life.Lock() // a call that joins the users of old does so before
	defer c.life.Unlock()
	old.successor, next.inherited = next, next.writer.Rows()
	c.current.Store(next)
	return nil
}

// missing is how many rows were added or retired between the views have and now.
func missing(have, now *codes.View) uint64 {
	return uint64(now.Rows()-have.Rows()) + now.Retired() - have.Retired()
}

// round brings next from the rows that old had in the view have to those in the view now. The
// first round, for which have is nil, leaves out retired rows. Later rounds do not, so that
// rows keep their stored order and distance.
func (c *Collection) round(ctx context.Context, r *rewrite, old, next *generation, have, now *codes.View) error {
	first := have == nil
	if first {
		have = &codes.View{}
	}
	// Removals go first: an id that was replaced is stored again below.
	for rows := range slices.Chunk(have.Present().Lost(now.Present()), commitBytes/opBytes) {
		ops := make([]storage.Op, len(rows))
		err := old.shard.View(func(reader *storage.Reader) error {
			for i, row := range rows {
				id, _, err := reader.Row(uint64(row))
				if err != nil {
					return err
				}
				ops[i] = storage.Op{ID: string(id), Delete: true}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := next.apply(ops); err != nil {
			return err
		}
	}
	r.total.Store(r.done.Load() + uint64(now.Rows()-have.Rows()))
	if first {
		r.total.Store(now.Present().Len())
	}
	// A compaction is in no hurry. What was written meanwhile is copied as fast as it can be: it
	// is a race with the writers.
	batch, rest := int(commitBytes), func(context.Context) {}
	if first && r.compacts {
		batch, rest = compactBytes, newPace(&c.load).rest
	}
	for row := have.Rows(); row < now.Rows(); rest(ctx) {
		if err := ctx.Err(); err != nil {
			return err
		}
		var ops []storage.Op
		var err error
		if ops, row, err = old.batch(now, row, batch, !first); err != nil {
			return err
		}
		if err := next.codec.recodeAll(old.codec, ops); err != nil {
			return err
		}
		if _, err := next.apply(ops); err != nil {
			return err
		}
		for i := range ops {
			if !ops[i].Delete {
				r.done.Add(1)
			}
		}
		c.log.Debug("rewrite goes on", "collection", c.entry.Load().Name, "done", r.done.Load(), "total", r.total.Load())
	}
	return nil
}

// batch returns limit bytes of upserts, without codes, of the rows of v from row on, and the row
// to go on from. Retired rows are left out, or are stored and deleted again.
func (g *generation) batch(v *codes.View, row uint32, limit int, retired bool) ([]storage.Op, uint32, error) {
	var ops []storage.Op
	size, each := 0, g.shard.Schema().VectorBytes
	vectors := make([]byte, 0, limit+each)
	err := g.shard.View(func(r *storage.Reader) error {
		alone := rowReader{r: r, schema: g.shard.Schema()}
		for ; row < v.Rows() && size < limit; row++ {
			gone := !v.Present().Has(row)
			if gone && !retired {
				continue
			}
			id, metadata, err := r.Row(uint64(row))
			if err != nil {
				return err
			}
			op := storage.Op{ID: string(id), Metadata: bytes.Clone(metadata)}
			if g.codec.keepsVectors() {
				stored, err := r.Vector(uint64(row))
				if err != nil {
					return err
				}
				vectors = append(vectors, stored...)
				op.Vector = vectors[len(vectors)-each:]
			} else {
				words, scalars, err := alone.row(uint64(row))
				if err != nil {
					return err
				}
				if op.Code, err = g.codec.codeAlone(words, scalars); err != nil {
					return err
				}
			}
			ops = append(ops, op)
			if gone {
				ops = append(ops, storage.Op{ID: string(id), Delete: true})
			}
			size += opBytes + len(id) + len(metadata) + each
		}
		return nil
	})
	return ops, row, err
}

func (c *Collection) info(message string, args ...any) {
	c.log.Info(message, append([]any{"collection", c.entry.Load().Name}, args...)...)
}
