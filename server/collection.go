package server

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// collection describes the collection of that name, which the request gave in field.
func (e *service) collection(ctx context.Context, field, name string) (api.Info, error) {
	if name == "" {
		return api.Info{}, missingName(field)
	}
	info, err := e.engine.GetCollection(ctx, name)
	return info, about(err, collectionResource, name)
}

func missingName(field string) error { return invalid(field, "is empty, want a collection's name") }

// collectionService makes, describes and drops collections.
type collectionService struct {
	hamnestv1.UnimplementedCollectionServiceServer
	service
}

func (s *collectionService) CreateCollection(ctx context.Context, req *hamnestv1.CreateCollectionRequest) (*hamnestv1.CreateCollectionResponse, error) {
	dims := uint64(req.GetCollection().GetDims())
	if err := checkMax("collection.dims", "is", limitDims, dims, s.opts.MaxDims); err != nil {
		return nil, err
	}
	if req.GetCollection() == nil {
		return nil, invalid("collection", "is missing")
	}
	var bad convert.Violations
	spec := convert.SpecFromProto(&bad, "collection.", req.GetCollection())
	if err := bad.Err(); err != nil {
		return nil, err
	}
	info, err := s.engine.CreateCollection(ctx, spec)
	if err != nil {
		return nil, about(inField("collection.", err), collectionResource, spec.Name)
	}
	return &hamnestv1.CreateCollectionResponse{Collection: convert.InfoToProto(info)}, nil
}

func (s *collectionService) GetCollection(ctx context.Context, req *hamnestv1.GetCollectionRequest) (*hamnestv1.GetCollectionResponse, error) {
	info, err := s.collection(ctx, "name", req.GetName())
	if err != nil {
		return nil, err
	}
	return &hamnestv1.GetCollectionResponse{Collection: convert.InfoToProto(info)}, nil
}

func (s *collectionService) ListCollections(ctx context.Context, req *hamnestv1.ListCollectionsRequest) (*hamnestv1.ListCollectionsResponse, error) {
	after, err := collectionsAfter.parse(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	size, resp := pageSize(req.GetPageSize()), &hamnestv1.ListCollectionsResponse{}
	for info, err := range s.engine.Collections(ctx) {
		switch {
		case err != nil:
			return nil, err
		case info.Name <= after:
			continue
		case len(resp.Collections) == size:
			resp.NextPageToken = collectionsAfter.token(resp.Collections[size-1].GetName())
			return resp, nil
		}
		resp.Collections = append(resp.Collections, convert.InfoToProto(info))
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
	var bad convert.Violations
	change := convert.ChangeFromProto(&bad, req.GetCollection(), paths)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	name := req.GetCollection().GetName()
	info, err := s.collection(ctx, "collection.name", name)
	if err == nil && (len(paths) == 0 || slices.Contains(paths, "labels")) {
		info, err = s.engine.SetLabels(ctx, name, req.GetCollection().GetLabels())
	}
	if err == nil && change != (api.Change{}) {
		info, err = s.engine.UpdateCollection(ctx, name, change)
	}
	if err != nil {
		return nil, about(inField("collection.", err), collectionResource, name)
	}
	return &hamnestv1.UpdateCollectionResponse{Collection: convert.InfoToProto(info)}, nil
}

func (s *collectionService) CompactCollection(ctx context.Context, req *hamnestv1.CompactCollectionRequest) (*hamnestv1.CompactCollectionResponse, error) {
	if req.GetName() == "" {
		return nil, missingName("name")
	}
	begun, err := s.engine.Compact(ctx, req.GetName())
	if err != nil {
		return nil, about(err, collectionResource, req.GetName())
	}
	return &hamnestv1.CompactCollectionResponse{Rewrite: convert.RewriteToProto(begun)}, nil
}

func (s *collectionService) RenameCollection(ctx context.Context, req *hamnestv1.RenameCollectionRequest) (*hamnestv1.RenameCollectionResponse, error) {
	if req.GetName() == "" {
		return nil, missingName("name")
	}
	info, err := s.engine.RenameCollection(ctx, req.GetName(), req.GetNewName())
	switch {
	case errors.Is(err, api.ErrExists):
		return nil, about(err, collectionResource, req.GetNewName())
	case err != nil:
		return nil, about(err, collectionResource, req.GetName())
	}
	return &hamnestv1.RenameCollectionResponse{Collection: convert.InfoToProto(info)}, nil
}

func (s *collectionService) DeleteCollection(ctx context.Context, req *hamnestv1.DeleteCollectionRequest) (*hamnestv1.DeleteCollectionResponse, error) {
	if req.GetName() == "" {
		return nil, missingName("name")
	}
	if err := s.engine.DeleteCollection(ctx, req.GetName()); err != nil {
		return nil, about(err, collectionResource, req.GetName())
	}
	return &hamnestv1.DeleteCollectionResponse{}, nil
}

func (s *collectionService) GetCollectionStats(ctx context.Context, req *hamnestv1.GetCollectionStatsRequest) (*hamnestv1.GetCollectionStatsResponse, error) {
	if req.GetName() == "" {
		return nil, missingName("name")
	}
	stats, err := s.engine.Stats(ctx, req.GetName())
	if err != nil {
		return nil, about(err, collectionResource, req.GetName())
	}
	return &hamnestv1.GetCollectionStatsResponse{Stats: convert.StatsToProto(stats)}, nil
}

func (s *collectionService) Calibrate(ctx context.Context, req *hamnestv1.CalibrateRequest) (*hamnestv1.CalibrateResponse, error) {
	if err := checkMax("sample", "is", limitBatchVectors, uint64(req.GetSample()), s.opts.MaxBatchVectors); err != nil {
		return nil, err
	}
	if req.GetName() == "" {
		return nil, missingName("name")
	}
	var bad convert.Violations
	opts := convert.CalibrateFromProto(&bad, req)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	calibration, err := s.engine.Calibrate(ctx, req.GetName(), opts)
	if err != nil {
		return nil, about(err, collectionResource, req.GetName())
	}
	return &hamnestv1.CalibrateResponse{Calibration: convert.CalibrationToProto(calibration)}, nil
}

// inField puts a path, such as "collection.", before the fields of an engine's InvalidError: the
// engine names the fields of a word such as Spec, which the request holds at that path.
func inField(path string, err error) error {
	refused, ok := asError[*api.InvalidError](err)
	if !ok {
		return err
	}
	var bad convert.Violations
	for _, v := range refused.Violations {
		field := v.Field
		if !strings.HasPrefix(field, path) {
			field = path + field
		}
		bad.Add(field, "%s", v.Reason)
	}
	return bad.Err()
}

// nameTokens makes the page tokens of a list in the order of names. Its text tells them from the
// tokens of any other list.
type nameTokens string

const (
	collectionsAfter nameTokens = "collections after "
	aliasesAfter     nameTokens = "aliases after "
)

// token returns the token of the page that follows the name last.
func (n nameTokens) token(last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string(n) + last))
}

// parse returns the name in a page token, or no name for the empty token.
func (n nameTokens) parse(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	name, ok := strings.CutPrefix(string(text), string(n))
	if err != nil || !ok || name == "" {
		return "", invalid("page_token", "is not a token of this list")
	}
	return name, nil
}
