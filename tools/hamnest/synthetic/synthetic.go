// Package synthetic makes sets of vectors of any size that are as hard to search as those of
// embedding models. They are for measuring when no real set is large enough.
//
// A vector is the centre of a random cluster plus noise, scaled to length 1. The amount of
// noise differs from vector to vector, so that a query's nearest vectors are at different
// distances. Components get smaller from first to last, as in models trained for
// Matryoshka prefixes. Queries are drawn in the same way and are not in the set. The same [Set] gives the same bytes on every machine: random numbers
// come from integers, and no operation's rounding depends on the processor.
package synthetic

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// Set describes a set of vectors.
type Set struct {
	// Rows and Queries are the numbers of vectors and of queries.
	Rows, Queries int
	// Dims is the number of components of a vector.
	Dims int
	// Seed makes sets differ whose other fields are the same.
	Seed uint64
	// Clusters is the number of centres.
	Clusters int
	// Noise is the mean distance of vectors from their centre, as a multiple of the distance of
	// centres from 0. Each vector has 0.25 to 1.75 times that.
	Noise float64
	// Decay says how the spectrum falls: component i has standard deviation
	// 1 / (1 + i/Decay) before the vector is scaled.
	Decay float64
	// Float16 stores the vectors, but not the queries, with 2 bytes a component.
	Float16 bool
}

// DefaultClusters returns the default number of clusters: the square root of rows.
func DefaultClusters(rows int) int { return max(1, int(math.Sqrt(float64(rows)))) }

// The defaults make a set about as hard as embeddings of 38,333 package descriptions
// by static-mrl-768: see the help of hamnest bench data.
const (
	DefaultNoise = 1.9   // of Set.Noise
	DefaultDecay = 100.0 // of Set.Decay
)

// TruthColumns is the number of rows in a query's exact answer.
const TruthColumns = 100

// Check returns what is wrong with the description.
func (s Set) Check() error {
	switch {
	case s.Rows < TruthColumns || s.Rows > math.MaxInt32:
		return fmt.Errorf("%d rows, want %d (each query has so many exact answers) to %d", s.Rows, TruthColumns, math.MaxInt32)
	case s.Queries < 1 || s.Queries > maxQueries:
		return fmt.Errorf("%d queries, want 1 to %d", s.Queries, maxQueries)
	case s.Dims < 1 || s.Dims > maxDims:
		return fmt.Errorf("%d dims, want 1 to %d", s.Dims, maxDims)
	case s.Clusters < 1 || s.Clusters > maxClusters:
		return fmt.Errorf("%d clusters, want 1 to %d", s.Clusters, maxClusters)
	case !(s.Noise > 0 && s.Noise <= 1000): // not: NaN too
		return fmt.Errorf("noise %v, want more than 0 and at most 1000", s.Noise)
	case !(s.Decay > 0 && s.Decay <= 1e9):
		return fmt.Errorf("decay %v, want more than 0 and at most 1e9", s.Decay)
	}
	return nil
}

// Centres and queries are in memory: at 1024 dims, 4 KB each.
const (
	maxDims     = 65536
	maxQueries  = 100_000
	maxClusters = 1 << 20
)

// stream separates the random numbers of different things.
type stream uint64

const (
	centreStream stream = iota
	baseStream
	queryStream
)

// Vectors calls visit with the vectors of the set, where base is true, and then with the queries.
// Each is overwritten by the next. The set must pass Check, but may have fewer rows.
func (s Set) Vectors(visit func(base bool, row int, v []float32)) {
	g := newGenerator(s)
	for row := range s.Rows {
		visit(true, row, g.vector(baseStream, row))
	}
	for row := range s.Queries {
		visit(false, row, g.vector(queryStream, row))
	}
}

// generator makes the vectors of a set. It is for one goroutine.
type generator struct {
	set     Set
	centres [][]float32 // before the spectrum
	sigma   []float32   // the spectrum
	source  *rand.ChaCha8
	scratch []float32
}

func newGenerator(s Set) *generator {
	g := (&generator{set: s, sigma: make([]float32, s.Dims)}).share()
	for i := range g.sigma {
		g.sigma[i] = float32(1 / (1 + float64(i)/s.Decay))
	}
	for c := range s.Clusters {
		g.seed(centreStream, c)
		centre := make([]float32, s.Dims)
		for i := range centre {
			centre[i] = g.normal()
		}
		g.centres = append(g.centres, centre)
	}
	return g
}

// share returns a generator of the same set for another goroutine.
func (g *generator) share() *generator {
	return &generator{g.set, g.centres, g.sigma, rand.NewChaCha8([32]byte{}), make([]float32, g.set.Dims)}
}

// seed starts the random numbers of one vector, so that it can be made without the others.
func (g *generator) seed(s stream, row int) {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[0:], g.set.Seed)
	binary.LittleEndian.PutUint64(seed[8:], uint64(s))
	binary.LittleEndian.PutUint64(seed[16:], uint64(row))
	g.source.Seed(seed)
}

// normal returns a roughly normally distributed number: the sum of four uniform ones, from
// -3.46 to 3.46 with standard deviation 1.
func (g *generator) normal() float32 {
	const perDeviation = 37837.2 // 2^16 / sqrt(3)
	x := g.source.Uint64()
	sum := int32(x&0xffff) + int32(x>>16&0xffff) + int32(x>>32&0xffff) + int32(x>>48)
	return float32(sum-2*0xffff) * float32(1/perDeviation)
}

// vector returns vector row of a stream, until the next call.
func (g *generator) vector(s stream, row int) []float32 {
	g.seed(s, row)
	v := g.scratch
	cluster, _ := bits.Mul64(g.source.Uint64(), uint64(len(g.centres)))
	centre := g.centres[cluster]
	// The conversions keep the compiler from fusing operations, which would round differently.
	share := 0.25 + float64(1.5*(float64(g.source.Uint64()>>11)*0x1p-53))
	noise := float32(g.set.Noise * share)
	var squares float64
	for i := range v {
		x := g.sigma[i] * (centre[i] + float32(noise*g.normal()))
		squares += float64(float64(x) * float64(x))
		v[i] = x
	}
	if squares == 0 { // practically impossible; any direction will do
		v[0], squares = 1, 1
	}
	scale := 1 / math.Sqrt(squares)
	for i, x := range v {
		v[i] = float32(float64(x) * scale)
	}
	return v
}
