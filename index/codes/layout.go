package codes

import (
	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
)

// Layout is where the parts of a row lie in memory. Blocks are columns of package hamming, a
// group of rows side by side, so that a scan can look at any number of blocks. Each number kept
// beside a code has an array of its own. A layout never changes.
type Layout struct {
	profile *encoder.Profile
	blocks  []encoder.Block
	columns []column
	squares int // arrays of float32, one a prefix
	scales  int // arrays of float16, one a prefix
}

// column is a block that scans look at, or part of one that is too wide for a kernel.
type column struct {
	block, first         int // first word in the row
	width, planes, words int // words = width * planes
	part                 int // first word in the block's plane
}

// NewLayout returns the layout of rows of p.
func NewLayout(p *encoder.Profile) *Layout {
	l := &Layout{profile: p, blocks: p.Blocks()}
	first := 0
	for b := range l.blocks {
		width, words := l.blocks[b].PlaneWords(), l.blocks[b].Words()
		if l.blocks[b].Bits > 1 { // it fits, or would have fewer
			l.columns = append(l.columns, column{b, first, width, l.blocks[b].Bits, words, 0})
		} else {
			for part := 0; part < width; part += hamming.MaxWeight {
				n := min(width-part, hamming.MaxWeight)
				l.columns = append(l.columns, column{b, first + part, n, 1, n, part})
			}
		}
		first += words
	}
	l.squares, l.scales = p.Prefixes()
	return l
}

// Blocks is how many blocks a code has; 0 if the profile makes no codes.
func (l *Layout) Blocks() int { return len(l.blocks) }

// PlaneWords is how many words a plane of block b has.
func (l *Layout) PlaneWords(b int) int { return l.blocks[b].PlaneWords() }

// Bytes is the memory that n rows take, n a multiple of hamming.Lanes.
func (l *Layout) Bytes(n int) int {
	if len(l.blocks) == 0 {
		return 0
	}
	row := 4*(1+l.squares) + 2*(len(l.blocks)+l.scales)
	for _, c := range l.columns {
		row += 8 * c.words
	}
	return n * row
}

// ScanBytes is how many bytes of a row a scan of the first blocks blocks reads.
func (l *Layout) ScanBytes(blocks int) int {
	n := 4
	for _, b := range l.blocks[:blocks] {
		n += 8*b.Words() + 2
	}
	return n
}

// Rounding is how many bytes the pages of the last segment hold beyond its rows. Pages are
// large, except in the first segment: see newSegment.
func (l *Layout) Rounding(rows uint64) uint64 {
	const smallPage, largePage = 4 << 10, 2 << 20
	page, used := uint64(largePage), rows%SegmentRows
	if used == 0 || len(l.blocks) == 0 { // full, or none
		return 0
	}
	if rows < SegmentRows {
		page = smallPage
	}
	begun := func(rowBytes int) uint64 {
		n := used * uint64(rowBytes)
		whole := (n + page - 1) &^ (page - 1)
		return min(whole, SegmentRows*uint64(rowBytes)) - n
	}
	var n uint64
	for _, c := range l.columns {
		n += begun(8 * c.words)
	}
	for range 1 + l.squares {
		n += begun(4)
	}
	for range len(l.blocks) + l.scales {
		n += begun(2)
	}
	return n
}

// Query cuts a query of the first blocks blocks into the terms of their columns. magnitudes
// returns those of a block's dimensions; a and b hold one number for each block: see
// hamming.Term.
func (l *Layout) Query(blocks int, offset float32, magnitudes func(block int) []int8, a, b []float32) hamming.Query {
	q := hamming.Query{Offset: offset}
	for _, c := range l.columns {
		if c.block >= blocks {
			break
		}
		term := hamming.Term{Magnitudes: magnitudes(c.block)[code.WordBits*c.part : code.WordBits*(c.part+c.width)], B: b[c.block]}
		if c.part == 0 {
			term.A = a[c.block]
		}
		q.Terms = append(q.Terms, term)
	}
	return q
}
