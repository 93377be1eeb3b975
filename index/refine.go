package index

import (
	"cmp"
	"math"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
)

// estimate is what a row's code says of its score.
type estimate struct {
	row   uint32
	score float32
	// unbiased is the score without bias, for which the bound is known: deviation is the
	// standard deviation of its error; infinite where nothing is known.
	unbiased, deviation float64
	// best is the best score that a search's bound leaves possible; without a bound
	// the score itself.
	best float64
}

// compareBest orders estimates by the best score that is possible, best first, and
// then by row.
func compareBest(a, b estimate) int {
	switch {
	case a.best > b.best:
		return -1
	case a.best < b.best:
		return 1
	default:
		return cmp.Compare(a.row, b.row)
	}
}

// bestFirst hands out the best of many estimates where few are wanted: a heap in the
// order of compareBest, in which none ranks ahead of its parent, that of i at (i-1)/2.
type bestFirst []estimate

// newBestFirst takes over all, whose order it changes.
func newBestFirst(all []estimate) bestFirst {
	h := bestFirst(all)
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	return h
}

// take removes the n best, or all if there are fewer, and returns them in any order.
func (h *bestFirst) take(n int) []estimate {
	rest := *h
	if n >= len(rest) {
		*h = rest[:0]
		return rest
	}
	taken := rest[len(rest)-n:]
	for range n {
		last := len(rest) - 1
		rest[0], rest[last] = rest[last], rest[0]
		rest = rest[:last]
		rest.down(0)
	}
	*h = rest
	return taken
}

func (h bestFirst) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && compareBest(h[right], h[child]) < 0 {
			child = right
		}
		if compareBest(h[i], h[child]) <= 0 {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// refiner estimates the scores of single rows on the metric's scale, by comparing
// the first dims bits of their codes with a query in its 4-bit or float32 form. It
// is for one goroutine.
type refiner struct {
	codec *codec
	view  *view
	query *encoder.Query
	dims  int
	norm  float64 // of the query as it was given
	parts []part

	// The cosine that a distance, or a product, suggests; nil unless the profile is plain.
	plain      func(distance uint32) float64
	plainFloat func(product float64) float64

	// One number a block, for the row at hand.
	distances []uint32
	products  []float32 // none: the 4-bit form
	scalars   []float32
}

// part is what a query has for one column.
type part struct {
	column, block int
	signs         []uint64
	planes        [encoder.Planes][]uint64
	floats        hamming.Floats
}

// newRefiner makes a refiner; see reset.
func newRefiner(c *codec, v *view, p *plan, dims, bits int) *refiner {
	r := new(refiner)
	r.reset(c, v, p, dims, bits)
	return r
}

// reset prepares for the first dims dimensions of p's query, a prefix of the profile,
// in a form of so many bits: 4 or 32.
func (r *refiner) reset(c *codec, v *view, p *plan, dims, bits int) {
	r.codec, r.view, r.query, r.dims, r.norm = c, v, p.encoded, dims, p.scorer.norm
	r.plain, r.plainFloat = nil, nil
	r.parts, r.distances, r.products, r.scalars = r.parts[:0], r.distances[:0], r.products[:0], r.scalars[:0]
	blocks := c.profile.Blocks()
	if c.profile.Kind() == encoder.Plain {
		blocks = []int{c.profile.Dims()} // all at once
		r.plain, r.plainFloat = r.query.PlainCosine(dims), r.query.PlainCosineFloat(dims)
	} else {
		blocks = blocks[:r.query.Blocks(dims)]
		r.scalars = slices.Grow(r.scalars, c.scalars())[:c.scalars()]
	}
	r.distances = slices.Grow(r.distances, len(blocks))[:len(blocks)]
	if bits == 32 {
		r.products = slices.Grow(r.products, len(blocks))[:len(blocks)]
	}
	words, block := code.Words(dims), 0
	for column, start := range v.layout.start {
		if start >= words {
			break
		}
		for start*code.WordBits >= blocks[block] {
			block++
		}
		end := min(words, start+v.layout.width[column])
		r.parts = slices.Grow(r.parts, 1)[:len(r.parts)+1] // what a part holds is used again
		next := &r.parts[len(r.parts)-1]
		next.column, next.block, next.signs = column, block, r.query.Signs[start:end]
		for j, plane := range r.query.Planes {
			next.planes[j] = plane[start:end]
		}
		if bits == 32 {
			next.floats.Reset(r.query.Floats[start*code.WordBits : min(dims, end*code.WordBits)])
		}
	}
}

// release forgets the query and the codes, and keeps the memory for the next.
func (r *refiner) release() {
	r.codec, r.view, r.query, r.plain, r.plainFloat = nil, nil, nil, nil, nil
	for i := range r.parts {
		p := &r.parts[i]
		p.signs, p.planes = nil, [encoder.Planes][]uint64{}
	}
}

// estimate compares one row.
func (r *refiner) estimate(row uint32) estimate {
	segment, at := r.view.segments[row/segmentRows], int(row%segmentRows)
	clear(r.distances)
	clear(r.products)
	for i := range r.parts {
		p := &r.parts[i]
		column, stride := segment.columns[p.column], r.view.layout.width[p.column]
		if len(r.products) > 0 {
			r.products[p.block] += p.floats.Row(column, stride, at)
		} else {
			r.distances[p.block] += hamming.RowPlanes(p.signs, &p.planes, column, stride, at)
		}
	}
	for i := range r.scalars {
		r.scalars[i] = segment.scalars[i][at]
	}
	var norm float64
	if r.codec.keepsNorm() {
		norm = float64(segment.scalars[r.codec.profile.Scalars()][at])
	}
	if r.plain != nil {
		return estimate{row: row, score: r.codec.scoreOfCosine(r.plainCosine(), r.norm, norm), deviation: math.Inf(1)}
	}
	return r.corrected(row, norm)
}

func (r *refiner) plainCosine() float64 {
	if len(r.products) == 0 {
		return r.plain(r.distances[0])
	}
	return r.plainFloat(float64(r.products[0]))
}

// corrected is the estimate of a row that has scalars.
func (r *refiner) corrected(row uint32, norm float64) estimate {
	blocks, scalars := len(r.distances), r.scalars[:r.codec.profile.Scalars()]
	var product encoder.Estimate
	if len(r.products) > 0 {
		product = r.query.EstimateFloat(r.products, scalars)
	} else {
		product = r.query.Estimate(r.distances, scalars)
	}
	unbiased, score, deviation := product.Product, product.Pooled, product.Deviation
	whole := r.dims == r.codec.profile.Dims()
	switch r.codec.metric {
	case encoder.L2:
		if !whole {
			norm = r.query.RowNorm(blocks, scalars)
			deviation = math.Hypot(deviation, norm*norm*normDeviation(r.dims))
		}
		query := r.query.Norm(blocks)
		squares := float64(query*query) + float64(norm*norm)
		score, unbiased = min(0, 2*score-squares), 2*unbiased-squares
		deviation *= 2
	case encoder.Cosine:
		if !whole {
			length := r.query.Norm(blocks) * r.query.RowNorm(blocks, scalars)
			if length == 0 {
				return estimate{row: row, deviation: 1}
			}
			score, unbiased = score/length, unbiased/length
			deviation = math.Hypot(deviation/length, unbiased*normDeviation(r.dims))
		}
		score = max(-1, min(1, score))
	}
	if !r.codec.profile.Kind().Rotates() {
		deviation = math.Inf(1)
	}
	return estimate{row: row, score: finite(score), unbiased: unbiased, deviation: deviation}
}

// normDeviation is the relative standard deviation of the norm of a prefix that is
// estimated from |x|^2/|x|_1: that of |x|_1/|x| for x of so many dimensions in random
// orientation, sqrt((pi-3)/dims) of its mean.
func normDeviation(dims int) float64 { return math.Sqrt((math.Pi - 3) / float64(dims)) }

// scoreOfCosine is the score, on the metric's scale, of a vector at an angle to the
// query, both of known length (which Cosine does not need).
func (c *codec) scoreOfCosine(cosine, query, row float64) float32 {
	switch c.metric {
	case encoder.Dot:
		return finite(cosine * query * row)
	case encoder.L2:
		return finite(min(0, 2*cosine*query*row-query*query-row*row))
	default:
		return float32(cosine)
	}
}

// angle is the cosine that a Hamming distance over so many bits suggests: with a
// fraction distance/bits of signs that differ, the angle is that fraction of pi.
func angle(distance uint32, bits int) float64 {
	return math.Cos(math.Pi * float64(distance) / float64(bits))
}
