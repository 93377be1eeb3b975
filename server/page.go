package server

import (
	"strconv"

	"github.com/hamnest/hamnest/index/api"
)

// page is an answer of records under way, which takes them a chunk at a time while there is room.
type page struct {
	chunk int    // records to read at a time: as many as fit, whatever they are, or one
	each  int    // bytes of a record but for its id and metadata
	room  int    // bytes left
	most  int    // bytes of a message
	field string // of the request, that a record is too large for
	begun bool
}

// newPage returns a page of records of dims dimensions.
func (e *service) newPage(field string, dims int, opts api.ReadOptions) *page {
	most := e.opts.MaxMessageBytes
	p := &page{each: recordFraming + payloadBytes(dims, opts), room: min(pageBytes, most), most: most, field: field}
	largest := p.each + maxIDBytes
	if opts.WithMetadata {
		largest += maxMetadataBytes
	}
	p.chunk = max(1, min(chunkRows, p.room/largest))
	return p
}

// takes reports whether a chunk has room in the page, which then has it. The first has, unless a
// message cannot hold it: that is the error.
func (p *page) takes(found []api.Record, missing []string) (bool, error) {
	size := 0
	for i := range found {
		size += p.each + len(found[i].ID) + len(found[i].Metadata)
	}
	for _, id := range missing {
		size += recordFraming + len(id)
	}
	switch {
	case p.begun && size > p.room:
		return false, nil
	case !p.begun && size > p.most:
		return false, checkMax(p.field, "the bytes asked for are", limitMessageBytes, uint64(size), p.most)
	}
	p.begun = true
	p.room -= size
	return true, nil
}

// idsFrom are the page tokens of GetVectors: the index of the id with which a page begins.
const idsFrom nameTokens = "ids from "

// parseIDsToken returns the index in a page token, of a request with so many ids; of the empty
// token, 0.
func parseIDsToken(token string, ids int) (int, error) {
	number, err := idsFrom.parse(token)
	if number == "" {
		return 0, err
	}
	from, err := strconv.Atoi(number)
	if err != nil || from < 1 || from >= ids {
		return 0, invalid("page_token", "is not a token that GetVectors has returned for these ids")
	}
	return from, nil
}
