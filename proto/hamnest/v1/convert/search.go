package convert

import (
	"math"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// QueryToProto returns q as a request without a collection. path is the request's own, such as
// "requests[3].", or empty for a single search.
func QueryToProto(bad *Violations, path string, q api.Query) *hamnestv1.SearchRequest {
	message := &hamnestv1.SearchRequest{
		K:            bad.Uint32(path+"k", q.K),
		Dims:         bad.Uint32(path+"dims", q.Dims),
		Rescore:      toNumber(bad, path+"rescore", rescores, q.Rescore),
		Exact:        q.Exact,
		Filter:       bad.Text(path+"filter", q.Filter),
		MinScore:     q.MinScore,
		PageToken:    bad.Text(path+"page_token", q.PageToken),
		WithVector:   q.WithVector,
		WithMetadata: q.WithMetadata,
	}
	given := 0
	if len(q.Vector) > 0 {
		given++
		message.Query = &hamnestv1.SearchRequest_Vector{Vector: VectorToProto(q.Vector)}
	}
	if q.ID != "" {
		given++
		message.Query = &hamnestv1.SearchRequest_Id{Id: bad.Text(path+"id", q.ID)}
	}
	if len(q.Code) > 0 {
		given++
		message.Query = &hamnestv1.SearchRequest_Code{Code: CodeToProto(q.Code)}
	}
	if given != 1 {
		bad.Add(path+"vector", "exactly one of vector, id and code must be given")
	}
	switch {
	case q.Candidates != 0 && q.Oversampling != 0:
		bad.Add(path+"oversampling", "set together with candidates")
	case q.Candidates != 0:
		message.FirstStage = &hamnestv1.SearchRequest_Candidates{Candidates: bad.Uint32(path+"candidates", q.Candidates)}
	case q.Oversampling != 0:
		message.FirstStage = &hamnestv1.SearchRequest_Oversampling{Oversampling: q.Oversampling}
	}
	if q.TargetRecall != 0 {
		message.TargetRecall = &q.TargetRecall
	}
	if q.Bound != 0 {
		message.Bound = &q.Bound
	}
	return message
}

// QueryFromProto returns req as a query of a collection with that ladder. path is as in
// QueryToProto.
func QueryFromProto(bad *Violations, path string, ladder []int, req *hamnestv1.SearchRequest) api.Query {
	q := api.Query{
		K:            int(req.GetK()),
		Dims:         int(req.GetDims()),
		TargetRecall: req.GetTargetRecall(),
		Bound:        req.GetBound(),
		Rescore:      fromNumber(bad, path+"rescore", rescores, req.GetRescore()),
		Exact:        req.GetExact(),
		Filter:       req.GetFilter(),
		MinScore:     req.MinScore,
		PageToken:    req.GetPageToken(),
		WithVector:   req.GetWithVector(),
		WithMetadata: req.GetWithMetadata(),
	}
	var err error
	switch query := req.GetQuery().(type) {
	case *hamnestv1.SearchRequest_Vector:
		if q.Vector, err = VectorFromProto(query.Vector); err != nil {
			bad.Add(path+"vector", "%v", err)
		}
	case *hamnestv1.SearchRequest_Id:
		if q.ID = query.Id; q.ID == "" {
			bad.Add(path+"id", "is empty, want the id of a stored vector")
		}
	case *hamnestv1.SearchRequest_Code:
		if q.Code, err = CodeFromProto(query.Code, ladder); err != nil {
			bad.Add(path+"code", "%v", err)
		}
	default:
		bad.Add(path+"query", "is missing, want vector, id or code")
	}
	// An explicit zero is not unset: the engine would use its default, which the caller did not
	// ask for.
	switch stage := req.GetFirstStage().(type) {
	case *hamnestv1.SearchRequest_Candidates:
		if q.Candidates = int(stage.Candidates); q.Candidates == 0 {
			bad.Add(path+"candidates", "is 0, want at least k")
		}
	case *hamnestv1.SearchRequest_Oversampling:
		if q.Oversampling = stage.Oversampling; q.Oversampling == 0 {
			bad.Add(path+"oversampling", "is 0, want at least 1")
		}
	}
	if req.Bound != nil && q.Bound == 0 || math.IsInf(q.Bound, 1) {
		bad.Add(path+"bound", "is %v, want a finite number above 0", q.Bound)
	}
	if req.TargetRecall != nil && q.TargetRecall == 0 {
		bad.Add(path+"target_recall", "is 0, want more than 0 and at most 1")
	}
	return q
}

// ResultToProto returns an answer.
func ResultToProto(r *api.Result) *hamnestv1.SearchResponse {
	return &hamnestv1.SearchResponse{
		Hits: mapSlice(r.Hits, func(h api.Hit) *hamnestv1.Hit {
			return &hamnestv1.Hit{Id: h.ID, Score: h.Score, Vector: VectorToProto(h.Vector), Metadata: string(h.Metadata)}
		}),
		NextPageToken: r.NextPageToken,
		Receipt:       receiptToProto(r.Receipt),
	}
}

// ResultFromProto returns an answer. A stage that only a newer server knows is RescoreAuto.
func ResultFromProto(r *hamnestv1.SearchResponse) *api.Result {
	return &api.Result{
		Hits: mapSlice(r.GetHits(), func(h *hamnestv1.Hit) api.Hit {
			vector, _ := VectorFromProto(h.GetVector()) // none if none was requested
			return api.Hit{ID: h.GetId(), Score: h.GetScore(), Vector: vector, Metadata: metadataFromProto(h.GetMetadata())}
		}),
		NextPageToken: r.GetNextPageToken(),
		Receipt:       receiptFromProto(r.GetReceipt()),
	}
}

func receiptToProto(r api.Receipt) *hamnestv1.Receipt {
	var none Violations
	return &hamnestv1.Receipt{
		Dims:               uint32(r.Dims),
		TargetRecall:       r.TargetRecall,
		Bound:              r.Bound,
		ExpectedRecall:     r.ExpectedRecall,
		Rescore:            toNumber(&none, "", rescores, r.Rescore),
		Exact:              r.Exact,
		Plan:               toNumber(&none, "", plans, r.Plan),
		AllowedRows:        r.AllowedRows,
		RowsScanned:        r.RowsScanned,
		Passes:             uint32(r.Passes),
		CodeBytesRead:      r.CodeBytesRead,
		Candidates:         uint32(r.Candidates),
		Refined:            uint32(r.Refined),
		VectorsRead:        r.VectorsRead,
		VectorBytesRead:    r.VectorBytesRead,
		FilterTime:         durationpb.New(r.FilterTime),
		ScanTime:           durationpb.New(r.Scan),
		RefineTime:         durationpb.New(r.Refine),
		RescoreTime:        durationpb.New(r.RescoreTime),
		TotalTime:          durationpb.New(r.Total),
		Kernel:             r.Kernel,
		ProfileFingerprint: r.ProfileFingerprint,
	}
}

func receiptFromProto(r *hamnestv1.Receipt) api.Receipt {
	return api.Receipt{
		Dims:               int(r.GetDims()),
		TargetRecall:       r.GetTargetRecall(),
		Bound:              r.GetBound(),
		ExpectedRecall:     r.GetExpectedRecall(),
		Rescore:            rescores[r.GetRescore()],
		Exact:              r.GetExact(),
		Plan:               plans[r.GetPlan()],
		AllowedRows:        r.GetAllowedRows(),
		RowsScanned:        r.GetRowsScanned(),
		Passes:             int(r.GetPasses()),
		CodeBytesRead:      r.GetCodeBytesRead(),
		Candidates:         int(r.GetCandidates()),
		Refined:            int(r.GetRefined()),
		VectorsRead:        r.GetVectorsRead(),
		VectorBytesRead:    r.GetVectorBytesRead(),
		FilterTime:         r.GetFilterTime().AsDuration(),
		Scan:               r.GetScanTime().AsDuration(),
		Refine:             r.GetRefineTime().AsDuration(),
		RescoreTime:        r.GetRescoreTime().AsDuration(),
		Total:              r.GetTotalTime().AsDuration(),
		Kernel:             r.GetKernel(),
		ProfileFingerprint: r.GetProfileFingerprint(),
	}
}
