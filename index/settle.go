package index

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/cascade"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/filter"
	"github.com/hamnest/hamnest/index/scan"
	"github.com/hamnest/hamnest/storage"
)

// settled is a request that a generation can carry out: the request as it was given, what it
// searches for, and the settings that it was resolved to.
type settled struct {
	request  Query
	filter   filter.Expr   // in canonical form
	filtered time.Duration // that it took to find the allowed rows
	subject  subject
	settings settings
	page     page
}

// subject is what is searched for.
type subject struct {
	vector  []float32 // nil for a code
	size    int       // dimensions
	encoded *encoder.Query
	scorer  scan.Scorer // unless there is no vector
}

// settings is what a request was resolved to.
type settings struct {
	exact bool
	dims  int // of the vectors, that an exact search compares
	want  scan.Want
	codes cascade.Settings // Stage holds for exact searches too
}

// settle checks q and settles what its zero fields mean.
func (g *generation) settle(q Query) (*settled, error) {
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
	s := &settled{request: q}
	var err error
	if s.filter, err = parseFilter(q.Filter); err != nil {
		return nil, err
	}
	if s.subject, err = g.subject(q); err != nil {
		return nil, err
	}
	asked := q
	asked.Filter = s.filter.String() // a page goes on however the same filter is written
	if s.page, err = g.codec.parsePage(asked); err != nil {
		return nil, err
	}
	if q.Dims != 0 && (q.Dims < 1 || q.Dims%code.WordBits != 0 && g.codec.profile.CheckQuery(q.Dims) != nil) {
		return nil, invalid("dims", "%d, want a multiple of %d or a step of the ladder %v", q.Dims, code.WordBits, g.codec.profile.Ladder())
	}
	if q.Dims > s.subject.size {
		return nil, invalid("dims", "%d, want at most the %d of the query", q.Dims, s.subject.size)
	}
	if err := g.codec.checkPrefix(q, s.subject.size); err != nil {
		return nil, err
	}
	if s.settings, err = g.resolve(q, &s.subject, s.page); err != nil {
		return nil, err
	}
	if s.subject.vector != nil {
		s.subject.scorer = scan.NewScorer(g.codec.metric, g.codec.store, s.subject.vector[:s.settings.dims])
	}
	return s, nil
}

// checkPrefix returns an error for a query of size dimensions that is shorter than the vectors
// and does not say that it is meant as a prefix: it may be of another model, whose size happens to
// be a step of a ladder that nobody has chosen.
func (c *codec) checkPrefix(q Query, size int) error {
	if size == c.profile.Dims() || q.Dims != 0 || c.state.ladderGiven() {
		return nil
	}
	field := "vector"
	if len(q.Code) > 0 {
		field = "code"
	}
	return invalid(field, "has %d dimensions, want %d; to search by a prefix of %d dimensions, set dims to %d", size, c.profile.Dims(), size, size)
}

// subject checks what to search for, and reads it when it is a stored vector.
func (g *generation) subject(q Query) (subject, error) {
	given := 0
	for _, is := range []bool{len(q.Vector) > 0, q.ID != "", len(q.Code) > 0} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return subject{}, invalid("vector", "exactly one of vector, id and code must be given")
	case len(q.Code) > 0:
		size, err := g.codeSize(q.Code)
		return subject{size: size}, err
	case q.ID != "":
		vector, err := g.vectorOf(q.ID)
		return subject{vector: vector, size: len(vector)}, err
	}
	if err := g.codec.profile.CheckQuery(len(q.Vector)); err != nil {
		return subject{}, invalid("vector", "%v", err)
	}
	if err := floats.Validate(q.Vector, len(q.Vector), g.codec.metric); err != nil {
		return subject{}, invalid("vector", "%v", err)
	}
	return subject{vector: q.Vector, size: len(q.Vector)}, nil
}

// vectorOf reads the stored vector to search for.
func (g *generation) vectorOf(id string) (vector []float32, err error) {
	if err := g.codec.needVectors("search by a stored vector"); err != nil {
		return nil, err
	}
	err = g.shard.View(func(r *storage.Reader) error {
		slot, err := r.Slot(id)
		if err != nil {
			return err
		}
		if slot == storage.NoSlot {
			return fmt.Errorf("vector %q: %w", id, ErrNotFound)
		}
		record, err := g.record(r, slot, id, nil, ReadOptions{WithVector: true})
		vector = record.Vector
		return err
	})
	return vector, err
}

// codeSize checks the code to search for, and returns how many dimensions it has.
func (g *generation) codeSize(c []uint64) (int, error) {
	if kind := g.codec.profile.Kind(); kind != encoder.Signs {
		return 0, invalid("code", "given under profile %v: only a collection of plain signs can be searched by a code", kind)
	}
	ladder := g.codec.profile.Ladder()
	at := slices.IndexFunc(ladder, func(step int) bool { return code.Words(step) == len(c) })
	if at < 0 {
		return 0, invalid("code", "has %d words of %d bits, want %d for %d dimensions or those of a shorter step of %v", len(c), code.WordBits,
			code.Words(g.codec.profile.Dims()), g.codec.profile.Dims(), ladder)
	}
	if size := ladder[at]; !code.Padded(c, size) {
		return 0, invalid("code", "has bits set past dimension %d, the last", size-1)
	}
	return ladder[at], nil
}

// resolve settles whether the search of subject goes by codes, where it ends, how many rows the
// scan keeps and when the reading of vectors ends. A search by codes gets its subject encoded.
func (g *generation) resolve(q Query, subject *subject, page page) (settings, error) {
	kind := g.codec.profile.Kind()
	if q.Rescore > RescoreVectors {
		return settings{}, invalid("rescore", "no mode has number %d", q.Rescore)
	}
	if q.Exact && (q.Candidates != 0 || q.Oversampling != 0 || q.Rescore != RescoreAuto || q.Bound != 0 || q.TargetRecall != 0) {
		return settings{}, invalid("exact", "set together with candidates, oversampling, rescore, bound or target_recall, which it has no use for")
	}
	target := q.TargetRecall
	if target == 0 {
		target = DefaultTargetRecall
	}
	if !(target > 0 && target <= 1) { // not: NaN too
		return settings{}, invalid("target_recall", "%v, want more than 0 and at most 1", q.TargetRecall)
	}
	if !(q.Bound >= 0) || math.IsInf(q.Bound, 1) { // not: NaN too
		return settings{}, invalid("bound", "%v, want a finite number above 0", q.Bound)
	}
	if q.Bound != 0 && q.TargetRecall != 0 {
		return settings{}, invalid("bound", "set together with target_recall, whose place it takes")
	}
	if kind == encoder.Signs && (q.Bound != 0 || q.TargetRecall != 0) {
		return settings{}, invalid("target_recall", "or bound, under profile %v: nothing is known of the errors of plain signs, ask for candidates", kind)
	}
	if subject.vector == nil && (q.Exact || q.Rescore == RescoreVectors) {
		return settings{}, invalid("code", "set together with exact or rescore %v: stored vectors cannot be scored without the query's", RescoreVectors)
	}
	stage := q.Rescore
	if stage == RescoreAuto {
		if stage = RescoreVectors; subject.vector == nil || !g.codec.keepsVectors() {
			stage = RescoreCodes
		}
	}
	self := 0
	if q.ID != "" { // it finds itself, and is left out
		self = 1
	}
	s := settings{
		dims: subject.size,
		want: scan.Want{K: q.K + self + 1, MinScore: q.MinScore, After: page.after}, // one more, to see if a page follows
		codes: cascade.Settings{
			Stage: stage, Spare: q.Candidates == 0 && q.Oversampling == 0, Hits: q.K + page.seen, Self: self, Target: target, Bound: q.Bound,
		},
	}
	var err error
	if s.codes.Keep, err = g.candidates(q, page.seen, self); err != nil {
		return settings{}, err
	}
	switch {
	case q.Exact, kind == encoder.Exact, stage == RescoreVectors && kind == encoder.Learned && target == 1 && q.Bound == 0:
		s.exact, s.codes.Stage = true, RescoreVectors
		if q.Exact && q.Dims != 0 {
			s.dims = q.Dims
		}
		return s, g.codec.needVectors("exact search")
	case stage == RescoreVectors:
		if err := g.codec.needVectors("scores from vectors"); err != nil {
			return settings{}, err
		}
	}
	if subject.vector == nil {
		subject.encoded = g.codec.profile.CodeQuery(q.Code, subject.size)
	} else {
		subject.encoded = g.codec.profile.Query(subject.vector)
	}
	s.codes.Blocks = g.codec.profile.ScanBlocks()
	if q.Dims != 0 {
		s.codes.Blocks = g.codec.profile.BlocksWithin(q.Dims)
	}
	if kind == encoder.Learned && !subject.encoded.Familiar(s.codes.Blocks) {
		s.codes.Blocks = g.layout.Blocks()
	}
	return s, nil
}

// In fewer rows than largeRows, to keep smallOversampling times the hits and scan again for
// one search in 200 is cheaper than to keep as many as that one needs: 38,000 rows were
// searched 1.08 times as fast as with DefaultOversampling.
const (
	largeRows         = 4 * codes.SegmentRows
	smallOversampling = 10
)

// candidates settles how many rows the scan keeps, given as a count or a multiple of k.
func (g *generation) candidates(q Query, seen, self int) (int, error) {
	oversampling := DefaultOversampling
	if g.codec.profile.Kind() == encoder.Learned && g.view.Load().Rows() < largeRows {
		oversampling = smallOversampling
	}
	n := max(MinDefaultCandidates, min(oversampling*(q.K+seen), MaxDefaultCandidates))
	switch {
	case q.Candidates != 0 && q.Oversampling != 0:
		return 0, invalid("oversampling", "set together with candidates")
	case q.Candidates != 0 && q.Candidates < q.K:
		return 0, invalid("candidates", "%d, want at least k = %d", q.Candidates, q.K)
	case q.Candidates != 0:
		n = min(q.Candidates, math.MaxInt32) + self
	case q.Oversampling != 0 && (!(q.Oversampling >= 1) || math.IsInf(q.Oversampling, 0)): // not: NaN too
		return 0, invalid("oversampling", "%v, want at least 1", q.Oversampling)
	case q.Oversampling != 0:
		n = int(min(math.Ceil(q.Oversampling*float64(q.K)), math.MaxInt32)) + self
	}
	return max(n, seen+q.K+self+1), nil
}
