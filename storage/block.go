package storage

import "time"

// ChecksumBytes is what a stored vector takes besides itself, not counting padding.
const ChecksumBytes = 8

// checkedRows is how many rows are checked at a time; it divides 256.
const checkedRows = 64

// Block is stored vectors of successive slots: vector i is the first Schema.VectorBytes
// bytes from i*Stride on.
type Block struct {
	Rows   []byte // Count*Stride bytes, 8-byte aligned in most files but not in all
	Stride int
	Count  int

	reader *Reader
	first  uint64
	mapped bool // Rows are the file's
}

// Block returns the vectors from slot first on, first < end <= State().Next, as far as they
// lie side by side, and not beyond end. To read many in a row it costs much less than
// Vector. Check must see a vector before it is used. The block is valid until the next
// call.
func (r *Reader) Block(first, end uint64) (Block, error) {
	s := r.schema
	end = min(end, first-first%uint64(s.ChunkRows)+uint64(s.ChunkRows))
	b := Block{Stride: s.vectorRow(), Count: int(end - first), reader: r, first: first}
	if first >= r.state.Packed {
		var err error
		b.Rows, err = r.gather(first, b.Count)
		return b, err
	}
	at, err := r.seekVector(first)
	if err != nil {
		return Block{}, err
	}
	b.Rows = r.chunk[at : at+b.Count*b.Stride]
	b.mapped = r.file.offset(r.chunk) != 0 // otherwise too few for pages of their own
	if b.mapped && r.shard.disk.slow.Load() {
		willNeed(b.Rows)
	}
	return b, nil
}

// Check verifies the checksums of vectors from to to-1, except those for which skip, which
// may be nil, returns true: the caller must not use those.
func (b *Block) Check(from, to int, skip func(slot uint64) bool) error {
	start := time.Now()
	for i := from; i < to; {
		slot := b.first + uint64(i)
		// All rows of a run have all but the lowest byte of their slots in common.
		n := min(to-i, checkedRows-int(slot%checkedRows))
		var crcs [checkedRows]uint32
		high := slotCRC(slot &^ 0xff)
		for k := range crcs[:n] {
			crcs[k] = high ^ slotLow[byte(slot)+byte(k)]
		}
		intact := firstDamaged(b.Rows[i*b.Stride:(i+n)*b.Stride], b.Stride, crcs[:n])
		if i += intact; intact == n {
			continue
		}
		if slot = b.first + uint64(i); skip == nil || !skip(slot) {
			// The error says what is wrong.
			if _, err := b.reader.schema.parseVectorRow(slot, b.Rows[i*b.Stride:(i+1)*b.Stride]); err != nil {
				return err
			}
		}
		i++
	}
	if b.mapped {
		b.reader.shard.disk.notice(to-from, b.Stride, time.Since(start))
	}
	return nil
}

// gather copies the vector rows of count unsealed slots side by side.
func (r *Reader) gather(first uint64, count int) ([]byte, error) {
	s := r.schema
	size := s.vectorRow()
	if r.gathered == nil {
		r.gathered = make([]byte, s.ChunkRows*size)
	}
	value := r.get(&r.tail, bucketTail, first)
	for i := range count {
		slot := first + uint64(i)
		if i > 0 { // much cheaper than looking for each
			var key []byte
			key, value = r.tail.Next()
			if at, err := parseSlotKey(key); err != nil || at != slot {
				return nil, corrupt("tail has key %.32x, want slot %d", key, slot)
			}
		}
		row, _, err := s.parseTailRow(slot, value, false)
		if err != nil {
			return nil, err
		}
		copy(r.gathered[i*size:], row)
	}
	return r.gathered[:count*size], nil
}
