package storage

import "math"

// This file predicts how much disk rows will take: the sizes that format.go gives to
// values, and how bbolt packs them into pages.

// Rows describes rows that are not stored yet.
type Rows struct {
	Count uint64
	// IDBytes and MetadataBytes are means for a row.
	IDBytes, MetadataBytes int
	// CommitRows is how many rows a commit adds.
	CommitRows uint64
}

// Footprint is the bytes of disk that rows take if none was replaced or deleted, in whole
// pages.
type Footprint struct {
	// Codes and Vectors are in blocks; the scalars are among the codes.
	Codes, Vectors uint64
	// Tail holds the rows that do not fill a block yet.
	Tail uint64
	// Rows is what finds ids and metadata by slot, IDs what finds slots by id.
	Rows, IDs uint64
	// File is the size of a file without rows.
	File uint64
	// Spare is what commits rewrote and left free for later ones, on average. It depends on
	// where commits ended, and can be anything from nothing to twice as much.
	Spare uint64
}

// Total is the sum.
func (f Footprint) Total() uint64 {
	return f.Codes + f.Vectors + f.Tail + f.Rows + f.IDs + f.File + f.Spare
}

// How bbolt fills pages, from its node.split.
const (
	pageBytes      = 4096
	elementBytes   = 16 // beside each key and value
	minPageEntries = 2
	slotKeyBytes   = 8

	// hashesPage is the measured mean number of entries on a page of hashes: of blocks that
	// a sweep fills partly and splits in halves when full.
	hashesPage = 165

	// filePages counts the meta pages, the root, the pages of small buckets and the
	// freelist.
	filePages = 6
)

// Footprint predicts how much disk rows of this schema take.
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
	if commits > 1 { // later commits rewrite what earlier ones wrote
		f.Spare += min(hashes, touched(hashes, sweepSpeed*rows.CommitRows)) * pageBytes
		f.Spare += tree(min(packed, uint64(s.BlockRows)/2), s.packedTailRow()) + tree(min(packed, uint64(s.ChunkRows)/2), s.tailRow())
	}
	return f
}

// lids returns the size of the lids of that many commits, a page each; no more commits than
// blocks have any.
func lids(commits, blocks uint64) uint64 { return min(commits, blocks) * pageBytes }

// tree returns the size of n entries with slots as keys, if they were only ever added at
// the end.
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

// touched is the expected number of leaves that n keys in random order hit.
func touched(leaves, n uint64) uint64 {
	if leaves == 0 {
		return 0
	}
	return uint64(float64(leaves) * -math.Expm1(-float64(n)/float64(leaves)))
}
