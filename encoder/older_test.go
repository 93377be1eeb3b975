package encoder

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
)

// olderProfiles are what the older versions made of 600 dimensions, under each metric: with a
// mean, rotated block by block, rotated as a whole, or both.
func olderProfiles(t testing.TB, metric Metric, base [][]float32) map[string]*Profile {
	t.Helper()
	dims := len(base[0])
	mean := make([]float32, dims)
	for _, v := range base {
		for i, x := range floats.Prefix(v, dims, metric) {
			mean[i] += x / float32(len(base))
		}
	}
	all := make(map[string]*Profile)
	for name, tt := range map[string]struct {
		ladder []int
		seed   uint64
		mean   []float32
	}{
		"centred":        {[]int{256, 512, dims}, 0, mean},
		"nested":         {[]int{256, 512, dims}, 1, nil},
		"nested+centred": {[]int{256, 512, dims}, 1, mean},
		"full":           {[]int{dims}, 1, nil},
		"full+centred":   {[]int{dims}, 1, mean},
	} {
		p, err := NewOlder(Shape{Metric: metric, Dims: dims, Ladder: tt.ladder}, tt.seed, tt.mean)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

// A score is what the row's exact score is, but for the error of one bit a dimension.
func TestCodesOfAnOlderVersionEstimateScores(t *testing.T) {
	for _, metric := range []Metric{Cosine, Dot, L2} {
		r := rand.New(rand.NewPCG(13, uint64(metric)))
		base := spectrum(r, 200, 600, .4, flat)
		for name, p := range olderProfiles(t, metric, base) {
			rows := encoded(p, base)
			for _, size := range p.Ladder() {
				var errs deviations
				for _, v := range spectrum(r, 20, 600, .4, flat) {
					q := p.Query(v[:size])
					s := q.NewScan(1, 0)
					unit := norm(v[:size]) * norm(v[:size]) // about that of the rows
					if metric == Cosine {
						unit = 1
					}
					for i, row := range rows {
						var side Side
						p.Side(&side, row)
						side0 := of(q, &side)
						bound := float64(scanOf(s, q, row, &side))*q.Unit() + q.Constant()
						got, deviation := q.Estimate(0, 0, product(q, row, &side, 0, true), side0)
						if want := max(-1, min(1, bound)); metric == Cosine && math.Abs(got-want) > 1e-5 || metric != Cosine && math.Abs(got-bound) > 1e-5*unit {
							t.Fatalf("%v %s, %d dims: row %d scores %v, and the scan says %v", metric, name, size, i, got, bound)
						}
						if !math.IsInf(deviation, 1) {
							t.Fatalf("%v %s: the error of row %d is known to be %v", metric, name, i, deviation)
						}
						errs.add((got - exact(metric, v[:size], base[i][:size])) / unit * math.Sqrt(float64(size)))
					}
				}
				if limit := 1.7; math.Abs(errs.mean()) > .35 || errs.rms() > limit || errs.rms() < .1 {
					t.Errorf("%v %s, %d dims: scores are off by %.3f/sqrt(dims) in the mean and %.3f, want about 0 and at most %v", metric, name, size, errs.mean(), errs.rms(), limit)
				}
			}
		}
	}
}

// Of equal codes the score is that of equal vectors, and it falls as bits differ.
func TestACodeOfAnOlderVersionFindsItself(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 9))
	base := spectrum(r, 100, 600, .4, flat)
	for _, metric := range []Metric{Cosine, Dot, L2} {
		for name, p := range olderProfiles(t, metric, base) {
			rows := encoded(p, base)
			for _, size := range p.Ladder() {
				for i, own := range rows[:20] {
					words := slices.Clone(own[:code.Words(size)])
					q := p.CodeQuery(words, size)
					score := func(row []uint64) float64 {
						var side Side
						p.Side(&side, row)
						got, _ := q.Estimate(0, 0, product(q, row, &side, 0, false), of(q, &side))
						return got
					}
					best := score(own)
					if metric == Cosine && (best < .9 || best > 1) {
						t.Errorf("%s, %d dims: code %d scores %v against itself, want about 1", name, size, i, best)
					}
					if other := score(rows[i+20]); metric == Cosine && other >= best {
						t.Errorf("%v %s, %d dims: code %d scores %v against itself and %v against another", metric, name, size, i, best, other)
					}
					flipped := slices.Clone(own)
					for b := range size / 4 {
						flipped[b*4/code.WordBits] ^= 1 << (b * 4 % code.WordBits)
					}
					if worse := score(flipped); worse >= best {
						t.Errorf("%v %s, %d dims: with a quarter of the bits wrong code %d scores %v, with none %v", metric, name, size, i, worse, best)
					}
				}
			}
		}
	}
}

func TestAnOlderProfileWithAMeanThatCannotBeIsRefused(t *testing.T) {
	shape := Shape{Metric: Dot, Dims: 3}
	for want, mean := range map[string][]float32{
		"has 2 dimensions": {1, 2}, "want a finite number": {1, float32(math.NaN()), 2}, "want at most 1e+15": {1e15, 1e15, 0},
	} {
		if _, err := NewOlder(shape, 1, mean); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mean %v: error %v, want one that says %q", mean, err, want)
		}
	}
	if _, err := NewOlder(Shape{Dims: -1}, 1, nil); err == nil {
		t.Error("there is a profile of -1 dimensions")
	}
}

// Vectors of every length have numbers beside their codes that are finite.
func TestCodesOfAnOlderVersionBearEveryLength(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 10))
	base := spectrum(r, 3, 600, .4, flat)
	for _, metric := range []Metric{Cosine, Dot, L2} {
		for name, p := range olderProfiles(t, metric, base) {
			for _, scale := range []float32{1e-38, 1e-20, 1e14, 1e38} {
				v := slices.Clone(base[0])
				for i := range v {
					v[i] *= scale / 5
				}
				clear(v[:256]) // a prefix of nothing
				row := encoded(p, [][]float32{v})[0]
				for _, size := range p.Ladder() {
					var side Side
					p.Side(&side, row)
					q := p.Query(v[:size])
					got, _ := q.Estimate(0, 0, product(q, row, &side, 0, false), of(q, &side))
					if math.IsNaN(got) || math.IsInf(got, 0) {
						t.Errorf("%v %s, %d dims: %g scores %v", metric, name, size, scale, got)
					}
				}
			}
		}
	}
}

func TestOlderProfilesComeBackFromTheirStates(t *testing.T) {
	base := spectrum(rand.New(rand.NewPCG(13, 11)), 20, 600, .4, flat)
	seen := make(map[string]string)
	for _, metric := range []Metric{Cosine, Dot, L2} {
		for name, p := range olderProfiles(t, metric, base) {
			state, err := p.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			var back Profile
			if err := back.UnmarshalJSON(state); err != nil {
				t.Errorf("%v %s: %v", metric, name, err)
				continue
			}
			f := p.Fingerprint()
			if back.Fingerprint() != f || !back.Older() || back.RowWords() != p.RowWords() || seen[f] != "" {
				t.Errorf("%v %s comes back as %+v, with the fingerprint of %q", metric, name, back.Shape(), seen[f])
			}
			seen[f] = fmt.Sprint(metric, name)
			want, got := encoded(p, base), encoded(&back, base)
			for i := range want {
				if !slices.Equal(want[i], got[i]) {
					t.Fatalf("%v %s: row %d is another after coming back", metric, name, i)
				}
			}
		}
	}
	for _, state := range []string{
		`{"version":3,"kind":"signs","metric":"dot","dims":64}`,
		`{"version":3,"kind":"exact","metric":"dot","dims":64,"seed":1}`,
		`{"version":3,"kind":"signs","metric":"dot","dims":64,"mean":"AAAA"}`,
		`{"version":3,"kind":"signs","metric":"dot","dims":1,"mean":"AADAfw=="}`,
		`{"version":4,"kind":"signs","metric":"dot","dims":64,"seed":1}`,
		`{"version":2,"kind":"signs","metric":"dot","dims":64,"seed":1}`,
		`{"version":2,"kind":"exact","metric":"dot","dims":1,"mean":"AACAPw=="}`,
	} {
		if err := new(Profile).UnmarshalJSON([]byte(state)); err == nil {
			t.Errorf("%s is accepted", state)
		}
	}
}
