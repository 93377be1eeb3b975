package hamming

import "math/bits"

// scanGeneric is the reference: every other kernel must agree with it. It writes
// the matches to dst and returns how many; the sizes have been checked.
func scanGeneric(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	n := 0
	for g := range groups {
		for j := range t.size {
			d := groupDistances(t, j, columns, g)
			n += match(&dst[n], g, j, &d, func(x uint32) bool { return int64(x) < limits[j] })
		}
	}
	return n
}

// planesGeneric is scanGeneric for a query of bit planes: distances are sums of the
// bits that query and row share, weighted by plane, and those above the limit match.
func planesGeneric(dst []Match, t *Tile, columns []Column, groups int, limits *[TileQueries]int64) int {
	n := 0
	for g := range groups {
		var sums [Lanes]uint32
		at := 0
		for c := range columns {
			lines := columns[c].Words[g*columns[c].Stride*Lanes:]
			for w := range columns[c].Used {
				line := (*[Lanes]uint64)(lines[w*Lanes:])
				p0, p1, p2, p3 := t.words[at], t.words[at+1], t.words[at+2], t.words[at+3]
				at += TileQueries
				for l, x := range line {
					sums[l] += uint32(bits.OnesCount64(x&p0) + bits.OnesCount64(x&p1)<<1 + bits.OnesCount64(x&p2)<<2 + bits.OnesCount64(x&p3)<<3)
				}
			}
		}
		n += match(&dst[n], g, 0, &sums, func(x uint32) bool { return int64(x) > limits[0] })
	}
	return n
}

// groupDistances returns the distances of group g from query j of the tile. The
// sums are spelled out so that they stay in registers.
func groupDistances(t *Tile, j int, columns []Column, g int) [Lanes]uint32 {
	var d0, d1, d2, d3, d4, d5, d6, d7 int
	query := t.words[j:]
	for c := range columns {
		lines := columns[c].Words[g*columns[c].Stride*Lanes:][:columns[c].Used*Lanes]
		for len(lines) >= Lanes {
			line, q := (*[Lanes]uint64)(lines), query[0]
			d0 += bits.OnesCount64(q ^ line[0])
			d1 += bits.OnesCount64(q ^ line[1])
			d2 += bits.OnesCount64(q ^ line[2])
			d3 += bits.OnesCount64(q ^ line[3])
			d4 += bits.OnesCount64(q ^ line[4])
			d5 += bits.OnesCount64(q ^ line[5])
			d6 += bits.OnesCount64(q ^ line[6])
			d7 += bits.OnesCount64(q ^ line[7])
			lines, query = lines[Lanes:], query[min(t.size, len(query)):]
		}
	}
	return [Lanes]uint32{uint32(d0), uint32(d1), uint32(d2), uint32(d3), uint32(d4), uint32(d5), uint32(d6), uint32(d7)}
}

// match fills m in if any of the distances passes, and returns how many matches
// that makes: 0 or 1.
func match(m *Match, g, j int, distances *[Lanes]uint32, passes func(uint32) bool) int {
	var mask uint8
	for l, d := range distances {
		if passes(d) {
			mask |= 1 << l
		}
	}
	if mask == 0 {
		return 0
	}
	*m = Match{Group: uint32(g), Query: uint8(j), Mask: mask, Distances: *distances}
	return 1
}
