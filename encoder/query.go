package encoder

import (
	"math"
	"math/bits"

	"github.com/hamnest/hamnest/encoder/code"
)

// Planes is how many bit planes the magnitudes of a query take: with its signs, a
// query of 1 + Planes bits a dimension.
const Planes = 4

// Query is a query vector in the forms in which it can be compared with codes:
//
//   - 1 bit: Signs; rows are ranked by Hamming distance.
//   - 4 bits: Signs and Planes; the distance of a row is the sum of the quantised
//     magnitudes over the dimensions whose signs differ, a weighted Hamming distance.
//   - float32: Floats; the inner product with the row's signs.
//
// The first words, and floats, up to a prefix at which CheckPrefix sees one are the
// query of the prefix.
type Query struct {
	// Signs is the code of the query: bit i is 1 when Floats[i] > 0.
	Signs []uint64
	// Planes holds the magnitudes, quantised to 0 to 15 in steps of one size: bit j
	// of dimension i's is bit i of Planes[j].
	Planes [Planes][]uint64
	// Floats is the transformed query: scaled where it is very long, centred, rotated.
	Floats []float32

	step    float64      // of the magnitudes
	blocks  []queryBlock // none for Plain
	centred bool

	// A code has signs only, of a transformed vector of this length; see CodeQuery.
	signsOnly bool
	length    float64
}

// queryBlock is what estimates need to know of one block.
type queryBlock struct {
	width      int
	magnitudes float64 // sum of the quantised magnitudes, in units of Floats
	constant   float64 // <q, m> - |m|^2
	mean       float64 // |m|^2
	squares    float64 // of the query as it was scaled, not centred
	variance   float64 // of the product with a row's signs, the float32 form
	quantised  float64 // and of the 4-bit form
}

// Query makes v, of dimensions that CheckQuery accepts, ready to be compared with
// codes. v must have passed Validate.
func (p *Profile) Query(v []float32) *Query {
	q := newQuery(len(v))
	q.centred = p.mean != nil
	scale := p.transform(q.Floats, v)
	code.Signs(q.Signs, q.Floats)
	if p.kind == Plain {
		// Only the direction counts, and sums of the longest vectors bear no float32.
		if shrink := scaleOf(v, false); shrink != 1 {
			for i, x := range v {
				q.Floats[i] = float32(float64(x) * shrink)
			}
		}
	}
	q.quantise()
	if p.kind != Plain {
		q.setBlocks(p, v, scale)
	}
	return q
}

// newQuery returns a query of dims dimensions that are all 0.
func newQuery(dims int) *Query {
	words := code.Words(dims)
	memory := make([]uint64, (1+Planes)*words)
	q := &Query{Signs: memory[:words:words], Floats: make([]float32, dims)}
	for j := range q.Planes {
		q.Planes[j] = memory[(1+j)*words : (2+j)*words : (2+j)*words]
	}
	return q
}

// setBlocks sums up what estimates need of v, which transform multiplied by scale.
func (q *Query) setBlocks(p *Profile, v []float32, scale float64) {
	products := make([]float32, len(p.blocks))
	if p.mean != nil {
		p.meanProducts(products, v, scale)
	}
	first := 0
	for b, end := range p.blocks {
		if first == len(v) {
			return
		}
		block := queryBlock{width: end - first, magnitudes: q.magnitudes(first, end)}
		if p.mean != nil {
			block.mean = p.squares[b]
			block.constant = float64(products[b]) - block.mean
		}
		n := norm(v[first:end]) * scale
		block.squares = n * n
		if width := float64(block.width); width > 1 {
			n := norm(q.Floats[first:end])
			block.variance = n * n * signVariance * width / (width - 1)
			block.quantised = block.variance + width*q.step*q.step/12
		}
		q.blocks = append(q.blocks, block)
		first = end
	}
}

// maxMagnitude is the largest value of the planes.
const maxMagnitude = 1<<Planes - 1

// quantise fills the planes.
func (q *Query) quantise() {
	var largest float32
	for _, x := range q.Floats {
		largest = max(largest, x, -x)
	}
	q.step = float64(largest) / maxMagnitude
	if q.step == 0 {
		return
	}
	for w := range q.Signs {
		var a, b, c, d uint64 // in registers, as an array would not be
		for i, x := range q.Floats[w*code.WordBits : min((w+1)*code.WordBits, len(q.Floats))] {
			u := uint64(math.Abs(float64(x))/q.step + 0.5)
			a |= u & 1 << (i % code.WordBits)
			b |= u >> 1 & 1 << (i % code.WordBits)
			c |= u >> 2 & 1 << (i % code.WordBits)
			d |= u >> 3 & 1 << (i % code.WordBits)
		}
		q.Planes[0][w], q.Planes[1][w], q.Planes[2][w], q.Planes[3][w] = a, b, c, d
	}
}

// signVariance is the variance of a dimension of a row's signs at right angles to
// the row: with x of length 1 in random orientation, |x|_1 is sqrt(2/pi) sqrt(dims).
const signVariance = 1 - 2/math.Pi

// magnitudes is the sum of the quantised magnitudes of dimensions first to end-1, in
// units of Floats. first is a multiple of 64, and so is end unless it is the last.
func (q *Query) magnitudes(first, end int) float64 {
	sum := 0
	for j, plane := range q.Planes {
		for _, w := range plane[first/code.WordBits : code.Words(end)] {
			sum += bits.OnesCount64(w) << j
		}
	}
	return q.step * float64(sum)
}

// Blocks is how many blocks the first dims dimensions are.
func (q *Query) Blocks(dims int) int {
	first := 0
	for b := range q.blocks {
		if first >= dims {
			return b
		}
		first += q.blocks[b].width
	}
	return len(q.blocks)
}

// An Estimate of the inner product of a query and a vector, both as the profile
// scales them, over the blocks that were compared.
type Estimate struct {
	// Product is without bias: each block by its own factor. Deviation is the standard
	// deviation of its error over random rotations; for a profile that does not
	// rotate, only an indication of it.
	Product, Deviation float64
	// Pooled takes one factor for all blocks. That is a little biased, but varies less,
	// and puts near rows in better order.
	Pooled float64
}

// Estimate estimates the inner product over the first len(distances) blocks, in
// each of which the row is at the given distance from the query's 4-bit form.
// scalars are the row's. Not for Plain; see PlainCosine.
//
// Block by block it is RaBitQ's estimator (Gao and Long, SIGMOD 2024, section 3.2):
// a rotation makes the error of each a random number of mean 0, and the rotations
// are independent, so that variances add. docs/recall.md derives it.
func (q *Query) Estimate(distances []uint32, scalars []float32) Estimate {
	var e estimator
	for b, d := range distances {
		block := &q.blocks[b]
		e.add(q, block, block.magnitudes-float64(2*q.step*float64(d)), block.quantised, float64(scalars[b]))
	}
	return e.total(q, len(distances), scalars)
}

// EstimateFloat is Estimate for the float32 form: products[b] is the inner product
// of block b of Floats and the row's signs.
func (q *Query) EstimateFloat(products, scalars []float32) Estimate {
	var e estimator
	for b, s := range products {
		block := &q.blocks[b]
		e.add(q, block, float64(s), block.variance, float64(scalars[b]))
	}
	return e.total(q, len(products), scalars)
}

// estimator adds blocks up.
type estimator struct {
	product, variance, constant float64
	signs                       float64 // product with the signs, all blocks alike
	norm1, squares              float64 // of the row, in units that cancel out

	// For a code: the width, and the cosines that the signs suggest, times norm1.
	width   int
	cosines float64
}

// add takes a block into account, given the product with the row's signs, its
// variance and the row's factor.
func (e *estimator) add(q *Query, block *queryBlock, signs, variance, factor float64) {
	e.product += float64(factor * signs)
	e.variance += float64(factor * factor * variance)
	e.constant += block.constant
	e.signs += signs
	// |x|_1 of a block is about its factor times its width, and |x|^2 factor times that.
	norm1 := float64(factor * float64(block.width))
	e.norm1 += norm1
	e.squares += float64(factor * norm1)
	e.width += block.width
	if q.signsOnly {
		e.cosines += float64(norm1 * signCosine(signs/float64(block.width)))
	}
}

func (e *estimator) total(q *Query, blocks int, scalars []float32) Estimate {
	if q.centred { // the products with the mean come after the factors
		for _, m := range scalars[len(scalars)/2:][:blocks] {
			e.constant += float64(m)
		}
	}
	if q.signsOnly {
		product := e.constant + e.codeProduct(q)
		return Estimate{Product: product, Deviation: math.Inf(1), Pooled: product}
	}
	pooled := e.constant
	if e.norm1 > 0 {
		pooled += float64(e.squares / e.norm1 * e.signs)
	}
	return Estimate{Product: e.product + e.constant, Deviation: math.Sqrt(e.variance), Pooled: pooled}
}

// PlainCosine returns the estimate of the cosine over the first dims dimensions, of a
// Plain row at a given distance from the query's 4-bit form: signs of random
// orientation have sqrt(2/pi) of their length along the vector.
func (q *Query) PlainCosine(dims int) func(distance uint32) float64 {
	magnitudes, cosine := q.magnitudes(0, dims), q.PlainCosineFloat(dims)
	return func(distance uint32) float64 { return cosine(magnitudes - float64(2*q.step*float64(distance))) }
}

// PlainCosineFloat is PlainCosine for the float32 form, given the inner product of
// the first dims of Floats and the row's signs.
func (q *Query) PlainCosineFloat(dims int) func(product float64) float64 {
	if q.signsOnly {
		return func(product float64) float64 { return signCosine(product / float64(dims)) }
	}
	length := norm(q.Floats[:dims]) * math.Sqrt(float64(dims)*2/math.Pi)
	return func(product float64) float64 {
		if length == 0 {
			return 0
		}
		return max(-1, min(1, product/length))
	}
}

// Norm is the Euclidean norm of the query, as the profile scales it, over its first
// blocks blocks.
func (q *Query) Norm(blocks int) float64 {
	var sum float64
	for b := range blocks {
		sum += q.blocks[b].squares
	}
	return math.Sqrt(sum)
}

// RowNorm estimates the norm of a row's vector, as the profile scales it, over its
// first blocks blocks, from its scalars: |x| is |x|^2/|x|_1 * sqrt(2/pi) * sqrt(dims)
// for x in random orientation.
func (q *Query) RowNorm(blocks int, scalars []float32) float64 {
	var sum float64
	for b := range blocks {
		block, factor := &q.blocks[b], float64(scalars[b])
		sum += float64(factor * factor * float64(block.width) * 2 / math.Pi)
		if q.centred {
			sum += float64(2*float64(scalars[len(scalars)/2+b])) - block.mean
		}
	}
	return math.Sqrt(max(0, sum))
}
