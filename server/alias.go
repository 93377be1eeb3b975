package server

import (
	"context"
	"errors"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// aliasService gives collections further names.
type aliasService struct {
	hamnestv1.UnimplementedAliasServiceServer
	service
}

func (s *aliasService) SetAlias(ctx context.Context, req *hamnestv1.SetAliasRequest) (*hamnestv1.SetAliasResponse, error) {
	wanted := convert.AliasFromProto(req.GetAlias())
	if req.GetAlias() == nil {
		return nil, invalid("alias", "is missing")
	}
	if wanted.Collection == "" {
		return nil, missingName("alias.collection")
	}
	set, err := s.engine.SetAlias(ctx, wanted.Name, wanted.Collection)
	switch {
	case errors.Is(err, api.ErrExists): // a collection has the name
		return nil, about(err, collectionResource, wanted.Name)
	case err != nil:
		return nil, about(inField("alias.", err), collectionResource, wanted.Collection)
	}
	var none convert.Violations // an engine describes what there is
	return &hamnestv1.SetAliasResponse{Alias: convert.AliasToProto(&none, set)}, nil
}

func (s *aliasService) ListAliases(ctx context.Context, req *hamnestv1.ListAliasesRequest) (*hamnestv1.ListAliasesResponse, error) {
	after, err := aliasesAfter.parse(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	var none convert.Violations
	size, resp := pageSize(req.GetPageSize()), &hamnestv1.ListAliasesResponse{}
	for alias, err := range s.engine.Aliases(ctx) {
		switch {
		case err != nil:
			return nil, err
		case alias.Name <= after:
			continue
		case len(resp.Aliases) == size:
			resp.NextPageToken = aliasesAfter.token(resp.Aliases[size-1].GetName())
			return resp, nil
		}
		resp.Aliases = append(resp.Aliases, convert.AliasToProto(&none, alias))
	}
	return resp, nil
}

func (s *aliasService) DeleteAlias(ctx context.Context, req *hamnestv1.DeleteAliasRequest) (*hamnestv1.DeleteAliasResponse, error) {
	if req.GetName() == "" {
		return nil, invalid("name", "is empty, want an alias")
	}
	if err := s.engine.DeleteAlias(ctx, req.GetName()); err != nil {
		return nil, about(err, aliasResource, req.GetName())
	}
	return &hamnestv1.DeleteAliasResponse{}, nil
}
