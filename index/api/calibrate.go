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
	// Queries are searched for, each of the collection's dims. Nil: stored vectors serve as
	// queries. Real queries, such as questions, may take more work than stored vectors: give
	// them if you have any.
	Queries [][]float32
	// Sample is how many stored vectors, spread over the collection, serve as queries. 0:
	// DefaultCalibrationQueries. Not with Queries.
	Sample int
	// Live uses the most recent queries that are remembered instead: see index.Options. Not
	// with Queries or Sample.
	Live bool
	// K is the number of hits that recall is measured over, 1 to MaxCalibrationK. 0:
	// DefaultCalibrationK.
	K int
}

// Calibration is a measurement of what searches of a collection find and what they cost.
// Nothing depends on it. It shows what dims and target recalls are worth on these vectors and
// queries.
type Calibration struct {
	// Rows is the number of vectors, Queries how many were searched for, and Source where the
	// queries came from.
	Rows    uint64
	Queries int
	Source  CalibrationSource
	// K is the number of hits that recall was measured over.
	K int
	// Profile and Fingerprint name the codes that were measured, Kernel the one that scanned.
	Profile     Profile
	Fingerprint string
	Kernel      string
	// Settings are those tried, by Dims and then by TargetRecall, ascending.
	Settings []Setting
}

// CalibrationSource says where the queries of a calibration came from.
type CalibrationSource string

// The sources.
const (
	SourceGiven  CalibrationSource = "given"  // CalibrateOptions.Queries
	SourceStored CalibrationSource = "stored" // vectors of the collection
	SourceLive   CalibrationSource = "live"   // CalibrateOptions.Live
)

// Setting is one way to search and its measurements, as means over the queries.
type Setting struct {
	// Dims is how many dimensions of the query were given. If they are fewer than the
	// collection's, they are a step of the ladder, and the search is for that prefix.
	Dims int
	// TargetRecall as in Query.
	TargetRecall float64
	// Recall is the share of the K right hits by the whole vectors that were found.
	// PrefixRecall is the share of the right hits by the prefix, which TargetRecall is about;
	// there a hit that ties with the K-th is right too.
	Recall, PrefixRecall float64
	// VectorsRead is how many stored vectors were read.
	VectorsRead float64
	// Microseconds is the whole time of a search, one at a time.
	Microseconds float64
	// Bytes is how many bytes of codes and stored vectors were read.
	Bytes float64
}
