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
	// RescoreNone ends after the scan; scores are estimates from the first Dims
	// bits.
	RescoreNone Rescore = "none"
	// RescoreCodes ranks the candidates by their whole codes and ends; scores are
	// estimates from all bits and the scalars beside them.
	RescoreCodes Rescore = "codes"
	// RescoreVectors scores the candidates against the stored vectors; scores are
	// exact.
	RescoreVectors Rescore = "vectors"
)

// SearchRequest is one query and how hard to look. K and one of Vector, ID and Code are
// required; the zero value of every other field is a sensible default.
type SearchRequest struct {
	// Vector is what to search for: as many components as the collection has
	// dimensions, or as one of its ladder steps; then only that many dimensions
	// are looked at, and scores are those of the prefixes.
	Vector []float32
	// ID searches for a stored vector instead and leaves it out of the answer.
	// ErrNotFound when it is not there.
	ID string
	// Code searches for the nearest codes to this one instead, of as many dimensions as
	// Vector may have. It has no vector to score by: scores are those that signs suggest,
	// the search ends at the codes by default, and RescoreVectors, Exact and Bound are
	// refused.
	Code *Code
	// K is how many hits to return.
	K int
	// Dims is how many leading dimensions the scan looks at, at most the query's own:
	// under Plain a ladder step or a multiple of 64, otherwise the end of a block,
	// see Profile. With Exact, how many are compared. 0: all.
	Dims int
	// ScanBits is the form of the query in the scan: 1 for its signs, 4 for its
	// magnitudes too, which finds far more of the right rows for little more time.
	// 0: 4, or for a Code 1.
	ScanBits int
	// Candidates is how many rows the scan keeps, at least K. 0: by Oversampling,
	// or if that is 0 too, 40 a hit, at least 100 and at most 10000.
	Candidates int
	// Oversampling gives Candidates as a multiple of K, at least 1. Not with
	// Candidates.
	Oversampling float64
	// RefineBits is the form of the query in which the candidates' whole codes are
	// compared with it: 4, or 32 for its floats. 0: 4.
	RefineBits int
	// RescoreCandidates is how many candidates the whole codes let through to the
	// stored vectors at most, K to Candidates. 0: by RescoreOversampling, or if that
	// is 0 too, all.
	RescoreCandidates int
	// RescoreOversampling gives RescoreCandidates as a multiple of K, at least 1. Not
	// with RescoreCandidates.
	RescoreOversampling float64
	// Bound ends the reading of stored vectors as soon as each one left would have to
	// score better than its whole code suggests by more than Bound standard
	// deviations of the estimate's error to become a hit. Larger is safer and reads
	// more. math.Inf(1): never, which is also what profiles that do not rotate do,
	// and all that they allow. 0: 2.
	Bound float64
	// Rescore is the stage at which the search ends. Empty: RescoreVectors, or
	// RescoreCodes where no vectors are stored or for a Code.
	Rescore Rescore
	// TargetRecall is the share of the right hits to find in the mean, above 0 and at
	// most 1: the cheapest settings that Calibrate measured to find as many take the place
	// of those of all stages, and of Dims when it is 0. ErrUncalibrated when nothing was
	// measured that reaches it.
	TargetRecall float64
	// Exact compares the query with every stored vector instead. Every setting of a
	// stage but Dims must then be unset.
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
	// Dims is how many dimensions the scan looked at, Rescore the stage at which
	// the search ended, and Exact whether every stored vector was compared.
	Dims    int
	Rescore Rescore
	Exact   bool
	// ScanBits and RefineBits are the forms of the query, 0 where no codes, or no
	// whole codes, were compared. Bound ended the reading of vectors, 0 when nothing
	// but RescoreCandidates did.
	ScanBits, RefineBits int
	Bound                float64
	// Kernel is the scan kernel used, ProfileFingerprint the encoder state.
	Kernel, ProfileFingerprint string

	// RowsScanned rows were compared by their codes (or, Exact, by their
	// vectors); the scan kept Candidates of them, and the whole codes let
	// RescoreCandidates through. VectorsRead of those had been read when Bound said
	// that none of the others can be a hit.
	RowsScanned                   uint64
	Candidates, RescoreCandidates int
	// CodeBytesRead are bytes of codes and of the scalars beside them,
	// VectorBytesRead of stored vectors.
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
