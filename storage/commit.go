package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/hamnest/hamnest/encoder/code"
)

// Commit applies ops in order as one synced transaction and says what each did. When it
// returns nil, all of them are durable. When it fails, none is, and the next commit may
// succeed once the disk has room again. There is one exception: if the disk fails in the
// very last write, the shard takes no more commits, and opening it again tells whether that
// write is there. ErrReadOnly when the shard was opened for reading, ErrGone when its file
// is no longer where it was opened. Commit panics if an op does not fit the schema: that is
// a bug in the caller.
func (s *Shard) Commit(ops []Op) ([]Applied, error) {
	for i := range ops {
		s.mustFit(&ops[i])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, s.refusal()
	}
	var c *commit
	var refused error // by us, before anything was written
	stuck, err := s.update(func(tx *bolt.Tx) error {
		// bbolt discards a transaction that returns an error. After a panic it walks all
		// pages, which may end the process if one is damaged.
		refused = catchDamage(s.db, func() error {
			var err error
			if c, err = newCommit(s, tx); err != nil {
				return err
			}
			return c.run(ops)
		})
		return refused
	})
	if err != nil {
		switch {
		case c == nil:
		case refused == nil && (stuck || !s.unchanged()):
			s.broken, s.stuck = err, stuck
		default:
			c.find.recent.cut(s.state.Next)
		}
		return nil, err
	}
	s.state, s.version, s.dirty = c.state, shardVersion, true
	if s.sweep = c.sweep; c.swept {
		s.recent.Store(c.find.recent.since(c.state.Indexed))
	}
	return c.applied, nil
}

// refusal says that the shard is broken. The caller holds s.mu.
func (s *Shard) refusal() error {
	return fmt.Errorf("storage: %s: close and open again, an earlier commit broke off: %w", s.path, s.broken)
}

// unchanged reports whether the file still holds the state that the last commit left: a
// commit writes bbolt's meta page last. The caller holds s.mu.
func (s *Shard) unchanged() bool {
	var now State
	err := s.View(func(r *Reader) error {
		now = r.State()
		return nil
	})
	return err == nil && now == s.state.State
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
	before  state
	state   state
	meta    *bolt.Bucket
	codes   *bolt.Bucket
	vectors *bolt.Bucket
	tail    *bolt.Bucket
	rows    *bolt.Bucket
	hashes  *bolt.Bucket
	retired *bolt.Bucket

	applied []Applied
	own     map[string]uint64 // the slots of ids in this commit, NoSlot once removed
	fresh   []int             // fresh[i] is the op that got slot before.Next+i
	find    finder            // of rows from before
	stored  map[uint64][]byte // retired bitmaps as they were before, by slot / retiredSpan
	bitmaps map[uint64][]byte // those that changed

	sweep *sweep // under way after this commit
	swept bool   // this commit has ended one
}

func newCommit(s *Shard, tx *bolt.Tx) (*commit, error) {
	if s.version != shardVersion {
		if err := upgrade(tx, s.version); err != nil {
			return nil, err
		}
	}
	c := &commit{
		schema: s.schema, before: s.state, state: s.state,
		meta: tx.Bucket(bucketMeta), codes: tx.Bucket(bucketCodes), vectors: tx.Bucket(bucketVectors),
		tail: tx.Bucket(bucketTail), rows: tx.Bucket(bucketRows), hashes: tx.Bucket(bucketHashes),
		retired: tx.Bucket(bucketRetired),
		own:     make(map[string]uint64),
		stored:  make(map[uint64][]byte),
		bitmaps: make(map[uint64][]byte),
		sweep:   s.sweep,
	}
	c.find = finder{state: s.state, recent: s.recent.Load(), rows: c.rows, hashes: c.hashes, bitmap: c.storedBitmap}
	// These buckets only ever grow at their end, so half-full pages would stay so.
	for _, b := range []*bolt.Bucket{c.codes, c.vectors, c.tail, c.rows} {
		b.FillPercent = 1
	}
	return c, nil
}

// upgrade brings a file of an older version to the newest. For version 1 the ids of all
// rows are in memory; for version 2 the blocks of hashes stay until a sweep rewrites them.
func upgrade(tx *bolt.Tx, version uint32) error {
	if version == shardVersionIDs {
		if err := tx.DeleteBucket(bucketIDs); err != nil {
			return err
		}
		hashes, err := tx.CreateBucket(bucketHashes)
		if err != nil {
			return err
		}
		if err := putHashes(hashes, nil, 0, math.MaxUint64); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyFormat, seal(keyFormat, appendFormat(shardMagic, shardVersion)))
}

func (c *commit) run(ops []Op) error {
	if err := c.apply(ops); err != nil {
		return err
	}
	if err := c.place(ops); err != nil {
		return err
	}
	if err := c.index(ops); err != nil {
		return err
	}
	return c.finish()
}

// apply assigns slots, retires what they replace, and keeps rows.
func (c *commit) apply(ops []Op) error {
	c.applied = make([]Applied, len(ops))
	c.state.Applied += uint64(len(ops))
	for i := range ops {
		op, done := &ops[i], Applied{Slot: NoSlot, Retired: NoSlot}
		old, ours := c.own[op.ID]
		if !ours {
			var err error
			if old, err = c.find.find([]byte(op.ID)); err != nil {
				return err
			}
		}
		if old != NoSlot {
			if err := c.retire(old); err != nil {
				return fmt.Errorf("id %q: %w", op.ID, err)
			}
			done.Retired = old
		}
		if !op.Delete {
			done.Slot = c.state.Next
			c.state.Next++
			c.state.Live++
			c.fresh = append(c.fresh, i)
			key := slotKey(done.Slot)
			row := appendRow(make([]byte, 0, 2+len(op.ID)+len(op.Metadata)+crcBytes), op.ID, op.Metadata)
			if err := c.rows.Put(key, seal(key, row)); err != nil {
				return err
			}
		}
		c.own[op.ID] = done.Slot
		c.applied[i] = done
	}
	return nil
}

// retire marks slot, which is in use and not retired yet.
func (c *commit) retire(slot uint64) error {
	span := slot / retiredSpan
	bitmap := c.bitmaps[span]
	if bitmap == nil {
		stored, err := c.storedBitmap(span)
		if err != nil {
			return err
		}
		// Leave room for the checksum that finish adds.
		bitmap = append(make([]byte, 0, retiredBytes+crcBytes), stored...)
		bitmap = bitmap[:retiredBytes]
		c.bitmaps[span] = bitmap
	}
	bitmap[slot%retiredSpan/8] |= 1 << (slot % 8)
	c.state.Live--
	return nil
}

// storedBitmap returns the bitmap of a span as it was before, or nil.
func (c *commit) storedBitmap(span uint64) ([]byte, error) {
	if bitmap, ok := c.stored[span]; ok {
		return bitmap, nil
	}
	bitmap, err := readRetired(c.retired, span)
	if err == nil && bitmap == nil {
		_, err = allRetired(c.retired, c.before.State)
	}
	if err == nil {
		c.stored[span] = bitmap
	}
	return bitmap, err
}

// dead reports whether slot is retired, now or by this commit.
func (c *commit) dead(slot uint64) (bool, error) {
	span := slot / retiredSpan
	if bitmap := c.bitmaps[span]; bitmap != nil {
		return isRetired(bitmap, slot), nil
	}
	bitmap, err := c.storedBitmap(span)
	return isRetired(bitmap, slot), err
}

// readRetired returns the stored bitmap of a span, or nil.
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

// place writes the codes and vectors of the fresh rows, together with the tail's earlier
// rows: what fills a block goes there, and the rest joins the tail.
func (c *commit) place(ops []Op) error {
	s := c.schema
	op := func(slot uint64) *Op { return &ops[c.fresh[slot-c.before.Next]] }
	sealed, next := s.sealed(c.before.Next), s.sealed(c.state.Next)
	c.state.Packed = s.packed(c.state.Next)
	for slot := c.before.Packed; slot < c.state.Packed; slot += uint64(s.ChunkRows) {
		if err := c.packVectors(slot, op); err != nil {
			return err
		}
	}
	for slot := sealed; slot < next; slot += uint64(s.BlockRows) {
		if err := c.sealBlock(slot, op); err != nil {
			return err
		}
	}
	if c.state.Packed > c.before.Packed {
		if err := putLids(c.vectors, c.state.Packed-uint64(s.ChunkRows)); err != nil {
			return err
		}
	}
	if next > sealed {
		if err := putLids(c.codes, next-uint64(s.BlockRows)); err != nil {
			return err
		}
	}
	// Vectors that were packed leave their tail rows.
	for slot := max(next, c.before.Packed); slot < min(c.before.Next, c.state.Packed); slot++ {
		_, codeRow, err := s.parseTailRow(slot, c.tail.Get(slotKey(slot)), false)
		if err != nil {
			return err
		}
		row := append(make([]byte, 0, len(codeRow)+crcBytes), codeRow...)
		row = binary.LittleEndian.AppendUint32(row, slotCRC(slot, codeRow))
		if err := c.tail.Put(slotKey(slot), row); err != nil {
			return err
		}
	}
	for slot := max(next, c.before.Next); slot < c.state.Next; slot++ {
		row := s.appendTailRow(make([]byte, 0, s.tailRow()), slot, op(slot), slot < c.state.Packed)
		if err := c.tail.Put(slotKey(slot), row); err != nil {
			return err
		}
	}
	return nil
}

// putLids closes b after the block of first.
func putLids(b *bolt.Bucket, first uint64) error {
	for i := range lidKeys {
		if err := b.Put(lidKey(first, i), nil); err != nil {
			return err
		}
	}
	return nil
}

// packVectors packs the rows of one vector block: earlier rows come out of the tail, the
// others from op.
func (c *commit) packVectors(first uint64, op func(slot uint64) *Op) error {
	s := c.schema
	block := appendHeader(make([]byte, 0, s.vectorBlock()), vectorMagic, s.ChunkRows, first, s.vectorRow(), s.Dims, 0)
	for slot := first; slot < first+uint64(s.ChunkRows); slot++ {
		if slot >= c.before.Next {
			block = s.appendVectorRow(block, slot, op(slot).Vector)
			continue
		}
		row, _, err := s.parseTailRow(slot, c.tail.Get(slotKey(slot)), false)
		if err == nil {
			_, err = s.parseVectorRow(slot, row)
		}
		if err != nil {
			return err
		}
		block = append(block, row...)
	}
	return c.vectors.Put(slotKey(first), block)
}

// sealBlock packs the codes of one code block in the same way. The tail's rows end there,
// because their vectors are packed already.
func (c *commit) sealBlock(first uint64, op func(slot uint64) *Op) error {
	s := c.schema
	codes := make([]byte, headerBytes, s.codeBlock())
	scalars := make([]byte, 0, 4*s.Scalars*s.BlockRows)
	for slot := first; slot < first+uint64(s.BlockRows); slot++ {
		if slot >= c.before.Next {
			o := op(slot)
			codes = code.AppendBytes(codes, o.Code)
			scalars = appendScalars(scalars, o.Scalars)
			continue
		}
		key := slotKey(slot)
		_, row, err := s.parseTailRow(slot, c.tail.Get(key), slot < c.before.Packed)
		if err != nil {
			return err
		}
		codes = append(codes, row[:8*s.words()]...)
		scalars = append(scalars, row[8*s.words():]...)
		if err := c.tail.Delete(key); err != nil {
			return err
		}
	}
	codes = append(codes, scalars...)
	appendHeader(codes[:0], codeMagic, s.BlockRows, first, s.codeRow(), s.Dims, crc32.Checksum(codes[headerBytes:], castagnoli))
	return c.codes.Put(slotKey(first), codes)
}

// index lets readers that see the fresh slots find their ids from now on, and takes a sweep
// one step further.
func (c *commit) index(ops []Op) error {
	for _, i := range c.fresh {
		c.find.recent.add(hashID([]byte(ops[i].ID)))
	}
	if c.sweep == nil && len(c.find.recent.damaged) == 0 && c.schema.sweepDue(c.state) { // a sweep would leave out the damaged
		c.sweep = &sweep{end: c.find.recent.end(), todo: c.find.recent.sorted()}
	}
	if c.sweep == nil || len(c.fresh) == 0 {
		return nil
	}
	left, err := c.sweep.step(c.hashes, max(sweepSpeed*len(c.fresh), c.schema.BlockRows), c.dead)
	if err != nil {
		return err
	}
	if c.sweep = &left; len(left.todo) == 0 {
		c.state.Indexed, c.sweep, c.swept = left.end, nil, true
	}
	return nil
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
