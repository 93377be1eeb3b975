package index

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/scan"
	"github.com/hamnest/hamnest/storage"
)

// stepRows is how many rows of 128 dimensions a thread of a pass takes at a time.
const stepRows = 1024

// exactCollection has some blocks of vectors, some of them retired, and the last rows in
// the tail.
func exactCollection(t *testing.T, r *rand.Rand, m encoder.Metric, rows int) *Collection {
	t.Helper()
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 128, Metric: m, Ladder: []int{64}})
	var records []Record
	var removed []string
	for i := range rows {
		records = append(records, Record{ID: fmt.Sprintf("%06d", i), Vector: whole(r, 128)})
		if r.IntN(10) == 0 {
			removed = append(removed, records[i].ID)
		}
	}
	upsert(t, c, records...)
	if _, err := c.Remove(t.Context(), removed); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExactSearchesTogetherAnswerAsEachAlone(t *testing.T) {
	for _, m := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		t.Run(m.String(), func(t *testing.T) { testExactTogether(t, m) })
	}
}

func testExactTogether(t *testing.T, m encoder.Metric) {
	r := rand.New(rand.NewPCG(1, 31))
	c := exactCollection(t, r, m, 4*stepRows+123)
	low := float32(.2)
	first := Query{Vector: whole(r, 128), K: 7, Exact: true}
	next := first
	next.PageToken = ask(t, c, first).NextPageToken
	queries := []Query{
		first, next,
		{Vector: whole(r, 64), K: 40, Exact: true},
		{Vector: whole(r, 128), Dims: 64, K: 1, Exact: true},
		{Vector: whole(r, 128), K: 5000, MinScore: &low, Exact: true},
		{Vector: whole(r, 128), K: 10},
	}
	for len(queries) < scan.MaxPassJobs+10 { // more than one pass takes
		queries = append(queries, Query{Vector: whole(r, 64+64*r.IntN(2)), K: 1 + r.IntN(20), Exact: true})
	}
	results, err := c.BatchSearch(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range queries {
		want := ask(t, c, q)
		if err := sameHits(results[i].Hits, want.Hits); err != nil {
			t.Errorf("query %d: %v", i, err)
		}
		got := results[i]
		if got.NextPageToken != want.NextPageToken || got.Receipt.VectorsRead != want.Receipt.VectorsRead || got.Receipt.RowsScanned != want.Receipt.RowsScanned {
			t.Errorf("query %d: next page %q after reading %+v, want %q after %+v", i, got.NextPageToken, got.Receipt, want.NextPageToken, want.Receipt)
		}
	}
}

func TestDamageFailsEveryExactSearchOfThePass(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 33))
	c := exactCollection(t, r, encoder.Cosine, 2*stepRows)
	g := c.current.Load()
	b := codes.NewBuilder(g.codec.profile)
	defer func() { _ = b.Release() }()
	rows := g.view.Load().Rows() + stepRows // of which the last are not there
	if err := b.Grow(rows); err != nil {
		t.Fatal(err)
	}
	b.Give(rows)
	var runs []*run
	var jobs []*scan.VectorJob
	for i := range 3 {
		s, err := g.settle(Query{Vector: whole(r, 128), K: 3, Exact: true})
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, g.begin(s, nil))
		jobs = append(jobs, runs[i].vectors)
	}
	scan.Vectors(t.Context(), g.shard, b.Publish().Present(), jobs, 2)
	for i, r := range runs {
		if _, err := r.answerAll(Receipt{}); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("job %d: %v, want ErrCorrupt", i, err)
		}
	}
}

func TestExactSearchesFindTheBestOfWhatIsStored(t *testing.T) {
	t.Parallel()
	for _, m := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		for _, p := range []encoder.Precision{encoder.Float32, encoder.Float16, encoder.BFloat16, encoder.Int8} {
			for _, dims := range []int{5, 70, 128} {
				r := rand.New(rand.NewPCG(uint64(dims), 34))
				c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: dims, Metric: m, Store: p, Profile: encoder.Signs})
				var records []Record
				for i := range stepRows + 50 {
					records = append(records, Record{ID: fmt.Sprintf("%06d", i), Vector: decaying(r, nil, dims)})
				}
				upsert(t, c, records...)
				var queries []Query
				for range 9 {
					queries = append(queries, Query{Vector: decaying(r, nil, dims), K: 20, Exact: true})
				}
				results, err := c.BatchSearch(t.Context(), queries)
				if err != nil {
					t.Fatal(err)
				}
				for i, q := range queries {
					s := scan.NewScorer(m, encoder.Float32, q.Vector)
					var want []Hit
					for _, record := range records {
						v := make([]float32, dims)
						p.Decode(v, p.Append(nil, record.Vector))
						want = append(want, Hit{ID: record.ID, Score: floats.Finite(s.Score(v))})
					}
					slices.SortStableFunc(want, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
					if err := sameHits(results[i].Hits, want[:q.K]); err != nil {
						t.Errorf("%v, %v, %d dims, query %d: %v", m, p, dims, i, err)
					}
				}
			}
		}
	}
}
