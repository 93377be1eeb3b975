package client

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// Dialect is the way in which the bits of a code are packed into bytes. In each, bit
// i is dimension i, 1 when its component is above 0, and the bits of the last byte that
// belong to no dimension are zero. Nothing in a code tells its dialect.
type Dialect string

const (
	// Numpy has the highest bit of a byte first, as numpy.packbits does: "ubinary" of
	// sentence-transformers and Cohere.
	Numpy Dialect = "numpy"
	// NumpySigned is Numpy with 128 subtracted from every byte, an int8: "binary" of
	// sentence-transformers and Cohere.
	NumpySigned Dialect = "numpy-signed"
	// PGVector is the payload of Postgres's bit(n), which pgvector indexes: as Numpy.
	PGVector Dialect = "pgvector"
	// Faiss has the lowest bit of a byte first: binary indexes of Faiss, sqlite-vec.
	Faiss Dialect = "faiss"
)

// Code is the packed code of a vector.
type Code struct {
	// Packed is one bit a dimension, (dims + 7) / 8 bytes.
	Packed []byte
	// Dialect says how.
	Dialect Dialect
}

// Record is one stored vector.
type Record struct {
	// ID is the user's key: 1 to 512 bytes of UTF-8.
	ID string
	// Vector has as many components as the collection has dimensions, all finite
	// and, under Cosine, not all zero.
	Vector []float32
	// Code is the signs of the vector, returned when asked for, whatever the profile. To
	// store a vector they need not be given, and must be its signs if they are. Without a
	// vector a code is stored as it is, which takes a collection of Signs under Cosine that
	// stores no vectors.
	Code *Code
	// Metadata is a JSON object of at most 65536 bytes, kept as it is, or empty.
	Metadata []byte
}

// ReadOptions says what of a record is read besides its ID.
type ReadOptions struct {
	WithVector, WithMetadata bool
	// WithCode is the dialect in which to return codes. Empty: not.
	WithCode Dialect
}

// Upsert stores records, replacing those whose ID is already there; of several
// with one ID the last wins. It stores all or none, and when it returns nil they
// are durable and visible to searches. ErrInvalid names the records that are bad.
// A server takes 10000 records a call by default: see Ingest for more.
func (c *Client) Upsert(ctx context.Context, collection string, records []Record) error {
	var req request
	message := &hamnestv1.UpsertVectorsRequest{Collection: req.text("collection", collection)}
	message.Vectors = make([]*hamnestv1.VectorRecord, len(records))
	for i, r := range records {
		if field, reason := badRecord(r); reason != "" {
			req.refuse(fmt.Sprintf("vectors[%d].%s", i, field), reason)
		}
		message.Vectors[i] = recordToProto(r)
	}
	if err := req.err(); err != nil {
		return err
	}
	_, err := c.vectors.UpsertVectors(ctx, message)
	return fromGRPC(err)
}

// Get reads records by ID. found are the records that are there, and missing the
// ids that are not, both in the order of ids.
func (c *Client) Get(ctx context.Context, collection string, ids []string, opts ReadOptions) (found []Record, missing []string, err error) {
	if err := cmp.Or(checkText("collection", collection), checkText("ids", ids...)); err != nil {
		return nil, nil, err
	}
	var req request
	message := &hamnestv1.GetVectorsRequest{
		Collection:   collection,
		Ids:          ids,
		WithVector:   opts.WithVector,
		WithMetadata: opts.WithMetadata,
		WithCode:     dialectToProto(&req, "with_code", opts.WithCode),
	}
	if err := req.err(); err != nil {
		return nil, nil, err
	}
	resp, err := c.vectors.GetVectors(ctx, message)
	if err != nil {
		return nil, nil, fromGRPC(err)
	}
	return mapSlice(resp.GetVectors(), recordFromProto), resp.GetMissingIds(), nil
}

// Delete removes records by ID and returns how many were there.
func (c *Client) Delete(ctx context.Context, collection string, ids []string) (int, error) {
	if err := cmp.Or(checkText("collection", collection), checkText("ids", ids...)); err != nil {
		return 0, err
	}
	resp, err := c.vectors.DeleteVectors(ctx, &hamnestv1.DeleteVectorsRequest{Collection: collection, Ids: ids})
	return int(resp.GetDeletedCount()), fromGRPC(err)
}

// List lists all records of a collection in the order in which they were stored,
// a page at a time. A record that does not change meanwhile is listed exactly
// once. An error is the last pair.
func (c *Client) List(ctx context.Context, collection string, opts ReadOptions) iter.Seq2[Record, error] {
	return pages(func(token string) ([]Record, string, error) {
		return c.ListPage(ctx, collection, 0, token, opts)
	})
}

// ListPage lists at most size records, or as many as the server sees fit when
// size is 0. token is what the page before returned as next, or empty for the
// first page; next is empty after the last.
func (c *Client) ListPage(ctx context.Context, collection string, size int, token string, opts ReadOptions) (page []Record, next string, err error) {
	var req request
	message := &hamnestv1.ListVectorsRequest{
		Collection:   req.text("collection", collection),
		PageSize:     req.uint32("page_size", size),
		PageToken:    req.text("page_token", token),
		WithVector:   opts.WithVector,
		WithMetadata: opts.WithMetadata,
		WithCode:     dialectToProto(&req, "with_code", opts.WithCode),
	}
	if err := req.err(); err != nil {
		return nil, "", err
	}
	resp, err := c.vectors.ListVectors(ctx, message)
	return mapSlice(resp.GetVectors(), recordFromProto), resp.GetNextPageToken(), fromGRPC(err)
}

// Count returns how many vectors a search of the collection can return.
func (c *Client) Count(ctx context.Context, collection string) (uint64, error) {
	if err := checkText("collection", collection); err != nil {
		return 0, err
	}
	resp, err := c.vectors.CountVectors(ctx, &hamnestv1.CountVectorsRequest{Collection: collection})
	return resp.GetCount(), fromGRPC(err)
}

// pages yields the elements of all pages that fetch returns.
func pages[T any](fetch func(token string) (page []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		token := ""
		for {
			page, next, err := fetch(token)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, element := range page {
				if !yield(element, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}
