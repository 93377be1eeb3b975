package topk

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// sorted is the plain twin of Counter and Nearest: everything, nearest first, cut, and
// back in the order of rows.
func sorted(hits []Hit, k int) []Hit {
	all := slices.SortedStableFunc(slices.Values(hits), func(a, b Hit) int { return cmp.Compare(a.Distance, b.Distance) })
	all = all[:min(k, len(all))]
	slices.SortFunc(all, func(a, b Hit) int { return cmp.Compare(a.Row, b.Row) })
	return all
}

func TestCounterKeepsWhatSortingWould(t *testing.T) {
	var c Counter
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		maxDistance := []int{1, 3, 64, 1024, 1_000_000}[r.IntN(5)]
		n := []int{0, 1, 2, 50, 5000}[r.IntN(5)]
		k := []int{1, 2, 10, 100, 6000}[r.IntN(5)]
		spread := 1 + r.IntN(maxDistance+1) // small: heavy ties
		hits := make([]Hit, n)
		c.Reset(k, uint32(maxDistance)+1)
		for i := range hits {
			d := r.IntN(spread)
			if seed%3 == 0 { // far first, so that the edge falls all the way
				d = (spread - 1) * (n - 1 - i) / max(1, n-1)
			}
			hits[i] = Hit{uint32(3 * i), uint32(d)}
			if limit := c.Limit(); seed%2 == 0 && hits[i].Distance >= limit {
				continue // a caller may ask first
			}
			c.Push(hits[i].Row, hits[i].Distance)
		}
		want := sorted(hits, k)
		if got := c.Hits(); !slices.Equal(got, want) {
			t.Fatalf("seed %d (n %d, k %d, distances to %d): got %d hits %v, want %d %v", seed, n, k, spread-1, len(got), head(got), len(want), head(want))
		}
		if got := Nearest(hits, k); !slices.Equal(got, want) {
			t.Fatalf("seed %d (n %d, k %d, distances to %d): nearest are %d hits %v, want %d %v", seed, n, k, spread-1, len(got), head(got), len(want), head(want))
		}
	}
}

func head(hits []Hit) []Hit { return hits[:min(len(hits), 12)] }

func TestCounterIgnoresRowsFromItsFirstLimitOn(t *testing.T) {
	var c Counter
	c.Reset(3, 7)
	for row, d := range []uint32{9, 6, 7, 8} {
		c.Push(uint32(row), d)
	}
	if got, want := c.Hits(), []Hit{{1, 6}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCounterHoldsLittleMoreThanTwiceWhatItKeeps(t *testing.T) {
	for _, distance := range []func(row uint32) uint32{
		func(row uint32) uint32 { return 1_000_000 - row }, // each row nearer than all before
		func(uint32) uint32 { return 7 },                   // all tie
	} {
		var c Counter
		c.Reset(10, 1_000_001)
		for row := range uint32(1_000_000) {
			c.Push(row, distance(row))
			if n, most := len(c.hits), 2*10+slack; n > most {
				t.Fatalf("after row %d: %d hits, want at most %d", row, n, most)
			}
		}
	}
}

func TestNearestKeepsTheLowestRowsThatTie(t *testing.T) {
	got := Nearest([]Hit{{1, 2}, {3, 4}, {5, 1}, {7, 2}, {9, 2}, {11, 0xffffffff}}, 3)
	if want := []Hit{{1, 2}, {5, 1}, {7, 2}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func BenchmarkSelect(b *testing.B) {
	const rows = 1 << 18
	r := rand.New(rand.NewPCG(7, 8))
	distances := make([]uint32, rows)
	for i := range distances {
		for range 8 { // a bell around the middle, as distances are
			distances[i] += r.Uint32N(129)
		}
	}
	for _, k := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("k=%d", k), func(b *testing.B) {
			var c Counter
			for b.Loop() {
				c.Reset(k, 1025)
				row := uint32(0)
				for block := range slices.Chunk(distances, 1024) {
					limit := c.Limit() // as a kernel does, once a block
					for _, d := range block {
						if d < limit {
							c.Push(row, d)
						}
						row++
					}
				}
				c.Hits()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
