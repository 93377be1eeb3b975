package storage

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// This file looks at the shape of bbolt's trees before bbolt does. If damage makes a page
// lead back to one above it, bbolt goes round until the memory or the stack is used up, and
// no guard catches that. If damage makes a page in use look free, the next commit
// overwrites it.

// checkTrees returns an error if the child of a branch page or the root of a bucket is a
// page that cannot be one: a branch page or a root that is already in a tree, a page with
// buckets or bitmaps in it, or a free page. It reads branch pages only, some hundreds for a
// million rows: all leaves are equally deep, so the first tells where they begin. It does
// not detect other damage; the reader who meets it reports it.
func checkTrees(db *bolt.DB, file *os.File) error {
	return db.View(func(tx *bolt.Tx) error {
		w := treeWalk{file: file, pageSize: uint64(db.Info().PageSize), taken: make(map[uint64]bool)}
		w.readFreelist(uint64(tx.ID()) % 2)
		leaves, err := w.tree(uint64(tx.Cursor().Bucket().RootPage()))
		if err != nil {
			return err
		}
		for _, page := range leaves { // they have the buckets in them
			w.taken[page] = true
		}
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			if b == nil || b.RootPage() == 0 { // inline
				return nil
			}
			leaves, err := w.tree(uint64(b.RootPage()))
			if err != nil {
				return err
			}
			w.taken[uint64(b.RootPage())] = true
			// The first key of rows is that of the first bitmap, with a checksum of the
			// same kind: only its page tells them apart.
			if bytes.Equal(name, bucketRetired) {
				for _, page := range leaves {
					w.taken[page] = true
				}
			}
			return nil
		})
	})
}

type treeWalk struct {
	file     *os.File
	pageSize uint64
	taken    map[uint64]bool // pages that nothing else may lead to
	free     []uint64        // ascending
}

// Sizes and places in a page of bbolt, whose numbers have the machine's byte order.
const (
	pageHeader  = 16 // page u64, kind u16, count u16, overflow u32
	pageKind    = 8
	pageCount   = 10
	kindBranch  = 1
	branchEntry = 16 // position u32, key size u32, page u64
	metaList    = pageHeader + 32
)

// readFreelist notes which pages are free, if the file was closed properly and meta, the
// number of its meta page, says where they are listed.
func (w *treeWalk) readFreelist(meta uint64) {
	list := w.read(meta*w.pageSize+metaList, 8)
	if list == nil {
		return
	}
	page := binary.NativeEndian.Uint64(list)
	header := w.page(page)
	if header == nil {
		return
	}
	w.taken[page] = true
	at, count := page*w.pageSize+pageHeader, uint64(binary.NativeEndian.Uint16(header[pageCount:]))
	if count == math.MaxUint16 { // more than fit a u16: the first entry says how many
		if long := w.read(at, 8); long != nil {
			at, count = at+8, binary.NativeEndian.Uint64(long)
		}
	}
	for b := w.read(at, 8*count); len(b) > 0; b = b[8:] {
		w.free = append(w.free, binary.NativeEndian.Uint64(b))
	}
	slices.Sort(w.free) // bbolt wrote it sorted; damage may have changed that
}

// tree walks down from root, a level at a time, and returns the leaves.
func (w *treeWalk) tree(root uint64) (leaves []uint64, err error) {
	level := []uint64{root}
	for {
		for _, page := range level {
			if _, free := slices.BinarySearch(w.free, page); free || w.taken[page] {
				return nil, corrupt("page %d is free or in use elsewhere, and in a tree", page)
			}
		}
		if len(level) == 0 || w.children(level[0]) == nil {
			return level, nil
		}
		var next []uint64
		for _, page := range level {
			if w.taken[page] {
				return nil, corrupt("page %d is twice in a tree", page)
			}
			children := w.children(page)
			w.taken[page] = children != nil
			next = append(next, children...)
		}
		level = next
	}
}

// children returns the pages that a branch page leads to; nil if it is not a branch page or
// cannot be read.
func (w *treeWalk) children(page uint64) []uint64 {
	header := w.page(page)
	if header == nil || binary.NativeEndian.Uint16(header[pageKind:]) != kindBranch {
		return nil
	}
	var pages []uint64
	entries := w.read(page*w.pageSize+pageHeader, branchEntry*uint64(binary.NativeEndian.Uint16(header[pageCount:])))
	for ; len(entries) > 0; entries = entries[branchEntry:] {
		pages = append(pages, binary.NativeEndian.Uint64(entries[8:]))
	}
	return pages
}

// page returns the header of a page, or nil if there is no such page.
func (w *treeWalk) page(page uint64) []byte {
	if page > math.MaxInt64/w.pageSize {
		return nil
	}
	header := w.read(page*w.pageSize, pageHeader)
	if header == nil || binary.NativeEndian.Uint64(header) != page {
		return nil
	}
	return header
}

// read returns n bytes of the file, or nil if it does not have that many there.
func (w *treeWalk) read(at, n uint64) []byte {
	if info, err := w.file.Stat(); err != nil || at > uint64(info.Size()) || n > uint64(info.Size())-at {
		return nil
	}
	b := make([]byte, n)
	if _, err := w.file.ReadAt(b, int64(at)); err != nil {
		return nil
	}
	return b
}
