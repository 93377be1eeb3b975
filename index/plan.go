package index

import (
	"fmt"
	"math"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/storage"
)

// plan is a Query, checked, with its defaults filled in.
type plan struct {
	query  Query
	vector []float32 // what to search for; nil for a code
	size   int       // dimensions of the query
	scorer scorer
	dims   int // that an exact search compares
	self   int // 1 when the query is a stored vector, which finds itself and is left out
	wanted int // hits to rank: this page's, those of the pages before, one to see if a page follows, and self
	exact  bool
	stage  Rescore
	cursor cursor

	// Of a search by codes.
	blocks int // that the scan looks at
	first  int // candidates that it keeps
	target float64
	bound  float64 // 0: target decides
}

// plan checks q and settles what its zero fields mean.
func (g *generation) plan(q Query) (*plan, error) {
	if q.K < 1 {
		return nil, invalid("k", "%d, want at least 1", q.K)
	}
	if uint64(q.K) > codes.MaxRows { // no more rows than that are given out
		return nil, invalid("k", "%d, want at most %d", q.K, uint64(codes.MaxRows))
	}
	if q.MinScore != nil && math.IsNaN(float64(*q.MinScore)) {
		return nil, invalid("min_score", "NaN, want a number")
	}
	if q.WithVector {
		if err := g.codec.needVectors("hits with their vectors"); err != nil {
			return nil, err
		}
	}
	p := &plan{query: q, stage: q.Rescore, exact: q.Exact}
	if err := g.planQuery(p); err != nil {
		return nil, err
	}
	var err error
	if p.cursor, err = g.codec.parseCursor(q); err != nil {
		return nil, err
	}
	if q.Dims != 0 && (q.Dims < 1 || q.Dims%code.WordBits != 0 && g.codec.profile.CheckQuery(q.Dims) != nil) {
		return nil, invalid("dims", "%d, want a multiple of %d or a step of the ladder %v", q.Dims, code.WordBits, g.codec.profile.Ladder())
	}
	if q.Dims > p.size {
		return nil, invalid("dims", "%d, want at most the %d of the query", q.Dims, p.size)
	}
	p.wanted = q.K + p.cursor.seen + 1
	if q.ID != "" {
		p.self = 1
		p.wanted++
	}
	if err := g.planStages(p, q); err != nil {
		return nil, err
	}
	p.dims = p.size
	if q.Exact && q.Dims != 0 {
		p.dims = q.Dims
	}
	if p.vector != nil {
		p.scorer = g.codec.scorer(p.vector[:p.dims])
	}
	return p, nil
}

// planQuery checks what to search for, and reads it when it is a stored vector.
func (g *generation) planQuery(p *plan) error {
	q := p.query
	given := 0
	for _, is := range []bool{len(q.Vector) > 0, q.ID != "", len(q.Code) > 0} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return invalid("vector", "exactly one of vector, id and code must be given")
	case len(q.Code) > 0:
		return g.planCode(p)
	case q.ID != "":
		if err := g.planID(p); err != nil {
			return err
		}
	default:
		if err := g.codec.profile.CheckQuery(len(q.Vector)); err != nil {
			return invalid("vector", "%v", err)
		}
		if err := floats.Validate(q.Vector, len(q.Vector), g.codec.metric); err != nil {
			return invalid("vector", "%v", err)
		}
		p.vector = q.Vector
	}
	p.size = len(p.vector)
	return nil
}

// planID reads the stored vector to search for.
func (g *generation) planID(p *plan) error {
	id := p.query.ID
	if err := g.codec.needVectors("search by a stored vector"); err != nil {
		return err
	}
	return g.shard.View(func(r *storage.Reader) error {
		slot, err := r.Slot(id)
		if err != nil {
			return err
		}
		if slot == storage.NoSlot {
			return fmt.Errorf("vector %q: %w", id, ErrNotFound)
		}
		record, err := g.record(r, slot, id, nil, ReadOptions{WithVector: true})
		p.vector = record.Vector
		return err
	})
}

// planCode checks the code to search for.
func (g *generation) planCode(p *plan) error {
	if kind := g.codec.profile.Kind(); kind != encoder.Signs {
		return invalid("code", "given under profile %v: only a collection of plain signs can be searched by a code", kind)
	}
	c, ladder := p.query.Code, g.codec.profile.Ladder()
	at := slices.IndexFunc(ladder, func(step int) bool { return code.Words(step) == len(c) })
	if at < 0 {
		return invalid("code", "has %d words of %d bits, want %d for %d dimensions or those of a shorter step of %v", len(c), code.WordBits,
			code.Words(g.codec.profile.Dims()), g.codec.profile.Dims(), ladder)
	}
	p.size = ladder[at]
	if !code.Padded(c, p.size) {
		return invalid("code", "has bits set past dimension %d, the last", p.size-1)
	}
	return nil
}

// planStages settles whether the search goes by codes, where it ends, how many rows the
// scan keeps and when the reading of vectors ends.
func (g *generation) planStages(p *plan, q Query) error {
	kind := g.codec.profile.Kind()
	if q.Rescore > RescoreVectors {
		return invalid("rescore", "no mode has number %d", q.Rescore)
	}
	if q.Exact && (q.Candidates != 0 || q.Oversampling != 0 || q.Rescore != RescoreAuto || q.Bound != 0 || q.TargetRecall != 0) {
		return invalid("exact", "set together with candidates, oversampling, rescore, bound or target_recall, which it has no use for")
	}
	if p.target = q.TargetRecall; p.target == 0 {
		p.target = DefaultTargetRecall
	}
	if !(p.target > 0 && p.target <= 1) { // not: NaN too
		return invalid("target_recall", "%v, want more than 0 and at most 1", q.TargetRecall)
	}
	if p.bound = q.Bound; !(p.bound >= 0) || math.IsInf(p.bound, 1) { // not: NaN too
		return invalid("bound", "%v, want a finite number above 0", q.Bound)
	}
	if q.Bound != 0 && q.TargetRecall != 0 {
		return invalid("bound", "set together with target_recall, whose place it takes")
	}
	if kind == encoder.Signs && (q.Bound != 0 || q.TargetRecall != 0) {
		return invalid("target_recall", "or bound, under profile %v: nothing is known of the errors of plain signs, ask for candidates", kind)
	}
	if p.vector == nil && (q.Exact || q.Rescore == RescoreVectors) {
		return invalid("code", "set together with exact or rescore %v: stored vectors cannot be scored without the query's", RescoreVectors)
	}
	if p.stage == RescoreAuto {
		if p.stage = RescoreVectors; p.vector == nil || !g.codec.keepsVectors() {
			p.stage = RescoreCodes
		}
	}
	var err error
	if p.first, err = g.candidates(q, p); err != nil {
		return err
	}
	switch {
	case q.Exact, kind == encoder.Exact, p.stage == RescoreVectors && kind == encoder.Learned && p.target == 1 && p.bound == 0:
		p.exact, p.stage = true, RescoreVectors
		return g.codec.needVectors("exact search")
	case p.stage == RescoreVectors:
		if err := g.codec.needVectors("scores from vectors"); err != nil {
			return err
		}
	}
	p.blocks = g.codec.profile.ScanBlocks()
	if q.Dims != 0 {
		p.blocks = g.codec.profile.BlocksWithin(q.Dims)
	}
	return nil
}

// In fewer rows than largeRows, to keep smallOversampling times the hits and scan again for
// one search in 200 is cheaper than to keep as many as that one needs: 38,000 rows were
// searched 1.08 times as fast as with DefaultOversampling.
const (
	largeRows         = 4 * codes.SegmentRows
	smallOversampling = 10
)

// candidates settles how many rows the scan keeps, given as a count or a multiple of k.
func (g *generation) candidates(q Query, p *plan) (int, error) {
	oversampling := DefaultOversampling
	if g.codec.profile.Kind() == encoder.Learned && g.view.Load().Rows() < largeRows {
		oversampling = smallOversampling
	}
	n := max(MinDefaultCandidates, min(oversampling*(q.K+p.cursor.seen), MaxDefaultCandidates))
	switch {
	case q.Candidates != 0 && q.Oversampling != 0:
		return 0, invalid("oversampling", "set together with candidates")
	case q.Candidates != 0 && q.Candidates < q.K:
		return 0, invalid("candidates", "%d, want at least k = %d", q.Candidates, q.K)
	case q.Candidates != 0:
		n = min(q.Candidates, math.MaxInt32) + p.self
	case q.Oversampling != 0 && (!(q.Oversampling >= 1) || math.IsInf(q.Oversampling, 0)): // not: NaN too
		return 0, invalid("oversampling", "%v, want at least 1", q.Oversampling)
	case q.Oversampling != 0:
		n = int(min(math.Ceil(q.Oversampling*float64(q.K)), math.MaxInt32)) + p.self
	}
	return max(n, p.wanted), nil
}
