package encoder

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/x448/float16"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
)

// Every number beside a code is what its definition says, spelled out in float64.
func TestWhatStandsBesideACodeIsOfTheVector(t *testing.T) {
	const dims = 300
	r := rand.New(rand.NewPCG(4, 1))
	for _, metric := range []Metric{Cosine, Dot, L2} {
		p := learnt(t, Shape{Metric: metric, Dims: dims}, families[1].draw(r, 100, dims))
		base := families[1].draw(r, 50, dims)
		scale := math.Ldexp(1, p.scale)
		for i, row := range encoded(p, base) {
			v := base[i]
			var side Side
			p.Side(&side, row)
			var along, squared float64
			for j, x := range v {
				along += float64(p.mean[j]) * float64(x)
				squared += (float64(x) - float64(p.mean[j])) * (float64(x) - float64(p.mean[j]))
			}
			want := along * scale
			switch metric {
			case Cosine:
				want = along / norm(v)
			case L2:
				want = squared * scale * scale
			}
			if math.Abs(float64(side.Offset)-want) > 1e-5*math.Abs(want) {
				t.Errorf("%v: row %d has offset %v, want %v", metric, i, side.Offset, want)
			}
			for s, size := range p.Ladder()[:len(p.Ladder())-1] {
				switch metric {
				case Cosine:
					if got, want := float64(Half(side.Scales[s])), norm(v)/norm(v[:size]); math.Abs(got-want) > want/2000 {
						t.Errorf("row %d is 1/%v long to %d dims, want 1/%v", i, got, size, want)
					}
				case L2:
					want := -exact(L2, v[:size], p.mean[:size]) * scale * scale
					if got := float64(side.Squares[s]); math.Abs(got-want) > 1e-5*want {
						t.Errorf("row %d has square %v to %d dims, want %v", i, got, size, want)
					}
				}
			}
			if len(side.Scales) > 0 != (metric == Cosine) || len(side.Squares) > 0 != (metric == L2) {
				t.Errorf("%v: row %d has %d scales and %d squares", metric, i, len(side.Scales), len(side.Squares))
			}
		}
	}
}

func TestSideReadsWhatPutSideWrote(t *testing.T) {
	for _, metric := range []Metric{Cosine, Dot, L2} {
		for _, dims := range []int{20, 100, 200, 1000} {
			p := &Profile{kind: Learned, shape: Shape{Metric: metric, Dims: dims, Ladder: DefaultLadder(dims)}}
			for _, width := range blockWidths(dims) {
				p.blocks = append(p.blocks, Block{Dims: width, Kept: width, Bits: 1})
			}
			p.finish()
			r := rand.New(rand.NewPCG(4, uint64(dims)))
			want := Side{Offset: r.Float32(), Squares: []float32{}, Scales: []uint16{}}
			for b := range p.blocks {
				want.Factors[b] = uint16(r.Uint32())
			}
			squares, scales := p.Prefixes()
			for range squares {
				want.Squares = append(want.Squares, r.Float32())
			}
			for range scales {
				want.Scales = append(want.Scales, uint16(r.Uint32()))
			}
			row := make([]uint64, p.RowWords())
			for i := range row {
				row[i] = r.Uint64()
			}
			before := slices.Clone(row)
			p.putSide(row, &want)
			got := Side{Squares: make([]float32, 9), Scales: make([]uint16, 9)} // used again
			p.Side(&got, row)
			if got.Offset != want.Offset || got.Factors != want.Factors || !slices.Equal(got.Squares, want.Squares) || !slices.Equal(got.Scales, want.Scales) {
				t.Errorf("%v, %d dims: %+v comes back as %+v", metric, dims, want, got)
			}
			if planes := p.RowWords() - p.side.words; !slices.Equal(row[:planes], before[:planes]) {
				t.Errorf("%v, %d dims: the planes have changed", metric, dims)
			}
		}
	}
}

// Levels are the nearest there are, and the factor makes <u, y> what |y|^2 is.
func TestABlockIsQuantisedToTheNearestLevels(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	for bits := 1; bits <= MaxBits; bits++ {
		for _, shape := range [][2]int{{64, 64}, {100, 100}, {200, 128}, {200, 70}} {
			p := &Profile{blocks: []Block{{Dims: shape[0], Kept: shape[1], Bits: bits}}}
			block := &p.blocks[0]
			y := spectrum(r, 1, block.Dims, 0, flat)[0]
			words := make([]uint64, block.Words()+1)
			words[block.Words()] = 7
			f := block.encode(words[:block.Words()], y)
			var dot float64
			spacing := levels[bits].spacing * norm(y) / math.Sqrt(float64(block.Dims))
			for i, u := range blockOf(p, words, 0) {
				dot += u * float64(y[i])
				if bits == 1 {
					if (u > 0) != (y[i] > 0) {
						t.Errorf("component %v has level %v", y[i], u)
					}
					continue
				}
				top := float64(int(1)<<bits - 1)
				want := max(-top, min(top, 2*math.Floor(float64(y[i])/spacing)+1))
				if near := math.Abs(float64(y[i])/spacing - math.Round(float64(y[i])/spacing)); u != want && near > 1e-5 {
					t.Errorf("%d bits: component %v has level %v, want %v", bits, float64(y[i])/spacing, u, want)
				}
			}
			if math.Abs(f*dot-squares64(y)) > 1e-9*squares64(y) || words[block.Words()] != 7 {
				t.Errorf("%d bits: factor %v times %v, want %v", bits, f, dot, squares64(y))
			}
			if padding := block.Kept % 64; padding > 0 {
				for plane := range bits {
					if words[(plane+1)*block.PlaneWords()-1]>>padding != 0 {
						t.Errorf("%d bits: plane %d has bits past its end", bits, plane)
					}
				}
			}
			if f := block.encode(words[:block.Words()], make([]float32, block.Dims)); f != 0 || slices.Max(words[:block.Words()]) != 0 {
				t.Errorf("%d bits: nothing has factor %v and words %x", bits, f, words)
			}
			if block.Kept < block.Dims { // all energy lies where no bits are
				clear(y[:block.Kept])
				if f := block.encode(words[:block.Words()], y); f != 0 && bits == 1 || f-f != 0 {
					t.Errorf("%d bits: what is not kept has factor %v", bits, f)
				}
			}
		}
	}
}

func TestManyAreEncodedAsOne(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 3))
	for _, metric := range []Metric{Cosine, Dot, L2} {
		learned := learnt(t, Shape{Metric: metric, Dims: 200}, families[1].draw(r, 50, 200))
		signs, err := NewSigns(Shape{Metric: metric, Dims: 200})
		if err != nil {
			t.Fatal(err)
		}
		exact, err := NewExact(Shape{Metric: metric, Dims: 200})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []*Profile{learned, signs, exact} {
			base := families[1].draw(r, 3*encodeTogether+5, 200)
			before := make([][]float32, len(base))
			for i := range base {
				before[i] = slices.Clone(base[i])
			}
			want := make([][]uint64, len(base))
			for i := range base {
				want[i] = encoded(p, base[i:i+1])[0]
			}
			for _, n := range []int{0, 1, encodeTogether - 1, encodeTogether, encodeTogether + 1, len(base)} {
				rows := make([][]uint64, n)
				for i := range rows {
					rows[i] = make([]uint64, p.RowWords())
					for w := range rows[i] {
						rows[i][w] = r.Uint64() // to be overwritten
					}
				}
				p.Encode(rows, base[:n])
				for i := range rows {
					if !slices.Equal(rows[i], want[i]) {
						t.Errorf("%v, %v: row %d of %d is %x, want %x", p.Kind(), metric, i, n, rows[i], want[i])
					}
					if !slices.Equal(base[i], before[i]) {
						t.Errorf("%v, %v: vector %d has changed", p.Kind(), metric, i)
					}
				}
			}
		}
	}
}

func TestSignsKeepTheLengthWhereScoresNeedIt(t *testing.T) {
	v := []float32{3, -4, 0}
	for metric, want := range map[Metric][2]float32{Cosine: {0, 1}, Dot: {0, 5}, L2: {25, 5}} {
		p, err := NewSigns(Shape{Metric: metric, Dims: 3})
		if err != nil {
			t.Fatal(err)
		}
		row := encoded(p, [][]float32{v})[0]
		var side Side
		if p.Side(&side, row); row[0] != 0b001 || side.Offset != want[0] || Factor(side.Factors[0]) != want[1] {
			t.Errorf("%v: signs %b, offset %v, factor %v, want 1, %v and %v", metric, row[0], side.Offset, Factor(side.Factors[0]), want[0], want[1])
		}
		again := make([]uint64, p.RowWords())
		if p.PutSigns(again, []uint64{0b001}, 5); !slices.Equal(again, row) {
			t.Errorf("%v: the row of the code is %x, want %x", metric, again, row)
		}
	}
}

func TestHalvesAreTheNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 10_000 {
		x := math.Exp(r.NormFloat64() * 20)
		if got := float64(Factor(bfloat16(x))); math.Abs(got-float64(float32(x))) > float64(float32(x))/256 {
			t.Errorf("%v becomes %v", x, got)
		}
	}
	for x, want := range map[float64]float32{0: 0, 1: 1, 1 + 0x1p-8: 1, 1 + 0x1.8p-7: 1 + 0x1p-6, 1e300: 0x1.fep127, math.MaxFloat32: 0x1.fep127} {
		if got := Factor(bfloat16(x)); got != want {
			t.Errorf("%v becomes %v, want %v", x, got, want)
		}
	}
	if got := Half(float16.Fromfloat32(.1).Bits()); math.Abs(float64(got)-.1) > 1e-4 {
		t.Errorf(".1 becomes %v", got)
	}
}

// integral is about normal, and the same on every machine: a sum of whole numbers over a
// power of two.
func integral(r *rand.PCG, i int) float32 {
	sum := -4 * 1 << 16
	for range 8 {
		sum += int(r.Uint64() >> 48)
	}
	return float32(sum/(1+i/16)) / (1 << 17)
}

// Codes on disk are made of these bytes: whatever the kernel and the machine, they must be the
// same for ever. What a query becomes may change, but must not depend on the kernel.
func TestCodesAreTheSameEverywhere(t *testing.T) {
	for _, tt := range []struct {
		metric        Metric
		dims, bits    int
		rows, queries string
	}{
		{Cosine, 17, 0, "52ec40af3590bf70", "86cf11076c2a622e"},
		{Cosine, 200, 0, "3f3aa2bf161d0456", "415347d713a7f060"},
		{Cosine, 200, 192, "8d1b358db3b6f274", "8d9d94ced3643fdd"},
		{Dot, 100, 0, "d813edf9a8e604d0", "33bbc120fcd21247"},
		{L2, 333, 0, "6cc48bcf014d8a6d", "3c39438c89becedf"},
		{L2, 128, 512, "af657de22723f0b0", "a6082539f46d801a"},
	} {
		r := rand.NewPCG(4, uint64(tt.dims))
		all := make([][]float32, 220)
		for i := range all {
			all[i] = make([]float32, tt.dims)
			for j := range all[i] {
				all[i][j] = integral(r, j) + .25
			}
		}
		p := learnt(t, Shape{Metric: tt.metric, Dims: tt.dims, Bits: tt.bits}, all[:100])
		rows, queries := fnv.New64a(), fnv.New64a()
		rows.Write([]byte(p.Fingerprint()))
		for _, row := range encoded(p, all[100:]) {
			rows.Write(code.AppendBytes(nil, row))
		}
		for _, v := range all[:20] {
			q := p.Query(v)
			s := q.NewScan(len(p.blocks), 2)
			for b := range p.blocks {
				queries.Write(floats.Append(nil, q.Floats(b)))
				for _, m := range q.Magnitudes(b) {
					queries.Write([]byte{byte(m)})
				}
				queries.Write(floats.Append(nil, []float32{s.A[b], s.B[b]}))
			}
		}
		for what, h := range map[string][2]string{"rows": {fmt.Sprintf("%016x", rows.Sum64()), tt.rows}, "queries": {fmt.Sprintf("%016x", queries.Sum64()), tt.queries}} {
			if h[0] != h[1] {
				t.Errorf("%v, %d dims, budget %d: the checksum of %s is %s, want %s", tt.metric, tt.dims, tt.bits, what, h[0], h[1])
			}
		}
	}
}
