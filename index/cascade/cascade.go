package cascade

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/scan"
	"github.com/hamnest/hamnest/index/topk"
	"github.com/hamnest/hamnest/storage"
)

// Rows is what a search looks at.
type Rows struct {
	Shard   *storage.Shard
	Profile *encoder.Profile
	Layout  *codes.Layout
	Passes  *scan.Passes
}

// Search is one search by codes under way: what its first pass kept, and how far the cascade
// from there to the stored vectors has come. Only one goroutine may use it.
type Search struct {
	rows     *Rows
	settings Settings
	query    *encoder.Query
	scorer   *scan.Scorer
	want     scan.Want
	bounds   *encoder.Scan
	job      *scan.CodeJob
	receipt  api.Receipt
}

const (
	// refineChunk is how many rows are compared by their whole codes at a time, so that
	// the memory of all is on its way while the first are compared.
	refineChunk = 16
	// readChunk is the least number of vectors read before the rule is asked again.
	readChunk = 8
	// wideShare gives the share of the vectors, one in wideShare, beyond which reading all in
	// order is cheaper than one by one.
	wideShare = 8
	// mostPasses ends a search whose floor falls again and again: the last pass keeps every
	// row.
	mostPasses = 4
)

// New prepares a search of rows for query; want is what the ranker receives. scorer reads what
// the shard has stored; it may be nil unless settings end with the vectors.
func New(rows *Rows, query *encoder.Query, scorer *scan.Scorer, settings Settings, want scan.Want) *Search {
	s := &Search{rows: rows, settings: settings, query: query, scorer: scorer, want: want}
	eps := 0.0
	if s.judged() {
		eps = settings.LargestEps(rows.Layout.Blocks())
	}
	s.bounds = query.NewScan(settings.Blocks, eps)
	s.job = s.newJob(settings.Keep)
	s.job.Spare = settings.Spare && s.judged()
	return s
}

// First is the first pass, which the caller carries out before Finish.
func (s *Search) First() *scan.CodeJob { return s.job }

// newJob is a pass for k rows.
func (s *Search) newJob(k int) *scan.CodeJob {
	query := s.rows.Layout.Query(s.bounds.Blocks, s.bounds.Offset, s.query.Magnitudes, s.bounds.A, s.bounds.B)
	return &scan.CodeJob{Query: query, Blocks: s.bounds.Blocks, Step: s.query.Step(), K: k}
}

// Receipt says what the search has done so far. Scan is the time of all passes but the first.
func (s *Search) Receipt() api.Receipt { return s.receipt }

// Finish is S2 and S3, with further passes if needed. It returns nil if it read so many vectors
// that comparing all is cheaper.
func (s *Search) Finish(ctx context.Context) (*scan.Ranker, error) {
	c := cascades.Get().(*cascade)
	defer c.release()
	c.reset(s)
	for {
		c.receive(s.job)
		if err := c.descend(ctx); err != nil {
			return nil, err
		}
		if c.readsAll() {
			return nil, nil
		}
		floor, more := c.floor()
		if !more {
			c.conclude()
			return c.rank, nil
		}
		// A row that S1 has not kept may still be among the hits.
		if s.receipt.Passes == mostPasses-1 {
			floor = float32(math.Inf(-1))
		}
		over := s.job.Scanned()
		s.job = s.newJob(int(over.View().Rows()))
		s.job.Floor, s.job.Over = &floor, over
		lap := time.Now()
		if err := s.rows.Passes.Codes(ctx, []*scan.CodeJob{s.job}); err != nil {
			return nil, err
		}
		s.receipt.Scan += time.Since(lap)
	}
}

// candidate is a row that S2 has looked at, with what is known of its score.
type candidate struct {
	row uint32
	glance
	// What S2 estimates of the score, and the deviation of its error, on the metric's scale.
	score, deviation float64
}

// cascade is the state of S2 and S3 in one search.
type cascade struct {
	s    *Search
	rank *scan.Ranker
	rule rule

	kept    int       // rows that passes have kept
	cut     float32   // rows that S1 has not kept have at most this bound
	atCut   []uint32  // kept rows with exactly this bound, ascending
	all     bool      // S1 has kept every row
	list    leastHeap // rows kept, not refined: the rank of the bound, the row
	refined leastHeap // rows refined, not read: the rank of the best possible score, the candidate

	candidates []candidate
	chunk      []topk.Hit
	reading    []candidate // by row
	slots      []uint64
	side       encoder.Row
	words      []uint64
	sums       [encoder.MaxBits]float32
}

var cascades = sync.Pool{New: func() any { return new(cascade) }}

func (c *cascade) reset(s *Search) {
	c.s, c.rank = s, scan.NewRanker(s.want)
	c.kept, c.cut, c.all = 0, float32(math.Inf(1)), false
	c.atCut, c.list, c.refined, c.candidates = c.atCut[:0], c.list[:0], c.refined[:0], c.candidates[:0]
	unit := s.query.Unit()
	inside, outside := s.bounds.Inside*unit, s.bounds.Outside*unit
	mean := glance{ahead: s.settings.LargestEps(s.rows.Layout.Blocks()) * s.bounds.Within * unit, inside: inside * inside, size: 1}
	c.rule.reset(&s.settings, s.rows.Layout.Blocks(), outside*outside, mean)
}

func (c *cascade) release() {
	c.s, c.rank = nil, nil
	if cap(c.candidates)+cap(c.list) < mostKept {
		cascades.Put(c)
	}
}

// mostKept is the most rows whose memory is used again: few searches need more.
const mostKept = 1 << 16

// judged reports whether the rule judges cuts. It does not for plain signs, whose errors are
// unknown, nor for a search that ends at the scan, which promises nothing, nor for one that
// ends at codes of which the scan sees all, which has no cut.
func (s *Search) judged() bool {
	whole := s.settings.Blocks == s.rows.Layout.Blocks()
	return s.rows.Profile.Kind() == encoder.Learned && (s.settings.Stage == api.RescoreVectors || s.settings.Stage == api.RescoreCodes && !whole)
}

// receive takes what a pass has kept.
func (c *cascade) receive(job *scan.CodeJob) {
	hits, over := job.Take(), job.Scanned()
	r := &c.s.receipt
	r.Passes++
	r.AllowedRows, r.RowsScanned = over.Len(), uint64(over.Spanned())
	r.CodeBytesRead += r.RowsScanned * uint64(c.s.rows.Layout.ScanBytes(job.Blocks))
	before := scan.RankOf(c.cut)
	worst := uint32(0) // rank
	for _, h := range hits {
		worst = max(worst, h.Distance)
		if c.kept > 0 && h.Distance <= before {
			if _, kept := slices.BinarySearch(c.atCut, h.Row); kept || h.Distance < before {
				continue
			}
		}
		c.list = append(c.list, uint64(h.Distance)<<32|uint64(h.Row))
	}
	c.kept = len(hits)
	r.Candidates = c.kept
	c.all = uint64(len(hits)) >= over.Len() || job.Floor == nil && len(hits) < job.K
	if c.cut = scan.ScoreOf(worst); job.Floor != nil {
		c.cut = *job.Floor
		c.all = c.all || math.IsInf(float64(c.cut), -1)
	}
	c.atCut = c.atCut[:0]
	for _, h := range hits {
		if scan.ScoreOf(h.Distance) == c.cut {
			c.atCut = append(c.atCut, h.Row)
		}
	}
	c.list.order()
}

// upper is the best score that a row with that bound can have.
func (c *cascade) upper(bound float32) float64 {
	return float64(bound)*c.s.query.Unit() + c.s.query.Constant() + c.rule.reach
}

// floor returns the bound above which S1 has to look again, and false if none of the rows it
// has not kept can be among the hits.
func (c *cascade) floor() (bound float32, more bool) {
	last, full := c.last()
	if c.all || !c.s.judged() || full && c.upper(c.cut) < last {
		return 0, false
	}
	if !full {
		return float32(math.Inf(-1)), true
	}
	b := (last - c.s.query.Constant() - c.rule.reach) / c.s.query.Unit()
	return math.Nextafter32(float32(b), float32(math.Inf(-1))), true
}

// last is the score that a row must reach to be among the hits.
func (c *cascade) last() (score float64, full bool) {
	score, full = c.rule.last()
	if least := c.s.want.MinScore; least != nil && float64(*least) > score {
		return float64(*least), true
	}
	return score, full
}

// descend refines and reads as long as that may matter.
func (c *cascade) descend(ctx context.Context) error {
	if c.s.settings.Stage != api.RescoreVectors {
		return c.estimateAll(ctx)
	}
	return c.s.rows.Shard.View(func(r *storage.Reader) error {
		c.rank.Reader = r
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			lap := time.Now()
			for c.refineMore() {
				c.refine(refineChunk)
			}
			c.s.receipt.Refine += time.Since(lap)
			lap = time.Now()
			more, err := c.read(r)
			c.s.receipt.RescoreTime += time.Since(lap)
			if err != nil {
				return err
			}
			if !more && !c.refineMore() || c.readsAll() {
				return nil
			}
		}
	})
}

// readsAll reports whether so many vectors were read that reading all is cheaper.
func (c *cascade) readsAll() bool {
	read, rows := c.s.receipt.VectorsRead, c.s.job.Scanned().Len()
	return c.s.judged() && c.s.settings.Stage == api.RescoreVectors && read > rows/wideShare && read > uint64(4*c.rule.k)
}

// refineMore reports whether a row that is not refined may be among the hits, or whether too
// few are refined to start reading the best.
func (c *cascade) refineMore() bool {
	if len(c.list) == 0 {
		return false
	}
	last, full := c.last()
	switch {
	case !c.s.judged():
		return true
	case !full:
		return len(c.refined) < 3*c.rule.k+refineChunk
	}
	return c.upper(c.nextBound()) >= last
}

// nextBound is the highest bound of the rows that are not refined.
func (c *cascade) nextBound() float32 { return scan.ScoreOf(uint32(c.list[0] >> 32)) }

// estimateAll offers the kept rows by the estimates of the stage at which the search ends.
func (c *cascade) estimateAll(ctx context.Context) error {
	lap := time.Now()
	for len(c.list) > 0 {
		if last, full := c.last(); full && c.s.judged() && c.upper(c.nextBound()) < last {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		c.refine(refineChunk)
		err := c.s.rows.Shard.View(func(r *storage.Reader) error { // for ids, where scores tie
			c.rank.Reader = r
			for _, x := range c.candidates {
				c.rank.Offer(x.row, x.score)
				c.rule.saw(scoredHit{x.score, 0, x.glance})
			}
			return nil
		})
		if err != nil {
			return err
		}
		c.refined, c.candidates = c.refined[:0], c.candidates[:0]
		c.rule.settle()
	}
	c.s.receipt.Refine += time.Since(lap)
	return nil
}

// refine compares the next n rows of the list by their whole codes.
func (c *cascade) refine(n int) {
	l, v := c.s.rows.Layout, c.s.job.Scanned().View()
	c.chunk = c.chunk[:0]
	for len(c.chunk) < n && len(c.list) > 0 {
		next := c.list.pop()
		h := topk.Hit{Row: uint32(next), Distance: uint32(next >> 32)}
		c.chunk = append(c.chunk, h)
		v.Prefetch(h.Row, c.s.bounds.Blocks)
	}
	c.s.receipt.Refined += len(c.chunk)
	scanned, whole := c.s.bounds.Blocks, l.Blocks()
	compared := scanned // blocks whose products the scan has already made
	if c.s.judged() && c.s.settings.Stage == api.RescoreCodes {
		compared = 0 // those were rounded with eps in them, and scores must not have eps
	}
	c.s.receipt.CodeBytesRead += uint64(len(c.chunk)) * uint64(l.ScanBytes(whole)-l.ScanBytes(compared))
	last, full := c.last()
	for _, h := range c.chunk {
		v.Side(&c.side, h.Row, c.s.job.Step)
		head := c.s.bounds.Head(scan.ScoreOf(h.Distance), &c.side)
		x := candidate{row: h.Row}
		x.first, x.inside = c.s.bounds.Estimate(head, &c.side)
		x.ahead, x.size = c.s.bounds.Ahead(&c.side), c.s.bounds.Size(&c.side)
		if c.s.settings.Stage == api.RescoreNone {
			x.score = x.first
		} else {
			var rest float64
			for b := compared; b < whole; b++ {
				rest += c.rest(v, b, h.Row)
			}
			if compared == 0 {
				head = 0
			}
			x.score, x.deviation = c.s.query.Estimate(compared, head, rest, &c.side)
		}
		best := x.score + c.rule.largest*x.deviation
		if full && best < last && c.s.judged() {
			continue
		}
		c.refined.push(uint64(scan.RankOf(floats.Finite(best)))<<32 | uint64(len(c.candidates)))
		c.candidates = append(c.candidates, x)
	}
}

// rest is what block b, which the scan did not look at, adds to the product of a row.
func (c *cascade) rest(v *codes.View, b int, row uint32) float64 {
	floats, width := c.s.query.Floats(b), c.s.rows.Layout.PlaneWords(b)
	c.words = v.Code(c.words[:0], row, b)
	planes := len(c.words) / width
	for j := range planes {
		c.sums[j] = hamming.SumSet(floats, c.words[j*width:(j+1)*width])
	}
	return c.s.query.Rest(b, c.side.Factors[b], c.sums[:planes])
}

// read scores the best refined rows against the stored vectors. It returns false if none of
// them is worth reading.
func (c *cascade) read(r *storage.Reader) (more bool, err error) {
	last, full := c.last()
	n := readChunk
	if !full {
		n = c.rule.k + readChunk/2
	}
	n = max(n, c.rule.k/4)
	if !c.s.judged() {
		n = len(c.refined)
	}
	c.slots, c.reading = c.slots[:0], c.reading[:0]
	for len(c.reading) < n && len(c.refined) > 0 {
		x := c.candidates[uint32(c.refined[0])]
		if full && c.s.judged() && x.score+c.rule.largest*x.deviation < last {
			break // nor can any that follow
		}
		c.refined.pop()
		if full && c.s.judged() && x.score+c.rule.eps*x.deviation < last {
			continue
		}
		c.reading = append(c.reading, x)
	}
	if len(c.reading) == 0 {
		return false, nil
	}
	// As they lie in the file, so that each page is read once.
	slices.SortFunc(c.reading, func(a, b candidate) int { return cmp.Compare(a.row, b.row) })
	for _, x := range c.reading {
		c.slots = append(c.slots, uint64(x.row))
	}
	at := 0
	err = r.Vectors(c.slots, func(_ uint64, vector []byte) {
		x := &c.reading[at]
		at++
		score := c.s.scorer.Stored(vector)
		c.rank.Offer(x.row, score)
		c.rule.saw(scoredHit{float64(score), x.deviation, x.glance})
	})
	c.s.receipt.VectorsRead += uint64(len(c.slots))
	c.rule.settle()
	return true, err
}

// conclude enters in the receipt what was promised and what can be expected.
func (c *cascade) conclude() {
	s := c.s
	r := &s.receipt
	if !s.judged() || s.settings.Stage != api.RescoreVectors { // what codes alone miss is unknown
		return
	}
	if s.settings.Bound > 0 {
		r.Bound = s.settings.Bound
	} else {
		r.TargetRecall = s.settings.Target
	}
	r.ExpectedRecall = c.rule.expected(&s.settings, s.rows.Layout.Blocks(), c.all && len(c.list) == 0 && len(c.refined) == 0)
}
