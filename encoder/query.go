package encoder

import (
	"math"
	"slices"

	"github.com/hamnest/hamnest/encoder/code"
)

// MaxMagnitude is the largest magnitude of a query's component in a scan: sums of four then fit
// in the byte of a table (package hamming).
const MaxMagnitude = 15

// Query is a vector to search for, as a profile prepares it. Let u_b be the levels of a row in
// block b and f_b its factor. The score of the row is about
//
//	c o + k (f_1 <u_1, z_1> + f_2 <u_2, z_2> + ...) + constant
//
// where z is the query, minus what all vectors have in common, in the basis, and o is the row's
// offset. c is the product of the query with the mean's direction and k is 1, or under L2 they
// are -1 and 2. A query about a prefix is padded with zeros, because <x_p, q_p> = <x, (q_p, 0)>
// in every basis; under Cosine the score is then divided by |x_p|.
//
// A Query is for one profile. Several goroutines can use it once it is made.
type Query struct {
	profile *Profile
	step    int // of the ladder, which scores are about; the last: the whole vector
	blocks  []queryBlock

	offset   float64 // c
	product  float64 // k
	constant float64
	unit     float64 // scores times unit are on the metric's scale
	fromCode bool    // of a code, so only signs are known
}

// queryBlock is the part of a query in one block.
type queryBlock struct {
	magnitudes []int8    // rounded to multiples of step
	floats     []float32 // unrounded; both have zeros for dimensions not kept, up to whole words
	step       float64
	magnitude  float64 // sum of the absolute magnitudes
	total      float64 // sum of floats
	squares    float64 // of all dimensions of the block, kept or not

	// What a row has for each unit of its squared factor: the energy, and the variance of f <u,
	// z> that comes from the row's levels and from rounding the query.
	energy, variance, rounding float64
}

// Query prepares v, of a size that CheckQuery accepts and acceptable to Validate, to be
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

// add appends the next block with the components z, of which it compares as many as the block
// keeps.
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

// Norm returns the norm of the query, minus what all vectors have in common, in the blocks from
// first on.
func (q *Query) Norm(first int) float64 {
	var sum float64
	for _, b := range q.blocks[first:] {
		sum += b.squares
	}
	return math.Sqrt(sum)
}

// Familiar reports whether what was learnt of scans of the first blocks blocks holds for the
// query. If more of it lies outside them than of nearly any vector that was learnt from, the
// rows that it wants may agree with it there, far beyond any spread. Then a scan has to look at
// all blocks.
func (q *Query) Familiar(blocks int) bool {
	p := q.profile
	if blocks == len(q.blocks) || len(p.steps) == 0 {
		return true
	}
	return q.Norm(blocks) <= p.steps[blocks-1][q.step].Share*q.Norm(0)
}

// Step returns the step of the ladder that scores are about.
func (q *Query) Step() int { return q.step }

// Whole reports whether scores are about the whole vectors.
func (q *Query) Whole() bool { return q.step == len(q.profile.shape.Ladder)-1 }

// Unit returns the factor that brings the bounds of a scan to the metric's scale.
func (q *Query) Unit() float64 { return q.unit }

// Constant returns what must then be added to the bounds of a scan, because they leave out what
// is the same for all rows.
func (q *Query) Constant() float64 { return q.constant * q.unit }

// Floats returns the query in block b, as many dimensions as a plane of the block has, in whole
// words.
func (q *Query) Floats(b int) []float32 { return q.blocks[b].floats }

// Magnitudes returns the query in block b, rounded to multiples of a step, at most MaxMagnitude
// of them. It is as long as Floats.
func (q *Query) Magnitudes(b int) []int8 { return q.blocks[b].magnitudes }

// Scan is a scan of the first blocks of a code, which ranks rows by an upper bound of their
// scores. Let h_b be the sum of the magnitudes at which a row's planes differ from the query's
// signs, weighted by the planes. The bound of a row is
//
//	c o + sum over blocks of f_b (A_b - B_b h_b)
//
// divided, under Cosine about a prefix, by |x_p|. A and B contain the gain of the step. A also
// contains eps standard deviations: the root of a sum of squares is replaced by its tangent at
// the mean row, so that the bound stays linear in the factors. Under Cosine A contains nothing
// for what the blocks do not see, because all rows have the same length, and those of which the
// blocks hold less leave more. Under Dot and L2 that part grows with the row, see Size.
type Scan struct {
	// Blocks is how many blocks are looked at.
	Blocks int
	// Offset is c.
	Offset float32
	// A and B have a number for each block.
	A, B []float32
	// Inside and Outside are the standard deviations of a mean row's error, from the blocks'
	// codes and from what the blocks do not see. Within is how much of eps standard deviations
	// is in its bound for eps = 1. All are in the unit of bounds.
	Inside, Outside, Within float64
	// Gain is the factor that makes the products of the blocks stand for all.
	Gain float64

	query  *Query
	within []float64 // the part of the deviation in A, for each unit of a factor
	mean   float64   // the energy of a mean row, with which others are compared
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

// Row is what an estimate needs of a row besides its code.
type Row struct {
	// Offset is the row's; under L2 about a prefix it is the square for that step.
	Offset float32
	// Scale is 1; under Cosine about a prefix it is the scale for that step.
	Scale float32
	// Factors has a factor for each block.
	Factors [MaxBlocks]float32
}

// Row reads from s what estimates for the query need.
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

// Size is what a row's error from what the blocks do not see is in proportion to, 1 for a mean
// row: the row's length minus what all vectors have in common. Under Cosine it is the same for
// all rows.
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

// Ahead is how far the bound of a row is above its estimate, on the metric's scale.
func (s *Scan) Ahead(r *Row) float64 {
	return s.added(r) * s.Gain * s.query.product * float64(r.Scale) * s.query.unit
}

// added is the part of the sum of f <u, z> in a row's bound that does not come from its code.
func (s *Scan) added(r *Row) (sum float64) {
	for i, within := range s.within {
		sum += within * float64(r.Factors[i])
	}
	return sum
}

// Head returns the sum of f <u, z> over the blocks of a scan that gave a row that bound.
func (s *Scan) Head(bound float32, r *Row) float64 {
	q := s.query
	if q.product == 0 || r.Scale == 0 { // the query, or the prefix of the row, has no length
		return 0
	}
	sum := (float64(bound)/float64(r.Scale) - float64(s.Offset)*float64(r.Offset)) / (s.Gain * q.product)
	return sum - s.added(r)
}

// Estimate is what the scan alone says of a row's score, on the metric's scale, and the
// variance of its error that the codes explain. head is what Head returned.
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

// Rest returns f <u, z> over a block that a scan has not looked at, for a row with that factor.
// sums has, for each plane, the most significant first, the sum of the query's floats over the
// bits that are set.
func (q *Query) Rest(b int, factor float32, sums []float32) float64 {
	var product float64
	for _, sum := range sums {
		product = 2*product + (2*float64(sum) - q.blocks[b].total)
	}
	return float64(factor) * product
}

// Estimate is what is known of the score of a row whose code was compared with the query: the
// score without bias, and the standard deviation of its error, both on the metric's scale. head
// and rest are the sums of f <u, z> over the blocks that were scanned, with the rounded query,
// and over the others.
//
// The deviation is that of RaBitQ times the sine of the angle between row and query, because
// the error lies at right angles to the row. The errors of rounding the query and the factors
// are added. The error of plain signs is unknown: the deviation is infinite.
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
	// leastSine2 keeps the deviation of a row above zero when the estimate is as large as it
	// can be: part of such an estimate is luck.
	leastSine2 = .02
	// factorRounding is the variance of a bfloat16's relative error.
	factorRounding = 1.0 / (128 * 128 * 12)
)

// byAngle is what <u, z> f of a code would be if it were as large as the cosine that its
// distance suggests.
func (q *Query) byAngle(product, factor float64) float64 {
	most := factor * q.blocks[0].magnitude // when all signs agree
	if most == 0 {
		return 0
	}
	return most * math.Sin(math.Pi/2*max(-1, min(1, product/most)))
}

// signs is Query if the profile is of kind Signs. With s the signs of a row, <q, s> over
// sqrt(2/pi) sqrt(dims) |q| is taken as the cosine, which holds for vectors in random
// orientation.
func (q *Query) signs(v []float32) {
	p := q.profile
	padded := make([]float32, p.shape.Dims)
	copy(padded, v)
	q.add(padded)
	length := norm(v)
	q.forSigns(length, math.Sqrt(2/math.Pi*float64(len(v)))*length)
}

// CodeQuery prepares a code to be compared with rows of plain signs. c has the words of dims
// dimensions, of a size that CheckQuery accepts. A distance h over n bits is taken as an angle
// of pi h/n (Charikar, STOC 2002, section 3), and the vector of the code as one of length 1.
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

// forSigns sets how scores follow from <q, s>. length is |q| and most is the product when all
// signs agree. The unit is a power of two, large enough for the bounds of the longest rows:
// what is kept beside their codes is at most as large as a float32, and is multiplied by less
// than 1/2.
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

// atLeast returns a power of two above x and at most twice as large; 1 if x is 0.
func atLeast(x float64) float64 {
	if x == 0 {
		return 1
	}
	_, exponent := math.Frexp(x)
	return math.Ldexp(1, exponent)
}
