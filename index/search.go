package index

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
	"github.com/hamnest/hamnest/storage"
)

// Search answers one query. *InvalidError with the fields of Query in the form
// vector, id, k, dims, candidates, oversampling, rescore_candidates, rescore,
// exact, min_score, page_token; ErrNotFound when Query.ID is not there.
func (c *Collection) Search(ctx context.Context, q Query) (*Result, error) {
	g, release, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	p, err := g.plan(q)
	if err != nil {
		return nil, err
	}
	results, err := g.run(ctx, []*plan{p})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// BatchSearch answers several queries, all or none. Errors are as for Search, the
// fields prefixed with requests[i].
func (c *Collection) BatchSearch(ctx context.Context, queries []Query) ([]*Result, error) {
	g, release, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	plans := make([]*plan, len(queries))
	var all InvalidError
	for i, q := range queries {
		p, err := g.plan(q)
		var bad *InvalidError
		switch {
		case errors.As(err, &bad):
			for _, v := range bad.Violations {
				all.Violations = append(all.Violations, Violation{fmt.Sprintf("requests[%d].%s", i, v.Field), v.Reason})
			}
		case err != nil:
			return nil, fmt.Errorf("requests[%d]: %w", i, err)
		}
		plans[i] = p
	}
	if len(all.Violations) > 0 {
		return nil, &all
	}
	return g.run(ctx, plans)
}

// run carries plans out: S1 of all of them together, and then the rest of each.
func (g *generation) run(ctx context.Context, plans []*plan) ([]*Result, error) {
	start := time.Now()
	var jobs []*scanJob
	for _, p := range plans {
		if !p.query.Exact {
			p.code = g.codec.profile.Query(p.vector).Signs
			p.job = &scanJob{query: p.code[:code.Words(p.dims)], k: p.c1, ties: p.ties}
			jobs = append(jobs, p.job)
		}
	}
	if len(jobs) > 0 {
		if err := g.scans.run(ctx, jobs); err != nil {
			return nil, err
		}
	}
	scan := time.Since(start)
	results := make([]*Result, len(plans))
	finish := func(ctx context.Context, i int) (err error) {
		p := plans[i]
		if p.query.Exact {
			results[i], err = g.runExact(ctx, p)
		} else {
			results[i], err = g.runStages(ctx, p)
			if err == nil {
				results[i].Receipt.Scan = scan
			}
		}
		if err != nil {
			return err
		}
		r := &results[i].Receipt
		r.Dims, r.Rescore, r.Exact = p.dims, p.stage, p.query.Exact
		r.Kernel, r.ProfileFingerprint = hamming.Kernel(), g.codec.fingerprint
		r.Total = time.Since(start)
		return nil
	}
	if len(plans) == 1 {
		return results, finish(ctx, 0)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range plans {
		group.Go(func() error { return finish(ctx, i) })
	}
	return results, group.Wait()
}

// runStages is S2 and S3 for what S1 kept.
func (g *generation) runStages(ctx context.Context, p *plan) (*Result, error) {
	var receipt Receipt
	v, hits, scanned := p.job.view, p.job.hits(), p.job.query
	receipt.RowsScanned = uint64(v.rows)
	receipt.CodeBytesRead = uint64(v.rows) * uint64(8*len(scanned))
	receipt.Candidates = len(hits)

	lap := time.Now()
	compared := p.dims
	if p.stage == RescoreCodes || p.c2 < p.c1 {
		if compared = len(p.vector); len(scanned) < len(p.code) {
			for i := range hits {
				hits[i].Distance = v.distance(p.code, hits[i].Row)
			}
			receipt.CodeBytesRead += uint64(len(hits)) * uint64(8*len(p.code))
		}
		hits = topk.Nearest(hits, p.c2, p.ties)
		receipt.Refine = time.Since(lap)
	}
	receipt.RescoreCandidates = len(hits)

	lap = time.Now()
	var result *Result
	err := g.shard.View(func(r *storage.Reader) error {
		rank := newRanker(p, r)
		if p.stage == RescoreVectors {
			if err := rescore(ctx, rank, hits); err != nil {
				return err
			}
			receipt.VectorsRead = uint64(len(hits))
			receipt.VectorBytesRead = receipt.VectorsRead * uint64(4*len(p.scorer.query))
			receipt.RescoreTime = time.Since(lap)
		} else {
			for _, h := range hits {
				var norm float64
				if g.codec.keepsNorm() {
					norm = float64(v.scalar(g.codec.profile.Scalars(), h.Row))
				}
				rank.offer(h.Row, p.scorer.estimate(int(h.Distance), compared, norm))
			}
		}
		var err error
		result, err = g.answer(p, rank)
		return err
	})
	if err != nil {
		return nil, err
	}
	result.Receipt = receipt
	return result, nil
}

// rescore scores hits, whose order it changes, against their stored vectors.
func rescore(ctx context.Context, rank *ranker, hits []topk.Hit) error {
	// In the order in which they lie in the file, so that each page is read once.
	slices.SortFunc(hits, func(a, b topk.Hit) int { return int(a.Row) - int(b.Row) })
	scratch := make([]float32, len(rank.plan.scorer.query))
	for i, h := range hits {
		if i%blockRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		score, err := rank.plan.scorer.read(rank.reader, h.Row, scratch)
		if err != nil {
			return err
		}
		rank.offer(h.Row, score)
	}
	return nil
}

// answer turns the ranked rows into hits.
func (g *generation) answer(p *plan, rank *ranker) (*Result, error) {
	result := &Result{Hits: []Hit{}}
	ranked := rank.sorted()
	if rank.err != nil {
		return nil, rank.err
	}
	for _, s := range ranked {
		id, metadata, err := rank.reader.Row(uint64(s.row))
		if err != nil {
			return nil, err
		}
		if p.query.ID != "" && string(id) == p.query.ID {
			continue
		}
		if len(result.Hits) == p.query.K {
			last := result.Hits[p.query.K-1]
			result.NextPageToken = p.cursor.next(p.query, last)
			break
		}
		if err := p.query.Budget.take(g.hitBytes(p.query, id, metadata)); err != nil {
			return nil, err
		}
		record, err := g.record(rank.reader, uint64(s.row), string(id), metadata, p.query.WithVector, p.query.WithMetadata)
		if err != nil {
			return nil, err
		}
		result.Hits = append(result.Hits, Hit{ID: record.ID, Score: s.score, Vector: record.Vector, Metadata: record.Metadata})
	}
	return result, nil
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
