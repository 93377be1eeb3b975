package index

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/storage"
)

// This file opens collections that were written before codes were learnt, when the profile
// was one of plain, centred, nested, nested+centred, full and full+centred. Their vectors
// are encoded anew in the background; until that is done searches are exact and writes wait.
// Codes alone, of which only plain signs are known to have been kept that way, stay as they
// are.

// legacyProfile is the part of such a profile's state that still matters.
type legacyProfile struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"`
	Dims    int    `json:"dims"`
	Ladder  []int  `json:"ladder"`
}

// legacyVersion is the version of their profiles.
const legacyVersion = 1

// readLegacy returns the state of a shard of that time, and false for any other.
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
		return state, false, nil // for the reader of today's to judge
	}
	p := old.Profile
	shape := encoder.Shape{Metric: old.Metric, Dims: p.Dims, Ladder: p.Ladder}
	if slices.Equal(p.Ladder, legacyLadder(p.Dims)) {
		shape.Ladder = nil // nobody asked for it
	}
	state = engineState{Generation: old.Generation, Metric: old.Metric, Store: old.Store, Dropped: old.Dropped, legacy: p}
	if schema.Dims != p.Dims || schema.VectorBytes != old.Store.Bytes(p.Dims) {
		return state, true, fmt.Errorf("index: rows of %d dims and %d vector bytes under a profile of %d dims and %v: %w", schema.Dims, schema.VectorBytes, p.Dims, old.Store, ErrCorrupt)
	}
	switch {
	case old.Store != encoder.None:
		state.Profile, err = encoder.NewExact(shape)
	case p.Kind == "plain":
		state.Profile, err = encoder.NewSigns(shape)
	default:
		err = fmt.Errorf("index: codes alone under profile %q of an older version, want plain: store the vectors again: %w", p.Kind, ErrVersion)
	}
	return state, true, err
}

// legacyLadder was the default.
func legacyLadder(dims int) []int {
	var ladder []int
	for step := 256; step < dims; step *= 2 {
		ladder = append(ladder, step)
	}
	return append(ladder, dims)
}

// renew begins the rewrite of a collection of an older version. The writer waits for it.
func (c *Collection) renew() {
	old := c.current.Load()
	r, ctx, err := c.reserve()
	if err != nil {
		panic("index: a collection that is being opened is in use: " + err.Error())
	}
	c.held = r.finished
	go func() {
		state := old.codec.state
		state.Generation++
		state.legacy = nil
		var err error
		if state.due(old.view.Load().live) && old.codec.keepsVectors() {
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

// rowReader reads the codes of single rows, ascending: a block is read once.
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

// codeAlone returns the row of today's of one of a collection of codes alone.
func (c *codec) codeAlone(words []uint64, scalars []float32) []uint64 {
	if c.state.legacy == nil {
		return slices.Clone(words)
	}
	length := 1.0
	if len(scalars) > 0 { // where scores need it
		length = float64(scalars[len(scalars)-1])
	}
	row := make([]uint64, c.profile.RowWords())
	c.profile.PutSigns(row, words, length)
	return row
}
