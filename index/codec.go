package index

import (
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/storage"
)

// codec says how vectors become rows, and what the rows mean. It never changes.
type codec struct {
	state       engineState
	metric      encoder.Metric
	profile     *encoder.Profile
	fingerprint string // of profile
	store       encoder.Precision
}

func newCodec(state engineState) *codec {
	return &codec{state, state.Metric, state.Profile, state.Profile.Fingerprint(), state.Store}
}

// decode fills dst with the first components of a stored vector.
func (c *codec) decode(dst []float32, stored []byte) { c.store.Decode(dst, stored) }

// append appends v to dst in its stored form, and overwrites v with what will be read back.
// Codes are made from that, so that they can be made again.
func (c *codec) append(dst []byte, v []float32) []byte {
	start := len(dst)
	dst = c.store.Append(dst, v)
	if c.keepsVectors() {
		c.decode(v, dst[start:])
	}
	return dst
}

// keepsVectors reports whether vectors are stored beside the codes.
func (c *codec) keepsVectors() bool { return c.store != encoder.None }

// promises reports whether a target recall means something: the errors of plain signs are
// unknown.
func (c *codec) promises() bool { return c.profile.Kind() != encoder.Signs }

// same reports whether c keeps vectors as o does, down to the bits of their codes.
func (c *codec) same(o *codec) bool { return c.store == o.store && c.fingerprint == o.fingerprint }

// needVectors returns an error if what needs vectors and there are none.
func (c *codec) needVectors(what string) error {
	if c.keepsVectors() {
		return nil
	}
	return fmt.Errorf("%s: %w", what, ErrCodesOnly)
}

// recode turns upserts made by from into those that c would make of the vectors that from reads
// back. It fails if c cannot store such a vector.
func (c *codec) recode(from *codec, ops []storage.Op) error {
	upserts := make([]*storage.Op, 0, len(ops))
	for i := range ops {
		if !ops[i].Delete {
			upserts = append(upserts, &ops[i])
		}
	}
	if len(upserts) == 0 || !from.keepsVectors() { // codes stay what they are
		return nil
	}
	dims, words := c.profile.Dims(), c.profile.RowWords()
	for part := range slices.Chunk(upserts, recodeTogether) {
		vectors, rows := make([][]float32, len(part)), make([][]uint64, len(part))
		for i, op := range part {
			v := make([]float32, dims)
			from.decode(v, op.Vector)
			if c.store != from.store {
				if err := c.store.Check(v, c.metric); err != nil {
					return fmt.Errorf("vector %q: %w", op.ID, err)
				}
				op.Vector = c.append(make([]byte, 0, c.store.Bytes(dims)), v)
			}
			op.Code, op.Scalars = make([]uint64, words), nil
			vectors[i], rows[i] = v, op.Code
		}
		c.profile.Encode(rows, vectors)
	}
	return nil
}

// recodeTogether is how many vectors are decoded at a time.
const recodeTogether = 64

// recodeAll is recode on half of the cores; the other half is for searches.
func (c *codec) recodeAll(from *codec, ops []storage.Op) error {
	if len(ops) == 0 {
		return nil
	}
	workers := max(1, runtime.GOMAXPROCS(0)/2)
	var group errgroup.Group
	for part := range slices.Chunk(ops, (len(ops)+workers-1)/workers) {
		group.Go(func() error { return c.recode(from, part) })
	}
	return group.Wait()
}

// check returns a function for storage's check: it reports vectors that could not have been
// stored, and rows that do not belong to their vectors. It cannot judge a code without a
// vector.
func (c *codec) check() func(slot uint64, words []uint64, scalars []float32, stored []byte) error {
	if !c.keepsVectors() {
		return nil
	}
	vector, want := make([]float32, c.profile.Dims()), make([]uint64, c.profile.RowWords())
	return func(_ uint64, words []uint64, _ []float32, stored []byte) error {
		c.decode(vector, stored)
		if err := floats.Validate(vector, c.profile.Dims(), c.metric); err != nil {
			return fmt.Errorf("vector %w", err)
		}
		c.profile.Encode([][]uint64{want}, [][]float32{vector})
		if d := code.Distance(words, want); d != 0 {
			return fmt.Errorf("row differs in %d bits from that of the vector", d)
		}
		return nil
	}
}
