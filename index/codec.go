package index

import (
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/dense"
	"github.com/hamnest/hamnest/storage"
)

// codec is how vectors become rows, and what the rows mean. It never changes.
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

// scalars is how many numbers stand beside each code: the profile's, and after them
// the vector's norm where a score cannot be estimated without it.
func (c *codec) scalars() int {
	n := c.profile.Scalars()
	if c.keepsNorm() {
		n++
	}
	return n
}

// keepsNorm: L2 needs the norm; Dot does too where the code is of the direction
// alone.
func (c *codec) keepsNorm() bool {
	return c.metric == encoder.L2 || c.metric == encoder.Dot && c.profile.Kind() == encoder.Plain
}

// encode overwrites words and scalars with what stands for v.
func (c *codec) encode(words []uint64, scalars []float32, v []float32) {
	n := c.profile.Scalars()
	c.profile.Encode(words, scalars[:n], v)
	if c.keepsNorm() {
		scalars[n] = float32(min(dense.Norm(v), math.MaxFloat32))
	}
}

// encodeQuery makes what p searches for ready to be compared with codes.
func (c *codec) encodeQuery(p *plan) *encoder.Query {
	if p.vector == nil {
		return c.profile.CodeQuery(p.query.Code, p.size)
	}
	return c.profile.Query(p.vector)
}

// decode overwrites dst with the first components of a stored vector.
func (c *codec) decode(dst []float32, stored []byte) { c.store.Decode(dst, stored) }

// append appends v as it is stored to dst, and overwrites v with what will be read
// back: codes are made of that, so that they can be made again.
func (c *codec) append(dst []byte, v []float32) []byte {
	start := len(dst)
	dst = c.store.Append(dst, v)
	if c.keepsVectors() {
		c.decode(v, dst[start:])
	}
	return dst
}

// keepsVectors reports whether there is more than codes.
func (c *codec) keepsVectors() bool { return c.store != encoder.None }

// needVectors returns an error for what cannot be done without.
func (c *codec) needVectors(what string) error {
	if c.keepsVectors() {
		return nil
	}
	return fmt.Errorf("%s: %w", what, ErrCodesOnly)
}

// recode turns upserts that from has made into those that c would make of the vectors
// that from reads back. It fails where such a vector cannot be stored.
func (c *codec) recode(from *codec, ops []storage.Op) error {
	vector := make([]float32, c.profile.Dims())
	for i := range ops {
		op := &ops[i]
		if op.Delete {
			continue
		}
		from.decode(vector, op.Vector)
		if c.store != from.store {
			if err := c.store.Check(vector, c.metric); err != nil {
				return fmt.Errorf("vector %q: %w", op.ID, err)
			}
			op.Vector = c.append(make([]byte, 0, c.store.Bytes(len(vector))), vector)
		}
		op.Code, op.Scalars = make([]uint64, code.Words(len(vector))), make([]float32, c.scalars())
		c.encode(op.Code, op.Scalars, vector)
	}
	return nil
}

// recodeAll is recode on half of the cores: the others are for searches.
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

// layout is how the codes lie in memory.
func (c *codec) layout() layout { return newLayout(c.profile.Ladder(), c.scalars()) }

// check returns a function for storage's check: every vector is one that could have
// been stored, and has the code and the scalars that it should have. Of a code alone
// nothing can be said.
func (c *codec) check() func(slot uint64, words []uint64, scalars []float32, stored []byte) error {
	if !c.keepsVectors() {
		return nil
	}
	vector := make([]float32, c.profile.Dims())
	wantWords := make([]uint64, code.Words(c.profile.Dims()))
	wantScalars := make([]float32, c.scalars())
	return func(_ uint64, words []uint64, scalars []float32, stored []byte) error {
		c.decode(vector, stored)
		if err := encoder.Validate(vector, c.profile.Dims(), c.metric); err != nil {
			return fmt.Errorf("vector %w", err)
		}
		c.encode(wantWords, wantScalars, vector)
		if d := code.Distance(words, wantWords); d != 0 {
			return fmt.Errorf("code differs in %d bits from that of the vector", d)
		}
		for i, want := range wantScalars {
			if math.Float32bits(want) != math.Float32bits(scalars[i]) {
				return fmt.Errorf("scalar %d is %v, want %v", i, scalars[i], want)
			}
		}
		return nil
	}
}
