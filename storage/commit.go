package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/hamnest/hamnest/encoder/code"
)

// Commit applies ops in order as one synced transaction and says what each did.
// When it returns nil all of them are durable; when it fails none is, and once the
// disk has room again the next may succeed. One thing can be in between: the disk
// failed in the last write of all. Then the shard takes no more commits, and opening
// it again tells whether that write is there. Commit panics if an op does not fit the
// schema: that is a bug in the caller.
func (s *Shard) Commit(ops []Op) ([]Applied, error) {
	for i := range ops {
		s.mustFit(&ops[i])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, fmt.Errorf("storage: %s: close and open again, an earlier commit broke off: %w", s.path, s.broken)
	}
	var c *commit
	var refused error // by us, before anything was written
	stuck, err := update(s.path, s.db, func(tx *bolt.Tx) error {
		// bbolt forgets a transaction that returns an error. After a panic it walks
		// all pages, which may be the end of the process when one is damaged.
		refused = catchDamage(func() error {
			c = newCommit(s, tx)
			return c.run(ops)
		})
		return refused
	})
	if err != nil {
		if c != nil && refused == nil && (stuck || !s.unchanged()) {
			s.broken, s.stuck = err, stuck
		}
		return nil, err
	}
	s.state, s.dirty = c.state, true
	return c.applied, nil
}

// unchanged reports whether the file still holds the state that the last commit
// left: bbolt's meta page is what a commit writes last. s.mu is held.
func (s *Shard) unchanged() bool {
	var now State
	err := s.View(func(r *Reader) error {
		now = r.State()
		return nil
	})
	return err == nil && now == s.state
}

func (s *Shard) mustFit(op *Op) {
	if len(op.ID) < 1 || len(op.ID) > MaxIDBytes {
		panic(fmt.Sprintf("storage: id of %d bytes, want 1 to %d", len(op.ID), MaxIDBytes))
	}
	if op.Delete {
		return
	}
	if !code.Padded(op.Code, s.schema.Dims) || len(op.Scalars) != s.schema.Scalars ||
		len(op.Vector) != s.schema.VectorBytes || len(op.Metadata) > MaxMetadataBytes {
		panic(fmt.Sprintf("storage: op with a code of %d words, %d scalars, a vector of %d bytes and %d bytes of metadata does not fit schema %+v",
			len(op.Code), len(op.Scalars), len(op.Vector), len(op.Metadata), s.schema))
	}
}

// commit is the work of one transaction.
type commit struct {
	schema  Schema
	before  State
	state   State
	meta    *bolt.Bucket
	codes   *bolt.Bucket
	vectors *bolt.Bucket
	tail    *bolt.Bucket
	rows    *bolt.Bucket
	ids     *bolt.Bucket
	retired *bolt.Bucket

	applied []Applied
	fresh   []int             // fresh[i] is the op that got slot before.Next+i
	bitmaps map[uint64][]byte // retired bitmaps that changed, by slot / retiredSpan
}

func newCommit(s *Shard, tx *bolt.Tx) *commit {
	c := &commit{
		schema: s.schema, before: s.state, state: s.state,
		meta: tx.Bucket(bucketMeta), codes: tx.Bucket(bucketCodes), vectors: tx.Bucket(bucketVectors),
		tail: tx.Bucket(bucketTail), rows: tx.Bucket(bucketRows), ids: tx.Bucket(bucketIDs),
		retired: tx.Bucket(bucketRetired),
		bitmaps: make(map[uint64][]byte),
	}
	// These buckets only ever grow at their end, so half-full pages would stay so.
	for _, b := range []*bolt.Bucket{c.codes, c.vectors, c.tail, c.rows} {
		b.FillPercent = 1
	}
	return c
}

func (c *commit) run(ops []Op) error {
	if err := c.apply(ops); err != nil {
		return err
	}
	if err := c.place(ops); err != nil {
		return err
	}
	return c.finish()
}

// apply gives slots, retires what they replace, and keeps ids and rows.
func (c *commit) apply(ops []Op) error {
	c.applied = make([]Applied, len(ops))
	for i := range ops {
		op, done := &ops[i], Applied{Slot: NoSlot, Retired: NoSlot}
		id := []byte(op.ID)
		old, err := slotOf(c.ids, c.rows, id)
		if err != nil {
			return err
		}
		if old != NoSlot {
			if err := c.retire(old); err != nil {
				return fmt.Errorf("id %q: %w", op.ID, err)
			}
			done.Retired = old
		}
		switch {
		case !op.Delete:
			done.Slot = c.state.Next
			c.state.Next++
			c.state.Live++
			c.fresh = append(c.fresh, i)
			key := slotKey(done.Slot)
			row := appendRow(make([]byte, 0, 2+len(op.ID)+len(op.Metadata)+crcBytes), op.ID, op.Metadata)
			if err := c.rows.Put(key, seal(key, row)); err != nil {
				return err
			}
			if err := c.ids.Put(id, binary.LittleEndian.AppendUint64(nil, done.Slot)); err != nil {
				return err
			}
		case done.Retired != NoSlot:
			if err := c.ids.Delete(id); err != nil {
				return err
			}
		}
		c.applied[i] = done
	}
	return nil
}

// retire marks slot, which must be in use and not retired yet.
func (c *commit) retire(slot uint64) error {
	if slot >= c.state.Next {
		return corrupt("points to slot %d of %d", slot, c.state.Next)
	}
	span := slot / retiredSpan
	bitmap := c.bitmaps[span]
	if bitmap == nil {
		stored, err := readRetired(c.retired, span)
		if err != nil {
			return err
		}
		// With room for the checksum that finish adds.
		bitmap = append(make([]byte, 0, retiredBytes+crcBytes), stored...)
		bitmap = bitmap[:retiredBytes]
		c.bitmaps[span] = bitmap
	}
	at, bit := slot%retiredSpan/8, byte(1)<<(slot%8)
	if bitmap[at]&bit != 0 {
		return corrupt("points to slot %d, which is retired", slot)
	}
	bitmap[at] |= bit
	c.state.Live--
	return nil
}

// readRetired returns the stored bitmap of a span, nil when there is none.
func readRetired(b *bolt.Bucket, span uint64) ([]byte, error) {
	key := slotKey(span)
	value := b.Get(key)
	if value == nil {
		return nil, nil
	}
	return openRetired(span, key, value)
}

// openRetired unseals the value that retired has under the key of span.
func openRetired(span uint64, key, value []byte) ([]byte, error) {
	body, err := unseal(key, value)
	if err == nil && len(body) != retiredBytes {
		err = corrupt("bitmap has %d bytes, want %d", len(body), retiredBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("retired slots from %d: %w", span*retiredSpan, err)
	}
	return body, nil
}

// place writes the codes and vectors of the fresh rows: whole blocks are sealed,
// together with the tail's rows that came before, and the rest joins the tail.
func (c *commit) place(ops []Op) error {
	if len(c.fresh) == 0 {
		return nil
	}
	op := func(slot uint64) *Op { return &ops[c.fresh[slot-c.before.Next]] }
	size := uint64(c.schema.BlockRows)
	slot := c.schema.sealed(c.before.Next)
	for ; slot+size <= c.state.Next; slot += size {
		if err := c.sealBlock(slot, op); err != nil {
			return err
		}
	}
	for slot = max(slot, c.before.Next); slot < c.state.Next; slot++ {
		row := c.schema.appendTailRow(make([]byte, 0, c.schema.tailRow()), slot, op(slot))
		if err := c.tail.Put(slotKey(slot), row); err != nil {
			return err
		}
	}
	return nil
}

// sealBlock packs the rows of one code block: those that were there before come
// out of the tail, the others from op.
func (c *commit) sealBlock(first uint64, op func(slot uint64) *Op) error {
	s := c.schema
	end := first + uint64(s.BlockRows)
	codes := make([]byte, headerBytes, s.codeBlock())
	scalars := make([]byte, 0, 4*s.Scalars*s.BlockRows)
	var chunk []byte
	for slot := first; slot < end; slot++ {
		if slot%uint64(s.ChunkRows) == 0 {
			chunk = appendHeader(make([]byte, 0, s.vectorBlock()), vectorMagic, s.ChunkRows, slot, s.vectorRow(), s.Dims, 0)
		}
		if slot < c.before.Next {
			key := slotKey(slot)
			vectorRow, codeRow, err := s.parseTailRow(slot, c.tail.Get(key))
			if err == nil {
				_, err = s.parseVectorRow(slot, vectorRow)
			}
			if err != nil {
				return err
			}
			chunk = append(chunk, vectorRow...)
			codes = append(codes, codeRow[:8*s.words()]...)
			scalars = append(scalars, codeRow[8*s.words():]...)
			if err := c.tail.Delete(key); err != nil {
				return err
			}
		} else {
			o := op(slot)
			chunk = s.appendVectorRow(chunk, slot, o.Vector)
			codes = code.AppendBytes(codes, o.Code)
			scalars = appendScalars(scalars, o.Scalars)
		}
		if (slot+1)%uint64(s.ChunkRows) == 0 {
			if err := c.vectors.Put(slotKey(slot+1-uint64(s.ChunkRows)), chunk); err != nil {
				return err
			}
		}
	}
	codes = append(codes, scalars...)
	appendHeader(codes[:0], codeMagic, s.BlockRows, first, s.codeRow(), s.Dims, crc32.Checksum(codes[headerBytes:], castagnoli))
	return c.codes.Put(slotKey(first), codes)
}

// finish writes the bitmaps that changed and the new state.
func (c *commit) finish() error {
	spans := make([]uint64, 0, len(c.bitmaps))
	for span := range c.bitmaps {
		spans = append(spans, span)
	}
	slices.Sort(spans)
	for _, span := range spans {
		key := slotKey(span)
		if err := c.retired.Put(key, seal(key, c.bitmaps[span])); err != nil {
			return err
		}
	}
	c.state.Commits++
	return c.meta.Put(keyState, seal(keyState, c.state.append()))
}
