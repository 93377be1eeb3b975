package cascade

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// phi is the chance of a normal variable to be above x.
func phi(x float64) float64 { return math.Erfc(x/math.Sqrt2) / 2 }

// misses is the sum of the rule's formula.
func misses(scores []float64, deviation func(i int) float64, eps float64) float64 {
	last := slices.Min(scores)
	var sum float64
	for i, s := range scores {
		sum += phi(eps + (s-last)/deviation(i))
	}
	return sum
}

func TestEpsAllowsJustTheMissesOfTheTarget(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	for _, blocks := range []int{2, 3} { // a cut, or two
		for _, target := range []float64{.5, .9, .95, .99, .995, .9999} {
			for _, k := range []int{1, 2, 10, 100} {
				for _, width := range []float64{0, .1, 1, 10, 1000} { // how far apart the hits lie, in deviations
					p := &Settings{Hits: k, Target: target, Blocks: blocks}
					var rule rule
					rule.reset(p, 3, 4, glance{size: 1})
					if _, full := rule.last(); full {
						t.Fatal("k hits before any")
					}
					scores, deviations := make([]float64, k), make([]float64, k)
					for i := range scores {
						scores[i], deviations[i] = width*r.Float64(), .5+r.Float64()
						rule.saw(scoredHit{scores[i], deviations[i], glance{first: scores[i], size: 1}})
					}
					for range 20 { // that are none of the k
						score := -1 - r.Float64()
						rule.saw(scoredHit{score, 1, glance{first: score, size: 1}})
					}
					rule.settle()
					if last, full := rule.last(); !full || last != slices.Min(scores) {
						t.Fatalf("the last of the hits scores %v, want %v", last, slices.Min(scores))
					}
					allowed := float64(k) * (1 - target)
					if blocks < 3 {
						allowed /= 2
					}
					for _, cut := range []struct {
						name      string
						eps       float64
						deviation func(i int) float64
					}{{"codes", rule.eps, func(i int) float64 { return deviations[i] }}, {"scan", rule.reach / 2, func(int) float64 { return 2 }}} {
						n := misses(scores, cut.deviation, cut.eps)
						if n > allowed+1e-4 {
							t.Errorf("%d blocks, k %d, target %v, width %v: %v misses expected at the cut of the %s, want %v", blocks, k, target, width, n, cut.name, allowed)
						}
						if less := misses(scores, cut.deviation, cut.eps-.01); cut.eps > leastEps && less < allowed {
							t.Errorf("%d blocks, k %d, target %v, width %v: eps %v of the %s could be smaller", blocks, k, target, width, cut.eps, cut.name)
						}
						if cut.eps < leastEps || cut.eps > rule.largest {
							t.Errorf("eps of the %s is %v, want %v to %v", cut.name, cut.eps, leastEps, rule.largest)
						}
					}
					want := misses(scores, func(i int) float64 { return deviations[i] }, rule.eps)
					if blocks < 3 {
						want += misses(scores, func(int) float64 { return 2 }, rule.reach/2)
					}
					got := rule.expected(p, 3, false)
					if math.Abs(got-max(0, 1-want/float64(k))) > 1e-3 || got < target-1e-3 {
						t.Errorf("%d blocks, k %d, target %v, width %v: a recall of %v is expected, want %v", blocks, k, target, width, got, 1-want/float64(k))
					}
					if rule.expected(p, 3, true) != 1 {
						t.Error("when all rows were looked at none is missed")
					}
				}
			}
		}
	}
}

// S1 cuts by a bound, of which nobody says that it has as much of a long row's deviation in
// it as of a short one's: the hits that lie beyond the cut are as many as the target allows
// all the same, and without the rows' own deviations they are not.
func TestTheCutOfTheScanHoldsForRowsOfAnyLength(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 3))
	for _, part := range []float64{0, .3, 1} { // of the deviation that the bound has in it
		for _, target := range []float64{.9, .99} {
			p := &Settings{Hits: 100, Target: target, Blocks: 2}
			var cut, expected, foretold float64
			const searches = 400
			for range searches {
				var rule rule
				rule.reset(p, 3, 1, glance{ahead: p.LargestEps(3), size: 1})
				var bounds []float64
				for range 100 {
					size := math.Pow(10, 4*r.Float64())
					h := scoredHit{math.Abs(size * r.NormFloat64()), 1, glance{ahead: part * p.LargestEps(3) * size, size: size}}
					h.first = h.score + size*r.NormFloat64()
					bounds = append(bounds, h.first+h.ahead)
					rule.saw(h)
				}
				rule.settle()
				last, _ := rule.last()
				for _, b := range bounds {
					if b < last-rule.reach {
						cut++
					}
				}
				expected += rule.missedByScan(rule.reach)
				foretold += rule.allowed
			}
			if cut > 1.1*foretold+3*math.Sqrt(foretold) || expected > foretold+1e-6 {
				t.Errorf("%v of the deviation in the bound, target %v: %.0f of the hits are beyond the cut and %.1f expected to be, %.1f may be", part, target, cut, expected, foretold)
			}
		}
	}
}

// Hits that all score as the last ask for the largest eps; a bound takes its place.
func TestEpsHasItsBounds(t *testing.T) {
	for _, target := range []float64{.9, .995} {
		p := &Settings{Hits: 10, Target: target, Blocks: 3}
		var rule rule
		rule.reset(p, 3, 1, glance{size: 1})
		for range 10 {
			rule.saw(scoredHit{1, .1, glance{first: 1, size: 1}})
		}
		if rule.settle(); math.Abs(phi(rule.eps)-(1-target)) > 1e-3*(1-target)+1e-4 || rule.eps != rule.largest {
			t.Errorf("eps is %v for hits that tie, want %v: that which misses %v of them", rule.eps, rule.largest, 1-target)
		}
	}
	p := &Settings{Hits: 10, Target: .9, Bound: 3.5, Blocks: 2}
	var rule rule
	rule.reset(p, 3, 1, glance{ahead: 3, size: 1})
	if rule.reach != .5 {
		t.Errorf("before any vector the cut of the scan is %v below the last hit, want that of a mean row, 3.5 deviations less 3", rule.reach)
	}
	for i := range 10 {
		rule.saw(scoredHit{float64(i), .1, glance{first: float64(i), ahead: float64(i), size: float64(1 + i)}})
	}
	if rule.settle(); rule.eps != 3.5 || rule.largest != 3.5 || rule.reach != 35-9 {
		t.Errorf("under a bound of 3.5 eps is %v, at most %v, and the cut of the scan %v below, want that of the longest, 35 less 9", rule.eps, rule.largest, rule.reach)
	}
}

// What S1 leaves out of rows of no length is nothing, and a hit of which all is known is
// never beyond its cut.
func TestHitsWithoutErrorsAreNeverCut(t *testing.T) {
	p := &Settings{Hits: 3, Target: .9, Blocks: 2}
	var rule rule
	rule.reset(p, 3, 1, glance{size: 1})
	for i := range 3 {
		rule.saw(scoredHit{score: float64(i), glance: glance{first: float64(i)}})
	}
	rule.settle()
	if variance, higher := rule.outside(); rule.reach != 0 || rule.missedByScan(rule.reach) != 0 || variance != 1 || higher != 0 {
		t.Errorf("the cut is %v below the last hit with %v missed, variance %v and shift %v", rule.reach, rule.missedByScan(rule.reach), variance, higher)
	}
}

// Hits of the pages before are found again, and the query's own vector is: they count as hits
// to rank, and only the others as ones to miss.
func TestPagesAndTheQueryItselfCount(t *testing.T) {
	p := &Settings{Hits: 30, Target: .9, Self: 1, Blocks: 3}
	var rule rule
	if rule.reset(p, 3, 0, glance{}); rule.k != 31 || math.Abs(rule.allowed-3) > 1e-9 {
		t.Errorf("%d hits with %v missed at most, want 31 and 3", rule.k, rule.allowed)
	}
}

// The spread outside of the codes is what was learnt until a search's own vectors say more.
// Long rows and short ones tell the same of a mean row.
func TestTheSpreadIsTheSearchsOwnWhereThatIsLarger(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 2))
	for _, tt := range []struct{ learnt, true, shift float64 }{{1, 1, 0}, {1, .1, 0}, {1, 5, 0}, {0, 2, 0}, {1, 1, 3}, {1, 1, -3}} {
		var rule rule
		rule.reset(&Settings{Hits: 10, Target: .9}, 3, tt.learnt*tt.learnt, glance{size: 1})
		if v, higher := rule.outside(); v != tt.learnt*tt.learnt || higher != 0 {
			t.Errorf("before any vector the variance is %v and the shift %v, want %v and 0", v, higher, tt.learnt*tt.learnt)
		}
		const n, inside = 20_000, .5
		for i := range n {
			size := math.Exp(float64(i%7 - 3))
			wrong := r.NormFloat64()*math.Hypot(tt.true, math.Sqrt(inside)) - tt.shift
			rule.saw(scoredHit{glance: glance{first: wrong * size, inside: inside * size * size, size: size}})
		}
		v, higher := rule.outside()
		low := min(0, tt.shift) // estimates are shifted up only
		if want := max(tt.learnt*tt.learnt, tt.true*tt.true+low*low); math.Abs(v-want) > .05*want {
			t.Errorf("%+v: the variance is %v, want %v", tt, v, want)
		}
		if want := max(0, tt.shift); math.Abs(higher-want) > .05*(1+want) {
			t.Errorf("%+v: scores are %v higher, want %v", tt, higher, want)
		}
	}
}

func TestTheTailIsThatOfANormalVariable(t *testing.T) {
	for x := 0.0; x < 12; x += .0007 {
		if got, want := tail(x), phi(x); got < want*(1-1e-12) && x < 7.9 || got > want+1e-4*want+1e-5 {
			t.Fatalf("above %v there is %v, want %v", x, got, want)
		}
	}
}

func TestTheHeapHandsOutTheLeast(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 8))
		all := make([]uint64, r.IntN(300))
		for i := range all {
			all[i] = uint64(r.IntN(1 + r.IntN(200))) // with ties
		}
		want := slices.Sorted(slices.Values(all))
		half := r.IntN(len(all) + 1)
		h := leastHeap(slices.Clone(all[:half]))
		h.order()
		for _, x := range all[half:] {
			h.push(x)
		}
		var got []uint64
		for len(h) > 0 {
			got = append(got, h.pop())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v come out, want %v", seed, got, want)
		}
	}
}
