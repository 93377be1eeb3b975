package hamming

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/x448/float16"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// block is the shape of a column.
type block struct{ width, planes int }

var shapes = [][]block{
	{{1, 1}},
	{{1, 4}},
	{{1, 4}, {1, 2}},
	{{3, 1}, {2, 3}, {1, 1}},
	{{1, 4}, {1, 2}, {2, 1}, {4, 1}, {4, 1}},
	{{16, 1}},
	{{2, 2}, {1, 1}, {1, 3}, {1, 1}, {1, 1}, {2, 1}},
}

// data is rows, and what their columns were made of.
type data struct {
	Rows
	codes [][][]uint64 // by column and row
}

// number is a float32 that is easy to add up, or if wild an edge.
func number(r *rand.Rand, wild bool) float32 {
	if wild && r.IntN(4) == 0 {
		edges := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}
		return edges[r.IntN(len(edges))]
	}
	return float32(r.NormFloat64())
}

func newData(r *rand.Rand, shape []block, groups int, scales, wild bool) *data {
	rows := groups * Lanes
	d := &data{}
	for _, s := range shape {
		c := Column{Lines: aligned(groups * s.planes * s.width * wordBytes), Width: s.width, Planes: s.planes}
		var codes [][]uint64
		for i := range rows {
			words := randomWords(r, s.planes*s.width)
			codes = append(codes, words)
			Put(c.Lines, words, i)
			c.Factors = append(c.Factors, uint16(math.Float32bits(number(r, wild))>>16))
		}
		d.Columns, d.codes = append(d.Columns, c), append(d.codes, codes)
	}
	for range rows {
		d.Offsets = append(d.Offsets, number(r, wild))
		if scales {
			d.Scales = append(d.Scales, uint16(float16.Fromfloat32(number(r, wild))))
		}
	}
	return d
}

// randomWords has edges as well as noise.
func randomWords(r *rand.Rand, n int) []uint64 {
	words := make([]uint64, n)
	for i := range words {
		words[i] = []uint64{0, ^uint64(0), r.Uint64(), r.Uint64(), r.Uint64()}[r.IntN(5)]
	}
	return words
}

func randomQueries(r *rand.Rand, n int, shape []block, wild bool) []Query {
	queries := make([]Query, n)
	for j := range queries {
		queries[j].Offset = number(r, wild)
		for _, s := range shape {
			term := Term{Magnitudes: make([]int8, 64*s.width), A: number(r, wild), B: number(r, wild) / 100}
			largest := r.IntN(MaxMagnitude + 1)
			for i := range term.Magnitudes {
				term.Magnitudes[i] = int8(r.IntN(2*largest+1) - largest)
			}
			queries[j].Terms = append(queries[j].Terms, term)
		}
	}
	return queries
}

// distance is what the package promises, dimension by dimension.
func distance(magnitudes []int8, words []uint64, planes int) (h int) {
	width := len(magnitudes) / 64
	for i, m := range magnitudes {
		for p := range planes {
			if set := words[p*width+i/64]>>(i%64)&1 == 1; set != (m > 0) {
				h += max(int(m), -int(m)) << (planes - 1 - p)
			}
		}
	}
	return h
}

// score is what Scan promises.
func (d *data) score(q *Query, row int) float32 {
	s := float32(q.Offset * d.Offsets[row])
	for b, term := range q.Terms {
		h := distance(term.Magnitudes, d.codes[b][row], d.Columns[b].Planes)
		f := math.Float32frombits(uint32(d.Columns[b].Factors[row]) << 16)
		product := float32(term.B * float32(h))
		part := float32(term.A - product)
		s = float32(s + float32(f*part))
	}
	if d.Scales != nil {
		s = float32(s * float16.Frombits(d.Scales[row]).Float32())
	}
	return s
}

// scores returns the scores of all rows, by query.
func (d *data) scores(queries []Query) [][]float32 {
	all := make([][]float32, len(queries))
	for j := range queries {
		for row := range d.Offsets {
			all[j] = append(all[j], d.score(&queries[j], row))
		}
	}
	return all
}

// want lists the matches by the definition.
func want(scores [][]float32, limits *[TileQueries]float32) []Match {
	var all []Match
	for j, of := range scores {
		for first := 0; first < len(of); first += MatchLanes {
			m := Match{Row: uint32(first), Query: uint8(j), Scores: [MatchLanes]float32(of[first:])}
			for l, s := range m.Scores {
				if s > limits[j] {
					m.Mask |= 1 << l
				}
			}
			if m.Mask != 0 {
				all = append(all, m)
			}
		}
	}
	return all
}

// bits returns what must be equal in m: any two scores that are no numbers are.
func (m Match) bits() (row uint32, query uint8, mask uint16, scores [MatchLanes]uint32) {
	for l, s := range m.Scores {
		scores[l] = math.Float32bits(s)
		if s != s {
			scores[l] = math.Float32bits(float32(math.NaN()))
		}
	}
	return m.Row, m.Query, m.Mask, scores
}

func equal(a, b Match) bool {
	row, query, mask, scores := a.bits()
	row2, query2, mask2, scores2 := b.bits()
	return row == row2 && query == query2 && mask == mask2 && scores == scores2
}

// compare compares the matches of each query, in order.
func compare(t *testing.T, name string, got, want []Match) {
	t.Helper()
	byQuery := func(a, b Match) int { return int(a.Query) - int(b.Query) }
	slices.SortStableFunc(got, byQuery)
	slices.SortStableFunc(want, byQuery)
	if len(got) != len(want) {
		t.Errorf("%s: %d matches, want %d", name, len(got), len(want))
		return
	}
	for i := range got {
		if !equal(got[i], want[i]) {
			t.Errorf("%s: match %d is %+v, want %+v", name, i, got[i], want[i])
			return
		}
	}
}

// room is what dst of a scan must have.
func room(groups, queries int) []Match {
	return make([]Match, 0, groups*queries*(Lanes/MatchLanes))
}

// limitsAmong returns a limit for each query: a score that it has, so that one like it does
// not pass, or an edge.
func limitsAmong(r *rand.Rand, scores [][]float32) *[TileQueries]float32 {
	var limits [TileQueries]float32
	for j, of := range scores {
		edges := []float32{float32(math.Inf(-1)), float32(math.Inf(1)), float32(math.NaN()), 0}
		limits[j] = edges[r.IntN(len(edges))]
		if len(of) > 0 && r.IntN(3) > 0 {
			limits[j] = of[r.IntN(len(of))]
		}
	}
	return &limits
}

func TestScanFindsTheRowsAboveTheLimits(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		var tile Tile
		for _, shape := range shapes {
			for _, groups := range []int{0, 1, 2, 5} {
				for n := 1; n <= TileQueries; n++ {
					for _, wild := range []bool{false, true} {
						d := newData(r, shape, groups, r.IntN(2) == 0, wild)
						queries := randomQueries(r, n, shape, wild)
						tile.Reset(queries...)
						scores := d.scores(queries)
						for range 3 {
							limits := limitsAmong(r, scores)
							got := tile.Scan(room(groups, n), &d.Rows, groups, limits)
							compare(t, fmt.Sprintf("%v, %d groups, %d queries, wild %v, scales %v, limits %v", shape, groups, n, wild, d.Scales != nil, limits), got, want(scores, limits))
						}
					}
				}
			}
		}
	})
}

func TestALimitOfMinusInfinityGivesAllRows(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		none := float32(math.Inf(-1))
		d := newData(r, shapes[2], 3, false, false)
		var tile Tile
		for n := 1; n <= TileQueries; n++ {
			tile.Reset(randomQueries(r, n, shapes[2], false)...)
			got := tile.Scan(room(3, n), &d.Rows, 3, &[TileQueries]float32{none, none, none, none})
			if len(got) != 3*n*Lanes/MatchLanes {
				t.Errorf("%d queries: %d matches, want %d: none of queries that are not there", n, len(got), 3*n*Lanes/MatchLanes)
			}
			for _, m := range got {
				if m.Mask != 1<<MatchLanes-1 {
					t.Errorf("%d queries: row %d of query %d has mask %x", n, m.Row, m.Query, m.Mask)
				}
			}
		}
	})
}

// Distances are counted in 8 and in 16 bits for as long as they last.
func TestTheLargestDistancesAreCountedWhole(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		for _, shape := range [][]block{{{68, 1}}, {{22, 2}}, {{9, 3}}, {{4, 4}}} {
			for _, magnitude := range []int8{MaxMagnitude, -MaxMagnitude} {
				s := shape[0]
				d := newData(rand.New(rand.NewPCG(5, 6)), shape, 1, false, false)
				for i := range Lanes { // even rows differ everywhere, odd rows in all planes but at one dimension
					words := make([]uint64, s.planes*s.width)
					for w := range words {
						if magnitude < 0 {
							words[w] = ^uint64(0)
						}
					}
					words[0] ^= uint64(i % 2)
					Put(d.Columns[0].Lines, words, i)
					d.Columns[0].Factors[i], d.Offsets[i] = 0x3f80, 1
				}
				q := Query{Terms: []Term{{Magnitudes: slices.Repeat([]int8{magnitude}, 64*s.width), B: 1}}}
				var tile Tile
				tile.Reset(q, q, q, q)
				none := float32(math.Inf(-1))
				most := 64 * s.width * MaxMagnitude * (1<<s.planes - 1)
				for _, m := range tile.Scan(room(1, TileQueries), &d.Rows, 1, &[TileQueries]float32{none, none, none, none}) {
					for l, got := range m.Scores {
						if want := -float32(most - l%2*MaxMagnitude<<(s.planes-1)); got != want {
							t.Fatalf("%v, magnitudes %d: row %d of query %d has %v, want %v", s, magnitude, int(m.Row)+l, m.Query, got, want)
						}
					}
				}
			}
		}
	})
}

func TestATileCanBeResetToAnyShape(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		var used Tile
		for _, n := range []int{4, 1, 3, 2} {
			for _, shape := range shapes {
				d := newData(r, shape, 2, false, false)
				queries := randomQueries(r, n, shape, false)
				limits := limitsAmong(r, d.scores(queries))
				var fresh Tile
				fresh.Reset(queries...)
				used.Reset(queries...)
				compare(t, fmt.Sprintf("%v, %d queries", shape, n), used.Scan(room(2, n), &d.Rows, 2, limits), fresh.Scan(room(2, n), &d.Rows, 2, limits))
			}
		}
	})
}

func TestGetReadsWhatPutWroteAndPutTouchesNoOtherRow(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, words := range []int{1, 4, 5} {
		const rows = 3 * Lanes
		column := make([]byte, rows*words*8)
		codes := make([][]uint64, rows)
		for _, i := range r.Perm(rows) {
			codes[i] = randomWords(r, words)
			Put(column, codes[i], i)
		}
		got := make([]uint64, words)
		for i, want := range codes {
			if Get(got, column, i); !slices.Equal(got, want) {
				t.Errorf("%d words: row %d is %x, want %x", words, i, got, want)
			}
			for w, x := range want { // by the formula of the package's doc
				for k := range 8 {
					if b := column[((i/Lanes*words+w)*8+k)*Lanes+i%Lanes]; b != byte(x>>(8*k)) {
						t.Fatalf("%d words: byte %d of word %d of row %d is %x, want %x", words, k, w, i, b, byte(x>>(8*k)))
					}
				}
			}
		}
	}
}

func TestScanRefusesSizesThatDisagree(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(d *data)
		room   int
	}{
		{"no columns", func(d *data) { d.Columns = nil }, 8},
		{"a column too short", func(d *data) { d.Columns[0].Lines = d.Columns[0].Lines[1:] }, 8},
		{"too few factors", func(d *data) { d.Columns[0].Factors = d.Columns[0].Factors[1:] }, 8},
		{"too few offsets", func(d *data) { d.Offsets = d.Offsets[1:] }, 8},
		{"too few scales", func(d *data) { d.Scales = d.Scales[1:] }, 8},
		{"no planes", func(d *data) { d.Columns[0].Planes = 0 }, 8},
		{"too many planes", func(d *data) { d.Columns[0].Planes = 5 }, 8},
		{"no words", func(d *data) { d.Columns[0].Width = 0 }, 8},
		{"a term of another size", func(d *data) { d.Columns[0].Width, d.Columns[0].Planes = 2, 1 }, 8},
		{"no room for the matches", func(*data) {}, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(11, 12))
			shape := []block{{1, 2}}
			d := newData(r, shape, 2, true, false)
			tt.damage(d)
			var tile Tile
			tile.Reset(randomQueries(r, 1, shape, false)...)
			wantPanic(t, func() { tile.Scan(make([]Match, 0, tt.room), &d.Rows, 2, &[TileQueries]float32{}) })
		})
	}
	t.Run("distances that do not fit", func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		shape := []block{{5, 4}}
		d := newData(r, shape, 1, false, false)
		var tile Tile
		tile.Reset(randomQueries(r, 1, shape, false)...)
		wantPanic(t, func() { tile.Scan(room(1, 1), &d.Rows, 1, &[TileQueries]float32{}) })
	})
}

func TestATileRefusesQueriesThatCannotBe(t *testing.T) {
	term := func(dims int, m int8) []Term { return []Term{{Magnitudes: slices.Repeat([]int8{m}, dims)}} }
	one := Query{Terms: term(64, 1)}
	for name, queries := range map[string][]Query{
		"none":                 {},
		"too many":             {one, one, one, one, one},
		"no terms":             {{}},
		"terms of two numbers": {one, {Terms: append(term(64, 1), term(64, 1)...)}},
		"terms of two sizes":   {one, {Terms: term(128, 1)}},
		"no magnitudes":        {{Terms: term(0, 1)}},
		"not whole words":      {{Terms: term(65, 1)}},
		"too many magnitudes":  {{Terms: term(64*(MaxWeight+1), 1)}},
		"a magnitude of 16":    {{Terms: term(64, 16)}},
		"a magnitude of -16":   {{Terms: term(64, -16)}},
	} {
		t.Run(name, func(t *testing.T) { wantPanic(t, func() { new(Tile).Reset(queries...) }) })
	}
}

func wantPanic(t *testing.T, fn func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	fn()
}

func FuzzScanAgreesWithTheTwin(f *testing.F) {
	f.Add(uint64(1), uint8(4), uint8(4), uint8(3), uint8(2), true, false, float32(0))
	f.Add(uint64(2), uint8(17), uint8(1), uint8(9), uint8(4), false, true, float32(-1e9))
	f.Fuzz(func(t *testing.T, seed uint64, columns, width, groups, queries uint8, scales, wild bool, limit float32) {
		r := rand.New(rand.NewPCG(seed, 0))
		var shape []block
		for range 1 + columns%6 {
			s := block{1 + r.IntN(1+int(width)%MaxWeight), 1}
			for s.planes < MaxPlanes && s.width*(1<<(s.planes+1)-1) <= MaxWeight && r.IntN(3) > 0 {
				s.planes++
			}
			shape = append(shape, s)
		}
		many, n := int(groups%5), 1+int(queries)%TileQueries
		d := newData(r, shape, many, scales, wild)
		var tile Tile
		tile.Reset(randomQueries(r, n, shape, wild)...)
		limits := [TileQueries]float32{limit, -limit, float32(math.Inf(-1)), limit / 2}
		before := active
		defer func() { active = before }()
		active = isa.Generic
		want := tile.Scan(room(many, n), &d.Rows, many, &limits)
		for _, active = range isa.Usable() {
			compare(t, Kernel(), tile.Scan(room(many, n), &d.Rows, many, &limits), slices.Clone(want))
		}
	})
}

var benchShapes = []struct {
	name  string
	shape []block
}{
	{"64x4+64x2", []block{{1, 4}, {1, 2}}},
	{"1024x1", []block{{16, 1}}},
}

// BenchmarkScan is of 1,024 rows, which stay in the caches, and of as many as do not.
func BenchmarkScan(b *testing.B) {
	before := active
	defer func() { active = before }()
	r := rand.New(rand.NewPCG(15, 16))
	const block, blocks = 16, 1024 // groups, and blocks
	for _, s := range benchShapes {
		d := newData(r, s.shape, block, false, false)
		large := repeat(d, blocks)
		bytes := 4
		for _, c := range s.shape {
			bytes += 8*c.planes*c.width + 2
		}
		inf := float32(math.Inf(1))
		limits := [TileQueries]float32{inf, inf, inf, inf} // nothing passes: the usual case
		for _, n := range []int{1, TileQueries} {
			dst := room(block, n)
			var tile Tile
			tile.Reset(randomQueries(r, n, s.shape, false)...)
			for _, active = range isa.Usable() {
				run := func(where string, d []*data) {
					b.Run(fmt.Sprintf("columns=%s/queries=%d/rows=%s/kernel=%s", s.name, n, where, Kernel()), func(b *testing.B) {
						rows := len(d) * block * Lanes
						b.SetBytes(int64(bytes * rows * n))
						for b.Loop() {
							for _, d := range d {
								tile.Scan(dst, &d.Rows, block, &limits)
							}
						}
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows*n), "ns/row")
					})
				}
				run("cached", large[:1])
				run("memory", large)
			}
		}
	}
}

// repeat returns n copies of d that lie one after the other: each part of each in a row.
func repeat(d *data, n int) []*data {
	all := make([]*data, n)
	for i := range all {
		all[i] = &data{Rows: Rows{Columns: slices.Clone(d.Columns)}}
	}
	for c := range d.Columns {
		size := len(d.Columns[c].Lines)
		lines, factors := aligned(n*size), slices.Repeat(d.Columns[c].Factors, n)
		for i := range all {
			of := &all[i].Columns[c]
			of.Lines = lines[i*size:][:size]
			copy(of.Lines, d.Columns[c].Lines)
			of.Factors = factors[i*len(d.Offsets):][:len(d.Offsets)]
		}
	}
	offsets := slices.Repeat(d.Offsets, n)
	for i := range all {
		all[i].Offsets = offsets[i*len(d.Offsets):][:len(d.Offsets)]
	}
	return all
}

func BenchmarkReset(b *testing.B) {
	for _, s := range benchShapes {
		queries := randomQueries(rand.New(rand.NewPCG(17, 18)), TileQueries, s.shape, false)
		b.Run(fmt.Sprintf("columns=%s/queries=%d", s.name, len(queries)), func(b *testing.B) {
			var tile Tile
			for b.Loop() {
				tile.Reset(queries...)
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	d := newData(rand.New(rand.NewPCG(19, 20)), []block{{16, 1}}, 16, false, false)
	words := make([]uint64, 16)
	for i := 0; b.Loop(); i++ {
		Get(words, d.Columns[0].Lines, i*333%1024)
	}
}
