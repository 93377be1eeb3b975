// Package topk keeps the best k of many rows at integer distances, by counting.
//
// The package is a leaf: it does not know what is being ranked.
package topk

import (
	"math"
	"math/bits"
	"slices"
)

// Hit is a row at a distance from a query.
type Hit struct {
	Row      uint32
	Distance uint32
}

// Nearest cuts hits, in ascending order of rows and at distances below math.MaxUint32, to the k
// >= 1 nearest. Of hits at one distance, lower rows are nearer. The order stays.
func Nearest(hits []Hit, k int) []Hit {
	hits, _ = cut(hits, k)
	return hits
}

// cut is Nearest. A later hit, of a higher row than any in hits, can be among the nearest only
// at a distance below limit.
func cut(hits []Hit, k int) (kept []Hit, limit uint32) {
	if len(hits) < k {
		return hits, math.MaxUint32
	}
	last, nearer := kth(hits, k)
	room := k - nearer // for hits at distance last, at least 1
	limit = last + 1
	n := 0
	for _, h := range hits {
		hits[n] = h
		if h.Distance < limit { // no branch: nothing predicts it
			n++
		}
		if h.Distance == last {
			if room--; room == 0 {
				limit = last
			}
		}
	}
	return hits[:n], limit
}

// kth returns the distance of the k-th nearest of hits, 1 <= k <= len(hits), and how many are
// nearer. It counts hits by the leading bits of their distances, then those that agree in these
// by the next bits, until few enough are left to sort.
func kth(hits []Hit, k int) (distance uint32, nearer int) {
	low, high := hits[0].Distance, hits[0].Distance
	for _, h := range hits {
		low, high = min(low, h.Distance), max(high, h.Distance)
	}
	var few [128]uint32
	for {
		var counts [256]int
		shift := max(bits.Len32(high-low), 8) - 8
		for _, h := range hits {
			if h.Distance >= low && h.Distance <= high {
				counts[(h.Distance-low)>>shift]++
			}
		}
		bin := uint32(0)
		for nearer+counts[bin] < k {
			nearer += counts[bin]
			bin++
		}
		low += bin << shift
		if shift == 0 {
			return low, nearer
		}
		high = low + min(high-low, 1<<shift-1)
		if n := counts[bin]; n <= len(few) {
			left := few[:0]
			for _, h := range hits {
				if h.Distance >= low && h.Distance <= high {
					left = append(left, h.Distance)
				}
			}
			slices.Sort(left)
			distance = left[k-nearer-1]
			first, _ := slices.BinarySearch(left, distance)
			return distance, nearer + first
		}
	}
}

// Counter keeps the k nearest of the rows pushed to it, in O(1) a row. It takes any row below a
// limit. When it has twice as many as it must keep, it counts them by distance, drops those
// that are too far, and lowers the limit. Rows are pushed in ascending order, so of rows at one
// distance the first to come ranks first.
//
// A Counter can be used again after Reset. Only one goroutine may use it.
type Counter struct {
	k     int
	limit uint32
	hits  []Hit
	full  int // the number of hits at which it compacts
}

// slack keeps small counters from counting all the time.
const slack = 64

// Reset prepares for the k >= 1 nearest of rows at distances below limit.
func (c *Counter) Reset(k int, limit uint32) {
	c.k, c.limit = k, limit
	c.hits, c.full = c.hits[:0], 2*k+slack
}

// Limit returns the distance from which Push ignores rows. It only falls.
func (c *Counter) Limit() uint32 { return c.limit }

// Cap returns how many hits the Counter has memory for.
func (c *Counter) Cap() int { return cap(c.hits) }

// Push offers a row at a distance.
func (c *Counter) Push(row, distance uint32) {
	if distance >= c.limit {
		return
	}
	c.hits = append(c.hits, Hit{row, distance})
	if len(c.hits) >= c.full {
		c.compact()
	}
}

// compact drops the hits that have become too far.
func (c *Counter) compact() {
	hits, limit := cut(c.hits, c.k)
	c.hits, c.limit, c.full = hits, min(c.limit, limit), 2*len(hits)+slack
}

// Hits returns the k nearest, by row. The slice belongs to the Counter until the next Reset.
func (c *Counter) Hits() []Hit {
	c.compact()
	return c.hits
}
