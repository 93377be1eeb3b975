package server

import (
	"context"
	"errors"
	"math"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// Limits are checked before anything is converted, so that a request that asks for too much
// costs no more than its own bytes.

// The names in an api.LimitError of the fields of Options.
const (
	limitMessageBytes  = "max_message_bytes"
	limitK             = "max_k"
	limitCandidates    = "max_candidates"
	limitBatchSearches = "max_batch_searches"
	limitBatchVectors  = "max_batch_vectors"
	limitDims          = "max_dims"
)

// checkMax returns an *api.LimitError if found is above the limit.
func checkMax(field, what, limit string, found uint64, most int) error {
	if found > uint64(most) {
		return &api.LimitError{Limit: limit, Field: field, Max: uint64(most), Found: found, What: what}
	}
	return nil
}

// checkBatch returns nil if a repeated field has 1 to most elements.
func checkBatch(field, limit string, found, most int) error {
	if found == 0 {
		return invalid(field, "is empty, want 1 to %d", most)
	}
	return checkMax(field, "holds", limit, uint64(found), most)
}

// checkSearch checks what one search asks for. path is its own, such as "requests[3].", or
// empty for a single search.
func (e *service) checkSearch(path string, req *hamnestv1.SearchRequest) error {
	if err := checkMax(path+"k", "is", limitK, uint64(req.GetK()), e.opts.MaxK); err != nil {
		return err
	}
	switch stage := req.GetFirstStage().(type) {
	case *hamnestv1.SearchRequest_Candidates:
		return checkMax(path+"candidates", "is", limitCandidates, uint64(stage.Candidates), e.opts.MaxCandidates)
	case *hamnestv1.SearchRequest_Oversampling:
		return e.checkOversampling(path+"oversampling", stage.Oversampling, req.GetK())
	}
	return nil
}

// checkOversampling checks the number of candidates that a multiple of k gives. Whether it is a
// number at all is for the engine to say.
func (e *service) checkOversampling(field string, multiple float64, k uint32) error {
	wanted := math.Ceil(multiple * float64(k))
	if !(wanted > float64(e.opts.MaxCandidates)) || math.IsInf(multiple, 0) { // not: NaN too
		return nil
	}
	return checkMax(field, "times k is", limitCandidates, uint64(min(wanted, 1<<62)), e.opts.MaxCandidates)
}

// Sizes on the wire, to find answers that are certain to be too large before they are made, and
// pages that are certain to fit.
const (
	// pageBytes is what a page of records takes at most: gRPC's clients accept 4 MiB unless they
	// are told otherwise.
	pageBytes = 4<<20 - 64<<10
	// chunkRows is the most records that are read before their size is looked at.
	chunkRows = 64
	// minHitBytes is a hit with the shortest id: two bytes of framing, three of
	// id, five of score.
	minHitBytes = 10
	// maxIDBytes is the longest id that vector.proto allows.
	maxIDBytes = 512
	// recordFraming is every tag and length of a record.
	recordFraming = 64
	// maxMetadataBytes is the most metadata that vector.proto allows.
	maxMetadataBytes = 65536
	float32Bytes     = 4
)

// hitBytes returns the least size of a hit of a search, in a collection of dims dimensions.
func hitBytes(dims int, req *hamnestv1.SearchRequest) uint64 {
	size := minHitBytes
	if req.GetWithVector() {
		size += float32Bytes * dims
	}
	return uint64(size)
}

// checkHits refuses searches of a collection if their hits take more bytes, in all, than a
// message holds when min_score lets all of them through.
func (e *service) checkHits(ctx context.Context, field string, c api.Info, searches ...*hamnestv1.SearchRequest) error {
	var asked uint64
	for _, search := range searches {
		asked += uint64(search.GetK()) * hitBytes(c.Dims, search)
	}
	if asked <= uint64(e.opts.MaxMessageBytes) {
		return nil
	}
	count, err := e.engine.Count(ctx, c.Name, "") // there are no more hits than vectors
	if err != nil {
		return err
	}
	asked = 0
	for _, search := range searches {
		asked += min(uint64(search.GetK()), count) * hitBytes(c.Dims, search)
	}
	return e.checkAnswer(field, asked)
}

// checkAnswer refuses a request for more bytes, in all, than a message holds.
func (e *service) checkAnswer(field string, asked uint64) error {
	return checkMax(field, "the bytes asked for are", limitMessageBytes, asked, e.opts.MaxMessageBytes)
}

// budget is what the answer to one request may hold.
func (e *service) budget() *api.Budget { return api.NewBudget(int64(e.opts.MaxMessageBytes)) }

// overBudget names the limit in an error that says that a budget was used up.
func (e *service) overBudget(field string, err error) error {
	if errors.Is(err, api.ErrTooLarge) {
		most := e.opts.MaxMessageBytes
		return checkMax(field, "the bytes asked for are at least", limitMessageBytes, uint64(most)+1, most)
	}
	return err
}

// payloadBytes is the size of the vector and the code of a record, as far as opts asks for
// them.
func payloadBytes(dims int, opts api.ReadOptions) int {
	size := 0
	if opts.WithVector {
		size += float32Bytes * dims
	}
	if opts.WithCode {
		size += code.Bytes(dims)
	}
	return size
}

// The sizes of a page of a list.
const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

// pageSize returns the number of elements on a page, given a request's page_size.
func pageSize(requested uint32) int {
	if requested == 0 {
		return defaultPageSize
	}
	return int(min(requested, maxPageSize))
}
