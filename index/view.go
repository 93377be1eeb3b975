package index

import (
	"errors"
	"math"
	"slices"
	"unsafe"

	"github.com/bits-and-blooms/bitset"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/storage"
)

// Codes are kept in segments of segmentRows rows, so that a collection grows
// without copying; a bitmap of storage's retired slots covers one segment.
const segmentRows = 1 << 16

// layout is how the codes of a collection are cut into columns: one a ladder
// step, holding the words between that step and the one before.
type layout struct {
	start   []int // start[c] is the first word of column c
	width   []int // width[c] is its words
	words   int   // of a whole code
	scalars int   // float32 beside each code
}

func newLayout(ladder []int, scalars int) layout {
	l := layout{scalars: scalars}
	for _, step := range ladder {
		end := code.Words(step)
		l.start = append(l.start, l.words)
		l.width = append(l.width, end-l.words)
		l.words = end
	}
	return l
}

// rowBytes is the memory that one row takes.
func (l layout) rowBytes() int { return 8*l.words + 4*l.scalars }

// segment holds the codes of segmentRows rows. Rows are written once, before the
// first view that has them is published, and never again.
type segment struct {
	memory  []uint64
	columns [][]uint64  // see package hamming
	scalars [][]float32 // scalars[s][row]
}

// newSegment makes room for segmentRows rows; large is for one that will be full.
func newSegment(l layout, large bool) (*segment, error) {
	memory, err := allocate(segmentRows*(l.words+(l.scalars+1)/2), large)
	if err != nil {
		return nil, err
	}
	s := &segment{memory: memory}
	for _, w := range l.width {
		s.columns = append(s.columns, memory[:segmentRows*w:segmentRows*w])
		memory = memory[segmentRows*w:]
	}
	if l.scalars > 0 {
		all := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(memory))), 2*len(memory))
		for i := range l.scalars {
			s.scalars = append(s.scalars, all[i*segmentRows:(i+1)*segmentRows])
		}
	}
	return s, nil
}

// put writes one row.
func (s *segment) put(l *layout, row int, words []uint64, scalars []float32) {
	for c, column := range s.columns {
		hamming.Put(column, words[l.start[c]:l.start[c]+l.width[c]], row)
	}
	for i, x := range scalars {
		s.scalars[i][row] = x
	}
}

// get overwrites words with the code of one row.
func (s *segment) get(l *layout, row int, words []uint64) {
	for c, column := range s.columns {
		hamming.Get(words[l.start[c]:l.start[c]+l.width[c]], column, row)
	}
}

// view is the codes as of one commit. It never changes once it is published, and
// any number of searches read it while the next one is made.
type view struct {
	layout   *layout
	segments []*segment
	retired  []*bitset.BitSet // per segment; nil: none
	rows     uint32           // given so far, retired or not
	live     uint64
}

// distance returns the number of bits in which query and the first len(query)
// words of row differ.
func (v *view) distance(query []uint64, row uint32) uint32 {
	seg, at := v.segments[row/segmentRows], int(row%segmentRows)
	var d uint32
	for c := 0; c < len(seg.columns) && v.layout.start[c] < len(query); c++ {
		part := query[v.layout.start[c]:min(len(query), v.layout.start[c]+v.layout.width[c])]
		d += hamming.Row(part, seg.columns[c], v.layout.width[c], at)
	}
	return d
}

// distancePlanes returns the distance of the query of signs and planes, see
// hamming.RowPlanes, from the first len(signs) words of row.
func (v *view) distancePlanes(signs []uint64, planes *[hamming.Planes][]uint64, row uint32) uint32 {
	seg, at := v.segments[row/segmentRows], int(row%segmentRows)
	var d uint32
	for c := 0; c < len(seg.columns) && v.layout.start[c] < len(signs); c++ {
		start, end := v.layout.start[c], min(len(signs), v.layout.start[c]+v.layout.width[c])
		var part [hamming.Planes][]uint64
		for j, p := range planes {
			part[j] = p[start:end]
		}
		d += hamming.RowPlanes(signs[start:end], &part, seg.columns[c], v.layout.width[c], at)
	}
	return d
}

// rowsIn is how many rows segment i has.
func (v *view) rowsIn(i int) int { return int(min(v.rows-uint32(i)*segmentRows, segmentRows)) }

// block appends to dst the columns that hold the first words words of groups of seg,
// from row at on: one in every step groups.
func (v *view) block(dst []hamming.Column, seg *segment, at, groups, step, words int) []hamming.Column {
	for c := 0; c < len(seg.columns) && v.layout.start[c] < words; c++ {
		stride := v.layout.width[c]
		dst = append(dst, hamming.Column{
			Words:  seg.columns[c][at*stride : (at+groups*step*hamming.Lanes)*stride],
			Stride: step * stride,
			Used:   min(stride, words-v.layout.start[c]),
		})
	}
	return dst
}

// scalar returns scalar i of row.
func (v *view) scalar(i int, row uint32) float32 {
	return v.segments[row/segmentRows].scalars[i][row%segmentRows]
}

// isRetired reports whether row's vector was replaced or deleted.
func (v *view) isRetired(row uint32) bool {
	bits := v.retired[row/segmentRows]
	return bits != nil && bits.Test(uint(row%segmentRows))
}

// memoryBytes is what the codes and what is kept beside them take.
func (v *view) memoryBytes() uint64 {
	groups := (uint64(v.rows) + hamming.Lanes - 1) / hamming.Lanes
	n := groups * hamming.Lanes * uint64(v.layout.rowBytes())
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
}

func newBuilder(l layout) *builder {
	b := &builder{layout: l, owned: make(map[int]bool)}
	b.next.layout = &b.layout
	return b
}

// grow makes room for rows up to end.
func (b *builder) grow(end uint32) error {
	for uint64(len(b.next.segments))*segmentRows < uint64(end) {
		seg, err := newSegment(b.layout, len(b.next.segments) > 0)
		if err != nil {
			return err
		}
		b.next.segments = append(b.next.segments, seg)
		b.next.retired = append(b.next.retired, nil)
	}
	return nil
}

// add appends the next row, for which there must be room.
func (b *builder) add(words []uint64, scalars []float32) {
	row := b.next.rows
	b.next.segments[row/segmentRows].put(&b.layout, int(row%segmentRows), words, scalars)
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
	clear(b.owned)
	return &v
}

// release gives the memory back. No view made here may be read any more.
func (b *builder) release() error {
	var errs []error
	for _, s := range b.next.segments {
		errs = append(errs, release(s.memory))
	}
	b.next = view{layout: &b.layout}
	return errors.Join(errs...)
}

// maxRows is the most rows a collection can give out: rows are uint32.
const maxRows = math.MaxUint32

// load fills rows first..end-1, all of one segment, from storage.
func (b *builder) load(r *storage.Reader, seg *segment, first, end uint64) error {
	words, scalars := b.layout.words, b.layout.scalars
	return r.Codes(first, end, func(at uint64, codes []uint64, numbers []float32) error {
		row := int(at - first)
		for len(codes) > 0 {
			seg.put(&b.layout, row, codes[:words], numbers[:scalars])
			codes, numbers = codes[words:], numbers[scalars:]
			row++
		}
		return nil
	})
}

// newRetired makes a segment's bitmap of storage's words.
func newRetired(words []uint64) *bitset.BitSet {
	return bitset.FromWithLength(segmentRows, words)
}
