package storage

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// ChecksumBytes is what a stored vector takes beside itself, padding aside.
const ChecksumBytes = 8

// Block is vectors of successive slots, as they are stored: vector i is the first
// Schema.VectorBytes bytes from i*Stride on.
type Block struct {
	Rows   []byte // Count*Stride bytes, 8-byte aligned in most files but not in all
	Stride int
	Count  int

	reader *Reader
	first  uint64
	mapped bool // Rows are the file's
}

// Block returns the vectors from slot first on, first < end <= State().Next, as far as
// they lie side by side, and no further than end: to read many in a row it costs much less
// than Vector. None may be used before Check has seen it. The block is valid until the next
// call.
func (r *Reader) Block(first, end uint64) (Block, error) {
	s := r.schema
	end = min(end, first-first%uint64(s.ChunkRows)+uint64(s.ChunkRows))
	b := Block{Stride: s.vectorRow(), Count: int(end - first), reader: r, first: first}
	if first >= s.sealed(r.state.Next) {
		var err error
		b.Rows, err = r.gather(first, b.Count)
		return b, err
	}
	at, err := r.seekVector(first)
	if err != nil {
		return Block{}, err
	}
	b.Rows = r.chunk[at : at+b.Count*b.Stride]
	b.mapped = r.vectors.Bucket().RootPage() != 0 // else too few for pages of their own
	if b.mapped && r.disk.slow.Load() {
		willNeed(b.Rows)
	}
	return b, nil
}

// Check verifies the checksums of vectors from to to-1, except of those that skip, which
// may be nil, says true of: what these hold is not to be used.
func (b *Block) Check(from, to int, skip func(slot uint64) bool) error {
	start := time.Now()
	var high uint32 // the CRC of all but the lowest byte of slots
	for i := from; i < to; i++ {
		slot, row := b.first+uint64(i), b.Rows[i*b.Stride:(i+1)*b.Stride]
		if i == from || byte(slot) == 0 {
			high = slotCRC(slot &^ 0xff)
		}
		if rowIntact(high^slotLow[byte(slot)], row) || skip != nil && skip(slot) {
			continue
		}
		_, err := b.reader.schema.parseVectorRow(slot, row) // which says what is wrong
		return err
	}
	if b.mapped {
		b.reader.disk.notice(to-from, b.Stride, time.Since(start))
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
		if i > 0 { // much cheaper than to look for each
			var key []byte
			key, value = r.tail.Next()
			if at, err := parseSlotKey(key); err != nil || at != slot {
				return nil, corrupt("tail has key %.32x, want slot %d", key, slot)
			}
		}
		row, _, err := s.parseTailRow(slot, value)
		if err != nil {
			return nil, err
		}
		copy(r.gathered[i*size:], row)
	}
	return r.gathered[:count*size], nil
}

// crcSteps holds the castagnoli table for bytes that one to three zeros follow, by how
// many: with it four bytes cost four look-ups that do not wait for each other.
var crcSteps = func() (steps [4]crc32.Table) {
	steps[0] = *castagnoli
	for i := 1; i < len(steps); i++ {
		for b, crc := range steps[i-1] {
			steps[i][b] = castagnoli[byte(crc)] ^ crc>>8
		}
	}
	return steps
}()

// slotLow is what the lowest byte of a slot changes in slotCRC: a CRC is linear.
var slotLow = func() (low [256]uint32) {
	for b := range low {
		low[b] = slotCRC(uint64(b)) ^ slotCRC(0)
	}
	return low
}()

// rowIntact is parseVectorRow for the many rows of a block, of which there are most where
// they are small: it reports whether the checksum of row is right. crc is the slot's.
func rowIntact(crc uint32, row []byte) bool {
	end := len(row) - 8
	crc = ^crc32.Update(crc, castagnoli, row[:end]) ^ binary.LittleEndian.Uint32(row[end+4:])
	crc = crcSteps[3][byte(crc)] ^ crcSteps[2][byte(crc>>8)] ^ crcSteps[1][byte(crc>>16)] ^ crcSteps[0][crc>>24]
	return ^crc == binary.LittleEndian.Uint32(row[end:])
}
