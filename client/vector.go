package client

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// Upsert stores records, all or none: see api.Engine. By default a server takes 10000 records a
// call; for more see Ingest.
func (c *Client) Upsert(ctx context.Context, collection string, records []api.Record) error {
	var bad convert.Violations
	message := &hamnestv1.UpsertVectorsRequest{Collection: bad.Text("collection", collection)}
	message.Vectors = make([]*hamnestv1.VectorRecord, len(records))
	for i, r := range records {
		record, field, err := convert.RecordToProto(r)
		if err != nil {
			bad.Add(fmt.Sprintf("vectors[%d].%s", i, field), "%v", err)
		}
		message.Vectors[i] = record
	}
	if err := refused(bad); err != nil {
		return err
	}
	_, err := c.vectors.UpsertVectors(ctx, message)
	return fromGRPC(err)
}

// Get reads records by ID: see api.Engine.
func (c *Client) Get(ctx context.Context, collection string, ids []string, opts api.ReadOptions) (found []api.Record, missing []string, err error) {
	if err := cmp.Or(checkText("collection", collection), checkText("ids", ids...)); err != nil {
		return nil, nil, err
	}
	if opts.Filter != "" {
		var bad convert.Violations
		bad.Add("filter", "set for records that are read by id, want a list")
		return nil, nil, refused(bad)
	}
	message := &hamnestv1.GetVectorsRequest{
		Collection:   collection,
		Ids:          ids,
		WithVector:   opts.WithVector,
		WithMetadata: opts.WithMetadata,
		WithCode:     convert.DialectToProto(opts),
	}
	for {
		resp, err := c.vectors.GetVectors(ctx, message)
		if err != nil {
			return nil, nil, fromGRPC(err)
		}
		page, err := convert.StoredFromProto(resp.GetVectors())
		if err != nil {
			return nil, nil, err
		}
		found, missing = append(found, page...), append(missing, resp.GetMissingIds()...)
		if message.PageToken = resp.GetNextPageToken(); message.PageToken == "" {
			return found, missing, nil
		}
		if len(page)+len(resp.GetMissingIds()) == 0 { // it would go on for ever
			return nil, nil, &Error{Code: codes.Internal, Message: "the server's answer is an empty page with a token for the next"}
		}
	}
}

// Delete removes records by ID and returns how many were there: see api.Engine.
func (c *Client) Delete(ctx context.Context, collection string, ids []string) (int, error) {
	if err := cmp.Or(checkText("collection", collection), checkText("ids", ids...)); err != nil {
		return 0, err
	}
	resp, err := c.vectors.DeleteVectors(ctx, &hamnestv1.DeleteVectorsRequest{Collection: collection, Ids: ids})
	return int(resp.GetDeletedCount()), fromGRPC(err)
}

// DeleteWhere removes the records that match a filter and returns how many those were: see
// api.Engine. When it fails it returns 0, though some may be removed.
func (c *Client) DeleteWhere(ctx context.Context, collection string, filter string) (int, error) {
	if err := cmp.Or(checkText("collection", collection), checkText("filter", filter)); err != nil {
		return 0, err
	}
	if filter == "" { // on the wire that is none
		var bad convert.Violations
		bad.Add("filter", "is empty, want one that says what to delete")
		return 0, refused(bad)
	}
	resp, err := c.vectors.DeleteVectors(ctx, &hamnestv1.DeleteVectorsRequest{Collection: collection, Filter: filter})
	return int(resp.GetDeletedCount()), fromGRPC(err)
}

// ListPage lists records in the order in which they were stored: see api.Engine. api.List
// lists them all.
func (c *Client) ListPage(ctx context.Context, collection string, size int, token string, opts api.ReadOptions) (page []api.Record, next string, err error) {
	var bad convert.Violations
	message := &hamnestv1.ListVectorsRequest{
		Collection:   bad.Text("collection", collection),
		PageSize:     bad.Uint32("page_size", size),
		PageToken:    bad.Text("page_token", token),
		Filter:       bad.Text("filter", opts.Filter),
		WithVector:   opts.WithVector,
		WithMetadata: opts.WithMetadata,
		WithCode:     convert.DialectToProto(opts),
	}
	if err := refused(bad); err != nil {
		return nil, "", err
	}
	resp, err := c.vectors.ListVectors(ctx, message)
	if err != nil {
		return nil, "", fromGRPC(err)
	}
	page, err = convert.StoredFromProto(resp.GetVectors())
	return page, resp.GetNextPageToken(), err
}

// Count returns how many vectors of the collection a search with that filter can return.
func (c *Client) Count(ctx context.Context, collection string, filter string) (uint64, error) {
	if err := cmp.Or(checkText("collection", collection), checkText("filter", filter)); err != nil {
		return 0, err
	}
	resp, err := c.vectors.CountVectors(ctx, &hamnestv1.CountVectorsRequest{Collection: collection, Filter: filter})
	return resp.GetCount(), fromGRPC(err)
}
