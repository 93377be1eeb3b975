package index

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math"
	"reflect"
	"strconv"

	"github.com/hamnest/hamnest/index/scan"
)

// page is the part of an answer that a request wants, as its page token says.
type page struct {
	hash  uint64      // of the request
	seen  int         // hits on the pages before; 0: this is the first page
	after *scan.Place // where the page before ended, nil for the first
}

// MaxPageDepth is how many hits one can page through, because every page ranks those of the
// pages before again.
const MaxPageDepth = 100_000

// A page token is version, hash of the request, seen, score, id.
const (
	tokenVersion = 4
	tokenHeader  = 1 + 8 + 4 + 8
)

// next returns the token for the page after the hit of that score and id; p is the page that
// ends there. Scores that look alike may differ in the digits that are not shown.
func (p page) next(q Query, score float64, id string) string {
	b := []byte{tokenVersion}
	b = binary.BigEndian.AppendUint64(b, p.hash)
	b = binary.BigEndian.AppendUint32(b, uint32(p.seen+q.K))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(score))
	return base64.RawURLEncoding.EncodeToString(append(b, id...))
}

// parsePage reads the page token of q. next must have made it for the same request, and c must
// give the same scores as then.
func (c *codec) parsePage(q Query) (page, error) {
	hash := c.requestHash(q)
	if q.PageToken == "" {
		return page{hash: hash}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(q.PageToken)
	if err != nil || len(b) < tokenHeader || b[0] != tokenVersion {
		return page{}, invalid("page_token", "%.50q is not a token that a search has returned", q.PageToken)
	}
	if binary.BigEndian.Uint64(b[1:]) != hash {
		return page{}, invalid("page_token", "belongs to another search, or the collection was rewritten and scores differently: only the token may change")
	}
	after := scan.Place{Score: math.Float64frombits(binary.BigEndian.Uint64(b[13:])), ID: string(b[tokenHeader:])}
	at := page{hash: hash, seen: int(binary.BigEndian.Uint32(b[9:])), after: &after}
	if at.seen > MaxPageDepth-q.K {
		return page{}, invalid("page_token", "the page ends %d hits deep, want at most %d", at.seen+q.K, MaxPageDepth)
	}
	if at.seen < 1 || after.Score != after.Score {
		return page{}, invalid("page_token", "%.50q is not a token that a search has returned", q.PageToken)
	}
	return at, nil
}

// requestHash is over everything in q that shapes the answer, and everything that decides the
// scores: the stored vectors and, if scores are estimates, the codes.
func (c *codec) requestHash(q Query) uint64 {
	b := binary.AppendVarint(make([]byte, 0, 256+4*len(q.Vector)+8*len(q.Code)), int64(c.store))
	if !q.Exact && (q.Rescore == RescoreNone || q.Rescore == RescoreCodes || len(q.Code) > 0 || !c.keepsVectors()) {
		b = append(b, c.fingerprint...)
	}
	// What a hit is shown with may change from page to page, and so may all that costs nothing.
	q.PageToken, q.Budget, q.WithVector, q.WithMetadata = "", nil, false, false
	return crc64.Checksum(appendFields(b, reflect.ValueOf(q)), hashTable)
}

// appendFields appends the fields of a struct of numbers, texts, lists of numbers and pointers
// to numbers, each so that it cannot be mistaken for another. It panics on any other kind of
// field: whoever adds one must decide about it.
func appendFields(b []byte, s reflect.Value) []byte {
	for i := range s.NumField() {
		f := s.Field(i)
		if f.Kind() == reflect.Pointer && !f.IsNil() {
			b, f = append(b, 1), f.Elem()
		}
		switch f.Kind() {
		case reflect.Pointer:
			b = append(b, 0)
		case reflect.Bool:
			b = strconv.AppendBool(b, f.Bool())
		case reflect.String:
			b = append(binary.AppendUvarint(b, uint64(f.Len())), f.String()...)
		case reflect.Int:
			b = binary.AppendVarint(b, f.Int())
		case reflect.Uint8:
			b = binary.AppendUvarint(b, f.Uint())
		case reflect.Float32, reflect.Float64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f.Float()))
		case reflect.Slice:
			b = binary.AppendUvarint(b, uint64(f.Len()))
			var err error
			if b, err = binary.Append(b, binary.LittleEndian, f.Interface()); err != nil {
				panic(fmt.Sprintf("index: field %s of a request has no hash: %v", s.Type().Field(i).Name, err))
			}
		default:
			panic(fmt.Sprintf("index: field %s of a request, a %v, has no hash", s.Type().Field(i).Name, f.Type()))
		}
	}
	return b
}

var hashTable = crc64.MakeTable(crc64.ECMA)
