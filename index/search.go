package index

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/cascade"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/filter"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/scan"
	"github.com/hamnest/hamnest/storage"
)

// Search answers one query. *InvalidError with the fields of Query in the form
// vector, id, code, k, dims, candidates, oversampling, target_recall, bound, rescore,
// exact, filter, min_score, page_token; ErrNotFound when Query.ID is not there; ErrCodesOnly for
// what needs stored vectors where there are none.
func (c *Collection) Search(ctx context.Context, q Query) (*Result, error) {
	var result *Result
	err := c.use(ctx, func(ctx context.Context, g *generation) error {
		c.load.begun.Add(1)
		defer c.load.ended.Add(1)
		start := time.Now()
		s, err := g.settle(q)
		if err != nil {
			return err
		}
		results, err := g.run(ctx, start, []*settled{s})
		if err != nil {
			return err
		}
		c.learnFrom(s, results[0])
		result = results[0]
		return nil
	})
	return result, err
}

// BatchSearch answers several queries, all or none. Errors are as for Search, the
// fields prefixed with requests[i].
func (c *Collection) BatchSearch(ctx context.Context, queries []Query) ([]*Result, error) {
	var results []*Result
	err := c.use(ctx, func(ctx context.Context, g *generation) error {
		c.load.begun.Add(1)
		defer c.load.ended.Add(1)
		start := time.Now()
		searches, err := g.settleAll(queries)
		if err != nil {
			return err
		}
		if results, err = g.run(ctx, start, searches); err != nil {
			return err
		}
		for i, s := range searches {
			c.learnFrom(s, results[i])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// settleAll settles the queries of a batch. An InvalidError names all that is malformed.
func (g *generation) settleAll(queries []Query) ([]*settled, error) {
	searches := make([]*settled, len(queries))
	var all InvalidError
	for i, q := range queries {
		s, err := g.settle(q)
		var bad *InvalidError
		switch {
		case errors.As(err, &bad):
			for _, v := range bad.Violations {
				all.Violations = append(all.Violations, Violation{Field: fmt.Sprintf("requests[%d].%s", i, v.Field), Reason: v.Reason})
			}
		case err != nil:
			return nil, fmt.Errorf("requests[%d]: %w", i, err)
		}
		searches[i] = s
	}
	if len(all.Violations) > 0 {
		return nil, &all
	}
	return searches, nil
}

// run is a search under way.
type run struct {
	*settled
	g       *generation
	over    *codes.Set      // the rows that may be found; nil: all
	cascade *cascade.Search // of a search by codes
	vectors *scan.VectorJob // of one that reads all vectors; without either it gathers those of over
}

// gatherRows is how many allowed rows are scored one by one instead of by their codes: nothing
// can be missed then. Of 768 dimensions a row takes .8 microseconds, so that 400 take as long as a
// search of 38,000 rows by codes, and 1,000 less than one of a million.
const gatherRows = 1000

// begin makes a search over a set of rows ready: nil for all.
func (g *generation) begin(s *settled, over *codes.Set) *run {
	r := &run{settled: s, g: g, over: over}
	switch {
	case s.filter.Op != filter.OpAll && over.Len() <= gatherRows && s.settings.codes.Stage == RescoreVectors:
	case s.settings.exact:
		r.compareAll()
	default:
		r.cascade = cascade.New(&g.rows, s.subject.encoded, &s.subject.scorer, s.settings.codes, s.settings.want)
		r.cascade.First().Over = over
	}
	return r
}

// compareAll makes the search an exact one.
func (r *run) compareAll() {
	r.vectors = &scan.VectorJob{Scorer: &r.subject.scorer, Want: r.settings.want, Over: r.over}
}

// run carries searches out, which began at start: for all of them together the pass over the
// codes, or the vectors, and then the rest of each.
func (g *generation) run(ctx context.Context, start time.Time, searches []*settled) ([]*Result, error) {
	results := make([]*Result, len(searches))
	runs := make([]*run, len(searches))
	var coded, exact, gathered []int // their places in both
	var codeJobs []*scan.CodeJob
	var vectorJobs []*scan.VectorJob
	for i, s := range searches {
		over, err := s.allowed(ctx, g)
		if err != nil {
			return nil, err
		}
		switch r := g.begin(s, over); {
		case r.cascade != nil:
			runs[i], coded, codeJobs = r, append(coded, i), append(codeJobs, r.cascade.First())
		case r.vectors != nil:
			runs[i], exact, vectorJobs = r, append(exact, i), append(vectorJobs, r.vectors)
		default:
			runs[i], gathered = r, append(gathered, i)
		}
	}
	if len(gathered) > 0 {
		err := eachOf(ctx, gathered, func(ctx context.Context, i int) (err error) {
			if results[i], err = runs[i].gather(ctx); err != nil {
				return err
			}
			results[i].Receipt.Total = time.Since(start)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	lap := time.Now()
	if len(coded) > 0 {
		if err := g.passes.Codes(ctx, codeJobs); err != nil {
			return nil, err
		}
		scanned := time.Since(lap)
		err := eachOf(ctx, coded, func(ctx context.Context, i int) (err error) {
			if results[i], err = runs[i].finish(ctx); err != nil {
				return err
			}
			receipt := &results[i].Receipt
			receipt.Scan += scanned
			receipt.Total = time.Since(start)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	lap = time.Now()
	if len(exact) > 0 {
		err := g.passes.Vectors(ctx, vectorJobs, func() error {
			read := time.Since(lap)
			return eachOf(ctx, exact, func(_ context.Context, i int) (err error) {
				if results[i], err = runs[i].answerAll(Receipt{RescoreTime: read}); err != nil {
					return err
				}
				results[i].Receipt.Total = time.Since(start)
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// eachOf calls do for every place, on all cores if there are several.
func eachOf(ctx context.Context, places []int, do func(ctx context.Context, i int) error) error {
	if len(places) == 1 {
		return do(ctx, places[0])
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range places {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// finish is what follows the first pass over the codes.
func (r *run) finish(ctx context.Context) (result *Result, err error) {
	best, err := r.cascade.Finish(ctx)
	if err != nil {
		return nil, err
	}
	receipt := r.cascade.Receipt()
	if best != nil {
		receipt.Plan = PlanScan
		receipt.Dims = min(r.g.codec.profile.BlockDims(r.settings.codes.Blocks), r.subject.size)
		return r.answer(best, receipt)
	}
	r.compareAll()
	err = r.g.passes.Vectors(ctx, []*scan.VectorJob{r.vectors}, func() error {
		result, err = r.answerAll(receipt)
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// gather scores the allowed rows and no others.
func (r *run) gather(ctx context.Context) (*Result, error) {
	lap := time.Now()
	best, err := scan.Gather(ctx, r.g.shard, r.over, &r.subject.scorer, r.settings.want)
	if err != nil {
		return nil, err
	}
	rows := r.over.Len()
	return r.answer(best, Receipt{
		Plan: PlanGather, Exact: true, ExpectedRecall: 1, Dims: r.settings.dims,
		AllowedRows: rows, RowsScanned: rows, VectorsRead: rows, RescoreTime: time.Since(lap),
	})
}

// answerAll answers from the pass over the vectors; receipt has what was done before.
func (r *run) answerAll(receipt Receipt) (*Result, error) {
	var best *scan.Ranker
	err := r.g.shard.View(func(reader *storage.Reader) (err error) {
		best, receipt.RowsScanned, err = r.vectors.Best(reader)
		return err
	})
	if err != nil {
		return nil, err
	}
	receipt.Plan, receipt.AllowedRows = PlanExact, receipt.RowsScanned
	receipt.Dims, receipt.Exact, receipt.ExpectedRecall = r.settings.dims, true, 1
	receipt.VectorsRead += receipt.RowsScanned
	return r.answer(best, receipt)
}

// answer turns the best rows into hits, and completes the receipt but for times.
func (r *run) answer(best *scan.Ranker, receipt Receipt) (*Result, error) {
	receipt.FilterTime = r.filtered
	receipt.Rescore, receipt.Kernel, receipt.ProfileFingerprint = r.settings.codes.Stage, hamming.Kernel(), r.g.codec.fingerprint
	receipt.VectorBytesRead = receipt.VectorsRead * uint64(r.g.codec.store.Bytes(r.settings.dims))
	result := &Result{Receipt: receipt}
	err := r.g.shard.View(func(reader *storage.Reader) error {
		best.Reader = reader
		ranked, err := best.Sorted()
		if err != nil {
			return err
		}
		result.Hits = make([]Hit, 0, min(len(ranked), r.request.K))
		return r.hits(reader, result, ranked)
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// hits adds the hits that ranked rows are to result, and the token of the page that follows.
func (r *run) hits(reader *storage.Reader, result *Result, ranked []scan.Scored) error {
	q := r.request
	var last scan.Scored // of the hits
	for _, s := range ranked {
		id, metadata, err := reader.Row(uint64(s.Row))
		if err != nil {
			return err
		}
		if q.ID != "" && string(id) == q.ID {
			continue
		}
		if len(result.Hits) == q.K {
			result.NextPageToken = r.page.next(q, last.Score, result.Hits[q.K-1].ID)
			break
		}
		if err := q.Budget.Take(r.g.hitBytes(q, id, metadata)); err != nil {
			return err
		}
		record, err := r.g.record(reader, uint64(s.Row), string(id), metadata, ReadOptions{WithVector: q.WithVector, WithMetadata: q.WithMetadata})
		if err != nil {
			return err
		}
		result.Hits = append(result.Hits, Hit{ID: record.ID, Score: floats.Finite(s.Score), Vector: record.Vector, Metadata: record.Metadata})
		last = s
	}
	return nil
}

// searchAll answers queries together.
func (g *generation) searchAll(ctx context.Context, queries []Query) ([]*Result, error) {
	start := time.Now()
	searches := make([]*settled, len(queries))
	for i, q := range queries {
		s, err := g.settle(q)
		if err != nil {
			return nil, err
		}
		searches[i] = s
	}
	return g.run(ctx, start, searches)
}

// hitBytes is what a hit takes of a Budget.
func (g *generation) hitBytes(q Query, id, metadata []byte) int {
	n := len(id)
	if q.WithVector {
		n += 4 * g.codec.profile.Dims()
	}
	if q.WithMetadata {
		n += len(metadata)
	}
	return n
}
