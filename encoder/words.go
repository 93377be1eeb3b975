package encoder

import (
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
)

// The types that describe a profile come from the leaves below, which clients share without the
// kernels that make codes.
type (
	// Metric is a measure of similarity between vectors.
	Metric = floats.Metric
	// Precision is how exactly vectors are kept beside their codes.
	Precision = floats.Precision
	// Kind names a way of turning vectors into codes.
	Kind = code.Kind
)

// The metrics.
const (
	Cosine = floats.Cosine
	Dot    = floats.Dot
	L2     = floats.L2
)

// The precisions.
const (
	Float32  = floats.Float32
	Float16  = floats.Float16
	BFloat16 = floats.BFloat16
	Int8     = floats.Int8
	None     = floats.None
)

// The kinds.
const (
	Learned = code.KindLearned
	Signs   = code.KindSigns
	Exact   = code.KindExact
)

// MaxDims is the largest vector size.
const MaxDims = floats.MaxDims
