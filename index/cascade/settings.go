package cascade

import (
	"math"

	"github.com/hamnest/hamnest/index/api"
)

// Settings is how a search by codes is carried out: what a request was resolved to.
type Settings struct {
	// Stage is where it ends, not RescoreAuto.
	Stage api.Rescore
	// Blocks of a code are looked at by the scan, at least one.
	Blocks int
	// Keep is how many rows the first pass keeps. With Spare it may keep more where that is
	// less work.
	Keep  int
	Spare bool
	// Hits is how many hits' recall counts: pages before are found again. Self is 1 when
	// the query is a stored vector, which finds itself and does not count, and else 0.
	Hits, Self int
	// Target is the share of the right hits to find; unless Bound is above 0: then that is
	// how many standard deviations of an estimate's error are allowed for.
	Target, Bound float64
}

// cuts is how many cuts the search makes of codes of all blocks.
func (s *Settings) cuts(all int) int {
	if s.Blocks < all {
		return 2
	}
	return 1
}

// leastEps keeps some room where the hits lie far apart.
const leastEps = 0.5

// LargestEps is the eps of a single hit at the edge of the hits, as many times over as there are
// hits: no gaps ask for a larger one. all is the number of blocks of a code.
func (s *Settings) LargestEps(all int) float64 {
	if s.Bound > 0 {
		return s.Bound
	}
	missed := (1 - s.Target) / float64(s.cuts(all))
	return max(leastEps, math.Sqrt2*math.Erfinv(1-2*missed))
}
