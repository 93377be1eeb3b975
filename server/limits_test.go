package server

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// limitCase is a request that is one above a limit, and the same request at it.
type limitCase struct {
	name       string
	field      string
	limit      string
	most       int
	found      uint64
	call       func(context.Context) error
	atTheLimit func(context.Context) error
}

func TestLimits(t *testing.T) {
	opts := Options{MaxK: 20, MaxCandidates: 50, MaxBatchSearches: 3, MaxBatchVectors: 4, MaxDims: 200}
	h := start(t, opts)
	records := h.filled(t, 10)

	search := func(change func(*hamnestv1.SearchRequest)) func(context.Context) error {
		req := &hamnestv1.SearchRequest{
			Collection: "docs", Query: &hamnestv1.SearchRequest_Vector{Vector: packed(records[0].Vector...)}, K: 2,
		}
		change(req)
		return func(ctx context.Context) error {
			_, err := h.searches.Search(ctx, req)
			return err
		}
	}
	batch := func(n int, lastK uint32) func(context.Context) error {
		req := &hamnestv1.BatchSearchRequest{Collection: "docs"}
		for range n {
			req.Requests = append(req.Requests, &hamnestv1.SearchRequest{Query: &hamnestv1.SearchRequest_Id{Id: records[1].ID}, K: 1})
		}
		req.Requests[n-1].K = lastK
		return func(ctx context.Context) error {
			_, err := h.searches.BatchSearch(ctx, req)
			return err
		}
	}
	upsert := func(n int) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := h.vectors.UpsertVectors(ctx, &hamnestv1.UpsertVectorsRequest{Collection: "docs", Vectors: convert.StoredToProto(records[:n], testDims, 0)})
			return err
		}
	}
	get := func(n int) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := h.vectors.GetVectors(ctx, &hamnestv1.GetVectorsRequest{Collection: "docs", Ids: ids(n)})
			return err
		}
	}
	remove := func(n int) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := h.vectors.DeleteVectors(ctx, &hamnestv1.DeleteVectorsRequest{Collection: "docs", Ids: ids(n)})
			return err
		}
	}
	create := func(dims uint32) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := h.collections.CreateCollection(ctx, &hamnestv1.CreateCollectionRequest{
				Collection: &hamnestv1.Collection{Name: fmt.Sprintf("dims-%d", dims), Dims: dims},
			})
			return err
		}
	}
	ingest := func(n int) func(context.Context) error {
		return func(ctx context.Context) error {
			stream, err := h.vectors.Ingest(ctx)
			if err != nil {
				return err
			}
			for _, m := range []*hamnestv1.IngestRequest{ingestStart("docs"), ingestBatch(1, convert.StoredToProto(records[:n], testDims, 0)...)} {
				if err := stream.Send(m); err != nil {
					return err
				}
			}
			if _, err = stream.Recv(); err != nil {
				return err
			}
			return stream.CloseSend()
		}
	}
	for _, tt := range []limitCase{
		{
			"k", "k", "max_k", 20, 21,
			search(func(r *hamnestv1.SearchRequest) { r.K = 21 }),
			search(func(r *hamnestv1.SearchRequest) { r.K = 20 }),
		},
		{
			"a huge k", "k", "max_k", 20, math.MaxUint32,
			search(func(r *hamnestv1.SearchRequest) { r.K = math.MaxUint32 }), nil,
		},
		{
			"candidates", "candidates", "max_candidates", 50, 51,
			search(func(r *hamnestv1.SearchRequest) { r.FirstStage = &hamnestv1.SearchRequest_Candidates{Candidates: 51} }),
			search(func(r *hamnestv1.SearchRequest) { r.FirstStage = &hamnestv1.SearchRequest_Candidates{Candidates: 50} }),
		},
		{
			"what oversampling times k gives, rounded up", "oversampling", "max_candidates", 50, 51,
			search(func(r *hamnestv1.SearchRequest) {
				r.FirstStage = &hamnestv1.SearchRequest_Oversampling{Oversampling: 25.1}
			}),
			search(func(r *hamnestv1.SearchRequest) {
				r.FirstStage = &hamnestv1.SearchRequest_Oversampling{Oversampling: 25}
			}),
		},
		{
			"more oversampling than a number of rows can say", "oversampling", "max_candidates", 50, 1 << 62,
			search(func(r *hamnestv1.SearchRequest) {
				r.FirstStage = &hamnestv1.SearchRequest_Oversampling{Oversampling: 1e300}
			}), nil,
		},
		{"searches in a batch", "requests", "max_batch_searches", 3, 4, batch(4, 1), batch(3, 1)},
		{"k in a batch", "requests[2].k", "max_k", 20, 21, batch(3, 21), batch(3, 20)},
		{"vectors in an upsert", "vectors", "max_batch_vectors", 4, 5, upsert(5), upsert(4)},
		{"ids to get", "ids", "max_batch_vectors", 4, 5, get(5), get(4)},
		{"ids to delete", "ids", "max_batch_vectors", 4, 5, remove(5), remove(4)},
		{"vectors in a batch of a stream", "batch.vectors", "max_batch_vectors", 4, 5, ingest(5), ingest(4)},
		{"dims", "collection.dims", "max_dims", 200, 201, create(201), create(200)},
		{"huge dims", "collection.dims", "max_dims", 200, math.MaxUint32, create(math.MaxUint32), nil},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t) })
	}
}

func (tt limitCase) run(t *testing.T) {
	st := wantCode(t, tt.call(t.Context()), codes.ResourceExhausted)
	want := &errdetails.ErrorInfo{Reason: "LIMIT_EXCEEDED", Domain: "hamnest", Metadata: map[string]string{
		"field": tt.field, "limit": tt.limit, "max": fmt.Sprint(tt.most), "found": fmt.Sprint(tt.found),
	}}
	if got := detail[*errdetails.ErrorInfo](t, st); !proto.Equal(got, want) {
		t.Errorf("detail %v, want %v", got, want)
	}
	for _, part := range []string{tt.field, tt.limit, fmt.Sprint(tt.most), fmt.Sprint(tt.found)} {
		if !strings.Contains(st.Message(), part) {
			t.Errorf("message %q, want %q in it", st.Message(), part)
		}
	}
	if tt.atTheLimit != nil {
		if err := tt.atTheLimit(t.Context()); err != nil {
			t.Errorf("at the limit: %v, want success", err)
		}
	}
}

func ids(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("id-%04d", i)
	}
	return out
}

func TestMessagesAboveTheLimitAreRefusedWithBothNumbers(t *testing.T) {
	const most = 64 << 10
	h := start(t, Options{MaxMessageBytes: most})
	h.collection(t, "docs")
	req := &hamnestv1.UpsertVectorsRequest{Collection: "docs", Vectors: convert.StoredToProto(randomRecords(200), testDims, 0)}
	_, err := h.vectors.UpsertVectors(t.Context(), req)
	st := wantCode(t, err, codes.ResourceExhausted)
	for _, part := range []string{fmt.Sprint(proto.Size(req)), fmt.Sprint(most)} {
		if !strings.Contains(st.Message(), part) {
			t.Errorf("message %q, want %q in it", st.Message(), part)
		}
	}
}

func TestAnswersAboveTheMessageLimitAreRefusedBeforeTheyAreMade(t *testing.T) {
	const most = 16 << 10 // holds 32 vectors of 512 bytes
	h := start(t, Options{MaxMessageBytes: most})
	c := h.collection(t, "docs")
	if err := c.Upsert(t.Context(), randomRecords(40)); err != nil {
		t.Fatal(err)
	}
	query := &hamnestv1.SearchRequest_Id{Id: "id-0000"}
	for _, tt := range []limitCase{
		{
			"hits with vectors, as many as there are", "k", "max_message_bytes", most, 40 * (512 + 10),
			func(ctx context.Context) error {
				_, err := h.searches.Search(ctx, &hamnestv1.SearchRequest{Collection: "docs", Query: query, K: 1000, WithVector: true})
				return err
			},
			func(ctx context.Context) error {
				_, err := h.searches.Search(ctx, &hamnestv1.SearchRequest{Collection: "docs", Query: query, K: 20, WithVector: true})
				return err
			},
		},
		{
			"hits of a batch together", "requests", "max_message_bytes", most, 2 * 20 * (512 + 10),
			func(ctx context.Context) error {
				search := &hamnestv1.SearchRequest{Query: query, K: 20, WithVector: true}
				_, err := h.searches.BatchSearch(ctx, &hamnestv1.BatchSearchRequest{
					Collection: "docs", Requests: []*hamnestv1.SearchRequest{search, search},
				})
				return err
			}, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t) })
	}
}

// Metadata is not known before it is read, so that it is counted then.
func TestMetadataCountsTowardsTheMessageLimit(t *testing.T) {
	const most, metadata = 16 << 10, 4 << 10
	h := start(t, Options{MaxMessageBytes: most})
	c := h.collection(t, "docs")
	records := randomRecords(10)
	for i := range records {
		records[i].Metadata = fmt.Appendf(nil, `{"x":"%s"}`, strings.Repeat("x", metadata-8))
	}
	if err := c.Upsert(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	search := func(k uint32) *hamnestv1.SearchRequest {
		return &hamnestv1.SearchRequest{Collection: "docs", Query: &hamnestv1.SearchRequest_Id{Id: "id-0000"}, K: k, WithMetadata: true}
	}
	batch := func(n int) *hamnestv1.BatchSearchRequest {
		return &hamnestv1.BatchSearchRequest{Collection: "docs", Requests: slices.Repeat([]*hamnestv1.SearchRequest{search(1)}, n)}
	}
	for _, tt := range []limitCase{
		{
			"of hits", "k", "max_message_bytes", most, most + 1,
			func(ctx context.Context) error { _, err := h.searches.Search(ctx, search(4)); return err },
			func(ctx context.Context) error { _, err := h.searches.Search(ctx, search(3)); return err },
		},
		{
			"of the hits of a batch together", "requests", "max_message_bytes", most, most + 1,
			func(ctx context.Context) error { _, err := h.searches.BatchSearch(ctx, batch(4)); return err },
			func(ctx context.Context) error { _, err := h.searches.BatchSearch(ctx, batch(3)); return err },
		},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t) })
	}
}

func TestPageSize(t *testing.T) {
	for requested, want := range map[uint32]int{0: 100, 1: 1, 1000: 1000, 1001: 1000, math.MaxUint32: 1000} {
		if got := pageSize(requested); got != want {
			t.Errorf("page_size %d is taken as %d, want %d", requested, got, want)
		}
	}
}
