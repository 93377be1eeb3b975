package index

import (
	"time"
)

// Rescore is the stage at which a search ends.
type Rescore uint8

const (
	// RescoreAuto is RescoreVectors, and RescoreCodes where no vectors are stored or the
	// query is a code.
	RescoreAuto Rescore = iota
	// RescoreNone ends after the scan; scores are estimates from the first Dims bits.
	RescoreNone
	// RescoreCodes ranks the candidates by their whole codes and ends; scores are
	// estimates from all bits and the scalars beside them.
	RescoreCodes
	// RescoreVectors scores the candidates against the stored vectors; scores are exact.
	RescoreVectors
)

var rescoreNames = [...]string{RescoreAuto: "auto", RescoreNone: "none", RescoreCodes: "codes", RescoreVectors: "vectors"}

// String returns the name: auto, none, codes or vectors.
func (r Rescore) String() string { return rescoreNames[r] }

// Query is one search. K and exactly one of Vector, ID and Code are required; the zero
// value of every other field is a sensible default.
type Query struct {
	// Vector is what to search for: Dims components as the collection has, or as
	// many as one of its ladder steps; then only that many dimensions are looked
	// at, and scores are those of the prefixes.
	Vector []float32
	// ID searches for a stored vector instead, and leaves it out of the answer.
	ID string
	// Code searches for the nearest codes to this one instead: code.Words of as many
	// dimensions as Vector may have, with no bit set past the last. There is no vector to
	// score by: scores are estimates from signs alone, see encoder.Profile.CodeQuery, and
	// neither Exact, RescoreVectors nor Bound go with it.
	Code []uint64
	// K is how many hits to return, at least 1.
	K int
	// Dims is how many leading dimensions the scan looks at, a prefix that the
	// profile has (encoder.Profile.CheckPrefix), at most the query's own. With
	// Exact, how many are compared. 0: all of the query's.
	Dims int
	// ScanBits is the form of the query in the scan: 1 for its signs, or 4 for its
	// magnitudes too, in as many bit planes, which finds far more of the right rows
	// for little more time. 0: 4, or for a Code, which has no magnitudes, 1.
	ScanBits int
	// Candidates is how many rows the scan keeps, at least K. 0: Oversampling
	// times K, or if that is 0 too, DefaultOversampling times the hits wanted
	// within MinDefaultCandidates and MaxDefaultCandidates (under RescoreNone and
	// Cosine with plain codes, where the scan's order is final, just the hits wanted
	// and one more, which tells whether a page follows).
	Candidates int
	// Oversampling gives Candidates as a multiple of K, at least 1. Not with Candidates.
	Oversampling float64
	// RefineBits is the form of the query in which the candidates' whole codes are
	// compared with it: 4, or 32 for its floats. 0: 4.
	RefineBits int
	// RescoreCandidates is how many candidates the whole codes let through to
	// the stored vectors at most, K to Candidates. 0: RescoreOversampling times K, or
	// if that is 0 too, all of them.
	RescoreCandidates int
	// RescoreOversampling gives RescoreCandidates as a multiple of K, at least 1. Not
	// with RescoreCandidates.
	RescoreOversampling float64
	// Bound ends the reading of stored vectors as soon as every candidate left would
	// have to score better than its whole code suggests by more than Bound standard
	// deviations of the estimate's error to become a hit. Larger is safer and reads
	// more; the probability to miss a hit is that of a normal variable beyond Bound.
	// 0: DefaultBound. Infinite: never, as under profiles that do not rotate, whose
	// error nothing is known of.
	Bound float64
	// Rescore is the stage at which the search ends.
	Rescore Rescore
	// TargetRecall is the share of the right hits to find in the mean, above 0 and at
	// most 1. The cheapest settings that were measured to find so many, see
	// Collection.Calibrate, take the place of ScanBits, Candidates, RescoreCandidates,
	// Bound and, when it is 0, Dims. For more hits than recall was measured over, counts
	// are as many times larger. Not with Exact or with any of these but Dims, nor with a
	// Vector of fewer dimensions than the collection's, a Code, or scores that are
	// estimates. ErrUncalibrated when no measurement tells.
	TargetRecall float64
	// Exact compares the query with every stored vector instead of the codes.
	// Candidates, Oversampling, RescoreCandidates and Rescore must then be zero.
	Exact bool
	// MinScore, unless nil, leaves out hits that score less.
	MinScore *float32
	// PageToken is the NextPageToken of the answer before, to the same query;
	// the hits continue after its last.
	PageToken string
	// WithVector and WithMetadata ask for more than id and score.
	WithVector, WithMetadata bool
	// Budget, unless nil, bounds the bytes of the answer; ErrTooLarge beyond.
	Budget *Budget
}

// The scan's default number of candidates, see Query.Candidates. With plain
// sign codes 40 a hit finds 0.98 of the true top 10 and of the top 100 over all
// 768 dimensions of the debian set.
const (
	DefaultOversampling  = 40
	MinDefaultCandidates = 100
	MaxDefaultCandidates = 10_000
)

// DefaultBound is Query.Bound's default: of the hits that score as the last does, one
// in 44 may be left out.
const DefaultBound = 2

// Hit is one result of a search.
type Hit struct {
	ID string
	// Score is the similarity on the metric's scale; larger is better.
	Score float32
	// Vector and Metadata are set when the query asked for them.
	Vector   []float32
	Metadata []byte
}

// Result is the answer to one Query.
type Result struct {
	// Hits, best first: by Score descending, then ID ascending.
	Hits []Hit
	// NextPageToken continues after the last hit; empty when nothing follows.
	NextPageToken string
	Receipt       Receipt
}

// Receipt says what one search did to get its answer.
type Receipt struct {
	// Settings in force. RefineBits is 0 when no whole codes were compared, Bound
	// when nothing but RescoreCandidates limited the reading of vectors.
	Dims                 int
	ScanBits, RefineBits int
	Bound                float64
	Rescore              Rescore
	Exact                bool
	Kernel               string
	ProfileFingerprint   string

	// Work done. RowsScanned rows were compared by their codes (or, Exact, by
	// their vectors); Candidates were kept by the scan and RescoreCandidates by
	// the whole codes, with what ties with the last when the search ends at the
	// scan, and with the query's own vector when it is a stored one. VectorsRead
	// of those had been read when the bound said that none of the others can be a hit.
	RowsScanned       uint64
	CodeBytesRead     uint64
	Candidates        int
	RescoreCandidates int
	VectorsRead       uint64
	VectorBytesRead   uint64

	// Time spent; Total also holds the look-up of ids and metadata.
	Scan, Refine, RescoreTime, Total time.Duration
}
