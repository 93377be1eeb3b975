// Package learn learns a profile from some of a collection's vectors. The encoder learns the
// code; this package learns how much a scan of the first blocks tells of the whole code. Some
// of the vectors stand in for queries to the others. Wrong guesses cost time, not recall: the
// rule uses the spread of each search's own vectors if that is larger.
package learn

import (
	"context"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/index/cascade"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/scan"
)

const (
	// sampleRows vectors are looked at: on 40,000, the principal components of 4,000, a tenth,
	// are as good as those of all.
	sampleRows = 4000
	// sampleFloats limits the sample of wide vectors: 16 MiB.
	sampleFloats = 4 << 20
	// leastSampleRows is the least number of rows even then.
	leastSampleRows = 512
	// learnQueries of them stand in for queries, each with its learnTop nearest.
	learnQueries = 64
	learnTop     = 10
	// headBlocks is how many blocks the head of a code has, if there are more in all.
	headBlocks = 2
	// gatherCost is the cost of a byte of a row that is fetched by itself, in bytes of a scan.
	gatherCost = 3
	// leastApart is the number of vectors from which some are kept out of the fitting.
	leastApart = 300
	// leastCovered is the share of the sample's nearest that a scan must not rule out to be
	// considered at all.
	leastCovered = .99
)

// SampleRows is how many vectors of that many dimensions Profile should look at.
func SampleRows(dims int) int { return min(sampleRows, max(leastSampleRows, sampleFloats/dims)) }

// Profile makes the profile that suits vectors of which sample is a part. It learns the code
// from some of the sample and the scan from the others, because the head holds more of the
// vectors that a basis was fitted to than of any others.
func Profile(ctx context.Context, shape encoder.Shape, sample [][]float32) (*encoder.Profile, error) {
	fitted, apart := sample, sample
	if len(sample) >= leastApart {
		fitted, apart = nil, nil
		for i, v := range sample {
			if i%3 < 2 {
				fitted = append(fitted, v)
			} else {
				apart = append(apart, v)
			}
		}
	}
	p, err := encoder.Learn(shape, fitted)
	if err != nil {
		return nil, err
	}
	return learnScan(ctx, p, apart)
}

// learnScan returns p with what sample tells of scans, and with the scan that pays most.
func learnScan(ctx context.Context, p *encoder.Profile, sample [][]float32) (*encoder.Profile, error) {
	blocks := len(p.Blocks())
	if blocks == 1 {
		return p, nil
	}
	b := codes.NewBuilder(p)
	defer func() { _ = b.Release() }()
	if err := b.Grow(uint32(len(sample))); err != nil {
		return nil, err
	}
	rows := make([][]uint64, len(sample))
	for i := range rows {
		rows[i] = make([]uint64, p.RowWords())
	}
	p.Encode(rows, sample)
	for _, row := range rows {
		b.Add(row)
	}
	t := &scanTrial{p: p, view: b.Publish(), layout: b.Layout(), sample: sample}
	for i := range min(learnQueries, len(sample)) {
		t.queries = append(t.queries, i*len(sample)/min(learnQueries, len(sample)))
	}
	ladder := p.Ladder()
	steps := make([][]encoder.Step, blocks-1)
	for scanned := range steps {
		steps[scanned] = make([]encoder.Step, len(ladder))
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, runtime.GOMAXPROCS(0)/2))
	for i := range ladder {
		group.Go(func() error { return t.learnStep(ctx, steps, i) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	learnt := p.WithScan(blocks, blocks, steps)
	least, scanned := blocks, blocks
	l := codes.NewLayout(learnt)
	whole := float64(l.ScanBytes(blocks))
	for n := blocks - 1; n > 0; n-- {
		asked, covered := t.asked(learnt, n)
		if covered < leastCovered {
			break // fewer blocks tell no more
		}
		least = n
		// Never by half a head alone: what it asks for grows fastest with the rows.
		if n >= headBlocks && float64(l.ScanBytes(n))+asked*gatherCost*whole < whole {
			scanned = n
		}
	}
	return p.WithScan(scanned, least, steps), nil
}

// scanTrial compares scans of a sample with exact scores.
type scanTrial struct {
	p       *encoder.Profile
	view    *codes.View
	layout  *codes.Layout
	sample  [][]float32
	queries []int // in sample
}

// learnStep measures scans for scores about step i of the ladder.
func (t *scanTrial) learnStep(ctx context.Context, steps [][]encoder.Step, i int) error {
	dims := t.p.Ladder()[i]
	type sums struct{ exact, scanned, squares, inside, left float64 }
	scale := t.meanScale(i)
	totals := make([]sums, len(steps))
	pairs := make([][][2]float64, len(steps)) // exact and scanned products of the nearest, by the rows' sizes
	shares := t.shares(dims, len(steps))
	for _, at := range t.queries {
		if err := ctx.Err(); err != nil {
			return err
		}
		v := t.sample[at][:dims]
		if floats.Validate(v, dims, t.p.Metric()) != nil { // its prefix has no direction
			continue
		}
		q := t.p.Query(v)
		scorer := scan.NewScorer(t.p.Metric(), encoder.Float32, v)
		scores := make([]float64, len(t.sample))
		for row, x := range t.sample {
			scores[row] = float64(scorer.Score(x[:dims]))
		}
		top := nearest(scores, at, learnTop)
		for b := range steps {
			s := q.NewScan(b+1, 0)
			totals[b].left += q.Norm(b+1) * q.Norm(b+1)
			var side encoder.Row
			for _, row := range top {
				t.view.Side(&side, uint32(row), i)
				head := t.head(q, s, uint32(row), &side)
				estimate, inside := s.Estimate(head, &side)
				offset, _ := s.Estimate(0, &side)
				size := s.Size(&side)
				if size == 0 {
					continue
				}
				unit := q.Unit() * size
				exact, scanned := (scores[row]-offset)/unit, (estimate-offset)/unit
				pairs[b] = append(pairs[b], [2]float64{exact, scanned})
				totals[b].exact += exact
				totals[b].scanned += scanned
				totals[b].inside += inside / (unit * unit)
			}
		}
	}
	for b := range steps {
		total, n := &totals[b], float64(len(pairs[b]))
		step := encoder.Step{Gain: 1, Scale: scale, Share: shares[b]}
		if g := total.exact / total.scanned; total.scanned > 0 && g > 1 && g < mostGain {
			step.Gain = g
		}
		for _, pair := range pairs[b] {
			d := step.Gain*pair[1] - pair[0]
			total.squares += float64(d * d)
		}
		if total.left > 0 && n > 0 {
			k := 1.0
			if t.p.Metric() == encoder.L2 {
				k = 2
			}
			outside := max(0, total.squares-step.Gain*step.Gain*total.inside) / n
			step.Spread = math.Sqrt(outside/(total.left/float64(len(t.queries)))) / (k * scale)
		}
		steps[b][i] = step
	}
	return nil
}

// shares is, for scans of one block and more, the share of a query's norm outside the blocks
// that only 1 - familiarShare of the sample's vectors, cut to dims, exceed.
func (t *scanTrial) shares(dims, scans int) []float64 {
	all := make([][]float64, scans)
	for _, x := range t.sample {
		if floats.Validate(x[:dims], dims, t.p.Metric()) != nil {
			continue
		}
		q := t.p.Query(x[:dims])
		for b := range all {
			if whole := q.Norm(0); whole > 0 {
				all[b] = append(all[b], min(1, q.Norm(b+1)/whole))
			}
		}
	}
	shares := make([]float64, scans)
	for b, s := range all {
		if slices.Sort(s); len(s) > 0 {
			shares[b] = s[min(len(s)-1, int(familiarShare*float64(len(s))))]
		}
	}
	return shares
}

// familiarShare is the share of the sample's vectors whose queries count as familiar. Of
// scifact's queries a quarter, and of debian's three in ten, are beyond it, and nearly all that
// missed their best hit were among them. With .95 the nDCG kept on scifact was .986 and not
// .996.
const familiarShare = .9

// mostGain is the largest gain that is believed.
const mostGain = 100

// head is the sum of f <u, z> over the blocks of s, of a row.
func (t *scanTrial) head(q *encoder.Query, s *encoder.Scan, row uint32, side *encoder.Row) float64 {
	var head float64
	for b := range s.Blocks {
		words := t.view.Code(nil, row, b)
		width := t.layout.PlaneWords(b)
		var sums []float32
		for part := range slices.Chunk(words, width) {
			sums = append(sums, hamming.SumSet(q.Floats(b), part))
		}
		head += q.Rest(b, side.Factors[b], sums)
	}
	return head
}

// meanScale is the mean factor by which scores about step i are larger than inner products.
func (t *scanTrial) meanScale(i int) float64 {
	var sum, n float64
	var side encoder.Row
	for row := range t.view.Rows() {
		if t.view.Side(&side, row, i); side.Scale > 0 {
			sum, n = sum+float64(side.Scale), n+1
		}
	}
	if n == 0 {
		return 1
	}
	return sum / n
}

// asked is, after a scan of the first blocks blocks at the default target, the share of the
// rows that a search over the whole vectors looks at by their whole codes, and the share of the
// nearest that are among them.
func (t *scanTrial) asked(p *encoder.Profile, blocks int) (share, covered float64) {
	settings := cascade.Settings{Blocks: blocks, Target: api.DefaultTargetRecall}
	eps := settings.LargestEps(len(p.Blocks()))
	var asked, all, found, near float64
	for _, at := range t.queries {
		v := t.sample[at]
		q := p.Query(v)
		scorer := scan.NewScorer(p.Metric(), encoder.Float32, v)
		scores := make([]float64, len(t.sample))
		for row, x := range t.sample {
			scores[row] = float64(scorer.Score(x))
		}
		top := nearest(scores, at, learnTop)
		last := scores[top[len(top)-1]]
		s := q.NewScan(blocks, 0)
		outside := s.Outside * q.Unit()
		var side encoder.Row
		for row := range t.view.Rows() {
			t.view.Side(&side, row, q.Step())
			estimate, inside := s.Estimate(t.head(q, s, row, &side), &side)
			could := estimate+eps*math.Hypot(math.Sqrt(inside), outside*s.Size(&side)) >= last
			if all++; could {
				asked++
			}
			if slices.Contains(top, int(row)) {
				if near++; could {
					found++
				}
			}
		}
	}
	return asked / all, found / near
}

// nearest returns the n best scored rows, at least one, without the row self.
func nearest(scores []float64, self, n int) []int {
	rows := make([]int, 0, len(scores))
	for row := range scores {
		if row != self || len(scores) == 1 {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		default:
			return a - b
		}
	})
	return rows[:min(n, len(rows))]
}
