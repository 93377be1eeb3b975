package convert

import (
	"fmt"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// CalibrateToProto returns a request to calibrate.
func CalibrateToProto(bad *Violations, name string, opts api.CalibrateOptions) *hamnestv1.CalibrateRequest {
	return &hamnestv1.CalibrateRequest{
		Name:    bad.Text("name", name),
		Queries: mapSlice(opts.Queries, VectorToProto),
		Sample:  bad.Uint32("sample", opts.Sample),
		Live:    opts.Live,
		K:       bad.Uint32("k", opts.K),
	}
}

// CalibrateFromProto returns the options of a request.
func CalibrateFromProto(bad *Violations, req *hamnestv1.CalibrateRequest) api.CalibrateOptions {
	opts := api.CalibrateOptions{Sample: int(req.GetSample()), Live: req.GetLive(), K: int(req.GetK())}
	for i, v := range req.GetQueries() {
		vector, err := VectorFromProto(v)
		if err != nil {
			bad.Add(fmt.Sprintf("queries[%d]", i), "%v", err)
		}
		opts.Queries = append(opts.Queries, vector)
	}
	return opts
}

// CalibrationToProto returns a measurement.
func CalibrationToProto(c *api.Calibration) *hamnestv1.Calibration {
	var none Violations
	return &hamnestv1.Calibration{
		Rows:               c.Rows,
		Queries:            uint32(c.Queries),
		Source:             toNumber(&none, "", sources, c.Source),
		K:                  uint32(c.K),
		Profile:            toNumber(&none, "", profiles, c.Profile),
		ProfileFingerprint: c.Fingerprint,
		Kernel:             c.Kernel,
		Settings: mapSlice(c.Settings, func(s api.Setting) *hamnestv1.Setting {
			return &hamnestv1.Setting{
				Dims:         uint32(s.Dims),
				TargetRecall: s.TargetRecall,
				Recall:       s.Recall,
				PrefixRecall: s.PrefixRecall,
				VectorsRead:  s.VectorsRead,
				Microseconds: s.Microseconds,
				Bytes:        s.Bytes,
			}
		}),
	}
}

// CalibrationFromProto fails for values that only a newer server knows.
func CalibrationFromProto(c *hamnestv1.Calibration) (*api.Calibration, error) {
	var bad Violations
	calibration := &api.Calibration{
		Rows:        c.GetRows(),
		Queries:     int(c.GetQueries()),
		Source:      fromNumber(&bad, "source", sources, c.GetSource()),
		K:           int(c.GetK()),
		Profile:     fromNumber(&bad, "profile", profiles, c.GetProfile()),
		Fingerprint: c.GetProfileFingerprint(),
		Kernel:      c.GetKernel(),
		Settings: mapSlice(c.GetSettings(), func(s *hamnestv1.Setting) api.Setting {
			return api.Setting{
				Dims:         int(s.GetDims()),
				TargetRecall: s.GetTargetRecall(),
				Recall:       s.GetRecall(),
				PrefixRecall: s.GetPrefixRecall(),
				VectorsRead:  s.GetVectorsRead(),
				Microseconds: s.GetMicroseconds(),
				Bytes:        s.GetBytes(),
			}
		}),
	}
	if err := answered("calibration", bad); err != nil {
		return nil, err
	}
	return calibration, nil
}
