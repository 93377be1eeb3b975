package index

import (
	"fmt"
	"math"

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
}

func newCodec(state engineState) *codec {
	return &codec{state, state.Metric, state.Profile, state.Profile.Fingerprint()}
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

// encodeStored gives ops their codes and scalars, made of their stored vectors, whatever
// they had before.
func (c *codec) encodeStored(ops []storage.Op) {
	vector := make([]float32, c.profile.Dims())
	for i := range ops {
		op := &ops[i]
		if op.Delete {
			continue
		}
		op.Code, op.Scalars = make([]uint64, code.Words(c.profile.Dims())), make([]float32, c.scalars())
		encoder.DecodeFloat32(vector, op.Vector)
		c.encode(op.Code, op.Scalars, vector)
	}
}

// layout is how the codes lie in memory.
func (c *codec) layout() layout { return newLayout(c.profile.Ladder(), c.scalars()) }

// check returns a function for storage's check: every vector is one that could have
// been stored, and has the code and the scalars that it should have.
func (c *codec) check() func(slot uint64, words []uint64, scalars []float32, stored []byte) error {
	vector := make([]float32, c.profile.Dims())
	wantWords := make([]uint64, code.Words(c.profile.Dims()))
	wantScalars := make([]float32, c.scalars())
	return func(_ uint64, words []uint64, scalars []float32, stored []byte) error {
		encoder.DecodeFloat32(vector, stored)
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
