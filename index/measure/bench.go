package measure

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/scan"
	"github.com/hamnest/hamnest/index/topk"
)

// ScanBench is random codes of one bit a dimension, without a collection, to measure the scan
// on a machine. Only one goroutine may use it.
type ScanBench struct {
	builder *codes.Builder
	view    *codes.View
	random  *rand.Rand
	queries []hamming.Query
}

// NewScanBench makes rows random codes of dims bits. They and the queries depend on seed.
func NewScanBench(rows uint32, dims int, seed uint64) (*ScanBench, error) {
	p, err := encoder.NewSigns(encoder.Shape{Dims: dims})
	if err != nil {
		return nil, err
	}
	b := &ScanBench{builder: codes.NewBuilder(p), random: rand.New(rand.NewPCG(seed, 0))}
	if err := b.builder.Grow(rows); err != nil {
		return nil, errors.Join(err, b.builder.Release())
	}
	row, signs := make([]uint64, p.RowWords()), make([]uint64, code.Words(dims))
	for range rows {
		for i := range signs {
			signs[i] = b.random.Uint64()
		}
		if used := dims % code.WordBits; used != 0 {
			signs[len(signs)-1] &= 1<<used - 1
		}
		p.PutSigns(row, signs, 1)
		b.builder.Add(row)
	}
	b.view = b.builder.Publish()
	return b, nil
}

// Close frees the memory.
func (b *ScanBench) Close() error { return b.builder.Release() }

// MaxThreads is how many threads a pass over the codes can use.
func (b *ScanBench) MaxThreads() int { return scan.Pieces(b.view.Rows()) }

// query makes a random query.
func (b *ScanBench) query() hamming.Query {
	l := b.builder.Layout()
	m := make([]int8, code.WordBits*l.PlaneWords(0))
	for i := range m {
		m[i] = int8(b.random.IntN(2*encoder.MaxMagnitude+1) - encoder.MaxMagnitude)
	}
	return l.Query(1, 0, func(int) []int8 { return m }, []float32{0}, []float32{1})
}

// Run finds the candidates nearest rows for each of that many queries. It makes the same passes
// as Collection.Search for searches that come together.
func (b *ScanBench) Run(ctx context.Context, queries, threads, candidates int) [][]topk.Hit {
	for len(b.queries) < queries {
		b.queries = append(b.queries, b.query())
	}
	hits := make([][]topk.Hit, 0, queries)
	for together := range slices.Chunk(b.queries[:queries], scan.MaxPassJobs) {
		jobs := make([]*scan.CodeJob, len(together))
		for i, q := range together {
			jobs[i] = &scan.CodeJob{Query: q, Blocks: 1, K: candidates}
		}
		scan.Codes(ctx, b.view.Present(), slices.Clone(jobs), threads)
		for _, j := range jobs {
			hits = append(hits, j.Take())
		}
	}
	return hits
}
