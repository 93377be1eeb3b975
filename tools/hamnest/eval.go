package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/measure"
	"github.com/hamnest/hamnest/tools/hamnest/show"
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

func evalCommand(format *show.Format) *cobra.Command {
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

--truth gives the right answers: row i has the row numbers of the exact answers to query
i, best first, k or more of them. Row r is line r of --ids. Without --ids it is the r-th
vector that was stored, which only holds until a vector is replaced or deleted. Without
--truth, an exact search of the collection gives the right answers.

With --prefix, queries are cut to a step of the ladder. The right answers are then those
of an exact search at that prefix, since --truth is about whole queries. Queries that are
shorter in the file need --prefix too, because they may be of another model, unless the
collection was made with --ladder.

With --filter, every search looks only among the vectors that match. The right answers
are then those of an exact search among them, since --truth is about all vectors.

With --codes, eval searches for packed codes instead of the queries: row i of that file
for query i. --dialect says how they are packed. The right answers are still those of the
queries. Such searches end at the codes.

When other answers tie with the k-th right one (exact scores within 1e-6, in float64,
from the stored vectors), they are right too as far as --truth lists them, since any of
them could be the k-th. Recall is the number of right answers returned, at most k,
divided by k, or by the size of a collection with fewer than k vectors.`,
		Example: `  hamnest eval packages --queries queries.npy --truth truth.npy --target-recall 0.9,0.95,0.99 --data ./vectors
  hamnest eval packages --queries queries.npy --truth truth.npy --ids docs.jsonl --concurrency 1,8 --server localhost:7700
  hamnest eval packages --queries queries.npy --prefix 64,128,256 --data ./vectors
  hamnest eval packages --queries queries.npy --filter 'section = "games"' --data ./vectors
  hamnest eval packages --queries queries.npy --exact --queries-limit 100 --format json --data ./vectors`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.stages.set(&flags.q)
			if err := flags.check(); err != nil {
				return err
			}
			queries, rows, err := files.ReadQueries(files.Disk, flags.queries, flags.queriesLimit)
			if err != nil {
				return err
			}
			return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
				info, err := b.GetCollection(ctx, args[0])
				if err != nil {
					return err
				}
				if err := checkQueries(flags.queries, queries[0], info); err != nil {
					return err
				}
				if flags.q.Filter != "" {
					if n, err := b.Count(ctx, info.Name, flags.q.Filter); err != nil || n == 0 {
						return cmp.Or(err, fmt.Errorf("no vector of collection %q matches --filter: there is nothing to find", info.Name))
					}
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
	f.IntVar(&flags.queriesLimit, "queries-limit", 0, "most queries to use, from the start of the file (default all)")
	f.StringVar(&flags.truth, "truth", "", "`file` of exact answers, .npy of int32 or int64 (default: the collection's own exact search)")
	f.StringVar(&flags.ids, "ids", "", "with --truth: `file` with the ids of its row numbers, .txt or .jsonl")
	f.StringVar(&flags.codes, "codes", "", "`file` of packed codes to search for instead, .npy of uint8 or int8 with one for each query")
	addDialectFlag(cmd, &flags.dialect, "with --codes")
	addFilterFlag(cmd, &flags.q.Filter, "search only among the vectors")
	f.IntVarP(&flags.q.K, "k", "k", 10, "results for each query")
	f.IntSliceVar(&flags.dims, "dims", []int{0}, "most dimensions of a code that the scan reads: ladder steps or multiples of 64; 0 chooses the cheapest")
	f.IntSliceVar(&flags.prefixes, "prefix", []int{0}, "cut queries to this ladder step and search for that prefix; 0 does not cut")
	f.Float64SliceVar(&flags.targets, "target-recall", []float64{0}, fmt.Sprintf("mean share of the right hits to find; 0 means %v", index.DefaultTargetRecall))
	f.IntSliceVar(&flags.candidates, "candidates", []int{0}, "rows that the scan keeps at first, k or more; 0 means 40 k, but from 100 to 10000")
	f.IntSliceVar(&flags.concurrency, "concurrency", []int{1}, "number of searches at a time")
	flags.stages.register(cmd)
	addThreads(cmd)
	if err := cmd.MarkFlagRequired("queries"); err != nil {
		panic("hamnest: " + err.Error())
	}
	return cmd
}

func (f *evalFlags) check() error {
	if f.q.K < 1 {
		return fmt.Errorf("-k is %d, want at least 1", f.q.K)
	}
	if f.q.Filter != "" && f.truth != "" {
		return errors.New("--truth is about all vectors: with --filter the right answers come from an exact search, want no --truth")
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
	codes, err := files.ReadCodes(f.codes, dialect, info.Ladder, len(queries))
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
func (f *evalFlags) right(ctx context.Context, cmd *cobra.Command, b api.Engine, info index.Info, queries [][]float32, rows, prefix int) ([]measure.IDSet, error) {
	p := show.NewProgress(cmd.ErrOrStderr(), "exact answers", int64(len(queries)), false)
	defer p.Done()
	if f.truth != "" && prefix == 0 {
		truth := measure.TruthFile{Open: files.Disk, Name: f.truth, IDs: f.ids}
		return truth.Right(ctx, b, info, queries, rows, f.q.K, p.Add)
	}
	if f.q.Filter != "" {
		cmd.PrintErrln("the right answers come from an exact search of the vectors that match --filter")
	} else if prefix == 0 {
		cmd.PrintErrln("no --truth: the right answers come from an exact search of the collection")
	} else {
		cmd.PrintErrf("the right answers at prefix %d come from an exact search of the collection\n", prefix)
	}
	return measure.ExactTruth(ctx, b, info, queries, f.q.K, f.q.Filter, p.Add)
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

var evalHeader = []string{
	"prefix", "dims", "k", "target_recall", "candidates", "rescore_candidates", "concurrency", "queries", "recall", "expected_recall",
	"qps", "p50_ms", "p99_ms", "vectors_read_mean", "kernel",
}

func evalCells(r measure.Summary) []string {
	return []string{
		strconv.Itoa(r.Prefix), strconv.Itoa(r.Dims), strconv.Itoa(r.K), show.OrNone(r.TargetRecall), show.Mean(r.Candidates), show.Mean(r.RescoreCandidates),
		strconv.Itoa(r.Concurrency), strconv.Itoa(r.Queries), fmt.Sprintf("%.4f", r.Recall), expectedRecall(r.ExpectedRecall),
		fmt.Sprintf("%.1f", r.QPS), fmt.Sprintf("%.3f", r.P50MS), fmt.Sprintf("%.3f", r.P99MS), show.Mean(r.VectorsReadMean), r.Kernel,
	}
}

// measureAll measures every combination and prints each: as soon as it is known
// for programs, together in a table for people. rows is how many queries their file has.
func (f *evalFlags) measureAll(ctx context.Context, cmd *cobra.Command, out show.Output, b api.Engine, info index.Info, queries [][]float32, rows int) error {
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
		if !info.LadderGiven && prefix > 0 { // a query must then say that it is a prefix
			for i := range settings {
				settings[i].Dims = cmp.Or(settings[i].Dims, prefix)
			}
		}
		p := show.NewProgress(cmd.ErrOrStderr(), "searching", int64(len(settings)*len(f.concurrency)*len(asked)), false)
		for _, q := range settings {
			for _, concurrency := range f.concurrency {
				run, err := measure.Searches(ctx, b, info.Name, q, asked, concurrency, p.Add)
				if err != nil {
					p.Done()
					return err
				}
				row := run.Summary(right)
				row.Profile, row.Prefix = info.ProfileInForce.String(), len(parts[0])
				if !out.JSON {
					table = append(table, evalCells(row))
				} else if err := out.Object(row); err != nil {
					p.Done()
					return err
				}
			}
		}
		p.Done()
	}
	if out.JSON {
		return nil
	}
	return out.Numbers(evalHeader, table)
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

// checkQueries returns an error when a collection cannot be searched for the
// queries of a file.
func checkQueries(name string, query []float32, info index.Info) error {
	dims := len(query)
	if slices.Contains(info.Ladder, dims) {
		return nil
	}
	return fmt.Errorf("%s: found queries of %d dimensions, want %d or a shorter step of the ladder %s of collection %q",
		name, dims, info.Dims, show.Ints(info.Ladder), info.Name)
}
