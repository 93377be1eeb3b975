package server

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// vectorOf returns a vector of testDims dimensions, all x.
func vectorOf(x float32) []float32 {
	v := make([]float32, testDims)
	for i := range v {
		v[i] = x
	}
	return v
}

func TestUpsertAndGetVectors(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	in := []*hamnestv1.VectorRecord{
		{Id: "bytes", Vector: packed(vectorOf(1)...), Metadata: `{"a": 1}`},
		{Id: "numbers", Vector: &hamnestv1.Vector{Values: vectorOf(2)}},
		{Id: "twice", Vector: packed(vectorOf(3)...)},
		{Id: "twice", Vector: packed(vectorOf(4)...)},
	}
	resp, err := h.vectors.UpsertVectors(t.Context(), &hamnestv1.UpsertVectorsRequest{Collection: "docs", Vectors: in})
	if err != nil || resp.GetUpsertedCount() != 4 {
		t.Fatalf("upserted %v, %v, want 4", resp, err)
	}
	for _, tt := range []struct {
		name                     string
		withVector, withMetadata bool
		want                     []*hamnestv1.VectorRecord
	}{
		{"ids", false, false, []*hamnestv1.VectorRecord{{Id: "twice"}, {Id: "bytes"}, {Id: "numbers"}}},
		{"metadata", false, true, []*hamnestv1.VectorRecord{{Id: "twice"}, {Id: "bytes", Metadata: `{"a": 1}`}, {Id: "numbers"}}},
		{"vectors", true, false, []*hamnestv1.VectorRecord{
			{Id: "twice", Vector: packed(vectorOf(4)...)},
			{Id: "bytes", Vector: packed(vectorOf(1)...)},
			{Id: "numbers", Vector: packed(vectorOf(2)...)},
		}},
	} {
		t.Run("with "+tt.name, func(t *testing.T) {
			got, err := h.vectors.GetVectors(t.Context(), &hamnestv1.GetVectorsRequest{
				Collection: "docs", Ids: []string{"none", "twice", "bytes", "nil", "numbers"}, WithVector: tt.withVector, WithMetadata: tt.withMetadata,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := &hamnestv1.GetVectorsResponse{Vectors: tt.want, MissingIds: []string{"none", "nil"}}
			if !proto.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestUpsertNamesEveryBadVectorAndStoresNone(t *testing.T) {
	h := start(t, Options{})
	c := h.collection(t, "docs")
	nan := vectorOf(1)
	nan[77] = float32(math.NaN())
	in := []*hamnestv1.VectorRecord{
		{Id: "good", Vector: packed(vectorOf(1)...)},
		{Id: "half", Vector: &hamnestv1.Vector{Float32Le: make([]byte, 4*testDims-1)}},
		{Id: "nan", Vector: packed(nan...)},
		{Id: "none"},
		{Id: "short", Vector: packed(1, 2, 3)},
		{Id: "both", Vector: &hamnestv1.Vector{Float32Le: make([]byte, 4), Values: []float32{1}}},
		{Id: "", Vector: packed(vectorOf(1)...)},
		{Id: "metadata", Vector: packed(vectorOf(1)...), Metadata: "[1]"},
		{Id: "zero", Vector: packed(vectorOf(0)...)},
		{Id: "infinite", Vector: packed(vectorOf(float32(math.Inf(-1)))...)},
		nil,
	}
	_, err := h.vectors.UpsertVectors(t.Context(), &hamnestv1.UpsertVectorsRequest{Collection: "docs", Vectors: in})
	bad := wantFields(t, err, "vectors[1].vector", "vectors[2].vector", "vectors[3].vector", "vectors[4].vector", "vectors[5].vector",
		"vectors[6].id", "vectors[7].metadata", "vectors[8].vector", "vectors[9].vector", "vectors[10].id")
	for i, want := range map[int]string{0: "float32_le has 511 bytes", 1: "component 77 is NaN", 2: "is missing", 3: "has 3 dimensions, want 128", 4: "has both"} {
		if got := bad.GetFieldViolations()[i].GetDescription(); !strings.Contains(got, want) {
			t.Errorf("violation %d says %q, want %q in it", i, got, want)
		}
	}
	if n := c.Count(); n != 0 {
		t.Errorf("%d vectors stored, want none", n)
	}
}

func TestEmptyListsAreRefused(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	_, err := h.vectors.UpsertVectors(t.Context(), &hamnestv1.UpsertVectorsRequest{Collection: "docs"})
	wantFields(t, err, "vectors")
	_, err = h.vectors.GetVectors(t.Context(), &hamnestv1.GetVectorsRequest{Collection: "docs"})
	wantFields(t, err, "ids")
	_, err = h.vectors.DeleteVectors(t.Context(), &hamnestv1.DeleteVectorsRequest{Collection: "docs"})
	wantFields(t, err, "ids")
}

func TestDeleteVectorsTakesIdsOrAFilter(t *testing.T) {
	h := start(t, Options{})
	h.filled(t, 5)
	_, err := h.vectors.DeleteVectors(t.Context(), &hamnestv1.DeleteVectorsRequest{Collection: "docs", Ids: []string{"id-0001"}, Filter: "id:*"})
	wantFields(t, err, "filter")
	resp, err := h.vectors.DeleteVectors(t.Context(), &hamnestv1.DeleteVectorsRequest{Collection: "docs", Filter: `id = "id-000*"`})
	if err != nil || resp.GetDeletedCount() == 0 {
		t.Fatalf("deleted %v, %v", resp, err)
	}
	left, err := h.vectors.CountVectors(t.Context(), &hamnestv1.CountVectorsRequest{Collection: "docs", Filter: `id = "id-000*"`})
	if err != nil || left.GetCount() != 0 {
		t.Errorf("%v are left, %v, want none", left, err)
	}
}

func TestDeleteVectorsCountsThoseThatWereThere(t *testing.T) {
	h := start(t, Options{})
	h.filled(t, 5)
	resp, err := h.vectors.DeleteVectors(t.Context(), &hamnestv1.DeleteVectorsRequest{Collection: "docs", Ids: []string{"id-0001", "none", "id-0003", "id-0001"}})
	if err != nil || resp.GetDeletedCount() != 2 {
		t.Errorf("deleted %v, %v, want 2", resp, err)
	}
	count, err := h.vectors.CountVectors(t.Context(), &hamnestv1.CountVectorsRequest{Collection: "docs"})
	if err != nil || count.GetCount() != 3 {
		t.Errorf("counted %v, %v, want 3", count, err)
	}
	_, err = h.vectors.DeleteVectors(t.Context(), &hamnestv1.DeleteVectorsRequest{Collection: "docs", Ids: []string{"a", ""}})
	wantFields(t, err, "ids[1]")
}

func TestListVectorsPages(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 25)
	for _, size := range []uint32{0, 1, 7, 25, 26} {
		var got []string
		for token := ""; ; {
			resp, err := h.vectors.ListVectors(t.Context(), &hamnestv1.ListVectorsRequest{
				Collection: "docs", PageSize: size, PageToken: token, WithVector: true, WithMetadata: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(resp.GetVectors()); size > 0 && n > int(size) {
				t.Errorf("page_size %d: a page of %d", size, n)
			}
			for _, r := range resp.GetVectors() {
				if !proto.Equal(r, convert.StoredToProto(records[len(got):len(got)+1], testDims, 0)[0]) {
					t.Fatalf("page_size %d: row %d is %v, want %v", size, len(got), r, records[len(got)])
				}
				got = append(got, r.GetId())
			}
			if token = resp.GetNextPageToken(); token == "" {
				break
			}
		}
		if len(got) != len(records) {
			t.Errorf("page_size %d: listed %d vectors, want %d", size, len(got), len(records))
		}
	}
	t.Run("that fit into a message", func(t *testing.T) {
		small := start(t, Options{MaxMessageBytes: 8 << 10})
		c := small.collection(t, "docs")
		if err := c.Upsert(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		resp, err := small.vectors.ListVectors(t.Context(), &hamnestv1.ListVectorsRequest{Collection: "docs", WithVector: true})
		if err != nil || len(resp.GetVectors()) == 0 || resp.GetNextPageToken() == "" {
			t.Errorf("got %d vectors, %v, want some and more to come", len(resp.GetVectors()), err)
		}
	})
	t.Run("and not from a token of something else", func(t *testing.T) {
		for _, token := range []string{"x", collectionsAfter.token("docs"), strings.Repeat("A", 1<<16)} {
			_, err := h.vectors.ListVectors(t.Context(), &hamnestv1.ListVectorsRequest{Collection: "docs", PageToken: token})
			wantFields(t, err, "page_token")
		}
	})
}

func TestCheck(t *testing.T) {
	h := start(t, Options{})
	h.filled(t, 5)
	resp, err := h.admin.Check(t.Context(), &hamnestv1.CheckRequest{Collection: "docs"})
	if err != nil || resp.GetRows() != 5 || len(resp.GetProblems()) != 0 {
		t.Errorf("check: %v, %v, want 5 rows and no problem", resp, err)
	}
}

func TestHandlersEndWithTheirContext(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 5)
	e := service{engine: h.db, opts: Options{}.withDefaults()}
	ctx, cancel := cancelled(t)
	defer cancel()
	vectors, searches, admin := &vectorService{service: e}, &searchService{service: e}, &adminService{service: e}
	query := func() *hamnestv1.SearchRequest {
		return &hamnestv1.SearchRequest{Collection: "docs", K: 1, Query: &hamnestv1.SearchRequest_Vector{Vector: packed(records[0].Vector...)}}
	}
	for method, call := range map[string]func() error{
		"GetVectors": func() error {
			_, err := vectors.GetVectors(ctx, &hamnestv1.GetVectorsRequest{Collection: "docs", Ids: ids(2)})
			return err
		},
		"ListVectors": func() error {
			_, err := vectors.ListVectors(ctx, &hamnestv1.ListVectorsRequest{Collection: "docs"})
			return err
		},
		"Search": func() error {
			_, err := searches.Search(ctx, query())
			return err
		},
		"BatchSearch": func() error {
			_, err := searches.BatchSearch(ctx, &hamnestv1.BatchSearchRequest{Collection: "docs", Requests: []*hamnestv1.SearchRequest{query()}})
			return err
		},
		"Check": func() error {
			_, err := admin.Check(ctx, &hamnestv1.CheckRequest{Collection: "docs"})
			return err
		},
		"Create": func() error {
			_, err := (&collectionService{service: e}).CreateCollection(ctx, &hamnestv1.CreateCollectionRequest{
				Collection: &hamnestv1.Collection{Name: "more", Dims: 3},
			})
			return err
		},
	} {
		t.Run(method, func(t *testing.T) {
			if st := toStatus(call()); st.Code() != codes.Canceled {
				t.Errorf("status %v, want CANCELED", st)
			}
		})
	}
}

func TestGetVectorsKeepsTheOrderAskedFor(t *testing.T) {
	h := start(t, Options{})
	h.filled(t, 50)
	want := ids(50)
	slices.Reverse(want)
	resp, err := h.vectors.GetVectors(t.Context(), &hamnestv1.GetVectorsRequest{Collection: "docs", Ids: want})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range resp.GetVectors() {
		if r.GetId() != want[i] {
			t.Fatalf("record %d is %s, want %s", i, r.GetId(), want[i])
		}
	}
}

func TestUpsertOfTheEngineIsAllThatAnUpsertIs(t *testing.T) {
	// What does not convert is passed on as no vector: that must be refused.
	h := start(t, Options{})
	c := h.collection(t, "docs")
	err := c.Upsert(t.Context(), []index.Record{{ID: "a"}})
	if _, ok := asError[*index.InvalidError](err); !ok {
		t.Errorf("storing no vector: %v, want an InvalidError", err)
	}
	if got := fmt.Sprint(err); !strings.Contains(got, "vectors[0].vector") {
		t.Errorf("error %q, want the field in it", got)
	}
}
