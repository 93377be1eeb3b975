package hamming

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// shape is the columns of a test: words a row in each, and those compared.
type shape struct {
	stride, used []int
}

func (s shape) String() string { return fmt.Sprintf("stride=%v/used=%v", s.stride, s.used) }

var shapes = []shape{
	{[]int{1}, []int{1}},
	{[]int{2}, []int{1}},
	{[]int{4}, []int{4}},
	{[]int{4, 4, 4}, []int{4, 4, 4}},
	{[]int{4, 4, 8}, []int{4, 4, 3}},
	{[]int{3, 5}, []int{3, 5}},
	{[]int{16}, []int{16}},
	{[]int{100}, []int{77}},
	{[]int{1, 2, 1, 3, 2, 1}, []int{1, 2, 1, 3, 2, 1}}, // kernels have loops of their own for four
}

// data is rows and their columns, interleaved by the formula of the package's doc.
type data struct {
	rows    [][]uint64 // the words compared, in order
	columns []Column
}

func newData(r *rand.Rand, s shape, rows int) *data {
	d := &data{rows: make([][]uint64, rows)}
	for c, stride := range s.stride {
		words := make([]uint64, rows*stride)
		for i := range rows {
			for w := range stride {
				x := randomWord(r)
				words[(i/Lanes*stride+w)*Lanes+i%Lanes] = x
				if w < s.used[c] {
					d.rows[i] = append(d.rows[i], x)
				}
			}
		}
		d.columns = append(d.columns, Column{Words: words, Stride: stride, Used: s.used[c]})
	}
	return d
}

// randomWord has edges as well as noise.
func randomWord(r *rand.Rand) uint64 {
	switch r.IntN(5) {
	case 0:
		return 0
	case 1:
		return ^uint64(0)
	default:
		return r.Uint64()
	}
}

func randomQueries(r *rand.Rand, n, words int) [][]uint64 {
	queries := make([][]uint64, n)
	for j := range queries {
		for range words {
			queries[j] = append(queries[j], randomWord(r))
		}
	}
	return queries
}

func distance(a, b []uint64) uint32 {
	d := 0
	for i, x := range a {
		d += bits.OnesCount64(x ^ b[i])
	}
	return uint32(d)
}

// weighted is what Weighted promises, dimension by dimension.
func weighted(q Weighted, row []uint64) uint32 {
	var d uint32
	for i := range 64 * len(row) {
		if (row[i/64]^q.Signs[i/64])>>(i%64)&1 == 1 {
			for j, p := range q.Planes {
				d += uint32(p[i/64]>>(i%64)&1) << j
			}
		}
	}
	return d
}

func randomWeighted(r *rand.Rand, n, words int) []Weighted {
	queries := make([]Weighted, n)
	for j := range queries {
		queries[j] = Weighted{randomQueries(r, 1, words)[0], (*[Planes][]uint64)(randomQueries(r, Planes, words))}
	}
	return queries
}

// distances returns the distance of each row from each query.
func distances[Q any](d *data, queries []Q, distance func(q Q, row []uint64) uint32) [][]uint32 {
	all := make([][]uint32, len(queries))
	for j, q := range queries {
		for _, row := range d.rows {
			all[j] = append(all[j], distance(q, row))
		}
	}
	return all
}

// want lists the matches by the definition.
func want(distances [][]uint32, limits *[TileQueries]uint32) []Match {
	var all []Match
	for j, of := range distances {
		for g := range len(of) / Lanes {
			m := Match{Group: uint32(g), Query: uint8(j), Distances: [Lanes]uint32(of[g*Lanes:])}
			for l, x := range m.Distances {
				if x < limits[j] {
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
		if got[i] != want[i] {
			t.Errorf("%s: match %d is %+v, want %+v", name, i, got[i], want[i])
			return
		}
	}
}

func TestScanFindsTheRowsBelowTheLimits(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, s := range shapes {
			for _, rows := range []int{0, 8, 16, 24, 32, 40, 256} {
				d := newData(r, s, rows)
				words := 0
				for _, u := range s.used {
					words += u
				}
				dst := make([]Match, 0, rows/Lanes*TileQueries)
				var tile Tile
				for n := 1; n <= TileQueries; n++ {
					queries := randomQueries(r, n, words)
					tile.Reset(queries...)
					limits := randomLimits(r, n, tile.MaxDistance())
					got := tile.Scan(dst, d.columns, rows/Lanes, limits)
					compare(t, fmt.Sprintf("%v, %d rows, %d queries, limits %v", s, rows, n, limits), got, want(distances(d, queries, distance), limits))

					weights := randomWeighted(r, n, words)
					tile.ResetWeighted(weights...)
					all := distances(d, weights, weighted)
					for range 3 {
						limits := randomLimits(r, n, tile.MaxDistance())
						got := tile.Scan(dst, d.columns, rows/Lanes, limits)
						compare(t, fmt.Sprintf("%v, %d rows, %d queries with magnitudes, limits %v", s, rows, n, limits), got, want(all, limits))
					}
				}
			}
		}
	})
}

// randomLimits returns limits of n queries, edges among them.
func randomLimits(r *rand.Rand, n int, most uint32) *[TileQueries]uint32 {
	var limits [TileQueries]uint32
	for j := range n {
		limits[j] = []uint32{0, 1, most * 7 / 16, most / 2, most, most + 1, math.MaxUint32}[r.IntN(7)]
	}
	return &limits
}

// A kernel may count in 8 and 16 bits for as long as they last: 31 and 1023 words of
// which every bit counts.
func TestLongRowsAreCountedWhole(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		const rows = 5 * Lanes
		for _, used := range [][]int{{31}, {32}, {67}, {68}, {69}, {1022}, {1023}, {1024}, {1000, 24}, {1023, 1023, 1}, {2047}} {
			words := 0
			for _, u := range used {
				words += u
			}
			for _, full := range []bool{false, true} {
				d := newData(r, shape{used, used}, rows)
				queries, weights := randomQueries(r, TileQueries, words), randomWeighted(r, TileQueries, words)
				if full {
					for c := range d.columns {
						fill(d.columns[c].Words, ^uint64(0))
					}
					for i := range d.rows {
						fill(d.rows[i], ^uint64(0))
					}
					for j := range TileQueries {
						fill(queries[j], 0)
						fill(weights[j].Signs, 0)
						for i := range Planes {
							fill(weights[j].Planes[i], ^uint64(0))
						}
					}
				}
				dst := make([]Match, 0, rows/Lanes*TileQueries)
				check := func(name string, tile *Tile, distances [][]uint32) {
					for _, limit := range []uint32{tile.MaxDistance() / 2, tile.MaxDistance(), tile.MaxDistance() + 1} {
						var limits [TileQueries]uint32
						fill(limits[:len(distances)], limit)
						got := tile.Scan(dst, d.columns, rows/Lanes, &limits)
						compare(t, fmt.Sprintf("used %v, full %v, %d %s, limit %d", used, full, len(distances), name, limit), got, want(distances, &limits))
					}
				}
				bits, magnitudes := distances(d, queries, distance), distances(d, weights, weighted)
				for _, n := range []int{1, TileQueries} {
					var tile Tile
					tile.Reset(queries[:n]...)
					check("queries", &tile, bits[:n])
					tile.ResetWeighted(weights[:n]...)
					check("queries with magnitudes", &tile, magnitudes[:n])
				}
			}
		}
	})
}

func fill[T any](s []T, x T) {
	for i := range s {
		s[i] = x
	}
}

func TestMagnitudesOfOneAreHammingDistance(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		d := newData(r, shape{[]int{4, 3}, []int{4, 3}}, 24)
		query := randomQueries(r, 1, 7)[0]
		planes := &[Planes][]uint64{make([]uint64, 7), make([]uint64, 7), make([]uint64, 7), make([]uint64, 7)}
		fill(planes[0], ^uint64(0))
		limits := [TileQueries]uint32{64*7 + 1}
		var one, tile Tile
		one.Reset(query)
		tile.ResetWeighted(Weighted{query, planes})
		if tile.MaxDistance() != one.MaxDistance() {
			t.Errorf("distances to %d, want %d", tile.MaxDistance(), one.MaxDistance())
		}
		compare(t, "magnitudes", tile.Scan(make([]Match, 0, 3), d.columns, 3, &limits), one.Scan(make([]Match, 0, 3), d.columns, 3, &limits))
	})
}

func TestRowAgreesWithScan(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	d := newData(r, shape{[]int{5}, []int{3}}, 24)
	query, weights := randomQueries(r, 1, 3)[0], randomWeighted(r, 1, 3)[0]
	for i, row := range d.rows {
		if got, want := Row(query, d.columns[0].Words, 5, i), distance(query, row); got != want {
			t.Errorf("row %d: %d, want %d", i, got, want)
		}
		if got, want := RowPlanes(weights.Signs, weights.Planes, d.columns[0].Words, 5, i), weighted(weights, row); got != want {
			t.Errorf("row %d with magnitudes: %d, want %d", i, got, want)
		}
	}
}

func TestPutWritesOneRowAndNoOther(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, stride := range []int{1, 4, 5} {
		d := newData(r, shape{[]int{stride}, []int{stride}}, 24)
		got := make([]uint64, 24*stride)
		for i, row := range d.rows {
			Put(got, row, i)
		}
		if !slices.Equal(got, d.columns[0].Words) {
			t.Errorf("stride %d: rows put one by one are not the column", stride)
		}
	}
}

func TestScanRefusesSizesThatDisagree(t *testing.T) {
	column := func(words, stride, used int) []Column {
		return []Column{{Words: make([]uint64, words), Stride: stride, Used: used}}
	}
	for _, tt := range []struct {
		name    string
		columns []Column
		room    int
	}{
		{"no columns", nil, 8},
		{"a column too short", column(15, 1, 1), 8},
		{"more used than there is", column(16, 1, 2), 8},
		{"nothing used", column(16, 1, 0), 8},
		{"a tile of another size", column(32, 2, 2), 8},
		{"no room for the matches", column(16, 1, 1), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tile Tile
			tile.Reset([]uint64{1})
			wantPanic(t, func() { tile.Scan(make([]Match, 0, tt.room), tt.columns, 2, &[TileQueries]uint32{1}) })
		})
	}
	t.Run("no room for the matches of two queries with magnitudes", func(t *testing.T) {
		var tile Tile
		tile.ResetWeighted(randomWeighted(rand.New(rand.NewPCG(15, 16)), 2, 1)...)
		wantPanic(t, func() { tile.Scan(make([]Match, 0, 3), column(16, 1, 1), 2, &[TileQueries]uint32{1, 1}) })
	})
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

func TestLimitsOfQueriesThatAreNotThereCountForNothing(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(17, 18))
		const rows = 5 * Lanes
		d := newData(r, shape{[]int{3}, []int{3}}, rows)
		all := [TileQueries]uint32{1 << 30, 1 << 30, 1 << 30, 1 << 30}
		for n := 1; n < TileQueries; n++ {
			var tile Tile
			tile.Reset(randomQueries(r, n, 3)...)
			if got := tile.Scan(make([]Match, 0, rows/Lanes*TileQueries), d.columns, rows/Lanes, &all); len(got) != rows/Lanes*n {
				t.Errorf("%d queries: %d matches, want %d", n, len(got), rows/Lanes*n)
			}
			tile.ResetWeighted(randomWeighted(r, n, 3)...)
			if got := tile.Scan(make([]Match, 0, rows/Lanes*n), d.columns, rows/Lanes, &all); len(got) != rows/Lanes*n {
				t.Errorf("%d queries with magnitudes: %d matches, want %d", n, len(got), rows/Lanes*n)
			}
		}
	})
}

// Distances that do not fit into 16 bits, or just so.
func TestTheLargestDistancesAreCountedWhole(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		const words, rows = 69, 4 * Lanes
		d := newData(rand.New(rand.NewPCG(19, 20)), shape{[]int{words}, []int{words}}, rows)
		for _, most := range []uint32{math.MaxUint16 - 1, math.MaxUint16, math.MaxUint16 + 1} {
			// Magnitudes of 15 as far as they go, and of what is left.
			q := Weighted{make([]uint64, words), &[Planes][]uint64{}}
			for j := range q.Planes {
				q.Planes[j] = make([]uint64, words)
				for i := range most / 15 {
					q.Planes[j][i/64] |= 1 << (i % 64)
				}
				q.Planes[j][words-1] |= uint64(most%15) >> j & 1 << 63
			}
			for i, row := range d.rows { // the first differ everywhere, the second in all but one
				fill(row, ^uint64(0))
				row[0] -= uint64(i % 2)
				for w, x := range row {
					d.columns[0].Words[(i/Lanes*words+w)*Lanes+i%Lanes] = x
				}
			}
			var tile Tile
			tile.ResetWeighted(q, q)
			if tile.MaxDistance() != most {
				t.Fatalf("distances to %d, want %d", tile.MaxDistance(), most)
			}
			for _, limit := range []uint32{most - 15, most, most + 1, math.MaxUint32} {
				limits := [TileQueries]uint32{limit, limit}
				got := tile.Scan(make([]Match, 0, 2*rows/Lanes), d.columns, rows/Lanes, &limits)
				compare(t, fmt.Sprintf("distances to %d, limit %d", most, limit), got, want(distances(d, []Weighted{q, q}, weighted), &limits))
			}
		}
	})
}

func TestATileRefusesWordsThatDisagree(t *testing.T) {
	one, two := []uint64{1}, []uint64{1, 2}
	for name, reset := range map[string]func(*Tile){
		"queries":       func(tile *Tile) { tile.Reset(two, one) },
		"longer plane":  func(tile *Tile) { tile.ResetWeighted(Weighted{one, &[Planes][]uint64{one, one, two, one}}) },
		"missing plane": func(tile *Tile) { tile.ResetWeighted(Weighted{one, &[Planes][]uint64{one, one, one}}) },
		"longer signs": func(tile *Tile) {
			planes := &[Planes][]uint64{one, one, one, one}
			tile.ResetWeighted(Weighted{one, planes}, Weighted{two, planes})
		},
	} {
		t.Run(name, func(t *testing.T) { wantPanic(t, func() { reset(new(Tile)) }) })
	}
}

func FuzzScanAgreesWithTheTwin(f *testing.F) {
	f.Add(uint64(1), uint8(4), uint8(4), uint8(3), uint8(2), uint32(100))
	f.Add(uint64(2), uint8(17), uint8(1), uint8(9), uint8(4), uint32(1<<31))
	f.Fuzz(func(t *testing.T, seed uint64, stride, used, groups, queries uint8, limit uint32) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := shape{[]int{1 + int(stride)%40}, nil}
		s.used = []int{1 + int(used)%s.stride[0]}
		d := newData(r, s, int(groups%20)*Lanes)
		n := 1 + int(queries)%TileQueries
		var tile Tile
		tile.Reset(randomQueries(r, n, s.used[0])...)
		var planes Tile
		planes.ResetWeighted(randomWeighted(r, n, s.used[0])...)
		before := active
		defer func() { active = before }()
		scan := func(tile *Tile, queries int) []Match {
			var limits [TileQueries]uint32
			fill(limits[:queries], limit)
			return tile.Scan(make([]Match, 0, int(groups%20)*TileQueries), d.columns, int(groups%20), &limits)
		}
		active = isa.Generic
		want, wantPlanes := scan(&tile, n), scan(&planes, n)
		for _, active = range isa.Usable() {
			compare(t, Kernel(), scan(&tile, n), want)
			compare(t, Kernel()+", planes", scan(&planes, n), wantPlanes)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	before := active
	defer func() { active = before }()
	r := rand.New(rand.NewPCG(7, 8))
	const rows = 1024
	for _, active = range isa.Usable() {
		for _, words := range []int{4, 12, 16} {
			d := newData(r, shape{[]int{words}, []int{words}}, rows)
			dst := make([]Match, 0, rows/Lanes*TileQueries)
			var tile Tile
			run := func(form string, queries int) {
				b.Run(fmt.Sprintf("kernel=%s/bits=%d/form=%s/queries=%d", Kernel(), 64*words, form, queries), func(b *testing.B) {
					b.SetBytes(int64(8 * len(d.columns[0].Words) * queries))
					limits := [TileQueries]uint32{1, 1, 1, 1} // nothing passes: the usual case
					for b.Loop() {
						tile.Scan(dst, d.columns, rows/Lanes, &limits)
					}
				})
			}
			for _, n := range []int{1, TileQueries} {
				tile.Reset(randomQueries(r, n, words)...)
				run("1bit", n)
				tile.ResetWeighted(randomWeighted(r, n, words)...)
				run("4bit", n)
			}
		}
	}
}

func BenchmarkRow(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, words := range []int{4, 12, 16} {
		d := newData(r, shape{[]int{words}, []int{words}}, 1024)
		query, weights := randomQueries(r, 1, words)[0], randomWeighted(r, 1, words)[0]
		b.Run(fmt.Sprintf("bits=%d/form=1bit", 64*words), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				Row(query, d.columns[0].Words, words, i*333%1024)
			}
		})
		b.Run(fmt.Sprintf("bits=%d/form=4bit", 64*words), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				RowPlanes(weights.Signs, weights.Planes, d.columns[0].Words, words, i*333%1024)
			}
		})
	}
}
