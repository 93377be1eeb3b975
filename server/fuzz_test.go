package server

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// fuzzed is a service of a small collection "c", for one process.
func fuzzed(f *testing.F) service {
	f.Helper()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := index.Open(f.TempDir(), index.Options{Logger: logger})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := db.Close(); err != nil {
			f.Error(err)
		}
	})
	c, err := db.Create(f.Context(), index.Spec{Name: "c", Dims: testDims, Ladder: []int{64}})
	if err == nil {
		err = c.Upsert(f.Context(), randomRecords(20))
	}
	if err != nil {
		f.Fatal(err)
	}
	return service{engine: db, opts: Options{MaxMessageBytes: 1 << 20}.withDefaults()}
}

// seed adds requests as the bytes that a client sends.
func seed(f *testing.F, requests ...proto.Message) {
	f.Helper()
	for _, r := range requests {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// wantNoFault fails when a request that is the client's fault is called the server's.
func wantNoFault(t *testing.T, request proto.Message, err error) {
	t.Helper()
	if err == nil {
		return
	}
	switch code := toStatus(err).Code(); code {
	case codes.Internal, codes.Unknown, codes.DataLoss, codes.Unavailable:
		t.Errorf("%v: %v of %v, want an error of the request's", request, code, err)
	}
}

// Whatever a client asks, the server neither panics nor calls it its own fault.
func FuzzSearchRequests(f *testing.F) {
	s := &searchService{service: fuzzed(f)}
	vector := randomRecords(1)[0].Vector
	seed(f,
		&hamnestv1.SearchRequest{Collection: "c", Query: &hamnestv1.SearchRequest_Vector{Vector: packed(vector...)}, K: 3, WithVector: true},
		&hamnestv1.SearchRequest{Collection: "c", Query: &hamnestv1.SearchRequest_Vector{Vector: packed(vector[:64]...)}, K: 3, Exact: true, WithMetadata: true},
		&hamnestv1.SearchRequest{Collection: "c", Query: &hamnestv1.SearchRequest_Id{Id: "id-0003"}, K: 2, PageToken: "BAAA", Dims: 64},
		&hamnestv1.SearchRequest{Collection: "c", Query: &hamnestv1.SearchRequest_Code{Code: &hamnestv1.Code{Words: []uint64{1, 2}}}, K: 1},
		&hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Id{Id: "id-0003"}, FirstStage: &hamnestv1.SearchRequest_Oversampling{Oversampling: 2}},
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		req := new(hamnestv1.SearchRequest)
		if proto.Unmarshal(b, req) != nil {
			return // gRPC refuses it
		}
		if req.Collection == "" {
			req.Collection = "c" // or nearly all would end there
		}
		_, err := s.Search(context.Background(), req)
		wantNoFault(t, req, err)
		batch := &hamnestv1.BatchSearchRequest{Collection: "c", Requests: []*hamnestv1.SearchRequest{req, req}}
		_, err = s.BatchSearch(context.Background(), batch)
		wantNoFault(t, batch, err)
	})
}

func FuzzVectorRequests(f *testing.F) {
	s := &vectorService{service: fuzzed(f)}
	seed(f,
		&hamnestv1.GetVectorsRequest{Ids: []string{"id-0001", "none"}, WithVector: true, WithCode: hamnestv1.Dialect_DIALECT_FAISS, PageToken: idsFrom.token("1")},
		&hamnestv1.ListVectorsRequest{PageSize: 7, PageToken: "AgAAAAAAAAAAAAAAAAAAAAU"},
		&hamnestv1.UpsertVectorsRequest{Vectors: []*hamnestv1.VectorRecord{{Id: "a", Vector: packed(1, 2), Metadata: "{}"}}},
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		get, list := new(hamnestv1.GetVectorsRequest), new(hamnestv1.ListVectorsRequest)
		if proto.Unmarshal(b, get) == nil {
			get.Collection = "c"
			_, err := s.GetVectors(context.Background(), get)
			wantNoFault(t, get, err)
		}
		if proto.Unmarshal(b, list) == nil {
			list.Collection = "c"
			_, err := s.ListVectors(context.Background(), list)
			wantNoFault(t, list, err)
		}
		upsert := new(hamnestv1.UpsertVectorsRequest)
		if proto.Unmarshal(b, upsert) == nil && len(upsert.GetVectors()) > 0 {
			upsert.Collection = "c"
			bad := &hamnestv1.VectorRecord{Id: "bad"} // nothing is to be stored: a commit takes too long to be fuzzed
			upsert.Vectors = append(upsert.Vectors, bad)
			_, err := s.UpsertVectors(context.Background(), upsert)
			wantNoFault(t, upsert, err)
		}
	})
}

func FuzzPageTokens(f *testing.F) {
	for _, token := range []string{"", collectionsAfter.token("docs"), idsFrom.token("7"), "%", "aWRzIGZyb20g"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		const ids = 10
		if from, err := parseIDsToken(token, ids); err == nil && (from < 0 || from >= ids) {
			t.Errorf("token %q of %d ids goes on at %d", token, ids, from)
		}
		if name, err := collectionsAfter.parse(token); err == nil && (name == "") != (token == "") {
			t.Errorf("token %q is one of no name", token)
		}
	})
}
