package index

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
)

// cursor is where a page token says to go on: after the hit of that score and id.
type cursor struct {
	seen  int // hits on the pages before; 0: this is the first page
	score float32
	id    string
}

// MaxPageDepth is how many hits one can page through: every page ranks those of the
// pages before again.
const MaxPageDepth = 100_000

// A page token is version, hash of the query, seen, score, id.
const (
	cursorVersion = 1
	cursorHeader  = 1 + 8 + 4 + 4
)

// next returns the token of the page after last, c being the page that ends there.
func (c cursor) next(q Query, last Hit) string {
	b := []byte{cursorVersion}
	b = binary.BigEndian.AppendUint64(b, queryHash(q))
	b = binary.BigEndian.AppendUint32(b, uint32(c.seen+q.K))
	b = binary.BigEndian.AppendUint32(b, math.Float32bits(last.Score))
	return base64.RawURLEncoding.EncodeToString(append(b, last.ID...))
}

// parseCursor reads the page token of q, which must be one that next made for the
// same query.
func parseCursor(q Query) (cursor, error) {
	if q.PageToken == "" {
		return cursor{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(q.PageToken)
	if err != nil || len(b) < cursorHeader || b[0] != cursorVersion {
		return cursor{}, invalid("page_token", "%.50q is not a token that a search has returned", q.PageToken)
	}
	if binary.BigEndian.Uint64(b[1:]) != queryHash(q) {
		return cursor{}, invalid("page_token", "belongs to another search: everything but the token must be as it was")
	}
	c := cursor{
		seen:  int(binary.BigEndian.Uint32(b[9:])),
		score: math.Float32frombits(binary.BigEndian.Uint32(b[13:])),
		id:    string(b[cursorHeader:]),
	}
	if c.seen > MaxPageDepth-q.K {
		return cursor{}, invalid("page_token", "the page ends %d hits deep, want at most %d", c.seen+q.K, MaxPageDepth)
	}
	if c.seen < 1 || c.score != c.score {
		return cursor{}, invalid("page_token", "%.50q is not a token that a search has returned", q.PageToken)
	}
	return c, nil
}

// queryHash is over everything in q that settles the ranking.
func queryHash(q Query) uint64 {
	h := fnv.New64a()
	minScore := float32(math.Inf(-1))
	if q.MinScore != nil {
		minScore = *q.MinScore
	}
	h.Write(fmt.Appendf(nil, "%d %d %d %d %x %d %d %x %x %d %t %x %q", q.K, q.Dims, q.ScanBits, q.Candidates, math.Float64bits(q.Oversampling), q.RefineBits,
		q.RescoreCandidates, math.Float64bits(q.RescoreOversampling), math.Float64bits(q.Bound), q.Rescore, q.Exact, math.Float32bits(minScore), q.ID))
	var b [4]byte
	for _, x := range q.Vector {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(x))
		h.Write(b[:])
	}
	return h.Sum64()
}
