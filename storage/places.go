package storage

import (
	"sync/atomic"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// places remembers where in the file vector blocks are, so that a read needs no descent
// through bbolt's tree. It can do so because a page of bbolt's is written anew only when
// something on it changes: vectors only ever grows at its end, so all but its last page
// stay where they are, and what they hold, as long as the file is there. A place is as
// good for a transaction older than the one that found it: the block has the bytes that
// the older one would find elsewhere, and no commit since has freed its page.
type places struct {
	known atomic.Pointer[[]atomic.Int64]
}

// of returns the offset in the file of the body of a block, 0 when it is not known.
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
		// What is noted in the old meanwhile is found again.
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

// stays reports whether that block, of so many of so many bytes, is not on the last page.
// There bbolt leaves no more than four values, or less than a page of them.
func stays(block, blocks uint64, bytes int) bool {
	after := blocks - 1 - block
	return after >= 4 && after*uint64(bytes) >= pageBytes
}

// mapping is a transaction's file in memory.
type mapping struct {
	anchor unsafe.Pointer // some byte of it
	at     int64          // the offset of that byte
	size   int64          // of the part that the transaction sees
}

// mapOf returns the mapping of tx, which keeps it where it is until it ends.
func mapOf(tx *bolt.Tx) mapping {
	name, _ := tx.Cursor().First() // of a bucket
	anchor := unsafe.Pointer(unsafe.SliceData(name))
	return mapping{anchor, int64(uintptr(anchor) - tx.DB().Info().Data), tx.Size()}
}

// offset returns where in the file b is, 0 when it is not there: bbolt has copies of
// some small values.
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
