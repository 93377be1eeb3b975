package index

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/topk"
)

// This file chooses a profile by measuring: some vectors of a sample are queries to
// the others, and the profile is best whose codes find the most of their true top 10.
const (
	chooseRows    = 4000
	chooseQueries = 100
	chooseTop     = 10
	// chooseCandidates is how many rows may be found by their codes. With more nearly
	// all of the top is among them under any profile, and nothing tells those apart.
	chooseCandidates = 20
	// chooseErrors is how many standard errors a profile must gain, over the same
	// queries, to be chosen before one that costs less.
	chooseErrors = 3
	// chooseCentring is what subtracting the mean must gain besides: scans know nothing of
	// the scalars that make good for it, and real queries, which stored vectors stand in
	// for here, may have another mean. SciFact's claims lose .05 by it where its abstracts
	// gain .06.
	chooseCentring = 0.1
)

// kindsByCost is from no scalars beside a code to the most. The full kinds are not among
// them: where there is no prefix to be kept the nested ones are the same.
var kindsByCost = []encoder.Kind{encoder.Plain, encoder.Nested, encoder.Centred, encoder.NestedCentred}

// chooseProfile returns the kind whose codes find most of the true nearest neighbours
// within sample, at the ends of its blocks, of those kinds under which every step of
// the ladder is a prefix: a ladder is a promise. One is chosen before one that costs
// less if it gains more than the noise. why says, for people, what was measured.
func chooseProfile(ctx context.Context, sample [][]float32, metric encoder.Metric, dims int, ladder []int) (kind encoder.Kind, why string, err error) {
	queries, rows := split(sample)
	if len(rows) <= chooseTop {
		return encoder.Plain, fmt.Sprintf("plain: %d vectors are too few to measure on", len(sample)), nil
	}
	nested, err := encoder.NewProfile(encoder.Nested, metric, dims, ladder)
	if err != nil {
		return 0, "", err
	}
	promised := nested.Ladder()
	if i := slices.IndexFunc(promised, func(step int) bool { return nested.CheckPrefix(step) != nil }); i >= 0 {
		return encoder.Plain, fmt.Sprintf("plain: the only profile with a prefix of %d dimensions, a step of the ladder", promised[i]), nil
	}
	steps := nested.Blocks()
	truth, err := nearestRows(ctx, queries, rows, metric)
	if err != nil {
		return 0, "", err
	}
	var best []float64 // of kind, for each query
	var measured []string
	for _, k := range kindsByCost {
		profile, err := encoder.FitProfile(k, metric, dims, ladder, rows)
		if err != nil {
			return 0, "", err
		}
		recall, err := measureProfile(ctx, newCodec(engineState{Metric: metric, Profile: profile}), queries, rows, steps, truth)
		if err != nil {
			return 0, "", err
		}
		gain, noise := compare(recall, best)
		if best == nil || gain > chooseErrors*noise && (!k.Centres() || kind.Centres() || gain > chooseCentring) {
			kind, best = k, recall
		}
		average, _ := compare(recall, nil)
		measured = append(measured, fmt.Sprintf("%v %.3f", k, average))
	}
	prefixes := make([]string, len(steps))
	for i, step := range steps {
		prefixes[i] = fmt.Sprint(step)
	}
	return kind, fmt.Sprintf("%v: of the top %d of %d queries over %d vectors, codes found among %d candidates (mean over %s dims): %s",
		kind, chooseTop, len(queries), len(rows), chooseCandidates, strings.Join(prefixes, ", "), strings.Join(measured, ", ")), nil
}

// split takes queries out of the sample, or of as much of it as is used, evenly.
func split(sample [][]float32) (queries, rows [][]float32) {
	n := min(len(sample), chooseRows)
	held := max(1, min(chooseQueries, n/4))
	taken := 0
	for i := range n {
		v := sample[i*len(sample)/n]
		if i*held/n >= taken {
			queries = append(queries, v)
			taken++
		} else {
			rows = append(rows, v)
		}
	}
	return queries, rows
}

// compare returns the mean of a - b, b being nil for zeros, and its standard error.
func compare(a, b []float64) (mean, deviation float64) {
	differences := slices.Clone(a)
	for i := range b {
		differences[i] -= b[i]
	}
	for _, d := range differences {
		mean += d / float64(len(differences))
	}
	for _, d := range differences {
		deviation += float64((d - mean) * (d - mean))
	}
	n := float64(len(differences))
	return mean, math.Sqrt(deviation / max(1, n-1) / n)
}

// nearestRows returns the true top of each query, ties to the lower row.
func nearestRows(ctx context.Context, queries, rows [][]float32, metric encoder.Metric) ([][]uint32, error) {
	top := make([][]uint32, len(queries))
	err := eachOf(ctx, len(queries), func(i int) {
		scorer := newScorer(metric, queries[i])
		best := newBest(chooseTop)
		for row, v := range rows {
			best.Offer(scored{uint32(row), scorer.score(v)})
		}
		top[i] = rowsOfBest(best)
	})
	return top, err
}

// measureProfile returns for each query how much of its true top is among the
// candidates that the codes suggest, the mean over steps.
func measureProfile(ctx context.Context, codec *codec, queries, rows [][]float32, steps []int, truth [][]uint32) ([]float64, error) {
	b := newBuilder(codec.layout())
	defer func() { _ = b.release() }()
	if err := b.grow(uint32(len(rows))); err != nil {
		return nil, err
	}
	words, scalars := make([]uint64, code.Words(codec.profile.Dims())), make([]float32, codec.scalars())
	for _, v := range rows {
		codec.encode(words, scalars, v)
		b.add(words, scalars)
	}
	view := b.publish()
	recall := make([]float64, len(queries))
	err := eachOf(ctx, len(queries), func(i int) {
		p := &plan{encoded: codec.profile.Query(queries[i]), scorer: newScorer(codec.metric, queries[i])}
		found := 0
		for _, step := range steps {
			refiner := newRefiner(codec, view, p, step, encoder.Planes)
			best := newBest(chooseCandidates)
			for row := range view.rows {
				best.Offer(scored{row, float64(refiner.estimate(row).score)})
			}
			for _, row := range rowsOfBest(best) {
				if slices.Contains(truth[i], row) {
					found++
				}
			}
		}
		recall[i] = float64(found) / float64(chooseTop*len(steps))
	})
	return recall, err
}

// newBest keeps the k best by score, ties to the lower row.
func newBest(k int) *topk.Heap[scored] {
	return topk.NewHeap(k, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.row, b.row))
	})
}

func rowsOfBest(best *topk.Heap[scored]) []uint32 {
	var rows []uint32
	for _, s := range best.Sorted() {
		rows = append(rows, s.row)
	}
	return rows
}

// eachOf calls do with 0 to n-1 on half of the cores: the others are for searches.
func eachOf(ctx context.Context, n int, do func(i int)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, runtime.GOMAXPROCS(0)/2))
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			do(i)
			return nil
		})
	}
	return group.Wait()
}
