package api

import "time"

// Rescore is the stage at which a search ends.
type Rescore uint8

const (
	// RescoreAuto is RescoreVectors, and RescoreCodes where no vectors are stored or the
	// query is a code.
	RescoreAuto Rescore = iota
	// RescoreNone ends after the scan; scores are estimates from the blocks scanned.
	RescoreNone
	// RescoreCodes ends after the whole codes; scores are estimates from those.
	RescoreCodes
	// RescoreVectors scores the candidates against the stored vectors; scores are exact.
	RescoreVectors
)

var rescoreNames = [...]string{RescoreAuto: "auto", RescoreNone: "none", RescoreCodes: "codes", RescoreVectors: "vectors"}

// String returns the name: auto, none, codes or vectors.
func (r Rescore) String() string { return rescoreNames[r] }

// Query is one search. K and exactly one of Vector, ID and Code are required; the zero
// value of every other field gives the best answer that the engine can.
type Query struct {
	// Vector is what to search for: as many components as the collection has dims, or as
	// one of its ladder steps; then the answer is about that prefix: scores are those of
	// the prefixes.
	Vector []float32
	// ID searches for a stored vector instead, and leaves it out of the answer.
	ID string
	// Code searches for the nearest codes to this one instead, in a collection of plain
	// signs: the words, as in Record, of as many dimensions as Vector may have, with no bit set past the
	// last. There is no vector to score by: scores are what signs suggest, and neither
	// Exact, RescoreVectors nor TargetRecall go with it.
	Code []uint64
	// K is how many hits to return, at least 1.
	K int
	// Dims is how many leading dimensions of the code the scan looks at, at most: a step of
	// the ladder or a multiple of 64, not above the query's size. Fewer are scanned faster;
	// more rows are then looked at again, for the target recall holds. With Exact, how many
	// dimensions of the vectors are compared. 0: what the engine finds best.
	Dims int
	// Candidates is how many rows the scan keeps at first, at least K. 0: Oversampling
	// times K, or if that is 0 too, what is cheapest where the scan looks for more by itself,
	// when the target recall asks for it. It does not in a collection of plain signs, of
	// whose errors nothing is known: there the default is DefaultOversampling times the hits
	// wanted, within MinDefaultCandidates and MaxDefaultCandidates.
	Candidates int
	// Oversampling gives Candidates as a multiple of K, at least 1. Not with Candidates.
	Oversampling float64
	// TargetRecall is the share of the right hits to find in the mean, above 0 and at most
	// 1: vectors are read until no more than the rest can be expected to be missed. 1 is
	// the same as Exact. 0: DefaultTargetRecall. Not with Exact, Bound, a Code, or in a
	// collection of plain signs.
	TargetRecall float64
	// Bound takes the place of TargetRecall for those who know what they do: a vector is
	// read when its score may be so many standard deviations better than its code says.
	// 0: TargetRecall decides.
	Bound float64
	// Rescore is the stage at which the search ends.
	Rescore Rescore
	// Exact compares the query with every stored vector instead of the codes. Candidates,
	// Oversampling, Bound, TargetRecall and Rescore must then be zero.
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

// DefaultTargetRecall is Query.TargetRecall's default: see docs/recall.md for what it gives.
const DefaultTargetRecall = .995

// The scan's default number of candidates, see Query.Candidates.
const (
	DefaultOversampling  = 40
	MinDefaultCandidates = 100
	MaxDefaultCandidates = 10_000
)

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
	// Settings in force. Dims is what the scan looked at, or with Exact what was
	// compared; TargetRecall and Bound are 0 where they decided nothing. Exact is also set
	// where the engine found exact search to be cheaper.
	Dims               int
	TargetRecall       float64
	Bound              float64
	Rescore            Rescore
	Exact              bool
	Kernel             string
	ProfileFingerprint string

	// ExpectedRecall is the share of the right hits that can be expected to be found, by
	// what the hits say of those that may have been missed: 1 when all rows were
	// compared, 0 where nothing is known.
	ExpectedRecall float64

	// Work done. RowsScanned rows were compared by their codes (or, Exact, by their
	// vectors), in Passes passes; Candidates were kept by the passes, Refined of them
	// compared by their whole codes, and VectorsRead of the stored vectors read.
	RowsScanned     uint64
	Passes          int
	CodeBytesRead   uint64
	Candidates      int
	Refined         int
	VectorsRead     uint64
	VectorBytesRead uint64

	// Time spent; Total also holds the look-up of ids and metadata.
	Scan, Refine, RescoreTime, Total time.Duration
}
