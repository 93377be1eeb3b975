package client

import (
	"context"
	"fmt"
	"time"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// CalibrateOptions says what to measure with. The zero value is ready to use.
type CalibrateOptions struct {
	// Queries are searched for, each of the collection's dimensions. Nil: stored
	// vectors are, each left out of its own answer. Queries of another kind may be harder
	// to answer: give queries where there are any.
	Queries [][]float32
	// Sample is how many stored vectors, spread over the collection, stand in for
	// queries. 0: 1000. Not with Queries.
	Sample int
	// Live takes the queries that were searched for last instead, where the server is
	// asked to remember them. Not with Queries or Sample.
	Live bool
	// K is how many hits recall is measured over. 0: 10.
	K int
	// Profiles are measured beside the collection's own, for comparison. Each takes as
	// much memory of the server meanwhile as codes under it do.
	Profiles []Profile
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

// CalibrationState describes a calibration without its settings.
type CalibrationState struct {
	// Created is when; zero when the calibration is damaged, as is the rest then.
	Created time.Time
	// Rows are the vectors there were, Queries how many were searched for, Source where
	// those came from, and K how many hits recall was measured over.
	Rows    uint64
	Queries int
	Source  CalibrationSource
	K       int
	// Profile and ProfileFingerprint name the codes that were measured.
	Profile            Profile
	ProfileFingerprint string
	// Recalibrate says why the collection should be calibrated again; empty: it need not.
	Recalibrate string
}

// LiveState is what was learnt from the searches that were answered.
type LiveState struct {
	// Queries are remembered for CalibrateOptions.Live.
	Queries int
	// Checks are the last searches that were answered again exactly; Recall is what they
	// had in the mean.
	Checks int
	Recall float64
	// Targeted of them asked for a target recall, Target in the mean, and had
	// TargetedRecall.
	Targeted               int
	Target, TargetedRecall float64
}

// Calibration is the settings of a search that are worth having, as they were measured.
type Calibration struct {
	CalibrationState
	// Kernel was timed.
	Kernel string
	// Settings are, for each prefix that the scan can stop at, those for which none that
	// is cheaper reaches as much: by Dims and then by Microseconds, both ascending.
	Settings []Setting
	// Compared is what was measured of CalibrateOptions.Profiles.
	Compared []ProfileSettings
}

// ProfileSettings are the Settings of one profile.
type ProfileSettings struct {
	Profile  Profile
	Settings []Setting
}

// Setting is one way to search, and what it gave in the mean.
type Setting struct {
	// As in SearchRequest; RescoreCandidates 0 for all, Bound 0 for none.
	Dims, ScanBits, Candidates, RescoreCandidates int
	Bound                                         float64
	// Recall is the share of the K right hits that were found, with VectorsRead of the
	// stored vectors.
	Recall, VectorsRead float64
	// Microseconds of one search that has the machine to itself and the vectors in
	// memory, without the look-up of ids; Bytes of codes and stored vectors read.
	Microseconds, Bytes float64
}

// Calibrate measures which settings of a search reach which recall at which cost, and
// stores the result: SearchRequest.TargetRecall picks from it. Searches and writes go on
// meanwhile; when ctx ends nothing has changed. ErrNotFound, ErrInvalid,
// ErrCalibrating, ErrUncalibrated, ErrCodesOnly.
func (c *Client) Calibrate(ctx context.Context, collection string, opts CalibrateOptions) (*Calibration, error) {
	var req request
	message := &hamnestv1.CalibrateRequest{
		Name:    req.text("name", collection),
		Queries: mapSlice(opts.Queries, vectorToProto),
		Sample:  req.uint32("sample", opts.Sample),
		Live:    opts.Live,
		K:       req.uint32("k", opts.K),
	}
	for i, p := range opts.Profiles {
		message.Profiles = append(message.Profiles, hamnestv1.Profile(enumNumber(&req, fmt.Sprintf("profiles[%d]", i), "PROFILE_", "+", string(p), hamnestv1.Profile_value)))
	}
	if err := req.err(); err != nil {
		return nil, err
	}
	resp, err := c.collections.Calibrate(ctx, message)
	if err != nil {
		return nil, fromGRPC(err)
	}
	m := resp.GetCalibration()
	result := &Calibration{
		CalibrationState: CalibrationState{
			Created:            m.GetCreateTime().AsTime(),
			Rows:               m.GetRows(),
			Queries:            int(m.GetQueries()),
			Source:             sourceFromProto(m.GetSource()),
			K:                  int(m.GetK()),
			Profile:            profileFromProto(m.GetProfile()),
			ProfileFingerprint: m.GetProfileFingerprint(),
		},
		Kernel:   m.GetKernel(),
		Settings: mapSlice(m.GetSettings(), settingFromProto),
	}
	for _, p := range resp.GetCompared() {
		result.Compared = append(result.Compared, ProfileSettings{profileFromProto(p.GetProfile()), mapSlice(p.GetSettings(), settingFromProto)})
	}
	return result, nil
}

func sourceFromProto(s hamnestv1.CalibrationSource) CalibrationSource {
	return CalibrationSource(enumName("CALIBRATION_SOURCE_", "-", s.String()))
}

func settingFromProto(s *hamnestv1.Setting) Setting {
	return Setting{
		Dims:              int(s.GetDims()),
		ScanBits:          int(s.GetScanBits()),
		Candidates:        int(s.GetCandidates()),
		RescoreCandidates: int(s.GetRescoreCandidates()),
		Bound:             s.GetBound(),
		Recall:            s.GetRecall(),
		VectorsRead:       s.GetVectorsRead(),
		Microseconds:      s.GetMicroseconds(),
		Bytes:             s.GetBytes(),
	}
}
