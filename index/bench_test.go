package index

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/hamnest/hamnest/index/hamming"
)

// benchCollection holds the vectors of debian, or as many synthetic ones where that set
// is missing, near one of 500 centres each, with a spectrum that decays as that of
// Matryoshka-trained models does.
func benchCollection(b *testing.B) (*Collection, [][]float32) {
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
	const rows, dims = 38_333, 768
	var vectors, queries [][]float32
	if _, err := os.Stat("../../shared/data/debian"); err == nil {
		set := sharedSet(b, "debian")
		vectors, queries = set.base, set.queries
	} else {
		r := rand.New(rand.NewPCG(1, 1))
		centres := make([][]float32, 500)
		for i := range centres {
			centres[i] = decaying(r, nil, dims)
		}
		for range rows {
			vectors = append(vectors, decaying(r, centres[r.IntN(len(centres))], dims))
		}
		for range 500 {
			queries = append(queries, decaying(r, centres[r.IntN(len(centres))], dims))
		}
	}
	c, err := db.Create(b.Context(), Spec{Name: "b", Dims: dims})
	if err != nil {
		b.Fatal(err)
	}
	records := make([]Record, 0, 4096)
	for i, v := range vectors {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: v})
		if len(records) == cap(records) || i == len(vectors)-1 {
			if err := c.Upsert(b.Context(), records); err != nil {
				b.Fatal(err)
			}
			records = records[:0]
		}
	}
	if err := c.Settle(b.Context()); err != nil {
		b.Fatal(err)
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
	c, queries := benchCollection(b)
	for _, q := range []Query{{Rescore: RescoreNone}, {Rescore: RescoreCodes}, {TargetRecall: .95}, {}, {Dims: 64}, {Exact: true}} {
		for _, how := range []string{"alone", "together"} {
			b.Run(fmt.Sprintf("kernel=%s/dims=%d/target=%v/rescore=%v/exact=%t/%s", hamming.Kernel(), q.Dims, q.TargetRecall, q.Rescore, q.Exact, how), func(b *testing.B) {
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

func BenchmarkExactBatch(b *testing.B) {
	c, queries := benchCollection(b)
	for _, n := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("queries=%d", n), func(b *testing.B) {
			batch := make([]Query, n)
			for i := range batch {
				batch[i] = Query{Vector: queries[i], K: 10, Exact: true}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.BatchSearch(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/query")
		})
	}
}
