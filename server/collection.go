package server

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// collection returns the open collection of that name, which the request gave in
// field.
func (e *engine) collection(field, name string) (*index.Collection, error) {
	if name == "" {
		return nil, invalid(field, "is empty, want a collection's name")
	}
	c, err := e.db.Collection(name)
	return c, about(err, collectionResource, name)
}

// collectionService makes, describes and drops collections.
type collectionService struct {
	hamnestv1.UnimplementedCollectionServiceServer
	engine
}

func (s *collectionService) CreateCollection(ctx context.Context, req *hamnestv1.CreateCollectionRequest) (*hamnestv1.CreateCollectionResponse, error) {
	dims := uint64(req.GetCollection().GetDims())
	if err := checkMax("collection.dims", "is", limitDims, dims, s.opts.MaxDims); err != nil {
		return nil, err
	}
	spec, err := specFromProto(req.GetCollection())
	if err != nil {
		return nil, err
	}
	c, err := s.db.Create(ctx, spec)
	if err != nil {
		return nil, about(inCollection(err), collectionResource, spec.Name)
	}
	return &hamnestv1.CreateCollectionResponse{Collection: collectionToProto(c.Info())}, nil
}

func (s *collectionService) GetCollection(_ context.Context, req *hamnestv1.GetCollectionRequest) (*hamnestv1.GetCollectionResponse, error) {
	c, err := s.collection("name", req.GetName())
	if err != nil {
		return nil, err
	}
	return &hamnestv1.GetCollectionResponse{Collection: collectionToProto(c.Info())}, nil
}

func (s *collectionService) ListCollections(_ context.Context, req *hamnestv1.ListCollectionsRequest) (*hamnestv1.ListCollectionsResponse, error) {
	after, err := parseNameToken(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	names := s.db.Names()
	start, found := slices.BinarySearch(names, after)
	if found {
		start++
	}
	end := min(start+pageSize(req.GetPageSize()), len(names))

	resp := &hamnestv1.ListCollectionsResponse{}
	for _, name := range names[start:end] {
		c, err := s.db.Collection(name)
		if errors.Is(err, index.ErrNotFound) {
			continue // deleted since
		}
		if errors.Is(err, index.ErrClosed) {
			return nil, err
		}
		if err != nil {
			// A damaged collection must not hide the others. Its name is all that
			// is known of it; GetCollection says what is wrong.
			resp.Collections = append(resp.Collections, &hamnestv1.Collection{Name: name})
			continue
		}
		resp.Collections = append(resp.Collections, collectionToProto(c.Info()))
	}
	if end < len(names) {
		resp.NextPageToken = nameToken(names[end-1])
	}
	return resp, nil
}

func (s *collectionService) UpdateCollection(ctx context.Context, req *hamnestv1.UpdateCollectionRequest) (*hamnestv1.UpdateCollectionResponse, error) {
	if req.GetCollection() == nil {
		return nil, invalid("collection", "is missing")
	}
	paths := req.GetUpdateMask().GetPaths()
	for _, path := range paths {
		if path != "labels" && path != "profile" && path != "store" {
			return nil, invalid("update_mask", "names %q, want no fields but labels, profile and store", path)
		}
	}
	change, err := changeFromProto(req.GetCollection(), paths)
	if err != nil {
		return nil, err
	}
	c, err := s.collection("collection.name", req.GetCollection().GetName())
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 || slices.Contains(paths, "labels") {
		if err := c.SetLabels(ctx, req.GetCollection().GetLabels()); err != nil {
			return nil, about(inCollection(err), collectionResource, req.GetCollection().GetName())
		}
	}
	if change != (index.Change{}) {
		if err := c.Update(ctx, change); err != nil {
			return nil, about(inCollection(err), collectionResource, req.GetCollection().GetName())
		}
	}
	return &hamnestv1.UpdateCollectionResponse{Collection: collectionToProto(c.Info())}, nil
}

func (s *collectionService) DeleteCollection(ctx context.Context, req *hamnestv1.DeleteCollectionRequest) (*hamnestv1.DeleteCollectionResponse, error) {
	if req.GetName() == "" {
		return nil, invalid("name", "is empty, want a collection's name")
	}
	if err := s.db.Delete(ctx, req.GetName()); err != nil {
		return nil, about(err, collectionResource, req.GetName())
	}
	return &hamnestv1.DeleteCollectionResponse{}, nil
}

func (s *collectionService) GetCollectionStats(_ context.Context, req *hamnestv1.GetCollectionStatsRequest) (*hamnestv1.GetCollectionStatsResponse, error) {
	c, err := s.collection("name", req.GetName())
	if err != nil {
		return nil, err
	}
	stats, err := c.Stats()
	if err != nil {
		return nil, err
	}
	return &hamnestv1.GetCollectionStatsResponse{Stats: statsToProto(stats)}, nil
}

func (s *collectionService) Calibrate(ctx context.Context, req *hamnestv1.CalibrateRequest) (*hamnestv1.CalibrateResponse, error) {
	if err := checkMax("sample", "is", limitBatchVectors, uint64(req.GetSample()), s.opts.MaxBatchVectors); err != nil {
		return nil, err
	}
	c, err := s.collection("name", req.GetName())
	if err != nil {
		return nil, err
	}
	opts, err := calibrationFromProto(req)
	if err != nil {
		return nil, err
	}
	calibration, err := c.Calibrate(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &hamnestv1.CalibrateResponse{Calibration: calibrationToProto(calibration)}, nil
}

// inCollection puts "collection." before the fields of an engine's InvalidError:
// the engine names those of a Spec, the request holds them in a Collection.
func inCollection(err error) error {
	refused, ok := asError[*index.InvalidError](err)
	if !ok {
		return err
	}
	var bad violations
	for _, v := range refused.Violations {
		bad.add("collection."+v.Field, "%s", v.Reason)
	}
	return bad.err()
}

// nameTokenPrefix tells a page token of collections from any other.
const nameTokenPrefix = "collections after "

// nameToken is the token of the page that follows the named collection.
func nameToken(last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(nameTokenPrefix + last))
}

// parseNameToken returns the name in a page token; of the empty token, none.
func parseNameToken(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	name, ok := strings.CutPrefix(string(text), nameTokenPrefix)
	if err != nil || !ok || name == "" {
		return "", invalid("page_token", "is not a token of this list")
	}
	return name, nil
}
