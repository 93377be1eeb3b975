package cascade

import (
	"math"

	"github.com/hamnest/hamnest/index/api"
)

// Settings says how to carry out a search by codes: what a request was resolved to.
type Settings struct {
	// Stage is where the search ends; never RescoreAuto.
	Stage api.Rescore
	// Blocks is how many blocks of a code the scan looks at, at least one.
	Blocks int
	// Keep is how many rows the first pass keeps. With Spare it may keep more if that is less
	// work.
	Keep  int
	Spare bool
	// Hits is the number of hits whose recall counts: the pages before are found again. Self is
	// 1 if the query is a stored vector, which finds itself and does not count, otherwise 0.
	Hits, Self int
	// Target is the share of the right hits to find. If Bound is above 0 it is used instead:
	// the number of standard deviations of an estimate's error to allow for.
	Target, Bound float64
}

// cuts is how many cuts the search makes; all is the number of blocks of a code.
func (s *Settings) cuts(all int) int {
	if s.Blocks < all {
		return 2
	}
	return 1
}

// leastEps keeps some room where the hits lie far apart.
const leastEps = 0.5

// LargestEps is the eps needed if all hits score like the last: gaps never need a larger one.
// all is the number of blocks of a code.
func (s *Settings) LargestEps(all int) float64 {
	if s.Bound > 0 {
		return s.Bound
	}
	missed := (1 - s.Target) / float64(s.cuts(all))
	return max(leastEps, math.Sqrt2*math.Erfinv(1-2*missed))
}
