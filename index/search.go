package index

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
	"github.com/hamnest/hamnest/storage"
)

// Search answers one query. *InvalidError with the fields of Query in the form
// vector, id, code, k, dims, scan_bits, candidates, oversampling, refine_bits,
// rescore_candidates, rescore_oversampling, bound, rescore, exact, min_score,
// page_token, target_recall; ErrNotFound when Query.ID is not there; ErrCodesOnly for what
// needs stored vectors where there are none; ErrUncalibrated for a target recall that was
// not measured.
func (c *Collection) Search(ctx context.Context, q Query) (*Result, error) {
	g, release, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	p, err := g.plan(q, c.calibrations.stored.Load())
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
		p, err := g.plan(q, c.calibrations.stored.Load())
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
	var jobs []*scanJob
	var exacts []*exactJob
	for _, p := range plans {
		if p.query.Exact {
			p.exact = &exactJob{plan: p}
			exacts = append(exacts, p.exact)
		} else {
			p.encoded = g.codec.encodeQuery(p)
			p.job = newScanJob(p)
			jobs = append(jobs, p.job)
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
		p := plans[i]
		if p.query.Exact {
			results[i], err = g.runExact(p)
		} else {
			results[i], err = g.runStages(ctx, p)
		}
		if err != nil {
			return err
		}
		r := &results[i].Receipt
		if p.query.Exact {
			r.RescoreTime = read
		} else {
			r.Scan = scan
		}
		r.Dims, r.ScanBits, r.Rescore, r.Exact = p.dims, p.scanBits, p.stage, p.query.Exact // ScanBits 0: no scan of codes
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

// newScanJob is S1 of p.
func newScanJob(p *plan) *scanJob {
	words := code.Words(p.dims)
	job := &scanJob{query: p.encoded.Signs[:words], k: p.c1, ties: p.ties}
	if p.scanBits == encoder.Planes {
		job.planes = new([encoder.Planes][]uint64)
		for j, plane := range p.encoded.Planes {
			job.planes[j] = plane[:words]
		}
	}
	return job
}

// stagesScratch is what S2 and S3 of one search need.
type stagesScratch struct {
	candidates []estimate
	refiner    refiner
	slots      []uint64
}

var stagesScratches = sync.Pool{New: func() any { return new(stagesScratch) }}

// runStages is S2 and S3 for what S1 kept.
func (g *generation) runStages(ctx context.Context, p *plan) (*Result, error) {
	v, hits := p.job.view, p.job.hits()
	receipt := Receipt{
		RowsScanned:   uint64(v.rows),
		CodeBytesRead: uint64(v.rows) * uint64(8*len(p.job.query)),
		Candidates:    len(hits),
	}
	s := stagesScratches.Get().(*stagesScratch)
	defer stagesScratches.Put(s)
	lap := time.Now()
	candidates := g.refine(p, hits, s, &receipt)
	receipt.Refine = time.Since(lap)
	receipt.RescoreCandidates = len(candidates)

	lap = time.Now()
	var result *Result
	err := g.shard.View(func(r *storage.Reader) error {
		rank := newRanker(p, r)
		if p.stage == RescoreVectors {
			if err := rescore(ctx, rank, candidates, s); err != nil {
				return err
			}
			receipt.VectorsRead = rank.read
			receipt.VectorBytesRead = receipt.VectorsRead * uint64(g.codec.store.Bytes(len(p.scorer.query)))
			if !math.IsInf(p.bound, 1) {
				receipt.Bound = p.bound
			}
			receipt.RescoreTime = time.Since(lap)
		} else {
			for _, e := range candidates {
				rank.offer(e.row, float64(e.score))
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

// refine is S2: it estimates the scores of what S1 kept and leaves the c2 that may
// score best. Where a search ends at a plain profile's scan, the scan's distances
// are the estimates; where all vectors are read anyway, none are needed. The estimates
// are s's.
func (g *generation) refine(p *plan, hits []topk.Hit, s *stagesScratch, receipt *Receipt) []estimate {
	s.candidates = slices.Grow(s.candidates[:0], len(hits))[:len(hits)]
	candidates := s.candidates
	plain := g.codec.profile.Kind() == encoder.Plain
	switch {
	case p.stage == RescoreVectors && p.c2 == p.c1 && math.IsInf(p.bound, 1):
		for i, h := range hits {
			candidates[i] = estimate{row: h.Row, deviation: math.Inf(1)}
		}
	case p.stage == RescoreNone && plain:
		cosine := p.encoded.PlainCosine(p.dims)
		for i, h := range hits {
			var norm float64
			if g.codec.keepsNorm() {
				norm = float64(p.job.view.scalar(0, h.Row))
			}
			x := angle(h.Distance, p.dims)
			if p.scanBits != 1 {
				x = cosine(h.Distance)
			}
			candidates[i] = estimate{row: h.Row, score: g.codec.scoreOfCosine(x, p.scorer.norm, norm)}
		}
	default:
		dims := p.size
		if p.stage == RescoreNone {
			dims = p.dims
		}
		r := &s.refiner
		r.reset(g.codec, p.job.view, p, dims, p.refineBits)
		defer r.release()
		for i, h := range hits {
			candidates[i] = r.estimate(h.Row)
		}
		receipt.RefineBits = p.refineBits
		receipt.CodeBytesRead += uint64(len(hits)) * uint64(8*code.Words(dims)+4*g.codec.scalars())
	}
	for i := range candidates {
		e := &candidates[i]
		if e.best = float64(e.score); !math.IsInf(p.bound, 1) {
			e.best = e.unbiased + p.bound*e.deviation
		}
	}
	if len(candidates) > p.c2 && p.ties == 0 {
		best := newBestFirst(candidates)
		candidates = best.take(p.c2)
	}
	return candidates
}

// rescoreBatch is how many vectors are read at least before the bound is looked at:
// reading them together, in the order of the file, saves more than the last few cost.
const rescoreBatch = 16

// rescore scores candidates, whose order it changes, against their stored vectors,
// until the bound says that none of the others can be a hit.
func rescore(ctx context.Context, rank *ranker, candidates []estimate, s *stagesScratch) error {
	p := rank.plan
	best, batch := bestFirst(candidates), len(candidates)
	bounded := !math.IsInf(p.bound, 1)
	if bounded {
		best, batch = newBestFirst(candidates), max(rescoreBatch, p.wanted)
	}
	for len(best) > 0 {
		if worst, full := rank.worst(); bounded && full && best[0].best < worst {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s.slots = s.slots[:0]
		for _, e := range best.take(batch) {
			s.slots = append(s.slots, uint64(e.row))
		}
		batch = rescoreBatch
		slices.Sort(s.slots) // as they lie in the file, so that each page is read once
		err := rank.reader.Vectors(s.slots, func(slot uint64, vector []byte) {
			rank.read++
			rank.offer(uint32(slot), p.scorer.stored(vector))
		})
		if err != nil {
			return err
		}
	}
	return nil
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
		if err := p.query.Budget.take(g.hitBytes(p.query, id, metadata)); err != nil {
			return nil, err
		}
		record, err := g.record(rank.reader, uint64(s.row), string(id), metadata, ReadOptions{WithVector: p.query.WithVector, WithMetadata: p.query.WithMetadata})
		if err != nil {
			return nil, err
		}
		result.Hits = append(result.Hits, Hit{ID: record.ID, Score: finite(s.score), Vector: record.Vector, Metadata: record.Metadata})
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
