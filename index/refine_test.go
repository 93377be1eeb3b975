package index

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBestFirstTakesThePartsOfASortedList(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 8))
		all := make([]estimate, r.IntN(300))
		for i := range all {
			all[i] = estimate{row: uint32(i), best: float64(r.IntN(1 + r.IntN(200)))} // with ties
		}
		sorted := slices.SortedFunc(slices.Values(all), compareBest)
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		best := newBestFirst(all)
		for len(best) > 0 {
			if best[0] != sorted[0] {
				t.Fatalf("seed %d: %+v comes first of %d, want %+v", seed, best[0], len(best), sorted[0])
			}
			n := 1 + r.IntN(40)
			taken := slices.SortedFunc(slices.Values(best.take(n)), compareBest)
			want := sorted[:min(n, len(sorted))]
			sorted = sorted[len(want):]
			if !slices.Equal(taken, want) {
				t.Fatalf("seed %d: the next %d are %+v, want %+v", seed, n, taken, want)
			}
		}
		if len(sorted) > 0 {
			t.Fatalf("seed %d: %d were never taken", seed, len(sorted))
		}
	}
}
