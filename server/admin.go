package server

import (
	"context"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// adminService is for operators.
type adminService struct {
	hamnestv1.UnimplementedAdminServiceServer
	engine
}

func (s *adminService) Check(ctx context.Context, req *hamnestv1.CheckRequest) (*hamnestv1.CheckResponse, error) {
	c, err := s.collection("collection", req.GetCollection())
	if err != nil {
		return nil, err
	}
	report, err := c.Check(ctx)
	if err != nil {
		return nil, err
	}
	return checkToProto(report), nil
}
