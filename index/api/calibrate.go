package api

// Defaults of CalibrateOptions.
const (
	// DefaultCalibrationQueries leave the measured recall uncertain by 0.002 around 0.99.
	DefaultCalibrationQueries = 1000
	DefaultCalibrationK       = 10
)

// MaxCalibrationK is the largest CalibrateOptions.K.
const MaxCalibrationK = 1000

// CalibrateOptions says what to measure with. The zero value is ready to use.
type CalibrateOptions struct {
	// Queries, each of the collection's dims, are searched for. Nil: stored vectors are.
	// Queries of another kind, questions say, may take more work: give queries where
	// there are any.
	Queries [][]float32
	// Sample is how many stored vectors, spread over the collection, stand in for
	// queries. 0: DefaultCalibrationQueries. Not with Queries.
	Sample int
	// Live takes the queries that were searched for last instead, as many as are
	// remembered: see index.Options. Not with Queries or Sample.
	Live bool
	// K is how many hits recall is measured over, 1 to MaxCalibrationK. 0:
	// DefaultCalibrationK.
	K int
}

// Calibration is what was measured of a collection: what searches find, and what they cost.
// Nothing depends on it: it shows what dims and target recalls are worth on these vectors
// and queries.
type Calibration struct {
	// Rows are the vectors there were, Queries how many were searched for, and Source
	// says what those were.
	Rows    uint64
	Queries int
	Source  CalibrationSource
	// K is how many hits recall was measured over.
	K int
	// Profile and Fingerprint name the codes that were measured, and Kernel scanned.
	Profile     Profile
	Fingerprint string
	Kernel      string
	// Settings are what was tried, by Dims and then by TargetRecall, ascending.
	Settings []Setting
}

// CalibrationSource is where the queries of a calibration came from.
type CalibrationSource string

// The sources.
const (
	SourceGiven  CalibrationSource = "given"  // CalibrateOptions.Queries
	SourceStored CalibrationSource = "stored" // vectors of the collection
	SourceLive   CalibrationSource = "live"   // CalibrateOptions.Live
)

// Setting is one way to search, and what it was measured to give: means over the
// queries.
type Setting struct {
	// Dims is how many dimensions of the query were given: with fewer than the
	// collection's, a step of the ladder, the search is for that prefix.
	Dims int
	// TargetRecall as in Query.
	TargetRecall float64
	// Recall is the share of the K right hits, those of the whole vectors, that were
	// found. PrefixRecall is that of the right hits of the prefix, what TargetRecall is
	// about; a hit that scores as the K-th does is right there.
	Recall, PrefixRecall float64
	// VectorsRead of the stored vectors.
	VectorsRead float64
	// Microseconds of one search at a time, all of it.
	Microseconds float64
	// Bytes of codes and of stored vectors that were read.
	Bytes float64
}
