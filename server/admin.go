package server

import (
	"context"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// adminService is for operators.
type adminService struct {
	hamnestv1.UnimplementedAdminServiceServer
	service
}

func (s *adminService) Check(ctx context.Context, req *hamnestv1.CheckRequest) (*hamnestv1.CheckResponse, error) {
	if req.GetCollection() == "" {
		return nil, missingName("collection")
	}
	report, err := s.engine.Check(ctx, req.GetCollection())
	if err != nil {
		return nil, about(err, collectionResource, req.GetCollection())
	}
	return convert.CheckToProto(report), nil
}
