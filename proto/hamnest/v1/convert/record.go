package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// componentBytes is the size of a component of float32_le.
const componentBytes = 4

// VectorToProto returns v as float32_le, in new memory, or nil if v is empty.
func VectorToProto(v []float32) *hamnestv1.Vector {
	if len(v) == 0 {
		return nil
	}
	return &hamnestv1.Vector{Float32Le: floats.Append(make([]byte, 0, componentBytes*len(v)), v)}
}

// VectorFromProto returns v's components: those of float32_le in new memory, those of values
// as they are.
func VectorFromProto(v *hamnestv1.Vector) ([]float32, error) {
	packed, values := v.GetFloat32Le(), v.GetValues()
	switch {
	case len(packed) > 0 && len(values) > 0:
		return nil, fmt.Errorf("has both float32_le (%d bytes) and values (%d numbers), want one of them", len(packed), len(values))
	case len(values) > 0:
		return values, nil
	case len(packed) == 0:
		return nil, errors.New("is missing, want float32_le or values")
	case len(packed)%componentBytes != 0:
		return nil, fmt.Errorf("float32_le has %d bytes, want %d a component", len(packed), componentBytes)
	}
	vector := make([]float32, len(packed)/componentBytes)
	floats.Decode(vector, packed)
	return vector, nil
}

// CodeToProto returns words, in new memory, or nil if there are none.
func CodeToProto(words []uint64) *hamnestv1.Code {
	if len(words) == 0 {
		return nil
	}
	return &hamnestv1.Code{Words: slices.Clone(words)}
}

// CodeFromProto returns the words of c. A packed code must have as many dimensions as a step of
// the ladder; the engine checks codes that came in words.
func CodeFromProto(c *hamnestv1.Code, ladder []int) ([]uint64, error) {
	packed, number := c.GetPacked(), c.GetDialect()
	if len(c.GetWords()) > 0 {
		if len(packed) > 0 || number != 0 {
			return nil, errors.New("has both words and packed or its dialect, want one of the forms")
		}
		return c.GetWords(), nil
	}
	dialect, ok := dialects[number]
	if number == hamnestv1.Dialect_DIALECT_UNSPECIFIED {
		return nil, errors.New("has no dialect, and nothing in a code tells how it is packed")
	}
	if !ok {
		return nil, fmt.Errorf("dialect %w", notOfEnum(number))
	}
	at := slices.IndexFunc(ladder, func(step int) bool { return code.Bytes(step) == len(packed) })
	if at < 0 {
		dims := ladder[len(ladder)-1]
		shorter := ""
		if len(ladder) > 1 {
			shorter = fmt.Sprintf(" or those of a shorter step of %v", ladder)
		}
		return nil, fmt.Errorf("has %d bytes, want %d for %d dimensions%s, 8 a byte", len(packed), code.Bytes(dims), dims, shorter)
	}
	words := make([]uint64, code.Words(ladder[at]))
	return words, dialect.Unpack(words, packed, ladder[at])
}

// storedCode returns the words of a code that a server has sent in the dialect in which a
// client requests codes.
func storedCode(c *hamnestv1.Code) ([]uint64, error) {
	switch {
	case c == nil:
		return nil, nil
	case c.GetDialect() != askedDialect:
		return nil, fmt.Errorf("code in dialect %d, want %d", c.GetDialect(), askedDialect)
	}
	padded := make([]byte, 8*((len(c.GetPacked())+7)/8))
	copy(padded, c.GetPacked())
	words := make([]uint64, len(padded)/8)
	code.FromBytes(words, padded)
	return words, nil
}

// askedDialect is the dialect in which a client requests codes: its bytes are the first bytes
// of our own words, whatever the dimensions.
const askedDialect = hamnestv1.Dialect_DIALECT_FAISS

// RecordToProto returns r in new memory. If gRPC cannot send a part of it, field names the part
// and err says why.
func RecordToProto(r api.Record) (message *hamnestv1.VectorRecord, field string, err error) {
	switch {
	case !utf8.ValidString(r.ID):
		return nil, "id", fmt.Errorf("%.50q is not UTF-8", r.ID)
	case !utf8.Valid(r.Metadata):
		return nil, "metadata", fmt.Errorf("%.50q is not UTF-8", r.Metadata)
	}
	return &hamnestv1.VectorRecord{Id: r.ID, Vector: VectorToProto(r.Vector), Code: CodeToProto(r.Code), Metadata: string(r.Metadata)}, "", nil
}

// RecordFromProto returns r as a record of a collection of dims dimensions. err is about field.
func RecordFromProto(r *hamnestv1.VectorRecord, dims int) (record api.Record, field string, err error) {
	record.ID, record.Metadata = r.GetId(), metadataFromProto(r.GetMetadata())
	if r.GetCode() != nil {
		if record.Code, err = CodeFromProto(r.GetCode(), []int{dims}); err != nil {
			return record, "code", err
		}
		if r.GetVector() == nil {
			return record, "", nil
		}
	}
	record.Vector, err = VectorFromProto(r.GetVector())
	return record, "vector", err
}

// StoredToProto returns records that were read. Their codes, if they have any, are of dims
// dimensions and are sent in dialect.
func StoredToProto(records []api.Record, dims int, dialect hamnestv1.Dialect) []*hamnestv1.VectorRecord {
	return mapSlice(records, func(r api.Record) *hamnestv1.VectorRecord {
		message := &hamnestv1.VectorRecord{Id: r.ID, Vector: VectorToProto(r.Vector), Metadata: string(r.Metadata)}
		if r.Code != nil {
			message.Code = &hamnestv1.Code{Packed: dialects[dialect].AppendPacked(nil, r.Code, dims), Dialect: dialect}
		}
		return message
	})
}

// StoredFromProto returns records that a server has read.
func StoredFromProto(messages []*hamnestv1.VectorRecord) ([]api.Record, error) {
	records := make([]api.Record, 0, len(messages))
	for _, m := range messages {
		record := api.Record{ID: m.GetId(), Metadata: metadataFromProto(m.GetMetadata())}
		var err error
		if m.GetVector() != nil {
			if record.Vector, err = VectorFromProto(m.GetVector()); err != nil {
				return nil, fmt.Errorf("the server's answer: vector %q %w", m.GetId(), err)
			}
		}
		if record.Code, err = storedCode(m.GetCode()); err != nil {
			return nil, fmt.Errorf("the server's answer: vector %q: %w", m.GetId(), err)
		}
		records = append(records, record)
	}
	return records, nil
}

// DialectToProto returns the dialect in which codes should be read, if at all.
func DialectToProto(opts api.ReadOptions) hamnestv1.Dialect {
	if opts.WithCode {
		return askedDialect
	}
	return hamnestv1.Dialect_DIALECT_UNSPECIFIED
}

// ReadOptionsFromProto returns which parts of records to read, of those that match a filter.
func ReadOptionsFromProto(bad *Violations, filter string, withVector bool, withCode hamnestv1.Dialect, withMetadata bool) api.ReadOptions {
	fromNumber(bad, "with_code", dialects, withCode)
	return api.ReadOptions{
		Filter:       filter,
		WithVector:   withVector,
		WithCode:     withCode != hamnestv1.Dialect_DIALECT_UNSPECIFIED,
		WithMetadata: withMetadata,
	}
}

// RefusalsToProto returns the refused records of a batch, ascending.
func RefusalsToProto(refused []api.RecordError) []*hamnestv1.IngestError {
	return mapSlice(refused, func(r api.RecordError) *hamnestv1.IngestError {
		return &hamnestv1.IngestError{Index: uint32(r.Index), Id: r.ID, Reason: api.Plain(r.Text())}
	})
}

// RefusalFromProto returns why a record of a batch was refused.
func RefusalFromProto(e *hamnestv1.IngestError) api.RecordError {
	refused := api.RecordError{Index: int(e.GetIndex()), ID: e.GetId(), Reason: e.GetReason()}
	field, reason, _ := strings.Cut(refused.Reason, " ")
	if slices.Contains([]string{"id", "vector", "code", "metadata"}, field) {
		refused.Field, refused.Reason = field, reason
	}
	return refused
}

func metadataFromProto(metadata string) []byte {
	if metadata == "" {
		return nil
	}
	return []byte(metadata)
}
