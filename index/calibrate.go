package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/storage"
)

// calibrationTargets are what is tried with whole vectors, and DefaultTargetRecall with
// prefixes.
var calibrationTargets = []float64{.9, .95, .99, DefaultTargetRecall}

// Calibrate measures what searches for the queries find and cost, at every step of the
// ladder and for several target recalls. It computes the exact answers by passes over the
// stored vectors, at each step; searches and writes go on meanwhile.
//
// ErrCalibrating when a calibration is under way, ErrCodesOnly when there are no vectors
// to compute exact answers from, ErrEmpty when the collection is empty; *InvalidError with
// fields queries[i], sample, live, k.
func (c *Collection) Calibrate(ctx context.Context, opts CalibrateOptions) (*Calibration, error) {
	g, release, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := checkCalibration(&opts, g.codec); err != nil {
		return nil, err
	}
	if err := g.codec.needVectors("calibration"); err != nil {
		return nil, err
	}
	if !c.measuring.CompareAndSwap(false, true) {
		return nil, ErrCalibrating
	}
	defer c.measuring.Store(false)
	view := g.view.Load()
	if view.Present().Len() == 0 {
		return nil, ErrEmpty
	}
	result := &Calibration{
		Rows: view.Present().Len(), Source: SourceGiven, K: cmp.Or(opts.K, DefaultCalibrationK),
		Profile: g.codec.profile.Kind(), Fingerprint: g.codec.fingerprint, Kernel: hamming.Kernel(),
	}
	vectors := opts.Queries
	switch {
	case opts.Live:
		result.Source = SourceLive
		vectors, err = c.live.recent(g.codec.profile.Dims())
	case len(vectors) == 0:
		result.Source = SourceStored
		vectors, err = g.vectors(ctx, view.Present().Spread(cmp.Or(opts.Sample, DefaultCalibrationQueries)))
	}
	if err != nil {
		return nil, err
	}
	result.Queries = len(vectors)
	queries := make([]Query, len(vectors))
	for i, v := range vectors {
		queries[i] = Query{Vector: v, K: result.K}
	}
	result.Settings, err = g.measure(ctx, queries)
	return result, err
}

// checkCalibration returns what of o is malformed for a collection of codec c.
func checkCalibration(o *CalibrateOptions, c *codec) error {
	var e InvalidError
	add := func(field, format string, args ...any) {
		e.Violations = append(e.Violations, Violation{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	for i, q := range o.Queries {
		if err := floats.Validate(q, c.profile.Dims(), c.metric); err != nil {
			add(fmt.Sprintf("queries[%d]", i), "%v", err)
		}
	}
	if o.Sample < 0 {
		add("sample", "%d, want at least 1", o.Sample)
	}
	if o.Sample != 0 && len(o.Queries) > 0 {
		add("sample", "set together with queries")
	}
	if o.Live && (o.Sample != 0 || len(o.Queries) > 0) {
		add("live", "set together with queries or sample")
	}
	if o.K < 0 || o.K > MaxCalibrationK {
		add("k", "%d, want 1 to %d", o.K, MaxCalibrationK)
	}
	if len(e.Violations) > 0 {
		return &e
	}
	return nil
}

// vectors reads the stored vectors of rows.
func (g *generation) vectors(ctx context.Context, rows []uint32) ([][]float32, error) {
	vectors := make([][]float32, 0, len(rows))
	for part := range slices.Chunk(rows, exactRows) {
		err := g.shard.View(func(r *storage.Reader) error {
			for _, row := range part {
				stored, err := r.Vector(uint64(row))
				if err != nil {
					return err
				}
				v := make([]float32, g.codec.profile.Dims())
				g.codec.decode(v, stored)
				vectors = append(vectors, v)
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return vectors, nil
}

// measure searches for queries in every way.
func (g *generation) measure(ctx context.Context, queries []Query) ([]Setting, error) {
	whole, err := g.exactAnswers(ctx, queries)
	if err != nil {
		return nil, err
	}
	var settings []Setting
	for _, dims := range g.codec.profile.Ladder() {
		cut, kept := make([]Query, 0, len(queries)), make([]*Result, 0, len(queries))
		for i, q := range queries {
			q.Vector = q.Vector[:dims]
			if floats.Validate(q.Vector, dims, g.codec.metric) == nil { // a prefix may be zero
				cut, kept = append(cut, q), append(kept, whole[i])
			}
		}
		right, targets := whole, calibrationTargets
		if dims < g.codec.profile.Dims() {
			targets = []float64{DefaultTargetRecall}
			if right, err = g.exactAnswers(ctx, cut); err != nil {
				return nil, err
			}
		}
		if g.codec.profile.Kind() == encoder.Signs { // nothing is known of its errors
			targets = []float64{0}
		}
		for _, target := range targets {
			s := Setting{Dims: dims, TargetRecall: target}
			if err := g.try(ctx, &s, cut, kept, right); err != nil {
				return nil, err
			}
			settings = append(settings, s)
		}
	}
	return settings, nil
}

// try searches for queries one at a time. whole and right are the exact answers for the
// whole vectors and for the queries as they are.
func (g *generation) try(ctx context.Context, s *Setting, queries []Query, whole, right []*Result) error {
	n := float64(len(queries))
	for i, q := range queries {
		q.TargetRecall = s.TargetRecall
		p, err := g.plan(q)
		if err != nil {
			return err
		}
		start := time.Now()
		results, err := g.run(ctx, []*plan{p})
		if err != nil {
			return err
		}
		s.Microseconds += float64(time.Since(start).Nanoseconds()) / 1000 / n
		r := results[0]
		s.PrefixRecall += recallOf(r.Hits, right[i].Hits) / n
		s.Recall += sameIDs(r.Hits, whole[i].Hits) / n
		s.VectorsRead += float64(r.Receipt.VectorsRead) / n
		s.Bytes += float64(r.Receipt.CodeBytesRead+r.Receipt.VectorBytesRead) / n
	}
	if s.Dims == g.codec.profile.Dims() {
		s.Recall = s.PrefixRecall
	}
	return nil
}

// exactAnswers answers queries exactly, many together.
func (g *generation) exactAnswers(ctx context.Context, queries []Query) ([]*Result, error) {
	answers := make([]*Result, 0, len(queries))
	for part := range slices.Chunk(queries, maxPassJobs) {
		plans := make([]*plan, len(part))
		for i, q := range part {
			q.Exact = true
			p, err := g.plan(q)
			if err != nil {
				return nil, err
			}
			plans[i] = p
		}
		results, err := g.run(ctx, plans)
		if err != nil {
			return nil, err
		}
		answers = append(answers, results...)
	}
	return answers, nil
}

// recallOf is the share of the right hits that are among hits: one that scores as the last
// of the right ones does is right.
func recallOf(hits, right []Hit) float64 {
	if len(right) == 0 {
		return 1
	}
	last, found := right[len(right)-1].Score, 0
	for _, h := range hits {
		if h.Score >= last {
			found++
		}
	}
	return float64(min(found, len(right))) / float64(len(right))
}

// sameIDs is the share of the right hits whose ids are among hits.
func sameIDs(hits, right []Hit) float64 {
	if len(right) == 0 {
		return 1
	}
	found := 0
	for _, r := range right {
		if slices.ContainsFunc(hits, func(h Hit) bool { return h.ID == r.ID }) {
			found++
		}
	}
	return float64(found) / float64(len(right))
}
