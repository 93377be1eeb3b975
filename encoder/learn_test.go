package encoder

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
)

// spectrum draws vectors of normal components of which the i-th is decay(i) large, around
// a common offset in every component.
func spectrum(r *rand.Rand, n, dims int, offset float64, decay func(i int) float64) [][]float32 {
	all := make([][]float32, n)
	for i := range all {
		all[i] = make([]float32, dims)
		for j := range all[i] {
			all[i][j] = float32(r.NormFloat64()*decay(j) + offset)
		}
	}
	return all
}

func flat(int) float64 { return 1 }

// steep has nearly all of its energy in few dimensions.
func steep(i int) float64 { return math.Exp(-float64(i) / 6) }

// textlike falls as the principal components of text models do.
func textlike(i int) float64 { return 1 / math.Sqrt(1+float64(i)/8) }

func learnt(t testing.TB, shape Shape, sample [][]float32) *Profile {
	t.Helper()
	p, err := Learn(shape, sample)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// with returns p with other blocks, as if the sample had asked for them.
func (p *Profile) with(blocks []Block, sample [][]float32) *Profile {
	q := &Profile{kind: p.kind, shape: p.shape, scale: p.scale, mean: p.mean, norm2: p.norm2, basis: p.basis, blocks: blocks, scan: len(blocks)}
	q.finish()
	rest := make([][]float32, len(sample))
	for i, v := range sample {
		rest[i] = make([]float32, p.Dims())
		q.centre(rest[i], v)
	}
	q.basis.ApplyAll(rest)
	q.learnFactors(rest)
	return q
}

// uniform are the blocks of p with as many bits in each, and of the last only a part kept.
func (p *Profile) uniform(bits, kept int) []Block {
	blocks := p.Blocks()
	for i := range blocks {
		blocks[i].Bits = bits
	}
	last := &blocks[len(blocks)-1]
	last.Kept = min(last.Kept, kept)
	return blocks
}

// The table in Max's paper is of the spacing; the rest follows from it.
func TestLevelsAreThoseThatQuantiseANormalVariableBest(t *testing.T) {
	for bits := 1; bits <= MaxBits; bits++ {
		// E[u^2] and E[|x u|] over the normal density, by steps of 1e-4.
		moments := func(spacing float64) (square, product float64) {
			const step = 1e-4
			for x := step / 2; x < 10; x += step {
				u := 1.0
				if bits > 1 {
					u = 2*min(math.Floor(x/spacing), float64(int(1)<<(bits-1)-1)) + 1
				}
				p := 2 * step * math.Exp(-x*x/2) / math.Sqrt(2*math.Pi)
				square += p * u * u
				product += p * u * x
			}
			return square, product
		}
		l := levels[bits]
		square, product := moments(l.spacing)
		kappa2 := product * product / square
		if math.Abs(square-l.square) > 1e-3*square || math.Abs(kappa2-l.kappa2) > 1e-4 {
			t.Errorf("%d bits: mean square %.6f and cosine %.6f, the table has %.6f and %.6f", bits, square, kappa2, l.square, l.kappa2)
		}
		if bits == 1 {
			continue
		}
		for _, other := range []float64{.98 * l.spacing, 1.02 * l.spacing} {
			if s, p := moments(other); p*p/s > kappa2 {
				t.Errorf("%d bits: levels %v wide lose less than those %v wide", bits, other, l.spacing)
			}
		}
	}
}

// greedy gives bits to blocks as Learn's doc says: while a plane of a block can be paid for, to
// the block whose plane takes most from the sum of E^2 g/n for each of its bits.
func greedy(energies []float64, widths []int, budget int) []int {
	kappa2 := []float64{0, 2 / math.Pi, .881154, .962560, .988457}
	bits := make([]int, len(widths))
	spent := 0
	for i := range bits {
		bits[i] = 1
		spent += widths[i]
	}
	for {
		best, most := -1, 0.0
		for i, n := range widths {
			words := (n + 63) / 64
			if bits[i] == 4 || spent+n > budget || words*64*15*(1<<(bits[i]+1)-1) > math.MaxUint16 {
				continue
			}
			g := func(b int) float64 { return (1/kappa2[b] - 1) * energies[i] * energies[i] / float64(n) }
			if gain := (g(bits[i]) - g(bits[i]+1)) / float64(n); gain > most {
				best, most = i, gain
			}
		}
		if best < 0 {
			return bits
		}
		bits[best]++
		spent += widths[best]
	}
}

func TestBitsGoWhereTheEnergyIs(t *testing.T) {
	for _, tt := range []struct {
		dims, bits int
		decay      func(int) float64
		want       []int // bits a dimension of each block
	}{
		{17, 0, flat, []int{4}},
		{64, 0, steep, []int{4}},
		{79, 0, flat, []int{4}}, // too few to cut
		{80, 0, steep, []int{4, 4}},
		{128, 0, flat, []int{4, 2}}, // of so few vectors, some components seem larger
		{128, 0, steep, []int{4, 2}},
		{448, 0, flat, []int{4, 2, 1}},
		{448, 0, textlike, []int{4, 2, 1}},
		{448, 0, steep, []int{4, 2, 1}},
		{448, 448 * 2, textlike, []int{4, 4, 1}},
		{768, 4*128 + 2*640, textlike, []int{4, 4, 2}},               // three planes of ten words would not fit
		{1600, 4*128 + 1472, flat, []int{4, 4, 1}},                   // nor two of 23
		{256, 4 * 256, textlike, []int{4, 4, 4}},                     // all that there is
		{144, 0, func(i int) float64 { return 1 / steep(i/3) }, nil}, // principal components are sorted
	} {
		if !allSets && tt.dims > 448 {
			continue
		}
		r := rand.New(rand.NewPCG(1, uint64(tt.dims)))
		sample := spectrum(r, 100, tt.dims, .1, tt.decay)
		p := learnt(t, Shape{Dims: tt.dims, Bits: tt.bits}, sample)
		var bits, widths []int
		for _, b := range p.Blocks() {
			bits, widths = append(bits, b.Bits), append(widths, b.Dims)
			if b.Kept != b.Dims {
				t.Errorf("dims %d, budget %d: of %d dimensions %d are kept", tt.dims, tt.bits, b.Dims, b.Kept)
			}
		}
		energies := make([]float64, len(bits))
		for _, v := range sample {
			for b, block := range p.Query(floats.Prefix(v, tt.dims, Cosine)).blocks {
				energies[b] += block.squares
			}
		}
		budget := tt.bits
		if budget == 0 {
			budget = tt.dims + 256
		}
		if want := greedy(energies, widths, budget); !slices.Equal(bits, want) || tt.want != nil && !slices.Equal(bits, tt.want) {
			t.Errorf("dims %d, budget %d: blocks of %v dimensions have %v bits, the rule says %v, want %v", tt.dims, tt.bits, widths, bits, want, tt.want)
		}
	}
}

func TestBlocksAreTwoHalvesOfTheHeadAndTheRest(t *testing.T) {
	for dims, want := range map[int][]int{
		1: {1}, 16: {16}, 79: {79}, 80: {64, 16}, 128: {64, 64}, 143: {64, 79}, 144: {64, 64, 16}, 768: {64, 64, 640}, 4096: {64, 64, 3968},
	} {
		if got := blockWidths(dims); !slices.Equal(got, want) {
			t.Errorf("%d dims are cut into %v, want %v", dims, got, want)
		}
	}
}

// A hundredth of the rows, a thousand times as long and all in one direction, are most of the
// energy. The mean row's factors are in the proportion of the others' all the same.
func TestAFewLongRowsDoNotDecideWhatAMeanRowIs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	const dims = 300
	sample := spectrum(r, 200, dims, 0, func(int) float64 { return 1 })
	for i := 50; i < len(sample); i += 100 {
		for j := range sample[i] {
			sample[i][j] = float32(1000 * (r.NormFloat64()*.1 + float64(j%2)))
		}
	}
	p := learnt(t, Shape{Metric: Dot, Dims: dims}, sample)
	share := func(square func(b int) float64) float64 { // of the energy that is in the head
		var all float64
		for b := range p.blocks {
			all += square(b) * p.blocks[b].energy()
		}
		return (all - square(2)*p.blocks[2].energy()) / all
	}
	var want float64
	squares := make([]float64, len(p.blocks))
	for _, row := range encoded(p, sample) {
		var side Side
		p.Side(&side, row)
		for b := range squares {
			squares[b] += float64(Factor(side.Factors[b])) * float64(Factor(side.Factors[b]))
		}
		want += share(func(b int) float64 { f := float64(Factor(side.Factors[b])); return f * f }) / float64(len(sample))
	}
	got, ofAll := share(func(b int) float64 { return p.blocks[b].RMS * p.blocks[b].RMS }), share(func(b int) float64 { return squares[b] })
	if math.Abs(got-want) > .01 || ofAll < want+.05 {
		t.Errorf("the head has %.3f of a mean row, want %.3f as in the mean of the rows, and not %.3f as of all energy", got, want, ofAll)
	}
}

func TestASmallBudgetIsSavedOnTheRestAndThenOnTheHead(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sample := spectrum(r, 60, 384, 0, textlike)
	for bits, want := range map[int]struct{ first, second, kept int }{
		640: {4, 2, 256}, 639: {4, 2, 192}, 576: {4, 2, 192}, 512: {4, 2, 128}, 449: {4, 2, 64}, 448: {4, 2, 64},
		447: {4, 1, 64}, 383: {3, 1, 64}, 300: {2, 1, 64}, 192: {1, 1, 64},
	} {
		if !allSets && bits != 639 && bits != 447 && bits != 192 { // one of each kind of saving
			continue
		}
		p := learnt(t, Shape{Dims: 384, Bits: bits}, sample)
		blocks := p.Blocks()
		total := 0
		for _, b := range blocks {
			total += b.Kept * b.Bits
		}
		if blocks[0].Bits != want.first || blocks[1].Bits != want.second || blocks[2].Kept != want.kept || blocks[2].Dims != 256 || blocks[2].Bits != 1 {
			t.Errorf("a budget of %d: blocks %+v, want %+v", bits, blocks, want)
		}
		if total > bits || p.Bits() != bits {
			t.Errorf("a budget of %d: %d bits, and the profile says %d", bits, total, p.Bits())
		}
		if side := 4 + 2*3 + 2*3; p.RowBytes() != total/8+side {
			t.Errorf("a budget of %d: a row has %d bytes, want %d of code and %d beside it", bits, p.RowBytes(), total/8, side)
		}
	}
}

// A code has no more bits than were asked for, whatever can be asked for.
func TestEveryBudgetIsKept(t *testing.T) {
	const seed = 3
	r := rand.New(rand.NewPCG(1, seed))
	for _, dims := range []int{1, 17, 64, 79, 80, 100, 143, 144, 300, 600, 3072, MaxDims} {
		least, most := BitsRange(dims)
		budgets := []int{least, least + 1, (least + most) / 2, most - 1, most, 0}
		for range 20 {
			budgets = append(budgets, least+r.IntN(most-least+1))
		}
		for _, bits := range budgets {
			shape, err := Shape{Dims: dims, Bits: bits}.check()
			if err != nil {
				t.Fatal(err)
			}
			p := &Profile{kind: Learned, shape: shape}
			p.spend([]float64{r.Float64(), r.Float64() * r.Float64(), r.Float64()}[:len(blockWidths(dims))])
			total := 0
			for _, b := range p.blocks {
				total += b.Kept * b.Bits
			}
			if total > p.Bits() || bits != 0 && p.Bits() != bits || bits == 0 && p.Bits() != min(dims+256, most) {
				t.Errorf("seed %d, %d dims, a budget of %d of %d to %d: %d bits in %+v, and the profile says %d", seed, dims, bits, least, most, total, p.blocks, p.Bits())
			}
		}
		for _, bits := range []int{least - 1, max(most, dims+256) + 1} {
			if err := (Shape{Dims: dims, Bits: bits}).Check(); err == nil && bits != 0 {
				t.Errorf("%d dims: a budget of %d is accepted, want %d to %d", dims, bits, least, most)
			}
		}
	}
}

// The twin of Plan is Learn, of vectors that are as long as the shape says.
func TestAPlannedProfileHasTheRowsOfOneThatIsLearnt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for _, shape := range []Shape{{Dims: 160}, {Dims: 420}, {Dims: 420, Bits: 260, Metric: L2}, {Dims: 420, Bits: 800, Metric: Dot}} {
		for i, decay := range []func(int) float64{textlike, steep} {
			if !allSets && i > 0 {
				continue
			}
			short := spectrum(r, 150, 160, .1, decay)
			long := make([][]float32, len(short))
			for i, v := range short {
				long[i] = append(slices.Clone(v), make([]float32, shape.Dims-len(v))...)
			}
			want := learnt(t, shape, long)
			got, err := Plan(shape, short)
			if err != nil || got.RowBytes() != want.RowBytes() || got.RowWords() != want.RowWords() {
				t.Errorf("%+v: rows of %d bytes are planned (%v), want %d", shape, got.RowBytes(), err, want.RowBytes())
			}
		}
	}
	if _, err := Plan(Shape{Dims: 768}, [][]float32{make([]float32, 143)}); err == nil {
		t.Error("768 dimensions are planned with 143")
	}
	if _, err := Plan(Shape{Dims: 768}, nil); err == nil {
		t.Error("768 dimensions are planned with no vectors")
	}
}

func TestARowIsItsPlanesAndWhatStandsBesideThem(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for _, metric := range []Metric{Cosine, Dot, L2} {
		for _, dims := range []int{17, 65, 200} {
			p := learnt(t, Shape{Metric: metric, Dims: dims}, spectrum(r, 30, dims, 0, textlike))
			words, side := 0, 4
			for _, b := range p.Blocks() {
				words += b.Bits * ((b.Kept + 63) / 64)
				side += 2
			}
			switch steps := len(p.Ladder()) - 1; metric {
			case Cosine:
				side += 2 * steps
			case L2:
				side += 4 * steps
			}
			if p.RowBytes() != 8*words+side || p.RowWords() != words+(side+7)/8 {
				t.Errorf("%v, %d dims: a row has %d bytes in %d words, want %d and %d of planes", metric, dims, p.RowBytes(), p.RowWords(), 8*words+side, words)
			}
		}
	}
	signs, err := NewSigns(Shape{Dims: 100, Metric: L2})
	if err != nil || signs.RowBytes() != 2*8+6 || signs.RowWords() != 3 {
		t.Errorf("plain signs of 100 dims take %d bytes in %d words (%v)", signs.RowBytes(), signs.RowWords(), err)
	}
	exact, err := NewExact(Shape{Dims: 100})
	if err != nil || exact.RowBytes() != 0 || exact.RowWords() != 1 || exact.Kind() != Exact {
		t.Errorf("no code takes %d bytes in %d words (%v)", exact.RowBytes(), exact.RowWords(), err)
	}
}

// What the sample has in common, or is made of, must not matter but for the quality of
// estimates: nothing that can be stored may break Learn.
func TestAnySampleWillDo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	samples := map[string][][]float32{
		"one vector":      spectrum(r, 1, 100, 0, flat),
		"all alike":       slices.Repeat(spectrum(r, 1, 100, 0, flat), 50),
		"all zero":        slices.Repeat([][]float32{make([]float32, 100)}, 5),
		"one axis":        spectrum(r, 50, 100, 0, func(i int) float64 { return float64(max(0, 1-i)) }),
		"tiny":            spectrum(r, 50, 100, 0, func(int) float64 { return 1e-38 }),
		"huge":            spectrum(r, 50, 100, 0, func(int) float64 { return 1e37 }),
		"far off":         spectrum(r, 50, 100, 1e6, flat),
		"mean of nothing": {spectrum(r, 1, 100, 1, flat)[0], make([]float32, 100)},
	}
	samples["mean of nothing"][1] = slices.Clone(samples["mean of nothing"][0])
	for i := range samples["mean of nothing"][1] {
		samples["mean of nothing"][1][i] *= -1
	}
	for name, sample := range samples {
		for _, metric := range []Metric{Cosine, Dot, L2} {
			if name == "all zero" && metric == Cosine {
				continue
			}
			p := learnt(t, Shape{Metric: metric, Dims: 100}, sample)
			others := append(spectrum(r, 5, 100, 0, flat), sample[0])
			rows := encoded(p, others)
			for i, row := range rows {
				var side Side
				p.Side(&side, row)
				for _, q := range others {
					score, deviation := judge(p.Query(q), row, &side)
					if score-score != 0 || deviation-deviation != 0 {
						t.Errorf("%s, %v: row %d scores %v, give or take %v", name, metric, i, score, deviation)
					}
				}
			}
		}
	}
}

// encoded returns the rows of vectors.
func encoded(p *Profile, vectors [][]float32) [][]uint64 {
	rows := make([][]uint64, len(vectors))
	for i := range rows {
		rows[i] = make([]uint64, p.RowWords())
	}
	p.Encode(rows, vectors)
	return rows
}

// blockOf returns the levels that row has in block b, in order of dimensions.
func blockOf(p *Profile, row []uint64, b int) []float64 {
	for _, before := range p.blocks[:b] {
		row = row[before.Words():]
	}
	block := &p.blocks[b]
	values := make([]float64, block.Kept)
	for i := range values {
		at := 0
		for plane := range block.Bits {
			at = 2*at + int(row[plane*block.PlaneWords()+i/code.WordBits]>>(i%code.WordBits)&1)
		}
		values[i] = float64(2*at + 1 - 1<<block.Bits)
	}
	return values
}

// product is f <u, z> over a block, z as it is or in magnitudes.
func product(q *Query, row []uint64, side *Side, b int, rounded bool) float64 {
	var sum float64
	for i, u := range blockOf(q.profile, row, b) {
		if rounded {
			sum += u * float64(q.Magnitudes(b)[i]) * q.blocks[b].step
		} else {
			sum += u * float64(q.Floats(b)[i])
		}
	}
	return sum * float64(Factor(side.Factors[b]))
}

// decoded is a row, read once to be compared with many queries.
type decoded struct {
	side   Side
	levels [][]float64
}

func decode(p *Profile, row []uint64) decoded {
	var d decoded
	p.Side(&d.side, row)
	for b := range p.blocks {
		d.levels = append(d.levels, blockOf(p, row, b))
	}
	return d
}

// product is the sum of f <u, z> over all blocks, z as it is or in magnitudes.
func (d *decoded) product(q *Query, rounded bool) float64 {
	var all float64
	for b, levels := range d.levels {
		var sum float64
		for i, u := range levels {
			if rounded {
				sum += u * float64(q.blocks[b].magnitudes[i])
			} else {
				sum += u * float64(q.blocks[b].floats[i])
			}
		}
		if rounded {
			sum *= q.blocks[b].step
		}
		all += sum * float64(Factor(d.side.Factors[b]))
	}
	return all
}

// judge estimates the score of a row by its whole code, the query not rounded.
func judge(q *Query, row []uint64, side *Side) (score, deviation float64) {
	var rest float64
	for b := range q.blocks {
		rest += product(q, row, side, b, false)
	}
	r := q.Row(side)
	return q.Estimate(0, 0, rest, &r)
}

func ExampleLearn() {
	r := rand.New(rand.NewPCG(1, 5))
	sample := spectrum(r, 1000, 256, 0, textlike)
	p, err := Learn(Shape{Dims: 256}, sample)
	if err != nil {
		panic(err)
	}
	for _, b := range p.Blocks() {
		fmt.Printf("%d dimensions of %d bits\n", b.Kept, b.Bits)
	}
	fmt.Println(p.RowBytes(), "bytes a row")
	// Output:
	// 64 dimensions of 4 bits
	// 64 dimensions of 2 bits
	// 128 dimensions of 1 bits
	// 78 bytes a row
}
