package index

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/hamnest/hamnest/index/hamming"
)

// benchCollection holds rows vectors of dims dimensions, near one of 500 centres each,
// with a spectrum that decays as that of Matryoshka-trained models does.
func benchCollection(b *testing.B, rows, dims int) (*Collection, [][]float32) {
	b.Helper()
	db, err := Open(b.TempDir(), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	c, err := db.Create(b.Context(), Spec{Name: "b", Dims: dims})
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	centres := make([][]float32, 500)
	for i := range centres {
		centres[i] = decaying(r, nil, dims)
	}
	records := make([]Record, 0, 4096)
	for i := range rows {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: decaying(r, centres[r.IntN(len(centres))], dims)})
		if len(records) == cap(records) || i == rows-1 {
			if err := c.Upsert(b.Context(), records); err != nil {
				b.Fatal(err)
			}
			records = records[:0]
		}
	}
	queries := make([][]float32, 64)
	for i := range queries {
		queries[i] = decaying(r, centres[r.IntN(len(centres))], dims)
	}
	return c, queries
}

func decaying(r *rand.Rand, centre []float32, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.NormFloat64()) / float32(1+i/64)
		if centre != nil {
			v[i] += centre[i]
		}
	}
	return v
}

func BenchmarkSearch(b *testing.B) {
	const rows, dims = 40_000, 768
	c, queries := benchCollection(b, rows, dims)
	for _, q := range []Query{{Rescore: RescoreNone}, {Candidates: 100}, {Candidates: 400}, {Dims: 256, Candidates: 400}, {Exact: true}} {
		for _, how := range []string{"alone", "together"} {
			b.Run(fmt.Sprintf("kernel=%s/rows=%d/dims=%d/candidates=%d/rescore=%v/exact=%t/%s", hamming.Kernel(), rows, max(q.Dims, 0), q.Candidates, q.Rescore, q.Exact, how), func(b *testing.B) {
				b.ReportAllocs()
				search := func(i int) {
					q := q
					q.Vector, q.K = queries[i%len(queries)], 10
					if _, err := c.Search(b.Context(), q); err != nil {
						b.Error(err)
					}
				}
				if how == "alone" {
					for i := 0; b.Loop(); i++ {
						search(i)
					}
					return
				}
				b.SetParallelism(4)
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						search(i)
					}
				})
			})
		}
	}
}
