package server

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// vectorService stores, reads and removes vectors. Its Ingest is in ingest.go.
type vectorService struct {
	hamnestv1.UnimplementedVectorServiceServer
	engine
	stopping <-chan struct{}
	streams  *sync.WaitGroup
}

func (s *vectorService) UpsertVectors(ctx context.Context, req *hamnestv1.UpsertVectorsRequest) (*hamnestv1.UpsertVectorsResponse, error) {
	if err := checkBatch("vectors", limitBatchVectors, len(req.GetVectors()), s.opts.MaxBatchVectors); err != nil {
		return nil, err
	}
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	records := make([]index.Record, len(req.GetVectors()))
	// A vector that does not convert goes on as none, which every collection
	// refuses: so the engine's answer names all bad vectors, and only the reason
	// is known better here.
	unconverted := map[string]error{}
	for i, r := range req.GetVectors() {
		if records[i], err = recordFromProto(r); err != nil {
			unconverted[fmt.Sprintf("vectors[%d].vector", i)] = err
		}
	}
	if err := c.Upsert(ctx, records); err != nil {
		if refused, ok := asError[*index.InvalidError](err); ok {
			for i, v := range refused.Violations {
				if reason, ok := unconverted[v.Field]; ok {
					refused.Violations[i].Reason = reason.Error()
				}
			}
		}
		return nil, err
	}
	return &hamnestv1.UpsertVectorsResponse{UpsertedCount: uint64(len(records))}, nil
}

func (s *vectorService) GetVectors(ctx context.Context, req *hamnestv1.GetVectorsRequest) (*hamnestv1.GetVectorsResponse, error) {
	if err := checkBatch("ids", limitBatchVectors, len(req.GetIds()), s.opts.MaxBatchVectors); err != nil {
		return nil, err
	}
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	if req.GetWithVector() {
		asked := uint64(len(req.GetIds())) * uint64(float32Bytes*c.Info().Dims)
		if err := s.checkAnswer("ids", asked); err != nil {
			return nil, err
		}
	}
	resp, size := new(hamnestv1.GetVectorsResponse), uint64(0)
	for ids := range slices.Chunk(req.GetIds(), getChunk) {
		found, missing, err := c.Get(ctx, ids, req.GetWithVector(), req.GetWithMetadata())
		if err != nil {
			return nil, err
		}
		for i := range found {
			size += uint64(len(found[i].ID) + float32Bytes*len(found[i].Vector) + len(found[i].Metadata))
		}
		if err := s.checkAnswer("ids", size); err != nil {
			return nil, err
		}
		resp.Vectors = append(resp.Vectors, recordsToProto(found)...)
		resp.MissingIds = append(resp.MissingIds, missing...)
	}
	return resp, nil
}

// getChunk is how many vectors are read before their size is looked at: what a
// request asks for can be far more than a message holds.
const getChunk = 64

func (s *vectorService) DeleteVectors(ctx context.Context, req *hamnestv1.DeleteVectorsRequest) (*hamnestv1.DeleteVectorsResponse, error) {
	if err := checkBatch("ids", limitBatchVectors, len(req.GetIds()), s.opts.MaxBatchVectors); err != nil {
		return nil, err
	}
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	removed, err := c.Remove(ctx, req.GetIds())
	if err != nil {
		return nil, err
	}
	return &hamnestv1.DeleteVectorsResponse{DeletedCount: uint64(removed)}, nil
}

func (s *vectorService) ListVectors(ctx context.Context, req *hamnestv1.ListVectorsRequest) (*hamnestv1.ListVectorsResponse, error) {
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	rows := s.pageRows(pageSize(req.GetPageSize()), c.Info().Dims, req.GetWithVector(), req.GetWithMetadata())
	page, next, err := c.List(ctx, rows, req.GetPageToken(), req.GetWithVector(), req.GetWithMetadata())
	if err != nil {
		return nil, err
	}
	return &hamnestv1.ListVectorsResponse{Vectors: recordsToProto(page), NextPageToken: next}, nil
}

func (s *vectorService) CountVectors(_ context.Context, req *hamnestv1.CountVectorsRequest) (*hamnestv1.CountVectorsResponse, error) {
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	return &hamnestv1.CountVectorsResponse{Count: c.Count()}, nil
}
