package index

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/storage"
)

// Spec shapes a new collection. Name and Dims are required.
type Spec struct {
	// Name is 1 to 128 of A-Z a-z 0-9 . _ -, starting with a letter or digit.
	Name string
	// Dims is the components of a vector, 1 to encoder.MaxDims.
	Dims int
	// Ladder lists the Matryoshka prefix sizes; see encoder.NewProfile. Empty:
	// encoder.DefaultLadder(Dims).
	Ladder []int
	// Metric says what scores mean.
	Metric encoder.Metric
	// Profile says how vectors become codes; the default chooses by measuring. A kind
	// that subtracts a mean, and encoder.Auto, need vectors to look at: codes are plain
	// until there are 1,024, and are then made anew in the background; see
	// Collection.Update. Without stored vectors encoder.Auto is encoder.Plain.
	Profile encoder.Kind
	// Store is how exactly vectors are kept beside their codes. The default keeps them
	// as they are; encoder.None keeps none.
	Store encoder.Precision
	// Labels are the owner's notes: at most MaxLabels, keys of 1 to 63 and values
	// of up to 255 bytes.
	Labels map[string]string
}

// MaxLabels is the most labels a collection may have.
const MaxLabels = 64

// Info describes a collection: its Spec, defaults filled in, and more. Profile and Store
// are what is wanted, the target of a rewrite under way included.
type Info struct {
	Spec
	// ProfileInForce is how codes are made now.
	ProfileInForce encoder.Kind
	// ProfileReason says why encoder.Auto led to it, with what was measured; empty
	// otherwise.
	ProfileReason string
	// ProfileFingerprint names the frozen encoder state.
	ProfileFingerprint string
	// Created is when the collection was made.
	Created time.Time
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// state checks the spec and returns what an empty collection has of it.
func (s *Spec) state() (engineState, error) {
	state := engineState{Metric: s.Metric, Store: s.Store}
	var e InvalidError
	add := func(field string, err error) {
		if err != nil {
			e.Violations = append(e.Violations, Violation{field, err.Error()})
		}
	}
	if !namePattern.MatchString(s.Name) {
		add("name", fmt.Errorf("%q, want 1 to 128 of A-Z a-z 0-9 . _ -, starting with a letter or digit", s.Name))
	}
	if _, err := s.Metric.MarshalText(); err != nil {
		add("metric", err)
	}
	add("labels", checkLabels(s.Labels))
	if s.Dims < 1 || s.Dims > encoder.MaxDims {
		add("dims", fmt.Errorf("%d, want 1 to %d", s.Dims, encoder.MaxDims))
		return state, &e
	}
	kind := s.Profile
	if kind == encoder.Auto && s.Store == encoder.None { // there will be nothing to measure
		kind = encoder.Plain
	}
	if needsVectors(kind) {
		state.Want, kind = kind.String(), encoder.Plain
	}
	if _, err := encoder.ParseKind(kind.String()); err != nil {
		add("profile", err)
		return state, &e
	}
	var err error
	state.Profile, err = encoder.NewProfile(kind, s.Metric, s.Dims, s.Ladder)
	add("ladder", err)
	if _, err := s.Store.MarshalText(); err != nil {
		add("store", err)
	}
	if len(e.Violations) > 0 {
		return state, &e
	}
	return state, state.check()
}

// needsVectors reports whether a profile of that kind can only be made with vectors to
// look at.
func needsVectors(kind encoder.Kind) bool { return kind.Centres() || kind == encoder.Auto }

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
	Profile    *encoder.Profile  `json:"profile"`
	// Dropped is how many retired rows the rewrites have left out, all in all.
	Dropped uint64 `json:"dropped,omitempty"`
	// Want is the kind that was asked for, where it is not that of Profile: a mean
	// that there are no vectors for yet, or encoder.Auto.
	Want string `json:"want,omitempty"`
	// Why is the reason for which encoder.Auto led to Profile; empty: not yet.
	Why string `json:"why,omitempty"`
}

// wanted is the kind that was asked for.
func (e engineState) wanted() encoder.Kind {
	if kind, err := encoder.ParseKind(e.Want); err == nil {
		return kind
	}
	return e.Profile.Kind()
}

// waits reports whether the collection is to be rewritten when there are vectors to
// fit a profile to.
func (e engineState) waits() bool { return e.Want != "" && e.Why == "" }

// check returns an InvalidError when the state can never come to what is wanted.
func (e engineState) check() error {
	if e.waits() && e.Store == encoder.None {
		return invalid("store", "%v, and profile %s is to be fitted to stored vectors: store them until it is", e.Store, e.Want)
	}
	return nil
}

// schema returns the geometry of the rows.
func (e engineState) schema() (storage.Schema, error) {
	engine, err := json.Marshal(e)
	if err != nil {
		return storage.Schema{}, fmt.Errorf("index: engine state: %w", err)
	}
	return storage.Schema{
		Dims:        e.Profile.Dims(),
		Scalars:     newCodec(e).scalars(),
		VectorBytes: e.Store.Bytes(e.Profile.Dims()),
		Engine:      engine,
	}, nil
}

// readSchema is the reverse of engineState.schema.
func readSchema(schema storage.Schema) (engineState, error) {
	var e engineState
	if err := json.Unmarshal(schema.Engine, &e); err != nil {
		return e, fmt.Errorf("index: engine state: %w: %w", err, ErrCorrupt)
	}
	if e.Profile == nil {
		return e, fmt.Errorf("index: engine state without a profile: %w", ErrCorrupt)
	}
	if kind, err := encoder.ParseKind(e.Want); e.Want != "" && (err != nil || !needsVectors(kind)) {
		return e, fmt.Errorf("index: engine state wants profile %q, one that is fitted: %w", e.Want, ErrCorrupt)
	}
	want, err := e.schema()
	if err != nil {
		return e, err
	}
	if schema.Dims != want.Dims || schema.Scalars != want.Scalars || schema.VectorBytes != want.VectorBytes {
		return e, fmt.Errorf("index: rows of %d dims, %d scalars and %d vector bytes, want %d, %d and %d: %w", schema.Dims, schema.Scalars, schema.VectorBytes,
			want.Dims, want.Scalars, want.VectorBytes, ErrCorrupt)
	}
	return e, nil
}
