package client

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"google.golang.org/protobuf/proto"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

func TestEnumsRoundTrip(t *testing.T) {
	var req request
	for number, name := range hamnestv1.Metric_name {
		if back := metricToProto(&req, metricFromProto(hamnestv1.Metric(number))); back != hamnestv1.Metric(number) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
	for number, name := range hamnestv1.Profile_name {
		if back := profileToProto(&req, profileFromProto(hamnestv1.Profile(number))); back != hamnestv1.Profile(number) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
	for number, name := range hamnestv1.Dialect_name {
		if back := dialectToProto(&req, "dialect", dialectFromProto(hamnestv1.Dialect(number))); back != hamnestv1.Dialect(number) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
	for number, name := range hamnestv1.Rescore_name {
		if back := rescoreToProto(&req, "rescore", rescoreFromProto(hamnestv1.Rescore(number))); back != hamnestv1.Rescore(number) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
	if err := req.err(); err != nil {
		t.Error(err)
	}
	for wire, want := range map[hamnestv1.Metric]Metric{
		hamnestv1.Metric_METRIC_UNSPECIFIED: "", hamnestv1.Metric_METRIC_COSINE: Cosine, hamnestv1.Metric_METRIC_DOT: Dot, hamnestv1.Metric_METRIC_L2: L2, 99: "99",
	} {
		if got := metricFromProto(wire); got != want {
			t.Errorf("%v is %q, want %q", wire, got, want)
		}
	}
	for wire, want := range map[hamnestv1.Rescore]Rescore{
		hamnestv1.Rescore_RESCORE_NONE: RescoreNone, hamnestv1.Rescore_RESCORE_CODES: RescoreCodes, hamnestv1.Rescore_RESCORE_VECTORS: RescoreVectors,
	} {
		if got := rescoreFromProto(wire); got != want {
			t.Errorf("%v is %q, want %q", wire, got, want)
		}
	}
}

func TestProfilesAreSentByTheirNumbers(t *testing.T) {
	for name, want := range map[Profile]hamnestv1.Profile{
		"": hamnestv1.Profile_PROFILE_UNSPECIFIED, Signs: hamnestv1.Profile_PROFILE_SIGNS, Learned: hamnestv1.Profile_PROFILE_LEARNED,
		Exact: hamnestv1.Profile_PROFILE_EXACT,
	} {
		var req request
		if got := profileToProto(&req, name); got != want || req.err() != nil {
			t.Errorf("%q is sent as %v, %v, want %v", name, got, req.err(), want)
		}
	}
	for _, name := range []Profile{"plain", "Signs", "unspecified", "_", "signs_"} {
		var req request
		if got := profileToProto(&req, name); req.err() == nil {
			t.Errorf("%q is sent as %v, want it refused", name, got)
		}
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	roundTrips := func(id string, bits []uint32, metadata string) bool {
		in := Record{ID: id, Metadata: metadataFromProto(metadata)}
		for _, b := range bits {
			in.Vector = append(in.Vector, math.Float32frombits(b))
		}
		out := recordFromProto(recordToProto(in))
		return out.ID == in.ID && slices.Equal(out.Metadata, in.Metadata) &&
			slices.EqualFunc(out.Vector, in.Vector, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	}
	if err := quick.Check(roundTrips, nil); err != nil {
		t.Error(err)
	}
	if got := vectorToProto([]float32{1, -2}).GetFloat32Le(); !slices.Equal(got, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}) {
		t.Errorf("1 and -2 are sent as % x, want little-endian float32", got)
	}
	if got := vectorFromProto(&hamnestv1.Vector{Values: []float32{1, 2}}); !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("numbers are read as %v", got)
	}
}

func TestSearchToProto(t *testing.T) {
	least := float32(0.5)
	var req request
	got := searchToProto(&req, "", SearchRequest{
		Vector: []float32{1}, K: 1, Dims: 2, Candidates: 3, Bound: 7.5, Rescore: RescoreCodes, Exact: true,
		MinScore: &least, PageToken: "token", WithVector: true, WithMetadata: true,
	})
	want := &hamnestv1.SearchRequest{
		Query: &hamnestv1.SearchRequest_Vector{Vector: &hamnestv1.Vector{Float32Le: []byte{0, 0, 0x80, 0x3f}}},
		K:     1, Dims: 2, FirstStage: &hamnestv1.SearchRequest_Candidates{Candidates: 3}, Bound: new(7.5),
		Rescore: hamnestv1.Rescore_RESCORE_CODES, Exact: true, MinScore: &least, PageToken: "token", WithVector: true, WithMetadata: true,
	}
	if !proto.Equal(got, want) || req.err() != nil {
		t.Errorf("got %v, %v, want %v", got, req.err(), want)
	}
	got = searchToProto(&req, "", SearchRequest{ID: "a", K: 1, Oversampling: 2.5, TargetRecall: .9})
	want = &hamnestv1.SearchRequest{
		Query: &hamnestv1.SearchRequest_Id{Id: "a"}, K: 1, FirstStage: &hamnestv1.SearchRequest_Oversampling{Oversampling: 2.5},
		TargetRecall: new(.9),
	}
	if !proto.Equal(got, want) || req.err() != nil {
		t.Errorf("got %v, %v, want %v", got, req.err(), want)
	}
}

func TestCodesAreSentAsTheyAre(t *testing.T) {
	for dialect, want := range map[Dialect]hamnestv1.Dialect{
		"": hamnestv1.Dialect_DIALECT_UNSPECIFIED, Numpy: hamnestv1.Dialect_DIALECT_NUMPY, NumpySigned: hamnestv1.Dialect_DIALECT_NUMPY_SIGNED,
		PGVector: hamnestv1.Dialect_DIALECT_PGVECTOR, Faiss: hamnestv1.Dialect_DIALECT_FAISS,
	} {
		var req request
		got := searchToProto(&req, "", SearchRequest{Code: &Code{Packed: []byte{1, 2}, Dialect: dialect}, K: 1}).GetCode()
		if !proto.Equal(got, &hamnestv1.Code{Packed: []byte{1, 2}, Dialect: want}) || req.err() != nil {
			t.Errorf("a code in dialect %q is sent as %v, %v", dialect, got, req.err())
		}
	}
	var req request
	searchToProto(&req, "", SearchRequest{Code: &Code{Dialect: "vespa"}, ID: "a"})
	if err := req.err(); err == nil || !strings.Contains(err.Error(), "more than one of vector, id and code") {
		t.Errorf("a code and an id: %v, want them refused", err)
	}
	var unknown request
	searchToProto(&unknown, "", SearchRequest{Code: &Code{Dialect: "vespa"}})
	if err := unknown.err(); err == nil || !strings.Contains(err.Error(), `"vespa"`) {
		t.Errorf("an unknown dialect: %v, want it refused by name", err)
	}
}

func TestAnswersThatLeaveEverythingOut(t *testing.T) {
	if got := collectionFromProto(nil); !reflect.DeepEqual(got, Collection{}) {
		t.Errorf("no collection is read as %+v", got)
	}
	if got := collectionFromProto(&hamnestv1.Collection{Name: "damaged"}); !reflect.DeepEqual(got, Collection{Name: "damaged"}) {
		t.Errorf("a name alone is read as %+v", got)
	}
	if got := resultFromProto(&hamnestv1.SearchResponse{}); !reflect.DeepEqual(*got, SearchResult{}) {
		t.Errorf("an empty answer is read as %+v", got)
	}
	if got := recordFromProto(nil); !reflect.DeepEqual(got, Record{}) {
		t.Errorf("no record is read as %+v", got)
	}
}
