package api

import "time"

// Rescore is the stage at which a search ends.
type Rescore uint8

const (
	// RescoreAuto is RescoreVectors, or RescoreCodes if no vectors are stored or the query is a
	// code.
	RescoreAuto Rescore = iota
	// RescoreNone ends after the scan; scores are estimates from the scanned blocks.
	RescoreNone
	// RescoreCodes ends after the whole codes; scores are estimates from them.
	RescoreCodes
	// RescoreVectors scores the candidates against the stored vectors; scores are exact.
	RescoreVectors
)

var rescoreNames = [...]string{RescoreAuto: "auto", RescoreNone: "none", RescoreCodes: "codes", RescoreVectors: "vectors"}

// String returns the name: auto, none, codes or vectors.
func (r Rescore) String() string { return rescoreNames[r] }

// Plan is by which road a search looks for its hits.
type Plan uint8

const (
	// PlanScan scans the codes of all allowed rows, and reads the vectors of the most
	// promising ones.
	PlanScan Plan = 1 + iota
	// PlanExact reads the vectors of all allowed rows in one pass over the collection.
	PlanExact
	// PlanGather reads the vectors of all allowed rows one by one, for they are few.
	PlanGather
)

var planNames = [...]string{"", PlanScan: "scan", PlanExact: "exact", PlanGather: "gather"}

// String returns the name: scan, exact or gather.
func (p Plan) String() string { return planNames[p] }

// Query is one search. K and exactly one of Vector, ID and Code are required; the zero value of
// every other field gives the best answer that the engine can give.
type Query struct {
	// Vector is what to search for. It has as many components as the collection has dims, or as
	// one of its ladder steps; then the answer is about that prefix, and scores are those of
	// the prefixes. A shorter query must say by Dims that it is meant as a prefix, unless the
	// ladder was given when the collection was made: it may be of another model.
	Vector []float32
	// ID searches for a stored vector instead, and leaves it out of the answer.
	ID string
	// Code searches for the codes nearest to this one instead, in a collection of plain signs.
	// It has words as in Record, as many dimensions as Vector may have, and no bit set past the
	// last. There is no vector to score by, so scores are what signs suggest, and Exact,
	// RescoreVectors and TargetRecall cannot be combined with it.
	Code []uint64
	// K is how many hits to return, at least 1.
	K int
	// Dims is the most leading dimensions of the code that the scan looks at: a step of the
	// ladder or a multiple of 64, not above the query's size. Fewer dimensions scan faster, but
	// more rows are looked at again, because the target recall holds. With Exact it is how many
	// dimensions of the vectors are compared. 0: the engine chooses.
	Dims int
	// Candidates is how many rows the scan keeps at first, at least K. 0: Oversampling times K.
	// If that is 0 too, the engine takes the cheapest number, because the target recall makes
	// it look for more when it must. In a collection of plain signs the errors are unknown and
	// it does not, so there the default is DefaultOversampling times the wanted hits, within
	// MinDefaultCandidates and MaxDefaultCandidates.
	Candidates int
	// Oversampling gives Candidates as a multiple of K, at least 1. Not with Candidates.
	Oversampling float64
	// TargetRecall is the mean share of the right hits to find, above 0 and at most 1: the
	// search reads vectors until it expects to miss no more than the rest. 1 is the same as
	// Exact. 0: DefaultTargetRecall. Not with Exact, Bound, a Code, or in a collection of plain
	// signs.
	TargetRecall float64
	// Bound replaces TargetRecall, for experts: a vector is read if its score could reach the
	// hits when its code's estimate is wrong by at most Bound standard deviations. 0:
	// TargetRecall decides.
	Bound float64
	// Rescore is the stage at which the search ends.
	Rescore Rescore
	// Exact compares the query with every stored vector instead of the codes. Candidates,
	// Oversampling, Bound, TargetRecall and Rescore must then be zero.
	Exact bool
	// Filter says which records may be found, in the language of docs/filters.md: those that
	// match. They are found as if there were no others: K hits whenever K match, with the same
	// expected recall. What the engine has in memory to answer it by is made for the first
	// filter that names a field, which reads all rows. Package filter has builders. Empty: all.
	Filter string
	// MinScore, unless nil, leaves out hits that score less.
	MinScore *float32
	// PageToken is the NextPageToken of the previous answer to the same query; the hits
	// continue after its last.
	PageToken string
	// WithVector and WithMetadata ask for more than id and score.
	WithVector, WithMetadata bool
	// Budget, unless nil, bounds the bytes of the answer; a larger one is ErrTooLarge.
	Budget *Budget
}

// DefaultTargetRecall is the default of Query.TargetRecall; docs/recall.md says what it gives.
const DefaultTargetRecall = .995

// The default number of candidates of a scan; see Query.Candidates.
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
	// Hits are best first: by Score descending, then ID ascending.
	Hits []Hit
	// NextPageToken continues after the last hit; empty if no hit follows.
	NextPageToken string
	Receipt       Receipt
}

// Receipt says what one search did.
type Receipt struct {
	// Dims to Exact are the settings in force. Dims is what the scan looked at, or what Exact
	// compared. TargetRecall and Bound are 0 if they decided nothing. Exact is also set if the
	// engine found exact search cheaper.
	Dims               int
	TargetRecall       float64
	Bound              float64
	Rescore            Rescore
	Exact              bool
	Kernel             string
	ProfileFingerprint string

	// Plan is how the hits were looked for, among AllowedRows: those that match the filter, or
	// all.
	Plan        Plan
	AllowedRows uint64

	// ExpectedRecall is the share of the right hits that the search expects to have found,
	// judging by the hits it has: 1 if all rows were compared, 0 if nothing is known.
	ExpectedRecall float64

	// RowsScanned to VectorsRead are the work. RowsScanned rows were compared by their codes
	// (or, with Exact, by their vectors) in Passes passes. The passes kept Candidates rows,
	// Refined of them were compared by their whole codes, and VectorsRead stored vectors were
	// read.
	RowsScanned     uint64
	Passes          int
	CodeBytesRead   uint64
	Candidates      int
	Refined         int
	VectorsRead     uint64
	VectorBytesRead uint64

	// FilterTime to Total are times: FilterTime to find the allowed rows; Total includes looking up
	// ids and metadata.
	FilterTime, Scan, Refine, RescoreTime, Total time.Duration
}
