package server

import (
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// dialectColumns are the columns of testdata/packed.txt after the bits.
var dialectColumns = []hamnestv1.Dialect{
	hamnestv1.Dialect_DIALECT_NUMPY, hamnestv1.Dialect_DIALECT_NUMPY_SIGNED, hamnestv1.Dialect_DIALECT_PGVECTOR, hamnestv1.Dialect_DIALECT_FAISS,
}

// goldenCode is a code that numpy and the others have packed.
type goldenCode struct {
	vector []float32 // 1 and -1
	packed map[hamnestv1.Dialect][]byte
}

func goldenCodes(t *testing.T) []goldenCode {
	t.Helper()
	text, err := os.ReadFile("../encoder/code/testdata/packed.txt")
	if err != nil {
		t.Fatal(err)
	}
	var codes []goldenCode
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] == "#" {
			continue
		}
		c := goldenCode{packed: map[hamnestv1.Dialect][]byte{}}
		for _, bit := range fields[0] {
			c.vector = append(c.vector, 2*float32(bit-'0')-1)
		}
		for i, d := range dialectColumns {
			if c.packed[d], err = hex.DecodeString(fields[1+i]); err != nil {
				t.Fatal(err)
			}
		}
		codes = append(codes, c)
	}
	return codes
}

func byCode(collection string, d hamnestv1.Dialect, packed []byte) *hamnestv1.SearchRequest {
	return &hamnestv1.SearchRequest{
		Collection: collection, K: 3,
		Query: &hamnestv1.SearchRequest_Code{Code: &hamnestv1.Code{Packed: packed, Dialect: d}},
	}
}

func TestCodesOfOtherSystemsFindTheirVectors(t *testing.T) {
	h := start(t, Options{})
	for i, golden := range goldenCodes(t) {
		dims, name := len(golden.vector), fmt.Sprintf("golden-%d", i)
		c, err := h.db.Create(t.Context(), index.Spec{Name: name, Dims: dims, Profile: encoder.Signs})
		if err != nil {
			t.Fatal(err)
		}
		opposite, near := slices.Clone(golden.vector), slices.Clone(golden.vector)
		for i := range opposite {
			opposite[i] = -opposite[i]
		}
		near[dims-1] = -near[dims-1]
		err = c.Upsert(t.Context(), []index.Record{{ID: "itself", Vector: golden.vector}, {ID: "near", Vector: near}, {ID: "opposite", Vector: opposite}})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dialectColumns {
			resp, err := h.searches.Search(t.Context(), byCode(name, d, golden.packed[d]))
			if err != nil {
				t.Errorf("%v, %d dims: %v", d, dims, err)
				continue
			}
			hits, r := resp.GetHits(), resp.GetReceipt()
			if hits[0].GetId() != "itself" || hits[0].GetScore() != 1 || hits[2].GetScore() != -1 ||
				math.Abs(float64(hits[1].GetScore())-math.Cos(math.Pi/float64(dims))) > 1e-6 {
				t.Errorf("%v, %d dims: hits %v, want itself at 1, one bit off at cos(pi/%d), the opposite at -1", d, dims, hits, dims)
			}
			if r.GetRescore() != hamnestv1.Rescore_RESCORE_CODES || r.GetVectorsRead() != 0 {
				t.Errorf("%v, %d dims: receipt %v, want codes alone", d, dims, r)
			}
		}
	}
}

func TestACodeOfAPrefixSearchesThePrefix(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 40)
	words := make([]uint64, code.Words(testDims))
	code.Signs(words, records[3].Vector)
	packed := code.Numpy.AppendPacked(nil, words, testDims)
	resp, err := h.searches.Search(t.Context(), byCode("docs", hamnestv1.Dialect_DIALECT_NUMPY, packed[:8]))
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.GetReceipt().GetDims(); got != 64 || resp.GetHits()[0].GetId() != records[3].ID {
		t.Errorf("%d dims find %v, want 64 and %s", got, resp.GetHits(), records[3].ID)
	}
}

func TestCodesThatMeanNothing(t *testing.T) {
	h := start(t, Options{})
	c, err := h.db.Create(t.Context(), index.Spec{Name: "docs", Dims: 75, Ladder: []int{64}, Profile: encoder.Signs})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Upsert(t.Context(), []index.Record{{ID: "a", Vector: slices.Repeat([]float32{1}, 75)}}); err != nil {
		t.Fatal(err)
	}
	const numpy, faiss = hamnestv1.Dialect_DIALECT_NUMPY, hamnestv1.Dialect_DIALECT_FAISS
	good := make([]byte, 10)
	set := func(last byte) []byte { return append(make([]byte, 9), last) }
	for _, tt := range []struct {
		name  string
		req   *hamnestv1.SearchRequest
		field string
		want  string
	}{
		{"no code", &hamnestv1.SearchRequest{Collection: "docs", K: 1, Query: &hamnestv1.SearchRequest_Code{}}, "code", "has no dialect"},
		{"no dialect", byCode("docs", 0, good), "code", "has no dialect"},
		{"an unknown dialect", byCode("docs", 99, good), "code", "dialect is 99"},
		{"no bytes", byCode("docs", numpy, nil), "code", "has 0 bytes, want 10 for 75 dimensions or those of a shorter step of [64 75]"},
		{"a byte less", byCode("docs", numpy, good[:9]), "code", "has 9 bytes, want 10"},
		{"a byte more", byCode("docs", numpy, make([]byte, 11)), "code", "has 11 bytes, want 10"},
		{"padding that is set", byCode("docs", numpy, set(0b00010000)), "code", "byte 9 has 1 bits set past dimension 74"},
		{"padding that is set, from the other end", byCode("docs", faiss, set(0b11001000)), "code", "byte 9 has 3 bits set past dimension 74"},
		{"padding that is set in a signed byte", byCode("docs", hamnestv1.Dialect_DIALECT_NUMPY_SIGNED, set(0x81)), "code", "byte 9 has 1 bits set past dimension 74"},
		{"stored vectors", &hamnestv1.SearchRequest{Rescore: hamnestv1.Rescore_RESCORE_VECTORS}, "code", "set together with exact or rescore vectors"},
		{"an exact search", &hamnestv1.SearchRequest{Exact: true}, "code", "set together with exact"},
		{"a bound", &hamnestv1.SearchRequest{Bound: new(2.0)}, "target_recall", "or bound, under profile signs"},
		{"a target recall", &hamnestv1.SearchRequest{TargetRecall: new(.9)}, "target_recall", "under profile signs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.req.GetQuery() == nil {
				tt.req.Collection, tt.req.K, tt.req.Query = "docs", 1, byCode("", numpy, good).GetQuery()
			}
			_, err := h.searches.Search(t.Context(), tt.req)
			wantFields(t, err, tt.field)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want it to say %q", err, tt.want)
			}
		})
	}
	if _, err := h.searches.Search(t.Context(), byCode("docs", numpy, good)); err != nil {
		t.Errorf("a code of the right size: %v", err)
	}
	if _, err := h.db.Create(t.Context(), index.Spec{Name: "learned", Dims: 75}); err != nil {
		t.Fatal(err)
	}
	_, err = h.searches.Search(t.Context(), byCode("learned", numpy, good))
	wantFields(t, err, "code")
}

func TestCodesRoundTripInEveryDialect(t *testing.T) {
	h := start(t, Options{})
	for i, golden := range goldenCodes(t) {
		dims, name := len(golden.vector), fmt.Sprintf("codes-%d", i)
		if _, err := h.db.Create(t.Context(), index.Spec{Name: name, Dims: dims, Store: encoder.None}); err != nil {
			t.Fatal(err)
		}
		for _, d := range dialectColumns {
			id := d.String()
			_, err := h.vectors.UpsertVectors(t.Context(), &hamnestv1.UpsertVectorsRequest{Collection: name, Vectors: []*hamnestv1.VectorRecord{
				{Id: id, Code: &hamnestv1.Code{Packed: golden.packed[d], Dialect: d}},
				{Id: id + " with its vector", Code: &hamnestv1.Code{Packed: golden.packed[d], Dialect: d}, Vector: packed(golden.vector...)},
			}})
			if err != nil {
				t.Errorf("%v, %d dims: %v", d, dims, err)
			}
		}
		for _, d := range dialectColumns {
			list, err := h.vectors.ListVectors(t.Context(), &hamnestv1.ListVectorsRequest{Collection: name, WithCode: d})
			if err != nil || len(list.GetVectors()) != 8 {
				t.Fatalf("%v, %d dims: %d records, %v", d, dims, len(list.GetVectors()), err)
			}
			got, err := h.vectors.GetVectors(t.Context(), &hamnestv1.GetVectorsRequest{Collection: name, Ids: []string{"DIALECT_NUMPY"}, WithCode: d})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range append(list.GetVectors(), got.GetVectors()...) {
				if c := r.GetCode(); c.GetDialect() != d || !slices.Equal(c.GetPacked(), golden.packed[d]) || r.GetVector() != nil {
					t.Errorf("%s, %d dims: comes back as %v, want % x in %v", r.GetId(), dims, r, golden.packed[d], d)
				}
			}
		}
	}
}

func TestCodesThatCannotBeStored(t *testing.T) {
	h := start(t, Options{})
	if _, err := h.db.Create(t.Context(), index.Spec{Name: "bits", Dims: 75, Ladder: []int{64}, Store: encoder.None}); err != nil {
		t.Fatal(err)
	}
	h.collection(t, "vectors")
	const numpy = hamnestv1.Dialect_DIALECT_NUMPY
	record := func(d hamnestv1.Dialect, packed []byte) *hamnestv1.VectorRecord {
		return &hamnestv1.VectorRecord{Id: "a", Code: &hamnestv1.Code{Packed: packed, Dialect: d}}
	}
	good := record(numpy, make([]byte, 10))
	wrong := record(numpy, make([]byte, 10))
	wrong.Vector = packed(slices.Repeat([]float32{1}, 75)...)
	half := record(numpy, make([]byte, 10))
	half.Vector = &hamnestv1.Vector{Float32Le: []byte{1, 2}}
	for _, tt := range []struct {
		name, collection string
		record           *hamnestv1.VectorRecord
		field, want      string
	}{
		{"no dialect", "bits", record(0, make([]byte, 10)), "code", "has no dialect"},
		{"an unknown dialect", "bits", record(-1, make([]byte, 10)), "code", "dialect is -1"},
		{"no bytes", "bits", record(numpy, nil), "code", "has 0 bytes, want 10 for 75 dimensions, 8 a byte"},
		{"a prefix", "bits", record(numpy, make([]byte, 8)), "code", "has 8 bytes, want 10 for 75 dimensions, 8 a byte"},
		{"padding that is set", "bits", record(numpy, append(make([]byte, 9), 1)), "code", "has 1 bits set past dimension 74"},
		{"a vector of another code", "bits", wrong, "code", "differs in 75 of 75 bits"},
		{"half a component", "bits", half, "vector", "float32_le has 2 bytes"},
		{"a code alone among vectors", "vectors", record(numpy, make([]byte, testDims/8)), "code", "comes without a vector"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.vectors.UpsertVectors(t.Context(), &hamnestv1.UpsertVectorsRequest{Collection: tt.collection, Vectors: []*hamnestv1.VectorRecord{tt.record}})
			wantFields(t, err, "vectors[0]."+tt.field)
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want it to say %q", err, tt.want)
			}
			if tt.collection != "bits" {
				return
			}
			responses, err := h.ingest(t, ingestStart("bits"), ingestBatch(1, good, tt.record))
			if err != nil {
				t.Fatal(err)
			}
			if r := responses[0]; r.GetStoredCount() != 1 || len(r.GetErrors()) != 1 || r.GetErrors()[0].GetIndex() != 1 ||
				!strings.HasPrefix(r.GetErrors()[0].GetReason(), tt.field+" ") || !strings.Contains(r.GetErrors()[0].GetReason(), tt.want) {
				t.Errorf("ingest answers %v, want the second refused with %q", r, tt.want)
			}
		})
	}
	for _, call := range []func() error{
		func() error {
			_, err := h.vectors.ListVectors(t.Context(), &hamnestv1.ListVectorsRequest{Collection: "bits", WithCode: 77})
			return err
		},
		func() error {
			_, err := h.vectors.GetVectors(t.Context(), &hamnestv1.GetVectorsRequest{Collection: "bits", Ids: []string{"a"}, WithCode: 77})
			return err
		},
	} {
		wantFields(t, call(), "with_code")
	}
}
