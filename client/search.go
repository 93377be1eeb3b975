package client

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// Search finds the K vectors of a collection most like the query: see api.Engine.
func (c *Client) Search(ctx context.Context, collection string, q api.Query) (*api.Result, error) {
	var bad convert.Violations
	message := convert.QueryToProto(&bad, "", q)
	message.Collection = bad.Text("collection", collection)
	if err := refused(bad); err != nil {
		return nil, err
	}
	resp, err := c.searches.Search(ctx, message)
	if err != nil {
		return nil, fromGRPC(err)
	}
	return convert.ResultFromProto(resp), nil
}

// BatchSearch answers several searches of one collection: see api.Engine.
func (c *Client) BatchSearch(ctx context.Context, collection string, queries []api.Query) ([]*api.Result, error) {
	var bad convert.Violations
	message := &hamnestv1.BatchSearchRequest{Collection: bad.Text("collection", collection)}
	for i, q := range queries {
		message.Requests = append(message.Requests, convert.QueryToProto(&bad, fmt.Sprintf("requests[%d].", i), q))
	}
	if err := refused(bad); err != nil {
		return nil, err
	}
	resp, err := c.searches.BatchSearch(ctx, message)
	if err != nil {
		return nil, fromGRPC(err)
	}
	if len(resp.GetResponses()) != len(queries) {
		return nil, &Error{
			Code:    codes.Internal,
			Message: fmt.Sprintf("the server answered %d of %d searches", len(resp.GetResponses()), len(queries)),
		}
	}
	results := make([]*api.Result, len(queries))
	for i, response := range resp.GetResponses() {
		results[i] = convert.ResultFromProto(response)
	}
	return results, nil
}
