package hamming

import (
	"math/bits"
	"slices"
)

const (
	// tableGroups is how many groups a kernel with tables takes at a time.
	tableGroups = 4
	// tableWords is how many words the tables of a word have: 16 bytes for each nibble.
	tableWords = 32
)

// nibbleSums has the table of four signs s of which those of the bits of p count: byte v is
// the number of bits of p in which v and s differ. It is 16 bytes, the first the lowest.
var nibbleSums = func() (all [16][16][2]uint64) {
	for p := range all {
		for s := range all[p] {
			for v := range 16 {
				all[p][s][v/8] |= uint64(bits.OnesCount8(uint8((v^s)&p))) << (v % 8 * 8)
			}
		}
	}
	return all
}()

// makeTables makes the tables of a tile of one query or of four. The tables of queries that
// are not there are zero, and so are all distances from them: their limits keep rows out.
func (t *Tile) makeTables() {
	queries := 1
	if t.queries > 1 {
		queries = TileQueries
	}
	words := t.rowWords()
	n := words * queries * tableWords
	t.tables = slices.Grow(t.tables, n)[:n]
	clear(t.tables)
	for j := range t.queries {
		for w := range words {
			tables := (*[tableWords]uint64)(t.tables[(w*queries+j)*tableWords:])
			if t.form == magnitudes {
				part := (*[magnitudes]uint64)(t.query(j)[w*int(magnitudes):])
				for i := range Planes {
					addTables(tables, part[0], part[1+i], i)
				}
			} else {
				addTables(tables, t.words[w*int(t.form)+j], ^uint64(0), 0)
			}
		}
	}
}

// addTables adds to the tables of a word, nibble by nibble, those of a plane of which each
// bit counts 1<<shift.
func addTables(tables *[tableWords]uint64, signs, plane uint64, shift int) {
	for i := 0; i < tableWords; i += 2 {
		sums := &nibbleSums[plane&15][signs&15]
		tables[i] += sums[0] << shift
		tables[i+1] += sums[1] << shift
		signs >>= 4
		plane >>= 4
	}
}
