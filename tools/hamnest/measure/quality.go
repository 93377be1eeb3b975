// Package measure measures what searches find and what they cost, and predicts it.
package measure

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/hamnest/hamnest/encoder"
)

// IDSet is a set of ids.
type IDSet map[string]struct{}

// CountRight returns how many of the first k ids are right, and how many could be: k, or
// fewer if there are fewer right answers. Their ratio is recall@k. right has more than k ids
// if scores tie with the k-th; any of those count.
func CountRight(ids []string, right IDSet, k int) (found, wanted int) {
	wanted = min(k, len(right))
	for _, id := range ids[:min(k, len(ids))] {
		if _, ok := right[id]; ok {
			found++
		}
	}
	return min(found, wanted), wanted
}

// NDCG returns the normalised discounted cumulative gain of the first k ids
// (Järvelin and Kekäläinen, TOIS 2002), with judged relevance as the gain. judged
// has at least one id of a relevance above 0.
func NDCG(ids []string, judged map[string]float64, k int) float64 {
	gain := 0.0
	for rank, id := range ids[:min(k, len(ids))] {
		gain += judged[id] / math.Log2(float64(rank)+2)
	}
	relevances := slices.Sorted(maps.Values(judged))
	slices.Reverse(relevances)
	ideal := 0.0
	for rank, relevance := range relevances[:min(k, len(relevances))] {
		ideal += relevance / math.Log2(float64(rank)+2)
	}
	return gain / ideal
}

// ExactScore returns the score of v for a query in float64; larger is better. Ties are decided
// by it. It looks at the first len(query) components of v.
func ExactScore(query, v []float32, metric encoder.Metric) float64 {
	var dot, queryNorm, norm, distance float64
	for i, q := range query {
		a, b := float64(q), float64(v[i])
		dot += a * b
		queryNorm += a * a
		norm += b * b
		distance += (a - b) * (a - b)
	}
	switch metric {
	case encoder.Dot:
		return dot
	case encoder.L2:
		return -distance
	}
	if norm == 0 || queryNorm == 0 {
		return 0 // a prefix without direction
	}
	return dot / math.Sqrt(queryNorm*norm)
}

// tieTolerance is how far apart, relative to the larger, two scores that tie may be. It is the
// error of float32 arithmetic over a thousand dimensions.
const tieTolerance = 1e-6

// Tied reports whether two exact scores tie.
func Tied(a, b float64) bool {
	return math.Abs(a-b) <= tieTolerance*max(math.Abs(a), math.Abs(b))
}

// Percentile returns the smallest of the ascending values such that at least the share p of
// them is not above it (nearest rank).
func Percentile(sorted []time.Duration, p float64) time.Duration {
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// Milliseconds returns d in milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
