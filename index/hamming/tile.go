package hamming

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

const (
	// TileQueries is the most queries in a tile.
	TileQueries = 4
	// MaxMagnitude is the largest magnitude of a query at a dimension.
	MaxMagnitude = 15
	// MatchLanes is the number of rows in a match.
	MatchLanes = 16
)

// Term is a query's part for one block.
type Term struct {
	// Magnitudes has one number a dimension, -MaxMagnitude to MaxMagnitude. A row's bit agrees
	// if it is 1 and the number is positive, or 0 and the number is negative; 0 counts for
	// nothing.
	Magnitudes []int8
	// A and B make a distance h part of a score: A - B*h.
	A, B float32
}

// Query is one query to score rows for: see Tile.Scan.
type Query struct {
	Offset float32 // factor of the rows' offsets
	Terms  []Term  // one a column
}

// Match is a run of MatchLanes rows of which some have a score above the limit.
type Match struct {
	// Row is the first row of the run, in the rows scanned.
	Row uint32
	// Query is the query's number in its tile.
	Query uint8
	// Mask has bit l set when row Row+l is above the limit.
	Mask uint16
	// Scores are those of all rows of the run.
	Scores [MatchLanes]float32
}

// Tile is up to TileQueries queries that are compared together. The zero value is empty; Reset
// fills it. Scan writes to it, so only one goroutine may use it.
type Tile struct {
	queries int
	widths  []int // of the blocks, in words
	// tables are what four dimensions add to a distance, by the rows' four bits: for each two
	// lines of each word of each block, for each query, those of the low and the high half
	// byte of the first line and then of the second, tableBytes each.
	tables []byte
	terms  []float32 // for each block and query A and then -B
	// offsets are those of the queries.
	offsets [TileQueries]float32
	// scores are scratch of the kernels: those of a group, for each query.
	scores []byte
}

const (
	tableBytes = 16
	pairBytes  = 4 * tableBytes            // the tables of two lines, for one query
	queryBytes = wordLines / 2 * pairBytes // the tables of a word, for one query
)

// cacheLine is the size of a line of most caches. A line that begins at a multiple of it loads
// at once.
const cacheLine = 64

// Reset makes t the tile of queries, 1 to TileQueries, with at least one term each and as
// many magnitudes in each term as the others have. It panics if sizes disagree or a number
// is out of its bounds: that is a bug in the caller.
func (t *Tile) Reset(queries ...Query) {
	if len(queries) < 1 || len(queries) > TileQueries || len(queries[0].Terms) < 1 {
		panic(fmt.Sprintf("hamming: a tile of %d queries", len(queries)))
	}
	t.queries = len(queries)
	t.widths = t.widths[:0]
	words := 0
	for b, term := range queries[0].Terms {
		width := len(term.Magnitudes) / 64
		if width < 1 || width > MaxWeight {
			panic(fmt.Sprintf("hamming: term %d has %d magnitudes", b, len(term.Magnitudes)))
		}
		t.widths = append(t.widths, width)
		words += width
	}
	if n := words * t.queries * queryBytes; cap(t.tables) < n {
		t.tables = aligned(n)
	} else {
		t.tables = t.tables[:n]
	}
	if t.scores == nil {
		t.scores = aligned(TileQueries * Lanes * 4)
	}
	t.terms = t.terms[:0]
	first := 0
	for b, width := range t.widths {
		for j := range queries {
			if len(queries[j].Terms) != len(t.widths) || len(queries[j].Terms[b].Magnitudes) != 64*width {
				panic(fmt.Sprintf("hamming: query %d of a tile has another shape than the first", j))
			}
			term := &queries[j].Terms[b]
			t.terms = append(t.terms, term.A, -term.B)
			t.makeTables(t.tables[first*t.queries*queryBytes:], j, term.Magnitudes)
		}
		first += width
	}
	for j := range queries {
		t.offsets[j] = queries[j].Offset
	}
}

// aligned returns n bytes that begin at a multiple of cacheLine.
func aligned(n int) []byte {
	b := make([]byte, n+cacheLine-1)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (cacheLine - 1)
	return b[skip : skip+n : skip+n]
}

// makeTables writes the tables of query j and of one block, which begin at tables.
func (t *Tile) makeTables(tables []byte, j int, magnitudes []int8) {
	for i := 0; i < len(magnitudes); i += 16 { // two lines
		pair := tables[(i/16*t.queries+j)*pairBytes:][:pairBytes]
		for n := range pairBytes / tableBytes {
			low, high := table((*[4]int8)(magnitudes[i+4*n:]))
			binary.LittleEndian.PutUint64(pair[n*tableBytes:], low)
			binary.LittleEndian.PutUint64(pair[n*tableBytes+8:], high)
		}
	}
}

// table returns the table of four dimensions, entries 0 to 7 and 8 to 15, with the first in the
// lowest byte. Entry v is the sum of |m_i| where bit i of v differs from that of the query. At
// v = 0 these are the positive magnitudes, and each set bit takes m_i away. So the table is a
// sum of such tables times m_i. Their bytes do not disturb each other, because they end up
// between 0 and 60.
func table(m *[4]int8) (low, high uint64) {
	const ones = 0x0101010101010101
	var base uint64
	for _, x := range m {
		if x < -MaxMagnitude || x > MaxMagnitude {
			panic(fmt.Sprintf("hamming: a magnitude is %d", x))
		}
		base += uint64(x &^ (x >> 7)) // max(x, 0), without a branch that nothing predicts
	}
	low = base*ones - uint64(m[0])*0x0100010001000100 - uint64(m[1])*0x0101000001010000 - uint64(m[2])*0x0101010100000000
	return low, low - uint64(m[3])*ones
}

// Scan computes the scores of the first groups groups of rows for each query of the tile and
// overwrites dst with the matches: the runs of MatchLanes rows, at multiples of MatchLanes, in
// which some row has a score above limits[query]. Those of a query come in the order of rows.
// dst needs room for Lanes/MatchLanes matches of each group and query.
//
// The score of row i, of columns b with distances h_bi, is
//
//	s = Offset * Offsets[i]
//	s = s + Factors_b[i] * (A_b - B_b*h_bi)    for each column in turn
//	s = s * Scales[i]                          if there are scales
//
// and each operation is rounded to float32 before the next. A score that is not a number is
// above no limit. A limit of minus infinity is exceeded by every other score but minus
// infinity.
//
// Scan panics if sizes disagree: that is a bug in the caller.
func (t *Tile) Scan(dst []Match, rows *Rows, groups int, limits *[TileQueries]float32) []Match {
	rows.check(groups)
	if len(rows.Columns) != len(t.widths) {
		panic(fmt.Sprintf("hamming: %d columns for a tile of %d terms", len(rows.Columns), len(t.widths)))
	}
	for b, width := range t.widths {
		if rows.Columns[b].Width != width {
			panic(fmt.Sprintf("hamming: column %d is %d words wide, and its term %d", b, rows.Columns[b].Width, width))
		}
	}
	if room := groups * t.queries * (Lanes / MatchLanes); cap(dst) < room {
		panic(fmt.Sprintf("hamming: room for %d matches, want %d", cap(dst), room))
	}
	if groups == 0 {
		return dst[:0]
	}
	dst = dst[:cap(dst)]
	return dst[:scan(dst, t, rows, groups, limits)]
}
