package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"math/bits"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/hamnest/hamnest/encoder/code"
)

// MaxProblems is how many problems Check lists before it stops looking.
const MaxProblems = 100

// Report is what Check found.
type Report struct {
	// Rows and Blocks are how many were read.
	Rows, Blocks uint64
	// Problems are the rules of FORMAT.md that the file breaks, a line each; empty if the
	// file is sound. At most MaxProblems.
	Problems []string
}

// Check reads all rows as of the last commit and verifies every rule of FORMAT.md about
// them. visit, unless nil, is called with every row whose code and vector are whole, for
// rules that only the engine knows; an error it returns is one more problem. Reads and
// commits go on meanwhile; the pages that commits free are not reused until Check is done.
// Damage is a finding and never ends the process.
//
// The error says what kept Check from reading; problems are in the report.
func (s *Shard) Check(ctx context.Context, visit func(slot uint64, code []uint64, scalars []float32, vector []byte) error) (Report, error) {
	c := checker{ctx: ctx, schema: s.schema, visit: visit}
	if s.doubt != nil {
		c.problem("%v", s.doubt)
	}
	err := s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			c.tx = tx
			return c.run()
		})
	})
	switch {
	case ctx.Err() != nil:
		return c.report, ctx.Err()
	case err != nil: // pages too damaged to go on
		c.problem("%v", err)
	}
	return c.report, nil
}

// CheckPages has bbolt verify the structure of its pages, and returns what is wrong with
// it, a line each, at most MaxProblems. Commits wait meanwhile. bbolt walks the pages in
// its own goroutine, where a damaged page ends the process: check a suspect file in a
// process that does nothing else.
func (s *Shard) CheckPages() []string {
	s.mu.Lock() // bbolt holds the pages against its freelist, which commits change
	defer s.mu.Unlock()
	var c checker
	err := s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			c.tx = tx
			c.structure()
			return nil
		})
	})
	if err != nil {
		c.problem("%v", err)
	}
	return c.report.Problems
}

type checker struct {
	ctx    context.Context
	tx     *bolt.Tx
	schema Schema
	state  state
	visit  func(slot uint64, code []uint64, scalars []float32, vector []byte) error
	report Report

	vectors []byte // the body of the vector block that packedVector is reading
}

func (c *checker) problem(format string, args ...any) {
	if len(c.report.Problems) < MaxProblems {
		c.report.Problems = append(c.report.Problems, fmt.Sprintf(format, args...))
	}
}

// stop reports whether it is pointless to go on.
func (c *checker) stop() bool {
	return c.ctx.Err() != nil || len(c.report.Problems) >= MaxProblems
}

// structure checks what bbolt can tell of its pages.
func (c *checker) structure() {
	// bbolt notes one by one every page that another says it runs over into, so a damaged
	// number there would use up the memory.
	end := int(c.tx.Size() / int64(c.tx.DB().Info().PageSize))
	for at := 2; at < end; at++ { // after the meta pages
		page, err := c.tx.Page(at)
		switch {
		case err != nil:
			c.problem("bbolt: page %d: %v", at, err)
			return
		case page.Type == "free":
			continue
		case page.OverflowCount < 0 || page.OverflowCount >= end-at:
			c.problem("bbolt: page %d of %d runs over into %d more", at, end, page.OverflowCount)
			return
		}
		at += page.OverflowCount
	}
	for err := range c.tx.Check() {
		c.problem("bbolt: %v", err)
	}
}

func (c *checker) run() error {
	var err error
	if c.state, err = c.schema.readState(c.tx); err != nil {
		return err
	}
	if c.state.Commits == 0 && c.state.Next > 0 { // all of rule 5 that can be checked
		c.problem("state: 0 commits, but %d rows", c.state.Next)
	}
	rules := []func() error{c.meta, c.blocks, c.tail, c.rows, c.hashes, c.retired}
	for _, rule := range rules {
		if c.stop() {
			break
		}
		if err := rule(); err != nil {
			return err
		}
	}
	return nil
}

// meta checks that the bucket holds its three values, as they were when the shard was
// opened, and that frozen, if it exists, holds one.
func (c *checker) meta() error {
	if frozen := c.tx.Bucket(bucketFrozen); frozen != nil {
		err := frozen.ForEach(func(key, value []byte) error {
			if _, err := unseal(key, value); err != nil || string(key) != string(keyEngine) {
				c.problem("frozen: %q: %v", head(key), err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	b := c.tx.Bucket(bucketMeta)
	return b.ForEach(func(key, value []byte) error {
		switch string(key) {
		case string(keyFormat), string(keyNeeds), string(keySchema), string(keyState):
			if _, err := unseal(key, value); err != nil {
				c.problem("meta: %s: %v", key, err)
			}
		default:
			c.problem("meta: unknown key %q", head(key))
		}
		return nil
	})
}

// blocks checks rule 1 for rows whose codes are in blocks. It walks code blocks and vector
// blocks side by side, so that visit gets the two halves of a row together.
func (c *checker) blocks() error {
	s, sealed := c.schema, c.schema.sealed(c.state.Next)
	c.keys(bucketCodes, sealed, uint64(s.BlockRows))
	c.keys(bucketVectors, c.state.Packed, uint64(s.ChunkRows))
	codes := c.tx.Bucket(bucketCodes)
	for first := uint64(0); first < sealed && !c.stop(); first += uint64(s.BlockRows) {
		codeBody, want, err := checkHeader(codes.Get(slotKey(first)), codeMagic, s.BlockRows, first, s.codeRow(), s.Dims)
		if err == nil {
			if got := crc32.Checksum(codeBody, castagnoli); got != want {
				err = corrupt("checksum %08x, want %08x", got, want)
			}
		}
		if err != nil {
			c.problem("codes from slot %d: %v", first, err)
			codeBody = nil
		}
		c.report.Blocks++
		for i := range uint64(s.BlockRows) {
			slot := first + i
			var codeRow, scalars []byte
			if codeBody != nil {
				codeRow = codeBody[int(i)*8*s.words():][:8*s.words()]
				scalars = codeBody[s.BlockRows*8*s.words()+int(i)*4*s.Scalars:][:4*s.Scalars]
			}
			c.row(slot, codeRow, scalars, c.packedVector(slot))
		}
	}
	return nil
}

// packedVector returns the vector row of a packed slot, nil if its block is damaged. Slots
// ascend.
func (c *checker) packedVector(slot uint64) []byte {
	s := c.schema
	if slot%uint64(s.ChunkRows) == 0 {
		var err error
		block := c.tx.Bucket(bucketVectors).Get(slotKey(slot))
		if c.vectors, _, err = checkHeader(block, vectorMagic, s.ChunkRows, slot, s.vectorRow(), s.Dims); err != nil {
			c.problem("vectors from slot %d: %v", slot, err)
			c.vectors = nil
		}
		c.report.Blocks++
	}
	if c.vectors == nil {
		return nil
	}
	return c.vectors[int(slot%uint64(s.ChunkRows))*s.vectorRow():][:s.vectorRow()]
}

// row checks the parts of one row that are there.
func (c *checker) row(slot uint64, codeRow, scalarRow, vectorRow []byte) {
	s := c.schema
	c.report.Rows++
	var vector []byte
	if vectorRow != nil {
		var err error
		if vector, err = s.parseVectorRow(slot, vectorRow); err != nil {
			c.problem("%v", err)
		}
		if n := len(vectorRow) - 8 - s.VectorBytes; !bytes.Equal(vectorRow[s.VectorBytes:][:n], zeros[:n]) {
			c.problem("vector of slot %d: zeros after it are %x", slot, vectorRow[s.VectorBytes:][:n])
		}
		if flags := binary.LittleEndian.Uint32(vectorRow[len(vectorRow)-4:]); flags != 0 {
			c.problem("vector of slot %d: flags %08x, want 0", slot, flags)
		}
	}
	if codeRow == nil {
		return
	}
	words, scalars := make([]uint64, s.words()), make([]float32, s.Scalars)
	code.FromBytes(words, codeRow)
	decodeScalars(scalars, scalarRow)
	if !code.Padded(words, s.Dims) {
		c.problem("code of slot %d: bits past dimension %d are set", slot, s.Dims)
	}
	if vector != nil && c.visit != nil {
		if err := c.visit(slot, words, scalars, vector); err != nil {
			c.problem("slot %d: %v", slot, err)
		}
	}
}

// keys checks that a bucket's keys are exactly 0, step, 2*step, ... below end, and the lids
// of blocks.
func (c *checker) keys(bucket []byte, end, step uint64) {
	blocks := !bytes.Equal(bucket, bucketRows)
	want, cursor := uint64(0), c.tx.Bucket(bucket).Cursor()
	for key, value := cursor.First(); key != nil && !c.stop(); key, value = cursor.Next() {
		if want > 0 && blocks && isLid(key, value, want-step) {
			continue
		}
		slot, err := parseSlotKey(key)
		if err != nil || slot != want || slot >= end {
			c.problem("%s: key %.32x, want slot %d of 0 to %d by %d", bucket, key, want, end, step)
			return
		}
		want += step
	}
	if want < end {
		c.problem("%s: ends before slot %d, want slots to %d", bucket, want, end)
	}
}

// isLid reports whether key and value are a lid after the block of first.
func isLid(key, value []byte, first uint64) bool {
	return len(key) == 9 && len(value) == 0 && bytes.HasPrefix(key, slotKey(first)) && key[8] < lidKeys
}

// countKeys counts the keys of b itself. bbolt's own count follows whatever damage makes
// look like a bucket in b, which may be b again.
func countKeys(b *bolt.Bucket) (n uint64) {
	cursor := b.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		n++
	}
	return n
}

// tail checks rule 1 for the other rows.
func (c *checker) tail() error {
	b, s := c.tx.Bucket(bucketTail), c.schema
	sealed := s.sealed(c.state.Next)
	if n := countKeys(b); n != c.state.Next-sealed {
		c.problem("tail: %d rows, want slots %d to %d", n, sealed, c.state.Next)
	}
	for slot := sealed; slot < c.state.Next && !c.stop(); slot++ {
		packed := slot < c.state.Packed
		var vector []byte
		if packed {
			vector = c.packedVector(slot)
		}
		vectorRow, codeRow, err := s.parseTailRow(slot, b.Get(slotKey(slot)), packed)
		if err != nil {
			c.problem("%v", err)
			continue
		}
		if packed {
			vectorRow = vector
		}
		c.row(slot, codeRow[:8*s.words()], codeRow[8*s.words():], vectorRow)
	}
	return nil
}

// rows checks rule 2, and rule 3 from the row to the slot that its id is found at. If an id
// is found at each of its live rows, it has no second one.
func (c *checker) rows() error {
	c.keys(bucketRows, c.state.Next, 1)
	rows, retired := c.tx.Bucket(bucketRows), c.tx.Bucket(bucketRetired)
	var bitmap []byte
	find := finder{
		state: c.state, recent: readRecent(rows, c.state.Indexed, c.state.Next), rows: rows, hashes: c.tx.Bucket(bucketHashes),
		bitmap: func(uint64) ([]byte, error) { return nil, nil }, // retired ones are checked too
	}
	for slot := uint64(0); slot < c.state.Next && !c.stop(); slot++ {
		if slot%retiredSpan == 0 {
			var err error
			if bitmap, err = readRetired(retired, slot/retiredSpan); err != nil {
				return err
			}
		}
		id, metadata, err := readRow(rows, slot)
		if err != nil {
			c.problem("%v", err)
			continue
		}
		if len(id) < 1 || len(id) > MaxIDBytes || len(metadata) > MaxMetadataBytes {
			c.problem("row of slot %d: id of %d and metadata of %d bytes", slot, len(id), len(metadata))
		}
		if isRetired(bitmap, slot) {
			continue
		}
		if found, err := find.find(id); err != nil {
			c.problem("row of slot %d: %v", slot, err)
		} else if found != slot {
			c.problem("row of slot %d, id %q: is live, and its id leads to %s", slot, head(id), slotName(found))
		}
	}
	return nil
}

func slotName(slot uint64) string {
	if slot == NoSlot {
		return "no slot"
	}
	return fmt.Sprintf("slot %d", slot)
}

// hashes checks rule 3 from the hash to the row, and the order of the blocks.
func (c *checker) hashes() error {
	b, rows := c.tx.Bucket(bucketHashes), c.tx.Bucket(bucketRows)
	if b == nil {
		return nil // version 1
	}
	var before hashed
	var floor uint64 // blocks before this one have the hashes up to it
	var last []byte
	cursor := b.Cursor()
	for key, value := cursor.First(); key != nil && !c.stop(); key, value = cursor.Next() {
		block, err := openHashBlock(key, value)
		if err != nil {
			c.problem("%v", err)
			continue
		}
		if block.floored && block.floor != floor {
			c.problem("hashes to %x: after %016x, want %016x", key, block.floor, floor)
		}
		end := block.last
		for i := range block.len() {
			e := block.at(i)
			if compareHashed(before, e) >= 0 || e.hash <= floor || e.hash > end {
				c.problem("hashes to %x: %016x of slot %d is out of order", key, e.hash, e.slot)
			}
			before = e
			if e.slot >= c.state.Next {
				c.problem("hashes to %x: %016x leads to slot %d of %d", key, e.hash, e.slot, c.state.Next)
			} else if id, _, err := readRow(rows, e.slot); err == nil && hashID(id) != e.hash {
				c.problem("hashes to %x: %016x leads to slot %d, whose id has the hash %016x", key, e.hash, e.slot, hashID(id))
			}
		}
		floor, last = end, key
	}
	if want := slotKey(math.MaxUint64); !c.stop() && !bytes.Equal(last, want) {
		c.problem("hashes: the last key is %.16x, want %x", last, want)
	}
	return nil
}

// retired checks rule 4 and the bitmaps.
func (c *checker) retired() error {
	bitmaps, err := readBitmaps(c.tx.Bucket(bucketRetired), c.state.Next)
	if err != nil {
		return err
	}
	var retired uint64
	for _, span := range slices.Sorted(maps.Keys(bitmaps)) {
		first, set := span*retiredSpan, 0
		for i, b := range bitmaps[span] {
			set += bits.OnesCount8(b)
			for ; b != 0; b &= b - 1 {
				if slot := first + uint64(8*i+bits.TrailingZeros8(b)); slot >= c.state.Next {
					c.problem("retired: slot %d of %d", slot, c.state.Next)
				}
			}
		}
		if set == 0 {
			c.problem("retired: an empty bitmap from slot %d", first)
		}
		retired += uint64(set)
	}
	if c.state.Live+retired != c.state.Next {
		c.problem("state: %d live and %d retired rows, want %d together", c.state.Live, retired, c.state.Next)
	}
	return nil
}
