package client

import (
	"context"
	"iter"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// SetAlias makes name another name of a collection: see api.Engine.
func (c *Client) SetAlias(ctx context.Context, name, collection string) (api.Alias, error) {
	var bad convert.Violations
	message := convert.AliasToProto(&bad, api.Alias{Name: name, Collection: collection})
	if err := refused(bad); err != nil {
		return api.Alias{}, err
	}
	resp, err := c.aliases.SetAlias(ctx, &hamnestv1.SetAliasRequest{Alias: message})
	return convert.AliasFromProto(resp.GetAlias()), fromGRPC(err)
}

// Aliases lists all aliases by name: see api.Engine.
func (c *Client) Aliases(ctx context.Context) iter.Seq2[api.Alias, error] {
	return api.Pages(func(token string) ([]api.Alias, string, error) {
		resp, err := c.aliases.ListAliases(ctx, &hamnestv1.ListAliasesRequest{PageToken: token})
		if err != nil {
			return nil, "", fromGRPC(err)
		}
		page := make([]api.Alias, len(resp.GetAliases()))
		for i, message := range resp.GetAliases() {
			page[i] = convert.AliasFromProto(message)
		}
		return page, resp.GetNextPageToken(), nil
	})
}

// DeleteAlias removes an alias: see api.Engine.
func (c *Client) DeleteAlias(ctx context.Context, name string) error {
	if err := checkText("name", name); err != nil {
		return err
	}
	_, err := c.aliases.DeleteAlias(ctx, &hamnestv1.DeleteAliasRequest{Name: name})
	return fromGRPC(err)
}
