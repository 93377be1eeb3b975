package measure

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
)

// Summary is the result of a run: a line of hamnest eval, in the order in which it is printed.
type Summary struct {
	Prefix            int     `json:"prefix"`
	Dims              int     `json:"dims"`
	K                 int     `json:"k"`
	TargetRecall      float64 `json:"target_recall"` // 0: none
	Candidates        float64 `json:"candidates"`
	RescoreCandidates float64 `json:"rescore_candidates"`
	Concurrency       int     `json:"concurrency"`
	Queries           int     `json:"queries"`
	Recall            float64 `json:"recall"`
	ExpectedRecall    float64 `json:"expected_recall"` // 0: nothing is known
	QPS               float64 `json:"qps"`
	P50MS             float64 `json:"p50_ms"`
	P99MS             float64 `json:"p99_ms"`
	VectorsReadMean   float64 `json:"vectors_read_mean"`
	Kernel            string  `json:"kernel"`
	// These are not in the table: they are the same in all lines, or follow from other columns.
	Profile             string  `json:"profile"`
	Bound               float64 `json:"bound"` // 0: none
	PassesMean          float64 `json:"passes_mean"`
	CodeBytesReadMean   float64 `json:"code_bytes_read_mean"`
	VectorBytesReadMean float64 `json:"vector_bytes_read_mean"`
}

// Run is the result of one run over all queries.
type Run struct {
	Query       index.Query
	concurrency int
	wall        time.Duration
	// One element for each query, in their order.
	IDs       [][]string
	latencies []time.Duration
	receipts  []index.Receipt
}

// warmUp is how many untimed searches come before a run. They make connections and bring the
// first pages into memory.
const warmUp = 16

// Searches runs all queries, concurrency of them at a time. It takes what to search for from
// each, and all settings from q.
func Searches(ctx context.Context, e api.Engine, name string, q index.Query, queries []index.Query, concurrency int, step func(n int)) (*Run, error) {
	m := &Run{
		Query:       q,
		concurrency: concurrency,
		IDs:         make([][]string, len(queries)),
		latencies:   make([]time.Duration, len(queries)),
		receipts:    make([]index.Receipt, len(queries)),
	}
	search := func(ctx context.Context, i int) (*index.Result, error) {
		q := q
		q.Vector, q.Code = queries[i].Vector, queries[i].Code
		result, err := e.Search(ctx, name, q)
		if err != nil {
			return nil, fmt.Errorf("query %d: %w", i, err)
		}
		return result, nil
	}
	for i := range min(warmUp, len(queries)) {
		if _, err := search(ctx, i); err != nil {
			return nil, err
		}
	}
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for range concurrency {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(queries) {
					return nil
				}
				began := time.Now()
				result, err := search(ctx, i)
				if err != nil {
					return err
				}
				m.latencies[i] = time.Since(began)
				m.receipts[i] = result.Receipt
				m.IDs[i] = make([]string, len(result.Hits))
				for rank, hit := range result.Hits {
					m.IDs[i][rank] = hit.ID
				}
				step(1)
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m.wall = time.Since(start)
	return m, nil
}

// Summary sums a run up against the right answers.
func (m *Run) Summary(right []IDSet) Summary {
	row := Summary{
		Dims:        m.receipts[0].Dims,
		K:           m.Query.K,
		Concurrency: m.concurrency,
		Queries:     len(m.IDs),
		QPS:         float64(len(m.IDs)) / max(m.wall, time.Nanosecond).Seconds(),
		Kernel:      m.receipts[0].Kernel,
		Bound:       m.Query.Bound,
	}
	var candidates, refined, passes, found, wanted int
	var expected float64
	var vectorsRead, codeBytes, vectorBytes uint64
	for i, r := range m.receipts {
		candidates += r.Candidates
		refined += r.Refined
		passes += r.Passes
		expected += r.ExpectedRecall
		row.TargetRecall = max(row.TargetRecall, r.TargetRecall) // a search that compared all vectors has none
		vectorsRead += r.VectorsRead
		codeBytes += r.CodeBytesRead
		vectorBytes += r.VectorBytesRead
		f, w := CountRight(m.IDs[i], right[i], m.Query.K)
		found, wanted = found+f, wanted+w
	}
	n := float64(len(m.IDs))
	row.Candidates, row.RescoreCandidates, row.VectorsReadMean = float64(candidates)/n, float64(refined)/n, float64(vectorsRead)/n
	row.PassesMean, row.ExpectedRecall = float64(passes)/n, expected/n
	row.CodeBytesReadMean, row.VectorBytesReadMean = float64(codeBytes)/n, float64(vectorBytes)/n
	// Every query wants the same number, so this is the mean of their recalls.
	row.Recall = float64(found) / float64(max(wanted, 1))
	sorted := slices.Sorted(slices.Values(m.latencies))
	row.P50MS = Milliseconds(Percentile(sorted, 0.50))
	row.P99MS = Milliseconds(Percentile(sorted, 0.99))
	return row
}
