package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	bolt "go.etcd.io/bbolt"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/isa"
)

// View runs fn on the shard as of the last commit. fn must be brief and must not wait for
// anything: while it runs, the pages it could read are not reused. What a Reader returns is
// valid only until fn returns. Damage is reported as ErrCorrupt.
func (s *Shard) View(fn func(*Reader) error) error {
	var own error // fn's, which is not about the file
	err := s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			state, err := s.stateOf(tx)
			if err != nil {
				return err
			}
			if err := fn(&Reader{shard: s, schema: s.schema, state: state, tx: tx}); err != nil {
				if errors.Is(err, ErrCorrupt) {
					return err
				}
				own = err
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return own
}

// latest is a state as of one transaction.
type latest struct {
	tx    int
	state state
}

// stateOf returns the state as of tx. It is read once, because most views see the same
// commit.
func (s *Shard) stateOf(tx *bolt.Tx) (state, error) {
	if known := s.latest.Load(); known != nil && known.tx == tx.ID() {
		return known.state, nil
	}
	read, err := s.schema.readState(tx)
	if err == nil {
		s.latest.Store(&latest{tx.ID(), read})
	}
	return read, err
}

// Reader reads a shard within one View. Only one goroutine may use it.
type Reader struct {
	shard  *Shard
	schema Schema
	state  state
	tx     *bolt.Tx
	file   mapping // none until it is needed

	// Cursors are kept because a fresh one costs more than moving it.
	rows, tail, vectors *bolt.Cursor
	key                 [8]byte // of the slot that one was moved to last

	// The vector block read last: neighbours are read in turn.
	chunk      []byte
	chunkFirst uint64
	gathered   []byte // what gather returned

	retired map[uint64][]byte // what bitmaps returned
}

// State returns the state as of the last commit.
func (r *Reader) State() State { return r.state.State }

// Slot returns the slot of the live row of that id, or NoSlot.
func (r *Reader) Slot(id string) (uint64, error) {
	retired := r.tx.Bucket(bucketRetired)
	f := finder{
		state: r.state, recent: r.shard.recent.Load(),
		rows: r.tx.Bucket(bucketRows), hashes: r.tx.Bucket(bucketHashes),
		bitmap: func(span uint64) ([]byte, error) {
			bitmap, err := readRetired(retired, span)
			if err == nil && bitmap == nil {
				_, err = r.bitmaps()
			}
			return bitmap, err
		},
	}
	return f.find([]byte(id))
}

// Row returns the id and the metadata of a slot below State().Next, retired or not.
func (r *Reader) Row(slot uint64) (id, metadata []byte, err error) {
	return openRow(slot, r.key[:], r.get(&r.rows, bucketRows, slot))
}

// get returns the value under the key of slot, or nil. It moves the cursor of the bucket,
// which it makes if there is none, and sets r.key.
func (r *Reader) get(cursor **bolt.Cursor, bucket []byte, slot uint64) []byte {
	if *cursor == nil {
		*cursor = r.tx.Bucket(bucket).Cursor()
	}
	binary.BigEndian.PutUint64(r.key[:], slot)
	key, value := (*cursor).Seek(r.key[:])
	if !bytes.Equal(key, r.key[:]) {
		return nil // it is at the next key there is
	}
	return value
}

func readRow(rows *bolt.Bucket, slot uint64) (id, metadata []byte, err error) {
	key := slotKey(slot)
	return openRow(slot, key, rows.Get(key))
}

// openRow unseals and parses the value that rows has under the key of slot.
func openRow(slot uint64, key, value []byte) (id, metadata []byte, err error) {
	body, err := unseal(key, value)
	if err == nil {
		id, metadata, err = parseRow(body)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("row of slot %d: %w", slot, err)
	}
	return id, metadata, nil
}

// Rows calls fn with the slots from..State().Next-1 that are not retired,
// ascending, and with what Row returns for each, until fn returns false.
func (r *Reader) Rows(from uint64, fn func(slot uint64, id, metadata []byte) (more bool, err error)) error {
	bitmaps, err := r.bitmaps()
	if err != nil {
		return err
	}
	bitmap := bitmaps[from/retiredSpan]
	cursor := r.tx.Bucket(bucketRows).Cursor()
	key, value := cursor.Seek(slotKey(from))
	for slot := from; slot < r.state.Next; slot++ {
		if slot%retiredSpan == 0 {
			bitmap = bitmaps[slot/retiredSpan]
		}
		at, err := parseSlotKey(key)
		if err != nil || at != slot {
			return corrupt("rows has key %.32x, want slot %d", key, slot)
		}
		if !isRetired(bitmap, slot) {
			id, metadata, err := openRow(slot, key, value)
			if err != nil {
				return err
			}
			if more, err := fn(slot, id, metadata); err != nil || !more {
				return err
			}
		}
		key, value = cursor.Next()
	}
	return nil
}

// Vector returns the stored vector of a slot below State().Next, retired or not:
// Schema.VectorBytes bytes, 8-byte aligned in most files but not in all. Reading slots in
// sequence is cheapest.
func (r *Reader) Vector(slot uint64) ([]byte, error) {
	s := r.schema
	if slot >= r.state.Packed {
		vectorRow, _, err := s.parseTailRow(slot, r.get(&r.tail, bucketTail, slot), false)
		if err != nil {
			return nil, err
		}
		return s.parseVectorRow(slot, vectorRow)
	}
	at, err := r.seekVector(slot)
	if err != nil {
		return nil, err
	}
	return s.parseVectorRow(slot, r.chunk[at:at+s.vectorRow()])
}

// seekVector makes the block of a packed slot r.chunk and returns where in it the
// slot's row begins.
func (r *Reader) seekVector(slot uint64) (at int, err error) {
	s := r.schema
	first := slot - slot%uint64(s.ChunkRows)
	if r.chunk == nil || r.chunkFirst != first {
		if r.file.anchor == nil {
			r.file = mapOf(r.tx)
		}
		if known := r.shard.places.of(first / uint64(s.ChunkRows)); known != 0 {
			r.chunk, r.chunkFirst = r.file.bytes(known, s.ChunkRows*s.vectorRow()), first
		} else {
			body, err := r.findVectors(first)
			if err != nil {
				return 0, err
			}
			r.chunk, r.chunkFirst = body, first
		}
	}
	return int(slot-first) * s.vectorRow(), nil
}

// findVectors returns the body of the block of first, and notes where it is if it stays
// there.
func (r *Reader) findVectors(first uint64) ([]byte, error) {
	s := r.schema
	block := r.get(&r.vectors, bucketVectors, first)
	body, _, err := checkHeader(block, vectorMagic, s.ChunkRows, first, s.vectorRow(), s.Dims)
	if err != nil {
		return nil, fmt.Errorf("vectors from slot %d: %w", first, err)
	}
	n, blocks := first/uint64(s.ChunkRows), r.state.Packed/uint64(s.ChunkRows)
	if at := r.file.offset(body); at != 0 && stays(n, blocks, len(block)) {
		r.shard.places.note(n, blocks, at)
	}
	return body, nil
}

// soon prefetches the row of a slot, if its place is known.
func (r *Reader) soon(slot uint64) {
	s := r.schema
	if slot >= r.state.Packed {
		return
	}
	if r.file.anchor == nil {
		r.file = mapOf(r.tx)
	}
	if known := r.shard.places.of(slot / uint64(s.ChunkRows)); known != 0 {
		at := known + int64(slot%uint64(s.ChunkRows))*int64(s.vectorRow())
		isa.Prefetch(unsafe.SliceData(r.file.bytes(at, s.vectorRow())), s.vectorRow())
	}
}

// Vectors calls fn with what Vector returns for each of slots, which ascend. If the shard's
// vectors recently had to be read from the disk, it first announces all of them to the
// disk.
func (r *Reader) Vectors(slots []uint64, fn func(slot uint64, vector []byte)) error {
	if len(slots) == 0 {
		return nil
	}
	start := time.Now()
	if r.shard.disk.slow.Load() {
		r.prefetch(slots)
	}
	for i, slot := range slots {
		if i+1 < len(slots) {
			r.soon(slots[i+1])
		}
		vector, err := r.Vector(slot)
		if err != nil {
			return err
		}
		fn(slot, vector)
	}
	r.shard.disk.notice(len(slots), r.schema.vectorRow(), time.Since(start))
	return nil
}

// prefetch asks the kernel to read the vectors of slots, which ascend, and does not wait
// for it. It leaves damage to Vector to report.
func (r *Reader) prefetch(slots []uint64) {
	s := r.schema
	for len(slots) > 0 && slots[0] < r.state.Packed {
		at, err := r.seekVector(slots[0])
		if err != nil || r.file.offset(r.chunk) == 0 { // too few for pages of their own
			return
		}
		n := 1 // that follow each other in the block
		for n < len(slots) && slots[n] == slots[0]+uint64(n) && at+n*s.vectorRow() < len(r.chunk) {
			n++
		}
		willNeed(r.chunk[at : at+n*s.vectorRow()])
		slots = slots[n:]
	}
}

// diskReads says whether a shard's vectors are in memory or have to be read from the disk.
// In memory, a request to prefetch costs more than reading.
type diskReads struct{ slow atomic.Bool }

// slowRow, plus half a nanosecond a byte, is several times what it takes to read a row from
// memory. From a fast disk it takes some tens of microseconds.
const slowRow = 4 * time.Microsecond

// notice records that reading that many rows of rowBytes took that long.
func (d *diskReads) notice(rows, rowBytes int, took time.Duration) {
	slow := took > time.Duration(rows)*(slowRow+time.Duration(rowBytes)/2)
	if slow != d.slow.Load() { // a store would take the cache line from other cores
		d.slow.Store(slow)
	}
}

// Codes calls fn with the codes of slots from..to-1 in ascending runs, retired or not. from
// must be 0 or a multiple of Schema.BlockRows; to at most State().Next. codes holds rows
// codes back to back, scalars their Schema.Scalars numbers each; the next run overwrites
// both.
func (r *Reader) Codes(from, to uint64, fn func(first uint64, codes []uint64, scalars []float32) error) error {
	s := r.schema
	codes := make([]uint64, s.BlockRows*s.words())
	scalars := make([]float32, s.BlockRows*s.Scalars)
	sealed := s.sealed(r.state.Next)
	blocks := r.tx.Bucket(bucketCodes)
	first := from
	for ; first < min(to, sealed); first += uint64(s.BlockRows) {
		body, want, err := checkHeader(blocks.Get(slotKey(first)), codeMagic, s.BlockRows, first, s.codeRow(), s.Dims)
		if err == nil {
			if got := crc32.Checksum(body, castagnoli); got != want {
				err = corrupt("checksum %08x, want %08x", got, want)
			}
		}
		if err != nil {
			return fmt.Errorf("codes from slot %d: %w", first, err)
		}
		code.FromBytes(codes, body)
		decodeScalars(scalars, body[8*len(codes):])
		rows := min(uint64(s.BlockRows), to-first)
		if err := fn(first, codes[:rows*uint64(s.words())], scalars[:rows*uint64(s.Scalars)]); err != nil {
			return err
		}
	}
	if first >= to {
		return nil
	}
	tail, rows := r.tx.Bucket(bucketTail), int(to-first)
	for i := range rows {
		slot := first + uint64(i)
		_, row, err := s.parseTailRow(slot, tail.Get(slotKey(slot)), slot < r.state.Packed)
		if err != nil {
			return err
		}
		code.FromBytes(codes[i*s.words():(i+1)*s.words()], row)
		decodeScalars(scalars[i*s.Scalars:(i+1)*s.Scalars], row[8*s.words():])
	}
	return fn(first, codes[:rows*s.words()], scalars[:rows*s.Scalars])
}

// Retired calls fn with the bitmaps of retired slots, ascending: bit i%64 of word i/64 is
// set when slot first+i is retired. It leaves out spans without any. words covers 65,536
// slots, and fn may keep it.
func (r *Reader) Retired(fn func(first uint64, words []uint64) error) error {
	bitmaps, err := r.bitmaps()
	if err != nil {
		return err
	}
	for _, span := range slices.Sorted(maps.Keys(bitmaps)) {
		words := make([]uint64, retiredBytes/8)
		code.FromBytes(words, bitmaps[span])
		if err := fn(span*retiredSpan, words); err != nil {
			return err
		}
	}
	return nil
}

// bitmaps returns what allRetired does.
func (r *Reader) bitmaps() (bitmaps map[uint64][]byte, err error) {
	if r.retired == nil {
		r.retired, err = allRetired(r.tx.Bucket(bucketRetired), r.state.State)
	}
	return r.retired, err
}

// allRetired returns the bitmaps of retired slots, by span. It verifies that together they
// retire as many slots as the state says: if damage hid a bitmap, its rows would come back
// to life.
func allRetired(retired *bolt.Bucket, at State) (map[uint64][]byte, error) {
	bitmaps, err := readBitmaps(retired, at.Next)
	if err != nil {
		return nil, err
	}
	count := uint64(0)
	for _, bitmap := range bitmaps {
		for i := 0; i < len(bitmap); i += 8 {
			count += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(bitmap[i:])))
		}
	}
	if want := at.Next - at.Live; count != want {
		return nil, corrupt("%d retired slots, want %d: %d rows less %d live", count, want, at.Next, at.Live)
	}
	return bitmaps, nil
}

// readBitmaps returns all bitmaps of a file in which next slots are in use.
func readBitmaps(retired *bolt.Bucket, next uint64) (map[uint64][]byte, error) {
	bitmaps := make(map[uint64][]byte)
	cursor := retired.Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		span, err := parseSlotKey(key)
		if err != nil {
			return nil, fmt.Errorf("retired slots: %w", err)
		}
		if next == 0 || span > (next-1)/retiredSpan {
			return nil, corrupt("retired slots from %d, of %d in all", span*retiredSpan, next)
		}
		if bitmaps[span], err = openRetired(span, key, value); err != nil {
			return nil, err
		}
	}
	return bitmaps, nil
}

// isRetired reports whether slot is in the bitmap of its span, which is nil if no slot is.
func isRetired(bitmap []byte, slot uint64) bool {
	return bitmap != nil && bitmap[slot%retiredSpan/8]>>(slot%8)&1 == 1
}

func appendScalars(dst []byte, scalars []float32) []byte {
	for _, x := range scalars {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

func decodeScalars(dst []float32, b []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
}
