package codes

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/hamming"
)

func gaussian(r *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.NormFloat64() + .3)
	}
	return v
}

// encoded makes rows of random vectors under a learned profile, or under plain signs.
func encoded(t *testing.T, kind encoder.Kind, metric encoder.Metric, dims, n int) (*encoder.Profile, [][]uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(dims), uint64(metric)))
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = gaussian(r, dims)
	}
	p, err := encoder.NewSigns(encoder.Shape{Metric: metric, Dims: dims})
	if kind == encoder.Learned {
		p, err = encoder.Learn(encoder.Shape{Metric: metric, Dims: dims}, vectors[:min(n, 50)])
	}
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]uint64, n)
	for i := range rows {
		rows[i] = make([]uint64, p.RowWords())
	}
	p.Encode(rows, vectors)
	return p, rows
}

// built makes a builder with room for rows.
func built(t *testing.T, p *encoder.Profile, rows uint32) *Builder {
	t.Helper()
	b := NewBuilder(p)
	if err := b.Grow(rows); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Release(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// A view reads rows as they were put, one by one or many at once, wherever their parts lie.
func TestALayoutKeepsRows(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 13))
	for _, shape := range []struct {
		kind   encoder.Kind
		metric encoder.Metric
		dims   int
	}{{encoder.Learned, encoder.Cosine, 200}, {encoder.Learned, encoder.L2, 150}, {encoder.Learned, encoder.Dot, 50}, {encoder.Signs, encoder.L2, 5000}} {
		whole, rows := encoded(t, shape.kind, shape.metric, shape.dims, 130)
		for scan := 1; scan <= len(whole.Blocks()); scan++ {
			p := whole.WithScan(scan, 1, nil)
			b := built(t, p, 130)
			for _, row := range rows[:70] {
				b.Add(row)
			}
			b.Give(60)
			b.Fill(70, slices.Concat(rows[70:]...))
			v := b.Publish()
			if got, want := v.MemoryBytes(), uint64(3*hamming.Lanes*p.RowBytes()); shape.dims%64 == 0 && got != want || got < want {
				t.Errorf("130 rows take %d bytes, want %d", got, want)
			}
			for i, row := range rows {
				var words []uint64
				for block := range p.Blocks() {
					words = v.Code(words, uint32(i), block)
				}
				if !slices.Equal(words, row[:len(words)]) {
					t.Fatalf("row %d has code %x, want %x", i, words, row[:len(words)])
				}
				var side encoder.Side
				p.Side(&side, row)
				for step, size := range p.Ladder() {
					var got encoder.Row
					v.Side(&got, uint32(i), step)
					want := p.Query(gaussian(r, size)).Row(&side)
					for block := range p.Blocks() {
						if got.Factors[block] != want.Factors[block] {
							t.Errorf("row %d has factors %v, want %v", i, got.Factors, want.Factors)
						}
					}
					if got.Offset != want.Offset || got.Scale != want.Scale {
						t.Errorf("row %d has %+v for %d dims, want %+v", i, got, size, want)
					}
				}
			}
		}
	}
}

func TestAPublishedViewDoesNotChange(t *testing.T) {
	p, rows := encoded(t, encoder.Learned, encoder.Cosine, 50, 11)
	b := built(t, p, 20)
	for i := range 10 {
		b.Add(rows[i])
	}
	b.Retire(3)
	old := b.Publish()
	b.Retire(4)
	b.Retire(5)
	b.Add(rows[10])
	now := b.Publish()
	was, is := old.Present(), now.Present()
	if old.Rows() != 10 || was.Len() != 9 || was.Has(3) || !was.Has(4) || !was.Has(5) {
		t.Errorf("the old view became %d rows, %d present", old.Rows(), was.Len())
	}
	if now.Rows() != 11 || is.Len() != 8 || is.Has(3) || is.Has(4) || is.Has(5) || !is.Has(10) {
		t.Errorf("the new view has %d rows, %d present, want 11 and 8", now.Rows(), is.Len())
	}
	if got := was.Lost(is); !slices.Equal(got, []uint32{4, 5}) {
		t.Errorf("%v were retired since, want 4 and 5", got)
	}
}

// A set is exactly the rows that were not retired, whatever is asked of it: at the edges of groups
// and segments, where whole groups and whole segments are gone, before and after rows are added.
func TestASetHasJustTheRowsThatAreNotRetired(t *testing.T) {
	p, rows := encoded(t, encoder.Signs, encoder.Cosine, 64, 10)
	r := rand.New(rand.NewPCG(2, 26))
	for _, tt := range []struct {
		name    string
		retired func(row uint32) bool
	}{
		{"none", func(uint32) bool { return false }},
		{"all", func(uint32) bool { return true }},
		{"some", func(uint32) bool { return r.IntN(3) == 0 }},
		{"all but few", func(uint32) bool { return r.IntN(1000) > 0 }},
		{"every second group", func(row uint32) bool { return row/hamming.Lanes%2 == 0 }},
		{"the first segment", func(row uint32) bool { return row < SegmentRows }},
		{"all but the first and the last of a segment", func(row uint32) bool { return row%SegmentRows != 0 && row%SegmentRows != SegmentRows-1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []uint32{0, 1, hamming.Lanes - 1, hamming.Lanes, hamming.Lanes + 1, SegmentRows, SegmentRows + 1, 2*SegmentRows + 100} {
				b := built(t, p, n)
				has := make([]bool, n)
				for row := range n {
					b.Add(rows[row%10])
					if has[row] = !tt.retired(row); !has[row] {
						b.Retire(row)
					}
				}
				checkSet(t, b.Publish().Present(), has)
			}
		})
	}
}

// checkSet compares a set with the plain list of what it should have.
func checkSet(t *testing.T, s *Set, has []bool) {
	t.Helper()
	rows := uint32(len(has))
	var count uint64
	next := rows
	for row := rows; row > 0; {
		row--
		if has[row] {
			count++
			next = row
		}
		if s.Has(row) != has[row] || s.Next(row) != next {
			t.Fatalf("of %d rows: row %d is in the set: %t, the next is %d, want %t and %d", rows, row, s.Has(row), s.Next(row), has[row], next)
		}
	}
	spanned := uint32(0)
	for first := uint32(0); first < rows; first += hamming.Lanes {
		here := has[first:min(first+hamming.Lanes, rows)]
		var want uint64
		for i, is := range here {
			if is {
				want |= 1 << i
			}
		}
		if want != 0 {
			spanned += uint32(len(here))
		}
		got := ^uint64(0)
		if words := s.Groups(first, 1); words != nil {
			got = words[0]
		}
		if got&(^uint64(0)>>(hamming.Lanes-len(here))) != want {
			t.Fatalf("of %d rows: the group from row %d is %x, want %x", rows, first, got, want)
		}
	}
	if s.Len() != count || s.Spanned() != spanned {
		t.Errorf("of %d rows: %d are in the set, in groups of %d rows, want %d and %d", rows, s.Len(), s.Spanned(), count, spanned)
	}
}

func TestRowsOfASampleAreSpreadAndNotRetired(t *testing.T) {
	p, codes := encoded(t, encoder.Signs, encoder.Cosine, 64, 10)
	b := built(t, p, 1000)
	for row := range uint32(1000) {
		if b.Add(codes[row%10]); row%4 == 1 {
			b.Retire(row)
		}
	}
	present := b.Publish().Present()
	for _, n := range []int{1, 7, 750, 5000} {
		rows := present.Spread(n)
		if len(rows) != min(n, 750) || !slices.IsSorted(rows) {
			t.Fatalf("of %d asked for %d come: %v", n, len(rows), rows)
		}
		for i, row := range rows {
			if !present.Has(row) || i > 0 && row == rows[i-1] || bits.Len(uint(n)) < 5 && int(row) < i*1000/n-10 || int(row) > (i+1)*1000/len(rows)+10 {
				t.Errorf("%d of %d is row %d", i, n, row)
			}
		}
	}
}
