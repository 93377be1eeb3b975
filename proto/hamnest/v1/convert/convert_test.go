package convert

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/quick"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// roundTrip sends every number of an enum there and back.
func roundTrip[N ~int32, E comparable](t *testing.T, meanings map[N]E, names map[int32]string) {
	t.Helper()
	for number, name := range names {
		var bad Violations
		meaning := fromNumber(&bad, "f", meanings, N(number))
		back := toNumber(&bad, "f", meanings, meaning)
		if fromNumber(&bad, "f", meanings, back) != meaning || number != 0 && back != N(number) || bad.Err() != nil {
			t.Errorf("%s means %v and comes back as %v (%v)", name, meaning, back, bad.Err())
		}
	}
	for _, number := range []int32{-1, 99, math.MaxInt32, math.MinInt32} {
		var bad Violations
		if meaning := fromNumber(&bad, "f", meanings, N(number)); len(bad) != 1 || bad[0].Field != "f" {
			t.Errorf("number %d is taken as %v: %v", number, meaning, bad)
		}
	}
}

func TestEnumsRoundTripAndOtherNumbersMeanNothing(t *testing.T) {
	roundTrip(t, metrics, hamnestv1.Metric_name)
	roundTrip(t, profiles, hamnestv1.Profile_name)
	roundTrip(t, precisions, hamnestv1.Precision_name)
	roundTrip(t, dialects, hamnestv1.Dialect_name)
	roundTrip(t, rescores, hamnestv1.Rescore_name)
	roundTrip(t, sources, hamnestv1.CalibrationSource_name)
	var bad Violations
	if m := toNumber(&bad, "metric", metrics, api.Metric(99)); m != hamnestv1.Metric_METRIC_UNSPECIFIED || len(bad) != 1 {
		t.Errorf("a metric that the wire does not know is sent as %v: %v", m, bad)
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
			got, err := VectorFromProto(tt.in)
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
	roundTrips := func(id string, bits []uint32, code []uint64, metadata string) bool {
		in := api.Record{ID: id, Code: code}
		for _, b := range append(bits, 0x7fc00001) { // any bits, a NaN's payload included
			in.Vector = append(in.Vector, math.Float32frombits(b))
		}
		if metadata != "" {
			in.Metadata = []byte(metadata)
		}
		message, _, err := RecordToProto(in)
		if err != nil {
			return false
		}
		out, _, err := RecordFromProto(message, len(in.Vector))
		return err == nil && out.ID == in.ID && slices.Equal(out.Metadata, in.Metadata) && slices.Equal(out.Code, in.Code) &&
			slices.EqualFunc(out.Vector, in.Vector, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	}
	if err := quick.Check(roundTrips, nil); err != nil {
		t.Error(err)
	}
	t.Run("without vector, code and metadata nothing is sent of them", func(t *testing.T) {
		want := &hamnestv1.VectorRecord{Id: "a"}
		if got, _, err := RecordToProto(api.Record{ID: "a"}); err != nil || !proto.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	})
	for _, tt := range []struct {
		field  string
		record api.Record
	}{{"id", api.Record{ID: "\xff"}}, {"metadata", api.Record{Metadata: []byte("\xff")}}} {
		if _, field, err := RecordToProto(tt.record); err == nil || field != tt.field {
			t.Errorf("what is not UTF-8 in %s: field %q, error %v", tt.field, field, err)
		}
	}
}

func TestCodesThatWereReadRoundTripWhateverTheDims(t *testing.T) {
	for dims := 1; dims <= 130; dims++ {
		code := make([]uint64, (dims+63)/64)
		for i := range dims {
			code[i/64] |= uint64(i%3&1) << (i % 64)
		}
		in := []api.Record{{ID: "a", Code: code}}
		out, err := StoredFromProto(StoredToProto(in, dims, DialectToProto(api.ReadOptions{WithCode: true})))
		if err != nil || !reflect.DeepEqual(out, in) {
			t.Fatalf("%d dims: %v comes back as %v (%v)", dims, in, out, err)
		}
	}
	foreign := []*hamnestv1.VectorRecord{{Id: "a", Code: &hamnestv1.Code{Packed: []byte{1}, Dialect: hamnestv1.Dialect_DIALECT_NUMPY}}}
	if got, err := StoredFromProto(foreign); err == nil {
		t.Errorf("a code in a dialect that was not asked for is read as %v", got)
	}
}

func TestCodesThatMeanNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   *hamnestv1.Code
		want string
	}{
		{"nothing", &hamnestv1.Code{}, "has no dialect"},
		{"no dialect", &hamnestv1.Code{Packed: make([]byte, 8)}, "has no dialect"},
		{"an unknown dialect", &hamnestv1.Code{Packed: make([]byte, 8), Dialect: 99}, "is 99"},
		{"a byte too many", &hamnestv1.Code{Packed: make([]byte, 9), Dialect: 1}, "has 9 bytes, want 10 for 75 dimensions or those of a shorter step of [64 75]"},
		{"both forms", &hamnestv1.Code{Packed: make([]byte, 8), Words: []uint64{1}}, "has both words and packed"},
		{"words in a dialect", &hamnestv1.Code{Dialect: 1, Words: []uint64{1}}, "has both words and packed"},
	} {
		if words, err := CodeFromProto(tt.in, []int{64, 75}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s is read as %v (%v), want %q", tt.name, words, err, tt.want)
		}
	}
}

// fill sets every field of v to a value of its own, so that one that a conversion leaves out
// or mixes up is seen. Enums and what a field excludes are the caller's.
func fill(v reflect.Value, next *int) {
	*next++
	switch v.Kind() {
	case reflect.Struct:
		if t, ok := reflect.TypeAssert[*time.Time](v.Addr()); ok {
			*t = time.Unix(int64(*next), 5).UTC()
			return
		}
		for _, field := range v.Fields() {
			fill(field, next)
		}
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*api.Budget]() {
			return // stays on its side of the wire
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), next)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), next)
		fill(v.Index(1), next)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"key": strconv.Itoa(*next)}))
	case reflect.String:
		if v.Type() == reflect.TypeFor[api.CalibrationSource]() {
			v.SetString(string(api.SourceLive))
			return
		}
		v.SetString(strconv.Itoa(*next))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*next))
	case reflect.Uint8: // an enum: 1 is no default
		v.SetUint(1)
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(uint64(*next))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(*next) + .5)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("no value for a " + v.Type().String())
	}
}

// filled is a T with every field set, changed by but.
func filled[T any](but func(*T)) T {
	var word T
	next := 0
	fill(reflect.ValueOf(&word).Elem(), &next)
	if but != nil {
		but(&word)
	}
	return word
}

// comesBack says that there and back, by way of the bytes on the wire, a word is as it was.
func comesBack[T any, M proto.Message](t *testing.T, word T, to func(*Violations, T) M, from func(*Violations, M) (T, error)) {
	t.Helper()
	var bad Violations
	message := to(&bad, word)
	bytes, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	arrived := message.ProtoReflect().New().Interface().(M)
	if err := proto.Unmarshal(bytes, arrived); err != nil {
		t.Fatal(err)
	}
	back, err := from(&bad, arrived)
	if err != nil || bad.Err() != nil || !reflect.DeepEqual(back, word) {
		t.Errorf("%+v comes back as %+v (%v, %v)", word, back, err, bad.Err())
	}
}

// A field that is added to a word and not to its conversion fails here.
func TestEveryFieldOfEveryWordRoundTrips(t *testing.T) {
	comesBack(t, filled[api.Info](nil),
		func(_ *Violations, w api.Info) *hamnestv1.Collection { return InfoToProto(w) },
		func(_ *Violations, m *hamnestv1.Collection) (api.Info, error) { return InfoFromProto(m) })
	comesBack(t, filled[api.Spec](nil), SpecToProto,
		func(bad *Violations, m *hamnestv1.Collection) (api.Spec, error) {
			return SpecFromProto(bad, "", m), nil
		})
	comesBack(t, filled[api.Change](nil),
		func(bad *Violations, w api.Change) *hamnestv1.Collection {
			c, paths := ChangeToProto(bad, "c", w)
			if !slices.Equal(paths, []string{"profile", "store"}) {
				t.Errorf("paths %v", paths)
			}
			return c
		},
		func(bad *Violations, m *hamnestv1.Collection) (api.Change, error) {
			return ChangeFromProto(bad, m, []string{"profile", "store"}), nil
		})
	comesBack(t, filled[api.Stats](nil),
		func(_ *Violations, w api.Stats) *hamnestv1.CollectionStats { return StatsToProto(w) },
		func(_ *Violations, m *hamnestv1.CollectionStats) (api.Stats, error) { return StatsFromProto(m) })
	comesBack(t, filled[api.Alias](nil), AliasToProto,
		func(_ *Violations, m *hamnestv1.Alias) (api.Alias, error) { return AliasFromProto(m), nil })
	comesBack(t, filled[api.CheckReport](nil),
		func(_ *Violations, w api.CheckReport) *hamnestv1.CheckResponse { return CheckToProto(w) },
		func(_ *Violations, m *hamnestv1.CheckResponse) (api.CheckReport, error) {
			return CheckFromProto(m), nil
		})
	comesBack(t, filled[api.CalibrateOptions](nil),
		func(bad *Violations, w api.CalibrateOptions) *hamnestv1.CalibrateRequest {
			return CalibrateToProto(bad, "c", w)
		},
		func(bad *Violations, m *hamnestv1.CalibrateRequest) (api.CalibrateOptions, error) {
			return CalibrateFromProto(bad, m), nil
		})
	comesBack(t, filled[api.Calibration](nil),
		func(_ *Violations, w api.Calibration) *hamnestv1.Calibration { return CalibrationToProto(&w) },
		func(_ *Violations, m *hamnestv1.Calibration) (api.Calibration, error) {
			c, err := CalibrationFromProto(m)
			return *c, err
		})
	comesBack(t, filled[api.Result](nil),
		func(_ *Violations, w api.Result) *hamnestv1.SearchResponse { return ResultToProto(&w) },
		func(_ *Violations, m *hamnestv1.SearchResponse) (api.Result, error) { return *ResultFromProto(m), nil })
	// A query holds one of three things to search for, and candidates in one of two ways.
	for _, but := range []func(*api.Query){
		func(q *api.Query) { q.ID, q.Code, q.Oversampling = "", nil, 0 },
		func(q *api.Query) { q.Vector, q.Code, q.Candidates = nil, nil, 0 },
		func(q *api.Query) { q.Vector, q.ID, q.Oversampling = nil, "", 0 },
	} {
		comesBack(t, filled(but),
			func(bad *Violations, w api.Query) *hamnestv1.SearchRequest { return QueryToProto(bad, "", w) },
			func(bad *Violations, m *hamnestv1.SearchRequest) (api.Query, error) {
				return QueryFromProto(bad, "", []int{64}, m), nil
			})
	}
	comesBack(t, api.RecordError{Index: 3, ID: "a", Field: "vector", Reason: "is NaN"},
		func(_ *Violations, w api.RecordError) *hamnestv1.IngestError {
			return RefusalsToProto([]api.RecordError{w})[0]
		},
		func(_ *Violations, m *hamnestv1.IngestError) (api.RecordError, error) {
			return RefusalFromProto(m), nil
		})
	limit := filled(func(e *api.LimitError) { e.What = "" }) // what is for people: the message says it
	if back := LimitFromProto(LimitToProto(&limit)); back == nil || *back != limit {
		t.Errorf("%+v comes back as %+v", limit, back)
	}
}

func TestErrorsRoundTrip(t *testing.T) {
	for _, err := range []error{
		api.ErrNotFound, api.ErrExists, api.ErrFull, syscall.ENOSPC, api.ErrCorrupt, api.ErrVersion, api.ErrCalibrating, api.ErrEmpty,
		api.ErrRewriting, api.ErrCodesOnly, api.ErrUnavailable, &api.InvalidError{}, &api.LimitError{},
	} {
		code, reason, ok := ErrorToCode(fmt.Errorf("wrapped: %w", err))
		if back := ErrorFromCode(code, reason); !ok || !errors.Is(err, back) {
			t.Errorf("%v is sent as %v %q and comes back as %v", err, code, reason, back)
		}
	}
	if code, reason, ok := ErrorToCode(errors.New("x")); ok {
		t.Errorf("an error that has no form is sent as %v %q", code, reason)
	}
	if err := ErrorFromCode(codes.Internal, ""); err != nil {
		t.Errorf("INTERNAL stands for %v", err)
	}
}

func TestAnswersThatLeaveEverythingOut(t *testing.T) {
	if got, err := InfoFromProto(nil); err != nil || !reflect.DeepEqual(got, api.Info{}) {
		t.Errorf("no collection is read as %+v (%v)", got, err)
	}
	if got, err := InfoFromProto(InfoToProto(api.Info{Spec: api.Spec{Name: "damaged"}})); err != nil || !reflect.DeepEqual(got, api.Info{Spec: api.Spec{Name: "damaged"}}) {
		t.Errorf("a name alone comes back as %+v (%v)", got, err)
	}
	if got := ResultFromProto(&hamnestv1.SearchResponse{}); !reflect.DeepEqual(*got, api.Result{}) {
		t.Errorf("an empty answer is read as %+v", got)
	}
	if got, err := StoredFromProto([]*hamnestv1.VectorRecord{nil}); err != nil || !reflect.DeepEqual(got, []api.Record{{}}) {
		t.Errorf("no record is read as %+v (%v)", got, err)
	}
	if got, err := InfoFromProto(&hamnestv1.Collection{Name: "c", Dims: 8, Metric: 99}); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a metric of the future is read as %+v (%v)", got, err)
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
			[]string{"r.rescore", "r.query", "r.candidates", "r.bound"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bad Violations
			QueryFromProto(&bad, "r.", []int{64, 75}, tt.in)
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

// FuzzFromStrangers reads bytes that anybody may send: nothing panics, and a query or record
// that is accepted goes out again as what it was.
func FuzzFromStrangers(f *testing.F) {
	query, _ := proto.Marshal(&hamnestv1.SearchRequest{K: 3, Query: &hamnestv1.SearchRequest_Code{Code: &hamnestv1.Code{Words: []uint64{5}}}, Bound: new(1.5)})
	record, _ := proto.Marshal(&hamnestv1.VectorRecord{Id: "a", Vector: VectorToProto([]float32{1, 2}), Code: &hamnestv1.Code{Packed: []byte{3}, Dialect: 1}, Metadata: "{}"})
	f.Add(query)
	f.Add(record)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var bad Violations
		request := &hamnestv1.SearchRequest{}
		if proto.Unmarshal(b, request) == nil {
			if q := QueryFromProto(&bad, "", []int{64, 75}, request); bad.Err() == nil {
				again := QueryFromProto(&bad, "", []int{64, 75}, QueryToProto(&bad, "", q))
				if bad.Err() != nil || !sameQuery(q, again) {
					t.Errorf("%+v goes out and comes back as %+v (%v)", q, again, bad.Err())
				}
			}
		}
		stored := &hamnestv1.VectorRecord{}
		if proto.Unmarshal(b, stored) == nil {
			if r, _, err := RecordFromProto(stored, 75); err == nil {
				if _, _, err := RecordToProto(r); err != nil {
					t.Errorf("%+v cannot go out again: %v", r, err)
				}
			}
			_, _ = StoredFromProto([]*hamnestv1.VectorRecord{stored})
		}
		for _, message := range []proto.Message{&hamnestv1.Collection{}, &hamnestv1.CollectionStats{}, &hamnestv1.CalibrateRequest{}, &hamnestv1.Calibration{}, &hamnestv1.SearchResponse{}, &hamnestv1.IngestError{}} {
			if proto.Unmarshal(b, message) != nil {
				continue
			}
			switch m := message.(type) {
			case *hamnestv1.Collection:
				SpecFromProto(&bad, "", m)
				ChangeFromProto(&bad, m, []string{"profile", "store", "x"})
				_, _ = InfoFromProto(m)
			case *hamnestv1.CollectionStats:
				_, _ = StatsFromProto(m)
			case *hamnestv1.CalibrateRequest:
				CalibrateFromProto(&bad, m)
			case *hamnestv1.Calibration:
				_, _ = CalibrationFromProto(m)
			case *hamnestv1.SearchResponse:
				ResultFromProto(m)
			case *hamnestv1.IngestError:
				RefusalFromProto(m)
			}
		}
	})
}

// sameQuery compares by bytes: a NaN is itself.
func sameQuery(a, b api.Query) bool {
	var bad Violations
	return proto.Equal(QueryToProto(&bad, "", a), QueryToProto(&bad, "", b))
}
