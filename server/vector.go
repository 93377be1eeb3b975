package server

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// vectorService stores, reads and removes vectors. Its Ingest is in ingest.go.
type vectorService struct {
	hamnestv1.UnimplementedVectorServiceServer
	service
	stopping <-chan struct{}
	streams  *sync.WaitGroup
}

func (s *vectorService) UpsertVectors(ctx context.Context, req *hamnestv1.UpsertVectorsRequest) (*hamnestv1.UpsertVectorsResponse, error) {
	if err := checkBatch("vectors", limitBatchVectors, len(req.GetVectors()), s.opts.MaxBatchVectors); err != nil {
		return nil, err
	}
	c, err := s.collection(ctx, "collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	records := make([]api.Record, len(req.GetVectors()))
	// A vector or code that does not convert goes on as no vector, which every collection
	// refuses. So the engine's answer names all bad ones, and only the field and the reason are
	// known better here.
	unconverted := map[string]api.Violation{}
	for i, r := range req.GetVectors() {
		record, field, err := convert.RecordFromProto(r, c.Dims)
		if err != nil {
			path := fmt.Sprintf("vectors[%d].", i)
			unconverted[path+"vector"] = api.Violation{Field: path + field, Reason: err.Error()}
			record.Vector, record.Code = nil, nil
		}
		records[i] = record
	}
	if err := s.engine.Upsert(ctx, c.Name, records); err != nil {
		if refused, ok := asError[*api.InvalidError](err); ok {
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
	c, err := s.collection(ctx, "collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	var bad convert.Violations
	opts := convert.ReadOptionsFromProto(&bad, "", req.GetWithVector(), req.GetWithCode(), req.GetWithMetadata())
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if per := payloadBytes(c.Dims, opts); per > 0 {
		asked := uint64(len(req.GetIds())) * uint64(per)
		if err := s.checkAnswer("ids", asked); err != nil {
			return nil, err
		}
	}
	resp, size := new(hamnestv1.GetVectorsResponse), uint64(0)
	for ids := range slices.Chunk(req.GetIds(), getChunk) {
		found, missing, err := s.engine.Get(ctx, c.Name, ids, opts)
		if err != nil {
			return nil, err
		}
		for i := range found {
			size += uint64(len(found[i].ID) + payloadBytes(c.Dims, opts) + len(found[i].Metadata))
		}
		if err := s.checkAnswer("ids", size); err != nil {
			return nil, err
		}
		resp.Vectors = append(resp.Vectors, convert.StoredToProto(found, c.Dims, req.GetWithCode())...)
		resp.MissingIds = append(resp.MissingIds, missing...)
	}
	return resp, nil
}

// getChunk is how many vectors are read before their size is checked, because a request can ask
// for far more than a message holds.
const getChunk = 64

func (s *vectorService) DeleteVectors(ctx context.Context, req *hamnestv1.DeleteVectorsRequest) (*hamnestv1.DeleteVectorsResponse, error) {
	byFilter := req.GetFilter() != ""
	if byFilter && len(req.GetIds()) > 0 {
		return nil, invalid("filter", "set together with ids, want one of them")
	}
	if !byFilter {
		if err := checkBatch("ids", limitBatchVectors, len(req.GetIds()), s.opts.MaxBatchVectors); err != nil {
			return nil, err
		}
	}
	if req.GetCollection() == "" {
		return nil, missingName("collection")
	}
	var removed int
	var err error
	if byFilter {
		removed, err = s.engine.DeleteWhere(ctx, req.GetCollection(), req.GetFilter())
	} else {
		removed, err = s.engine.Delete(ctx, req.GetCollection(), req.GetIds())
	}
	if err != nil {
		return nil, about(err, collectionResource, req.GetCollection())
	}
	return &hamnestv1.DeleteVectorsResponse{DeletedCount: uint64(removed)}, nil
}

func (s *vectorService) ListVectors(ctx context.Context, req *hamnestv1.ListVectorsRequest) (*hamnestv1.ListVectorsResponse, error) {
	c, err := s.collection(ctx, "collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	var bad convert.Violations
	opts := convert.ReadOptionsFromProto(&bad, req.GetFilter(), req.GetWithVector(), req.GetWithCode(), req.GetWithMetadata())
	if err := bad.Err(); err != nil {
		return nil, err
	}
	rows := s.pageRows(pageSize(req.GetPageSize()), c.Dims, opts)
	page, next, err := s.engine.ListPage(ctx, c.Name, rows, req.GetPageToken(), opts)
	if err != nil {
		return nil, err
	}
	return &hamnestv1.ListVectorsResponse{Vectors: convert.StoredToProto(page, c.Dims, req.GetWithCode()), NextPageToken: next}, nil
}

func (s *vectorService) CountVectors(ctx context.Context, req *hamnestv1.CountVectorsRequest) (*hamnestv1.CountVectorsResponse, error) {
	if req.GetCollection() == "" {
		return nil, missingName("collection")
	}
	count, err := s.engine.Count(ctx, req.GetCollection(), req.GetFilter())
	if err != nil {
		return nil, about(err, collectionResource, req.GetCollection())
	}
	return &hamnestv1.CountVectorsResponse{Count: count}, nil
}
