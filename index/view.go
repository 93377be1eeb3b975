package index

import (
	"errors"
	"math"
	"slices"
	"unsafe"

	"github.com/bits-and-blooms/bitset"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/storage"
)

// Codes are kept in segments of segmentRows rows, so that a collection grows
// without copying; a bitmap of storage's retired slots covers one segment.
const segmentRows = 1 << 16

// layout is where the parts of a row lie in memory. Blocks are columns of package hamming, a
// group of rows side by side, so that a scan can look at any number of them. What stands
// beside a code is an array each.
type layout struct {
	profile *encoder.Profile
	blocks  []encoder.Block
	columns []column
	words   int // of a row as storage has it
	squares int // arrays of float32, one a prefix
	scales  int // arrays of float16, one a prefix
}

// column is a block that scans look at, or part of one that is too wide for a kernel.
type column struct {
	block, first         int // first word in the row
	width, planes, words int // words = width * planes
	part                 int // first word in the block's plane
}

func newLayout(p *encoder.Profile) layout {
	l := layout{profile: p, blocks: p.Blocks(), words: p.RowWords()}
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

// bytes is the memory that n rows take, n a multiple of hamming.Lanes.
func (l *layout) bytes(n int) int {
	if len(l.blocks) == 0 {
		return 0
	}
	row := 4*(1+l.squares) + 2*(len(l.blocks)+l.scales)
	for _, c := range l.columns {
		row += 8 * c.words
	}
	return n * row
}

// scanBytes is what a scan of the first blocks blocks reads of a row.
func (l *layout) scanBytes(blocks int) int {
	n := 4
	for _, b := range l.blocks[:blocks] {
		n += 8*b.Words() + 2
	}
	return n
}

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

// newSegment makes room for segmentRows rows; large is for one that will be full.
func newSegment(l *layout, large bool) (*segment, error) {
	n := l.bytes(segmentRows)
	if n == 0 {
		return new(segment), nil
	}
	memory, err := allocate(n/8, large)
	if err != nil {
		return nil, err
	}
	return carve(l, memory, segmentRows), nil
}

// carve cuts memory, of l.bytes(rows), into the arrays of a segment.
func carve(l *layout, memory []uint64, rows int) *segment {
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
func (s *segment) put(l *layout, at int, row []uint64, side *encoder.Side) {
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

// side reads what stands beside the code of a row, for scores about step step of the ladder.
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

// prefetch asks for the memory that is read of a row to look at its blocks from first on:
// the lines of its group.
func (s *segment) prefetch(l *layout, first, at int) {
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
func (s *segment) code(l *layout, dst []uint64, b, at int) []uint64 {
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
func (s *segment) copyGroup(l *layout, src *segment, at int) {
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

// view is the codes as of one commit. It never changes once it is published, and
// any number of searches read it while the next one is made.
type view struct {
	layout   *layout
	segments []*segment
	last     *segment         // a copy of the last group while rows are added to it; nil: it is full
	retired  []*bitset.BitSet // per segment; nil: none
	rows     uint32           // given so far, retired or not
	live     uint64
}

// at returns where row lies.
func (v *view) at(row uint32) (*segment, int) {
	return v.segments[row/segmentRows], int(row % segmentRows)
}

// rowsIn is how many rows segment i has.
func (v *view) rowsIn(i int) int { return int(min(v.rows-uint32(i)*segmentRows, segmentRows)) }

// groups sets rows to groups of segment i from row first on, for a scan of the first blocks
// blocks for scores about step step of the ladder. Of the last group of a view that is not
// full a copy is read, and that alone.
func (v *view) groups(rows *hamming.Rows, i, first, blocks, step int) {
	l, s, at := v.layout, v.segments[i], first
	if v.last != nil && i == len(v.segments)-1 && first+hamming.Lanes > v.rowsIn(i) {
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

// isRetired reports whether row's vector was replaced or deleted.
func (v *view) isRetired(row uint32) bool {
	bits := v.retired[row/segmentRows]
	return bits != nil && bits.Test(uint(row%segmentRows))
}

// memoryBytes is what the codes and what is kept beside them take.
func (v *view) memoryBytes() uint64 {
	groups := (uint64(v.rows) + hamming.Lanes - 1) / hamming.Lanes
	n := groups * uint64(v.layout.bytes(hamming.Lanes))
	for _, bits := range v.retired {
		if bits != nil {
			n += segmentRows / 8
		}
	}
	return n
}

// builder makes the next view from the last. It belongs to the writer alone.
type builder struct {
	layout layout
	next   view
	owned  map[int]bool // retired bitmaps that no published view shares
	side   encoder.Side
}

func newBuilder(p *encoder.Profile) *builder {
	b := &builder{layout: newLayout(p), owned: make(map[int]bool)}
	b.next.layout = &b.layout
	return b
}

// grow makes room for rows up to end.
func (b *builder) grow(end uint32) error {
	for uint64(len(b.next.segments))*segmentRows < uint64(end) {
		seg, err := newSegment(&b.layout, len(b.next.segments) > 0)
		if err != nil {
			return err
		}
		b.next.segments = append(b.next.segments, seg)
		b.next.retired = append(b.next.retired, nil)
	}
	return nil
}

// add appends the next row, for which there must be room.
func (b *builder) add(words []uint64) {
	row := b.next.rows
	b.next.segments[row/segmentRows].put(&b.layout, int(row%segmentRows), words, &b.side)
	b.next.rows++
	b.next.live++
}

// retire marks a row that is not retired yet.
func (b *builder) retire(row uint32) {
	i := int(row / segmentRows)
	switch bits := b.next.retired[i]; {
	case bits == nil:
		b.next.retired[i] = bitset.New(segmentRows)
	case !b.owned[i]:
		b.next.retired[i] = bits.Clone()
	}
	b.owned[i] = true
	b.next.retired[i].Set(uint(row % segmentRows))
	b.next.live--
}

// publish returns the view as it is now, to which nothing more will happen. Room
// that no row has taken is left out: a commit that failed leaves some.
func (b *builder) publish() *view {
	v := b.next
	used := (int(v.rows) + segmentRows - 1) / segmentRows
	v.segments, v.retired = slices.Clone(v.segments[:used]), slices.Clone(v.retired[:used])
	if over := v.rows % hamming.Lanes; over > 0 && len(b.layout.columns) > 0 {
		s, at := v.at(v.rows - over)
		v.last = carve(&b.layout, make([]uint64, b.layout.bytes(hamming.Lanes)/8), hamming.Lanes)
		v.last.copyGroup(&b.layout, s, at)
	}
	clear(b.owned)
	return &v
}

// release gives the memory back. No view made here may be read any more.
func (b *builder) release() error {
	var errs []error
	for _, s := range b.next.segments {
		if s.memory != nil {
			errs = append(errs, release(s.memory))
		}
	}
	b.next = view{layout: &b.layout}
	return errors.Join(errs...)
}

// maxRows is the most rows a collection can give out: rows are uint32.
const maxRows = math.MaxUint32

// load fills rows first..end-1, all of one segment, from storage.
func (b *builder) load(r *storage.Reader, seg *segment, first, end uint64) error {
	words := b.layout.words
	var side encoder.Side
	return r.Codes(first, end, func(at uint64, codes []uint64, _ []float32) error {
		row := int(at - first)
		for len(codes) > 0 {
			seg.put(&b.layout, row, codes[:words], &side)
			codes = codes[words:]
			row++
		}
		return nil
	})
}

// newRetired makes a segment's bitmap of storage's words.
func newRetired(words []uint64) *bitset.BitSet {
	return bitset.FromWithLength(segmentRows, words)
}
