package measure

import (
	"context"
	"slices"
	"time"

	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/index/scan"
)

// targets are tried with whole vectors; prefixes are tried with api.DefaultTargetRecall.
var targets = []float64{.9, .95, .99, api.DefaultTargetRecall}

// Collection is a collection as it is now, to be measured.
type Collection struct {
	// Ladder and Metric are the collection's.
	Ladder []int
	Metric floats.Metric
	// Promises says whether a target recall means something.
	Promises bool
	// SayDims says that a query that is a prefix must set Dims.
	SayDims bool
	// Search answers queries, all together.
	Search func(ctx context.Context, queries []api.Query) ([]*api.Result, error)
}

// Settings searches for vectors, each of the collection's dims, in every way worth trying, with
// k hits. It computes the exact answers at each step of the ladder.
func (c *Collection) Settings(ctx context.Context, vectors [][]float32, k int) ([]api.Setting, error) {
	queries := make([]api.Query, len(vectors))
	for i, v := range vectors {
		queries[i] = api.Query{Vector: v, K: k}
	}
	whole, err := c.exactly(ctx, queries)
	if err != nil {
		return nil, err
	}
	var settings []api.Setting
	full := c.Ladder[len(c.Ladder)-1]
	for _, dims := range c.Ladder {
		cut, kept := make([]api.Query, 0, len(queries)), make([]*api.Result, 0, len(queries))
		for i, q := range queries {
			if q.Vector = q.Vector[:dims]; dims < full && c.SayDims {
				q.Dims = dims
			}
			if floats.Validate(q.Vector, dims, c.Metric) == nil { // a prefix may be zero
				cut, kept = append(cut, q), append(kept, whole[i])
			}
		}
		right, tried := whole, targets
		if dims < full {
			tried = []float64{api.DefaultTargetRecall}
			if right, err = c.exactly(ctx, cut); err != nil {
				return nil, err
			}
		}
		if !c.Promises {
			tried = []float64{0}
		}
		for _, target := range tried {
			s := api.Setting{Dims: dims, TargetRecall: target}
			if err := c.try(ctx, &s, cut, kept, right); err != nil {
				return nil, err
			}
			settings = append(settings, s)
		}
	}
	return settings, nil
}

// try searches for queries one at a time. whole and right are the exact answers for the
// whole vectors and for the queries as they are.
func (c *Collection) try(ctx context.Context, s *api.Setting, queries []api.Query, whole, right []*api.Result) error {
	n := float64(len(queries))
	for i, q := range queries {
		q.TargetRecall = s.TargetRecall
		start := time.Now()
		results, err := c.Search(ctx, []api.Query{q})
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
	if s.Dims == c.Ladder[len(c.Ladder)-1] {
		s.Recall = s.PrefixRecall
	}
	return nil
}

// exactly answers queries exactly, many together.
func (c *Collection) exactly(ctx context.Context, queries []api.Query) ([]*api.Result, error) {
	answers := make([]*api.Result, 0, len(queries))
	for part := range slices.Chunk(queries, scan.MaxPassJobs) {
		exact := slices.Clone(part)
		for i := range exact {
			exact[i].Exact = true
		}
		results, err := c.Search(ctx, exact)
		if err != nil {
			return nil, err
		}
		answers = append(answers, results...)
	}
	return answers, nil
}

// recallOf is the share of the right hits that are among hits. A hit that ties with the last
// right one is right too.
func recallOf(hits, right []api.Hit) float64 {
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
func sameIDs(hits, right []api.Hit) float64 {
	if len(right) == 0 {
		return 1
	}
	found := 0
	for _, r := range right {
		if slices.ContainsFunc(hits, func(h api.Hit) bool { return h.ID == r.ID }) {
			found++
		}
	}
	return float64(found) / float64(len(right))
}
