package index

import (
	"cmp"
	"context"

	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/scan"
)

// learnFrom learns from an answered search, if it was by codes and for whole vectors.
func (c *Collection) learnFrom(s *settled, result *Result) {
	q := s.request
	if result.Receipt.Exact || len(q.Vector) == 0 || s.subject.size != c.dims() {
		return
	}
	c.live.Saw(q, s.settings.codes.Stage == RescoreVectors && q.MinScore == nil && s.page.seen == 0)
}

// searchAgain answers q again, by codes and exactly, on the rows of one view.
func (c *Collection) searchAgain(ctx context.Context, q Query) (found, right []Hit, target float64, err error) {
	err = c.use(ctx, func(ctx context.Context, g *generation) error {
		over, err := g.where(ctx, q.Filter)
		if err != nil {
			return err
		}
		exact, err := g.searchOver(ctx, over, Query{Vector: q.Vector, K: q.K, Filter: q.Filter, Exact: true})
		if err != nil {
			return err
		}
		byCodes, err := g.searchOver(ctx, over, q)
		if err != nil {
			return err
		}
		if g.codec.promises() {
			target = cmp.Or(q.TargetRecall, DefaultTargetRecall)
		}
		found, right = byCodes.Hits, exact.Hits
		return nil
	})
	return found, right, target, err
}

// searchOver answers one query over a set of rows, on one thread.
func (g *generation) searchOver(ctx context.Context, over *codes.Set, q Query) (*Result, error) {
	s, err := g.settle(q)
	if err != nil {
		return nil, err
	}
	r := g.begin(s, over)
	switch {
	case r.cascade != nil:
		scan.Codes(ctx, over, []*scan.CodeJob{r.cascade.First()}, 1)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return r.finish(ctx)
	case r.vectors == nil:
		return r.gather(ctx)
	}
	scan.Vectors(ctx, g.shard, over, []*scan.VectorJob{r.vectors}, 1)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.answerAll(Receipt{})
}

func (c *Collection) cannotCheck(err error) {
	c.log.Warn("live recall cannot be checked", "collection", c.entry.Load().Name, "error", err)
}
