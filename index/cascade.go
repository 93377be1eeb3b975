package index

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
	"github.com/hamnest/hamnest/storage"
)

// search is one search by codes under way: what its first pass kept, and how far the
// cascade from there to the stored vectors has come.
//
//   - S1, the scan, ranks all rows by the upper bound of their scores and keeps some.
//   - S2 compares those with the query by their whole codes, in the order of the bound.
//   - S3 reads vectors in the order of the bound that the whole codes give.
//
// Each cut, that of the scan's blocks and that of the codes, is judged by the same rule
// (rule.go): S2 and S3 go on while a row beyond could still be among the hits, and when S1
// has not kept enough, a second pass collects what could.
type search struct {
	g       *generation
	plan    *plan
	exact   *exactJob // instead of all that follows
	encoded *encoder.Query
	scan    *encoder.Scan
	job     *scanJob
	receipt Receipt
}

const (
	// refineChunk is how many rows are compared by their whole codes at a time, so that
	// the memory of all is on its way while the first are compared.
	refineChunk = 16
	// readChunk is how many vectors are read at least before the rule is asked again.
	readChunk = 8
	// wideShare is the share of the vectors that are read one by one: to read all in order
	// is cheaper than more.
	wideShare = 8
	// mostPasses ends a search whose floor falls again and again: the last pass brings all.
	mostPasses = 4
)

// begin prepares S1.
func (s *search) begin() {
	p, profile := s.plan, s.g.codec.profile
	eps := 0.0
	if p.vector == nil {
		s.encoded = profile.CodeQuery(p.query.Code, p.size)
	} else {
		s.encoded = profile.Query(p.vector)
	}
	if s.g.codec.profile.Kind() == encoder.Learned && !s.encoded.Familiar(p.blocks) {
		p.blocks = s.g.layout.Blocks()
	}
	if s.judged() {
		eps = p.largestEps(s.g.layout.Blocks())
	}
	s.scan = s.encoded.NewScan(p.blocks, eps)
	s.job = s.newJob(p.first)
	s.job.spare = s.judged() && p.query.Candidates == 0 && p.query.Oversampling == 0
}

// newJob is a pass for k rows.
func (s *search) newJob(k int) *scanJob {
	query := s.g.layout.Query(s.scan.Blocks, s.scan.Offset, s.encoded.Magnitudes, s.scan.A, s.scan.B)
	return &scanJob{query: query, blocks: s.scan.Blocks, step: s.encoded.Step(), k: k}
}

// finish is S2 and S3, with further passes where they are needed.
func (s *search) finish(ctx context.Context) (*Result, error) {
	s.receipt.Dims = min(s.g.codec.profile.BlockDims(s.scan.Blocks), s.plan.size)
	c := cascades.Get().(*cascade)
	defer c.release()
	c.reset(s)
	for {
		c.receive(s.job)
		if err := c.descend(ctx); err != nil {
			return nil, err
		}
		if c.readsAll() {
			return s.fallBack(ctx)
		}
		floor, more := c.floor()
		if !more {
			return c.answer()
		}
		// A row that S1 has not kept may still be among the hits.
		if s.receipt.Passes == mostPasses-1 {
			floor = float32(math.Inf(-1))
		}
		view := s.job.view
		s.job = s.newJob(int(view.Rows()))
		s.job.floor, s.job.on = &floor, view
		lap := time.Now()
		if err := s.g.scans.run(ctx, []*scanJob{s.job}); err != nil {
			return nil, err
		}
		s.receipt.Scan += time.Since(lap)
	}
}

// fallBack answers exactly.
func (s *search) fallBack(ctx context.Context) (*Result, error) {
	s.plan.exact, s.exact = true, &exactJob{plan: s.plan}
	before := s.receipt
	if err := s.g.exacts.run(ctx, []*exactJob{s.exact}); err != nil {
		return nil, err
	}
	result, err := s.g.runExact(s.plan, s.exact)
	if err == nil {
		r := &result.Receipt
		r.Passes, r.Candidates, r.Refined, r.CodeBytesRead, r.Scan = before.Passes, before.Candidates, before.Refined, before.CodeBytesRead, before.Scan
		r.VectorsRead += before.VectorsRead
		r.VectorBytesRead = r.VectorsRead * uint64(s.g.codec.store.Bytes(s.plan.dims))
	}
	return result, err
}

// candidate is a row that S2 has looked at, and what is known of its score.
type candidate struct {
	row uint32
	glance
	// What S2 estimates of the score, and the deviation of its error, on the metric's scale.
	score, deviation float64
}

// cascade is what S2 and S3 of one search need.
type cascade struct {
	s    *search
	rank *ranker
	rule rule

	kept    int       // rows that passes have brought
	cut     float32   // rows that S1 has not kept have a bound of at most that
	atCut   []uint32  // rows kept that have just that, ascending
	all     bool      // S1 has kept every row
	list    leastHeap // rows kept, not refined: the rank of the bound, the row
	refined leastHeap // rows refined, not read: the rank of the best score possible, the candidate

	candidates []candidate
	chunk      []topk.Hit
	reading    []candidate // by row
	slots      []uint64
	side       encoder.Row
	words      []uint64
	sums       [encoder.MaxBits]float32
}

var cascades = sync.Pool{New: func() any { return new(cascade) }}

func (c *cascade) reset(s *search) {
	c.s, c.rank = s, newRanker(s.plan, nil)
	c.kept, c.cut, c.all = 0, float32(math.Inf(1)), false
	c.atCut, c.list, c.refined, c.candidates = c.atCut[:0], c.list[:0], c.refined[:0], c.candidates[:0]
	unit := s.encoded.Unit()
	inside, outside := s.scan.Inside*unit, s.scan.Outside*unit
	mean := glance{ahead: s.plan.largestEps(s.g.layout.Blocks()) * s.scan.Within * unit, inside: inside * inside, size: 1}
	c.rule.reset(s.plan, s.g.layout.Blocks(), outside*outside, mean)
}

func (c *cascade) release() {
	c.s, c.rank = nil, nil
	if cap(c.candidates)+cap(c.list) < mostKept {
		cascades.Put(c)
	}
}

// mostKept is how many rows' memory is used again: few searches need more.
const mostKept = 1 << 16

// judged reports whether cuts are judged by the rule: nothing is known of the errors of
// plain signs, nothing is promised of a search that ends at the scan, and one that ends at
// codes of which the scan sees all has no cut.
func (s *search) judged() bool {
	whole := s.plan.blocks == s.g.layout.Blocks()
	return s.g.codec.profile.Kind() == encoder.Learned && (s.plan.stage == RescoreVectors || s.plan.stage == RescoreCodes && !whole)
}

// receive takes over what a pass has kept.
func (c *cascade) receive(job *scanJob) {
	hits := job.hits()
	r := &c.s.receipt
	r.Passes++
	r.RowsScanned = uint64(job.view.Rows())
	r.CodeBytesRead += uint64(job.view.Rows()) * uint64(c.s.g.layout.ScanBytes(job.blocks))
	before := rankOf(c.cut)
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
	c.all = uint64(len(hits)) >= job.view.Present().Len() || job.floor == nil && len(hits) < job.k
	if c.cut = scoreOf(worst); job.floor != nil {
		c.cut = *job.floor
		c.all = c.all || math.IsInf(float64(c.cut), -1)
	}
	c.atCut = c.atCut[:0]
	for _, h := range hits {
		if scoreOf(h.Distance) == c.cut {
			c.atCut = append(c.atCut, h.Row)
		}
	}
	c.list.order()
}

// upper is the best score that a row with that bound may have.
func (c *cascade) upper(bound float32) float64 {
	return float64(bound)*c.s.encoded.Unit() + c.s.encoded.Constant() + c.rule.reach
}

// floor returns the bound above which S1 has to look again, and false when nothing that it
// has not kept can be among the hits.
func (c *cascade) floor() (bound float32, more bool) {
	last, full := c.last()
	if c.all || !c.s.judged() || full && c.upper(c.cut) < last {
		return 0, false
	}
	if !full {
		return float32(math.Inf(-1)), true
	}
	b := (last - c.s.encoded.Constant() - c.rule.reach) / c.s.encoded.Unit()
	return math.Nextafter32(float32(b), float32(math.Inf(-1))), true
}

// last is the score that a row must reach to be among the hits.
func (c *cascade) last() (score float64, full bool) {
	score, full = c.rule.last()
	if least := c.s.plan.query.MinScore; least != nil && float64(*least) > score {
		return float64(*least), true
	}
	return score, full
}

// descend refines and reads as long as it may matter.
func (c *cascade) descend(ctx context.Context) error {
	p := c.s.plan
	if p.stage != RescoreVectors {
		return c.estimateAll(ctx)
	}
	return c.s.g.shard.View(func(r *storage.Reader) error {
		c.rank.reader = r
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

// readsAll reports whether so many vectors had to be read that it is better to read all.
func (c *cascade) readsAll() bool {
	read, rows := c.s.receipt.VectorsRead, uint64(c.s.job.view.Rows())
	return c.s.judged() && c.s.plan.stage == RescoreVectors && read > rows/wideShare && read > uint64(4*c.rule.k)
}

// refineMore reports whether a row that is not refined may be among the hits, or too few
// are refined to begin to read the best.
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
func (c *cascade) nextBound() float32 { return scoreOf(uint32(c.list[0] >> 32)) }

// estimateAll offers what was kept by the estimates of the stage at which the search ends.
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
		err := c.s.g.shard.View(func(r *storage.Reader) error { // for ids, where scores tie
			c.rank.reader = r
			for _, x := range c.candidates {
				c.rank.offer(x.row, x.score)
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
	l, v := c.s.g.layout, c.s.job.view
	c.chunk = c.chunk[:0]
	for len(c.chunk) < n && len(c.list) > 0 {
		next := c.list.pop()
		h := topk.Hit{Row: uint32(next), Distance: uint32(next >> 32)}
		c.chunk = append(c.chunk, h)
		v.Prefetch(h.Row, c.s.scan.Blocks)
	}
	c.s.receipt.Refined += len(c.chunk)
	scanned, whole := c.s.scan.Blocks, l.Blocks()
	compared := scanned // blocks of which the scan's products do
	if c.s.judged() && c.s.plan.stage == RescoreCodes {
		compared = 0 // those have been rounded with eps in them, and these are the scores
	}
	c.s.receipt.CodeBytesRead += uint64(len(c.chunk)) * uint64(l.ScanBytes(whole)-l.ScanBytes(compared))
	last, full := c.last()
	for _, h := range c.chunk {
		v.Side(&c.side, h.Row, c.s.job.step)
		head := c.s.scan.Head(scoreOf(h.Distance), &c.side)
		x := candidate{row: h.Row}
		x.first, x.inside = c.s.scan.Estimate(head, &c.side)
		x.ahead, x.size = c.s.scan.Ahead(&c.side), c.s.scan.Size(&c.side)
		if c.s.plan.stage == RescoreNone {
			x.score = x.first
		} else {
			var rest float64
			for b := compared; b < whole; b++ {
				rest += c.rest(v, b, h.Row)
			}
			if compared == 0 {
				head = 0
			}
			x.score, x.deviation = c.s.encoded.Estimate(compared, head, rest, &c.side)
		}
		best := x.score + c.rule.largest*x.deviation
		if full && best < last && c.s.judged() {
			continue
		}
		c.refined.push(uint64(rankOf(floats.Finite(best)))<<32 | uint64(len(c.candidates)))
		c.candidates = append(c.candidates, x)
	}
}

// rest is what block b, which the scan has not looked at, adds to the product of a row.
func (c *cascade) rest(v *codes.View, b int, row uint32) float64 {
	floats, width := c.s.encoded.Floats(b), c.s.g.layout.PlaneWords(b)
	c.words = v.Code(c.words[:0], row, b)
	planes := len(c.words) / width
	for j := range planes {
		c.sums[j] = hamming.SumSet(floats, c.words[j*width:(j+1)*width])
	}
	return c.s.encoded.Rest(b, c.side.Factors[b], c.sums[:planes])
}

// read scores the best of what is refined against the stored vectors. It returns false when
// none of those is worth it.
func (c *cascade) read(r *storage.Reader) (more bool, err error) {
	p := c.s.plan
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
		score := p.scorer.stored(vector)
		c.rank.offer(x.row, score)
		c.rule.saw(scoredHit{float64(score), x.deviation, x.glance})
	})
	c.s.receipt.VectorsRead += uint64(len(c.slots))
	c.rule.settle()
	return true, err
}

// answer turns what was found into hits.
func (c *cascade) answer() (*Result, error) {
	s := c.s
	r := &s.receipt
	r.VectorBytesRead = r.VectorsRead * uint64(s.g.codec.store.Bytes(s.plan.dims))
	if c.s.judged() && s.plan.stage == RescoreVectors { // what codes alone miss is not known
		if s.plan.bound > 0 {
			r.Bound = s.plan.bound
		} else {
			r.TargetRecall = s.plan.target
		}
		r.ExpectedRecall = c.rule.expected(s.plan, s.g.layout.Blocks(), c.all && len(c.list) == 0 && len(c.refined) == 0)
	}
	var result *Result
	err := s.g.shard.View(func(reader *storage.Reader) error {
		c.rank.reader = reader
		var err error
		result, err = s.g.answer(s.plan, c.rank)
		return err
	})
	if err != nil {
		return nil, err
	}
	result.Receipt = *r
	return result, nil
}

// leastHeap hands out the least of many numbers where few are wanted: none is less than its
// parent, that of i being at (i-1)/2.
type leastHeap []uint64

// order makes a heap of numbers in any order.
func (h leastHeap) order() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h *leastHeap) push(x uint64) {
	*h = append(*h, x)
	all := *h
	for i := len(all) - 1; i > 0; {
		parent := (i - 1) / 2
		if all[parent] <= all[i] {
			return
		}
		all[i], all[parent] = all[parent], all[i]
		i = parent
	}
}

// pop takes the least out, of at least one.
func (h *leastHeap) pop() uint64 {
	all := *h
	least, last := all[0], len(all)-1
	all[0] = all[last]
	*h = all[:last]
	(*h).down(0)
	return least
}

func (h leastHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && h[right] < h[child] {
			child = right
		}
		if h[i] <= h[child] {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
