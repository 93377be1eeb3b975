package encoder

import (
	"fmt"
	"math"
	"slices"

	"github.com/x448/float16"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/encoder/rotation"
)

// This file serves codes that versions before learned codes made from vectors that were not
// stored. Those versions took a mean out of a vector, rotated it, or did both, and kept the
// signs of the result. The profile of such codes is of kind Signs with the mean and the seed of
// the rotations, through which queries and new vectors go. Each step of the ladder has a
// rotation, over the dimensions since the step before.
//
// Let x = R(v - m) be what is left of a vector, and |x|_1 the sum of its components' absolute
// values. The factor f of a row is |x|^2/|x|_1 (Gao and Long, "RaBitQ", SIGMOD 2024, theorem
// 3.2), over all dimensions. That is a little biased if the blocks differ in length, but it
// orders near rows better than a factor a block. The offset of a row is <m, v>, or under L2
// |x|^2. So the score of a row with signs s, for a query z = R(q - m), is
//
//	<m, v> + f <z, s> + <z, R m>,  or under L2  -|x|^2 + 2 f <z, s> - |z|^2
//
// Each prefix has its own offset and factor. Kept beside a code are the ratio w of the prefix's
// factor to f, and its offset divided by w, so that the score is w times the above, except for
// the last term. Under Cosine all is divided by the length of the prefix, the last term by that
// of a mean row's prefix.

// maxNorm is the longest that a vector may be before it is rotated. Longer ones are scaled down
// to it, and their estimates are wrong.
const maxNorm = 1e15

// NewOlder makes the profile of codes of an older version: the signs of R(v - m), with v scaled
// to length 1 under Cosine. seed is that of the rotations, 0 for none; mean is m, nil for none.
// Only steps of shape.Ladder can be queried: they are the ends of what was rotated together.
func NewOlder(shape Shape, seed uint64, mean []float32) (*Profile, error) {
	shape.Bits = 0
	shape, err := shape.check()
	if err != nil {
		return nil, err
	}
	if mean != nil {
		if err := floats.Validate(mean, shape.Dims, Dot); err != nil {
			return nil, fmt.Errorf("encoder: mean %w", err)
		}
		if n := norm(mean); n > maxNorm {
			return nil, fmt.Errorf("encoder: mean of length %g, want at most %g", n, maxNorm)
		}
	}
	p := newSigns(shape)
	p.seed, p.mean = seed, slices.Clone(mean)
	p.finish()
	first := 0
	for b, end := range p.shape.Ladder {
		if p.seed != 0 {
			p.rotations = append(p.rotations, rotation.New(end-first, p.seed, b))
		}
		first = end
	}
	if p.mean != nil {
		p.rotated = slices.Clone(p.mean)
		p.rotate(p.rotated)
	}
	return p, nil
}

// Older reports whether p is a profile of NewOlder, whose codes tell less than is kept beside
// them.
func (p *Profile) Older() bool { return p.kind == Signs && (p.seed != 0 || p.mean != nil) }

// rotate rotates v, which ends with a step of the ladder.
func (p *Profile) rotate(v []float32) {
	first := 0
	for b, r := range p.rotations {
		if end := p.shape.Ladder[b]; end <= len(v) {
			r.Apply(v[first:end])
			first = end
		}
	}
}

// turn fills dst, of the length of v, with R(v - m), and returns the factor that v was
// multiplied by first.
func (p *Profile) turn(dst, v []float32) (scale float64) {
	switch n := norm(v); {
	case p.shape.Metric == Cosine && n > 0: // a prefix may be zero
		scale = 1 / n
	case n > maxNorm:
		scale = maxNorm / n
	default:
		scale = 1
	}
	for i, x := range v {
		dst[i] = x
		if scale != 1 {
			dst[i] = float32(float64(x) * scale)
		}
		if p.mean != nil {
			dst[i] -= p.mean[i]
		}
	}
	p.rotate(dst)
	return scale
}

// OlderScalars returns how many numbers an older version kept beside a code.
func (p *Profile) OlderScalars() int {
	n := 0
	if p.Older() {
		n = len(p.shape.Ladder)
	}
	if p.mean != nil {
		n *= 2
	}
	if p.shape.Metric == L2 || p.shape.Metric == Dot && n == 0 {
		n++
	}
	return n
}

// PutOlder makes the row of the signs and the scalars that an older version kept. The scalars
// are |x|^2/|x|_1 of each block that was rotated; if there is a mean, <m, v> of each; and the
// length of v under L2, and under Dot if there is nothing else.
func (p *Profile) PutOlder(row, signs []uint64, scalars []float32) {
	length := 1.0
	if n := p.OlderScalars(); n > 0 {
		length = float64(scalars[n-1])
	}
	if !p.Older() {
		p.PutSigns(row, signs, length)
		return
	}
	steps := len(p.shape.Ladder)
	side := Side{Squares: make([]float32, steps-1), Scales: make([]uint16, steps-1)}
	var prefixes [MaxLadder]olderPrefix
	var sum olderPrefix
	first := 0
	for b, end := range p.shape.Ladder {
		f, width := float64(scalars[b]), float64(end-first)
		sum.squares += float64(f * f * width)
		sum.norm1 += float64(f * width)
		if p.mean != nil {
			sum.along += float64(scalars[steps+b])
			sum.mean += squares64(p.mean[first:end])
		}
		prefixes[b], first = sum, end
	}
	side.Factors[0] = bfloat16(sum.factor())
	side.Offset = float32(sum.along)
	if p.shape.Metric == L2 {
		side.Offset = floats.Finite(max(0, length*length-2*sum.along+sum.mean))
	}
	for b, prefix := range prefixes[:steps-1] {
		w := 1.0
		if f := float64(Factor(side.Factors[0])); f > 0 {
			w = prefix.factor() / f
		}
		offset := prefix.along
		switch p.shape.Metric {
		case L2:
			offset = prefix.squares * 2 / math.Pi
		case Cosine:
			length := math.Sqrt(max(leastPrefix, prefix.squares*2/math.Pi+2*prefix.along-prefix.mean))
			w, offset = w/length, offset/length
		}
		half := float16.Fromfloat32(float32(max(leastWeight, min(w, maxScale))))
		side.Scales[b] = half.Bits()
		side.Squares[b] = floats.Finite(offset / float64(half.Float32()))
	}
	copy(row, signs)
	p.putSide(row, &side)
}

// olderPrefix is what the factors of blocks tell about a prefix: for x in random orientation
// |x|^2/|x|_1 is sqrt(pi/2)/sqrt(n) |x|.
type olderPrefix struct {
	squares, norm1 float64 // |x|^2 and |x|_1, both pi/2 times too large
	along, mean    float64 // <m, v> and |m|^2
}

func (o *olderPrefix) factor() float64 {
	if o.norm1 == 0 {
		return 0
	}
	return o.squares / o.norm1
}

const (
	// leastWeight keeps the ratio of an empty prefix above 0, because the offset is divided by
	// it.
	leastWeight = 1.0 / 1024
	// leastPrefix is the least value used for the square of a prefix's length.
	leastPrefix = 1e-4
)

// encodeOlder is Encode of one vector.
func (p *Profile) encodeOlder(row []uint64, v []float32) {
	x := make([]float32, len(v))
	scale := p.turn(x, v)
	scalars := make([]float32, p.OlderScalars())
	first := 0
	for b, end := range p.shape.Ladder {
		var squares, norm1, along float64
		for i := first; i < end; i++ {
			squares += float64(float64(x[i]) * float64(x[i]))
			norm1 += math.Abs(float64(x[i]))
			if p.mean != nil {
				along += float64(float64(p.mean[i]) * float64(v[i]))
			}
		}
		if norm1 > 0 {
			scalars[b] = float32(squares / norm1)
		}
		if p.mean != nil {
			scalars[len(p.shape.Ladder)+b] = float32(along * scale)
		}
		first = end
	}
	if p.shape.Metric == L2 {
		scalars[len(scalars)-1] = floats.Finite(norm(v))
	}
	signs := row[:code.Words(p.shape.Dims)]
	code.Signs(signs, x)
	p.PutOlder(row, signs, scalars)
}

// older is Query if the profile is for codes of an older version.
func (q *Query) older(v []float32) {
	p := q.profile
	z := make([]float32, p.shape.Dims)
	p.turn(z[:len(v)], v)
	q.add(z)
	along := 0.0
	if p.mean != nil {
		along = product64(z[:len(v)], p.rotated)
	}
	q.forOlder(len(v), 1, squares64(z), along)
}

// forOlder sets how scores follow from <z, s>, z being R(q - m) of n dimensions divided by k;
// squares is |R(q - m)|^2 and along <R(q - m), R m>.
func (q *Query) forOlder(n int, k, squares, along float64) {
	switch p := q.profile; p.shape.Metric {
	case L2:
		q.offset, q.product, q.constant = -1, 2*k, -squares
	case Cosine:
		q.offset, q.product, q.constant = 1, k, along*math.Sqrt(float64(p.shape.Dims)/float64(n))
	default:
		q.offset, q.product, q.constant = 1, k, along
	}
}

// olderCode is CodeQuery if the profile is for codes of an older version; s are the signs. They
// stand for the vector l s/sqrt(n), where l gives the vector length 1 under Cosine, and
// otherwise is 1.
func (q *Query) olderCode(s []float32) {
	p, n := q.profile, len(s)
	each := 1 / math.Sqrt(float64(n))
	l, along := 1.0, 0.0
	if p.mean != nil {
		// <z, R m> is estimated from the signs, as that of a row is.
		along = product64(s, p.rotated) * each * math.Sqrt(math.Pi/2)
		if p.shape.Metric == Cosine {
			l = math.Sqrt(max(0, along*along+1-squares64(p.rotated[:n]))) - along
		}
	}
	q.forOlder(n, l*math.Sqrt(2/math.Pi)*each, l*l, l*along)
}

func product64(a, b []float32) float64 {
	var sum float64
	for i, x := range a {
		sum += float64(float64(x) * float64(b[i]))
	}
	return sum
}
