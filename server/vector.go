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
	// A vector or code that does not convert goes on as no vector, which every
	// collection refuses: so the engine's answer names all bad ones, and only the field
	// and the reason are known better here.
	unconverted := map[string]index.Violation{}
	dims := c.Info().Dims
	for i, r := range req.GetVectors() {
		record, field, err := recordFromProto(r, dims)
		if err != nil {
			path := fmt.Sprintf("vectors[%d].", i)
			unconverted[path+"vector"] = index.Violation{Field: path + field, Reason: err.Error()}
			record.Vector, record.Code = nil, nil
		}
		records[i] = record
	}
	if err := c.Upsert(ctx, records); err != nil {
		if refused, ok := asError[*index.InvalidError](err); ok {
			for i, v := range refused.Violations {
				if known, ok := unconverted[v.Field]; ok {
					refused.Violations[i] = known
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
	opts, err := readOptions(req.GetWithVector(), req.GetWithCode(), req.GetWithMetadata())
	if err != nil {
		return nil, err
	}
	dims := c.Info().Dims
	if per := payloadBytes(dims, opts); per > 0 {
		asked := uint64(len(req.GetIds())) * uint64(per)
		if err := s.checkAnswer("ids", asked); err != nil {
			return nil, err
		}
	}
	resp, size := new(hamnestv1.GetVectorsResponse), uint64(0)
	for ids := range slices.Chunk(req.GetIds(), getChunk) {
		found, missing, err := c.Get(ctx, ids, opts)
		if err != nil {
			return nil, err
		}
		for i := range found {
			size += uint64(len(found[i].ID) + payloadBytes(dims, opts) + len(found[i].Metadata))
		}
		if err := s.checkAnswer("ids", size); err != nil {
			return nil, err
		}
		resp.Vectors = append(resp.Vectors, recordsToProto(found, dims, req.GetWithCode())...)
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
	opts, err := readOptions(req.GetWithVector(), req.GetWithCode(), req.GetWithMetadata())
	if err != nil {
		return nil, err
	}
	dims := c.Info().Dims
	rows := s.pageRows(pageSize(req.GetPageSize()), dims, opts)
	page, next, err := c.List(ctx, rows, req.GetPageToken(), opts)
	if err != nil {
		return nil, err
	}
	return &hamnestv1.ListVectorsResponse{Vectors: recordsToProto(page, dims, req.GetWithCode()), NextPageToken: next}, nil
}

func (s *vectorService) CountVectors(_ context.Context, req *hamnestv1.CountVectorsRequest) (*hamnestv1.CountVectorsResponse, error) {
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	return &hamnestv1.CountVectorsResponse{Count: c.Count()}, nil
}
