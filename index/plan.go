package index

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/storage"
)

// maxTies is how many rows that tie with the last are ranked by id when a search
// ends at the codes; were there more, lower rows would come first.
const maxTies = 4096

// plan is a Query, checked, with its defaults filled in.
type plan struct {
	query  Query
	vector []float32 // what to search for; nil for a code
	size   int       // dimensions of the query
	scorer scorer
	dims   int // that S1, or the exact scan, looks at
	self   int // 1 when the query is a stored vector, which finds itself and is left out
	wanted int // hits to rank: this page's, those of the pages before, one to see if a page follows, and self
	c1, c2 int // that S1 and S2 keep
	ties   int
	stage  Rescore
	cursor cursor

	scanBits, refineBits int
	bound                float64        // infinite: none
	encoded              *encoder.Query // of vector; not for exact searches
	job                  *scanJob       // S1
	exact                *exactJob      // or this
}

// plan checks q and settles what its zero fields mean, and its target recall.
func (g *generation) plan(q Query, measured *storedCalibration) (*plan, error) {
	if q.K < 1 {
		return nil, invalid("k", "%d, want at least 1", q.K)
	}
	if uint64(q.K) > maxRows { // no more rows than that are given out
		return nil, invalid("k", "%d, want at most %d", q.K, uint64(maxRows))
	}
	if q.MinScore != nil && math.IsNaN(float64(*q.MinScore)) {
		return nil, invalid("min_score", "NaN, want a number")
	}
	if q.WithVector {
		if err := g.codec.needVectors("hits with their vectors"); err != nil {
			return nil, err
		}
	}
	p := &plan{query: q, stage: q.Rescore}
	if err := g.planQuery(p); err != nil {
		return nil, err
	}
	var err error
	if p.cursor, err = g.codec.parseCursor(q); err != nil {
		return nil, err
	}
	if q.TargetRecall != 0 {
		if q, err = measured.targeted(g.codec, q, p.cursor.seen); err != nil {
			return nil, err
		}
	}
	if p.dims = q.Dims; p.dims == 0 {
		p.dims = p.size
	}
	if err := g.codec.profile.CheckPrefix(p.dims); err != nil {
		return nil, invalid("dims", "%v", err)
	}
	if p.dims > p.size {
		return nil, invalid("dims", "%d, want at most the %d of the query", p.dims, p.size)
	}
	p.wanted = q.K + p.cursor.seen + 1
	if q.ID != "" {
		p.self = 1
		p.wanted++
	}
	if q.Exact {
		if q.Candidates != 0 || q.Oversampling != 0 || q.RescoreCandidates != 0 || q.RescoreOversampling != 0 || q.Rescore != RescoreAuto ||
			q.ScanBits != 0 || q.RefineBits != 0 || q.Bound != 0 {
			return nil, invalid("exact", "set together with candidates, oversampling, rescore_candidates, rescore_oversampling, rescore, scan_bits, refine_bits or bound, which it has no use for")
		}
		if err := g.codec.needVectors("exact search"); err != nil {
			return nil, err
		}
		if p.vector == nil {
			return nil, invalid("exact", "set together with code: stored vectors cannot be scored without the query's")
		}
		p.stage = RescoreVectors
		p.scorer = g.codec.scorer(p.vector[:p.dims])
		return p, nil
	}
	if p.scorer = g.codec.scorer(p.vector); p.vector == nil {
		p.scorer.norm = 1
	}
	return p, g.planStages(p, q)
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
		if err := encoder.Validate(q.Vector, len(q.Vector), g.codec.metric); err != nil {
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
	c, ladder := p.query.Code, g.codec.profile.Ladder()
	at := slices.IndexFunc(ladder, func(step int) bool { return code.Words(step) == len(c) })
	if at < 0 {
		return invalid("code", "has %d words of %d bits, want %d for %d dimensions or those of a shorter step of %v", len(c), code.WordBits,
			code.Words(g.codec.profile.Dims()), g.codec.profile.Dims(), ladder)
	}
	p.size = ladder[at]
	if err := g.codec.profile.CheckQuery(p.size); err != nil {
		return invalid("code", "%v", err)
	}
	if !code.Padded(c, p.size) {
		return invalid("code", "has bits set past dimension %d, the last", p.size-1)
	}
	return nil
}

// planStages settles in which form each stage compares, and how many rows it keeps, as
// q says.
func (g *generation) planStages(p *plan, q Query) error {
	if q.Rescore > RescoreVectors {
		return invalid("rescore", "no mode has number %d", q.Rescore)
	}
	switch {
	case p.stage == RescoreAuto && (p.vector == nil || !g.codec.keepsVectors()):
		p.stage = RescoreCodes
	case p.stage == RescoreAuto:
		p.stage = RescoreVectors
	case p.stage == RescoreVectors && p.vector == nil:
		return invalid("rescore", "%v for a code: stored vectors cannot be scored without the query's", p.stage)
	case p.stage == RescoreVectors:
		if err := g.codec.needVectors("scores from vectors"); err != nil {
			return err
		}
	}
	if err := g.planForms(p, q); err != nil {
		return err
	}
	scanIsFinal := p.stage == RescoreNone && g.codec.metric == encoder.Cosine && g.codec.profile.Kind() == encoder.Plain
	p.c1, p.c2 = p.wanted, 0
	if !scanIsFinal {
		perHit := DefaultOversampling * (q.K + p.cursor.seen)
		p.c1 = max(p.wanted, MinDefaultCandidates, min(perHit, MaxDefaultCandidates))
	}
	if q.Candidates != 0 || q.Oversampling != 0 {
		n, err := candidates("candidates", q.Candidates, "oversampling", q.Oversampling, q.K)
		if err != nil {
			return err
		}
		p.c1 = n + p.self
	}
	p.c2 = p.c1
	if q.RescoreCandidates != 0 || q.RescoreOversampling != 0 {
		n, err := candidates("rescore_candidates", q.RescoreCandidates, "rescore_oversampling", q.RescoreOversampling, q.K)
		if err != nil {
			return err
		}
		if q.RescoreCandidates > p.c1-p.self {
			return invalid("rescore_candidates", "%d, want k = %d to candidates = %d", n, q.K, p.c1-p.self)
		}
		p.c2 = min(n+p.self, p.c1)
	}
	if scanIsFinal {
		p.ties = maxTies
	}
	return nil
}

// candidates settles how many rows a stage keeps, given as a count or a multiple of k.
func candidates(field string, count int, multipleField string, multiple float64, k int) (int, error) {
	switch {
	case count != 0 && multiple != 0:
		return 0, invalid(multipleField, "set together with %s", field)
	case count != 0 && count < k:
		return 0, invalid(field, "%d, want at least k = %d", count, k)
	case count != 0:
		return min(count, math.MaxInt32), nil
	case !(multiple >= 1) || math.IsInf(multiple, 0): // not: NaN too
		return 0, invalid(multipleField, "%v, want at least 1", multiple)
	}
	return int(min(math.Ceil(multiple*float64(k)), math.MaxInt32)), nil
}

// planForms settles the bits in which the query is compared, and the bound.
func (g *generation) planForms(p *plan, q Query) error {
	p.scanBits = encoder.Planes
	if p.vector == nil {
		p.scanBits = 1
	}
	if p.scanBits = cmp.Or(q.ScanBits, p.scanBits); p.scanBits != 1 && p.scanBits != encoder.Planes {
		return invalid("scan_bits", "%d, want 1 or %d", q.ScanBits, encoder.Planes)
	}
	if p.refineBits = cmp.Or(q.RefineBits, encoder.Planes); p.refineBits != encoder.Planes && p.refineBits != 32 {
		return invalid("refine_bits", "%d, want %d or 32", q.RefineBits, encoder.Planes)
	}
	if p.bound = cmp.Or(q.Bound, DefaultBound); !(p.bound > 0) { // not: NaN too
		return invalid("bound", "%v, want more than 0", q.Bound)
	}
	if !g.codec.profile.Kind().Rotates() {
		if q.Bound != 0 && !math.IsInf(q.Bound, 1) {
			return invalid("bound", "%v under profile %v: nothing is known of the errors of a profile that does not rotate", q.Bound, g.codec.profile.Kind())
		}
		p.bound = math.Inf(1)
	}
	if p.vector == nil {
		if q.Bound != 0 && !math.IsInf(q.Bound, 1) {
			return invalid("bound", "%v for a code: nothing is known of the errors of its signs", q.Bound)
		}
		p.bound = math.Inf(1)
	}
	return nil
}
