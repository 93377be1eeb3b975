package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// searchService finds the vectors most like a query.
type searchService struct {
	hamnestv1.UnimplementedSearchServiceServer
	engine
	stopping <-chan struct{}
	streams  *sync.WaitGroup
	// fail is Server.fail, for the searches of a stream: interceptors see only its end.
	fail func(ctx context.Context, method string, err error) error
}

func (s *searchService) Search(ctx context.Context, req *hamnestv1.SearchRequest) (*hamnestv1.SearchResponse, error) {
	if err := s.checkSearch("", req); err != nil {
		return nil, err
	}
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	if err := s.checkAnswer("k", hitBytes(c, req)); err != nil {
		return nil, err
	}
	var bad violations
	query := queryFromProto("", c.Info().Ladder, req, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	query.Budget = s.budget()
	result, err := c.Search(ctx, query)
	if err != nil {
		return nil, s.overBudget("k", about(err, vectorResource, query.ID))
	}
	return resultToProto(result), nil
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
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	var asked uint64
	for _, search := range req.GetRequests() {
		asked += hitBytes(c, search)
	}
	if err := s.checkAnswer("requests", asked); err != nil {
		return nil, err
	}
	var bad violations
	queries := make([]index.Query, len(req.GetRequests()))
	ladder := c.Info().Ladder
	budget := s.budget() // one for all: they share a message
	for i, search := range req.GetRequests() {
		if name := search.GetCollection(); name != "" && name != req.GetCollection() {
			bad.add(inBatch(i)+"collection", "is %q, want %q or none", name, req.GetCollection())
		}
		queries[i] = queryFromProto(inBatch(i), ladder, search, &bad)
		queries[i].Budget = budget
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	results, err := c.BatchSearch(ctx, queries)
	if errors.Is(err, index.ErrNotFound) {
		return nil, aboutMissing(ctx, c, queries, err)
	}
	if err != nil {
		return nil, s.overBudget("requests", err)
	}
	resp := &hamnestv1.BatchSearchResponse{Responses: make([]*hamnestv1.SearchResponse, len(results))}
	for i, result := range results {
		resp.Responses[i] = resultToProto(result)
	}
	return resp, nil
}

// aboutMissing attaches to a batch's not-found error the stored vector that it is
// about: the first that is still missing.
func aboutMissing(ctx context.Context, c *index.Collection, queries []index.Query, err error) error {
	var ids []string
	for _, q := range queries {
		if q.ID != "" {
			ids = append(ids, q.ID)
		}
	}
	_, missing, getErr := c.Get(ctx, ids, index.ReadOptions{})
	if getErr != nil || len(missing) == 0 {
		return err
	}
	return about(err, vectorResource, missing[0])
}

// inBatch is the path of the i-th search of a batch, to be followed by a field.
func inBatch(i int) string { return fmt.Sprintf("requests[%d].", i) }
