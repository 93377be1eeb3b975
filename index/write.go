package index

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
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

// Pending is a write under way.
type Pending struct {
	ops     []storage.Op
	codec   *codec // that ops are encoded by; nil: they are deletions
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
	p, err := c.enqueue(ctx, codec, ops)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// Submit checks and encodes records and queues them for storing, after everything
// queued before. Those that are malformed are refused one by one, ascending; the
// others are stored together. Submit blocks while the queue is full. records may
// be reused when it returns.
func (c *Collection) Submit(ctx context.Context, records []Record) (*Pending, []RecordError, error) {
	codec := c.current.Load().codec
	ops, refused := codec.ops(records)
	p, err := c.enqueue(ctx, codec, ops)
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
	p, err := c.enqueue(ctx, nil, ops)
	if err != nil {
		return 0, err
	}
	if err := p.Wait(ctx); err != nil {
		return 0, err
	}
	n := 0
	for _, a := range p.applied {
		if a.Retired != storage.NoSlot {
			n++
		}
	}
	return n, nil
}

// parallelFloats is how many components make it worth to put one more core to encoding.
const parallelFloats = 1 << 16

// ops encodes the well-formed records; the ops share no memory with them.
func (c *codec) ops(records []Record) ([]storage.Op, []RecordError) {
	workers := min(runtime.GOMAXPROCS(0), len(records)*c.profile.Dims()/parallelFloats)
	if workers < 2 {
		return c.opsOf(records)
	}
	each := (len(records) + workers - 1) / workers
	ops, refused := make([][]storage.Op, workers), make([][]RecordError, workers)
	var group errgroup.Group
	for w := range workers {
		first := min(w*each, len(records))
		group.Go(func() error {
			ops[w], refused[w] = c.opsOf(records[first:min(first+each, len(records))])
			for i := range refused[w] {
				refused[w][i].Index += first
			}
			return nil
		})
	}
	_ = group.Wait() // they do not fail
	return slices.Concat(ops...), slices.Concat(refused...)
}

// opsOf is ops on one core.
func (c *codec) opsOf(records []Record) ([]storage.Op, []RecordError) {
	dims, words := c.profile.Dims(), c.profile.RowWords()
	codes := make([]uint64, len(records)*words)
	stored := make([]byte, 0, len(records)*c.store.Bytes(dims))
	read := make([]float32, len(records)*dims) // as the vectors will be read back
	ops := make([]storage.Op, 0, len(records))
	var rows [][]uint64
	var vectors [][]float32
	var refused []RecordError
	signs := make([]uint64, code.Words(dims))
	for i := range records {
		r := &records[i]
		if field, err := c.checkRecord(r); err != nil {
			refused = append(refused, RecordError{Index: i, ID: r.ID, Field: field, Reason: err.Error()})
			continue
		}
		op := storage.Op{ID: r.ID, Code: codes[:words:words], Metadata: bytes.Clone(r.Metadata)}
		codes = codes[words:]
		start := len(stored)
		if len(r.Vector) == 0 {
			c.profile.PutSigns(op.Code, r.Code, 1)
		} else {
			v := read[:dims:dims]
			read = read[dims:]
			copy(v, r.Vector)
			stored = c.append(stored, v)
			if r.Code != nil {
				if code.Signs(signs, v); code.Distance(signs, r.Code) != 0 {
					stored = stored[:start]
					refused = append(refused, RecordError{Index: i, ID: r.ID, Field: "code", Reason: fmt.Sprintf("differs in %d of %d bits from the signs of the vector", code.Distance(signs, r.Code), dims)})
					continue
				}
			}
			rows, vectors = append(rows, op.Code), append(vectors, v)
		}
		op.Vector = stored[start:len(stored):len(stored)]
		ops = append(ops, op)
	}
	c.profile.Encode(rows, vectors)
	return ops, refused
}

// checkRecord returns which part of r is malformed, and why.
func (c *codec) checkRecord(r *Record) (field string, err error) {
	if err := checkID(r.ID); err != nil {
		return "id", err
	}
	if r.Code != nil {
		if err := c.checkCode(r); err != nil {
			return "code", err
		}
	}
	if r.Code == nil || len(r.Vector) > 0 {
		if err := floats.Validate(r.Vector, c.profile.Dims(), c.metric); err != nil {
			return "vector", err
		}
		if err := c.store.Check(r.Vector, c.metric); err != nil {
			return "vector", err
		}
	}
	return "metadata", checkMetadata(r.Metadata)
}

// checkCode returns why the code of r cannot be one of these, or not be stored alone.
func (c *codec) checkCode(r *Record) error {
	dims := c.profile.Dims()
	switch {
	case len(r.Code) != code.Words(dims):
		return fmt.Errorf("has %d words of %d bits, want %d for %d dimensions", len(r.Code), code.WordBits, code.Words(dims), dims)
	case !code.Padded(r.Code, dims):
		return fmt.Errorf("has bits set past dimension %d, the last", dims-1)
	case len(r.Vector) > 0:
		return nil
	case c.keepsVectors():
		return fmt.Errorf("comes without a vector, and the collection stores vectors (%v): only one that stores none takes codes alone", c.store)
	case c.profile.Older():
		return fmt.Errorf("comes without a vector, and the collection's codes are of an older version, which keeps more beside a code than it tells: give the vector")
	case c.profile.Kind() != encoder.Signs || c.metric != encoder.Cosine:
		return fmt.Errorf("comes without a vector, and under profile %v and metric %v more is kept beside a code than it tells", c.profile.Kind(), c.metric)
	}
	return nil
}

func checkID(id string) error {
	if len(id) < 1 || len(id) > storage.MaxIDBytes {
		return fmt.Errorf("%.50q has %d bytes, want 1 to %d", id, len(id), storage.MaxIDBytes)
	}
	if !utf8.ValidString(id) {
		return fmt.Errorf("%.50q is not UTF-8", id)
	}
	return nil
}

func checkMetadata(m []byte) error {
	switch trimmed := bytes.TrimLeft(m, " \t\r\n"); {
	case len(m) == 0:
		return nil
	case len(m) > storage.MaxMetadataBytes:
		return fmt.Errorf("has %d bytes, want at most %d", len(m), storage.MaxMetadataBytes)
	case !utf8.Valid(m), !json.Valid(m), trimmed[0] != '{':
		return fmt.Errorf("%.50q, want a JSON object", m)
	}
	return nil
}

// enqueue hands ops, encoded by codec, to the writer, waiting for room.
func (c *Collection) enqueue(ctx context.Context, codec *codec, ops []storage.Op) (*Pending, error) {
	if c.readOnly {
		return nil, ErrReadOnly
	}
	_, release, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	p := &Pending{ops: ops, codec: codec, done: make(chan struct{})}
	if len(ops) == 0 {
		close(p.done)
		return p, nil
	}
	for i := range ops {
		op := &ops[i]
		p.bytes += opBytes + int64(len(op.Vector)+len(op.Metadata)+len(op.ID)+8*len(op.Code))
	}
	p.bytes = min(p.bytes, queueBytes)
	if err := c.room.Acquire(ctx, p.bytes); err != nil {
		return nil, err
	}
	select {
	case c.queue <- p:
		return p, nil
	case <-ctx.Done():
		c.room.Release(p.bytes)
		return nil, ctx.Err()
	}
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
			c.commit(c.gather(p))
		case do := <-c.handover:
			do()
		case <-c.held:
			c.held, c.lapse = nil, nil
		case <-c.lapse:
			c.held, c.lapse = nil, nil
		}
	}
}

// gather returns p and what waits behind it, up to a commit's worth.
func (c *Collection) gather(p *Pending) []*Pending {
	group := []*Pending{p}
	for size := p.bytes; size < commitBytes; {
		next, ok := c.waiting()
		if !ok {
			break
		}
		group = append(group, next)
		size += next.bytes
	}
	return group
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

// commit makes a group of writes durable, then visible, and then acknowledges.
func (c *Collection) commit(group []*Pending) {
	g := c.current.Load()
	var ops []storage.Op
	ready := group[:0]
	for _, p := range group {
		if p.codec != nil && p.codec != g.codec { // it has waited while the collection was rewritten
			if err := g.codec.recodeAll(p.codec, p.ops); err != nil {
				c.acknowledge(p, nil, invalid("vectors", "%v", err))
				continue
			}
			p.codec = g.codec
		}
		ready = append(ready, p)
		ops = append(ops, p.ops...)
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
	for _, p := range ready {
		if err != nil {
			c.acknowledge(p, nil, err)
			continue
		}
		n := len(p.ops)
		c.acknowledge(p, applied[:n:n], nil)
		applied = applied[n:]
	}
}

// acknowledge ends the wait for p.
func (c *Collection) acknowledge(p *Pending, applied []storage.Applied, err error) {
	p.ops, p.applied, p.err = nil, applied, err
	c.room.Release(p.bytes)
	close(p.done)
}
