package index

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/hamming"
)

// Search answers one query. *InvalidError with the fields of Query in the form
// vector, id, code, k, dims, candidates, oversampling, target_recall, bound, rescore,
// exact, min_score, page_token; ErrNotFound when Query.ID is not there; ErrCodesOnly for
// what needs stored vectors where there are none.
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
	c.live.saw(p)
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
				all.Violations = append(all.Violations, Violation{Field: fmt.Sprintf("requests[%d].%s", i, v.Field), Reason: v.Reason})
			}
		case err != nil:
			return nil, fmt.Errorf("requests[%d]: %w", i, err)
		}
		plans[i] = p
	}
	if len(all.Violations) > 0 {
		return nil, &all
	}
	results, err := g.run(ctx, plans)
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		c.live.saw(p)
	}
	return results, nil
}

// run carries plans out: the pass over the codes, or the vectors, for all of them
// together, and then the rest of each.
func (g *generation) run(ctx context.Context, plans []*plan) ([]*Result, error) {
	start := time.Now()
	searches := make([]*search, len(plans))
	var jobs []*scanJob
	var exacts []*exactJob
	for i, p := range plans {
		s := &search{g: g, plan: p}
		if searches[i] = s; p.exact {
			s.exact = &exactJob{plan: p}
			exacts = append(exacts, s.exact)
		} else {
			s.begin()
			jobs = append(jobs, s.job)
		}
	}
	if len(jobs) > 0 {
		if err := g.scans.run(ctx, jobs); err != nil {
			return nil, err
		}
	}
	scan := time.Since(start)
	if len(exacts) > 0 {
		if err := g.exacts.run(ctx, exacts); err != nil {
			return nil, err
		}
	}
	read := time.Since(start) - scan
	results := make([]*Result, len(plans))
	finish := func(ctx context.Context, i int) (err error) {
		s, p := searches[i], plans[i]
		exact := s.exact != nil // from the start
		if exact {
			results[i], err = g.runExact(p, s.exact)
		} else {
			s.receipt.Scan = scan
			results[i], err = s.finish(ctx)
		}
		if err != nil {
			return err
		}
		r := &results[i].Receipt
		if exact {
			r.RescoreTime = read
		}
		r.Rescore, r.Kernel, r.ProfileFingerprint = p.stage, hamming.Kernel(), g.codec.fingerprint
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

// answer turns the ranked rows into hits.
func (g *generation) answer(p *plan, rank *ranker) (*Result, error) {
	ranked := rank.sorted()
	if rank.err != nil {
		return nil, rank.err
	}
	result := &Result{Hits: make([]Hit, 0, min(len(ranked), p.query.K))}
	var last scored // of the hits
	for _, s := range ranked {
		id, metadata, err := rank.reader.Row(uint64(s.row))
		if err != nil {
			return nil, err
		}
		if p.query.ID != "" && string(id) == p.query.ID {
			continue
		}
		if len(result.Hits) == p.query.K {
			result.NextPageToken = p.cursor.next(p.query, last.score, result.Hits[p.query.K-1].ID)
			break
		}
		if err := p.query.Budget.Take(g.hitBytes(p.query, id, metadata)); err != nil {
			return nil, err
		}
		record, err := g.record(rank.reader, uint64(s.row), string(id), metadata, ReadOptions{WithVector: p.query.WithVector, WithMetadata: p.query.WithMetadata})
		if err != nil {
			return nil, err
		}
		result.Hits = append(result.Hits, Hit{ID: record.ID, Score: floats.Finite(s.score), Vector: record.Vector, Metadata: record.Metadata})
		last = s
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
