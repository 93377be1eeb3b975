package index_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/x448/float16"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index"
)

// What the engine promises with nothing set: whatever the vectors are, the nearest are
// found. Every set is one kind of vectors under one metric, small, and made from its name
// alone; HAMNEST_SEED=n makes others of the same kinds.

// set is one kind of vectors under one metric.
type set struct {
	name       string
	rows, dims int
	metric     encoder.Metric
	kind       kind
	asked      kind // of the queries, where these are of another kind
	prefixes   bool // whether answers at prefixes are looked at too
	quick      bool // whether -short looks at it
}

func (s set) String() string {
	return fmt.Sprintf("%s/%dx%d/%v", s.name, s.rows, s.dims, s.metric)
}

// make returns the rows and the queries, the same for the same name and seed.
func (s set) make(seed uint64) (rows, queries [][]float32) {
	r := rand.New(rand.NewPCG(seed, hash(s.String())))
	next := s.kind(r, s.rows, s.dims)
	rows = next.several(s.rows)
	if s.asked != nil {
		next = s.asked(r, 0, s.dims)
	}
	return rows, next.several(queriesOfASet)
}

// sets are in the order of what they are like. Up to 128 dims there are as many rows as it
// takes to be worth codes, and some sets that are not.
var sets = []set{
	// Embeddings of texts.
	{name: "text", rows: 5000, dims: 768, metric: encoder.Cosine, kind: text(0), prefixes: true},
	{name: "text-that-leans", rows: 5000, dims: 768, metric: encoder.Cosine, kind: text(.8), prefixes: true, quick: true},
	{name: "text-that-leans", rows: 5000, dims: 384, metric: encoder.Dot, kind: text(.8)},
	{name: "text-that-leans", rows: 5000, dims: 384, metric: encoder.L2, kind: text(.8)},
	{name: "text", rows: 5000, dims: 512, metric: encoder.Cosine, kind: text(.4)},
	{name: "matryoshka", rows: 5000, dims: 768, metric: encoder.Cosine, kind: matryoshka, prefixes: true, quick: true},
	{name: "matryoshka", rows: 5000, dims: 768, metric: encoder.L2, kind: matryoshka, prefixes: true},
	{name: "matryoshka", rows: 5000, dims: 768, metric: encoder.Dot, kind: lengthened(.3, matryoshka), prefixes: true},
	{name: "matryoshka-reversed", rows: 5000, dims: 768, metric: encoder.Cosine, kind: reversed(matryoshka), prefixes: true},

	// Lengths differ.
	{name: "lengths-.3", rows: 5000, dims: 384, metric: encoder.Dot, kind: lengthened(.3, text(.4))},
	{name: "lengths-.5", rows: 5000, dims: 384, metric: encoder.Dot, kind: lengthened(.5, text(.4)), quick: true},
	{name: "lengths-1", rows: 5000, dims: 384, metric: encoder.Dot, kind: lengthened(1, text(.4))},
	{name: "lengths-.3", rows: 5000, dims: 384, metric: encoder.L2, kind: lengthened(.3, text(.4))},
	{name: "lengths-.5", rows: 5000, dims: 384, metric: encoder.L2, kind: lengthened(.5, text(.4))},
	{name: "lengths-1", rows: 5000, dims: 384, metric: encoder.L2, kind: lengthened(1, text(.4))},
	{name: "gaussian-lengths-.5", rows: 5000, dims: 256, metric: encoder.Dot, kind: lengthened(.5, gaussian)},
	{name: "gaussian-lengths-.5", rows: 5000, dims: 256, metric: encoder.L2, kind: lengthened(.5, gaussian)},
	{name: "gaussian-lengths-.6", rows: 20000, dims: 64, metric: encoder.Dot, kind: lengthened(.6, gaussian)},
	{name: "near-the-middle", rows: 5000, dims: 256, metric: encoder.L2, kind: lengthened(.5, gaussian), asked: scaled(1e-3, gaussian)},
	{name: "any-length", rows: 5000, dims: 256, metric: encoder.Cosine, kind: ofAnyLength(gaussian)},
	{name: "any-length", rows: 5000, dims: 256, metric: encoder.Dot, kind: ofAnyLength(gaussian), quick: true},
	{name: "any-length", rows: 5000, dims: 256, metric: encoder.L2, kind: ofAnyLength(gaussian)},

	// Factors of matrices.
	{name: "factors", rows: 10000, dims: 64, metric: encoder.Dot, kind: factors, asked: gaussian},
	{name: "factors", rows: 20000, dims: 64, metric: encoder.Dot, kind: factors, asked: gaussian},
	{name: "factors", rows: 10000, dims: 128, metric: encoder.Dot, kind: factors},
	{name: "latent", rows: 10000, dims: 200, metric: encoder.Dot, kind: latent},
	{name: "latent", rows: 10000, dims: 200, metric: encoder.L2, kind: latent},
	{name: "latent", rows: 10000, dims: 200, metric: encoder.Cosine, kind: latent},

	// Pictures and what is seen in them.
	{name: "sift", rows: 10000, dims: 128, metric: encoder.L2, kind: sift, quick: true},
	{name: "sift+1000", rows: 10000, dims: 128, metric: encoder.L2, kind: shifted(1000, sift)},
	{name: "digits", rows: 1797, dims: 64, metric: encoder.L2, kind: pixels(16)},
	{name: "digits", rows: 1797, dims: 64, metric: encoder.Dot, kind: pixels(16)},
	{name: "digits", rows: 1797, dims: 64, metric: encoder.Cosine, kind: pixels(16)},
	{name: "digits", rows: 20000, dims: 64, metric: encoder.L2, kind: pixels(16)},
	{name: "pixels", rows: 5000, dims: 784, metric: encoder.L2, kind: pixels(255)},
	{name: "pixels", rows: 5000, dims: 784, metric: encoder.Dot, kind: pixels(255)},
	{name: "pixels", rows: 5000, dims: 784, metric: encoder.Cosine, kind: pixels(255)},

	// Heaps.
	{name: "clusters", rows: 10000, dims: 8, metric: encoder.L2, kind: clusters(100, .3, false)},
	{name: "clusters", rows: 10000, dims: 32, metric: encoder.L2, kind: clusters(100, .3, false)},
	{name: "clusters", rows: 40000, dims: 32, metric: encoder.L2, kind: clusters(100, .3, false)},
	{name: "clusters", rows: 20000, dims: 64, metric: encoder.L2, kind: clusters(100, .3, false)},
	{name: "clusters", rows: 10000, dims: 128, metric: encoder.L2, kind: clusters(100, .3, false)},
	{name: "clusters+1e4", rows: 10000, dims: 128, metric: encoder.L2, kind: shifted(1e4, clusters(100, .3, false))},
	{name: "clusters+1e6", rows: 10000, dims: 128, metric: encoder.L2, kind: shifted(1e6, clusters(100, .3, false))},

	// Numbers far from zero.
	{name: "whole", rows: 10000, dims: 128, metric: encoder.L2, kind: counts},
	{name: "whole+1e4", rows: 10000, dims: 128, metric: encoder.L2, kind: shifted(1e4, counts)},
	{name: "whole+1e5", rows: 5000, dims: 128, metric: encoder.L2, kind: shifted(1e5, counts)},
	{name: "whole+1e5", rows: 10000, dims: 128, metric: encoder.L2, kind: shifted(1e5, counts)},
	{name: "whole+1e6", rows: 10000, dims: 128, metric: encoder.L2, kind: shifted(1e6, counts), quick: true},
	{name: "whole", rows: 10000, dims: 128, metric: encoder.Dot, kind: counts},
	{name: "whole+1e4", rows: 10000, dims: 128, metric: encoder.Dot, kind: shifted(1e4, counts)},
	{name: "whole+1e5", rows: 5000, dims: 128, metric: encoder.Dot, kind: shifted(1e5, counts)},
	{name: "whole+1e5", rows: 10000, dims: 128, metric: encoder.Dot, kind: shifted(1e5, counts), quick: true},
	{name: "text+10", rows: 5000, dims: 384, metric: encoder.Dot, kind: shifted(10, text(0))},
	{name: "text+1e4", rows: 5000, dims: 384, metric: encoder.L2, kind: shifted(1e4, scaled(100, text(0)))},
	{name: "narrow", rows: 10000, dims: 128, metric: encoder.Dot, kind: narrow},

	// Near-copies, and rows that differ in one part only.
	{name: "copies-apart", rows: 5000, dims: 768, metric: encoder.Cosine, kind: copies(1e-3, 0, text(0)), quick: true},
	{name: "copies-longer", rows: 5000, dims: 768, metric: encoder.Cosine, kind: copies(0, 1e-3, text(0))},
	{name: "copies-apart", rows: 5000, dims: 384, metric: encoder.L2, kind: copies(1e-3, 0, text(0))},
	{name: "copies-longer", rows: 5000, dims: 384, metric: encoder.L2, kind: copies(0, 1e-3, text(0))},
	{name: "copies-of-few", rows: 5000, dims: 384, metric: encoder.Cosine, kind: copies(1e-3, 0, text(0)), asked: text(0)},
	{name: "alike-in-front", rows: 5000, dims: 512, metric: encoder.Cosine, kind: alikeInFront(matryoshka)},
	{name: "empty-behind", rows: 5000, dims: 512, metric: encoder.Cosine, kind: emptyBehind(matryoshka)},
	{name: "empty-behind", rows: 5000, dims: 512, metric: encoder.L2, kind: emptyBehind(matryoshka)},

	// Mostly zeros.
	{name: "sparse", rows: 5000, dims: 1024, metric: encoder.Cosine, kind: sparse(true)},
	{name: "sparse-positive", rows: 5000, dims: 1024, metric: encoder.Dot, kind: lengthened(.3, sparse(false))},
	{name: "bits", rows: 5000, dims: 512, metric: encoder.L2, kind: zeroOrOne, quick: true},
	{name: "bits", rows: 5000, dims: 512, metric: encoder.Cosine, kind: zeroOrOne},
	{name: "often-zero", rows: 5000, dims: 512, metric: encoder.Dot, kind: oftenZero(text(.4))},
	{name: "often-zero", rows: 5000, dims: 512, metric: encoder.L2, kind: oftenZero(text(.4)), quick: true},
	{name: "constant", rows: 3000, dims: 64, metric: encoder.L2, kind: constant},
	{name: "constant", rows: 3000, dims: 512, metric: encoder.L2, kind: constant},
	{name: "constant", rows: 3000, dims: 512, metric: encoder.Dot, kind: constant},
	{name: "constant", rows: 3000, dims: 512, metric: encoder.Cosine, kind: constant},

	// Flat: nothing to be had from any order of the components.
	{name: "gaussian", rows: 5000, dims: 768, metric: encoder.Cosine, kind: gaussian, prefixes: true},
	{name: "gaussian", rows: 5000, dims: 256, metric: encoder.L2, kind: gaussian},
	{name: "gaussian", rows: 10000, dims: 3, metric: encoder.Cosine, kind: gaussian},
	{name: "gaussian", rows: 10000, dims: 16, metric: encoder.Cosine, kind: gaussian},
	{name: "gaussian", rows: 40000, dims: 32, metric: encoder.Cosine, kind: gaussian},
	{name: "gaussian", rows: 20000, dims: 64, metric: encoder.Cosine, kind: gaussian},
	{name: "uniform", rows: 1000, dims: 768, metric: encoder.Cosine, kind: uniform},
	{name: "uniform", rows: 5000, dims: 768, metric: encoder.Cosine, kind: uniform},
	{name: "uniform", rows: 10000, dims: 2, metric: encoder.L2, kind: uniform},
	{name: "uniform", rows: 10000, dims: 3, metric: encoder.L2, kind: uniform},
	{name: "uniform", rows: 10000, dims: 4, metric: encoder.L2, kind: uniform},
	{name: "uniform", rows: 10000, dims: 8, metric: encoder.L2, kind: uniform},
	{name: "uniform", rows: 10000, dims: 16, metric: encoder.L2, kind: uniform},
	{name: "uniform", rows: 10000, dims: 24, metric: encoder.L2, kind: uniform},
	{name: "uniform", rows: 50000, dims: 24, metric: encoder.L2, kind: uniform},
	{name: "uniform", rows: 40000, dims: 32, metric: encoder.L2, kind: uniform, quick: true},
	{name: "uniform", rows: 30000, dims: 48, metric: encoder.L2, kind: uniform},
	{name: "uniform", rows: 20000, dims: 64, metric: encoder.L2, kind: uniform},

	// Few or many columns of their own scales.
	{name: "places", rows: 20000, dims: 2, metric: encoder.L2, kind: places, quick: true},
	{name: "clicks", rows: 10000, dims: 8, metric: encoder.L2, kind: clicks},
	{name: "line", rows: 101, dims: 2, metric: encoder.L2, kind: line, quick: true},
	{name: "line", rows: 101, dims: 2, metric: encoder.Dot, kind: line},
	{name: "iris", rows: 150, dims: 4, metric: encoder.L2, kind: table},
	{name: "wine", rows: 178, dims: 13, metric: encoder.L2, kind: table},
	{name: "diabetes", rows: 442, dims: 10, metric: encoder.L2, kind: table},
	{name: "cancer", rows: 569, dims: 30, metric: encoder.L2, kind: table},
	{name: "cancer", rows: 40000, dims: 30, metric: encoder.L2, kind: table},

	// Hardly any rows.
	{name: "one", rows: 1, dims: 512, metric: encoder.Cosine, kind: gaussian, quick: true},
	{name: "one", rows: 1, dims: 512, metric: encoder.L2, kind: gaussian},
	{name: "five", rows: 5, dims: 512, metric: encoder.Cosine, kind: gaussian},
	{name: "five", rows: 5, dims: 512, metric: encoder.L2, kind: gaussian},
	{name: "five", rows: 5, dims: 512, metric: encoder.Dot, kind: gaussian},
	{name: "ninety-nine", rows: 99, dims: 512, metric: encoder.Cosine, kind: gaussian},
	{name: "ninety-nine", rows: 99, dims: 512, metric: encoder.L2, kind: gaussian},

	// The first rows are unlike the later ones.
	{name: "sorted", rows: 5000, dims: 384, metric: encoder.Cosine, kind: clusters(20, 1, true)},
	{name: "sorted", rows: 5000, dims: 384, metric: encoder.L2, kind: clusters(20, .5, true)},
	{name: "sorted", rows: 20000, dims: 64, metric: encoder.L2, kind: clusters(20, .5, true)},
	{name: "mirrored", rows: 5000, dims: 384, metric: encoder.Cosine, kind: mirrored},
	{name: "mirrored", rows: 5000, dims: 384, metric: encoder.L2, kind: mirrored, quick: true},
	{name: "mirrored", rows: 5000, dims: 384, metric: encoder.Dot, kind: lengthened(.3, mirrored)},
}

// realSets are vectors of real texts: the sample that comes with the program, and those
// that may lie beside the checkout.
var realSets = []struct{ name, dir string }{
	{"sample", filepath.Join("..", "tools", "hamnest", "demodata")},
	{"scifact", filepath.Join("..", "..", "shared", "data", "scifact")},
	{"fiori", filepath.Join("..", "..", "shared", "data", "fiori")},
	{"minilm", filepath.Join("..", "..", "shared", "data", "minilm")},
	{"debian", filepath.Join("..", "..", "shared", "data", "debian")},
}

// realRows of a real set are enough to see what its vectors are like.
const realRows = 10_000

const (
	queriesOfASet = 80
	fewQueries    = 40 // where twelve answers are wanted to each
)

// What must be found with nothing set: in the mean over the sets, and on the worst one.
const (
	meanRecall  = .99
	worstRecall = .985
)

func TestDefaultsFindTheNearestWhateverTheVectorsAre(t *testing.T) {
	t.Parallel()
	var found means
	t.Run("sets", func(t *testing.T) {
		named := make(map[string]bool)
		for _, s := range sets {
			family, _, _ := strings.Cut(s.name, "+")
			usual := s.quick || !testing.Short() && !named[family]
			named[family] = true
			if !usual && !all {
				continue
			}
			t.Run(s.String(), func(t *testing.T) {
				t.Parallel()
				rows, queries := s.make(seed(t))
				promise(t, s.String(), s.metric, rows, queries, s.prefixes, s.quick || long, &found)
			})
		}
		for _, s := range realSets {
			if testing.Short() && s.name != "sample" && !all {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				rows, queries := readReal(t, s.dir)
				promise(t, s.name, encoder.Cosine, rows[:min(len(rows), realRows)], queries[:queriesOfASet], true, s.name == "sample" || long, &found)
			})
		}
	})
	found.check(t)
}

// HAMNEST_SETS asks for more than the first set of each name: "all" for every set, and
// "long" for every target and every prefix on every set, which takes minutes.
var (
	long = os.Getenv("HAMNEST_SETS") == "long"
	all  = os.Getenv("HAMNEST_SETS") == "all" || long
)

// promise builds a collection with nothing set and puts the queries to it; with targets it
// asks for every target, too, and about prefixes if there are any.
func promise(t *testing.T, name string, metric encoder.Metric, rows, queries [][]float32, prefixes, targets bool, found *means) {
	c := build(t, metric, rows)
	tr := newTruth(metric, rows, queries, nil)

	t.Run("finds the nearest", func(t *testing.T) {
		o := tr.ask(t, c, index.Query{K: 10}, len(queries))
		missed, tried := make([]int, 2), 0
		if metric != encoder.Dot { // where a longer vector may be nearer than the row itself
			for i, k := range []int{1, 10} {
				missed[i], tried = tr.misses(t, c, k)
			}
		}
		t.Logf("%-36s %v  itself missed %2d, %2d of %2d", name, o, missed[0], missed[1], tried)
		found.add("with nothing set", o, meanRecall, 0)
		if o.recall < worstRecall {
			t.Errorf("recall of the 10 nearest is %.4f, want %v at least", o.recall, worstRecall)
		}
		if missed[0]+missed[1] > 0 {
			t.Errorf("of %d rows, %d do not find themselves at k 1 and %d at k 10", tried, missed[0], missed[1])
		}
		if o.fault != nil {
			t.Error(o.fault)
		}
	})

	t.Run("exact is exact", func(t *testing.T) {
		o := tr.ask(t, c, index.Query{K: 10, Exact: true}, 20)
		if o.recall < 1 || o.fault != nil {
			t.Errorf("recall is %.4f, the worst query has %.1f, want all: %v", o.recall, o.worst, o.fault)
		}
	})

	if !targets {
		return
	}
	t.Run("keeps to a target", func(t *testing.T) {
		tr.targets(t, c, "", found)
	})

	for _, dims := range []int{64, 128, 256, 512} {
		if !prefixes || dims >= len(rows[0]) {
			break
		}
		t.Run(fmt.Sprintf("answers at %d dims", dims), func(t *testing.T) {
			tr := newTruth(metric, cut(rows, dims), cut(queries[:fewQueries], dims), nil)
			tr.targets(t, c, fmt.Sprintf(" at %d dims", dims), found)
			o := tr.ask(t, c, index.Query{K: 10}, fewQueries)
			t.Logf("%-36s %v", fmt.Sprintf("%s at %d dims", name, dims), o)
			if o.recall < worstRecall {
				t.Errorf("with nothing set, recall of the 10 nearest is %.4f, want %v at least", o.recall, worstRecall)
			}
			if o.fault != nil {
				t.Error(o.fault)
			}
		})
	}
}

// margin is how far recall may stay below its target.
const margin = .005

// targets asks for every recall at several k and holds each to its target.
func (tr *truth) targets(t *testing.T, c *index.Collection, where string, found *means) {
	t.Helper()
	queries, ks := fewQueries, []int{1, 10, 100}
	if testing.Short() {
		queries, ks = fewQueries/2, []int{10}
	}
	for _, target := range []float64{.90, .95, .99, .995} {
		for _, k := range ks {
			o := tr.ask(t, c, index.Query{K: k, TargetRecall: target}, queries)
			found.add(fmt.Sprintf("for target %v at k %d%s", target, k, where), o, target-margin, spread(target, k))
			if least := target - margin - chance(spread(target, k), o.queries); o.recall < least {
				t.Errorf("target %v, k %d: recall %.4f, want %.4f at least", target, k, o.recall, least)
			}
			if o.fault != nil {
				t.Errorf("target %v, k %d: %v", target, k, o.fault)
			}
		}
	}
}

// spread is the standard deviation of one query's recall when a target is just kept to.
// Misses of one query belong together a little, an intraclass correlation of .05, which
// counts at large k.
func spread(target float64, k int) float64 {
	return math.Sqrt(target * (1 - target) * (1/float64(k) + .05))
}

// chance is how far the recall of a few queries may fall below that of many: three
// standard errors.
func chance(spread float64, queries int) float64 { return 3 * spread / math.Sqrt(float64(queries)) }

// means are what the sets find in the mean, by what was asked for.
type means struct {
	mu sync.Mutex
	of map[string]*mean
}

type mean struct {
	recall, worst float64 // the sum over the sets, and the least of them
	sets, queries int
	least, spread float64 // how much recall is wanted, see spread
}

func (m *means) add(what string, o outcome, least, spread float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = make(map[string]*mean)
	}
	if m.of[what] == nil {
		m.of[what] = &mean{worst: 1, least: least, spread: spread}
	}
	of := m.of[what]
	of.recall, of.worst = of.recall+o.recall, min(of.worst, o.recall)
	of.sets, of.queries = of.sets+1, of.queries+o.queries
}

func (m *means) check(t *testing.T) {
	for _, what := range slices.Sorted(maps.Keys(m.of)) {
		of := m.of[what]
		recall, least := of.recall/float64(of.sets), of.least-chance(of.spread, of.queries)
		t.Logf("%-36s recall is %.4f in the mean of %3d sets, %.4f on the worst", what, recall, of.sets, of.worst)
		if recall < least {
			t.Errorf("in the mean of %d sets, recall %s is %.4f, want %.4f at least", of.sets, what, recall, least)
		}
	}
}

// What reading vectors costs at each target, on whole sets with all their queries.
func TestReadsOnRealSets(t *testing.T) {
	if !long {
		t.Skip("minutes long: set HAMNEST_SETS=long")
	}
	for _, s := range realSets {
		t.Run(s.name, func(t *testing.T) {
			rows, queries := readReal(t, s.dir)
			c := build(t, encoder.Cosine, rows)
			for _, dims := range []int{64, 128, 256, 512, len(rows[0])} {
				if dims > len(rows[0]) {
					continue
				}
				asked, known := queries[:min(len(queries), 300)], [][]int(nil)
				if dims == len(rows[0]) { // truth is known there, and costs nothing
					asked, known = queries, readTruth(t, s.dir)
				}
				t.Run(fmt.Sprintf("%d dims", dims), func(t *testing.T) {
					tr := newTruth(encoder.Cosine, cut(rows, dims), cut(asked, dims), known)
					for _, k := range []int{1, 10, 100} {
						for _, target := range []float64{.90, .95, .99, .995} {
							o := tr.ask(t, c, index.Query{K: k, TargetRecall: target}, len(asked))
							t.Logf("%s  %3d dims  k %3d  target %5v  %v", s.name, dims, k, target, o)
							if o.recall < target-margin {
								t.Errorf("k %d, target %v: recall is %.4f, want %.3f at least", k, target, o.recall, target-margin)
							}
						}
					}
				})
			}
		})
	}
}

// build makes a collection of the rows under idOf, with nothing set, and waits until it
// has come to rest.
func build(t *testing.T, metric encoder.Metric, rows [][]float32) *index.Collection {
	t.Helper()
	db, err := index.Open(t.TempDir(), index.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := db.Create(t.Context(), index.Spec{Name: "set", Dims: len(rows[0]), Ladder: encoder.DefaultLadder(len(rows[0])), Metric: metric})
	if err != nil {
		t.Fatal(err)
	}
	row := 0
	for part := range slices.Chunk(rows, 2000) {
		records := make([]index.Record, len(part))
		for i, v := range part {
			records[i] = index.Record{ID: idOf(row), Vector: v}
			row++
		}
		if err := c.Upsert(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// cut returns the prefixes of vectors.
func cut(vectors [][]float32, dims int) [][]float32 {
	prefixes := make([][]float32, len(vectors))
	for i, v := range vectors {
		prefixes[i] = v[:dims]
	}
	return prefixes
}

// seed is what all sets are made from beside their names.
func seed(t *testing.T) uint64 {
	t.Helper()
	given := os.Getenv("HAMNEST_SEED")
	if given == "" {
		return 1
	}
	n, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatalf("HAMNEST_SEED: %v", err)
	}
	return n
}

func hash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// readReal reads the rows and the queries of a real set: two .npy files of float16.
func readReal(t *testing.T, dir string) (rows, queries [][]float32) {
	t.Helper()
	for name, vectors := range map[string]*[][]float32{"base.npy": &rows, "queries.npy": &queries} {
		b, dims := readNpy(t, filepath.Join(dir, name), "f2")
		for v := range slices.Chunk(b, 2*dims) {
			*vectors = append(*vectors, each(dims, func(i int) float64 {
				return float64(float16.Frombits(binary.LittleEndian.Uint16(v[2*i:])).Float32())
			}))
		}
	}
	return rows, queries
}

// readTruth reads the rows nearest to every query of a real set, best first.
func readTruth(t *testing.T, dir string) [][]int {
	t.Helper()
	var known [][]int
	b, hits := readNpy(t, filepath.Join(dir, "truth.npy"), "i4")
	for v := range slices.Chunk(b, 4*hits) {
		rows := make([]int, hits)
		for i := range rows {
			rows[i] = int(binary.LittleEndian.Uint32(v[4*i:]))
		}
		known = append(known, rows)
	}
	return known
}

// readNpy returns the numbers of a .npy file, version 1 and two-dimensional, and how many
// a row has. The test is skipped where there is no such file.
func readNpy(t *testing.T, path, numbers string) (b []byte, columns int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("real vectors are missing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	end := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	var rows int
	if _, err := fmt.Sscanf(string(b[10:end]), "{'descr': '<"+numbers+"', 'fortran_order': False, 'shape': (%d, %d)", &rows, &columns); err != nil {
		t.Fatalf("%s: header %q: %v", path, b[10:end], err)
	}
	return b[end:], columns
}
