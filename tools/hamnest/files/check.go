package files

import (
	"context"
	"unicode/utf8"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index"
)

// What a record may have, see hamnest.v1.VectorRecord.
const (
	maxIDBytes       = 512
	maxMetadataBytes = 64 << 10
)

// Check reads the whole input and returns the first reason for which a collection
// of that shape would refuse some of it.
func (in Input) Check(ctx context.Context, spec index.Spec, step func(bytes int)) error {
	signs := make([]uint64, code.Words(spec.Dims))
	return in.Each(func(rec index.Record, at Place) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !in.Codes {
			if err := floats.Validate(rec.Vector, spec.Dims, spec.Metric); err != nil {
				return at.Errorf("vector %w", err)
			}
			if err := spec.Store.Check(rec.Vector, spec.Metric); err != nil {
				return at.Errorf("vector %w", err)
			}
		}
		if rec.Code != nil && len(rec.Vector) > 0 {
			code.Signs(signs, asKept(rec.Vector, spec.Store))
			if d := code.Distance(signs, rec.Code); d != 0 {
				return at.Errorf("code differs in %d of %d bits from the signs of the vector stored as %v", d, spec.Dims, spec.Store)
			}
		}
		if n := len(rec.ID); n < 1 || n > maxIDBytes {
			return at.Errorf("id %s has %d bytes, want 1 to %d", Excerpt([]byte(rec.ID)), n, maxIDBytes)
		}
		if !utf8.ValidString(rec.ID) {
			return at.Errorf("id %q is not UTF-8", rec.ID)
		}
		if n := len(rec.Metadata); n > maxMetadataBytes {
			return at.Errorf("metadata has %d bytes, want at most %d", n, maxMetadataBytes)
		}
		if n := len(rec.Metadata); n > 0 && rec.Metadata[0] != '{' {
			return at.Errorf("metadata is %s, want a JSON object", Excerpt(rec.Metadata))
		}
		step(at.Bytes)
		return nil
	})
}

// asKept returns what v is read back as where vectors are stored at precision p: codes
// are made of that.
func asKept(v []float32, p encoder.Precision) []float32 {
	if p == encoder.Float32 || p == encoder.None {
		return v
	}
	kept := make([]float32, len(v))
	p.Decode(kept, p.Append(nil, v))
	return kept
}
