package client

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// Rescore says at which stage a search ends.
type Rescore string

const (
	// RescoreNone ends after the scan; scores are estimates from the dimensions that it
	// looked at.
	RescoreNone Rescore = "none"
	// RescoreCodes ranks the candidates by their whole codes and ends; scores are
	// estimates from those.
	RescoreCodes Rescore = "codes"
	// RescoreVectors scores the candidates against the stored vectors; scores are
	// exact.
	RescoreVectors Rescore = "vectors"
)

// SearchRequest is one query and how hard to look. K and one of Vector, ID and Code are
// required; the zero value of every other field gives the best answer that the server can.
type SearchRequest struct {
	// Vector is what to search for: as many components as the collection has
	// dimensions, or as one of its ladder steps; then the answer is about that prefix,
	// and scores are those of the prefixes.
	Vector []float32
	// ID searches for a stored vector instead and leaves it out of the answer.
	// ErrNotFound when it is not there.
	ID string
	// Code searches for the nearest codes to this one instead, of as many dimensions as
	// Vector may have, in a collection of Signs. It has no vector to score by: scores are
	// those that signs suggest, the search ends at the codes, and RescoreVectors, Exact,
	// Bound and TargetRecall are refused.
	Code *Code
	// K is how many hits to return.
	K int
	// Dims is how many leading dimensions the scan looks at, at most: a ladder step or a
	// multiple of 64, not above the query's own. Fewer are scanned faster; more rows are
	// looked at again then, for TargetRecall holds. With Exact, how many are compared. 0:
	// what the server finds best.
	Dims int
	// Candidates is how many rows the scan keeps at first, at least K. It looks for more by
	// itself where TargetRecall asks for it, but not under Signs. 0: by Oversampling, or if
	// that is 0 too, 40 a hit, at least 100 and at most 10000.
	Candidates int
	// Oversampling gives Candidates as a multiple of K, at least 1. Not with
	// Candidates.
	Oversampling float64
	// TargetRecall is the share of the right hits to find in the mean, above 0 and at
	// most 1: vectors are read until no more than the rest can be expected to be missed. 1
	// is the same as Exact. 0: 0.995. Not with Exact, a Code, or under Signs, which knows
	// nothing of its errors.
	TargetRecall float64
	// Bound takes the place of TargetRecall for those who know what they do: a vector is
	// read when its score may be so many standard deviations better than its code says. 0:
	// TargetRecall decides.
	Bound float64
	// Rescore is the stage at which the search ends. Empty: RescoreVectors, or
	// RescoreCodes where no vectors are stored or for a Code.
	Rescore Rescore
	// Exact compares the query with every stored vector instead. TargetRecall and every
	// setting of a stage but Dims must then be unset.
	Exact bool
	// MinScore, unless nil, leaves out hits that score less.
	MinScore *float32
	// PageToken is NextPageToken of the answer before, to the same request; the
	// hits continue after its last.
	PageToken string
	// WithVector and WithMetadata ask for more than id and score.
	WithVector, WithMetadata bool
}

// SearchResult is the answer to one SearchRequest.
type SearchResult struct {
	// Hits, best first: by Score descending, then ID ascending.
	Hits []Hit
	// NextPageToken continues after the last hit; empty when nothing follows.
	NextPageToken string
	// Receipt says what was done to get the answer.
	Receipt Receipt
}

// Hit is one result of a search.
type Hit struct {
	ID string
	// Score is the similarity on the metric's scale; larger is better.
	Score float32
	// Vector and Metadata are set when they were asked for.
	Vector   []float32
	Metadata []byte
}

// Receipt says what one search did: settings used, work done, time spent.
type Receipt struct {
	// Dims is how many dimensions the scan looked at, Rescore the stage at which the
	// search ended, and Exact whether every stored vector was compared: because it was
	// asked for, or because that was found to be cheaper.
	Dims    int
	Rescore Rescore
	Exact   bool
	// TargetRecall and Bound are those in force, 0 where they decided nothing.
	TargetRecall, Bound float64
	// ExpectedRecall is the share of the right hits that can be expected to be found, by
	// what the hits say of those that may have been missed: 1 when all rows were compared,
	// 0 where nothing is known.
	ExpectedRecall float64
	// Kernel is the scan kernel used, ProfileFingerprint the encoder state.
	Kernel, ProfileFingerprint string

	// RowsScanned rows were compared by their codes (or, Exact, by their vectors), in
	// Passes passes; Candidates of them were kept, and Refined of those compared by their
	// whole codes.
	RowsScanned                 uint64
	Passes, Candidates, Refined int
	// CodeBytesRead are bytes of codes; VectorsRead and VectorBytesRead are of stored
	// vectors.
	CodeBytesRead, VectorsRead, VectorBytesRead uint64

	// Scan, Refine and RescoreTime are the time in each stage; Total is the time
	// in the engine, look-ups included.
	Scan, Refine, RescoreTime, Total time.Duration
}

// Search finds the K vectors of a collection most like the query. ErrNotFound,
// ErrInvalid, ErrLimit.
func (c *Client) Search(ctx context.Context, collection string, search SearchRequest) (*SearchResult, error) {
	var req request
	message := searchToProto(&req, "", search)
	message.Collection = req.text("collection", collection)
	if err := req.err(); err != nil {
		return nil, err
	}
	resp, err := c.searches.Search(ctx, message)
	if err != nil {
		return nil, fromGRPC(err)
	}
	return resultFromProto(resp), nil
}

// BatchSearch answers several searches of one collection, in their order, and
// faster than one by one. One malformed search refuses all; the ErrInvalid names
// it as requests[i].
func (c *Client) BatchSearch(ctx context.Context, collection string, searches []SearchRequest) ([]*SearchResult, error) {
	var req request
	message := &hamnestv1.BatchSearchRequest{Collection: req.text("collection", collection)}
	for i, search := range searches {
		message.Requests = append(message.Requests, searchToProto(&req, fmt.Sprintf("requests[%d].", i), search))
	}
	if err := req.err(); err != nil {
		return nil, err
	}
	resp, err := c.searches.BatchSearch(ctx, message)
	if err != nil {
		return nil, fromGRPC(err)
	}
	if len(resp.GetResponses()) != len(searches) {
		return nil, &Error{
			Code:    codes.Internal,
			Message: fmt.Sprintf("the server answered %d of %d searches", len(resp.GetResponses()), len(searches)),
		}
	}
	return mapSlice(resp.GetResponses(), resultFromProto), nil
}
