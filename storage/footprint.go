package storage

import "math"

// This file predicts what rows will take of the disk: the sizes that format.go gives
// to values, and how bbolt packs them into pages.

// Rows describes rows that are still to come.
type Rows struct {
	Count uint64
	// IDBytes and MetadataBytes are the means of a row.
	IDBytes, MetadataBytes int
	// Ascending tells that ids come in the order in which they sort, or nearly so, as
	// counted ones do.
	Ascending bool
	// CommitRows is how many rows a commit brings.
	CommitRows uint64
}

// Footprint is the bytes of disk that rows take, none of which was replaced or
// deleted, in whole pages.
type Footprint struct {
	// Codes and Vectors are in blocks; the scalars are among the codes.
	Codes, Vectors uint64
	// Tail holds the rows that fill no block yet.
	Tail uint64
	// Rows is what finds ids and metadata by slot, IDs what finds slots by id.
	Rows, IDs uint64
	// File is what a file without rows takes.
	File uint64
	// Spare is what commits wrote anew and left free for those to come: in the mean. It
	// depends on where commits ended, and is anything from nothing to twice as much.
	Spare uint64
}

// Total is the sum.
func (f Footprint) Total() uint64 {
	return f.Codes + f.Vectors + f.Tail + f.Rows + f.IDs + f.File + f.Spare
}

// How bbolt fills pages: its node.split.
const (
	pageBytes      = 4096
	elementBytes   = 16 // beside each key and value
	minPageEntries = 2
	slotKeyBytes   = 8

	// A page that is full is cut in halves. Where keys ascend, the first stays as it is;
	// counted ids do not quite, because "10" comes before "9", and some fill up a little.
	// Where keys come in any order all fill up again, to ln 2 in the mean.
	ascendingFill = 0.53
	randomFill    = math.Ln2

	// rewrittenBlocks is how many blocks share the last page, which a commit that adds
	// one writes anew.
	rewrittenBlocks = 3
	// filePages has the meta pages, the root, the pages of small buckets and freelist.
	filePages = 6
)

// Footprint predicts what rows of this schema take.
func (s Schema) Footprint(rows Rows) Footprint {
	s = s.withDefaults()
	sealed := s.sealed(rows.Count)
	f := Footprint{
		Codes:   tree(sealed/uint64(s.BlockRows), slotKeyBytes, s.codeBlock(), 1).bytes,
		Vectors: tree(sealed/uint64(s.ChunkRows), slotKeyBytes, s.vectorBlock(), 1).bytes,
		Tail:    tree(rows.Count-sealed, slotKeyBytes, s.tailRow(), 1).bytes,
		Rows:    tree(rows.Count, slotKeyBytes, 2+rows.IDBytes+rows.MetadataBytes+crcBytes, 1).bytes,
		File:    filePages*pageBytes + pages(len(s.Engine)),
	}
	fill := randomFill
	if rows.Ascending || rows.Count <= rows.CommitRows {
		fill = ascendingFill
	}
	ids := tree(rows.Count, rows.IDBytes, 8, fill)
	f.IDs = ids.bytes
	if rows.Count > rows.CommitRows { // there was a commit to write anew what another had
		if !rows.Ascending {
			f.Spare += touched(ids.leaves, min(rows.CommitRows, rows.Count)) * pageBytes
		}
		f.Spare += tree(min(sealed, uint64(s.BlockRows)/2), slotKeyBytes, s.tailRow(), 1).bytes
		f.Spare += tree(min(sealed/uint64(s.BlockRows), rewrittenBlocks), slotKeyBytes, s.codeBlock(), 1).bytes
		f.Spare += tree(min(sealed/uint64(s.ChunkRows), rewrittenBlocks), slotKeyBytes, s.vectorBlock(), 1).bytes
	}
	return f
}

// treeSize is a bucket of bbolt's.
type treeSize struct{ bytes, leaves uint64 }

// tree returns what n entries take when their pages are filled to that share.
func tree(n uint64, key, value int, fill float64) treeSize {
	if n == 0 {
		return treeSize{}
	}
	room := fill*pageBytes - pageHeader
	entry := elementBytes + key + value
	perLeaf := min(n, uint64(max(minPageEntries, room/float64(entry))))
	t := treeSize{leaves: (n + perLeaf - 1) / perLeaf}
	t.bytes = t.leaves * pages(pageHeader+int(perLeaf)*entry)
	perBranch := uint64(max(minPageEntries, room/float64(elementBytes+key)))
	for nodes := t.leaves; nodes > 1; {
		nodes = (nodes + perBranch - 1) / perBranch
		t.bytes += nodes * pageBytes
	}
	return t
}

// pages returns n bytes, rounded up to pages.
func pages(n int) uint64 { return uint64((n + pageBytes - 1) / pageBytes * pageBytes) }

// touched is how many of the leaves n keys in random order are expected to hit.
func touched(leaves, n uint64) uint64 {
	if leaves == 0 {
		return 0
	}
	return uint64(float64(leaves) * -math.Expm1(-float64(n)/float64(leaves)))
}
