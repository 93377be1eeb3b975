package hamming

import (
	"math"
	"math/bits"

	"github.com/x448/float16"
)

// scanGeneric is the reference: every other kernel must agree with it. It writes the matches
// of groups groups to dst and returns how many; the sizes have been checked.
func scanGeneric(dst []Match, t *Tile, rows *Rows, groups int, limits *[TileQueries]float32) int {
	n := 0
	for g := range groups {
		for j := range t.queries {
			scores := t.groupScores(rows, g, j)
			for first := 0; first < Lanes; first += MatchLanes {
				run := [MatchLanes]float32(scores[first:])
				if mask := above(&run, limits[j]); mask != 0 {
					dst[n] = Match{Row: uint32(g*Lanes + first), Query: uint8(j), Mask: mask, Scores: run}
					n++
				}
			}
		}
	}
	return n
}

// groupScores returns the scores of group g for query j. The conversions keep the compiler from
// fusing two operations.
func (t *Tile) groupScores(rows *Rows, g, j int) (scores [Lanes]float32) {
	for l := range scores {
		scores[l] = float32(t.offsets[j] * rows.Offsets[g*Lanes+l])
	}
	tables := t.tables
	for b := range rows.Columns {
		c := &rows.Columns[b]
		a, minusB := t.terms[2*(b*t.queries+j)], t.terms[2*(b*t.queries+j)+1]
		for l, h := range t.groupDistances(tables, c, g, j) {
			f := math.Float32frombits(uint32(c.Factors[g*Lanes+l]) << 16)
			part := a + float32(minusB*float32(h))
			scores[l] += float32(f * part)
		}
		tables = tables[c.Width*t.queries*queryBytes:]
	}
	if rows.Scales != nil {
		for l := range scores {
			scores[l] *= float16.Frombits(rows.Scales[g*Lanes+l]).Float32()
		}
	}
	return scores
}

// groupDistances returns the distances of group g of a column from query j, whose tables of
// the block begin at tables.
func (t *Tile) groupDistances(tables []byte, c *Column, g, j int) (distances [Lanes]uint16) {
	lines := c.Lines[g*c.groupBytes():]
	for range c.Planes {
		for l := range distances {
			distances[l] *= 2
		}
		for pair := range c.Width * wordLines / 2 {
			of := tables[(pair*t.queries+j)*pairBytes:]
			low1, high1 := (*[tableBytes]byte)(of), (*[tableBytes]byte)(of[tableBytes:])
			low2, high2 := (*[tableBytes]byte)(of[2*tableBytes:]), (*[tableBytes]byte)(of[3*tableBytes:])
			first, second := (*[Lanes]byte)(lines), (*[Lanes]byte)(lines[Lanes:])
			for l := range distances {
				x, y := first[l], second[l]
				distances[l] += uint16(low1[x&15] + high1[x>>4] + low2[y&15] + high2[y>>4])
			}
			lines = lines[2*Lanes:]
		}
	}
	return distances
}

// above returns which scores are above limit.
func above(scores *[MatchLanes]float32, limit float32) (mask uint16) {
	for l, s := range scores {
		if s > limit {
			mask |= 1 << l
		}
	}
	return mask
}

// sumSetGeneric is the reference of SumSet; the sizes have been checked. Skipping an element is
// the same as adding zero: a sum that begins at +0 is never -0.
func sumSetGeneric(z []float32, words []uint64) float32 {
	var sums [64]float32
	for w, x := range words {
		of := (*[64]float32)(z[64*w:])
		for ; x != 0; x &= x - 1 {
			i := bits.TrailingZeros64(x) % 64
			sums[i] += of[i]
		}
	}
	for n := len(sums) / 2; n > 0; n /= 2 {
		for i := range n {
			sums[i] += sums[i+n]
		}
	}
	return sums[0]
}
