package index

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/storage"
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// checkName returns why neither a collection nor an alias can have that name.
func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q, want 1 to 128 of A-Z a-z 0-9 . _ -, starting with a letter or digit", name)
	}
	return nil
}

// emptyState checks s and returns the state of an empty collection made from it.
func emptyState(s *Spec) (engineState, error) {
	state := engineState{Metric: s.Metric, Store: s.Store, Ladder: ladderDefault}
	if len(s.Ladder) > 0 {
		state.Ladder = ladderGiven
	}
	var e InvalidError
	add := func(field string, err error) {
		if err != nil {
			e.Violations = append(e.Violations, Violation{Field: field, Reason: err.Error()})
		}
	}
	add("name", checkName(s.Name))
	if _, err := s.Metric.MarshalText(); err != nil {
		add("metric", err)
	}
	add("labels", checkLabels(s.Labels))
	if s.Dims < 1 || s.Dims > encoder.MaxDims {
		add("dims", fmt.Errorf("%d, want 1 to %d", s.Dims, encoder.MaxDims))
		return state, &e
	}
	shape := encoder.Shape{Metric: s.Metric, Dims: s.Dims, Ladder: s.Ladder, Bits: s.Bits}
	var err error
	switch {
	case s.Profile == encoder.Signs, s.Profile == encoder.Learned && s.Store == encoder.None:
		if s.Bits != 0 && s.Bits != s.Dims {
			add("bits", fmt.Errorf("%d, want %d or none: plain signs have one bit a dimension, and a collection has them if it asks for them or stores no vectors", s.Bits, s.Dims))
		}
		shape.Bits = 0
		state.Profile, err = encoder.NewSigns(shape)
	case s.Profile == encoder.Learned:
		state.Profile, err = encoder.NewExact(shape)
	default:
		add("profile", fmt.Errorf("%v, want %v or %v", s.Profile, encoder.Learned, encoder.Signs))
	}
	if err != nil && shape.Bits != 0 && (encoder.Shape{Metric: s.Metric, Dims: s.Dims, Ladder: s.Ladder}).Check() == nil {
		add("bits", err)
	} else {
		add("ladder", err)
	}
	if _, err := s.Store.MarshalText(); err != nil {
		add("store", err)
	}
	if len(e.Violations) > 0 {
		return state, &e
	}
	return state, nil
}

// exactDims is the most dimensions at which vectors themselves are always compared: a float32
// row is then one cache line, no larger than a code that could replace it.
const exactDims = 16

// codedFloats is the number of components from which a collection has codes. Reading that many,
// 4 MiB, takes half a millisecond, as long as a whole search by codes.
const codedFloats = 1 << 20

func checkLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return fmt.Errorf("%d labels, want at most %d", len(labels), MaxLabels)
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if v := labels[k]; len(k) < 1 || len(k) > 63 || len(v) > 255 {
			return fmt.Errorf("label %.70q has a key of %d and a value of %d bytes, want 1 to 63 and up to 255", k, len(k), len(v))
		}
	}
	return nil
}

// engineState is the engine's part of a shard's schema, as JSON.
type engineState struct {
	// Generation counts the rewrites of the collection.
	Generation uint64            `json:"generation,omitempty"`
	Metric     encoder.Metric    `json:"metric"`
	Store      encoder.Precision `json:"store"`
	// Vectors is floats.PrecisionVersion of the program that wrote them; 0 in files that do not
	// say, which are of version 1.
	Vectors int `json:"vectors,omitempty"`
	// Ladder says where the profile's ladder comes from: ladderGiven or ladderDefault. Empty in
	// files of older versions, which do not say.
	Ladder string `json:"ladder,omitempty"`
	// Profile is stored separately, because it is large.
	Profile *encoder.Profile `json:"-"`
	// Dropped is how many retired rows all rewrites together have left out.
	Dropped uint64 `json:"dropped,omitempty"`

	legacy *legacyProfile // how rows were made before codes were learnt
}

// Where a ladder comes from.
const (
	ladderGiven   = "given"
	ladderDefault = "default"
)

// ladderGiven reports whether the owner gave the ladder when the collection was made. Where the
// file does not say, a ladder that is the default was not given.
func (e engineState) ladderGiven() bool {
	if e.Ladder == "" {
		return !slices.Equal(e.Profile.Ladder(), encoder.DefaultLadder(e.Profile.Dims()))
	}
	return e.Ladder == ladderGiven
}

// wanted is the kind that the owner asked for.
func (e engineState) wanted() encoder.Kind {
	if kind := e.Profile.Kind(); kind != encoder.Exact {
		return kind
	}
	return encoder.Learned
}

// due reports whether a collection of that many vectors should have a learned profile and does
// not have one.
func (e engineState) due(vectors uint64) bool {
	dims := e.Profile.Dims()
	return e.Profile.Kind() == encoder.Exact && dims > exactDims && vectors*uint64(dims) > codedFloats
}

// schema returns the schema of the file for the rows.
func (e engineState) schema() (storage.Schema, error) {
	schema, err := e.geometry()
	if err != nil {
		return schema, err
	}
	if schema.Frozen, err = json.Marshal(e.Profile); err != nil {
		return schema, fmt.Errorf("index: profile: %w", err)
	}
	return schema, nil
}

// geometry is schema without the profile, which can be large.
func (e engineState) geometry() (storage.Schema, error) {
	e.Vectors = floats.PrecisionVersion
	engine, err := json.Marshal(e)
	if err != nil {
		return storage.Schema{}, fmt.Errorf("index: engine state: %w", err)
	}
	return storage.Schema{
		Dims:        code.WordBits * e.Profile.RowWords(),
		VectorBytes: e.Store.Bytes(e.Profile.Dims()),
		Engine:      engine,
	}, nil
}

// readSchema is the reverse of engineState.schema.
func readSchema(schema storage.Schema) (engineState, error) {
	if e, is, err := readLegacy(schema); is {
		return e, err
	}
	if err := refuseNewer(schema); err != nil {
		return engineState{}, err
	}
	var e engineState
	if err := json.Unmarshal(schema.Engine, &e); err != nil {
		return e, fmt.Errorf("index: engine state: %w: %w", err, ErrCorrupt)
	}
	if len(schema.Frozen) == 0 {
		return e, fmt.Errorf("index: no profile: %w", ErrCorrupt)
	}
	e.Profile = new(encoder.Profile)
	if err := json.Unmarshal(schema.Frozen, e.Profile); err != nil {
		return e, fmt.Errorf("index: %w: %w", err, ErrCorrupt)
	}
	want, err := e.geometry()
	if err != nil {
		return e, err
	}
	if schema.Dims != want.Dims || schema.Scalars != 0 || schema.VectorBytes != want.VectorBytes {
		return e, fmt.Errorf("index: rows of %d bits, %d scalars and %d vector bytes, want %d, 0 and %d: %w", schema.Dims, schema.Scalars, schema.VectorBytes,
			want.Dims, want.VectorBytes, ErrCorrupt)
	}
	return e, nil
}

// refuseNewer returns ErrVersion if a newer program wrote values that mean something else than
// this program knows, and says which. Unknown names come from a newer program too, because the
// checksums of these values are right. It leaves unreadable values to readSchema.
func refuseNewer(schema storage.Schema) error {
	var engine struct {
		Metric, Store string
		Vectors       int
	}
	var profile struct {
		Version int
		Kind    string
	}
	readable := json.Unmarshal(schema.Engine, &engine) == nil && json.Unmarshal(schema.Frozen, &profile) == nil
	if !readable {
		return nil
	}
	_, metric := floats.ParseMetric(engine.Metric)
	_, store := floats.ParsePrecision(engine.Store)
	_, kind := code.ParseKind(profile.Kind)
	err := cmp.Or(metric, store, kind)
	switch {
	case engine.Vectors > floats.PrecisionVersion:
		err = fmt.Errorf("stored vectors of version %d, and this program reads 1 to %d", engine.Vectors, floats.PrecisionVersion)
	case profile.Version > encoder.ProfileVersion:
		err = fmt.Errorf("codes of profile version %d, and this program reads 1 to %d", profile.Version, encoder.ProfileVersion)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("index: a newer program wrote the rows: %w: %w", err, ErrVersion)
}
