package index

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/storage"
)

// This file opens collections that were written before codes were learnt, when the profile was
// one of plain, centred, nested, nested+centred, full and full+centred. Their vectors are
// encoded again in the background; until that is done searches are exact and writes wait. Codes
// without vectors stay as they are; see encoder.NewOlder.

// legacyProfile is the part of such a profile's state that still matters.
type legacyProfile struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"`
	Dims    int    `json:"dims"`
	Ladder  []int  `json:"ladder"`
	Unit    bool   `json:"unit"`
	Seed    uint64 `json:"seed"`
	Mean    []byte `json:"mean"` // float32, little-endian
}

// legacyVersion is the version of their profiles.
const legacyVersion = 1

// readLegacy returns the state of a shard written at that time; is is false for any other
// shard.
func readLegacy(schema storage.Schema) (state engineState, is bool, err error) {
	var old struct {
		Generation uint64            `json:"generation"`
		Metric     encoder.Metric    `json:"metric"`
		Store      encoder.Precision `json:"store"`
		Dropped    uint64            `json:"dropped"`
		Profile    *legacyProfile    `json:"profile"`
	}
	known := json.Unmarshal(schema.Engine, &old) == nil && old.Profile != nil && old.Profile.Version == legacyVersion
	if !known {
		return state, false, nil // for today's reader to judge
	}
	p := old.Profile
	state = engineState{Generation: old.Generation, Metric: old.Metric, Store: old.Store, Dropped: old.Dropped, Ladder: p.ladderFrom(), legacy: p}
	if old.Store == encoder.None {
		state.Profile, err = p.codesAlone(old.Metric)
	} else {
		state.Profile, err = encoder.NewExact(p.shape(old.Metric))
	}
	if err != nil {
		return state, true, fmt.Errorf("index: profile of an older version: %w: %w", err, ErrCorrupt)
	}
	if schema.Dims != p.Dims || schema.VectorBytes != old.Store.Bytes(p.Dims) {
		return state, true, fmt.Errorf("index: rows of %d dims and %d vector bytes under a profile of %d dims and %v: %w", schema.Dims, schema.VectorBytes, p.Dims, old.Store, ErrCorrupt)
	}
	if want := state.Profile.OlderScalars(); old.Store == encoder.None && schema.Scalars != want {
		return state, true, fmt.Errorf("index: rows of %d scalars under profile %q and metric %v, want %d: %w", schema.Scalars, p.Kind, old.Metric, want, ErrCorrupt)
	}
	return state, true, nil
}

// shape returns what the owner had asked for.
func (p *legacyProfile) shape(metric encoder.Metric) encoder.Shape {
	shape := encoder.Shape{Metric: metric, Dims: p.Dims, Ladder: p.Ladder}
	if p.ladderFrom() == ladderDefault {
		shape.Ladder = nil
	}
	return shape
}

// ladderFrom says where the ladder comes from. One that was the default at the time was not given.
func (p *legacyProfile) ladderFrom() string {
	if p.Dims <= encoder.MaxDims && slices.Equal(p.Ladder, legacyLadder(p.Dims)) {
		return ladderDefault
	}
	return ladderGiven
}

// codesAlone returns the profile of codes whose vectors were not stored.
func (p *legacyProfile) codesAlone(metric encoder.Metric) (*encoder.Profile, error) {
	kind, known := legacyKinds[p.Kind]
	shape := p.shape(metric)
	if err := shape.Check(); err != nil {
		return nil, err
	}
	switch {
	case !known:
		return nil, fmt.Errorf("unknown profile %q", p.Kind)
	case p.Unit != (metric == encoder.Cosine && kind != legacyKinds["plain"]) || kind.rotates != (p.Seed != 0) || kind.centres != (len(p.Mean) > 0):
		return nil, fmt.Errorf("profile %q with seed %d, a mean of %d bytes and vectors scaled to length 1: %t", p.Kind, p.Seed, len(p.Mean), p.Unit)
	case !kind.centres && !kind.rotates:
		return encoder.NewSigns(shape)
	case kind.whole:
		shape.Ladder = []int{p.Dims}
	default:
		shape.Ladder = legacyBlocks(p.Ladder, p.Dims)
	}
	var mean []float32
	if kind.centres {
		if len(p.Mean) != 4*p.Dims {
			return nil, fmt.Errorf("a mean of %d bytes, want %d", len(p.Mean), 4*p.Dims)
		}
		mean = make([]float32, p.Dims)
		floats.Decode(mean, p.Mean)
	}
	return encoder.NewOlder(shape, p.Seed, mean)
}

// legacyKinds says what each profile did before it took signs. whole means that all dimensions
// were rotated together.
var legacyKinds = map[string]struct{ centres, rotates, whole bool }{
	"plain":          {},
	"centred":        {centres: true},
	"nested":         {rotates: true},
	"nested+centred": {centres: true, rotates: true},
	"full":           {rotates: true, whole: true},
	"full+centred":   {centres: true, rotates: true, whole: true},
}

// legacyBlocks returns the ends of the blocks that were encoded together: the steps of the
// ladder that are at least 256 apart.
func legacyBlocks(ladder []int, dims int) []int {
	var ends []int
	last := 0
	for _, step := range ladder {
		if step-last >= 256 && step < dims {
			ends, last = append(ends, step), step
		}
	}
	return append(ends, dims)
}

// legacyLadder was the default ladder.
func legacyLadder(dims int) []int {
	var ladder []int
	for step := 256; step < dims; step *= 2 {
		ladder = append(ladder, step)
	}
	return append(ladder, dims)
}

// refuseOlder returns an error if codes without vectors could mean two things and the owner has
// not said which, or if codes must be made again first and nothing may be written. Up to commit
// d4867b2 a block whose length is a power of two was rotated in three rounds, and after that in
// four; nothing in the files tells which.
func (e engineState) refuseOlder(opts Options) error {
	p := e.legacy
	if p == nil || e.Store != encoder.None {
		return nil
	}
	if opts.ReadOnly {
		return fmt.Errorf("index: codes without vectors of an older version must be made again: open the directory for writing once: %w", ErrReadOnly)
	}
	if p.Seed == 0 || opts.TrustOlderCodes {
		return nil
	}
	ends := []int{p.Dims}
	if !legacyKinds[p.Kind].whole {
		ends = legacyBlocks(p.Ladder, p.Dims)
	}
	first := 0
	for _, end := range ends {
		if width := end - first; width&(width-1) == 0 {
			return fmt.Errorf("index: codes without vectors of profile %q, rotated %d dimensions at a time: programs before commit d4867b2 rotated differently, and the files do not tell: "+
				"store the vectors again, or, if a later program wrote them, open with TrustOlderCodes, as hamnest serve and hamnest collection update do with --trust-older-codes: %w", p.Kind, width, ErrVersion)
		}
		first = end
	}
	return nil
}

// renew begins the rewrite of a collection of an older version. The writer waits for it.
func (c *Collection) renew() {
	old := c.current.Load()
	r, ctx, err := c.reserve(false)
	if err != nil {
		panic("index: a collection that is being opened is in use: " + err.Error())
	}
	c.held = r.finished
	go func() {
		state := old.codec.state
		state.Generation++
		state.legacy = nil
		var err error
		if state.due(old.view.Load().Present().Len()) && old.codec.keepsVectors() {
			state.Profile, err = old.learn(ctx)
		}
		var next *generation
		if err == nil {
			next, err = c.begin(r, state)
		}
		if err != nil {
			c.giveUp(ctx, r, err)
			return
		}
		c.rewrite(ctx, r, old, next)
	}()
}

// rowReader reads the codes of single rows, ascending, and reads each block once.
type rowReader struct {
	r       *storage.Reader
	schema  storage.Schema
	first   uint64 // of the block that was read
	rows    int
	codes   []uint64
	scalars []float32
}

// row returns the code and the scalars of a slot, until the next call.
func (b *rowReader) row(slot uint64) ([]uint64, []float32, error) {
	if b.rows == 0 || slot < b.first || slot >= b.first+uint64(b.rows) {
		size := uint64(b.schema.BlockRows)
		first := slot - slot%size
		err := b.r.Codes(first, min(first+size, b.r.State().Next), func(_ uint64, codes []uint64, scalars []float32) error {
			b.codes, b.scalars = append(b.codes[:0], codes...), append(b.scalars[:0], scalars...)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		words := code.Words(b.schema.Dims)
		b.first, b.rows = first, len(b.codes)/words
	}
	at, words := int(slot-b.first), code.Words(b.schema.Dims)
	return b.codes[at*words : (at+1)*words], b.scalars[at*b.schema.Scalars : (at+1)*b.schema.Scalars], nil
}

// codeAlone returns today's row for an old code without a vector.
func (c *codec) codeAlone(words []uint64, scalars []float32) ([]uint64, error) {
	if c.state.legacy == nil {
		return slices.Clone(words), nil
	}
	if err := floats.Validate(scalars, len(scalars), encoder.Dot); err != nil {
		return nil, fmt.Errorf("index: scalars beside a code: %w: %w", err, ErrCorrupt)
	}
	row := make([]uint64, c.profile.RowWords())
	c.profile.PutOlder(row, words, scalars)
	return row, nil
}
