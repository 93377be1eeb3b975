package server

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// Conversions into the engine's types report what has no meaning there as
// violations, by the field's path in the request, and leave every rule that the
// engine knows to the engine. Conversions out of them cannot fail.

// violations collects what is malformed in a request.
type violations []index.Violation

func (v *violations) add(field, format string, args ...any) {
	*v = append(*v, index.Violation{Field: field, Reason: fmt.Sprintf(format, args...)})
}

// err returns the violations as an *index.InvalidError, or nil if there are none.
func (v violations) err() error {
	if len(v) == 0 {
		return nil
	}
	return &index.InvalidError{Violations: v}
}

// invalid returns one violation as an error.
func invalid(field, format string, args ...any) error {
	var bad violations
	bad.add(field, format, args...)
	return bad.err()
}

// The enums' numbers and what the engine calls them. Number 0 of each is left out:
// unspecified, it is the engine's zero value, which is the default.
var (
	metrics = map[hamnestv1.Metric]encoder.Metric{
		hamnestv1.Metric_METRIC_COSINE: encoder.Cosine,
		hamnestv1.Metric_METRIC_DOT:    encoder.Dot,
		hamnestv1.Metric_METRIC_L2:     encoder.L2,
	}
	profiles = map[hamnestv1.Profile]encoder.Kind{
		hamnestv1.Profile_PROFILE_SIGNS:   encoder.Signs,
		hamnestv1.Profile_PROFILE_LEARNED: encoder.Learned,
		hamnestv1.Profile_PROFILE_EXACT:   encoder.Exact,
	}
	precisions = map[hamnestv1.Precision]encoder.Precision{
		hamnestv1.Precision_PRECISION_FLOAT32:  encoder.Float32,
		hamnestv1.Precision_PRECISION_FLOAT16:  encoder.Float16,
		hamnestv1.Precision_PRECISION_BFLOAT16: encoder.BFloat16,
		hamnestv1.Precision_PRECISION_INT8:     encoder.Int8,
		hamnestv1.Precision_PRECISION_NONE:     encoder.None,
	}
	dialects = map[hamnestv1.Dialect]code.Dialect{
		hamnestv1.Dialect_DIALECT_NUMPY:        code.Numpy,
		hamnestv1.Dialect_DIALECT_NUMPY_SIGNED: code.NumpySigned,
		hamnestv1.Dialect_DIALECT_PGVECTOR:     code.PGVector,
		hamnestv1.Dialect_DIALECT_FAISS:        code.Faiss,
	}
	sources = map[hamnestv1.CalibrationSource]index.CalibrationSource{
		hamnestv1.CalibrationSource_CALIBRATION_SOURCE_GIVEN:  index.SourceGiven,
		hamnestv1.CalibrationSource_CALIBRATION_SOURCE_STORED: index.SourceStored,
		hamnestv1.CalibrationSource_CALIBRATION_SOURCE_LIVE:   index.SourceLive,
	}
	rescores = map[hamnestv1.Rescore]index.Rescore{
		hamnestv1.Rescore_RESCORE_NONE:    index.RescoreNone,
		hamnestv1.Rescore_RESCORE_CODES:   index.RescoreCodes,
		hamnestv1.Rescore_RESCORE_VECTORS: index.RescoreVectors,
	}
)

// enumFromProto returns what number means, or an error if it means nothing.
func enumFromProto[N ~int32, E any](meanings map[N]E, number N) (E, error) {
	meaning, ok := meanings[number]
	if !ok && number != 0 {
		return meaning, fmt.Errorf("is %d, want one of the enum's numbers", int32(number))
	}
	return meaning, nil
}

// enumToProto returns the number that means meaning, or 0 if none does.
func enumToProto[N ~int32, E comparable](meanings map[N]E, meaning E) N {
	for number, m := range meanings {
		if m == meaning {
			return number
		}
	}
	return 0
}

// specFromProto returns what a new collection is to be. The paths of violations
// start with "collection".
func specFromProto(c *hamnestv1.Collection) (index.Spec, error) {
	if c == nil {
		return index.Spec{}, invalid("collection", "is missing")
	}
	var bad violations
	metric, err := enumFromProto(metrics, c.GetMetric())
	if err != nil {
		bad.add("collection.metric", "%v", err)
	}
	profile, err := enumFromProto(profiles, c.GetProfile())
	if err != nil {
		bad.add("collection.profile", "%v", err)
	}
	store, err := enumFromProto(precisions, c.GetStore())
	if err != nil {
		bad.add("collection.store", "%v", err)
	}
	ladder := make([]int, len(c.GetLadder()))
	for i, step := range c.GetLadder() {
		ladder[i] = int(step)
	}
	return index.Spec{
		Name:    c.GetName(),
		Dims:    int(c.GetDims()),
		Ladder:  ladder,
		Bits:    int(c.GetBits()),
		Metric:  metric,
		Profile: profile,
		Store:   store,
		Labels:  c.GetLabels(),
	}, bad.err()
}

func collectionToProto(info index.Info) *hamnestv1.Collection {
	ladder := make([]uint32, len(info.Ladder))
	for i, step := range info.Ladder {
		ladder[i] = uint32(step)
	}
	return &hamnestv1.Collection{
		Name:               info.Name,
		Dims:               uint32(info.Dims),
		Ladder:             ladder,
		Bits:               uint32(info.Bits),
		Metric:             enumToProto(metrics, info.Metric),
		Profile:            enumToProto(profiles, info.Profile),
		Store:              enumToProto(precisions, info.Store),
		ProfileInForce:     enumToProto(profiles, info.ProfileInForce),
		ProfileFingerprint: info.ProfileFingerprint,
		Labels:             info.Labels,
		CreateTime:         timestamppb.New(info.Created),
	}
}

func statsToProto(s index.Stats) *hamnestv1.CollectionStats {
	stats := &hamnestv1.CollectionStats{
		Vectors:              s.Vectors,
		Retired:              s.Retired,
		Sealed:               s.Sealed,
		MemoryBytes:          s.MemoryBytes,
		DiskBytes:            s.DiskBytes,
		DiskFreeBytes:        s.DiskFreeBytes,
		CodeBytesPerVector:   s.CodeBytesPerVector,
		VectorBytesPerVector: s.VectorBytesPerVector,
		Commits:              s.Commits,
		Kernel:               s.Kernel,
		ProfileFingerprint:   s.ProfileFingerprint,
		RewriteError:         s.RewriteError,
		Dropped:              s.Dropped,
		DiskCodes:            s.DiskCodes,
		DiskVectors:          s.DiskVectors,
		DiskRows:             s.DiskRows,
	}
	if l := s.Live; l != nil {
		stats.Live = &hamnestv1.LiveState{
			Queries:   uint32(l.Queries),
			Checks:    uint32(l.Checks),
			Recall:    l.Recall,
			Target:    l.Target,
			Shortfall: l.Short,
		}
	}
	if r := s.Rewrite; r != nil {
		stats.Rewrite = &hamnestv1.Rewrite{
			Profile:   enumToProto(profiles, r.Profile),
			Store:     enumToProto(precisions, r.Store),
			StartTime: timestamppb.New(r.Started),
			Done:      r.Done,
			Total:     r.Total,
		}
	}
	return stats
}

// calibrationFromProto returns what a request wants to be measured with.
func calibrationFromProto(req *hamnestv1.CalibrateRequest) (index.CalibrateOptions, error) {
	opts := index.CalibrateOptions{Sample: int(req.GetSample()), Live: req.GetLive(), K: int(req.GetK())}
	var bad violations
	for i, v := range req.GetQueries() {
		vector, err := vectorFromProto(v)
		if err != nil {
			bad.add(fmt.Sprintf("queries[%d]", i), "%v", err)
		}
		opts.Queries = append(opts.Queries, vector)
	}
	return opts, bad.err()
}

func calibrationToProto(c *index.Calibration) *hamnestv1.Calibration {
	settings := make([]*hamnestv1.Setting, len(c.Settings))
	for i, s := range c.Settings {
		settings[i] = &hamnestv1.Setting{
			Dims:         uint32(s.Dims),
			TargetRecall: s.TargetRecall,
			Recall:       s.Recall,
			PrefixRecall: s.PrefixRecall,
			VectorsRead:  s.VectorsRead,
			Microseconds: s.Microseconds,
			Bytes:        s.Bytes,
		}
	}
	return &hamnestv1.Calibration{
		Rows:               c.Rows,
		Queries:            uint32(c.Queries),
		Source:             enumToProto(sources, c.Source),
		K:                  uint32(c.K),
		Profile:            enumToProto(profiles, c.Profile),
		ProfileFingerprint: c.Fingerprint,
		Kernel:             c.Kernel,
		Settings:           settings,
	}
}

// changeFromProto returns which of the fields that rewrite a collection are to be
// replaced by c's. An unspecified one is the default, as in a new collection.
func changeFromProto(c *hamnestv1.Collection, paths []string) (index.Change, error) {
	var change index.Change
	var bad violations
	for _, path := range paths {
		switch path {
		case "profile":
			profile, err := enumFromProto(profiles, c.GetProfile())
			if err != nil {
				bad.add("collection.profile", "%v", err)
			}
			change.Profile = &profile
		case "store":
			store, err := enumFromProto(precisions, c.GetStore())
			if err != nil {
				bad.add("collection.store", "%v", err)
			}
			change.Store = &store
		}
	}
	return change, bad.err()
}

// vectorFromProto returns v's components: those of float32_le in new memory,
// those of values as they are.
func vectorFromProto(v *hamnestv1.Vector) ([]float32, error) {
	packed, values := v.GetFloat32Le(), v.GetValues()
	switch {
	case len(packed) > 0 && len(values) > 0:
		return nil, fmt.Errorf("has both float32_le (%d bytes) and values (%d numbers), want one of them", len(packed), len(values))
	case len(values) > 0:
		return values, nil
	case len(packed) == 0:
		return nil, fmt.Errorf("is missing, want float32_le or values")
	case len(packed)%float32Bytes != 0:
		return nil, fmt.Errorf("float32_le has %d bytes, want %d a component", len(packed), float32Bytes)
	}
	vector := make([]float32, len(packed)/float32Bytes)
	floats.Decode(vector, packed)
	return vector, nil
}

// vectorToProto returns v as float32_le, or nil if v is empty.
func vectorToProto(v []float32) *hamnestv1.Vector {
	if len(v) == 0 {
		return nil
	}
	packed := make([]byte, 0, float32Bytes*len(v))
	return &hamnestv1.Vector{Float32Le: floats.Append(packed, v)}
}

// codeFromProto returns the words of a code of as many dimensions as a step of a
// ladder.
func codeFromProto(c *hamnestv1.Code, ladder []int) ([]uint64, error) {
	dialect, err := enumFromProto(dialects, c.GetDialect())
	if err != nil {
		return nil, fmt.Errorf("dialect %w", err)
	}
	if c.GetDialect() == hamnestv1.Dialect_DIALECT_UNSPECIFIED {
		return nil, errors.New("has no dialect, and nothing in a code tells how it is packed")
	}
	packed := c.GetPacked()
	at := slices.IndexFunc(ladder, func(step int) bool { return code.Bytes(step) == len(packed) })
	if at < 0 {
		dims := ladder[len(ladder)-1]
		shorter := ""
		if len(ladder) > 1 {
			shorter = fmt.Sprintf(" or those of a shorter step of %v", ladder)
		}
		return nil, fmt.Errorf("has %d bytes, want %d for %d dimensions%s, 8 a byte", len(packed), code.Bytes(dims), dims, shorter)
	}
	words := make([]uint64, code.Words(ladder[at]))
	return words, dialect.Unpack(words, packed, ladder[at])
}

// recordFromProto returns r as a record of a collection of dims dimensions. The error
// is about the field that comes with it.
func recordFromProto(r *hamnestv1.VectorRecord, dims int) (record index.Record, field string, err error) {
	record.ID = r.GetId()
	if metadata := r.GetMetadata(); metadata != "" {
		record.Metadata = []byte(metadata)
	}
	if r.GetCode() != nil {
		if record.Code, err = codeFromProto(r.GetCode(), []int{dims}); err != nil {
			return record, "code", err
		}
		if r.GetVector() == nil {
			return record, "", nil
		}
	}
	record.Vector, err = vectorFromProto(r.GetVector())
	return record, "vector", err
}

// recordToProto returns r, whose code, if it has one, is of dims dimensions and goes out
// in a dialect.
func recordToProto(r index.Record, dims int, dialect hamnestv1.Dialect) *hamnestv1.VectorRecord {
	record := &hamnestv1.VectorRecord{Id: r.ID, Vector: vectorToProto(r.Vector), Metadata: string(r.Metadata)}
	if r.Code != nil {
		record.Code = &hamnestv1.Code{Packed: dialects[dialect].AppendPacked(nil, r.Code, dims), Dialect: dialect}
	}
	return record
}

func recordsToProto(records []index.Record, dims int, dialect hamnestv1.Dialect) []*hamnestv1.VectorRecord {
	out := make([]*hamnestv1.VectorRecord, len(records))
	for i, r := range records {
		out[i] = recordToProto(r, dims, dialect)
	}
	return out
}

// readOptions returns what to read of records, or why that means nothing.
func readOptions(withVector bool, withCode hamnestv1.Dialect, withMetadata bool) (index.ReadOptions, error) {
	if _, err := enumFromProto(dialects, withCode); err != nil {
		return index.ReadOptions{}, invalid("with_code", "%v", err)
	}
	return index.ReadOptions{
		WithVector:   withVector,
		WithCode:     withCode != hamnestv1.Dialect_DIALECT_UNSPECIFIED,
		WithMetadata: withMetadata,
	}, nil
}

// queryFromProto returns req as a query of a collection with that ladder, and adds to
// bad what is malformed. path is the request's own, such as "requests[3].", and empty
// for a search alone.
func queryFromProto(path string, ladder []int, req *hamnestv1.SearchRequest, bad *violations) index.Query {
	q := index.Query{
		K:            int(req.GetK()),
		Dims:         int(req.GetDims()),
		Exact:        req.GetExact(),
		MinScore:     req.MinScore,
		PageToken:    req.GetPageToken(),
		WithVector:   req.GetWithVector(),
		WithMetadata: req.GetWithMetadata(),
	}
	var err error
	switch query := req.GetQuery().(type) {
	case *hamnestv1.SearchRequest_Vector:
		if q.Vector, err = vectorFromProto(query.Vector); err != nil {
			bad.add(path+"vector", "%v", err)
		}
	case *hamnestv1.SearchRequest_Id:
		if q.ID = query.Id; q.ID == "" {
			bad.add(path+"id", "is empty, want the id of a stored vector")
		}
	case *hamnestv1.SearchRequest_Code:
		if q.Code, err = codeFromProto(query.Code, ladder); err != nil {
			bad.add(path+"code", "%v", err)
		}
	default:
		bad.add(path+"query", "is missing, want vector, id or code")
	}
	// Set to zero is not unset: the engine would take its default, which is not
	// what was asked for.
	switch stage := req.GetFirstStage().(type) {
	case *hamnestv1.SearchRequest_Candidates:
		if q.Candidates = int(stage.Candidates); q.Candidates == 0 {
			bad.add(path+"candidates", "is 0, want at least k")
		}
	case *hamnestv1.SearchRequest_Oversampling:
		if q.Oversampling = stage.Oversampling; q.Oversampling == 0 {
			bad.add(path+"oversampling", "is 0, want at least 1")
		}
	}
	if q.Bound = req.GetBound(); req.Bound != nil && q.Bound == 0 || math.IsInf(q.Bound, 1) {
		bad.add(path+"bound", "is %v, want a finite number above 0", q.Bound)
	}
	if q.TargetRecall = req.GetTargetRecall(); req.TargetRecall != nil && q.TargetRecall == 0 {
		bad.add(path+"target_recall", "is 0, want more than 0 and at most 1")
	}
	if q.Rescore, err = enumFromProto(rescores, req.GetRescore()); err != nil {
		bad.add(path+"rescore", "%v", err)
	}
	return q
}

func resultToProto(r *index.Result) *hamnestv1.SearchResponse {
	hits := make([]*hamnestv1.Hit, len(r.Hits))
	for i, h := range r.Hits {
		hits[i] = &hamnestv1.Hit{Id: h.ID, Score: h.Score, Vector: vectorToProto(h.Vector), Metadata: string(h.Metadata)}
	}
	return &hamnestv1.SearchResponse{Hits: hits, NextPageToken: r.NextPageToken, Receipt: receiptToProto(r.Receipt)}
}

func receiptToProto(r index.Receipt) *hamnestv1.Receipt {
	return &hamnestv1.Receipt{
		Dims:               uint32(r.Dims),
		TargetRecall:       r.TargetRecall,
		Bound:              r.Bound,
		ExpectedRecall:     r.ExpectedRecall,
		Rescore:            enumToProto(rescores, r.Rescore),
		Exact:              r.Exact,
		RowsScanned:        r.RowsScanned,
		Passes:             uint32(r.Passes),
		CodeBytesRead:      r.CodeBytesRead,
		Candidates:         uint32(r.Candidates),
		Refined:            uint32(r.Refined),
		VectorsRead:        r.VectorsRead,
		VectorBytesRead:    r.VectorBytesRead,
		ScanTime:           durationpb.New(r.Scan),
		RefineTime:         durationpb.New(r.Refine),
		RescoreTime:        durationpb.New(r.RescoreTime),
		TotalTime:          durationpb.New(r.Total),
		Kernel:             r.Kernel,
		ProfileFingerprint: r.ProfileFingerprint,
	}
}

// refusalsToProto returns, ascending, the records of a batch that were refused.
func refusalsToProto(refused []index.RecordError) []*hamnestv1.IngestError {
	out := make([]*hamnestv1.IngestError, len(refused))
	for i, r := range refused {
		out[i] = &hamnestv1.IngestError{Index: uint32(r.Index), Id: r.ID, Reason: r.Field + " " + r.Reason}
	}
	return out
}

func checkToProto(r index.CheckReport) *hamnestv1.CheckResponse {
	return &hamnestv1.CheckResponse{Rows: r.Rows, Blocks: r.Blocks, Problems: r.Problems}
}
