package convert

import (
	"fmt"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// The enums' numbers and what they mean. Number 0 of each is left out: unspecified, it is the
// zero value, which is the default.
var (
	metrics = map[hamnestv1.Metric]api.Metric{
		hamnestv1.Metric_METRIC_COSINE: api.Cosine,
		hamnestv1.Metric_METRIC_DOT:    api.Dot,
		hamnestv1.Metric_METRIC_L2:     api.L2,
	}
	profiles = map[hamnestv1.Profile]api.Profile{
		hamnestv1.Profile_PROFILE_SIGNS:   api.Signs,
		hamnestv1.Profile_PROFILE_LEARNED: api.Learned,
		hamnestv1.Profile_PROFILE_EXACT:   api.Exact,
	}
	precisions = map[hamnestv1.Precision]api.Precision{
		hamnestv1.Precision_PRECISION_FLOAT32:  api.StoreFloat32,
		hamnestv1.Precision_PRECISION_FLOAT16:  api.StoreFloat16,
		hamnestv1.Precision_PRECISION_BFLOAT16: api.StoreBFloat16,
		hamnestv1.Precision_PRECISION_INT8:     api.StoreInt8,
		hamnestv1.Precision_PRECISION_NONE:     api.StoreNone,
	}
	dialects = map[hamnestv1.Dialect]api.Dialect{
		hamnestv1.Dialect_DIALECT_NUMPY:        api.Numpy,
		hamnestv1.Dialect_DIALECT_NUMPY_SIGNED: api.NumpySigned,
		hamnestv1.Dialect_DIALECT_PGVECTOR:     api.PGVector,
		hamnestv1.Dialect_DIALECT_FAISS:        api.Faiss,
	}
	sources = map[hamnestv1.CalibrationSource]api.CalibrationSource{
		hamnestv1.CalibrationSource_CALIBRATION_SOURCE_GIVEN:  api.SourceGiven,
		hamnestv1.CalibrationSource_CALIBRATION_SOURCE_STORED: api.SourceStored,
		hamnestv1.CalibrationSource_CALIBRATION_SOURCE_LIVE:   api.SourceLive,
	}
	plans = map[hamnestv1.Plan]api.Plan{
		hamnestv1.Plan_PLAN_SCAN:   api.PlanScan,
		hamnestv1.Plan_PLAN_EXACT:  api.PlanExact,
		hamnestv1.Plan_PLAN_GATHER: api.PlanGather,
	}
	rescores = map[hamnestv1.Rescore]api.Rescore{
		hamnestv1.Rescore_RESCORE_NONE:    api.RescoreNone,
		hamnestv1.Rescore_RESCORE_CODES:   api.RescoreCodes,
		hamnestv1.Rescore_RESCORE_VECTORS: api.RescoreVectors,
	}
)

// fromNumber returns what number means. If it means nothing, it is added to bad and the default
// is returned.
func fromNumber[N ~int32, E any](bad *Violations, field string, meanings map[N]E, number N) E {
	meaning, ok := meanings[number]
	if !ok && number != 0 {
		bad.Add(field, "%v", notOfEnum(number))
	}
	return meaning
}

// toNumber returns the number of meaning. Unspecified is for the default of an enum without a
// number for it; any other meaning without a number is added to bad.
func toNumber[N ~int32, E comparable](bad *Violations, field string, meanings map[N]E, meaning E) N {
	for number, m := range meanings {
		if m == meaning {
			return number
		}
	}
	if unset := *new(E); meaning != unset {
		bad.Add(field, "is %v, which has no meaning here", meaning)
	}
	return 0
}

func notOfEnum[N ~int32](number N) error {
	return fmt.Errorf("is %d, want one of the enum's numbers", int32(number))
}
