package encoder

import (
	"math"

	"github.com/hamnest/hamnest/encoder/code"
)

// CodeQuery makes a code ready to be compared with codes: Words(dims) words that are
// Padded, of dims dimensions that CheckQuery accepts. It knows the signs of the vector
// that it was made of and nothing else, so that all its forms rank by Hamming distance,
// but for what stands beside the rows' codes, and nothing is known of an estimate's error.
//
// A distance h over n bits is taken for a cosine of cos(pi h/n) (Charikar, STOC 2002).
// Where there are blocks, it is that of the transformed vectors, a mean over the blocks:
// each has the weight of the row's |x|_1 in it. By |x|^2, which would be right for a query
// that is like the row, the strongest block's noise counts for more (debian, nested:
// recall@10 of codes .62, by |x|_1 .67). The length of the query is such that the vector
// has length 1 where the profile scales vectors to that, and otherwise 1.
func (p *Profile) CodeQuery(c []uint64, dims int) *Query {
	q := newQuery(dims)
	q.signsOnly, q.centred = true, p.mean != nil
	copy(q.Signs, c)
	for i := range q.Floats {
		q.Floats[i] = 2*float32(c[i/code.WordBits]>>(i%code.WordBits)&1) - 1
	}
	q.quantise()
	if p.kind != Plain {
		q.setCodeBlocks(p)
	}
	return q
}

// setCodeBlocks is setBlocks for a query that has only signs.
func (q *Query) setCodeBlocks(p *Profile) {
	dims := len(q.Floats)
	var rotated []float32 // the mean
	if p.mean != nil {
		rotated = make([]float32, dims)
		copy(rotated, p.mean)
		p.rotate(rotated)
	}
	// <q - m, m> and |m|^2, the first estimated as if |q - m| were 1.
	var product, mean float64
	first := 0
	for b, end := range p.blocks {
		if first == dims {
			break
		}
		width := end - first
		block := queryBlock{width: width, magnitudes: q.magnitudes(first, end), squares: float64(width) / float64(dims)}
		if p.mean != nil {
			for i := first; i < end; i++ {
				block.constant += float64(q.Floats[i] * rotated[i])
			}
			block.constant *= math.Sqrt(math.Pi / 2 / float64(dims))
			block.mean = p.squares[b]
		}
		product += block.constant
		mean += block.mean
		q.blocks = append(q.blocks, block)
		first = end
	}
	q.length = 1
	if p.unit { // |m + (q - m)| = 1
		q.length = math.Sqrt(max(0, float64(product*product)+1-mean)) - product
	}
	for b := range q.blocks {
		block := &q.blocks[b]
		block.constant *= q.length
		block.squares = float64(block.squares*q.length*q.length) + block.mean + float64(2*block.constant)
	}
}

// codeProduct estimates the product of what was added up and a code, both less the mean.
func (e *estimator) codeProduct(q *Query) float64 {
	if e.squares == 0 {
		return 0
	}
	query := q.length * math.Sqrt(float64(e.width)/float64(len(q.Floats)))
	row := math.Sqrt(e.squares * 2 / math.Pi)           // see RowNorm
	return float64(query * row * (e.cosines / e.norm1)) // not fused with what it is added to
}

// signCosine is the cosine that signs suggest: agreement is the share of them that are
// equal less the share that differ.
func signCosine(agreement float64) float64 { return math.Sin(math.Pi / 2 * agreement) }
