package files

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index"
)

// The limits of a record: see hamnest.v1.VectorRecord.
const (
	maxIDBytes       = 512
	maxMetadataBytes = 64 << 10
)

// Report is what Check found.
type Report struct {
	// Refused are the records that cannot be stored, by their place among all, ascending.
	Refused []uint64
	// Reasons say why, for the first of them.
	Reasons []error
}

// maxReasons is how many refusals an error names.
const maxReasons = 10

// Err names the first refusals and counts the others; nil when there are none.
func (r *Report) Err() error {
	if len(r.Refused) == 0 {
		return nil
	}
	errs := r.Reasons
	if more := len(r.Refused) - len(errs); more > 0 {
		errs = append(slices.Clone(errs), fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// Check reads the whole input and reports which records a collection of that shape would
// refuse. An error is about the input as a whole. Check calls refused, unless it is nil, for
// each refused record, and step with the size of each record in its file.
func (in Input) Check(ctx context.Context, spec index.Spec, refused func(id string, at Place, reason error) error, step func(bytes int)) (*Report, error) {
	r, n := &Report{}, uint64(0)
	signs := make([]uint64, code.Words(spec.Dims))
	err := in.Each(func(rec index.Record, at Place, bad error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		n++
		step(at.Bytes)
		if bad == nil {
			bad = in.checkRecord(rec, at, spec, signs)
		}
		if bad == nil {
			return nil
		}
		r.Refused = append(r.Refused, n-1)
		if len(r.Reasons) < maxReasons {
			r.Reasons = append(r.Reasons, bad)
		}
		if refused == nil {
			return nil
		}
		return refused(rec.ID, at, bad)
	})
	return r, err
}

// checkRecord returns why a record cannot be stored. signs is scratch.
func (in Input) checkRecord(rec index.Record, at Place, spec index.Spec, signs []uint64) error {
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
	if err := CheckID(rec.ID); err != nil {
		return at.Errorf("%w", err)
	}
	if n := len(rec.Metadata); n > maxMetadataBytes {
		return at.Errorf("metadata has %d bytes, want at most %d", n, maxMetadataBytes)
	}
	if n := len(rec.Metadata); n > 0 && rec.Metadata[0] != '{' {
		return at.Errorf("metadata is %s, want a JSON object", Excerpt(rec.Metadata))
	}
	return nil
}

// EachBut is Each without the records that a report says are refused.
func (in Input) EachBut(r *Report, visit func(rec index.Record, at Place) error) error {
	n, refused := uint64(0), r.Refused
	return in.Each(func(rec index.Record, at Place, bad error) error {
		n++
		if len(refused) > 0 && refused[0] == n-1 {
			refused = refused[1:]
			return nil
		}
		if bad != nil { // the file has changed since it was checked
			return bad
		}
		return visit(rec, at)
	})
}

// refusal is a line about a record that was refused.
type refusal struct {
	File   string  `json:"file"`
	Row    *int    `json:"row,omitempty"`  // of a matrix, from 0
	Line   *int    `json:"line,omitempty"` // of a text, from 1
	ID     string  `json:"id,omitempty"`
	Reason string  `json:"reason"`
	Text   *string `json:"text,omitempty"`
}

// WriteRefusal writes a line about a record that was refused: a JSON object with where it
// was read, its id if it has one, the reason, and the line if it was one.
func WriteRefusal(w io.Writer, id string, at Place, reason error) error {
	line := refusal{File: at.File, ID: id, Reason: reason.Error()}
	if at.Text == nil {
		line.Row = &at.Number
	} else {
		text := string(bytes.TrimRight(at.Text, "\r\n"))
		line.Line, line.Text = &at.Number, &text
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(line)
}

// asKept returns v as it is read back after being stored at precision p. Codes are made from
// that.
func asKept(v []float32, p encoder.Precision) []float32 {
	if p == encoder.Float32 || p == encoder.None {
		return v
	}
	kept := make([]float32, len(v))
	p.Decode(kept, p.Append(nil, v))
	return kept
}
