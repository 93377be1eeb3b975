package codes

import (
	"math/bits"

	"github.com/bits-and-blooms/bitset"

	"github.com/hamnest/hamnest/index/hamming"
)

// Set is an exact set of rows of one view: the rows that a pass may find. It is in the order of
// a scan: each segment has a mask, and each word of a mask is a group, so a pass sees which
// groups hold none of its rows before it reads their codes. A set never changes.
type Set struct {
	view    *View
	masks   []*bitset.BitSet // one a segment; nil: all its rows. Bits of rows that the view does not have mean nothing.
	count   uint64
	spanned uint32
}

// A word of a mask is a group. The next line does not compile otherwise.
var _ [0]struct{} = [hamming.Lanes - 64]struct{}{}

// Only returns the rows of s whose bit is set: bit i%64 of word i/64 is that of row i, and rows
// past the last word are left out. It keeps words and changes them.
func (s *Set) Only(words []uint64) *Set {
	const segmentWords = SegmentRows / 64
	if missing := len(s.masks)*segmentWords - len(words); missing > 0 {
		words = append(words, make([]uint64, missing)...)
	}
	only := &Set{view: s.view, masks: make([]*bitset.BitSet, len(s.masks))}
	for i, mask := range s.masks {
		only.masks[i] = bitset.FromWithLength(SegmentRows, words[i*segmentWords:][:segmentWords:segmentWords])
		if mask != nil {
			only.masks[i].InPlaceIntersection(mask)
		}
	}
	only.measure()
	return only
}

// View returns the view that the rows are of.
func (s *Set) View() *View { return s.view }

// Len is how many rows the set has.
func (s *Set) Len() uint64 { return s.count }

// Spanned is how many rows are in groups that hold a row of the set: the rows that a scan
// compares.
func (s *Set) Spanned() uint32 { return s.spanned }

// Has reports whether a row of the view is in the set.
func (s *Set) Has(row uint32) bool {
	mask := s.masks[row/SegmentRows]
	return mask == nil || mask.Test(uint(row%SegmentRows))
}

// Next returns the first row of the set from row on, or the view's number of rows if there is
// none.
func (s *Set) Next(row uint32) uint32 {
	for row < s.view.rows {
		mask := s.masks[row/SegmentRows]
		if mask == nil {
			return row
		}
		first := row / SegmentRows * SegmentRows
		if at, ok := mask.NextSet(uint(row - first)); ok {
			return min(first+uint32(at), s.view.rows)
		}
		if s.view.rows-first <= SegmentRows {
			break
		}
		row = first + SegmentRows
	}
	return s.view.rows
}

// Groups returns a word for each group from row first on, which must begin a group. Bit i says
// whether row i of the group is in the set. It returns nil when all rows of the groups are.
// Bits of rows that the view does not have mean nothing. The groups must be of one segment.
func (s *Set) Groups(first uint32, groups int) []uint64 {
	mask := s.masks[first/SegmentRows]
	if mask == nil {
		return nil
	}
	at := first % SegmentRows / hamming.Lanes
	return mask.Words()[at:][:groups]
}

// Spread returns n rows of the set, or all of them, spread evenly, ascending.
func (s *Set) Spread(n int) []uint32 {
	want := min(uint64(n), s.count)
	rows := make([]uint32, 0, want)
	seen := uint64(0)
	for row := s.Next(0); uint64(len(rows)) < want; row = s.Next(row + 1) {
		if seen >= uint64(len(rows))*s.count/want {
			rows = append(rows, row)
		}
		seen++
	}
	return rows
}

// Lost returns the rows of s, ascending, that are not in later, a set of a later view.
func (s *Set) Lost(later *Set) []uint32 {
	var rows []uint32
	for i, before := range s.masks {
		after := later.masks[i]
		if after == before {
			continue
		}
		first := uint32(i) * SegmentRows
		for at := range min(SegmentRows, s.view.rows-first) {
			if row := first + at; s.Has(row) && !later.Has(row) {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// measure counts the rows.
func (s *Set) measure() {
	s.count, s.spanned = 0, 0
	for i, mask := range s.masks {
		rows := min(SegmentRows, s.view.rows-uint32(i)*SegmentRows)
		if mask == nil {
			s.count += uint64(rows)
			s.spanned += rows
			continue
		}
		for at, word := range mask.Words() {
			first := uint32(at) * hamming.Lanes
			if first >= rows {
				break
			}
			here := min(hamming.Lanes, rows-first)
			if word &= ^uint64(0) >> (hamming.Lanes - here); word != 0 {
				s.count += uint64(bits.OnesCount64(word))
				s.spanned += here
			}
		}
	}
}
