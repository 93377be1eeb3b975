package scan

import (
	"math"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/dense"
)

// Scorer scores vectors against one query on the metric's scale.
//
// Scores are float64s until they are shown. So the score of a float32 vector has all the digits
// that tell it from others, whatever the common offset of the vectors and their lengths, and is
// the same with every kernel.
type Scorer struct {
	metric  encoder.Metric
	format  dense.Format // of the vectors that are read
	query   []float32
	squares float64 // of query
	norm    float64 // of query
}

// NewScorer makes a scorer for query, which reads vectors stored with precision p. It keeps query.
func NewScorer(m encoder.Metric, p encoder.Precision, query []float32) Scorer {
	squares := dense.Dot(query, query)
	return Scorer{metric: m, format: formats[p], query: query, squares: squares, norm: math.Sqrt(squares)}
}

// formats says how vectors of each stored precision lie in bytes.
var formats = [...]dense.Format{
	encoder.Float32: dense.Float32, encoder.Float16: dense.Float16, encoder.BFloat16: dense.BFloat16, encoder.Int8: dense.Int8,
	encoder.None: dense.Float32, // which nobody reads
}

// Stored is Score for a stored vector.
func (s *Scorer) Stored(v []byte) float64 {
	switch s.metric {
	case encoder.Dot:
		return s.format.Dot(s.query, v)
	case encoder.L2:
		return 0 - s.format.SquaredL2(s.query, v)
	default:
		return s.cosine(s.format.DotSquares(s.query, v))
	}
}

// storedAll overwrites scores with what Stored returns for vectors that begin stride bytes
// apart in b. squares is room for as many numbers.
func (s *Scorer) storedAll(scores, squares []float64, b []byte, stride int) {
	switch s.metric {
	case encoder.Dot:
		s.format.Dots(scores, s.query, b, stride)
	case encoder.L2:
		s.format.SquaredL2s(scores, s.query, b, stride)
		for i, squared := range scores {
			scores[i] = 0 - squared
		}
	default:
		s.format.DotsSquares(scores, squares, s.query, b, stride)
		for i, product := range scores {
			scores[i] = s.cosine(product, squares[i])
		}
	}
}

// Score is the similarity of the query and v, of equal size.
func (s *Scorer) Score(v []float32) float64 {
	switch s.metric {
	case encoder.Dot:
		return dense.Dot(s.query, v)
	case encoder.L2:
		return 0 - dense.SquaredL2(s.query, v) // not -0
	default:
		return s.cosine(dense.DotSquares(s.query, v))
	}
}

// cosine takes the root of the product of both squares, not the product of their roots: the
// former is exact for a vector and itself, whose cosine is then 1. It cuts off the last digits,
// which are rounding, so that vectors of one direction tie.
func (s *Scorer) cosine(product, squares float64) float64 {
	if squares == 0 || s.squares == 0 { // a prefix may be all zero although the whole is not
		return 0
	}
	const digits = 1 << 44
	return math.RoundToEven(max(-1, min(1, product/math.Sqrt(s.squares*squares)))*digits) / digits
}
