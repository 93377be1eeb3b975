package encoder

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
)

// allSets says that tests are to run at length too, as .ci/run does.
var allSets = os.Getenv("HAMNEST_SETS") == "all"

// exact is the score by its definition.
func exact(m Metric, q, v []float32) float64 {
	var dot, qq, vv, l2 float64
	for i := range q {
		x, y := float64(q[i]), float64(v[i])
		dot, qq, vv, l2 = dot+x*y, qq+x*x, vv+y*y, l2+(x-y)*(x-y)
	}
	switch {
	case m == Dot:
		return dot
	case m == L2:
		return -l2
	case qq == 0 || vv == 0:
		return 0
	}
	return dot / math.Sqrt(qq) / math.Sqrt(vv)
}

// deviations collects errors in units of the deviation that was claimed.
type deviations struct{ count, sum, squares float64 }

func (d *deviations) add(z float64) {
	d.count++
	d.sum += z
	d.squares += z * z
}

func (d *deviations) mean() float64 { return d.sum / d.count }
func (d *deviations) rms() float64  { return math.Sqrt(d.squares / d.count) }

// family is a kind of vectors, queries among them.
type family struct {
	name string
	draw func(r *rand.Rand, n, dims int) [][]float32
}

var families = []family{
	{"random", func(r *rand.Rand, n, dims int) [][]float32 { return spectrum(r, n, dims, 0, flat) }},
	{"with a spectrum and an offset", func(r *rand.Rand, n, dims int) [][]float32 { return spectrum(r, n, dims, .5, textlike) }},
	{"near some centres", func(r *rand.Rand, n, dims int) [][]float32 {
		centres := spectrum(rand.New(rand.NewPCG(9, 9)), 40, dims, .2, textlike)
		all := spectrum(r, n, dims, 0, func(i int) float64 { return .3 * textlike(i) })
		for i, v := range all {
			for j := range v {
				v[j] += centres[i%40][j]
			}
		}
		return all
	}},
	{"of many lengths", func(r *rand.Rand, n, dims int) [][]float32 {
		all := spectrum(r, n, dims, 0, textlike)
		for _, v := range all {
			s := float32(math.Exp(r.NormFloat64()))
			for j := range v {
				v[j] *= s
			}
		}
		return all
	}},
}

// An estimate is right in the mean, and as far off as it says it is: with 1 to 4 bits, with all
// dimensions of a block or a part of them, under every metric, of whole vectors and of prefixes.
func TestEstimatesAreUnbiasedAndTheirErrorsKnown(t *testing.T) {
	const dims, rows, queries = 200, 100, 40
	for f, family := range families {
		for _, metric := range []Metric{Cosine, Dot, L2} {
			if !allSets && f != int(metric) { // a family for each metric
				continue
			}
			r := rand.New(rand.NewPCG(2, uint64(f)))
			sample := family.draw(r, 200, dims)
			p := learnt(t, Shape{Metric: metric, Dims: dims}, sample)
			base, asked := family.draw(r, rows, dims), family.draw(r, queries, dims)
			configs := [][]Block{p.Blocks()}
			for bits := 1; bits <= MaxBits; bits++ {
				configs = append(configs, p.uniform(bits, 64), p.uniform(bits, dims), p.uniform(bits, 30))
			}
			wants := make(map[int][][]float64) // by size, query and row
			for _, size := range p.Ladder() {
				wants[size] = make([][]float64, queries)
				for j, v := range asked {
					for _, x := range base {
						wants[size][j] = append(wants[size][j], exact(metric, v[:size], x[:size]))
					}
				}
			}
			for _, blocks := range configs {
				p := p.with(blocks, sample)
				encoded := encoded(p, base)
				read := make([]decoded, rows)
				for i, row := range encoded {
					read[i] = decode(p, row)
				}
				for _, size := range p.Ladder() {
					var whole, rounded deviations
					for j, v := range asked {
						q := p.Query(v[:size])
						for i := range read {
							row, want := &read[i], wants[size][j][i]
							score, deviation := q.Estimate(0, 0, row.product(q, false), of(q, &row.side))
							whole.add((score - want) / deviation)
							score, deviation = q.Estimate(len(blocks), row.product(q, true), 0, of(q, &row.side))
							rounded.add((score - want) / deviation)
						}
					}
					for what, d := range map[string]*deviations{"floats": &whole, "magnitudes": &rounded} {
						if math.Abs(d.mean()) > .15 || d.rms() < .8 || d.rms() > 1.15 {
							t.Errorf("%s, %v, %v, %d dims, %s: errors of %.3f in the mean and %.3f deviations", family.name, metric, bitsOf(blocks), size, what, d.mean(), d.rms())
						}
					}
				}
			}
		}
	}
}

func bitsOf(blocks []Block) string {
	var s string
	for _, b := range blocks {
		s += fmt.Sprintf(" %dx%d", b.Kept, b.Bits)
	}
	return s
}

// scanOf is what a scan does to a row, spelled out: distances of planes, one multiply-add a
// block in float32, the offset, and under Cosine about a prefix the scale.
func scanOf(s *Scan, q *Query, row []uint64, side *Side) float32 {
	offset := side.Offset
	if q.Step() < len(side.Squares) {
		offset = side.Squares[q.Step()]
	}
	bound := float32(s.Offset * offset)
	for b := range s.Blocks {
		block := &q.profile.blocks[b]
		var h int
		for i, u := range blockOf(q.profile, row, b) {
			at := (int(u) + 1<<block.Bits - 1) / 2
			switch m := int(q.Magnitudes(b)[i]); {
			case m > 0:
				h += m * (1<<block.Bits - 1 - at)
			case m < 0:
				h += -m * at
			}
		}
		if h > math.MaxUint16 && block.Bits > 1 {
			panic(fmt.Sprintf("a distance of %d does not fit in 16 bits", h))
		}
		bound += float32(Factor(side.Factors[b]) * (s.A[b] - float32(s.B[b]*float32(h))))
	}
	if q.Step() < len(side.Scales) {
		bound *= Half(side.Scales[q.Step()])
	}
	return bound
}

// stepped returns p as if its sample had told these of every scan of fewer than all blocks.
func (p *Profile) stepped(step Step) *Profile {
	steps := make([][]Step, len(p.blocks)-1)
	for b := range steps {
		for range p.shape.Ladder {
			steps[b] = append(steps[b], step)
		}
	}
	return p.WithScan(len(p.blocks), 1, steps)
}

// The bound of a scan is the estimate and eps deviations of a mean row: in truth the tangent of
// that at the mean row, whose twin is spelled out here, and Head is the way back.
func TestABoundIsTheEstimateAndItsDeviations(t *testing.T) {
	const dims = 200
	r := rand.New(rand.NewPCG(3, 1))
	for _, metric := range []Metric{Cosine, Dot, L2} {
		sample := families[1].draw(r, 200, dims)
		base := families[1].draw(r, 100, dims)
		for _, step := range []Step{{1, 0, 1, .5}, {1.3, .4, 2, .5}} {
			p := learnt(t, Shape{Metric: metric, Dims: dims}, sample).stepped(step)
			encoded := encoded(p, base)
			for _, size := range p.Ladder() {
				q := p.Query(families[1].draw(r, 1, dims)[0][:size])
				for blocks := 1; blocks <= len(p.blocks); blocks++ {
					for _, eps := range []float64{0, 1, 2.8} {
						s := q.NewScan(blocks, eps)
						gain, spread, scale := step.Gain, step.Spread, step.Scale
						if blocks == len(p.blocks) {
							gain, spread, scale = 1, 0, 1
						}
						k := 1.0
						if metric == L2 {
							k = 2
						}
						// Of a mean row: the variance of each block, in units of its factor, and all.
						var variances []float64
						var inside float64
						for b := range blocks {
							v := (p.blocks[b].energy()*q.blocks[b].squares*p.blocks[b].noise() + q.blocks[b].rounding) * gain * gain * k * k * scale * scale
							variances = append(variances, v)
							inside += v * p.blocks[b].RMS * p.blocks[b].RMS
						}
						outside := spread * q.Norm(blocks) * k * scale
						root := math.Hypot(math.Sqrt(inside), outside)
						within := inside / root
						if metric != Cosine { // what the blocks do not see grows with the row's length in them
							within = root
							var seen float64
							for b := range blocks {
								seen += p.blocks[b].energy() * p.blocks[b].RMS * p.blocks[b].RMS
							}
							for b := range blocks {
								variances[b] += outside * outside * p.blocks[b].energy() / seen
							}
						}
						if math.Abs(s.Inside-math.Sqrt(inside)) > 1e-9*root || math.Abs(s.Outside-outside) > 1e-9*root || math.Abs(s.Within-within) > 1e-9*root || s.Gain != gain {
							t.Fatalf("%v, %d blocks of %d dims: deviations %v, %v, %v, gain %v, want %v, %v, %v, %v", metric, blocks, size, s.Inside, s.Outside, s.Within, s.Gain,
								math.Sqrt(inside), outside, within, gain)
						}
						var mean Row
						for b := range p.blocks {
							mean.Factors[b] = float32(p.blocks[b].RMS)
						}
						mean.Scale = float32(scale)
						if math.Abs(s.Size(&mean)-1) > 1e-6 || math.Abs(s.Ahead(&mean)-eps*within*q.Unit()) > 1e-6*eps*root*q.Unit() {
							t.Fatalf("%v, %d blocks of %d dims: a mean row is of size %v and its bound %v ahead, want 1 and %v", metric, blocks, size, s.Size(&mean), s.Ahead(&mean), eps*within*q.Unit())
						}
						for i, row := range encoded {
							var side Side
							p.Side(&side, row)
							var head, tangent, exactVariance float64
							for b := range blocks {
								f := float64(Factor(side.Factors[b]))
								head += product(q, row, &side, b, true)
								tangent += eps / root * variances[b] * p.blocks[b].RMS * f / scale
								exactVariance += f * f * (p.blocks[b].energy()*q.blocks[b].squares*p.blocks[b].noise() + q.blocks[b].rounding)
							}
							bound := scanOf(s, q, row, &side)
							w, offset := rowScale(q, &side), rowOffset(q, &side)
							want := (q.offset*offset + gain*k*head + tangent) * w
							size := (math.Abs(q.offset*offset) + gain*k*q.Norm(0)*2 + tangent) * w
							if math.Abs(float64(bound)-want) > 1e-5*size {
								t.Fatalf("%v, %d blocks of %d dims, eps %v: row %d has bound %v, want %v", metric, blocks, q.step, eps, i, bound, want)
							}
							if got := s.Head(bound, of(q, &side)); math.Abs(got-head)*w*k*gain > 1e-5*size {
								t.Fatalf("%v, %d blocks: bound %v came from a head of %v, want %v", metric, blocks, bound, got, head)
							}
							score, variance := s.Estimate(head, of(q, &side))
							unit := q.Unit() * w
							if wantScore := (q.offset*offset + gain*k*head + q.constant) * unit; math.Abs(score-wantScore) > 1e-9*size*q.Unit() {
								t.Fatalf("%v: the scan estimates %v, want %v", metric, score, wantScore)
							}
							if got := s.Ahead(of(q, &side)); math.Abs(got-tangent*unit) > 1e-6*tangent*unit {
								t.Fatalf("%v: the bound is %v ahead of the estimate, want %v", metric, got, tangent*unit)
							}
							if want := exactVariance * gain * gain * k * k * unit * unit; math.Abs(variance-want) > 1e-9*want {
								t.Fatalf("%v: the variance inside is %v, want %v", metric, variance, want)
							}
						}
					}
				}
			}
		}
	}
}

// A row's size is its length less what is common to all, of which its levels tell; under Cosine
// all rows are as long, also where the blocks say otherwise.
func TestTheSizeOfARowIsItsLength(t *testing.T) {
	const dims = 200
	r := rand.New(rand.NewPCG(3, 3))
	for _, metric := range []Metric{Cosine, Dot, L2} {
		sample := families[1].draw(r, 200, dims)
		p := learnt(t, Shape{Metric: metric, Dims: dims}, sample)
		s := p.Query(sample[0]).NewScan(1, 1)
		base := families[1].draw(r, 20, dims)
		for i, v := range base {
			for j := range v {
				v[j] *= float32(math.Pow(10, float64(i%5)))
			}
		}
		for i, row := range encoded(p, base) {
			var side Side
			p.Side(&side, row)
			want := 1.0
			if metric != Cosine {
				var energy float64
				for b := range p.blocks {
					energy += p.blocks[b].energy() * p.blocks[b].RMS * p.blocks[b].RMS
				}
				rest := make([]float32, dims)
				p.centre(rest, base[i])
				want = norm(rest) / math.Sqrt(energy)
			}
			if got := s.Size(of(p.Query(sample[0]), &side)); math.Abs(got-want) > .1*want {
				t.Errorf("%v: row %d is of size %v, want %v", metric, i, got, want)
			}
		}
	}
}

func rowScale(q *Query, side *Side) float64 {
	if q.Step() < len(side.Scales) {
		return float64(Half(side.Scales[q.Step()]))
	}
	return 1
}

func rowOffset(q *Query, side *Side) float64 {
	if q.Step() < len(side.Squares) {
		return float64(side.Squares[q.Step()])
	}
	return float64(side.Offset)
}

// A vector that is stored is found by itself: its estimate is as good as rounding lets it be.
func TestAVectorsOwnEstimateIsOffByRoundingAlone(t *testing.T) {
	const dims = 200
	r := rand.New(rand.NewPCG(3, 2))
	for f, family := range families {
		for _, metric := range []Metric{Cosine, Dot, L2} {
			if !allSets && f != int(metric) {
				continue
			}
			p := learnt(t, Shape{Metric: metric, Dims: dims}, family.draw(r, 100, dims))
			base := family.draw(r, 50, dims)
			for i, row := range encoded(p, base) {
				var side Side
				p.Side(&side, row)
				q := p.Query(base[i])
				score, deviation := judge(q, row, &side)
				// Factors have 8 bits: each block is off by 1/256 of its energy at most.
				var energy float64
				for b, f := range side.Factors {
					energy += float64(Factor(f)) * float64(Factor(f)) * p.blocks[b].energy()
				}
				size := q.Norm(0) * math.Sqrt(energy) * q.product * q.Unit()
				if want := exact(metric, base[i], base[i]); math.Abs(score-want) > size/256+1e-6*math.Abs(want)+1e-6*size {
					t.Errorf("%s, %v: row %d scores %v against itself, want %v within %v", family.name, metric, i, score, want, size/256)
				}
				if least := math.Sqrt(leastSine2) / 20; deviation < size*math.Sqrt(factorRounding)/3 || deviation > size*least*10 {
					t.Errorf("%s, %v: row %d is sure of itself within %v, of %v", family.name, metric, i, deviation, size)
				}
			}
		}
	}
}

// Whatever the basis, the product with a prefix of a query is that with the query and zeros.
func TestAQueryAboutAPrefixIsAsIfItEndedInZeros(t *testing.T) {
	const dims = 300
	r := rand.New(rand.NewPCG(3, 3))
	for _, metric := range []Metric{Cosine, Dot} {
		p := learnt(t, Shape{Metric: metric, Dims: dims}, families[1].draw(r, 100, dims))
		for _, size := range p.Ladder() {
			v := families[1].draw(r, 1, dims)[0]
			clear(v[size:])
			short, long := p.Query(v[:size]), p.Query(v)
			if short.Step() != slices.Index(p.Ladder(), size) || short.Whole() != (size == dims) || short.offset != long.offset || short.unit != long.unit {
				t.Errorf("%v, %d dims: step %d, offset %v and unit %v, want offset %v and unit %v", metric, size, short.Step(), short.offset, short.unit, long.offset, long.unit)
			}
			for b := range p.blocks {
				if !slices.Equal(short.Floats(b), long.Floats(b)) || !slices.Equal(short.Magnitudes(b), long.Magnitudes(b)) {
					t.Errorf("%v, %d dims: block %d differs", metric, size, b)
				}
			}
		}
	}
}

// Scores come out right whatever the size of the numbers.
func TestEstimatesBearEveryLengthAndOffset(t *testing.T) {
	const dims = 150
	r := rand.New(rand.NewPCG(3, 4))
	for _, tt := range []struct {
		metric       Metric
		size, offset float64
	}{
		{Cosine, 1e-20, 0},
		{Cosine, 1e-20, 1e-20},
		{Cosine, 1e18, 0},
		{Dot, 1e-18, 0},
		{Dot, 1e18, 0},
		{Dot, 1e5, 1e4},
		{L2, 1e-18, 0},
		{L2, 1e18, 0},
		{L2, 1, 1e6},
		{L2, 10, 1e6},
		{L2, .01, 1e3},
	} {
		if !allSets && tt.size != 1e18 && tt.offset < 1e6 {
			continue
		}
		draw := func(n int) [][]float32 {
			return spectrum(r, n, dims, tt.offset, func(i int) float64 { return tt.size * textlike(i) })
		}
		p := learnt(t, Shape{Metric: tt.metric, Dims: dims}, draw(200))
		base := draw(200)
		encoded := encoded(p, base)
		for _, size := range p.Ladder() {
			var errs deviations
			for range 20 {
				v := draw(1)[0][:size]
				q := p.Query(v)
				s := q.NewScan(len(p.blocks), 1)
				for i, row := range encoded {
					var side Side
					p.Side(&side, row)
					score, deviation := judge(q, row, &side)
					errs.add((score - exact(tt.metric, v, base[i][:size])) / deviation)
					if b := scanOf(s, q, row, &side); b-b != 0 {
						t.Fatalf("%+v: a bound is %v", tt, b)
					}
				}
			}
			if math.Abs(errs.mean()) > .12 || errs.rms() < .8 || errs.rms() > 1.15 {
				t.Errorf("%+v, %d dims: errors of %.3f in the mean and %.3f deviations", tt, size, errs.mean(), errs.rms())
			}
		}
	}
}

// No power of two in float32 makes these about as long as 1.
func TestDenormalVectorsAreLearntFrom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 14))
	for _, metric := range []Metric{Dot, L2} {
		base := spectrum(r, 50, 20, 0, func(int) float64 { return 1e-42 })
		p := learnt(t, Shape{Metric: metric, Dims: 20}, base)
		for i, row := range encoded(p, base) {
			var side Side
			p.Side(&side, row)
			q := p.Query(base[0])
			score, deviation := judge(q, row, &side)
			if b := scanOf(q.NewScan(1, 2), q, row, &side); score-score != 0 || deviation-deviation != 0 || b-b != 0 || side.Factors[0] == 0 {
				t.Errorf("%v: row %d scores %v within %v, its bound is %v and its factor %v", metric, i, score, deviation, b, Factor(side.Factors[0]))
			}
		}
	}
}

// A vector much longer or shorter than those that a profile was learnt from.
func TestOutliersHaveFiniteEstimates(t *testing.T) {
	const dims = 100
	r := rand.New(rand.NewPCG(3, 5))
	for _, metric := range []Metric{Cosine, Dot, L2} {
		p := learnt(t, Shape{Metric: metric, Dims: dims}, spectrum(r, 50, dims, 0, flat))
		var all [][]float32
		for _, size := range []float64{0, 1e-45, 1e-38, 1e-10, 1e10, 1e18, 3e37} {
			v := spectrum(r, 1, dims, 0, func(int) float64 { return size })[0]
			if floats.Validate(v, dims, metric) == nil {
				all = append(all, v)
			}
		}
		for i, row := range encoded(p, all) {
			var side Side
			p.Side(&side, row)
			for j, v := range all {
				for _, size := range p.Ladder() {
					if floats.Validate(v[:size], size, metric) != nil {
						continue
					}
					q := p.Query(v[:size])
					score, deviation := judge(q, row, &side)
					head := q.NewScan(len(p.blocks), 1).Head(1, of(q, &side))
					if score-score != 0 || deviation != deviation || head != head {
						t.Errorf("%v: row %d scores %v, give or take %v, for query %d (head %v)", metric, i, score, deviation, j, head)
					}
				}
			}
		}
	}
}

func TestSignsEstimateTheCosineByTheProduct(t *testing.T) {
	const dims = 300
	r := rand.New(rand.NewPCG(3, 6))
	for _, metric := range []Metric{Cosine, Dot, L2} {
		p, err := NewSigns(Shape{Metric: metric, Dims: dims, Ladder: []int{128}})
		if err != nil {
			t.Fatal(err)
		}
		base := spectrum(r, 100, dims, 0, flat)
		rows := encoded(p, base)
		for _, size := range []int{128, 300} {
			var errs deviations
			for range 50 {
				v := spectrum(r, 1, dims, 0, flat)[0][:size]
				q := p.Query(v)
				s := q.NewScan(1, 3)
				for i, row := range rows {
					var side Side
					p.Side(&side, row)
					signs := make([]uint64, code.Words(dims))
					if code.Signs(signs, base[i]); !slices.Equal(row[:len(signs)], signs) {
						t.Fatalf("row %d is not the signs of its vector", i)
					}
					var sum float64
					for d, x := range v {
						sum += float64(x) * math.Copysign(1, float64(base[i][d]))
					}
					cosine := sum / (norm(v) * math.Sqrt(2/math.Pi*float64(size)))
					want := cosine
					switch vn := norm(base[i]); metric {
					case Cosine:
						want = max(-1, min(1, cosine))
					case Dot:
						want = cosine * norm(v) * vn
					case L2:
						want = 2*cosine*norm(v)*vn - vn*vn - norm(v)*norm(v)
					}
					got, deviation := q.Estimate(0, 0, product(q, row, &side, 0, false), of(q, &side))
					if math.Abs(got-want) > .004*(math.Abs(want)+norm(v)*norm(base[i])) || !math.IsInf(deviation, 1) {
						t.Fatalf("%v, %d dims: row %d scores %v within %v, want %v and no knowledge of the error", metric, size, i, got, deviation, want)
					}
					errs.add((cosine - exact(Cosine, v, base[i])) * math.Sqrt(float64(size)))
					if head := s.Head(scanOf(s, q, row, &side), of(q, &side)); math.Abs(head-product(q, row, &side, 0, true)) > 1e-4*norm(v)*math.Sqrt(float64(size))*norm(base[i]) {
						t.Fatalf("%v: the head is %v, want %v", metric, head, product(q, row, &side, 0, true))
					}
				}
			}
			if size == dims && (math.Abs(errs.mean()) > .05 || errs.rms() < .5 || errs.rms() > 1) {
				t.Errorf("cosines are off by %.3f in the mean and %.3f/sqrt(dims), want 0 and .75", errs.mean(), errs.rms())
			}
		}
	}
}

// A distance of h among n bits is an angle of pi h/n.
func TestACodeIsComparedByTheAngle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 7))
	p, err := NewSigns(Shape{Dims: 300, Ladder: []int{128}})
	if err != nil {
		t.Fatal(err)
	}
	for _, dims := range []int{128, 300} {
		for range 50 {
			v := spectrum(r, 2, 300, 0, flat)
			rows := encoded(p, v)
			words := make([]uint64, code.Words(dims))
			code.Signs(words, v[0][:dims])
			q := p.CodeQuery(words, dims)
			different := 0
			for i := range dims {
				if (v[0][i] > 0) != (v[1][i] > 0) {
					different++
				}
			}
			for i, want := range []float64{1, math.Cos(math.Pi * float64(different) / float64(dims))} {
				var side Side
				p.Side(&side, rows[i])
				for _, rounded := range []bool{false, true} {
					got, _ := q.Estimate(0, 0, product(q, rows[i], &side, 0, rounded), of(q, &side))
					if math.Abs(got-want) > 1e-6 {
						t.Errorf("%d of %d bits differ: score %v, want %v", different, dims, got, want)
					}
				}
			}
		}
	}
}

func TestRestAddsPlanesUp(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 8))
	p := learnt(t, Shape{Dims: 100}, spectrum(r, 50, 100, 0, textlike))
	base := spectrum(r, 20, 100, 0, textlike)
	q := p.Query(spectrum(r, 1, 100, 0, textlike)[0])
	for i, row := range encoded(p, base) {
		var side Side
		p.Side(&side, row)
		at := row
		for b := range p.blocks {
			block := &p.blocks[b]
			var sums []float32
			for plane := range block.Bits {
				var sum float32
				for i, z := range q.Floats(b) {
					if at[plane*block.PlaneWords()+i/64]>>(i%64)&1 == 1 {
						sum += z
					}
				}
				sums = append(sums, sum)
			}
			if got, want := q.Rest(b, Factor(side.Factors[b]), sums), product(q, row, &side, b, false); math.Abs(got-want) > 1e-5 {
				t.Errorf("row %d, block %d: %v, want %v", i, b, got, want)
			}
			at = at[block.Words():]
		}
	}
}

// of is what an estimate reads of side.
func of(q *Query, side *Side) *Row {
	r := q.Row(side)
	return &r
}
