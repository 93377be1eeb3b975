package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/index"
)

// evalFlags are the flags of eval.
type evalFlags struct {
	queries      string
	queriesLimit int
	truth, ids   string
	codes        string
	dialect      string
	stages       stageFlags
	q            index.Query
	// Every combination of these is measured.
	prefixes, dims, candidates, concurrency []int
	targets                                 []float64
}

func evalCommand(format *outputFormat) *cobra.Command {
	var store storeFlags
	var flags evalFlags
	cmd := &cobra.Command{
		Use:   "eval NAME --queries FILE.npy",
		Short: "Measure recall, speed and work of searches",
		Long: `Eval searches for every query of a file at every combination of --prefix, --dims,
--target-recall, --candidates and --concurrency, and prints a line for each:

  prefix              dimensions of the queries: with fewer than the collection's, the
                      answers are about that prefix
  dims                leading dimensions of the codes that the scan looked at
  k                   results a query
  target_recall       what was asked for, 0 where nothing was
  candidates          rows that the scan kept, 0 with --exact (a mean, as the next)
  rescore_candidates  rows that were compared by their whole codes
  concurrency         searches under way at a time
  queries             how many were searched for
  recall              share of the right answers among those returned
  expected_recall     what the searches themselves expected of it, in the mean
  qps                 queries a second
  p50_ms, p99_ms      median and 99th percentile of a search, in milliseconds, as the
                      caller sees it
  vectors_read_mean   stored vectors read a query
  kernel              the scan kernel

With --format json a line also has profile, bound, passes_mean (over the codes), and the
bytes of codes and of vectors read a query.

With --data the engine runs in this process, and that is what is measured; with
--server, the network and the server are part of it, and searches go over one search
stream. A few untimed searches go first.

What is right says --truth: row i has the row numbers of the exact answers to query i,
best first, at least k. Row r is line r of --ids, or without --ids the r-th vector in
the order of storing, which holds until a vector is replaced or deleted. Without
--truth, the collection's own exact search says it.

With --prefix, queries are cut to so many dimensions, steps of the ladder. What is right
then is what an exact search finds at that prefix: --truth is of whole queries.

With --codes, what is searched for is not the queries but their packed codes, row i of
that file for query i; --dialect says how they are packed. The truth is still that of the
queries. Searches end at the codes.

Answers beyond the k-th whose exact score ties with the k-th's (within 1e-6 of it, from
the stored vectors, in float64) are right too, as far as the truth goes: with duplicates
in the data any of them could stand there. Recall is the number of right answers
returned, at most k, over k (over the size of a collection that has fewer).`,
		Example: `  hamnest eval packages --queries queries.npy --truth truth.npy --target-recall 0.9,0.95,0.99 --data ./vectors
  hamnest eval packages --queries queries.npy --truth truth.npy --ids docs.jsonl --concurrency 1,8 --server localhost:7700
  hamnest eval packages --queries queries.npy --prefix 64,128,256 --data ./vectors
  hamnest eval packages --queries queries.npy --exact --queries-limit 100 --format json --data ./vectors`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.stages.set(&flags.q)
			if err := flags.check(); err != nil {
				return err
			}
			queries, rows, err := readQueries(openDisk, flags.queries, flags.queriesLimit)
			if err != nil {
				return err
			}
			return store.withStore(cmd, false, func(ctx context.Context, b backend) error {
				info, err := b.Collection(ctx, args[0])
				if err != nil {
					return err
				}
				if err := checkQueries(flags.queries, queries[0], info); err != nil {
					return err
				}
				b, end, err := overStream(ctx, b)
				if err != nil {
					return err
				}
				defer end()
				return flags.measureAll(ctx, cmd, newOutput(cmd, format), b, info, queries, rows)
			})
		},
	}
	store.register(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.queries, "queries", "", "`file` of queries, .npy with one a row (required)")
	f.IntVar(&flags.queriesLimit, "queries-limit", 0, "search for the first so many queries only (default all)")
	f.StringVar(&flags.truth, "truth", "", "`file` of exact answers, .npy of int32 or int64 (default: the collection's own exact search)")
	f.StringVar(&flags.ids, "ids", "", "with --truth: `file` with the ids of its row numbers, .txt or .jsonl")
	f.StringVar(&flags.codes, "codes", "", "`file` of packed codes to search for instead, .npy of uint8 or int8 with one for each query")
	addDialectFlag(cmd, &flags.dialect, "with --codes")
	f.IntVarP(&flags.q.K, "k", "k", 10, "results a query")
	f.IntSliceVar(&flags.dims, "dims", []int{0}, "leading dimensions of the codes that the scan looks at, at most: ladder steps or multiples of 64; 0 for what is cheapest")
	f.IntSliceVar(&flags.prefixes, "prefix", []int{0}, "dimensions that queries are cut to, steps of the ladder, for answers about that prefix; 0 for all")
	f.Float64SliceVar(&flags.targets, "target-recall", []float64{0}, fmt.Sprintf("shares of the right hits to find in the mean; 0 for %v", index.DefaultTargetRecall))
	f.IntSliceVar(&flags.candidates, "candidates", []int{0}, "how many the scan keeps at first, at least k; 0 for 40 for each of k, 100 to 10000")
	f.IntSliceVar(&flags.concurrency, "concurrency", []int{1}, "searches under way at a time")
	flags.stages.register(cmd)
	if err := cmd.MarkFlagRequired("queries"); err != nil {
		panic("hamnest: " + err.Error())
	}
	return cmd
}

func (f *evalFlags) check() error {
	if f.q.K < 1 {
		return fmt.Errorf("-k is %d, want at least 1", f.q.K)
	}
	if f.queriesLimit < 0 {
		return fmt.Errorf("--queries-limit is %d, want at least 1", f.queriesLimit)
	}
	if f.dialect != "" && f.codes == "" {
		return errors.New("--dialect says how --codes FILE.npy is packed, want --codes with it")
	}
	if f.ids != "" && f.truth == "" {
		return errors.New("--ids says which vectors the rows of --truth are, want --truth with it")
	}
	for _, n := range f.prefixes {
		if n < 0 || n != 0 && f.codes != "" {
			return fmt.Errorf("--prefix has %d, want 0 or more, and 0 with --codes, which have the size of their queries", n)
		}
	}
	for _, r := range f.targets {
		if !(r >= 0 && r <= 1) { // not: NaN too
			return fmt.Errorf("--target-recall has %v, want more than 0 and at most 1", r)
		}
	}
	chosen := slices.ContainsFunc(f.candidates, func(n int) bool { return n != 0 }) || slices.ContainsFunc(f.targets, func(r float64) bool { return r != 0 })
	if f.stages.exact && (chosen || f.stages != (stageFlags{exact: true})) {
		return errors.New("--exact reads every stored vector: --candidates, --target-recall, --bound and --rescore do not go with it")
	}
	for _, n := range f.concurrency {
		if n < 1 {
			return fmt.Errorf("--concurrency has %d, want at least 1", n)
		}
	}
	return nil
}

// asked is what is searched for: queries, or their codes.
func (f *evalFlags) asked(queries [][]float32, info index.Info) ([]index.Query, error) {
	if f.codes == "" {
		return byVector(queries), nil
	}
	dialect, err := parseDialect("--codes", f.dialect)
	if err != nil {
		return nil, err
	}
	codes, err := readCodes(f.codes, dialect, info.Ladder, len(queries))
	if err != nil {
		return nil, err
	}
	if len(codes) != len(queries) {
		return nil, fmt.Errorf("%s: found %d codes, want %d: one for each query", f.codes, len(codes), len(queries))
	}
	asked := make([]index.Query, len(codes))
	for i, words := range codes {
		asked[i].Code = words
	}
	return asked, nil
}

// byVector is what is searched for when that is vectors.
func byVector(vectors [][]float32) []index.Query {
	queries := make([]index.Query, len(vectors))
	for i, v := range vectors {
		queries[i].Vector = v
	}
	return queries
}

// right returns the right answers for queries, cut to a prefix unless that is 0; rows is
// how many queries their file has.
func (f *evalFlags) right(ctx context.Context, cmd *cobra.Command, b backend, info index.Info, queries [][]float32, rows, prefix int) ([]idSet, error) {
	p := newProgress(cmd, "exact answers", int64(len(queries)), false)
	if f.truth != "" && prefix == 0 {
		truth := truthFile{open: openDisk, name: f.truth, ids: f.ids}
		return truth.right(ctx, b, info, queries, rows, f.q.K, p)
	}
	if prefix == 0 {
		cmd.PrintErrln("no --truth: the collection's own exact search says what is right")
	} else {
		cmd.PrintErrf("the collection's own exact search says what is right at prefix %d\n", prefix)
	}
	return exactTruth(ctx, b, info, queries, f.q.K, p)
}

// cutTo returns the queries cut to a prefix, or as they are when that is 0.
func cutTo(queries [][]float32, prefix int) ([][]float32, error) {
	if prefix == 0 {
		return queries, nil
	}
	if prefix > len(queries[0]) {
		return nil, fmt.Errorf("--prefix has %d, want at most the %d dimensions of the queries", prefix, len(queries[0]))
	}
	parts := make([][]float32, len(queries))
	for i, q := range queries {
		parts[i] = q[:prefix]
	}
	return parts, nil
}

// evalRow is one line of eval, in the order in which it is printed.
type evalRow struct {
	Prefix            int     `json:"prefix"`
	Dims              int     `json:"dims"`
	K                 int     `json:"k"`
	TargetRecall      float64 `json:"target_recall"` // 0: none
	Candidates        float64 `json:"candidates"`
	RescoreCandidates float64 `json:"rescore_candidates"`
	Concurrency       int     `json:"concurrency"`
	Queries           int     `json:"queries"`
	Recall            float64 `json:"recall"`
	ExpectedRecall    float64 `json:"expected_recall"` // 0: nothing is known
	QPS               float64 `json:"qps"`
	P50MS             float64 `json:"p50_ms"`
	P99MS             float64 `json:"p99_ms"`
	VectorsReadMean   float64 `json:"vectors_read_mean"`
	Kernel            string  `json:"kernel"`
	// Not in the table: the same in all lines, or told by the columns that are.
	Profile             string  `json:"profile"`
	Bound               float64 `json:"bound"` // 0: none
	PassesMean          float64 `json:"passes_mean"`
	CodeBytesReadMean   float64 `json:"code_bytes_read_mean"`
	VectorBytesReadMean float64 `json:"vector_bytes_read_mean"`
}

var evalHeader = []string{
	"prefix", "dims", "k", "target_recall", "candidates", "rescore_candidates", "concurrency", "queries", "recall", "expected_recall",
	"qps", "p50_ms", "p99_ms", "vectors_read_mean", "kernel",
}

func (r evalRow) cells() []string {
	return []string{
		strconv.Itoa(r.Prefix), strconv.Itoa(r.Dims), strconv.Itoa(r.K), orNone(r.TargetRecall), mean(r.Candidates), mean(r.RescoreCandidates),
		strconv.Itoa(r.Concurrency), strconv.Itoa(r.Queries), fmt.Sprintf("%.4f", r.Recall), expectedRecall(r.ExpectedRecall),
		fmt.Sprintf("%.1f", r.QPS), fmt.Sprintf("%.3f", r.P50MS), fmt.Sprintf("%.3f", r.P99MS), mean(r.VectorsReadMean), r.Kernel,
	}
}

// mean shows the mean of counts, which is mostly whole.
func mean(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// measureAll measures every combination and prints each: as soon as it is known
// for programs, together in a table for people. rows is how many queries their file has.
func (f *evalFlags) measureAll(ctx context.Context, cmd *cobra.Command, out output, b backend, info index.Info, queries [][]float32, rows int) error {
	var table [][]string
	for _, prefix := range f.prefixes {
		parts, err := cutTo(queries, prefix)
		if err != nil {
			return err
		}
		if err := checkQueries(f.queries, parts[0], info); err != nil {
			return err
		}
		right, err := f.right(ctx, cmd, b, info, parts, rows, prefix)
		if err != nil {
			return err
		}
		asked, err := f.asked(parts, info)
		if err != nil {
			return err
		}
		settings := f.settings()
		p := newProgress(cmd, "searching", int64(len(settings)*len(f.concurrency)*len(asked)), false)
		for _, q := range settings {
			for _, concurrency := range f.concurrency {
				run, err := measure(ctx, b, info.Name, q, asked, concurrency, p)
				if err != nil {
					p.done()
					return err
				}
				row := run.row(right)
				row.Profile, row.Prefix = info.ProfileInForce.String(), len(parts[0])
				if !out.json {
					table = append(table, row.cells())
				} else if err := out.object(row); err != nil {
					p.done()
					return err
				}
			}
		}
		p.done()
	}
	if out.json {
		return nil
	}
	return out.numbers(evalHeader, table)
}

// settings are the searches to measure, but for what to search for.
func (f *evalFlags) settings() []index.Query {
	var settings []index.Query
	for _, dims := range f.dims {
		for _, target := range f.targets {
			for _, candidates := range f.candidates {
				q := f.q
				q.Dims, q.TargetRecall, q.Candidates = dims, target, candidates
				settings = append(settings, q)
			}
		}
	}
	return settings
}

// measured is what one run over all queries gave.
type measured struct {
	q           index.Query
	concurrency int
	wall        time.Duration
	// One element a query, in the queries' order.
	ids       [][]string
	latencies []time.Duration
	receipts  []index.Receipt
}

// warmUp is how many untimed searches go before a run, so that connections are
// made and the first pages are in memory.
const warmUp = 16

// measure searches for all queries, concurrency of them at a time. Of those only what
// to search for is taken; q has all the rest.
func measure(ctx context.Context, b backend, name string, q index.Query, queries []index.Query, concurrency int, p *progress) (*measured, error) {
	m := &measured{
		q:           q,
		concurrency: concurrency,
		ids:         make([][]string, len(queries)),
		latencies:   make([]time.Duration, len(queries)),
		receipts:    make([]index.Receipt, len(queries)),
	}
	search := func(ctx context.Context, i int) (*index.Result, error) {
		q := q
		q.Vector, q.Code = queries[i].Vector, queries[i].Code
		result, err := b.Search(ctx, name, q)
		if err != nil {
			return nil, fmt.Errorf("query %d: %w", i, err)
		}
		return result, nil
	}
	for i := range min(warmUp, len(queries)) {
		if _, err := search(ctx, i); err != nil {
			return nil, err
		}
	}
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for range concurrency {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(queries) {
					return nil
				}
				began := time.Now()
				result, err := search(ctx, i)
				if err != nil {
					return err
				}
				m.latencies[i] = time.Since(began)
				m.receipts[i] = result.Receipt
				m.ids[i] = make([]string, len(result.Hits))
				for rank, hit := range result.Hits {
					m.ids[i][rank] = hit.ID
				}
				p.add(1)
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m.wall = time.Since(start)
	return m, nil
}

// row sums a run up against the right answers.
func (m *measured) row(right []idSet) evalRow {
	row := evalRow{
		Dims:        m.receipts[0].Dims,
		K:           m.q.K,
		Concurrency: m.concurrency,
		Queries:     len(m.ids),
		QPS:         float64(len(m.ids)) / max(m.wall, time.Nanosecond).Seconds(),
		Kernel:      m.receipts[0].Kernel,
		Bound:       m.q.Bound,
	}
	var candidates, refined, passes, found, wanted int
	var expected float64
	var vectorsRead, codeBytes, vectorBytes uint64
	for i, r := range m.receipts {
		candidates += r.Candidates
		refined += r.Refined
		passes += r.Passes
		expected += r.ExpectedRecall
		row.TargetRecall = max(row.TargetRecall, r.TargetRecall) // where all vectors were compared, none
		vectorsRead += r.VectorsRead
		codeBytes += r.CodeBytesRead
		vectorBytes += r.VectorBytesRead
		f, w := countRight(m.ids[i], right[i], m.q.K)
		found, wanted = found+f, wanted+w
	}
	n := float64(len(m.ids))
	row.Candidates, row.RescoreCandidates, row.VectorsReadMean = float64(candidates)/n, float64(refined)/n, float64(vectorsRead)/n
	row.PassesMean, row.ExpectedRecall = float64(passes)/n, expected/n
	row.CodeBytesReadMean, row.VectorBytesReadMean = float64(codeBytes)/n, float64(vectorBytes)/n
	// As many are wanted of every query, so this is the mean of their recalls.
	row.Recall = float64(found) / float64(max(wanted, 1))
	sorted := slices.Sorted(slices.Values(m.latencies))
	row.P50MS = milliseconds(percentile(sorted, 0.50))
	row.P99MS = milliseconds(percentile(sorted, 0.99))
	return row
}
