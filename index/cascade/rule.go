package cascade

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
//
// S1 cuts by a bound that has about eps deviations of the row in it, and where lengths differ
// these differ from row to row. So its cut is no number of deviations but a bound, reach below
// the last hit's score: a hit like one of the others is missed there with the probability
//
//	Phi(-((score - last) + ahead + reach) / deviation)
//
// where ahead is how much that hit's bound is above its estimate.
type rule struct {
	k       int     // hits whose recall counts
	allowed float64 // misses a cut, all in all
	largest float64 // eps at most
	fixed   bool    // eps is that
	learnt  float64 // variance of a mean row beside what codes explain
	mean    glance  // what S1 knows of a mean row

	hits  []scoredHit // the k best read, best first
	eps   float64     // of S3
	reach float64     // of S1
	cut   []scanHit   // what reach follows from

	// What S1 estimated of the vectors read less their scores, in units of the rows' sizes.
	count, sum, excess float64
}

// scoredHit is a vector that was read, how sure S2 was of its score, and what S1 knew of it.
type scoredHit struct {
	score, deviation float64
	glance
}

// glance is what S1 knows of a row, on the metric's scale.
type glance struct {
	first  float64 // the estimate
	ahead  float64 // how much the bound is above that
	inside float64 // variance of its error that the codes explain
	size   float64 // what the deviation of the others is in proportion to, for a mean row 1
}

// scanHit is what a hit says of S1's cut: how far its score is above the last, how much its
// bound is above its score in the mean, and the deviation of that.
type scanHit struct{ over, ahead, deviation float64 }

// pooled is how many vectors the spread that was learnt counts for beside those read.
const pooled = 16

// reset begins a search; learnt and mean are what is known of rows before any is read.
func (r *rule) reset(s *Settings, all int, learnt float64, mean glance) {
	k := s.Hits + s.Self
	*r = rule{
		k: k, allowed: float64(s.Hits) * (1 - s.Target) / float64(s.cuts(all)), largest: s.LargestEps(all), fixed: s.Bound > 0,
		learnt: learnt, mean: mean, hits: r.hits[:0], cut: r.cut[:0],
	}
	r.settle()
}

// saw takes a vector into account that was read.
func (r *rule) saw(h scoredHit) {
	r.hits = append(r.hits, h)
	if h.size == 0 { // nothing of it is left out by the codes
		return
	}
	wrong := (h.first - h.score) / h.size
	r.count++
	r.sum += wrong
	r.excess += wrong*wrong - h.inside/h.size/h.size
}

// last returns the score that a row must reach to be among the hits, as far as is known.
func (r *rule) last() (score float64, full bool) {
	if len(r.hits) < r.k {
		return math.Inf(-1), false
	}
	return r.hits[r.k-1].score, true
}

// settle ranks what was read and sets the cuts.
func (r *rule) settle() {
	slices.SortFunc(r.hits, func(a, b scoredHit) int { return cmp.Compare(b.score, a.score) })
	if len(r.hits) > r.k {
		r.hits = r.hits[:r.k]
	}
	last, full := r.last()
	variance, higher := r.outside()
	r.cut = r.cut[:0]
	for _, h := range r.hits {
		r.cut = append(r.cut, h.at(max(0, h.score-last), variance, higher))
	}
	r.eps = r.largest
	if r.fixed || !full {
		r.reach = r.mean.at(0, variance, higher).reach(r.largest)
		for _, h := range r.cut {
			r.reach = max(r.reach, h.reach(r.largest))
		}
		return
	}
	r.eps = least(leastEps, r.largest, 1e-3, func(eps float64) bool { return r.missed(last, eps) <= r.allowed })
	low, high := math.Inf(-1), math.Inf(-1)
	for _, h := range r.cut {
		low, high = max(low, h.reach(leastEps)), max(high, h.reach(r.largest))
	}
	r.reach = least(low, high, 1e-3*(high-low), func(reach float64) bool { return r.missedByScan(reach) <= r.allowed })
}

// least returns a number from low to high, at most step above the least that is enough;
// more is enough too, and high always.
func least(low, high, step float64, enough func(x float64) bool) float64 {
	if !(low < high) || enough(low) {
		return low
	}
	for high-low > step {
		if mid := (low + high) / 2; mid == low || mid == high {
			break
		} else if enough(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// missed is how many hits are expected to be missed at a cut of eps deviations.
func (r *rule) missed(last, eps float64) float64 {
	var sum float64
	for _, h := range r.hits {
		gap := 0.0
		if over := h.score - last; over > 0 {
			gap = over / h.deviation
		}
		sum += tail(eps + gap)
	}
	return sum
}

// missedByScan is how many hits are expected to be missed at a cut of S1 with that reach.
func (r *rule) missedByScan(reach float64) float64 {
	var sum float64
	for _, h := range r.cut {
		if h.deviation > 0 {
			sum += tail(max(0, h.over+h.ahead+reach) / h.deviation)
		}
	}
	return sum
}

// at is what a hit says of S1's cut that scores so far above the last, given what outside
// returned.
func (g glance) at(over, variance, higher float64) scanHit {
	return scanHit{over, g.ahead - higher*g.size, math.Sqrt(g.inside + variance*g.size*g.size)}
}

// reach is that of a cut of eps deviations for a row that scores as the last hit.
func (h scanHit) reach(eps float64) float64 { return eps*h.deviation - h.ahead }

// outside returns the variance beside that which the codes explain, as the vectors read
// and what was learnt have it together, and how much higher than estimated they score: of
// a mean row.
func (r *rule) outside() (variance, higher float64) {
	higher = max(0, -r.sum/(pooled+r.count))
	excess := r.excess + higher*(2*r.sum+higher*r.count) // about the shifted estimates
	return max(r.learnt, (pooled*r.learnt+excess)/(pooled+r.count)), higher
}

// expected is the share of the right hits that the answer has, as far as the hits tell;
// everything tells that all rows were looked at.
func (r *rule) expected(s *Settings, all int, everything bool) float64 {
	last, full := r.last()
	if everything || !full {
		return 1
	}
	missed := r.missed(last, r.eps)
	if s.cuts(all) == 2 {
		missed += r.missedByScan(r.reach)
	}
	return max(0, 1-missed/float64(s.Hits))
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
