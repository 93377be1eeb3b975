package index

import (
	"cmp"
	"math"
	"slices"
)

// rule says when a search may stop looking. The hits found so far stand for those that may
// have been missed: a hit that scores as far above the last hit as one of them, in standard
// deviations of an estimate's error, is missed at a cut eps deviations wide with the
// probability Phi(-(eps + gap)). So eps follows from the share of misses that the target
// allows,
//
//	sum over hits of Phi(-(eps + (score - last) / deviation)) = k (1 - target)
//
// and a row is looked at while its estimate and eps deviations reach the last hit's score.
// No sample and no measurement is needed, and what the data are like does not matter as
// long as the deviations are right. Where the scan sees only the first blocks of a code there
// are two cuts, that of the blocks and that of the code, and each has half of the misses.
type rule struct {
	k       int     // hits whose recall counts
	allowed float64 // misses a cut, all in all
	largest float64 // eps at most
	fixed   bool    // eps is that

	hits []scoredHit // the k best read, best first
	eps  float64     // of S3
	scan float64     // of S1

	// What S1 estimated of the vectors read less their scores.
	count, sum, excess float64
}

// scoredHit is a vector that was read, and how sure S2 was of its score.
type scoredHit struct{ score, deviation float64 }

// leastEps keeps some room where the hits lie far apart.
const leastEps = 0.5

// pooled is how many vectors the spread that was learnt counts for beside those read.
const pooled = 16

// cuts is how many cuts the search makes.
func (p *plan) cuts(all int) int {
	if p.blocks < all {
		return 2
	}
	return 1
}

// largestEps is the eps of a single hit at the edge of the hits, k times over: no gaps
// ask for a larger one.
func (p *plan) largestEps(all int) float64 {
	if p.bound > 0 {
		return p.bound
	}
	missed := (1 - p.target) / float64(p.cuts(all))
	return max(leastEps, math.Sqrt2*math.Erfinv(1-2*missed))
}

func (r *rule) reset(p *plan, all int) {
	k := p.query.K + p.cursor.seen + p.self // pages before are found again
	*r = rule{
		k: k, allowed: float64(k-p.self) * (1 - p.target) / float64(p.cuts(all)), largest: p.largestEps(all), fixed: p.bound > 0,
		hits: r.hits[:0],
	}
	r.eps, r.scan = r.largest, r.largest
}

// saw takes a vector into account that was read; wrong is what S1 estimated of it less its
// score, and inside the variance of that which the codes explain.
func (r *rule) saw(h scoredHit, wrong, inside float64) {
	r.hits = append(r.hits, h)
	r.count++
	r.sum += wrong
	r.excess += wrong*wrong - inside
}

// last returns the score that a row must reach to be among the hits, as far as is known.
func (r *rule) last() (score float64, full bool) {
	if len(r.hits) < r.k {
		return math.Inf(-1), false
	}
	return r.hits[r.k-1].score, true
}

// settle ranks what was read and sets eps for the cuts; spread is the deviation of S1.
func (r *rule) settle(spread float64) {
	slices.SortFunc(r.hits, func(a, b scoredHit) int { return cmp.Compare(b.score, a.score) })
	if len(r.hits) > r.k {
		r.hits = r.hits[:r.k]
	}
	last, full := r.last()
	if r.fixed || !full {
		return
	}
	r.eps = r.solve(last, 0)
	r.scan = r.solve(last, spread)
}

// solve returns the eps for hits of which the last has that score; the deviation of all is
// spread unless that is 0.
func (r *rule) solve(last, spread float64) float64 {
	low, high := leastEps, r.largest
	if r.missed(last, low, spread) <= r.allowed {
		return low
	}
	for high-low > 1e-3 {
		if mid := (low + high) / 2; r.missed(last, mid, spread) > r.allowed {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// missed is how many hits are expected to be missed at a cut of eps deviations.
func (r *rule) missed(last, eps, spread float64) float64 {
	var sum float64
	for _, h := range r.hits {
		deviation := spread
		if deviation == 0 {
			deviation = h.deviation
		}
		gap := 0.0
		if over := h.score - last; over > 0 {
			gap = over / deviation
		}
		sum += tail(eps + gap)
	}
	return sum
}

// outside returns the variance beside that which the codes explain, as the vectors read
// and what was learnt have it together, and how much higher than estimated they score.
func (r *rule) outside(learnt float64) (variance, higher float64) {
	higher = max(0, -r.sum/(pooled+r.count))
	excess := r.excess + higher*(2*r.sum+higher*r.count) // about the shifted estimates
	return max(learnt, (pooled*learnt+excess)/(pooled+r.count)), higher
}

// expected is the share of the right hits that the answer has, as far as the hits tell;
// everything tells that all rows were looked at.
func (r *rule) expected(spread float64, p *plan, all int, everything bool) float64 {
	last, full := r.last()
	if everything || !full {
		return 1
	}
	missed := r.missed(last, r.eps, 0)
	if p.cuts(all) == 2 {
		missed += r.missed(last, r.scan, spread)
	}
	return max(0, 1-missed/float64(r.k-p.self))
}

// tail is the probability that a normal variable is above x >= 0, from a table of chords:
// never less than it is, and by less than a ten thousandth more.
func tail(x float64) float64 {
	at := x * tailSteps
	if at >= float64(len(tails)-1) {
		return 0
	}
	i := int(at)
	return tails[i] + (at-float64(i))*(tails[i+1]-tails[i])
}

// tailSteps is how many entries of the table there are to a standard deviation.
const tailSteps = 64

var tails = func() (t [8*tailSteps + 1]float64) {
	for i := range t[:len(t)-1] {
		t[i] = math.Erfc(float64(i)/tailSteps/math.Sqrt2) / 2
	}
	return t
}()
