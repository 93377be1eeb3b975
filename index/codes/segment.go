package codes

import (
	"slices"
	"unsafe"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/index/hamming"
)

// SegmentRows is how many rows a segment has. Codes are kept in segments so that a collection
// grows without copying.
const SegmentRows = 1 << 16

// segment holds the codes of some rows, a multiple of hamming.Lanes. Rows are written once,
// before the first view that has them is published, and never again.
type segment struct {
	memory  []uint64
	lines   [][]byte   // one a column
	factors [][]uint16 // one a block
	offsets []float32
	squares [][]float32
	scales  [][]uint16
}

// newSegment makes room for SegmentRows rows; large is for a segment that will be full.
func newSegment(l *Layout, large bool) (*segment, error) {
	n := l.Bytes(SegmentRows)
	if n == 0 {
		return new(segment), nil
	}
	memory, err := allocate(n/8, large)
	if err != nil {
		return nil, err
	}
	return carve(l, memory, SegmentRows), nil
}

// carve cuts memory, of l.Bytes(rows), into the arrays of a segment.
func carve(l *Layout, memory []uint64, rows int) *segment {
	s := &segment{memory: memory}
	take := func(bytes int) unsafe.Pointer {
		p := unsafe.Pointer(unsafe.SliceData(memory))
		memory = memory[bytes/8:]
		return p
	}
	for _, c := range l.columns {
		n := rows * 8 * c.words
		s.lines = append(s.lines, unsafe.Slice((*byte)(take(n)), n))
	}
	s.offsets = unsafe.Slice((*float32)(take(4*rows)), rows)
	for range l.squares {
		s.squares = append(s.squares, unsafe.Slice((*float32)(take(4*rows)), rows))
	}
	for range l.blocks {
		s.factors = append(s.factors, unsafe.Slice((*uint16)(take(2*rows)), rows))
	}
	for range l.scales {
		s.scales = append(s.scales, unsafe.Slice((*uint16)(take(2*rows)), rows))
	}
	return s
}

// put writes one row; side is scratch.
func (s *segment) put(l *Layout, at int, row []uint64, side *encoder.Side) {
	if s.memory == nil {
		return
	}
	for i, c := range l.columns {
		hamming.Put(s.lines[i], row[c.first:c.first+c.words], at)
	}
	l.profile.Side(side, row)
	s.offsets[at] = side.Offset
	for i, x := range side.Squares {
		s.squares[i][at] = x
	}
	for i := range s.factors {
		s.factors[i][at] = side.Factors[i]
	}
	for i, w := range side.Scales {
		s.scales[i][at] = w
	}
}

// side reads the numbers kept beside the code of a row, for scores about step step of the
// ladder.
func (s *segment) side(r *encoder.Row, step, at int) {
	r.Offset, r.Scale = s.offsets[at], 1
	if step < len(s.squares) {
		r.Offset = s.squares[step][at]
	}
	if step < len(s.scales) {
		r.Scale = encoder.Half(s.scales[step][at])
	}
	for b, f := range s.factors {
		r.Factors[b] = encoder.Factor(f[at])
	}
}

// prefetch asks for the memory that reading a row's blocks from first on needs: the lines of
// its group.
func (s *segment) prefetch(l *Layout, first, at int) {
	isa.Prefetch((*byte)(unsafe.Pointer(&s.offsets[at])), 4)
	for i, c := range l.columns {
		if c.block >= first {
			n := hamming.Lanes * 8 * c.words
			isa.Prefetch(&s.lines[i][at/hamming.Lanes*n], n)
		}
	}
	for _, f := range s.factors {
		isa.Prefetch((*byte)(unsafe.Pointer(&f[at])), 2)
	}
}

// code appends the words of block b of a row to dst.
func (s *segment) code(l *Layout, dst []uint64, b, at int) []uint64 {
	for i, c := range l.columns {
		if c.block == b {
			n := len(dst)
			dst = slices.Grow(dst, c.words)[:n+c.words]
			hamming.Get(dst[n:], s.lines[i], at)
		}
	}
	return dst
}

// copyGroup copies the group of src that begins at row at to the first of s.
func (s *segment) copyGroup(l *Layout, src *segment, at int) {
	const n = hamming.Lanes
	for i, c := range l.columns {
		copy(s.lines[i][:n*8*c.words], src.lines[i][at*8*c.words:])
	}
	copy(s.offsets[:n], src.offsets[at:])
	for i := range s.squares {
		copy(s.squares[i][:n], src.squares[i][at:])
	}
	for i := range s.factors {
		copy(s.factors[i][:n], src.factors[i][at:])
	}
	for i := range s.scales {
		copy(s.scales[i][:n], src.scales[i][at:])
	}
}
