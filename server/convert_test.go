package server

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"testing/quick"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

func TestEnumsRoundTrip(t *testing.T) {
	for number, name := range hamnestv1.Metric_name {
		m, err := enumFromProto(metrics, hamnestv1.Metric(number))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if back := enumToProto(metrics, m); number != 0 && back != hamnestv1.Metric(number) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
	for number, name := range hamnestv1.Profile_name {
		p, err := enumFromProto(profiles, hamnestv1.Profile(number))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if back := enumToProto(profiles, p); number != 0 && back != hamnestv1.Profile(number) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
	for number, name := range hamnestv1.Dialect_name {
		d, err := enumFromProto(dialects, hamnestv1.Dialect(number))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if back := enumToProto(dialects, d); number != 0 && back != hamnestv1.Dialect(number) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
	for number, name := range hamnestv1.Rescore_name {
		r, err := enumFromProto(rescores, hamnestv1.Rescore(number))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if back := enumToProto(rescores, r); back != hamnestv1.Rescore(number) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
}

func TestEnumNumbersThatMeanNothing(t *testing.T) {
	for _, number := range []int32{-1, 99, math.MaxInt32, math.MinInt32} {
		if m, err := enumFromProto(metrics, hamnestv1.Metric(number)); err == nil {
			t.Errorf("metric %d is taken as %v", number, m)
		}
		if p, err := enumFromProto(profiles, hamnestv1.Profile(number)); err == nil {
			t.Errorf("profile %d is taken as %v", number, p)
		}
		if r, err := enumFromProto(rescores, hamnestv1.Rescore(number)); err == nil {
			t.Errorf("rescore %d is taken as %v", number, r)
		}
	}
	if m := enumToProto(metrics, encoder.Metric(99)); m != hamnestv1.Metric_METRIC_UNSPECIFIED {
		t.Errorf("a metric that the wire does not know is sent as %v", m)
	}
	if p := enumToProto(profiles, encoder.Kind(99)); p != hamnestv1.Profile_PROFILE_UNSPECIFIED {
		t.Errorf("a profile that the wire does not know is sent as %v", p)
	}
}

func TestVectorFromProto(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   *hamnestv1.Vector
		want []float32 // nil: refused
		err  string
	}{
		{"no vector", nil, nil, "is missing, want float32_le or values"},
		{"an empty vector", &hamnestv1.Vector{}, nil, "is missing, want float32_le or values"},
		{"one component in bytes, low byte first", &hamnestv1.Vector{Float32Le: []byte{0, 0, 0x80, 0x3f}}, []float32{1}, ""},
		{"bytes and values", &hamnestv1.Vector{Float32Le: make([]byte, 8), Values: []float32{1}}, nil, "has both float32_le (8 bytes) and values (1 numbers), want one of them"},
		{"one byte less than a component", &hamnestv1.Vector{Float32Le: make([]byte, 3)}, nil, "float32_le has 3 bytes, want 4 a component"},
		{"one byte more than a component", &hamnestv1.Vector{Float32Le: make([]byte, 5)}, nil, "float32_le has 5 bytes, want 4 a component"},
		{"values", &hamnestv1.Vector{Values: []float32{1, -2, 0.5}}, []float32{1, -2, 0.5}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := vectorFromProto(tt.in)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	roundTrips := func(id string, bits []uint32, metadata string) bool {
		in := index.Record{ID: id}
		for _, b := range append(bits, 0x7fc00001) { // any bits, a NaN's payload included
			in.Vector = append(in.Vector, math.Float32frombits(b))
		}
		if metadata != "" {
			in.Metadata = []byte(metadata)
		}
		wire := recordToProto(in, len(in.Vector), 0)
		out, _, err := recordFromProto(wire, len(in.Vector))
		return err == nil && out.ID == in.ID && slices.Equal(out.Metadata, in.Metadata) &&
			slices.EqualFunc(out.Vector, in.Vector, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	}
	if err := quick.Check(roundTrips, nil); err != nil {
		t.Error(err)
	}
	t.Run("without vector and metadata nothing is sent of them", func(t *testing.T) {
		want := &hamnestv1.VectorRecord{Id: "a"}
		if got := recordToProto(index.Record{ID: "a"}, 1, 0); !proto.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestCollectionsRoundTrip(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	info := index.Info{
		Spec: index.Spec{
			Name: "docs", Dims: 768, Ladder: []int{256, 512, 768}, Metric: encoder.L2, Profile: encoder.Signs, Bits: 900,
			Labels: map[string]string{"owner": "me"},
		},
		ProfileInForce:     encoder.Exact,
		ProfileFingerprint: "0123456789abcdef",
		Created:            created,
	}
	wire := collectionToProto(info)
	spec, err := specFromProto(wire)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(spec, info.Spec) {
		t.Errorf("spec comes back as %+v, want %+v", spec, info.Spec)
	}
	if wire.GetProfileInForce() != hamnestv1.Profile_PROFILE_EXACT {
		t.Errorf("profile is sent as %v, want exact in force", wire)
	}
	if wire.GetProfileFingerprint() != info.ProfileFingerprint || !wire.GetCreateTime().AsTime().Equal(created) {
		t.Errorf("fingerprint and time are sent as %v, want %+v", wire, info)
	}
}

func TestQueryFromProto(t *testing.T) {
	minScore := float32(0.25)
	full := &hamnestv1.SearchRequest{
		Collection:   "docs",
		Query:        &hamnestv1.SearchRequest_Vector{Vector: packed(1, 2)},
		K:            10,
		Dims:         64,
		FirstStage:   &hamnestv1.SearchRequest_Candidates{Candidates: 400},
		Bound:        new(1.5),
		Rescore:      hamnestv1.Rescore_RESCORE_CODES,
		Exact:        true,
		MinScore:     &minScore,
		PageToken:    "token",
		WithVector:   true,
		WithMetadata: true,
	}
	var bad violations
	got := queryFromProto("", []int{64}, full, &bad)
	want := index.Query{
		Vector: []float32{1, 2}, K: 10, Dims: 64, Candidates: 400, Bound: 1.5, Rescore: index.RescoreCodes,
		Exact: true, MinScore: &minScore, PageToken: "token", WithVector: true, WithMetadata: true,
	}
	if !reflect.DeepEqual(got, want) || bad.err() != nil {
		t.Errorf("got %+v, %v, want %+v", got, bad.err(), want)
	}
	got = queryFromProto("", []int{64}, &hamnestv1.SearchRequest{
		Query: &hamnestv1.SearchRequest_Id{Id: "a"}, K: 3, FirstStage: &hamnestv1.SearchRequest_Oversampling{Oversampling: 2.5},
		TargetRecall: new(.9),
	}, &bad)
	want = index.Query{ID: "a", K: 3, Oversampling: 2.5, TargetRecall: .9}
	if !reflect.DeepEqual(got, want) || bad.err() != nil {
		t.Errorf("got %+v, %v, want %+v", got, bad.err(), want)
	}
}

func TestQueriesThatMeanNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   *hamnestv1.SearchRequest
		want []string // fields
	}{
		{"nothing", &hamnestv1.SearchRequest{}, []string{"r.query"}},
		{"no query", &hamnestv1.SearchRequest{K: 1}, []string{"r.query"}},
		{"a vector that is none", &hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Vector{}}, []string{"r.vector"}},
		{"half a component", &hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Vector{Vector: &hamnestv1.Vector{Float32Le: []byte{1, 2}}}}, []string{"r.vector"}},
		{"an empty id", &hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Id{}}, []string{"r.id"}},
		{
			"no candidates, said aloud",
			&hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Id{Id: "a"}, FirstStage: &hamnestv1.SearchRequest_Candidates{}},
			[]string{"r.candidates"},
		},
		{
			"no oversampling, said aloud",
			&hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Id{Id: "a"}, FirstStage: &hamnestv1.SearchRequest_Oversampling{}},
			[]string{"r.oversampling"},
		},
		{
			"no bound, said as a number",
			&hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Id{Id: "a"}, Bound: new(float64)},
			[]string{"r.bound"},
		},
		{
			"a bound without end",
			&hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Id{Id: "a"}, Bound: new(math.Inf(1))},
			[]string{"r.bound"},
		},
		{
			"no recall, said aloud",
			&hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Id{Id: "a"}, TargetRecall: new(float64)},
			[]string{"r.target_recall"},
		},
		{
			"everything at once",
			&hamnestv1.SearchRequest{Rescore: 99, FirstStage: &hamnestv1.SearchRequest_Candidates{}, Bound: new(float64)},
			[]string{"r.query", "r.candidates", "r.bound", "r.rescore"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bad violations
			queryFromProto("r.", []int{64, 75}, tt.in, &bad)
			var got []string
			for _, v := range bad {
				got = append(got, v.Field)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("violations %v, want of %q", bad, tt.want)
			}
		})
	}
}

func TestResultToProto(t *testing.T) {
	got := resultToProto(&index.Result{
		Hits: []index.Hit{
			{ID: "a", Score: 0.5, Vector: []float32{1, 2}, Metadata: []byte(`{}`)},
			{ID: "b", Score: -1},
		},
		NextPageToken: "next",
		Receipt: index.Receipt{
			Dims: 1, Rescore: index.RescoreVectors, Exact: true, Kernel: "k", ProfileFingerprint: "f",
			RowsScanned: 2, CodeBytesRead: 3, Candidates: 4, Refined: 5, VectorsRead: 6, VectorBytesRead: 7,
			Scan: 8, Refine: 9, RescoreTime: 10 * time.Second, Total: 11, Passes: 12, TargetRecall: 13.5, Bound: 14.5, ExpectedRecall: 15.5,
		},
	})
	want := &hamnestv1.SearchResponse{
		Hits: []*hamnestv1.Hit{
			{Id: "a", Score: 0.5, Vector: packed(1, 2), Metadata: "{}"},
			{Id: "b", Score: -1},
		},
		NextPageToken: "next",
		Receipt:       got.GetReceipt(),
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r := got.GetReceipt()
	if r.GetDims() != 1 || r.GetRescore() != hamnestv1.Rescore_RESCORE_VECTORS || !r.GetExact() || r.GetKernel() != "k" || r.GetProfileFingerprint() != "f" ||
		r.GetRowsScanned() != 2 || r.GetCodeBytesRead() != 3 || r.GetCandidates() != 4 || r.GetRefined() != 5 ||
		r.GetVectorsRead() != 6 || r.GetVectorBytesRead() != 7 || r.GetScanTime().AsDuration() != 8 || r.GetRefineTime().AsDuration() != 9 ||
		r.GetRescoreTime().AsDuration() != 10*time.Second || r.GetTotalTime().AsDuration() != 11 ||
		r.GetPasses() != 12 || r.GetTargetRecall() != 13.5 || r.GetBound() != 14.5 || r.GetExpectedRecall() != 15.5 {
		t.Errorf("receipt %v, want each of its numbers in its place", r)
	}
}

func TestStatsToProto(t *testing.T) {
	got := statsToProto(index.Stats{
		Vectors: 1, Retired: 2, Sealed: 3, MemoryBytes: 4, DiskBytes: 5, DiskFreeBytes: 6,
		CodeBytesPerVector: 7, VectorBytesPerVector: 8, Commits: 9, Kernel: "k", ProfileFingerprint: "f",
		Dropped: 10, DiskCodes: 11, DiskVectors: 12, DiskRows: 13, RewriteError: "e",
		Live: &index.LiveStats{Queries: 14, Checks: 15, Recall: 16.5, Target: 17.5, Short: "s"},
	})
	want := &hamnestv1.CollectionStats{
		Vectors: 1, Retired: 2, Sealed: 3, MemoryBytes: 4, DiskBytes: 5, DiskFreeBytes: 6,
		CodeBytesPerVector: 7, VectorBytesPerVector: 8, Commits: 9, Kernel: "k", ProfileFingerprint: "f",
		Dropped: 10, DiskCodes: 11, DiskVectors: 12, DiskRows: 13, RewriteError: "e",
		Live: &hamnestv1.LiveState{Queries: 14, Checks: 15, Recall: 16.5, Target: 17.5, Shortfall: "s"},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCalibrationToProto(t *testing.T) {
	got := calibrationToProto(&index.Calibration{
		Rows: 1, Queries: 2, Source: index.SourceLive, K: 3, Profile: encoder.Learned, Fingerprint: "f", Kernel: "k",
		Settings: []index.Setting{{Dims: 4, TargetRecall: 5.5, Recall: 6.5, PrefixRecall: 7.5, VectorsRead: 8.5, Microseconds: 9.5, Bytes: 10.5}},
	})
	want := &hamnestv1.Calibration{
		Rows: 1, Queries: 2, Source: hamnestv1.CalibrationSource_CALIBRATION_SOURCE_LIVE, K: 3, Profile: hamnestv1.Profile_PROFILE_LEARNED,
		ProfileFingerprint: "f", Kernel: "k",
		Settings: []*hamnestv1.Setting{{Dims: 4, TargetRecall: 5.5, Recall: 6.5, PrefixRecall: 7.5, VectorsRead: 8.5, Microseconds: 9.5, Bytes: 10.5}},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCheckAndRefusalsToProto(t *testing.T) {
	report := checkToProto(index.CheckReport{Rows: 1, Blocks: 2, Problems: []string{"p"}})
	if want := (&hamnestv1.CheckResponse{Rows: 1, Blocks: 2, Problems: []string{"p"}}); !proto.Equal(report, want) {
		t.Errorf("got %v, want %v", report, want)
	}
	refusals := refusalsToProto([]index.RecordError{{Index: 3, ID: "a", Field: "vector", Reason: "is NaN"}})
	if want := (&hamnestv1.IngestError{Index: 3, Id: "a", Reason: "vector is NaN"}); len(refusals) != 1 || !proto.Equal(refusals[0], want) {
		t.Errorf("got %v, want %v", refusals, want)
	}
}

func TestNameTokensRoundTrip(t *testing.T) {
	for _, name := range []string{"a", "docs-2.v1_x", "Z"} {
		got, err := parseNameToken(nameToken(name))
		if err != nil || got != name {
			t.Errorf("%q comes back as %q, %v", name, got, err)
		}
	}
	if got, err := parseNameToken(""); err != nil || got != "" {
		t.Errorf("no token is %q, %v, want the start", got, err)
	}
}
