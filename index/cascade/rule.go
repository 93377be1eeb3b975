package cascade

import (
	"cmp"
	"math"
	"slices"
)

// rule says when a search may stop. The hits found so far stand for those that may have been
// missed. Suppose a true hit scores above the last hit by gap standard deviations of its
// estimate's error. A cut eps deviations wide misses it with probability Phi(-(eps + gap)). So
// eps follows from the share of misses that the target allows,
//
//	sum over hits of Phi(-(eps + (score - last) / deviation)) = k (1 - target)
//
// and the search looks at a row while its estimate plus eps deviations reaches the last hit's
// score. This needs no sample and no measurement, and it does not matter what the data are like
// as long as the deviations are right. If the scan sees only the first blocks of a code there
// are two cuts, by the blocks and by the code, and each may cause half of the misses.
//
// S1 cuts by a bound that contains about eps deviations of the row, and where lengths differ
// these differ from row to row. So its cut is not a number of deviations but a bound, reach
// below the last hit's score. It misses a hit like one of the others with probability
//
//	Phi(-((score - last) + ahead + reach) / deviation)
//
// where ahead is how far that hit's bound is above its estimate.
type rule struct {
	k       int     // hits whose recall counts
	allowed float64 // misses that each cut may cause
	largest float64 // the most eps may be
	fixed   bool    // eps is always largest
	learnt  float64 // variance of a mean row beyond what codes explain
	mean    glance  // what S1 knows of a mean row

	hits  []scoredHit // the k best read, best first
	eps   float64     // of S3
	reach float64     // of S1
	cut   []scanHit   // what reach is computed from

	// What S1 estimated for the vectors read, minus their scores, in units of the rows' sizes.
	count, sum, excess float64
}

// scoredHit is a vector that was read, with how sure S2 was of its score and what S1 knew of
// it.
type scoredHit struct {
	score, deviation float64
	glance
}

// glance is what S1 knows of a row, on the metric's scale.
type glance struct {
	first  float64 // the estimate
	ahead  float64 // how far the bound is above it
	inside float64 // the variance of its error that the codes explain
	size   float64 // the rest of the deviation is in proportion to this, which is 1 for a mean row
}

// scanHit is what a hit tells of S1's cut: how far its score is above the last, how far its
// bound is above its score on average, and the deviation of that.
type scanHit struct{ over, ahead, deviation float64 }

// pooled is how many read vectors the learnt spread counts for.
const pooled = 16

// reset starts a search; learnt and mean are what is known of rows before any is read.
func (r *rule) reset(s *Settings, all int, learnt float64, mean glance) {
	k := s.Hits + s.Self
	*r = rule{
		k: k, allowed: float64(s.Hits) * (1 - s.Target) / float64(s.cuts(all)), largest: s.LargestEps(all), fixed: s.Bound > 0,
		learnt: learnt, mean: mean, hits: r.hits[:0], cut: r.cut[:0],
	}
	r.settle()
}

// saw takes into account a vector that was read.
func (r *rule) saw(h scoredHit) {
	r.hits = append(r.hits, h)
	if h.size == 0 { // the codes leave nothing of it out
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

// settle ranks the vectors read and sets the cuts.
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

// least returns a number from low to high that is enough, at most step above the least such
// number. Every larger number is enough too, and high always is.
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

// missed is how many hits a cut of eps deviations is expected to miss.
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

// missedByScan is how many hits a cut of S1 with that reach is expected to miss.
func (r *rule) missedByScan(reach float64) float64 {
	var sum float64
	for _, h := range r.cut {
		if h.deviation > 0 {
			sum += tail(max(0, h.over+h.ahead+reach) / h.deviation)
		}
	}
	return sum
}

// at is what a hit that scores over above the last tells of S1's cut, given the results of
// outside.
func (g glance) at(over, variance, higher float64) scanHit {
	return scanHit{over, g.ahead - higher*g.size, math.Sqrt(g.inside + variance*g.size*g.size)}
}

// reach is the reach of a cut eps deviations wide, for a row that scores like the last hit.
func (h scanHit) reach(eps float64) float64 { return eps*h.deviation - h.ahead }

// outside returns, for a mean row, the variance beyond what the codes explain, pooled from the
// vectors read and from what was learnt, and how much higher than estimated the vectors score.
func (r *rule) outside() (variance, higher float64) {
	higher = max(0, -r.sum/(pooled+r.count))
	excess := r.excess + higher*(2*r.sum+higher*r.count) // about the shifted estimates
	return max(r.learnt, (pooled*r.learnt+excess)/(pooled+r.count)), higher
}

// expected is the share of the right hits in the answer, as far as the hits tell; everything
// means that all rows were looked at.
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

// tail is the probability that a normal variable is above x >= 0. It comes from a table of
// chords: never too small, and too large by less than a ten thousandth.
func tail(x float64) float64 {
	at := x * tailSteps
	if at >= float64(len(tails)-1) {
		return 0
	}
	i := int(at)
	return tails[i] + (at-float64(i))*(tails[i+1]-tails[i])
}

// tailSteps is the number of table entries for one standard deviation.
const tailSteps = 64

var tails = func() (t [8*tailSteps + 1]float64) {
	for i := range t[:len(t)-1] {
		t[i] = math.Erfc(float64(i)/tailSteps/math.Sqrt2) / 2
	}
	return t
}()
