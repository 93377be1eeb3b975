package storage

import (
	"sync/atomic"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// places remembers where in the file vector blocks are, so that a read need not descend
// bbolt's tree. This works because bbolt rewrites a page only when something on it changes.
// vectors only grows at its end, so all its pages but the last stay where they are, with
// what they hold, as long as the file exists. A place is also valid for a transaction older
// than the one that found it: the block has the bytes that the older one would find
// elsewhere, and no commit since has freed its page.
type places struct {
	known atomic.Pointer[[]atomic.Int64]
}

// of returns the offset in the file of the body of a block, or 0 if it is unknown.
func (p *places) of(block uint64) int64 {
	if known := p.known.Load(); known != nil && block < uint64(len(*known)) {
		return (*known)[block].Load()
	}
	return 0
}

// note remembers the offset of one of blocks.
func (p *places) note(block, blocks uint64, at int64) {
	known := p.known.Load()
	if known == nil || block >= uint64(len(*known)) {
		// A place that is noted in the old array meanwhile is found again.
		larger := make([]atomic.Int64, blocks+blocks/4+1)
		if known != nil {
			for i := range *known {
				larger[i].Store((*known)[i].Load())
			}
		}
		p.known.Store(&larger)
		known = &larger
	}
	(*known)[block].Store(at)
}

// stays reports whether that block, of so many blocks of bytes bytes, is not on the last
// page, where bbolt leaves at most four values, or less than a page of them.
func stays(block, blocks uint64, bytes int) bool {
	after := blocks - 1 - block
	return after >= 4 && after*uint64(bytes) >= pageBytes
}

// mapping is the file in memory as a transaction sees it.
type mapping struct {
	anchor unsafe.Pointer // some byte of it
	at     int64          // the offset of that byte
	size   int64          // of the part that the transaction can see
}

// mapOf returns the mapping of tx, which keeps it in place until it ends.
func mapOf(tx *bolt.Tx) mapping {
	name, _ := tx.Cursor().First() // of a bucket
	anchor := unsafe.Pointer(unsafe.SliceData(name))
	return mapping{anchor, int64(uintptr(anchor) - tx.DB().Info().Data), tx.Size()}
}

// offset returns where in the file b is, or 0 if it is not there: bbolt has copies of some
// small values.
func (m mapping) offset(b []byte) int64 {
	at := m.at + int64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))-uintptr(m.anchor))
	if at < 0 || at > m.size-int64(len(b)) {
		return 0
	}
	return at
}

// bytes returns n bytes of the file.
func (m mapping) bytes(at int64, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(m.anchor, at-m.at)), n)
}
