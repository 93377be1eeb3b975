package hamming

import "math/bits"

// Floats is a query of float32 ready to be multiplied with codes whose bits stand
// for +1 and -1: a table for every four dimensions holds the 16 sums that they can
// make, so that a product is a look-up and an addition for each four (the tables of
// Jégou et al., "Product quantization", TPAMI 2011, section III.A, over bits).
//
// A Floats can be used again after Reset. Row may be called by any number of
// goroutines.
type Floats struct {
	tables [][1 << nibble]float32
}

// nibble is how many dimensions a table covers: tables of so many fit in the L1
// cache for most queries, and are quickly made.
const nibble = 4

// Reset prepares for query, dimension i being bit i of a code.
func (f *Floats) Reset(query []float32) {
	words := (len(query) + 63) / 64
	n := words * 64 / nibble
	if cap(f.tables) < n {
		f.tables = make([][1 << nibble]float32, n)
	}
	f.tables = f.tables[:n]
	clear(f.tables)
	for t := range f.tables {
		part := query[min(len(query), t*nibble):min(len(query), (t+1)*nibble)]
		table := &f.tables[t]
		for _, x := range part {
			table[0] -= x
		}
		for m := 1; m < len(table); m++ {
			if at := bits.TrailingZeros(uint(m)); at < len(part) {
				table[m] = table[m&(m-1)] + 2*part[at]
			} else {
				table[m] = table[m&(m-1)]
			}
		}
	}
}

// Row returns the inner product of the query and one row of a column, +1 for every
// bit that is set and -1 for every other, over the query's dimensions.
func (f *Floats) Row(column []uint64, stride, row int) float32 {
	at := row/Lanes*stride*Lanes + row%Lanes
	var sums [4]float32
	for tables := f.tables; len(tables) > 0; at += Lanes {
		word, of := column[at], (*[64 / nibble][1 << nibble]float32)(tables)
		for i := range of {
			sums[i%4] += of[i][word>>(nibble*i)&(1<<nibble-1)]
		}
		tables = tables[16:]
	}
	return (sums[0] + sums[1]) + (sums[2] + sums[3])
}
