package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// searchService finds the vectors most like a query.
type searchService struct {
	hamnestv1.UnimplementedSearchServiceServer
	service
	stopping <-chan struct{}
	streams  *sync.WaitGroup
	// fail is Server.fail, for the searches of a stream: interceptors see only its end.
	fail func(ctx context.Context, method string, err error) error
}

func (s *searchService) Search(ctx context.Context, req *hamnestv1.SearchRequest) (*hamnestv1.SearchResponse, error) {
	if err := s.checkSearch("", req); err != nil {
		return nil, err
	}
	c, err := s.collection(ctx, "collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	if err := s.checkHits(ctx, "k", c, req); err != nil {
		return nil, err
	}
	var bad convert.Violations
	query := convert.QueryFromProto(&bad, "", c.Ladder, req)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	query.Budget = s.budget()
	result, err := s.engine.Search(ctx, c.Name, query)
	if err != nil {
		return nil, s.overBudget("k", about(err, vectorResource, query.ID))
	}
	return convert.ResultToProto(result), nil
}

func (s *searchService) BatchSearch(ctx context.Context, req *hamnestv1.BatchSearchRequest) (*hamnestv1.BatchSearchResponse, error) {
	if err := checkBatch("requests", limitBatchSearches, len(req.GetRequests()), s.opts.MaxBatchSearches); err != nil {
		return nil, err
	}
	for i, search := range req.GetRequests() {
		if err := s.checkSearch(inBatch(i), search); err != nil {
			return nil, err
		}
	}
	c, err := s.collection(ctx, "collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	if err := s.checkHits(ctx, "requests", c, req.GetRequests()...); err != nil {
		return nil, err
	}
	var bad convert.Violations
	queries := make([]api.Query, len(req.GetRequests()))
	budget := s.budget() // one for all, because they share a message
	for i, search := range req.GetRequests() {
		if name := search.GetCollection(); name != "" && name != req.GetCollection() {
			bad.Add(inBatch(i)+"collection", "is %q, want %q or none", name, req.GetCollection())
		}
		queries[i] = convert.QueryFromProto(&bad, inBatch(i), c.Ladder, search)
		queries[i].Budget = budget
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	results, err := s.engine.BatchSearch(ctx, c.Name, queries)
	if errors.Is(err, api.ErrNotFound) {
		return nil, s.aboutMissing(ctx, c.Name, queries, err)
	}
	if err != nil {
		return nil, s.overBudget("requests", err)
	}
	resp := &hamnestv1.BatchSearchResponse{Responses: make([]*hamnestv1.SearchResponse, len(results))}
	for i, result := range results {
		resp.Responses[i] = convert.ResultToProto(result)
	}
	return resp, nil
}

// aboutMissing attaches to a batch's not-found error the stored vector that it is about: the
// first that is still missing.
func (s *searchService) aboutMissing(ctx context.Context, name string, queries []api.Query, err error) error {
	var ids []string
	for _, q := range queries {
		if q.ID != "" {
			ids = append(ids, q.ID)
		}
	}
	_, missing, getErr := s.engine.Get(ctx, name, ids, api.ReadOptions{})
	if getErr != nil || len(missing) == 0 {
		return err
	}
	return about(err, vectorResource, missing[0])
}

// inBatch is the path of the i-th search of a batch, to be followed by a field.
func inBatch(i int) string { return fmt.Sprintf("requests[%d].", i) }
