package dense

import (
	"math"
	"unsafe"
)

// The references: every other kernel must agree with those of sums to the bit, and with
// those of tiles within Slack.

func dotGeneric(a, b []float32, s *sums) {
	for len(a) >= lanes && len(b) >= lanes {
		x, y := (*[lanes]float32)(a), (*[lanes]float32)(b)
		for l := range s {
			s[l] += float64(x[l]) * float64(y[l])
		}
		a, b = a[lanes:], b[lanes:]
	}
}

func dotSquaresGeneric(a, b []float32, s *[2]sums) {
	for len(a) >= lanes && len(b) >= lanes {
		x, y := (*[lanes]float32)(a), (*[lanes]float32)(b)
		for l := range x {
			v := float64(y[l])
			s[0][l] += float64(x[l]) * v
			s[1][l] += v * v
		}
		a, b = a[lanes:], b[lanes:]
	}
}

func squaredL2Generic(a, b []float32, s *sums) {
	for len(a) >= lanes && len(b) >= lanes {
		x, y := (*[lanes]float32)(a), (*[lanes]float32)(b)
		for l := range s {
			d := float64(x[l]) - float64(y[l])
			s[l] = math.FMA(d, d, s[l])
		}
		a, b = a[lanes:], b[lanes:]
	}
}

// tileLanes is how many sums the twin of the tiles keeps for a pair of vectors, for speed.
const tileLanes = 4

// products and differences are the twins of what tiles sum. The conversions forbid fused
// multiply-add, which would be slow where it is not an instruction.

func products(a, b []float32) float32 {
	var s [tileLanes]float32
	for len(a) >= tileLanes && len(b) >= tileLanes {
		x, y := (*[tileLanes]float32)(a), (*[tileLanes]float32)(b)
		for l := range s {
			s[l] += float32(x[l] * y[l])
		}
		a, b = a[tileLanes:], b[tileLanes:]
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func differences(a, b []float32) float32 {
	var s [tileLanes]float32
	for len(a) >= tileLanes && len(b) >= tileLanes {
		x, y := (*[tileLanes]float32)(a), (*[tileLanes]float32)(b)
		for l := range s {
			d := x[l] - y[l]
			s[l] += float32(d * d)
		}
		a, b = a[tileLanes:], b[tileLanes:]
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

// The twins of tiles compare queries from j on with one row.

func dotTileGeneric(q *Queries, j int, rows *Rows, i int, limits *float32, weight float32) (mask uint32) {
	for l, limit := range q.limits(j, limits) {
		if limit := float32(limit * weight); !(products(q.query(j+l), rows.row(i)) < limit) {
			mask |= 1 << l
		}
	}
	return mask
}

func squaredL2TileGeneric(q *Queries, j int, rows *Rows, i int, limits *float32) (mask uint32) {
	for l, limit := range q.limits(j, limits) {
		if !(differences(q.query(j+l), rows.row(i)) > limit) {
			mask |= 1 << l
		}
	}
	return mask
}

// limits returns the limits of the queries from j on that are compared together.
func (q *Queries) limits(j int, first *float32) []float32 {
	return unsafe.Slice(first, min(tileQueries, q.count-j))
}

func squaresGeneric(rows *Rows, i int, s *[mostTileRows]float32) {
	for r := range s {
		s[r] = products(rows.row(i+r), rows.row(i+r))
	}
}
