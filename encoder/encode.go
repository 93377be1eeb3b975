package encoder

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/x448/float16"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
)

// A row is the blocks of its code, one after the other, each plane by plane, and after them,
// packed into whole words:
//
//   - the offset, a float32: the part of the score that depends on the row alone;
//   - under L2, for each step of the ladder but the last, the square of the prefix's
//     distance from the mean, a float32;
//   - for each block the factor, a bfloat16, with which its levels estimate inner products;
//   - under Cosine, for each step but the last, 1/|prefix|, a float16.
//
// Rows of plain signs have only an offset and a factor: 0 and 1 or, if scores need the length
// of a vector, |x|^2 and |x|. For those of an older version see older.go.

// sideLayout says where these are, in bytes from the end of the planes.
type sideLayout struct {
	squares, factors, scales, bytes int
	words                           int
	offsets, weights                int // prefixes that have an offset or square, and a scale
}

const offsetBytes = 4

func newSideLayout(p *Profile) sideLayout {
	l := sideLayout{squares: offsetBytes}
	steps := len(p.shape.Ladder) - 1
	if p.Older() || p.kind == Learned && p.shape.Metric == L2 {
		l.offsets = steps
	}
	if p.Older() || p.kind == Learned && p.shape.Metric == Cosine {
		l.weights = steps
	}
	l.factors = l.squares + 4*l.offsets
	l.scales = l.factors + 2*len(p.blocks)
	l.bytes = l.scales + 2*l.weights
	l.words = (l.bytes + 7) / 8
	return l
}

// Prefixes returns how many prefixes, from the shortest, have their own offset or square beside
// a code, and how many their own scale.
func (p *Profile) Prefixes() (squares, scales int) { return p.side.offsets, p.side.weights }

// RowWords returns how many words a row has.
func (p *Profile) RowWords() int { return p.words }

// RowBytes returns the bytes of a row without padding: the memory it takes.
func (p *Profile) RowBytes() int {
	if p.kind == Exact {
		return 0
	}
	return 8*(p.words-p.side.words) + p.side.bytes
}

// MaxBlocks is the most blocks that a code has.
const MaxBlocks = 3

// Side is what is kept beside the code of a row.
type Side struct {
	Offset  float32
	Factors [MaxBlocks]uint16 // bfloat16
	Squares []float32         // one for each step of the ladder but the last, or none: see Prefixes
	Scales  []uint16          // likewise, float16
}

// Side reads what is kept beside the code of row into s, whose slices are used again.
func (p *Profile) Side(s *Side, row []uint64) {
	at := row[p.words-p.side.words:]
	u16 := func(i int) uint16 { return uint16(at[i/8] >> (8 * (i % 8))) }
	u32 := func(i int) uint32 { return uint32(at[i/8] >> (8 * (i % 8))) }
	s.Offset = math.Float32frombits(u32(0))
	s.Squares, s.Scales = s.Squares[:0], s.Scales[:0]
	for b := range p.blocks {
		s.Factors[b] = u16(p.side.factors + 2*b)
	}
	for i := range p.side.offsets {
		s.Squares = append(s.Squares, math.Float32frombits(u32(p.side.squares+4*i)))
	}
	for i := range p.side.weights {
		s.Scales = append(s.Scales, u16(p.side.scales+2*i))
	}
}

// putSide is the reverse of Side.
func (p *Profile) putSide(row []uint64, s *Side) {
	var b [8 * (1 + 16)]byte // offset, three factors, MaxLadder steps
	side := b[:8*p.side.words]
	binary.LittleEndian.PutUint32(side, math.Float32bits(s.Offset))
	for i, x := range s.Squares {
		binary.LittleEndian.PutUint32(side[p.side.squares+4*i:], math.Float32bits(x))
	}
	for i, f := range s.Factors[:len(p.blocks)] {
		binary.LittleEndian.PutUint16(side[p.side.factors+2*i:], f)
	}
	for i, w := range s.Scales {
		binary.LittleEndian.PutUint16(side[p.side.scales+2*i:], w)
	}
	code.FromBytes(row[p.words-p.side.words:], side)
}

// Encode fills each of rows, of RowWords words, with the row of the vector of the same number.
// Vectors have Dims dimensions and must have passed Validate.
func (p *Profile) Encode(rows [][]uint64, vectors [][]float32) {
	switch p.kind {
	case Exact:
		for _, row := range rows {
			clear(row)
		}
	case Signs:
		for i, row := range rows {
			if p.Older() {
				p.encodeOlder(row, vectors[i])
			} else {
				p.encodeSigns(row, vectors[i])
			}
		}
	default:
		s := encodeScratches.Get().(*encodeScratch)
		defer encodeScratches.Put(s)
		for len(rows) > 0 {
			n := min(len(rows), encodeTogether)
			p.learned(s, rows[:n], vectors[:n])
			rows, vectors = rows[n:], vectors[n:]
		}
	}
}

// encodeSigns is Encode of one vector if codes are plain signs.
func (p *Profile) encodeSigns(row []uint64, v []float32) {
	code.Signs(row[:code.Words(p.shape.Dims)], v)
	length := norm(v)
	p.PutSigns(row, row[:code.Words(p.shape.Dims)], length)
}

// PutSigns makes the row of a code of plain signs. length is that of the vector, and is not
// needed under Cosine.
func (p *Profile) PutSigns(row, signs []uint64, length float64) {
	copy(row, signs)
	side := Side{Factors: [MaxBlocks]uint16{bfloat16(1)}}
	if p.shape.Metric != Cosine {
		side.Factors[0] = bfloat16(length)
	}
	if p.shape.Metric == L2 {
		side.Offset = floats.Finite(length * length)
	}
	p.putSide(row, &side)
}

// encodeTogether is how many vectors pass through the basis together.
const encodeTogether = 16

type encodeScratch struct {
	memory  []float32
	vectors [][]float32
	side    Side
}

var encodeScratches = sync.Pool{New: func() any { return new(encodeScratch) }}

// take makes n vectors of dims dimensions.
func (s *encodeScratch) take(n, dims int) [][]float32 {
	s.memory = slices.Grow(s.memory[:0], n*dims)[:n*dims]
	s.vectors = s.vectors[:0]
	for i := range n {
		s.vectors = append(s.vectors, s.memory[i*dims:(i+1)*dims])
	}
	return s.vectors
}

// learned is Encode if the profile is of kind Learned.
func (p *Profile) learned(s *encodeScratch, rows [][]uint64, vectors [][]float32) {
	rest := s.take(len(rows), p.shape.Dims)
	for i, v := range vectors {
		p.putPrefixes(rows[i], v, p.centre(rest[i], v), &s.side)
	}
	p.basis.ApplyAll(rest)
	for i, row := range rows {
		at, v := row, rest[i]
		p.Side(&s.side, row)
		for b := range p.blocks {
			block := &p.blocks[b]
			p.rotations[b].Apply(v[:block.Dims])
			s.side.Factors[b] = bfloat16(block.encode(at[:block.Words()], v[:block.Dims]))
			at, v = at[block.Words():], v[block.Dims:]
		}
		p.putSide(row, &s.side)
	}
}

// lengthScale is what v is multiplied by first.
func (p *Profile) lengthScale(v []float32) float64 {
	if p.shape.Metric != Cosine {
		return math.Ldexp(1, p.scale)
	}
	if n := norm(v); n > 0 {
		return 1 / n
	}
	return 1
}

// centre fills dst, of Dims dimensions, with v scaled, minus what all vectors have in common.
// If v is shorter it is padded with zeros. centre returns the product of the scaled v with the
// mean's direction, which L2 does not use.
func (p *Profile) centre(dst, v []float32) (along float64) {
	scale := p.lengthScale(v)
	clear(dst[len(v):])
	if p.shape.Metric == L2 {
		for i, x := range v {
			x -= p.mean[i] // exact where both are far from zero
			dst[i] = float32(float64(x) * scale)
		}
		return 0
	}
	if p.mean == nil {
		for i, x := range v {
			dst[i] = float32(float64(x) * scale)
		}
		return 0
	}
	for i, x := range v {
		along += float64(float64(p.mean[i]) * float64(x))
	}
	along *= scale
	t := along / p.norm2
	for i, m := range p.mean {
		var x float64
		if i < len(v) {
			x = float64(float64(v[i]) * scale)
		}
		dst[i] = float32(x - float64(t*float64(m)))
	}
	return along / math.Sqrt(p.norm2)
}

// putPrefixes writes the offset of v and the numbers of its prefixes to row; side is
// scratch.
func (p *Profile) putPrefixes(row []uint64, v []float32, along float64, side *Side) {
	side.Offset = float32(along)
	side.Squares, side.Scales = side.Squares[:0], side.Scales[:0]
	ends := p.shape.Ladder[:p.side.weights]
	if p.shape.Metric == L2 {
		ends = p.shape.Ladder
	}
	scale := p.lengthScale(v)
	var sum float64
	first := 0
	for _, end := range ends {
		for j := first; j < end; j++ {
			x := v[j]
			if p.shape.Metric == L2 {
				x -= p.mean[j]
			}
			sum += float64(float64(x) * float64(x))
		}
		first = end
		if p.shape.Metric == L2 {
			side.Squares = append(side.Squares, floats.Finite(sum*scale*scale))
			continue
		}
		var w float64
		if sum > 0 {
			w = min(1/(math.Sqrt(sum)*scale), maxScale)
		}
		side.Scales = append(side.Scales, float16.Fromfloat32(float32(w)).Bits())
	}
	if n := p.side.offsets; p.shape.Metric == L2 { // the square of the whole vector is the offset
		side.Offset, side.Squares = side.Squares[n], side.Squares[:n]
	}
	p.putSide(row, side)
}

// maxScale is the largest number that a float16 holds.
const maxScale = 65504

// encode fills words with the planes of y, which is rotated, and returns the factor f with
// which f <u, z> estimates <y, z> without bias, where u are the levels: |y|^2/<u, y> (RaBitQ,
// SIGMOD 2024, theorem 3.2, where u are signs).
func (b *Block) encode(words []uint64, y []float32) float64 {
	energy := squares64(y)
	clear(words)
	if energy == 0 {
		return 0
	}
	kept, plane := y[:b.Kept], b.PlaneWords()
	var product float64
	if b.Bits == 1 {
		code.Signs(words, kept)
		for _, x := range kept {
			product += math.Abs(float64(x))
		}
	} else {
		spacing := levels[b.Bits].spacing * math.Sqrt(energy/float64(b.Dims))
		inverse, half := float32(1/spacing), 1<<(b.Bits-1)
		for i, x := range kept {
			at := int(max(-16, min(16, float32(x*inverse)))+16) - 16 + half // rounded down
			at = max(0, min(2*half-1, at))
			product += float64(float64(x) * float64(2*at+1-2*half))
			for j := range b.Bits {
				words[j*plane+i/code.WordBits] |= uint64(at>>(b.Bits-1-j)&1) << (i % code.WordBits)
			}
		}
	}
	if product <= 0 { // everything kept is zero
		return 0
	}
	return energy / product
}

// norm is the Euclidean norm of v.
func norm(v []float32) float64 { return math.Sqrt(squares64(v)) }

// squares64 is the sum of the squares of v.
func squares64(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(float64(x) * float64(x)) // not fused: the same everywhere
	}
	return sum
}

func squares(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x * x)
	}
	return sum
}

// bfloat16 is the upper half of the float32 nearest to x, half-way to even.
func bfloat16(x float64) uint16 {
	b := math.Float32bits(float32(min(x, 0x1.fep127)))
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Factor is the number that the bits of a bfloat16 stand for.
func Factor(bits uint16) float32 { return math.Float32frombits(uint32(bits) << 16) }

// Half is the number that the bits of a float16 stand for.
func Half(bits uint16) float32 { return float16.Frombits(bits).Float32() }
