// Package topk keeps the best k of many: of rows at integer distances by
// counting ([Counter]), and of anything that can be compared by a heap ([Heap]).
//
// The package is a leaf: it does not know what is being ranked.
package topk

import (
	"cmp"
	"slices"
)

// Hit is a row at a distance from a query.
type Hit struct {
	Row      uint32
	Distance uint32
}

// compare orders hits: nearer first, then lower row.
func compare(a, b Hit) int {
	if c := cmp.Compare(a.Distance, b.Distance); c != 0 {
		return c
	}
	return cmp.Compare(a.Row, b.Row)
}

// Nearest sorts hits by distance, then row, and cuts them to the first k and up
// to ties more at the distance of the k-th.
func Nearest(hits []Hit, k, ties int) []Hit {
	slices.SortFunc(hits, compare)
	if len(hits) <= k {
		return hits
	}
	end := k
	for end < len(hits) && end-k < ties && hits[end].Distance == hits[k-1].Distance {
		end++
	}
	return hits[:end]
}

// Counter keeps the k nearest of the rows pushed to it, and up to ties more at the
// distance of the k-th, in O(1) a row: since distances are small integers, a
// histogram says how far the k-th nearest can be at most, and only nearer rows are
// kept (the counting method of Faiss' HCounterState). Rows are pushed in ascending
// order, so that of rows at one distance the first come is the first ranked.
//
// A Counter can be used again after Reset. It is for one goroutine.
type Counter struct {
	k, ties int
	hist    []int // hist[d]: how many hits at distance d <= edge were kept
	hits    []Hit // those kept, and some that have since become too far
	edge    uint32
	below   int // hits nearer than edge
	limit   uint32
}

// Reset prepares for the k >= 1 nearest of rows at distances 0 to maxDistance.
func (c *Counter) Reset(k, ties int, maxDistance uint32) {
	c.k, c.ties = k, ties
	c.hist = slices.Grow(c.hist[:0], int(maxDistance)+1)[:maxDistance+1]
	clear(c.hist)
	c.hits = c.hits[:0]
	c.edge, c.below, c.limit = maxDistance, 0, maxDistance+1
}

// Limit returns the distance from which on Push ignores rows. It only falls.
func (c *Counter) Limit() uint32 { return c.limit }

// Push offers a row at a distance up to Reset's maxDistance.
func (c *Counter) Push(row, distance uint32) {
	if distance >= c.limit {
		return
	}
	c.hist[distance]++
	c.hits = append(c.hits, Hit{row, distance})
	if distance < c.edge {
		c.below++
	}
	// edge is the least distance that k hits do not exceed, once there are k.
	for c.below >= c.k {
		c.edge--
		c.below -= c.hist[c.edge]
	}
	if surplus := c.below + c.hist[c.edge] - c.k; surplus >= c.ties {
		c.limit = c.edge // all later rows at edge are one tie too many
	} else if c.below+c.hist[c.edge] >= c.k {
		c.limit = c.edge + 1
	}
	if len(c.hits) >= 2*(c.k+c.ties)+compactSlack {
		c.compact()
	}
}

// compactSlack keeps small counters from compacting all the time.
const compactSlack = 1024

// compact drops the hits that have become too far.
func (c *Counter) compact() {
	c.hits = slices.DeleteFunc(c.hits, func(h Hit) bool { return h.Distance > c.edge })
}

// Hits returns the k nearest and the ties, by distance and then row. The slice is
// the Counter's until the next Reset.
func (c *Counter) Hits() []Hit {
	c.compact()
	c.hits = Nearest(c.hits, c.k, c.ties)
	return c.hits
}
