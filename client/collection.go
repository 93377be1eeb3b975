package client

import (
	"context"
	"iter"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// CreateCollection makes an empty collection and describes it: see api.Engine.
func (c *Client) CreateCollection(ctx context.Context, spec api.Spec) (api.Info, error) {
	var bad convert.Violations
	message := convert.SpecToProto(&bad, spec)
	if err := refused(bad); err != nil {
		return api.Info{}, err
	}
	resp, err := c.collections.CreateCollection(ctx, &hamnestv1.CreateCollectionRequest{Collection: message})
	return described(resp.GetCollection(), err)
}

// GetCollection describes a collection: see api.Engine.
func (c *Client) GetCollection(ctx context.Context, name string) (api.Info, error) {
	if err := checkText("name", name); err != nil {
		return api.Info{}, err
	}
	resp, err := c.collections.GetCollection(ctx, &hamnestv1.GetCollectionRequest{Name: name})
	return described(resp.GetCollection(), err)
}

// Collections lists all collections by name: see api.Engine.
func (c *Client) Collections(ctx context.Context) iter.Seq2[api.Info, error] {
	return api.Pages(func(token string) ([]api.Info, string, error) {
		resp, err := c.collections.ListCollections(ctx, &hamnestv1.ListCollectionsRequest{PageToken: token})
		if err != nil {
			return nil, "", fromGRPC(err)
		}
		page := make([]api.Info, len(resp.GetCollections()))
		for i, message := range resp.GetCollections() {
			if page[i], err = convert.InfoFromProto(message); err != nil {
				return nil, "", err
			}
		}
		return page, resp.GetNextPageToken(), nil
	})
}

// SetLabels replaces a collection's labels: see api.Engine.
func (c *Client) SetLabels(ctx context.Context, name string, labels map[string]string) (api.Info, error) {
	var bad convert.Violations
	message := convert.LabelsToProto(&bad, name, labels)
	if err := refused(bad); err != nil {
		return api.Info{}, err
	}
	return c.update(ctx, message, "labels")
}

// UpdateCollection changes how a collection keeps its vectors: see api.Engine.
func (c *Client) UpdateCollection(ctx context.Context, name string, change api.Change) (api.Info, error) {
	var bad convert.Violations
	message, paths := convert.ChangeToProto(&bad, name, change)
	if err := refused(bad); err != nil {
		return api.Info{}, err
	}
	if len(paths) == 0 { // an empty mask means labels
		return c.GetCollection(ctx, name)
	}
	return c.update(ctx, message, paths...)
}

// update replaces the fields at paths.
func (c *Client) update(ctx context.Context, message *hamnestv1.Collection, paths ...string) (api.Info, error) {
	resp, err := c.collections.UpdateCollection(ctx, &hamnestv1.UpdateCollectionRequest{Collection: message, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
	return described(resp.GetCollection(), err)
}

// Compact gives the space of replaced and deleted vectors back: see api.Engine.
func (c *Client) Compact(ctx context.Context, name string) (api.RewriteStats, error) {
	if err := checkText("name", name); err != nil {
		return api.RewriteStats{}, err
	}
	resp, err := c.collections.CompactCollection(ctx, &hamnestv1.CompactCollectionRequest{Name: name})
	if err != nil {
		return api.RewriteStats{}, fromGRPC(err)
	}
	return convert.RewriteFromProto(resp.GetRewrite())
}

// RenameCollection gives a collection another name: see api.Engine.
func (c *Client) RenameCollection(ctx context.Context, name, newName string) (api.Info, error) {
	var bad convert.Violations
	req := &hamnestv1.RenameCollectionRequest{Name: bad.Text("name", name), NewName: bad.Text("new_name", newName)}
	if err := refused(bad); err != nil {
		return api.Info{}, err
	}
	resp, err := c.collections.RenameCollection(ctx, req)
	return described(resp.GetCollection(), err)
}

// DeleteCollection drops a collection and everything in it: see api.Engine.
func (c *Client) DeleteCollection(ctx context.Context, name string) error {
	if err := checkText("name", name); err != nil {
		return err
	}
	_, err := c.collections.DeleteCollection(ctx, &hamnestv1.DeleteCollectionRequest{Name: name})
	return fromGRPC(err)
}

// Stats measures a collection: see api.Engine.
func (c *Client) Stats(ctx context.Context, name string) (api.Stats, error) {
	if err := checkText("name", name); err != nil {
		return api.Stats{}, err
	}
	resp, err := c.collections.GetCollectionStats(ctx, &hamnestv1.GetCollectionStatsRequest{Name: name})
	if err != nil {
		return api.Stats{}, fromGRPC(err)
	}
	return convert.StatsFromProto(resp.GetStats())
}

// described returns the collection in an answer, or the error that came instead.
func described(message *hamnestv1.Collection, err error) (api.Info, error) {
	if err != nil {
		return api.Info{}, fromGRPC(err)
	}
	return convert.InfoFromProto(message)
}
