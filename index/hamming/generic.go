package hamming

import "math/bits"

// scanGeneric is the reference: every other kernel must agree with it. It writes
// the matches of the groups from first to groups-1 to dst and returns how many; the
// sizes have been checked.
func scanGeneric(dst []Match, t *Tile, columns []Column, first, groups int, limits *[TileQueries]int64) int {
	n := 0
	for g := first; g < groups; g++ {
		for j := range t.queries {
			var d [Lanes]uint32
			if t.form == magnitudes {
				d = groupMagnitudes(t.query(j), columns, g)
			} else {
				d = groupDistances(t, j, columns, g)
			}
			n += match(&dst[n], g, j, &d, limits[j])
		}
	}
	return n
}

// groupMagnitudes returns the distances of group g from a query with magnitudes, given as
// its words of the tile.
func groupMagnitudes(words []uint64, columns []Column, g int) (distances [Lanes]uint32) {
	for c := range columns {
		lines := columns[c].Words[g*columns[c].Stride*Lanes:]
		for w := range columns[c].Used {
			line := (*[Lanes]uint64)(lines[w*Lanes:])
			s, p0, p1, p2, p3 := words[0], words[1], words[2], words[3], words[4]
			words = words[magnitudes:]
			for l, x := range line {
				x ^= s
				distances[l] += uint32(bits.OnesCount64(x&p0) + bits.OnesCount64(x&p1)<<1 + bits.OnesCount64(x&p2)<<2 + bits.OnesCount64(x&p3)<<3)
			}
		}
	}
	return distances
}

// groupDistances returns the distances of group g from query j of the tile. The
// sums are spelled out so that they stay in registers.
func groupDistances(t *Tile, j int, columns []Column, g int) [Lanes]uint32 {
	var d0, d1, d2, d3, d4, d5, d6, d7 int
	query, size := t.words[j:], int(t.form)
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
			lines, query = lines[Lanes:], query[min(size, len(query)):]
		}
	}
	return [Lanes]uint32{uint32(d0), uint32(d1), uint32(d2), uint32(d3), uint32(d4), uint32(d5), uint32(d6), uint32(d7)}
}

// match fills m if any of the distances is below limit, and returns how many matches
// that makes: 0 or 1.
func match(m *Match, g, j int, distances *[Lanes]uint32, limit int64) int {
	var mask uint8
	for l, d := range distances {
		if int64(d) < limit {
			mask |= 1 << l
		}
	}
	if mask == 0 {
		return 0
	}
	*m = Match{Group: uint32(g), Query: uint8(j), Mask: mask, Distances: *distances}
	return 1
}
