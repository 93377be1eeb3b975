package client

import (
	"context"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// Check makes the server read everything that a collection has on disk: see api.Engine.
func (c *Client) Check(ctx context.Context, collection string) (api.CheckReport, error) {
	if err := checkText("collection", collection); err != nil {
		return api.CheckReport{}, err
	}
	resp, err := c.admin.Check(ctx, &hamnestv1.CheckRequest{Collection: collection})
	return convert.CheckFromProto(resp), fromGRPC(err)
}
