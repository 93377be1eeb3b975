package index

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/hamnest/hamnest/storage"
)

// Writes of any number of callers go through one queue to one goroutine, which
// commits all that is waiting as one transaction, publishes the view that has it,
// and then wakes the callers: durable before visible, visible before
// acknowledged. Nobody waits for a timer; while one commit syncs, the next gathers.
const (
	queueLength = 256
	// queueBytes is how much may wait; more blocks the callers.
	queueBytes = 64 << 20
	// opBytes is what a write takes beside its payload, in the queue and in a
	// transaction.
	opBytes = 512
	// commitBytes is how much one transaction takes on: with more its memory
	// grows, with less every sync costs more.
	commitBytes = 16 << 20
	// holdTime is how long writes wait at most while a collection, of holdRows at most, gets
	// its first codes. What is written meanwhile is stored twice, and of an ingest that is
	// as fast as the copying that would be nearly all.
	holdTime = 4 * time.Second
	holdRows = 1 << 16
)

// change is one write, wherever it comes from: checked, and with all that is needed to apply it.
// It is one of three: rows, labels or settings.
type change struct {
	rows     []storage.Op      // stored and removed, in order
	codec    *codec            // that rows are encoded by; nil: all are removed
	of       *generation       // unless nil, rows are removed if they are still those of this generation
	at       []uint32          // with these numbers, one each
	labels   map[string]string // all there are from now on; nil: this changes none
	settings *Change           // how vectors are kept from now on; nil: this changes nothing of that
}

// bytes is what the change takes while it waits.
func (c *change) bytes() int64 {
	if c.labels != nil || c.settings != nil {
		return opBytes
	}
	var n int64
	for i := range c.rows {
		op := &c.rows[i]
		n += opBytes + int64(len(op.Vector)+len(op.Metadata)+len(op.ID)+8*len(op.Code))
	}
	return min(n, queueBytes)
}

// Pending is a write under way.
type Pending struct {
	change  change
	bytes   int64
	applied []storage.Applied
	done    chan struct{} // closed when err and applied are set
	err     error
}

// Wait returns nil when the write is durable and visible, and otherwise why it
// failed; then none of it is there. When ctx ends first its error is returned,
// and the write goes on.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retired returns how many rows the write has retired, once Wait has returned nil: those that it
// replaced or deleted.
func (p *Pending) retired() int {
	n := 0
	for _, a := range p.applied {
		if a.Retired != storage.NoSlot {
			n++
		}
	}
	return n
}

// Upsert stores records, replacing those whose id is already there: all of them,
// or none when it fails. Of several with one id the last wins. When it returns nil
// they are durable, and searches that start later see them. When ctx ends while it
// waits, its error is returned and the write goes on. *InvalidError with fields
// like vectors[17].id, .vector, .code and .metadata.
func (c *Collection) Upsert(ctx context.Context, records []Record) error {
	codec := c.current.Load().codec
	ops, refused := codec.ops(records)
	if len(refused) > 0 {
		e := &InvalidError{}
		for _, r := range refused {
			e.Violations = append(e.Violations, Violation{Field: fmt.Sprintf("vectors[%d].%s", r.Index, r.Field), Reason: r.Reason})
		}
		return e
	}
	return c.carryOut(ctx, change{rows: ops, codec: codec})
}

// Submit checks and encodes records and queues them for storing, after everything
// queued before. Those that are malformed are refused one by one, ascending; the
// others are stored together. Submit blocks while the queue is full. records may
// be reused when it returns.
func (c *Collection) Submit(ctx context.Context, records []Record) (*Pending, []RecordError, error) {
	codec := c.current.Load().codec
	ops, refused := codec.ops(records)
	p, err := c.enqueue(ctx, change{rows: ops, codec: codec})
	return p, refused, err
}

// Remove deletes vectors by id and returns how many were there. When it returns
// nil the deletion is durable, and searches that start later do not see them. When
// ctx ends while it waits, its error is returned and the deletion goes on.
func (c *Collection) Remove(ctx context.Context, ids []string) (int, error) {
	ops := make([]storage.Op, 0, len(ids))
	for i, id := range ids {
		if err := checkID(id); err != nil {
			return 0, invalid(fmt.Sprintf("ids[%d]", i), "%v", err)
		}
		ops = append(ops, storage.Op{ID: id, Delete: true})
	}
	return c.remove(ctx, change{rows: ops})
}

// remove carries out a change that removes rows, and returns how many were there.
func (c *Collection) remove(ctx context.Context, ch change) (int, error) {
	p, err := c.enqueue(ctx, ch)
	if err != nil {
		return 0, err
	}
	if err := p.Wait(ctx); err != nil {
		return 0, err
	}
	return p.retired(), nil
}

// SetLabels replaces the labels, durably. When ctx ends while it waits, its error is returned and
// the change goes on. *InvalidError with field labels.
func (c *Collection) SetLabels(ctx context.Context, labels map[string]string) error {
	if err := checkLabels(labels); err != nil {
		return invalid("labels", "%v", err)
	}
	all := make(map[string]string, len(labels))
	maps.Copy(all, labels)
	return c.carryOut(ctx, change{labels: all})
}

// Update changes how the collection keeps its vectors. When it returns nil the change
// is durably begun: codes are made anew from the stored vectors in the background,
// while searches and writes go on with the old ones, and a crash does not stop it for
// good. Stats tells how far it is, and Settle waits for it. Meanwhile there are two
// sets of codes in memory and two files on disk; in the end the space of
// retired rows is given back too. A change to what is already so does nothing, but for a
// profile, which is learnt anew. When ctx ends while it waits, its error is returned and the
// change goes on.
//
// ErrRewriting when a change is under way; ErrCodesOnly when there are no vectors to
// make codes of; *InvalidError with fields profile, store.
func (c *Collection) Update(ctx context.Context, settings Change) error {
	if err := c.idle(); err != nil {
		return err
	}
	return c.carryOut(ctx, change{settings: &settings})
}

// carryOut applies a change, after those that wait.
func (c *Collection) carryOut(ctx context.Context, ch change) error {
	p, err := c.enqueue(ctx, ch)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// enqueue hands a change to the writer, waiting for room.
func (c *Collection) enqueue(ctx context.Context, ch change) (*Pending, error) {
	if c.readOnly {
		return nil, ErrReadOnly
	}
	p := &Pending{change: ch, bytes: ch.bytes(), done: make(chan struct{})}
	err := c.use(ctx, func(ctx context.Context, _ *generation) error {
		if p.bytes == 0 { // it changes nothing
			close(p.done)
			return nil
		}
		if err := c.room.Acquire(ctx, p.bytes); err != nil {
			return err
		}
		select {
		case c.queue <- p:
			return nil
		case <-ctx.Done():
			c.room.Release(p.bytes)
			return ctx.Err()
		}
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// write is the writer: it runs until the queue is closed and empty.
func (c *Collection) write() {
	defer close(c.written)
	for {
		queue := c.queue
		if c.held != nil {
			queue = nil
		}
		select {
		case p, ok := <-queue:
			if !ok {
				return
			}
			if c.dropped.Err() != nil {
				c.acknowledge(p, nil, c.closedError())
				continue
			}
			c.apply(p)
		case do := <-c.handover:
			do()
		case <-c.held:
			c.held, c.lapse = nil, nil
		case <-c.lapse:
			c.held, c.lapse = nil, nil
		}
	}
}

// apply applies p, and what waits behind it as far as that fits one commit of rows.
func (c *Collection) apply(p *Pending) {
	group, size := []*Pending(nil), int64(0)
	for ok := true; ok; p, ok = c.waiting() {
		if p.change.rows == nil {
			c.commit(group)
			c.applySettings(p)
			return
		}
		if p.change.of != nil { // what is before decides which rows there still are
			c.commit(group)
			group = nil
			if err := c.still(&p.change); err != nil || len(p.change.rows) == 0 {
				c.acknowledge(p, nil, err)
				continue
			}
		}
		group = append(group, p)
		if size += p.bytes; size >= commitBytes {
			break
		}
	}
	c.commit(group)
}

// applySettings applies a change of labels or of settings.
func (c *Collection) applySettings(p *Pending) {
	if p.change.settings != nil {
		c.update(p)
		return
	}
	labels := p.change.labels
	c.acknowledge(p, nil, c.changeEntry(func(e storage.Entry) (storage.Entry, error) {
		return c.catalog.SetLabels(e.Name, labels)
	}))
}

// waiting returns the next write if there is one already.
func (c *Collection) waiting() (*Pending, bool) {
	select {
	case p, ok := <-c.queue:
		return p, ok
	default:
		return nil, false
	}
}

// commit makes the rows of a group of writes durable, then visible, and then acknowledges.
func (c *Collection) commit(group []*Pending) {
	g := c.current.Load()
	var ops []storage.Op
	ready := group[:0]
	for _, p := range group {
		if p.change.codec != nil && p.change.codec != g.codec { // it has waited while the collection was rewritten
			if err := g.codec.recodeAll(p.change.codec, p.change.rows); err != nil {
				c.acknowledge(p, nil, invalid("vectors", "%v", err))
				continue
			}
			p.change.codec = g.codec
		}
		ready = append(ready, p)
		ops = append(ops, p.change.rows...)
	}
	if len(ready) == 0 {
		return
	}
	applied, err := g.apply(ops)
	if err != nil && len(ready) > 1 {
		// One may be to blame, an id whose row is damaged say: not the others.
		for i := range ready {
			c.commit(ready[i : i+1])
		}
		return
	}
	if learnt := c.learnWhenDue(); learnt != nil && err == nil && g.view.Load().Present().Len() <= holdRows {
		c.held, c.lapse = learnt, time.After(holdTime)
	}
	c.compactWhenDue()
	for _, p := range ready {
		if err != nil {
			c.acknowledge(p, nil, err)
			continue
		}
		n := len(p.change.rows)
		c.acknowledge(p, applied[:n:n], nil)
		applied = applied[n:]
	}
}

// acknowledge ends the wait for p.
func (c *Collection) acknowledge(p *Pending, applied []storage.Applied, err error) {
	p.change, p.applied, p.err = change{}, applied, err
	c.room.Release(p.bytes)
	close(p.done)
}
