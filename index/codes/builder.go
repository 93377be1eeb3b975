package codes

import (
	"errors"
	"math"
	"slices"

	"github.com/bits-and-blooms/bitset"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/hamming"
)

// MaxRows is the most rows that a collection can hand out: rows are uint32.
const MaxRows = math.MaxUint32

// Builder makes the next view from the last. Only one writer may use it.
type Builder struct {
	layout   *Layout
	segments []*segment
	masks    []*bitset.BitSet // of the rows that are not retired, see Set
	owned    map[int]bool     // the masks that no published view shares
	rows     uint32
	side     encoder.Side
}

// NewBuilder makes a builder of views of p's codes, without rows.
func NewBuilder(p *encoder.Profile) *Builder {
	return &Builder{layout: NewLayout(p), owned: make(map[int]bool)}
}

// Layout returns the layout of all views made here.
func (b *Builder) Layout() *Layout { return b.layout }

// Rows is how many rows have been handed out.
func (b *Builder) Rows() uint32 { return b.rows }

// Grow makes room for rows up to end.
func (b *Builder) Grow(end uint32) error {
	for uint64(len(b.segments))*SegmentRows < uint64(end) {
		seg, err := newSegment(b.layout, len(b.segments) > 0)
		if err != nil {
			return err
		}
		b.segments = append(b.segments, seg)
		b.masks = append(b.masks, nil)
	}
	return nil
}

// Add appends the next row. There must be room for it.
func (b *Builder) Add(words []uint64) {
	b.segments[b.rows/SegmentRows].put(b.layout, int(b.rows%SegmentRows), words, &b.side)
	b.rows++
}

// Give hands out n more rows at once. There must be room, and the caller must Fill them.
func (b *Builder) Give(n uint32) { b.rows += n }

// Fill writes rows that were handed out, from first on; codes holds them back to back. Other
// goroutines may fill other rows meanwhile.
func (b *Builder) Fill(first uint32, codes []uint64) {
	var side encoder.Side
	words := b.layout.profile.RowWords()
	for row := range slices.Chunk(codes, words) {
		b.segments[first/SegmentRows].put(b.layout, int(first%SegmentRows), row, &side)
		first++
	}
}

// Retire marks a row that is not retired yet.
func (b *Builder) Retire(row uint32) {
	i := int(row / SegmentRows)
	switch mask := b.masks[i]; {
	case mask == nil:
		b.masks[i] = bitset.New(SegmentRows).SetAll()
	case !b.owned[i]:
		b.masks[i] = mask.Clone()
	}
	b.owned[i] = true
	b.masks[i].Clear(uint(row % SegmentRows))
}

// RetireAll marks rows of the segment that begins at row first. Bit i%64 of word i/64 stands
// for row first+i. None of the rows may be retired already.
func (b *Builder) RetireAll(first uint32, words []uint64) {
	i := int(first / SegmentRows)
	b.masks[i] = bitset.FromWithLength(SegmentRows, words).Complement()
	b.owned[i] = true
}

// Publish returns the view as it is now, which never changes afterwards. It leaves out room
// that no row has taken, such as the room left by a failed commit.
func (b *Builder) Publish() *View {
	used := (int(b.rows) + SegmentRows - 1) / SegmentRows
	v := &View{layout: b.layout, segments: slices.Clone(b.segments[:used]), rows: b.rows}
	v.present = Set{view: v, masks: slices.Clone(b.masks[:used])}
	v.present.measure()
	if over := v.rows % hamming.Lanes; over > 0 && len(b.layout.columns) > 0 {
		s, at := v.at(v.rows - over)
		v.last = carve(b.layout, make([]uint64, b.layout.Bytes(hamming.Lanes)/8), hamming.Lanes)
		v.last.copyGroup(b.layout, s, at)
	}
	clear(b.owned)
	return v
}

// Release frees the memory. No view made here may be read any more.
func (b *Builder) Release() error {
	var errs []error
	for _, s := range b.segments {
		if s.memory != nil {
			errs = append(errs, release(s.memory))
		}
	}
	b.segments, b.masks, b.rows = nil, nil, 0
	return errors.Join(errs...)
}
