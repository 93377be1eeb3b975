package encoder

import (
	"fmt"
	"math"

	"github.com/hamnest/hamnest/encoder/basis"
	"github.com/hamnest/hamnest/encoder/code"
)

// headDims is how many principal components make the head of a code. With 128, little energy of
// text and image models is left behind them (.15 to .2), and a vector costs 4*128*dims
// multiplications; a whole basis costs dims*dims.
const headDims = 128

// MaxBits is the most bits that a dimension gets.
const MaxBits = 4

// Block is a run of dimensions of the basis with a rotation of its own.
type Block struct {
	// Dims is how many dimensions are rotated, and Kept how many of the result have bits: fewer
	// if the budget is small.
	Dims int `json:"dims"`
	Kept int `json:"kept"`
	// Bits is how many bits each kept dimension has, 1 to MaxBits.
	Bits int `json:"bits"`
	// RMS is the factor of a mean row: the root of the mean square of the rows' factors if all
	// rows had the same length.
	RMS float64 `json:"rms"`
}

// PlaneWords is the number of words that hold one bit of every dimension.
func (b *Block) PlaneWords() int { return code.Words(b.Kept) }

// Words is the number of words of the block in a row: Bits planes, the most significant first.
func (b *Block) Words() int { return b.Bits * b.PlaneWords() }

// blockWidths cuts the basis: the head into halves of 64, so that each gets bits by its own
// energy, and the rest as one block, because at one bit a dimension cutting it gains nothing
// (sum E^2/n is least where the energy is spread evenly). Fewer than 16 dimensions are not cut
// off, because estimates from so few are far from normal.
func blockWidths(dims int) []int {
	const half, least = headDims / 2, 16
	var widths []int
	for len(widths) < 2 && dims >= half+least {
		widths = append(widths, half)
		dims -= half
	}
	return append(widths, dims)
}

// fits reports whether kernels can sum a block in 16 bits: 15 for each dimension, times the
// weight of its planes.
func fits(kept, bits int) bool {
	return bits == 1 || code.Words(kept)*code.WordBits*15*(1<<bits-1) < 1<<16
}

// level describes quantising a normal variable to some number of bits. The levels are 1-2^bits,
// ..., -1, 1, ..., 2^bits-1, and spacing is their width in standard deviations that makes the
// error least (Max, "Quantizing for minimum distortion", 1960, table II).
type level struct {
	spacing float64
	square  float64 // the mean square of a level
	kappa2  float64 // the square of the cosine between a vector and its levels
}

// levels is indexed by bits. The last two columns are integrals over the normal density.
var levels = [MaxBits + 1]level{
	1: {0, 1, 2 / math.Pi},
	2: {0.9957, 3.555167, 0.8811540},
	3: {0.5860, 11.212097, 0.9625603},
	4: {0.3352, 35.189222, 0.9884571},
}

// noise is the variance of an estimate of <y, z> over the dims dimensions of a block, for |y| =
// |z| = 1: (1/kappa^2 - m/n)/m, where m of n dimensions are kept. With m = n and one bit this
// is RaBitQ's (Gao and Long, SIGMOD 2024, theorem 3.2); with more bits see "Practical and
// asymptotically optimal quantization" (SIGMOD 2025); the rest is ours.
func (b *Block) noise() float64 {
	m, n := float64(b.Kept), float64(b.Dims)
	return (1/levels[b.Bits].kappa2 - m/n) / m * n / max(1, n-1)
}

// energy is |y|^2 divided by the square of a row's factor.
func (b *Block) energy() float64 {
	m, n := float64(b.Kept), float64(b.Dims)
	return m * m / n * levels[b.Bits].square * levels[b.Bits].kappa2
}

// Learn makes a profile of kind Learned for vectors like those of sample, each of shape.Dims
// components and acceptable to Validate; the first 1,000 to 4,000 of a collection are enough.
// What it learns only makes estimates better: whatever the sample, estimates of other vectors
// stay unbiased and their errors known.
//
//   - Under Cosine and Dot it takes out the direction of the mean, under L2 the mean.
//   - The first 128 principal components come first; the rest is any completion of them.
//   - The bits go where the energy is. The variance of an estimate is the sum over
//     blocks of E Q g/n, where E and Q are the energies of row and query in the block and g
//     is the noise of its bits. Stored vectors stand in for queries, Q = E, so the next
//     plane goes to the block with the largest E^2 (g(B)-g(B+1))/n^2, until the budget is
//     spent; every block has one.
func Learn(shape Shape, sample [][]float32) (*Profile, error) {
	shape, err := shape.check()
	if err != nil {
		return nil, err
	}
	if len(sample) == 0 {
		return nil, fmt.Errorf("encoder: a profile has to be learnt from vectors, and there are none")
	}
	p := &Profile{kind: Learned, shape: shape}
	rest := p.learnBasis(sample)
	p.spend(energies(rest, blockWidths(shape.Dims)))
	p.scan, p.least = len(p.blocks), len(p.blocks)
	p.finish()
	p.learnFactors(rest)
	return p, nil
}

// Plan makes a profile with the blocks and rows that Learn would make of such vectors, each
// padded with zeros up to shape.Dims. It says how large rows are: it encodes nothing. Beyond
// headDims and 16 components, more dimensions take no more time.
func Plan(shape Shape, sample [][]float32) (*Profile, error) {
	shape, err := shape.check()
	if err != nil {
		return nil, err
	}
	if len(sample) == 0 {
		return nil, fmt.Errorf("encoder: planning %d dimensions with no vectors", shape.Dims)
	}
	short := &Profile{kind: Learned, shape: Shape{Metric: shape.Metric, Dims: len(sample[0])}}
	widths := blockWidths(short.shape.Dims)
	if len(widths) != len(blockWidths(shape.Dims)) {
		return nil, fmt.Errorf("encoder: planning %d dimensions with vectors of %d, want more", shape.Dims, short.shape.Dims)
	}
	p := &Profile{kind: Learned, shape: shape}
	p.spend(energies(short.learnBasis(sample), widths))
	p.finish()
	return p, nil
}

// learnBasis sets everything that comes before the blocks, and returns the sample's vectors in
// the basis.
func (p *Profile) learnBasis(sample [][]float32) (rest [][]float32) {
	p.learnScale(sample)
	p.learnMean(sample)
	rest = make([][]float32, len(sample))
	for i, v := range sample {
		rest[i] = make([]float32, p.shape.Dims)
		p.centre(rest[i], v)
	}
	p.basis = basis.Fit(rest, min(p.shape.Dims, headDims), rotationSeed)
	p.basis.ApplyAll(rest)
	return rest
}

// learnScale scales the vectors to a length of about 1, so that their products stay far from
// the limits of a float32.
func (p *Profile) learnScale(sample [][]float32) {
	if p.shape.Metric == Cosine {
		return
	}
	mean := make([]float64, p.shape.Dims)
	if p.shape.Metric == L2 { // a common offset does not tell how far apart they are
		addUp(mean, sample, func([]float32) float64 { return 1 / float64(len(sample)) })
	}
	var sum, largest float64
	for pass := range 2 { // the second pass is relative to the largest, because squares overflow
		for _, v := range sample {
			for i, x := range v {
				d := math.Abs(float64(x) - mean[i])
				if pass == 0 {
					largest = max(largest, d)
				} else if largest > 0 {
					sum += float64(d / largest * (d / largest))
				}
			}
		}
	}
	if largest == 0 {
		return
	}
	_, exponent := math.Frexp(largest * math.Sqrt(sum/float64(len(sample))))
	p.scale = max(-maxScaleBits, min(-exponent, maxScaleBits))
}

// learnMean sets the mean, or its direction; neither if the mean is next to nothing.
func (p *Profile) learnMean(sample [][]float32) {
	mean := make([]float64, p.shape.Dims)
	each := 1 / float64(len(sample))
	addUp(mean, sample, func(v []float32) float64 { return p.lengthScale(v) * each })
	length := math.Ldexp(1, p.scale) // what the mean was multiplied by
	if p.shape.Metric != L2 {
		if length = math.Sqrt(squares(mean)); length < 1e-6 {
			return
		}
	}
	p.mean = make([]float32, len(mean))
	for i, x := range mean {
		p.mean[i] = float32(x / length)
	}
	p.norm2 = squares64(p.mean)
}

// addUp adds each vector of sample, times its weight, to sum.
func addUp(sum []float64, sample [][]float32, weight func(v []float32) float64) {
	for _, v := range sample {
		w := weight(v)
		for i, x := range v {
			sum[i] += float64(float64(x) * w) // not fused: the same everywhere
		}
	}
}

// energies returns the mean energy of vectors in blocks of these widths.
func energies(rest [][]float32, widths []int) []float64 {
	all := make([]float64, len(widths))
	first := 0
	for b, width := range widths {
		for _, v := range rest {
			all[b] += squares64(v[first : first+width])
		}
		all[b] /= float64(len(rest))
		first += width
	}
	return all
}

// spend cuts the blocks, given their energies, and gives them the bits of the budget.
func (p *Profile) spend(energies []float64) {
	total := 0
	for _, width := range blockWidths(p.shape.Dims) {
		p.blocks = append(p.blocks, Block{Dims: width, Kept: width, Bits: 1})
		total += width
	}
	// gain is what one more plane than bits is worth to block b, for each bit that it takes.
	gain := func(b, bits int) float64 {
		density := energies[b] / float64(p.blocks[b].Dims)
		return density * density * (1/levels[bits].kappa2 - 1/levels[bits+1].kappa2)
	}
	// A small budget saves on the rest, not on the head: the head loses more with its bits than
	// the rest does with half of its own.
	budget := max(p.shape.Bits, p.shape.Dims+extraBits)
	for {
		best, most := -1, 0.0
		for i := range p.blocks {
			b := &p.blocks[i]
			if b.Bits == MaxBits || !fits(b.Kept, b.Bits+1) || total+b.Kept > budget {
				continue
			}
			if g := gain(i, b.Bits); g > most {
				best, most = i, g
			}
		}
		if best < 0 {
			break
		}
		p.blocks[best].Bits++
		total += p.blocks[best].Kept
	}
	last := &p.blocks[len(p.blocks)-1]
	for total > p.shape.Bits && last.Kept > leastKept(last.Dims) {
		kept := max(leastKept(last.Dims), (last.Kept-1)/code.WordBits*code.WordBits)
		total -= (last.Kept - kept) * last.Bits
		last.Kept = kept
	}
	// If a quarter of the rest is still too much, the planes that are worth least go.
	for total > p.shape.Bits {
		worst := -1
		for i, b := range p.blocks {
			if b.Bits > 1 && (worst < 0 || gain(i, b.Bits-1) < gain(worst, p.blocks[worst].Bits-1)) {
				worst = i
			}
		}
		p.blocks[worst].Bits--
		total -= p.blocks[worst].Kept
	}
}

// leastKept is the least number of dimensions of a last block of dims that keep bits: a
// quarter, in whole words.
func leastKept(dims int) int {
	return min(dims, (dims/4+code.WordBits-1)/code.WordBits*code.WordBits)
}

// BitsRange returns the least and the most bits that a code of dims dimensions can be asked to
// have: one for each dimension of the head and of a quarter of the rest, and as many planes as
// kernels can take.
func BitsRange(dims int) (least, most int) {
	widths := blockWidths(dims)
	for b, width := range widths {
		if b < len(widths)-1 {
			least += width
		} else {
			least += leastKept(width)
		}
		bits := MaxBits
		for !fits(width, bits) {
			bits--
		}
		most += bits * width
	}
	return least, most
}

// learnFactors measures the size of the rows' factors. Their proportions to each other come
// from the mean of all rows, long or short. In the mean of their squares a few rows much longer
// than the others would decide, and the basis was fitted to those.
func (p *Profile) learnFactors(rest [][]float32) {
	shares := make([]float64, len(p.blocks)) // sums of squares, with each row scaled to energy 1
	squares := make([]float64, len(p.blocks))
	words := make([]uint64, p.words)
	var total, rows float64
	for _, v := range rest {
		var energy float64
		at := words
		for b := range p.blocks {
			block := &p.blocks[b]
			p.rotations[b].Apply(v[:block.Dims])
			f := block.encode(at[:block.Words()], v[:block.Dims])
			squares[b] = float64(f * f)
			energy += float64(squares[b] * block.energy())
			v, at = v[block.Dims:], at[block.Words():]
		}
		if total += energy; energy == 0 {
			continue
		}
		rows++
		for b := range shares {
			shares[b] += squares[b] / energy
		}
	}
	for b := range p.blocks {
		p.blocks[b].RMS = min(math.Sqrt(shares[b]/max(1, rows)*total/float64(len(rest))), maxRMS)
	}
}
