package columns

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hamnest/hamnest/index/codes"
)

// What a filter costs when its set is not known: rows/op match.
func BenchmarkSelect(b *testing.B) {
	const n = 1 << 20
	r := newRows(b)
	c := r.columns(1 << 30)
	random := rand.New(rand.NewPCG(1, 2))
	metadata := make([]string, n)
	for i := range metadata {
		metadata[i] = fmt.Sprintf(`{"three":%d,"thousand":%d,"unique":%d}`, random.IntN(3), random.IntN(1000), random.Int32())
	}
	r.add(b, c, false, metadata...)
	for _, text := range []string{"three = 1", "thousand = 7", "thousand < 50", "thousand < 500", "unique < 100000000", "unique < 1000000000", "three = 1 AND thousand < 500", "NOT three = 1"} {
		e := parse(b, text)
		if _, err := c.Select(b.Context(), e); err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			var set *codes.Set
			for b.Loop() {
				columns, _ := c.of(e.Fields())
				set = r.view.Present().Only(evaluator{columns, words(r.view)}.matches(e))
			}
			b.ReportMetric(float64(set.Len()), "rows")
		})
	}
}
