package index

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/attr"
	"github.com/hamnest/hamnest/storage"
)

// This file turns the records that callers give into rows, and says why one is refused.

// parallelFloats is how many components make it worthwhile to encode on one more core.
const parallelFloats = 1 << 16

// ops encodes well-formed records; the ops share no memory with them.
func (c *codec) ops(records []Record) ([]storage.Op, []RecordError) {
	workers := min(runtime.GOMAXPROCS(0), len(records)*c.profile.Dims()/parallelFloats)
	if workers < 2 {
		return c.opsOf(records)
	}
	each := (len(records) + workers - 1) / workers
	ops, refused := make([][]storage.Op, workers), make([][]RecordError, workers)
	var group errgroup.Group
	for w := range workers {
		first := min(w*each, len(records))
		group.Go(func() error {
			ops[w], refused[w] = c.opsOf(records[first:min(first+each, len(records))])
			for i := range refused[w] {
				refused[w][i].Index += first
			}
			return nil
		})
	}
	_ = group.Wait() // they do not fail
	return slices.Concat(ops...), slices.Concat(refused...)
}

// opsOf is ops on one core.
func (c *codec) opsOf(records []Record) ([]storage.Op, []RecordError) {
	dims, words := c.profile.Dims(), c.profile.RowWords()
	codes := make([]uint64, len(records)*words)
	stored := make([]byte, 0, len(records)*c.store.Bytes(dims))
	read := make([]float32, len(records)*dims) // as the vectors will be read back
	ops := make([]storage.Op, 0, len(records))
	var rows [][]uint64
	var vectors [][]float32
	var refused []RecordError
	signs := make([]uint64, code.Words(dims))
	metadata := attr.NewReader(nil)
	for i := range records {
		r := &records[i]
		if field, err := c.checkRecord(r, metadata); err != nil {
			refused = append(refused, RecordError{Index: i, ID: r.ID, Field: field, Reason: err.Error()})
			continue
		}
		op := storage.Op{ID: r.ID, Code: codes[:words:words], Metadata: bytes.Clone(r.Metadata)}
		codes = codes[words:]
		start := len(stored)
		if len(r.Vector) == 0 {
			c.profile.PutSigns(op.Code, r.Code, 1)
		} else {
			v := read[:dims:dims]
			read = read[dims:]
			copy(v, r.Vector)
			stored = c.append(stored, v)
			if r.Code != nil {
				if code.Signs(signs, v); code.Distance(signs, r.Code) != 0 {
					stored = stored[:start]
					refused = append(refused, RecordError{Index: i, ID: r.ID, Field: "code", Reason: fmt.Sprintf("differs in %d of %d bits from the signs of the vector", code.Distance(signs, r.Code), dims)})
					continue
				}
			}
			rows, vectors = append(rows, op.Code), append(vectors, v)
		}
		op.Vector = stored[start:len(stored):len(stored)]
		ops = append(ops, op)
	}
	c.profile.Encode(rows, vectors)
	return ops, refused
}

// checkRecord returns the malformed part of r and why it is malformed.
func (c *codec) checkRecord(r *Record, metadata *attr.Reader) (field string, err error) {
	if err := checkID(r.ID); err != nil {
		return "id", err
	}
	if r.Code != nil {
		if err := c.checkCode(r); err != nil {
			return "code", err
		}
	}
	if r.Code == nil || len(r.Vector) > 0 {
		if err := floats.Validate(r.Vector, c.profile.Dims(), c.metric); err != nil {
			return "vector", err
		}
		if err := c.store.Check(r.Vector, c.metric); err != nil {
			return "vector", err
		}
	}
	return "metadata", checkMetadata(r.Metadata, metadata)
}

// checkCode returns why the code of r is not one for c, or why it cannot be stored without a
// vector.
func (c *codec) checkCode(r *Record) error {
	dims := c.profile.Dims()
	switch {
	case len(r.Code) != code.Words(dims):
		return fmt.Errorf("has %d words of %d bits, want %d for %d dimensions", len(r.Code), code.WordBits, code.Words(dims), dims)
	case !code.Padded(r.Code, dims):
		return fmt.Errorf("has bits set past dimension %d, the last", dims-1)
	case len(r.Vector) > 0:
		return nil
	case c.keepsVectors():
		return fmt.Errorf("comes without a vector, and the collection stores vectors (%v): only one that stores none takes codes without vectors", c.store)
	case c.profile.Older():
		return fmt.Errorf("comes without a vector, and the collection's codes are of an older version, whose rows need more than a code tells: give the vector")
	case c.profile.Kind() != encoder.Signs || c.metric != encoder.Cosine:
		return fmt.Errorf("comes without a vector, and under profile %v and metric %v a row needs more than a code tells", c.profile.Kind(), c.metric)
	}
	return nil
}

func checkID(id string) error {
	if len(id) < 1 || len(id) > storage.MaxIDBytes {
		return fmt.Errorf("%.50q has %d bytes, want 1 to %d", id, len(id), storage.MaxIDBytes)
	}
	if !utf8.ValidString(id) {
		return fmt.Errorf("%.50q is not UTF-8", id)
	}
	return nil
}

// checkMetadata returns why filters could not read m.
func checkMetadata(m []byte, reader *attr.Reader) error {
	err := reader.Read(m, nil)
	if bad := new(attr.Error); errors.As(err, &bad) && bad.Path != "" {
		return fmt.Errorf("%s: %s", bad.Path, bad.Reason)
	} else if errors.As(err, &bad) {
		return errors.New(bad.Reason)
	}
	return err
}
