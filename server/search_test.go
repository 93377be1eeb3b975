package server

import (
	"context"
	"math"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// cancelled returns a context that has ended.
func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

func hitIDs(r *hamnestv1.SearchResponse) []string {
	var ids []string
	for _, h := range r.GetHits() {
		ids = append(ids, h.GetId())
	}
	return ids
}

func TestSearch(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 60)
	byVector := func() *hamnestv1.SearchRequest {
		return &hamnestv1.SearchRequest{Collection: "docs", K: 5, Query: &hamnestv1.SearchRequest_Vector{Vector: packed(records[9].Vector...)}}
	}
	search := func(t *testing.T, req *hamnestv1.SearchRequest) *hamnestv1.SearchResponse {
		t.Helper()
		resp, err := h.searches.Search(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	t.Run("by vector finds the vector itself, with what was asked for and a receipt", func(t *testing.T) {
		req := byVector()
		req.WithVector, req.WithMetadata = true, true
		resp := search(t, req)
		best := resp.GetHits()[0]
		if len(resp.GetHits()) != 5 || best.GetId() != records[9].ID || math.Abs(float64(best.GetScore())-1) > 1e-5 ||
			best.GetMetadata() != string(records[9].Metadata) || len(best.GetVector().GetFloat32Le()) != 4*testDims {
			t.Errorf("best of %d hits is %v", len(resp.GetHits()), best)
		}
		r := resp.GetReceipt()
		if r.GetDims() != testDims || r.GetRescore() != hamnestv1.Rescore_RESCORE_VECTORS || r.GetRowsScanned() != 60 ||
			r.GetVectorsRead() == 0 || r.GetTotalTime().AsDuration() <= 0 || r.GetKernel() == "" {
			t.Errorf("receipt %v", r)
		}
	})
	t.Run("by numbers finds the same as by bytes", func(t *testing.T) {
		req := byVector()
		req.Query = &hamnestv1.SearchRequest_Vector{Vector: &hamnestv1.Vector{Values: records[9].Vector}}
		if got, want := hitIDs(search(t, req)), hitIDs(search(t, byVector())); !slices.Equal(got, want) {
			t.Errorf("hits %q, want %q", got, want)
		}
	})
	t.Run("by id leaves the vector itself out", func(t *testing.T) {
		want := hitIDs(search(t, byVector()))[1:]
		got := hitIDs(search(t, &hamnestv1.SearchRequest{Collection: "docs", K: 4, Query: &hamnestv1.SearchRequest_Id{Id: records[9].ID}}))
		if !slices.Equal(got, want) {
			t.Errorf("hits %q, want %q", got, want)
		}
	})
	t.Run("pages give what one search gives", func(t *testing.T) {
		all := byVector()
		all.K, all.Exact = 60, true
		want := hitIDs(search(t, all))
		req := byVector()
		req.K, req.Exact = 7, true
		var got []string
		for {
			resp := search(t, req)
			got = append(got, hitIDs(resp)...)
			if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages give %q, want %q", got, want)
		}
	})
	t.Run("min_score leaves out what scores less", func(t *testing.T) {
		least := float32(0.99)
		req := byVector()
		req.MinScore = &least
		if got := hitIDs(search(t, req)); !slices.Equal(got, []string{records[9].ID}) {
			t.Errorf("hits %q, want the vector itself alone", got)
		}
	})
	t.Run("of a prefix, the answer is about that", func(t *testing.T) {
		req := byVector()
		req.Query = &hamnestv1.SearchRequest_Vector{Vector: packed(records[9].Vector[:64]...)}
		resp := search(t, req)
		if best := resp.GetHits()[0]; best.GetId() != records[9].ID || math.Abs(float64(best.GetScore())-1) > 1e-5 || resp.GetReceipt().GetDims() != 64 {
			t.Errorf("best hit %v, receipt %v, want the vector itself at 1 by 64 dims", best, resp.GetReceipt())
		}
	})
	t.Run("the stage at which to end is passed on", func(t *testing.T) {
		req := byVector()
		req.Rescore = hamnestv1.Rescore_RESCORE_NONE
		r := search(t, req).GetReceipt()
		if r.GetRescore() != hamnestv1.Rescore_RESCORE_NONE || r.GetVectorsRead() != 0 {
			t.Errorf("receipt %v, want no rescoring", r)
		}
	})
	t.Run("dims, the target recall and the bound are passed on", func(t *testing.T) {
		vectors := h.learned(t, "learned")
		req := byVector()
		req.Collection, req.Query = "learned", &hamnestv1.SearchRequest_Vector{Vector: packed(vectors[9].Vector...)}
		r := search(t, req).GetReceipt()
		if r.GetTargetRecall() != index.DefaultTargetRecall || r.GetBound() != 0 || r.GetExpectedRecall() < index.DefaultTargetRecall ||
			r.GetPasses() < 1 || r.GetRefined() == 0 || r.GetExact() {
			t.Errorf("receipt %v, want the defaults", r)
		}
		req.TargetRecall, req.Dims = new(.9), 64
		if r := search(t, req).GetReceipt(); r.GetTargetRecall() != .9 || r.GetDims() != 64 || r.GetExpectedRecall() < .9 {
			t.Errorf("receipt %v, want a target recall of 0.9 by 64 dims", r)
		}
		req.TargetRecall, req.Bound = nil, new(0.5)
		if r := search(t, req).GetReceipt(); r.GetBound() != .5 || r.GetTargetRecall() != 0 {
			t.Errorf("receipt %v, want a bound of 0.5", r)
		}
		req.TargetRecall = new(.9)
		_, err := h.searches.Search(t.Context(), req)
		wantFields(t, err, "bound")
		req.Bound, req.TargetRecall = nil, new(1.0)
		if r := search(t, req).GetReceipt(); !r.GetExact() || r.GetVectorsRead() != learnedRows {
			t.Errorf("receipt %v, want all vectors compared", r)
		}
	})
	t.Run("an id that is not there is NOT_FOUND", func(t *testing.T) {
		_, err := h.searches.Search(t.Context(), &hamnestv1.SearchRequest{Collection: "docs", K: 1, Query: &hamnestv1.SearchRequest_Id{Id: "none"}})
		wantResource(t, err, codes.NotFound, "hamnest.v1.VectorRecord", "none")
	})
}

func TestSearchRefusals(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 10)
	nan := slices.Clone(records[0].Vector)
	nan[5] = float32(math.NaN())
	nanScore := float32(math.NaN())
	for _, tt := range []struct {
		name   string
		change func(*hamnestv1.SearchRequest)
		field  string
	}{
		{"no k", func(r *hamnestv1.SearchRequest) { r.K = 0 }, "k"},
		{"no query", func(r *hamnestv1.SearchRequest) { r.Query = nil }, "query"},
		{"a vector without components", func(r *hamnestv1.SearchRequest) {
			r.Query = &hamnestv1.SearchRequest_Vector{Vector: &hamnestv1.Vector{}}
		}, "vector"},
		{"a vector of the wrong size", func(r *hamnestv1.SearchRequest) {
			r.Query = &hamnestv1.SearchRequest_Vector{Vector: packed(1, 2, 3)}
		}, "vector"},
		{"a vector with NaN", func(r *hamnestv1.SearchRequest) {
			r.Query = &hamnestv1.SearchRequest_Vector{Vector: packed(nan...)}
		}, "vector"},
		{"half a component", func(r *hamnestv1.SearchRequest) {
			r.Query = &hamnestv1.SearchRequest_Vector{Vector: &hamnestv1.Vector{Float32Le: make([]byte, 510)}}
		}, "vector"},
		{"dims between the steps", func(r *hamnestv1.SearchRequest) { r.Dims = 65 }, "dims"},
		{"more dims than the query has", func(r *hamnestv1.SearchRequest) { r.Dims = 192 }, "dims"},
		{"huge dims", func(r *hamnestv1.SearchRequest) { r.Dims = math.MaxUint32 }, "dims"},
		{"fewer candidates than k", func(r *hamnestv1.SearchRequest) {
			r.FirstStage = &hamnestv1.SearchRequest_Candidates{Candidates: 4}
		}, "candidates"},
		{"oversampling that is not a number", func(r *hamnestv1.SearchRequest) {
			r.FirstStage = &hamnestv1.SearchRequest_Oversampling{Oversampling: math.NaN()}
		}, "oversampling"},
		{"oversampling without end", func(r *hamnestv1.SearchRequest) {
			r.FirstStage = &hamnestv1.SearchRequest_Oversampling{Oversampling: math.Inf(1)}
		}, "oversampling"},
		{"oversampling below 1", func(r *hamnestv1.SearchRequest) {
			r.FirstStage = &hamnestv1.SearchRequest_Oversampling{Oversampling: -3}
		}, "oversampling"},
		{"a recall of 0", func(r *hamnestv1.SearchRequest) { r.TargetRecall = new(float64) }, "target_recall"},
		{"a recall below 0", func(r *hamnestv1.SearchRequest) { r.TargetRecall = new(-.5) }, "target_recall"},
		{"a recall of more than all", func(r *hamnestv1.SearchRequest) { r.TargetRecall = new(1.01) }, "target_recall"},
		{"a recall that is not a number", func(r *hamnestv1.SearchRequest) { r.TargetRecall = new(math.NaN()) }, "target_recall"},
		{"a recall where no error is known", func(r *hamnestv1.SearchRequest) { r.TargetRecall = new(.9) }, "target_recall"},
		{"a bound of 0", func(r *hamnestv1.SearchRequest) { r.Bound = new(float64) }, "bound"},
		{"a bound below 0", func(r *hamnestv1.SearchRequest) { r.Bound = new(math.Inf(-1)) }, "bound"},
		{"a bound that is not a number", func(r *hamnestv1.SearchRequest) { r.Bound = new(math.NaN()) }, "bound"},
		{"a bound without end", func(r *hamnestv1.SearchRequest) { r.Bound = new(math.Inf(1)) }, "bound"},
		{"a bound where no error is known", func(r *hamnestv1.SearchRequest) { r.Bound = new(2.0) }, "target_recall"},
		{"exact with a target recall", func(r *hamnestv1.SearchRequest) { r.Exact, r.TargetRecall = true, new(.9) }, "exact"},
		{"exact with a bound", func(r *hamnestv1.SearchRequest) { r.Exact, r.Bound = true, new(2.0) }, "exact"},
		{"a number that is no way to rescore", func(r *hamnestv1.SearchRequest) { r.Rescore = 77 }, "rescore"},
		{"exact with candidates", func(r *hamnestv1.SearchRequest) {
			r.Exact = true
			r.FirstStage = &hamnestv1.SearchRequest_Candidates{Candidates: 40}
		}, "exact"},
		{"a least score that is not a number", func(r *hamnestv1.SearchRequest) { r.MinScore = &nanScore }, "min_score"},
		{"a page token of something else", func(r *hamnestv1.SearchRequest) { r.PageToken = collectionsAfter.token("docs") }, "page_token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := func() *hamnestv1.SearchRequest {
				return &hamnestv1.SearchRequest{
					Collection: "docs", K: 5, Query: &hamnestv1.SearchRequest_Vector{Vector: packed(records[0].Vector...)},
				}
			}
			bad := request()
			tt.change(bad)
			_, err := h.searches.Search(t.Context(), bad)
			wantFields(t, err, tt.field)

			_, err = h.searches.BatchSearch(t.Context(), &hamnestv1.BatchSearchRequest{
				Collection: "docs", Requests: []*hamnestv1.SearchRequest{request(), bad, request(), bad},
			})
			wantFields(t, err, "requests[1]."+tt.field, "requests[3]."+tt.field)
		})
	}
}

func TestBatchSearch(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 30)
	byID := func(id, collection string) *hamnestv1.SearchRequest {
		return &hamnestv1.SearchRequest{Collection: collection, K: 3, Query: &hamnestv1.SearchRequest_Id{Id: id}}
	}
	t.Run("answers in the order asked, as Search does", func(t *testing.T) {
		req := &hamnestv1.BatchSearchRequest{Collection: "docs"}
		for i := range 10 {
			req.Requests = append(req.Requests, byID(records[29-i].ID, []string{"", "docs"}[i%2]))
		}
		resp, err := h.searches.BatchSearch(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.GetResponses()) != 10 {
			t.Fatalf("%d answers, want 10", len(resp.GetResponses()))
		}
		for i, got := range resp.GetResponses() {
			want, err := h.searches.Search(t.Context(), byID(records[29-i].ID, "docs"))
			if err != nil || !slices.Equal(hitIDs(got), hitIDs(want)) {
				t.Errorf("answer %d: %q, want %q, %v", i, hitIDs(got), hitIDs(want), err)
			}
		}
	})
	t.Run("refuses an empty batch", func(t *testing.T) {
		_, err := h.searches.BatchSearch(t.Context(), &hamnestv1.BatchSearchRequest{Collection: "docs"})
		wantFields(t, err, "requests")
	})
	t.Run("refuses a search of another collection", func(t *testing.T) {
		h.collection(t, "other")
		_, err := h.searches.BatchSearch(t.Context(), &hamnestv1.BatchSearchRequest{
			Collection: "docs", Requests: []*hamnestv1.SearchRequest{byID("id-0000", "docs"), byID("id-0000", "other"), nil},
		})
		wantFields(t, err, "requests[1].collection", "requests[2].query")
	})
	t.Run("names the stored vector that is not there", func(t *testing.T) {
		_, err := h.searches.BatchSearch(t.Context(), &hamnestv1.BatchSearchRequest{
			Collection: "docs", Requests: []*hamnestv1.SearchRequest{byID("id-0000", ""), byID("none", ""), byID("id-0001", "")},
		})
		wantResource(t, err, codes.NotFound, "hamnest.v1.VectorRecord", "none")
	})
}
