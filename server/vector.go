package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
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
	from, err := parseIDsToken(req.GetPageToken(), len(req.GetIds()))
	if err != nil {
		return nil, err
	}
	resp := new(hamnestv1.GetVectorsResponse)
	rest, page := req.GetIds()[from:], s.newPage("ids", c.Dims, opts)
	for ids := range slices.Chunk(rest, page.chunk) {
		found, missing, err := s.engine.Get(ctx, c.Name, ids, opts)
		if err != nil {
			return nil, err
		}
		takes, err := page.takes(found, missing)
		if err != nil {
			return nil, err
		}
		if !takes {
			resp.NextPageToken = idsFrom.token(strconv.Itoa(from))
			return resp, nil
		}
		from += len(ids)
		resp.Vectors = append(resp.Vectors, convert.StoredToProto(found, c.Dims, req.GetWithCode())...)
		resp.MissingIds = append(resp.MissingIds, missing...)
	}
	return resp, nil
}

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
	resp, page := &hamnestv1.ListVectorsResponse{NextPageToken: req.GetPageToken()}, s.newPage("page_size", c.Dims, opts)
	for wanted := pageSize(req.GetPageSize()); wanted > 0; {
		rows, next, err := s.engine.ListPage(ctx, c.Name, min(wanted, page.chunk), resp.NextPageToken, opts)
		if err != nil {
			return nil, err
		}
		takes, err := page.takes(rows, nil)
		if err != nil {
			return nil, err
		}
		if !takes {
			break
		}
		resp.Vectors = append(resp.Vectors, convert.StoredToProto(rows, c.Dims, req.GetWithCode())...)
		resp.NextPageToken = next
		if wanted -= len(rows); next == "" {
			break
		}
	}
	return resp, nil
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
