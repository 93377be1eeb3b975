package encoder

import (
	"math"
	"slices"

	"github.com/hamnest/hamnest/encoder/code"
)

// MaxMagnitude is the largest that a component of a query becomes in a scan: sums of four
// then fit in the byte of a table (package hamming).
const MaxMagnitude = 15

// Query is what a profile makes of a vector to search for. With u_b the levels of a row in
// block b and f_b its factor, the score of the row is about
//
//	c o + k (f_1 <u_1, z_1> + f_2 <u_2, z_2> + ...) + constant
//
// where z is the query, less what is common to all vectors, in the basis, and o the row's
// offset: c is the product of the query with the mean's direction and k 1, or under L2 -1
// and 2. About a prefix the query is as long and then zero, since <x_p, q_p> = <x, (q_p, 0)>
// in every basis; under Cosine the score is divided by |x_p| then.
//
// A Query is for one profile and can be used by several goroutines once it is made.
type Query struct {
	profile *Profile
	step    int // of the ladder, that scores are about; the last: the whole vector
	blocks  []queryBlock

	offset   float64 // c
	product  float64 // k
	constant float64
	unit     float64 // scores times unit are on the metric's scale
	fromCode bool    // of a code, so that only signs are known
}

// queryBlock is a query in one block.
type queryBlock struct {
	magnitudes []int8    // rounded to multiples of step
	floats     []float32 // as they are; both have zeros for what is not kept, to whole words
	step       float64
	magnitude  float64 // sum of the absolute magnitudes
	total      float64 // sum of floats
	squares    float64 // of all dimensions of the block, kept or not

	// What a row has for each unit of its squared factor: the energy, and the variance of
	// f <u, z> that comes from the row's levels and from rounding the query.
	energy, variance, rounding float64
}

// Query makes v, of a size that CheckQuery accepts and acceptable to Validate, ready to be
// compared with rows.
func (p *Profile) Query(v []float32) *Query {
	q := &Query{profile: p, step: slices.Index(p.shape.Ladder, len(v)), product: 1, unit: 1}
	switch {
	case p.Older():
		q.older(v)
		return q
	case p.kind == Signs:
		q.signs(v)
		return q
	}
	s := encodeScratches.Get().(*encodeScratch)
	defer encodeScratches.Put(s)
	z := s.take(1, p.shape.Dims)[0]
	switch length := norm(v); {
	case p.shape.Metric == L2:
		p.centre(z, v)
		q.offset, q.product, q.constant = -1, 2, -squares64(z)
		q.unit = math.Ldexp(1, -2*p.scale)
	case p.shape.Metric == Dot && length > 0:
		// Only the scale of the scores depends on the length.
		scale := math.Ldexp(1, p.scale)
		unit := make([]float32, len(v))
		for i, x := range v {
			unit[i] = float32(float64(x) / length / scale)
		}
		q.offset = p.centre(z, unit)
		q.unit = length / scale
	default:
		q.offset = p.centre(z, v)
	}
	p.basis.Apply(z)
	for b := range p.blocks {
		n := p.blocks[b].Dims
		p.rotations[b].Apply(z[:n])
		q.add(z[:n])
		z = z[n:]
	}
	return q
}

// add appends the next block with the components z, of which as many are compared as the
// block keeps.
func (q *Query) add(z []float32) {
	block := &q.profile.blocks[len(q.blocks)]
	kept := block.Kept
	size := code.Words(kept) * code.WordBits
	b := queryBlock{magnitudes: make([]int8, size), floats: make([]float32, size), squares: squares64(z)}
	copy(b.floats, z[:kept])
	const sign = 1 << 31
	var most uint32 // bits of the largest magnitude
	for _, x := range z[:kept] {
		most = max(most, math.Float32bits(x)&^sign)
		b.total += float64(x)
	}
	if largest := math.Float32frombits(most); largest > 0 {
		b.step = float64(largest) / MaxMagnitude // exact for the largest, which weighs most
		inverse, half := float32(min(1/b.step, math.MaxFloat32)), math.Float32bits(.5)
		sum := int32(0)
		for i, x := range z[:kept] { // without branches: nothing predicts a sign
			r := math.Float32frombits(half | math.Float32bits(x)&sign)
			m := max(-MaxMagnitude, min(MaxMagnitude, int32(float32(x*inverse)+r)))
			b.magnitudes[i] = int8(m)
			sum += max(m, -m)
		}
		b.magnitude = float64(sum)
	}
	b.energy = block.energy()
	b.variance = b.energy * b.squares * block.noise()
	b.rounding = levels[block.Bits].square * float64(kept) * b.step * b.step / 12
	q.blocks = append(q.blocks, b)
}

// Norm returns the norm of the query less what is common to all vectors, in the blocks from
// first on.
func (q *Query) Norm(first int) float64 {
	var sum float64
	for _, b := range q.blocks[first:] {
		sum += b.squares
	}
	return math.Sqrt(sum)
}

// Familiar reports whether what was learnt of scans of the first blocks blocks holds for the
// query. Where more of it lies outside of them than of nearly any vector that was looked
// at, the rows that it wants may agree with it there, as far beyond any spread as the rest
// is large: a scan has to look at all blocks.
func (q *Query) Familiar(blocks int) bool {
	p := q.profile
	if blocks == len(q.blocks) || len(p.steps) == 0 {
		return true
	}
	return q.Norm(blocks) <= p.steps[blocks-1][q.step].Share*q.Norm(0)
}

// Step returns which step of the ladder scores are about.
func (q *Query) Step() int { return q.step }

// Whole reports whether scores are about the whole vectors.
func (q *Query) Whole() bool { return q.step == len(q.profile.shape.Ladder)-1 }

// Unit returns what the bounds of a scan are multiplied by to be on the metric's scale.
func (q *Query) Unit() float64 { return q.unit }

// Constant returns what is added to the bounds of a scan then, for they leave out what is
// the same for all rows.
func (q *Query) Constant() float64 { return q.constant * q.unit }

// Floats returns the query in block b, as many whole words of dimensions as the block has
// in a plane.
func (q *Query) Floats(b int) []float32 { return q.blocks[b].floats }

// Magnitudes returns the query in block b, rounded to multiples of a step and at most
// MaxMagnitude of them, of the length of Floats.
func (q *Query) Magnitudes(b int) []int8 { return q.blocks[b].magnitudes }

// Scan is a scan of the first blocks of a code, which ranks rows by an upper bound of their
// scores. With h_b the sum of the magnitudes in which a row's planes differ from the
// query's signs, weighted by the planes, the bound of a row is
//
//	c o + sum over blocks of f_b (A_b - B_b h_b)
//
// and, under Cosine about a prefix, that divided by |x_p|. In A and B is the gain of the
// step; in A also eps standard deviations, drawn out of the root of a sum of squares by its
// tangent at the mean row, so that the bound stays linear in the factors. Of what the blocks
// do not see there is nothing in A under Cosine, where all rows are as long and those of
// which the blocks hold less leave more. Under Dot and L2 it grows with the row, see Size.
type Scan struct {
	// Blocks is how many blocks are looked at.
	Blocks int
	// Offset is c.
	Offset float32
	// A and B are those of each block.
	A, B []float32
	// Inside and Outside are the standard deviations of a mean row's error, that of the
	// blocks' codes and that of what the blocks do not see, and Within is how much of eps
	// standard deviations is in its bound for eps = 1; all in the unit of bounds.
	Inside, Outside, Within float64
	// Gain is what the products of the blocks are multiplied by to stand for all.
	Gain float64

	query  *Query
	within []float64 // what is in A of the deviation, for each unit of a factor
	mean   float64   // the energy of a mean row, to which that of others is compared
}

// NewScan makes a scan of the first blocks blocks whose bound has eps standard deviations.
func (q *Query) NewScan(blocks int, eps float64) *Scan {
	p := q.profile
	s := &Scan{Blocks: blocks, Offset: float32(q.offset), query: q, Gain: 1}
	scale := 1.0
	if blocks < len(q.blocks) && len(p.steps) > 0 {
		step := p.steps[blocks-1][q.step]
		s.Gain, scale = step.Gain, step.Scale
		s.Outside = step.Spread * q.Norm(blocks) * q.product * scale
	}
	var variance float64
	deviations := make([]float64, blocks)
	for b := range blocks {
		deviations[b] = q.blocks[b].variance + q.blocks[b].rounding
		variance += p.blocks[b].RMS * p.blocks[b].RMS * deviations[b]
	}
	root := math.Sqrt(variance)
	s.Inside = s.Gain * q.product * scale * root
	spread := math.Hypot(s.Inside, s.Outside)
	share, outside := 0.0, 0.0 // of the tangent to the whole spread; as a share of the variance inside
	if spread > 0 {
		share = s.Inside / spread
	}
	s.Within = share * s.Inside
	if p.shape.Metric != Cosine {
		var seen float64
		for b := range q.blocks {
			energy := p.blocks[b].RMS * p.blocks[b].RMS * q.blocks[b].energy
			if s.mean += energy; b < blocks {
				seen += energy
			}
		}
		if s.Inside > 0 && seen > 0 {
			outside = variance / seen * (s.Outside / s.Inside) * (s.Outside / s.Inside)
			s.Within = spread
		}
	}
	for b := range blocks {
		block, part := &p.blocks[b], &q.blocks[b]
		within := 0.0
		if root > 0 {
			within = eps * share * (deviations[b] + outside*part.energy) * block.RMS / root
		}
		s.within = append(s.within, within)
		k := s.Gain * q.product
		top := float64(int(1)<<block.Bits - 1)
		s.A = append(s.A, float32(k*(part.step*top*part.magnitude+within)))
		s.B = append(s.B, float32(k*2*part.step))
	}
	return s
}

// Row is what an estimate needs of a row beside its code.
type Row struct {
	// Offset is the row's, or under L2 about a prefix the square of that step.
	Offset float32
	// Scale is 1, or under Cosine about a prefix the scale of that step.
	Scale float32
	// Factors are those of the blocks.
	Factors [MaxBlocks]float32
}

// Row reads from s what estimates of the query need.
func (q *Query) Row(s *Side) (r Row) {
	r.Offset, r.Scale = s.Offset, 1
	if q.step < len(s.Squares) {
		r.Offset = s.Squares[q.step]
	}
	if q.step < len(s.Scales) {
		r.Scale = Half(s.Scales[q.step])
	}
	for b := range q.blocks {
		r.Factors[b] = Factor(s.Factors[b])
	}
	return r
}

// Size is what a row's error of what the blocks do not see is in proportion to, that of a
// mean row being 1: its length less what is common to all vectors, which is the same for all
// rows under Cosine.
func (s *Scan) Size(r *Row) float64 {
	if s.mean == 0 {
		return 1
	}
	var energy float64
	for b := range s.query.blocks {
		f := float64(r.Factors[b])
		energy += f * f * s.query.blocks[b].energy
	}
	return math.Sqrt(energy / s.mean)
}

// Ahead is how much the bound of a row is above its estimate, on the metric's scale.
func (s *Scan) Ahead(r *Row) float64 {
	return s.added(r) * s.Gain * s.query.product * float64(r.Scale) * s.query.unit
}

// added is what is in the sum of f <u, z> of a row's bound that does not come from its code.
func (s *Scan) added(r *Row) (sum float64) {
	for i, within := range s.within {
		sum += within * float64(r.Factors[i])
	}
	return sum
}

// Head returns the sum of f <u, z> over the blocks of a scan that gave a row the bound.
func (s *Scan) Head(bound float32, r *Row) float64 {
	q := s.query
	if q.product == 0 || r.Scale == 0 { // a query, or a prefix of the row, of no length
		return 0
	}
	sum := (float64(bound)/float64(r.Scale) - float64(s.Offset)*float64(r.Offset)) / (s.Gain * q.product)
	return sum - s.added(r)
}

// Estimate is what the scan alone says of a row's score, on the metric's scale, and the
// variance of its error that the codes explain; head is what Head returned.
func (s *Scan) Estimate(head float64, r *Row) (score, inside float64) {
	q := s.query
	if q.profile.kind == Signs {
		score, _ = q.Estimate(s.Blocks, head, 0, r)
		return score, 0
	}
	for b := range q.blocks[:s.Blocks] {
		f := float64(r.Factors[b])
		inside += f * f * (q.blocks[b].variance + q.blocks[b].rounding)
	}
	w, k := float64(r.Scale)*q.unit, s.Gain*q.product
	return (q.offset*float64(r.Offset) + k*head + q.constant) * w, inside * k * k * w * w
}

// Rest returns f <u, z> over a block that a scan has not looked at, of a row with that
// factor, given for each plane, the most significant first, the sum of the query's floats
// over the bits that are set.
func (q *Query) Rest(b int, factor float32, sums []float32) float64 {
	var product float64
	for _, sum := range sums {
		product = 2*product + (2*float64(sum) - q.blocks[b].total)
	}
	return float64(factor) * product
}

// Estimate is what is known of the score of a row whose code was compared with the query:
// the score without bias, and the standard deviation of its error, both on the metric's
// scale. head and rest are the sums of f <u, z> over the blocks that were scanned, with
// the rounded query, and over the others.
//
// The deviation is that of RaBitQ times the sine of the angle between row and query, for
// the error lies at right angles to the row; what rounding the query and the factors does
// is added. Nothing is known of the error of plain signs: it is infinite.
func (q *Query) Estimate(scanned int, head, rest float64, r *Row) (score, deviation float64) {
	product := head + rest
	if q.fromCode {
		product = q.byAngle(product, float64(r.Factors[0]))
	}
	score = q.offset*float64(r.Offset) + q.product*product
	if q.profile.kind == Signs {
		score = (score*float64(r.Scale) + q.constant) * q.unit
		if q.profile.shape.Metric == Cosine {
			score = max(-1, min(1, score))
		}
		return score, math.Inf(1)
	}
	score += q.constant
	var variance, rounding, energy, squares float64
	for b := range q.blocks {
		part, f := &q.blocks[b], float64(r.Factors[b])
		f *= f
		variance += f * part.variance
		if b < scanned {
			rounding += f * part.rounding
		}
		energy += f * part.energy
		squares += part.squares
	}
	if energy > 0 && squares > 0 {
		cosine2 := product * product / (energy * squares)
		variance *= max(leastSine2, 1-cosine2)
	}
	variance += rounding + (head*head+rest*rest)*factorRounding
	w := float64(r.Scale) * q.unit
	return score * w, q.product * w * math.Sqrt(variance)
}

const (
	// leastSine2 keeps the deviation of a row above nothing where the estimate is as
	// large as it can be: of such an estimate part is luck.
	leastSine2 = .02
	// factorRounding is the variance of a bfloat16's relative error.
	factorRounding = 1.0 / (128 * 128 * 12)
)

// byAngle is what <u, z> f of a code would be, were it as large as the cosine that its
// distance suggests.
func (q *Query) byAngle(product, factor float64) float64 {
	most := factor * q.blocks[0].magnitude // when all signs agree
	if most == 0 {
		return 0
	}
	return most * math.Sin(math.Pi/2*max(-1, min(1, product/most)))
}

// signs is Query where the profile is of kind Signs: with s the signs of a row, <q, s> over
// sqrt(2/pi) sqrt(dims) |q| is taken for the cosine, as it is for vectors in random
// orientation.
func (q *Query) signs(v []float32) {
	p := q.profile
	padded := make([]float32, p.shape.Dims)
	copy(padded, v)
	q.add(padded)
	length := norm(v)
	q.forSigns(length, math.Sqrt(2/math.Pi*float64(len(v)))*length)
}

// CodeQuery makes a code ready to be compared with rows of plain signs: the words of dims
// dimensions, of a size that CheckQuery accepts. A distance h over n bits is taken for an
// angle of pi h/n (Charikar, STOC 2002, section 3), and the vector that the code was made
// of for one of length 1.
func (p *Profile) CodeQuery(c []uint64, dims int) *Query {
	q := &Query{profile: p, step: slices.Index(p.shape.Ladder, dims), unit: 1, fromCode: true}
	v := make([]float32, p.shape.Dims)
	for i := range dims {
		v[i] = 2*float32(c[i/code.WordBits]>>(i%code.WordBits)&1) - 1
	}
	q.add(v)
	block := &q.blocks[0]
	for i := range dims {
		block.magnitudes[i] = int8(v[i])
	}
	block.step, block.magnitude = 1, float64(dims)
	if p.Older() {
		q.olderCode(v[:dims])
	} else {
		q.forSigns(1, float64(dims))
	}
	return q
}

// forSigns sets how scores follow from <q, s>, length being |q| and most what the product
// is when all signs agree. The unit is a power of two, large enough for the bounds of the
// longest rows: what stands beside their codes is at most as large as a float32, and is
// multiplied by less than 1/2.
func (q *Query) forSigns(length, most float64) {
	if most > 0 {
		q.product = 1 / most
	} else {
		q.product = 0
	}
	switch q.profile.shape.Metric {
	case Dot:
		q.unit = atLeast(4 * length)
		q.product *= length / q.unit
	case L2:
		q.unit = atLeast(max(4, 8*length))
		q.offset, q.product, q.constant = -1/q.unit, 2*q.product*(length/q.unit), -length*(length/q.unit)
	}
}

// atLeast returns a power of two above x and at most twice as large; 1 where x is 0.
func atLeast(x float64) float64 {
	if x == 0 {
		return 1
	}
	_, exponent := math.Frexp(x)
	return math.Ldexp(1, exponent)
}
