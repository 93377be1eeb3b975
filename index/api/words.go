package api

import (
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
)

// The terms that describe a collection. Each is written and read by its name: see the String,
// MarshalText and UnmarshalText methods.
type (
	// Metric says what a score means. A larger score is always better.
	Metric = floats.Metric
	// Profile says how vectors become codes.
	Profile = code.Kind
	// Precision says how exactly vectors are stored beside their codes.
	Precision = floats.Precision
	// Dialect is how another system packs the bits of a code into bytes.
	Dialect = code.Dialect
)

// The metrics.
const (
	// Cosine scores by the cosine of the angle, in [-1, 1]. All-zero vectors are refused.
	Cosine = floats.Cosine
	// Dot scores by the inner product.
	Dot = floats.Dot
	// L2 scores by minus the squared Euclidean distance, at most 0.
	L2 = floats.L2
)

// The profiles.
const (
	// Learned is the default. Its codes are made by what the first vectors have in common, and
	// carry numbers that make their estimates unbiased and their errors known.
	Learned = code.KindLearned
	// Signs takes the signs of the components as they are, for codes made elsewhere. Their
	// errors are unknown, so no recall can be promised.
	Signs = code.KindSigns
	// Exact makes no codes, because comparing the vectors themselves is still cheaper; a
	// collection cannot ask for it.
	Exact = code.KindExact
)

// The precisions.
const (
	// StoreFloat32 keeps vectors unchanged.
	StoreFloat32 = floats.Float32
	// StoreFloat16 keeps 11 significant bits, of components up to 65504 either way.
	StoreFloat16 = floats.Float16
	// StoreBFloat16 keeps 8 significant bits and the range of float32.
	StoreBFloat16 = floats.BFloat16
	// StoreInt8 keeps multiples of a 127th of the vector's largest component.
	StoreInt8 = floats.Int8
	// StoreNone keeps no vectors: codes are plain signs, searches end at them, and what needs
	// vectors fails with ErrCodesOnly.
	StoreNone = floats.None
)

// The dialects.
const (
	// Numpy has the highest bit of a byte first, as numpy.packbits does: "ubinary" of
	// sentence-transformers and Cohere.
	Numpy = code.Numpy
	// NumpySigned is Numpy with 128 subtracted from every byte: "binary" of
	// sentence-transformers and Cohere.
	NumpySigned = code.NumpySigned
	// PGVector is the payload of Postgres's bit(n), which pgvector indexes: as Numpy.
	PGVector = code.PGVector
	// Faiss has the lowest bit of a byte first: binary indexes of Faiss, sqlite-vec.
	Faiss = code.Faiss
)

// MaxDims is the largest vector size.
const MaxDims = floats.MaxDims
