package codes

import (
	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/hamming"
)

// View is the codes as of one commit. It never changes once it is published; any number of
// searches read it while the next one is made. The zero View has no rows.
type View struct {
	layout   *Layout
	segments []*segment
	last     *segment // a copy of the last group while rows are added to it; nil: it is full
	rows     uint32
	present  Set
}

// Rows is how many rows have been handed out, retired or not.
func (v *View) Rows() uint32 { return v.rows }

// Present returns the rows that are not retired: those whose vectors were not replaced or
// deleted.
func (v *View) Present() *Set { return &v.present }

// Retired is how many rows are not Present.
func (v *View) Retired() uint64 { return uint64(v.rows) - v.present.Len() }

// MemoryBytes is the size of the codes and of what is kept beside them.
func (v *View) MemoryBytes() uint64 {
	groups := (uint64(v.rows) + hamming.Lanes - 1) / hamming.Lanes
	n := groups * uint64(v.layout.Bytes(hamming.Lanes))
	for _, mask := range v.present.masks {
		if mask != nil {
			n += SegmentRows / 8
		}
	}
	return n
}

// Groups sets rows to the groups from row first on, which must begin a group, to the end of its
// segment at most. They are for a scan of the first blocks blocks, for scores about step step
// of the ladder. A last group that is not full must be asked for alone, because a copy of it is
// read.
func (v *View) Groups(rows *hamming.Rows, first uint32, blocks, step int) {
	l := v.layout
	s, at := v.at(first)
	if v.last != nil && first+hamming.Lanes > v.rows {
		s, at = v.last, 0
	}
	rows.Columns = rows.Columns[:0]
	for c := range l.columns {
		if col := &l.columns[c]; col.block < blocks {
			rows.Columns = append(rows.Columns, hamming.Column{
				Lines: s.lines[c][at*8*col.words:], Width: col.width, Planes: col.planes, Factors: s.factors[col.block][at:],
			})
		}
	}
	rows.Offsets, rows.Scales = s.offsets[at:], nil
	if step < len(s.squares) {
		rows.Offsets = s.squares[step][at:]
	}
	if step < len(s.scales) {
		rows.Scales = s.scales[step][at:]
	}
}

// Prefetch asks for the memory that reading a row's blocks from first on needs.
func (v *View) Prefetch(row uint32, first int) {
	s, at := v.at(row)
	s.prefetch(v.layout, first, at)
}

// Side reads the numbers kept beside the code of a row, for scores about step step of the
// ladder.
func (v *View) Side(r *encoder.Row, row uint32, step int) {
	s, at := v.at(row)
	s.side(r, step, at)
}

// Code appends the words of block b of a row to dst.
func (v *View) Code(dst []uint64, row uint32, b int) []uint64 {
	s, at := v.at(row)
	return s.code(v.layout, dst, b, at)
}

// at returns the segment of row and the row's place in it.
func (v *View) at(row uint32) (*segment, int) {
	return v.segments[row/SegmentRows], int(row % SegmentRows)
}
