package client

import (
	"context"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// CalibrateOptions says what to measure with. The zero value is ready to use.
type CalibrateOptions struct {
	// Queries are searched for, each of the collection's dimensions. Nil: stored
	// vectors are. Queries of another kind, questions say, may take more work: give
	// queries where there are any.
	Queries [][]float32
	// Sample is how many stored vectors, spread over the collection, stand in for
	// queries. 0: 1000. Not with Queries.
	Sample int
	// Live takes the queries that were searched for last instead, where the server is
	// asked to remember them. Not with Queries or Sample.
	Live bool
	// K is how many hits recall is measured over. 0: 10.
	K int
}

// CalibrationSource is where the queries of a calibration came from.
type CalibrationSource string

// The sources: CalibrateOptions.Queries, vectors of the collection, and
// CalibrateOptions.Live.
const (
	SourceGiven  CalibrationSource = "given"
	SourceStored CalibrationSource = "stored"
	SourceLive   CalibrationSource = "live"
)

// LiveState is what was learnt from the searches that were answered.
type LiveState struct {
	// Queries are remembered for CalibrateOptions.Live.
	Queries int
	// Checks are the last searches that were answered again exactly; Recall is what they
	// had in the mean, and Target what they asked for.
	Checks         int
	Recall, Target float64
	// Short says that Recall is below Target by more than chance; empty: it is not.
	Short string
}

// Calibration is what was measured of a collection: what searches find and what they cost.
// Nothing depends on it.
type Calibration struct {
	// Rows are the vectors there were, Queries how many were searched for, Source where
	// those came from, and K how many hits recall was measured over.
	Rows    uint64
	Queries int
	Source  CalibrationSource
	K       int
	// Profile and ProfileFingerprint name the codes that were measured, and Kernel scanned.
	Profile                    Profile
	ProfileFingerprint, Kernel string
	// Settings are what was tried, by Dims and then by TargetRecall, ascending.
	Settings []Setting
}

// Setting is one way to search, and what it gave in the mean.
type Setting struct {
	// Dims is how many dimensions of the query were given: with fewer than the
	// collection's, a step of the ladder, the search is for that prefix.
	Dims int
	// TargetRecall as in SearchRequest; 0 where nothing is known of the codes' errors.
	TargetRecall float64
	// Recall is the share of the K right hits, those of the whole vectors, that were
	// found. PrefixRecall is that of the right hits of the prefix, which is what
	// TargetRecall is about; one that scores as the last of them does is right there.
	Recall, PrefixRecall float64
	// VectorsRead of the stored vectors.
	VectorsRead float64
	// Microseconds of one search at a time, all of it; Bytes of codes and stored vectors
	// read.
	Microseconds, Bytes float64
}

// Calibrate measures what searches find and what they cost, at every step of the ladder and
// for several target recalls. It stores nothing, and no search needs it. Searches and writes
// go on meanwhile. ErrNotFound, ErrInvalid, ErrCalibrating, ErrEmpty, ErrCodesOnly.
func (c *Client) Calibrate(ctx context.Context, collection string, opts CalibrateOptions) (*Calibration, error) {
	var req request
	message := &hamnestv1.CalibrateRequest{
		Name:    req.text("name", collection),
		Queries: mapSlice(opts.Queries, vectorToProto),
		Sample:  req.uint32("sample", opts.Sample),
		Live:    opts.Live,
		K:       req.uint32("k", opts.K),
	}
	if err := req.err(); err != nil {
		return nil, err
	}
	resp, err := c.collections.Calibrate(ctx, message)
	if err != nil {
		return nil, fromGRPC(err)
	}
	m := resp.GetCalibration()
	return &Calibration{
		Rows:               m.GetRows(),
		Queries:            int(m.GetQueries()),
		Source:             sourceFromProto(m.GetSource()),
		K:                  int(m.GetK()),
		Profile:            profileFromProto(m.GetProfile()),
		ProfileFingerprint: m.GetProfileFingerprint(),
		Kernel:             m.GetKernel(),
		Settings:           mapSlice(m.GetSettings(), settingFromProto),
	}, nil
}

func sourceFromProto(s hamnestv1.CalibrationSource) CalibrationSource {
	return CalibrationSource(enumName("CALIBRATION_SOURCE_", "-", s.String()))
}

func settingFromProto(s *hamnestv1.Setting) Setting {
	return Setting{
		Dims:         int(s.GetDims()),
		TargetRecall: s.GetTargetRecall(),
		Recall:       s.GetRecall(),
		PrefixRecall: s.GetPrefixRecall(),
		VectorsRead:  s.GetVectorsRead(),
		Microseconds: s.GetMicroseconds(),
		Bytes:        s.GetBytes(),
	}
}
