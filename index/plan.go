package index

import (
	"fmt"
	"math"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/storage"
)

// maxTies is how many rows that tie with the last are ranked by id when a search
// ends at the codes; were there more, lower rows would come first.
const maxTies = 4096

// plan is a Query, checked, with its defaults filled in.
type plan struct {
	query  Query
	vector []float32 // what to search for
	scorer scorer
	dims   int // that S1, or the exact scan, looks at
	self   int // 1 when the query is a stored vector, which finds itself and is left out
	wanted int // hits to rank: this page's, those of the pages before, one to see if a page follows, and self
	c1, c2 int // that S1 and S2 keep
	ties   int
	stage  Rescore
	cursor cursor

	code []uint64 // of vector; not for exact searches
	job  *scanJob // S1
}

// plan checks q and settles what its zero fields mean.
func (g *generation) plan(q Query) (*plan, error) {
	if q.K < 1 {
		return nil, invalid("k", "%d, want at least 1", q.K)
	}
	if uint64(q.K) > maxRows { // no more rows than that are given out
		return nil, invalid("k", "%d, want at most %d", q.K, uint64(maxRows))
	}
	if q.MinScore != nil && math.IsNaN(float64(*q.MinScore)) {
		return nil, invalid("min_score", "NaN, want a number")
	}
	p := &plan{query: q, vector: q.Vector, stage: q.Rescore}
	if err := g.planVector(p); err != nil {
		return nil, err
	}
	if p.dims = q.Dims; p.dims == 0 {
		p.dims = len(p.vector)
	}
	if err := g.codec.profile.CheckPrefix(p.dims); err != nil {
		return nil, invalid("dims", "%v", err)
	}
	if p.dims > len(p.vector) {
		return nil, invalid("dims", "%d, want at most the %d of the query", p.dims, len(p.vector))
	}
	var err error
	if p.cursor, err = parseCursor(q); err != nil {
		return nil, err
	}
	p.wanted = q.K + p.cursor.seen + 1
	if q.ID != "" {
		p.self = 1
		p.wanted++
	}
	if q.Exact {
		if q.Candidates != 0 || q.Oversampling != 0 || q.RescoreCandidates != 0 || q.Rescore != RescoreAuto {
			return nil, invalid("exact", "set together with candidates, oversampling, rescore_candidates or rescore, which it has no use for")
		}
		p.stage = RescoreVectors
		p.scorer = newScorer(g.codec.metric, p.vector[:p.dims])
		return p, nil
	}
	p.scorer = newScorer(g.codec.metric, p.vector)
	return p, g.planStages(p)
}

// planVector checks what to search for, and reads it when it is a stored vector.
func (g *generation) planVector(p *plan) error {
	q := p.query
	if (len(q.Vector) == 0) == (q.ID == "") {
		return invalid("vector", "exactly one of vector and id must be given")
	}
	if q.ID == "" {
		if err := g.codec.profile.CheckQuery(len(q.Vector)); err != nil {
			return invalid("vector", "%v", err)
		}
		if err := encoder.Validate(q.Vector, len(q.Vector), g.codec.metric); err != nil {
			return invalid("vector", "%v", err)
		}
		return nil
	}
	return g.shard.View(func(r *storage.Reader) error {
		slot, err := r.Slot(q.ID)
		if err != nil {
			return err
		}
		if slot == storage.NoSlot {
			return fmt.Errorf("vector %q: %w", q.ID, ErrNotFound)
		}
		record, err := g.record(r, slot, q.ID, nil, true, false)
		p.vector = record.Vector
		return err
	})
}

// planStages settles how many rows each stage keeps.
func (g *generation) planStages(p *plan) error {
	q := p.query
	if q.Rescore > RescoreVectors {
		return invalid("rescore", "no mode has number %d", q.Rescore)
	}
	if p.stage == RescoreAuto {
		p.stage = RescoreVectors
	}
	switch {
	case q.Candidates != 0 && q.Oversampling != 0:
		return invalid("oversampling", "set together with candidates")
	case q.Candidates != 0:
		if q.Candidates < q.K {
			return invalid("candidates", "%d, want at least k = %d", q.Candidates, q.K)
		}
		p.c1 = min(q.Candidates, maxRows) + p.self
	case q.Oversampling != 0:
		if !(q.Oversampling >= 1) || math.IsInf(q.Oversampling, 0) { // not: NaN too
			return invalid("oversampling", "%v, want at least 1", q.Oversampling)
		}
		p.c1 = int(min(math.Ceil(q.Oversampling*float64(q.K)), maxRows)) + p.self
	case p.stage == RescoreNone && g.codec.metric == encoder.Cosine:
		p.c1 = p.wanted // the scan's order is final
	default:
		perHit := DefaultOversampling * (q.K + p.cursor.seen)
		p.c1 = max(p.wanted, MinDefaultCandidates, min(perHit, MaxDefaultCandidates))
	}
	p.c2 = p.c1
	if q.RescoreCandidates != 0 {
		if q.RescoreCandidates < q.K || q.RescoreCandidates > p.c1 {
			return invalid("rescore_candidates", "%d, want k = %d to candidates = %d", q.RescoreCandidates, q.K, p.c1)
		}
		p.c2 = min(q.RescoreCandidates+p.self, p.c1)
	}
	if p.stage != RescoreVectors {
		p.ties = maxTies
	}
	return nil
}
