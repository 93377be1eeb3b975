package storage

import "math"

// This file predicts what rows will take of the disk: the sizes that format.go gives
// to values, and how bbolt packs them into pages.

// Rows describes rows that are still to come.
type Rows struct {
	Count uint64
	// IDBytes and MetadataBytes are the means of a row.
	IDBytes, MetadataBytes int
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

	// hashesPage is how many entries a page of hashes was seen to have in the mean: of
	// blocks that a sweep has filled by a part and cut in halves when full.
	hashesPage = 165

	// filePages has the meta pages, the root, the pages of small buckets and freelist.
	filePages = 6
)

// Footprint predicts what rows of this schema take.
func (s Schema) Footprint(rows Rows) Footprint {
	s = s.withDefaults()
	sealed := s.sealed(rows.Count)
	packed := s.packed(rows.Count)
	commits := (rows.Count + max(1, rows.CommitRows) - 1) / max(1, rows.CommitRows)
	f := Footprint{
		Codes:   tree(sealed/uint64(s.BlockRows), s.codeBlock()) + lids(commits, sealed/uint64(s.BlockRows)),
		Vectors: tree(packed/uint64(s.ChunkRows), s.vectorBlock()) + lids(commits, packed/uint64(s.ChunkRows)),
		Tail:    tree(packed-sealed, s.packedTailRow()) + tree(rows.Count-packed, s.tailRow()),
		Rows:    tree(rows.Count, 2+rows.IDBytes+rows.MetadataBytes+crcBytes),
		File:    filePages*pageBytes + pages(len(s.Engine)),
	}
	hashes := uint64(0)
	if rows.Count >= uint64(s.BlockRows) { // or no sweep has begun
		hashes = rows.Count / hashesPage
	}
	f.IDs = hashes * pageBytes
	if commits > 1 { // one to write anew what another had
		f.Spare += min(hashes, touched(hashes, sweepSpeed*rows.CommitRows)) * pageBytes
		f.Spare += tree(min(packed, uint64(s.BlockRows)/2), s.packedTailRow()) + tree(min(packed, uint64(s.ChunkRows)/2), s.tailRow())
	}
	return f
}

// lids returns what those of so many commits take, a page each, of which no more than
// blocks have any.
func lids(commits, blocks uint64) uint64 { return min(commits, blocks) * pageBytes }

// tree returns what n entries with slots for keys take, when they only ever came at the end.
func tree(n uint64, value int) (bytes uint64) {
	if n == 0 {
		return 0
	}
	const room = pageBytes - pageHeader
	entry := elementBytes + slotKeyBytes + value
	perLeaf := min(n, uint64(max(minPageEntries, room/entry)))
	nodes := (n + perLeaf - 1) / perLeaf
	bytes = n/perLeaf*pages(pageHeader+int(perLeaf)*entry) + pages(int(n%perLeaf)*entry)
	const perBranch = room / (elementBytes + slotKeyBytes)
	for nodes > 1 {
		nodes = (nodes + perBranch - 1) / perBranch
		bytes += nodes * pageBytes
	}
	return bytes
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
