package index

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
)

// cursor is where a page token says to go on: after the hit of that score and id.
type cursor struct {
	hash  uint64 // of the query
	seen  int    // hits on the pages before; 0: this is the first page
	score float64
	id    string
}

// MaxPageDepth is how many hits one can page through: every page ranks those of the
// pages before again.
const MaxPageDepth = 100_000

// A page token is version, hash of the query, seen, score, id.
const (
	cursorVersion = 3
	cursorHeader  = 1 + 8 + 4 + 8
)

// next returns the token of the page after the hit of that score and id, c being the page
// that ends there. Hits whose scores are shown alike may differ in the digits that are not.
func (c cursor) next(q Query, score float64, id string) string {
	b := []byte{cursorVersion}
	b = binary.BigEndian.AppendUint64(b, c.hash)
	b = binary.BigEndian.AppendUint32(b, uint32(c.seen+q.K))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(score))
	return base64.RawURLEncoding.EncodeToString(append(b, id...))
}

// parseCursor reads the page token of q, which must be one that next made for the
// same query, while the scores were those that c gives.
func (c *codec) parseCursor(q Query) (cursor, error) {
	hash := c.queryHash(q)
	if q.PageToken == "" {
		return cursor{hash: hash}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(q.PageToken)
	if err != nil || len(b) < cursorHeader || b[0] != cursorVersion {
		return cursor{}, invalid("page_token", "%.50q is not a token that a search has returned", q.PageToken)
	}
	if binary.BigEndian.Uint64(b[1:]) != hash {
		return cursor{}, invalid("page_token", "belongs to another search, or the collection was rewritten and scores otherwise: everything but the token must be as it was")
	}
	at := cursor{
		hash:  hash,
		seen:  int(binary.BigEndian.Uint32(b[9:])),
		score: math.Float64frombits(binary.BigEndian.Uint64(b[13:])),
		id:    string(b[cursorHeader:]),
	}
	if at.seen > MaxPageDepth-q.K {
		return cursor{}, invalid("page_token", "the page ends %d hits deep, want at most %d", at.seen+q.K, MaxPageDepth)
	}
	if at.seen < 1 || at.score != at.score {
		return cursor{}, invalid("page_token", "%.50q is not a token that a search has returned", q.PageToken)
	}
	return at, nil
}

// queryHash is over everything in q that settles the ranking, and what settles the
// scores: the stored vectors, and if they are estimates the codes.
func (c *codec) queryHash(q Query) uint64 {
	b := make([]byte, 0, 256+4*len(q.Vector)+8*len(q.Code))
	if !q.Exact && (q.Rescore == RescoreNone || q.Rescore == RescoreCodes || len(q.Code) > 0 || !c.keepsVectors()) {
		b = append(b, c.fingerprint...)
	}
	minScore := float32(math.Inf(-1))
	if q.MinScore != nil {
		minScore = *q.MinScore
	}
	b = fmt.Appendf(b, "%d %x %d %d %d %d %x %x %d %t %x %q", c.store, math.Float64bits(q.TargetRecall), len(q.Code), q.K, q.Dims, q.Candidates, math.Float64bits(q.Oversampling),
		math.Float64bits(q.Bound), q.Rescore, q.Exact, math.Float32bits(minScore), q.ID)
	b = floats.Append(b, q.Vector)
	return crc64.Checksum(code.AppendBytes(b, q.Code), hashTable)
}

var hashTable = crc64.MakeTable(crc64.ECMA)
