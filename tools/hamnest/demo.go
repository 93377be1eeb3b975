package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/measure"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// demoData is the bundled sample: demodata/README.md says what it is.
//
//go:embed demodata
var demoData embed.FS

const (
	demoCollection = "packages"
	demoK          = 10
)

// demoPrefix is one of the sizes that the model of the sample was trained for.
const demoPrefix = 256

// demoSearch is a way to search that the demo shows.
type demoSearch struct {
	name string
	dims int // of the queries; 0: all
	q    index.Query
}

// demoSearches go from the default to what is cheaper; the last is the reference.
var demoSearches = []demoSearch{
	{name: "by default", q: index.Query{K: demoK}},
	{name: "target 0.95", q: index.Query{K: demoK, TargetRecall: 0.95}},
	{name: "target 0.9", q: index.Query{K: demoK, TargetRecall: 0.9}},
	{name: "codes alone", q: index.Query{K: demoK, Rescore: index.RescoreCodes}},
	{name: fmt.Sprintf("first %d dims", demoPrefix), dims: demoPrefix, q: index.Query{K: demoK, Dims: demoPrefix}},
	{name: "all vectors", q: index.Query{K: demoK, Exact: true}},
}

func demoCommand(format *show.Format) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show in a minute what binary codes keep of real vectors",
		Long: `Demo stores 5,000 real vectors (descriptions of Debian packages, which are part of this
program) in a temporary directory, searches for 300 real queries in several ways, and
compares the answers with those of the float32 vectors:

  by default     compares the codes in memory, then the stored vectors of the few rows
                 that the codes cannot tell apart, until it expects to have found 99.5 %
                 of the right answers; it needs no tuning
  target ...     the same with a lower target, which reads fewer vectors
  codes alone    reads no stored vectors
  first ... dims cuts the queries to a size that the model was trained for; recall still
                 counts the nearest by all dimensions
  all vectors    reads every vector: the reference

  recall@10      share of the 10 nearest vectors that were found
  nDCG@10        how high the package ranks that the query looks for; 1 is always first

It needs no network and leaves nothing behind.`,
		Example: `  hamnest demo
  hamnest demo --format json`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd, func(d *demo) error { return d.print(cmd.Context(), newOutput(cmd, format)) })
		},
	}
	addThreads(cmd)
	return cmd
}

// demoRow is one line of the demo's table.
type demoRow struct {
	Search         string  `json:"search"`
	Dims           int     `json:"dims"`             // of the queries
	TargetRecall   float64 `json:"target_recall"`    // 0: none
	BytesPerVector int     `json:"bytes_per_vector"` // that every search goes through
	TimesSmaller   float64 `json:"times_smaller"`
	VectorsRead    float64 `json:"vectors_read"`
	Recall         float64 `json:"recall"`
	NDCG           float64 `json:"ndcg"`
	NDCGKept       float64 `json:"ndcg_kept"`
	MedianMS       float64 `json:"median_ms"`
	Kernel         string  `json:"kernel"`
}

// runDemo stores the sample in a temporary directory, measures the searches, and calls use
// while the sample can still be searched.
func runDemo(cmd *cobra.Command, use func(d *demo) error) (err error) {
	dir, err := os.MkdirTemp("", "hamnest-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := openLocal(dir, index.Options{}, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()

	ctx := cmd.Context()
	in := files.Input{Open: openDemo, Files: []string{"base.npy"}, IDs: "docs.jsonl"}
	layout, err := in.Layout()
	if err != nil {
		return err
	}
	info, err := b.CreateCollection(ctx, index.Spec{Name: demoCollection, Dims: layout.Dims})
	if err != nil {
		return err
	}
	d := demo{engine: b}
	d.summary, err = storeInput(ctx, &in, &files.Report{}, b, info.Spec, 0, show.NewProgress(cmd.ErrOrStderr(), "storing", layout.Bytes, true))
	if err != nil {
		return err
	}
	if err := waitForRewrite(ctx, cmd, b, demoCollection); err != nil {
		return err
	}
	if d.info, err = b.GetCollection(ctx, demoCollection); err != nil {
		return err
	}
	if err := d.readQueries(ctx, cmd); err != nil {
		return err
	}
	if d.rows, err = d.measure(ctx, cmd); err != nil {
		return err
	}
	return use(&d)
}

// print prints the rows for programs, and the whole story for people.
func (d *demo) print(ctx context.Context, out show.Output) error {
	if out.JSON {
		for _, row := range d.rows {
			if err := out.Object(row); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.Join(
		out.Printf("%d descriptions of Debian packages as vectors of %d dimensions, stored durably in %.2f s. Only their codes stay in\nmemory, and they are %.1f times smaller. The %d nearest for each of %d queries, with kernel %s, compared with the float32 vectors:\n\n",
			d.summary.Vectors, d.info.Dims, d.summary.Seconds, d.rows[0].TimesSmaller, demoK, len(d.queries), d.rows[0].Kernel),
		printDemoTable(out, d.rows),
		d.printExamples(ctx, out),
		out.Printf("%s", demoNext),
	)
}

// openDemo opens a file of the bundled sample.
func openDemo(name string) (fs.File, error) { return demoData.Open(path.Join("demodata", name)) }

// demo is the sample, stored, with its queries and what searching for them has shown.
type demo struct {
	engine  api.Engine
	info    index.Info
	summary ingestSummary
	rows    []demoRow
	queries [][]float32
	ids     []string             // of the queries
	texts   []string             // of the queries
	right   []measure.IDSet      // the exact answers
	judged  []map[string]float64 // by query, the relevance of packages to it
}

func (d *demo) readQueries(ctx context.Context, cmd *cobra.Command) error {
	var rows int
	var err error
	if d.queries, rows, err = files.ReadQueries(openDemo, "queries.npy", 0); err != nil {
		return err
	}
	truth := measure.TruthFile{Open: openDemo, Name: "truth.npy"}
	p := show.NewProgress(cmd.ErrOrStderr(), "exact answers", int64(rows), false)
	defer p.Done()
	if d.right, err = truth.Right(ctx, d.engine, d.info, d.queries, rows, demoK, p.Add); err != nil {
		return err
	}
	judgements, err := readJudgements("qrels.tsv")
	if err != nil {
		return err
	}
	return eachDemoLine("queries.jsonl", func(l *files.Lines) error {
		id, text, err := idAndText(l.Line)
		if err != nil {
			return l.Errorf("%w", err)
		}
		d.ids, d.texts = append(d.ids, id), append(d.texts, text)
		d.judged = append(d.judged, judgements[id])
		return nil
	})
}

// eachDemoLine calls visit after every line of a file of the sample is read.
func eachDemoLine(name string, visit func(*files.Lines) error) (err error) {
	l, err := files.OpenLines(openDemo, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for {
		if _, err := l.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := visit(l); err != nil {
			return err
		}
	}
}

// idAndText reads {"id": ..., "text": ...}.
func idAndText(line []byte) (id, text string, err error) {
	var doc struct{ ID, Text string }
	err = json.Unmarshal(line, &doc)
	return doc.ID, doc.Text, err
}

// readJudgements returns, by query, the relevance of packages to it: a header,
// then lines of query id, package id and relevance, parted by tabs.
func readJudgements(name string) (map[string]map[string]float64, error) {
	judgements := make(map[string]map[string]float64)
	err := eachDemoLine(name, func(l *files.Lines) error {
		if l.Number == 1 {
			return nil
		}
		fields := strings.Split(strings.TrimSpace(string(l.Line)), "\t")
		if len(fields) != 3 {
			return l.Errorf("found %d fields, want 3", len(fields))
		}
		relevance, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return l.Errorf("%w", err)
		}
		if judgements[fields[0]] == nil {
			judgements[fields[0]] = make(map[string]float64)
		}
		judgements[fields[0]][fields[1]] = relevance
		return nil
	})
	return judgements, err
}

// measure searches in every way, the last of which is the reference.
func (d *demo) measure(ctx context.Context, cmd *cobra.Command) ([]demoRow, error) {
	p := show.NewProgress(cmd.ErrOrStderr(), "searching", int64(len(demoSearches)*len(d.queries)), false)
	defer p.Done()
	stats, err := d.engine.Stats(ctx, demoCollection)
	if err != nil {
		return nil, err
	}
	vectorBytes := 4 * d.info.Dims
	var rows []demoRow
	for _, s := range demoSearches {
		queries, err := cutTo(d.queries, s.dims)
		if err != nil {
			return nil, err
		}
		run, err := measure.Searches(ctx, d.engine, demoCollection, s.q, byVector(queries), 1, p.Add)
		if err != nil {
			return nil, err
		}
		row := d.row(run)
		row.Search, row.Dims, row.BytesPerVector = s.name, len(queries[0]), int(stats.MemoryBytes/stats.Vectors)
		if s.q.Exact {
			row.BytesPerVector = vectorBytes
		}
		row.TimesSmaller = float64(vectorBytes) / float64(row.BytesPerVector)
		rows = append(rows, row)
	}
	reference := rows[len(rows)-1]
	for i := range rows {
		rows[i].NDCGKept = rows[i].NDCG / reference.NDCG
	}
	return rows, nil
}

// row sums a run up.
func (d *demo) row(run *measure.Run) demoRow {
	e := run.Summary(d.right)
	sum, judged := 0.0, 0
	for i, ids := range run.IDs {
		if len(d.judged[i]) > 0 {
			sum += measure.NDCG(ids, d.judged[i], demoK)
			judged++
		}
	}
	if run.Query.Rescore == index.RescoreCodes { // which promises nothing about vectors
		e.TargetRecall = 0
	}
	return demoRow{TargetRecall: e.TargetRecall, VectorsRead: e.VectorsReadMean, Recall: e.Recall, NDCG: sum / float64(judged), MedianMS: e.P50MS, Kernel: e.Kernel}
}

func printDemoTable(out show.Output, rows []demoRow) error {
	header := []string{"search", "bytes a vector", "vectors read", "recall@10", "nDCG@10", "nDCG kept", "median ms"}
	var cells [][]string
	for _, r := range rows {
		cells = append(cells, []string{
			r.Search, strconv.Itoa(r.BytesPerVector), show.Mean(r.VectorsRead),
			fmt.Sprintf("%.3f", r.Recall), fmt.Sprintf("%.3f", r.NDCG), fmt.Sprintf("%.1f %%", 100*r.NDCGKept), fmt.Sprintf("%.3f", r.MedianMS),
		})
	}
	return out.Numbers(header, cells)
}

// demoExamples are the ids of queries that speak for themselves.
var demoExamples = []string{"apostrophe", "i8kutils", "pianobooster"}

// demoTextWidth is how much of a description an example shows.
const demoTextWidth = 100

func (d *demo) printExamples(ctx context.Context, out show.Output) error {
	if err := out.Printf("\nThree of the queries:\n"); err != nil {
		return err
	}
	for _, id := range demoExamples {
		i := slices.Index(d.ids, id)
		result, err := d.engine.Search(ctx, demoCollection, index.Query{
			Vector: d.queries[i], K: 3, WithMetadata: true,
		})
		if err != nil {
			return err
		}
		if err := out.Printf("\n  %q\n", d.texts[i]); err != nil {
			return err
		}
		for rank, hit := range result.Hits {
			_, text, err := idAndText(hit.Metadata)
			if err != nil {
				return err
			}
			if err := out.Printf("    %d. %s (%.3f): %s\n", rank+1, hit.ID, hit.Score, show.Shorten(text, demoTextWidth)); err != nil {
				return err
			}
		}
	}
	return nil
}

// demoNext is what to type next.
const demoNext = `
The same by hand, with the sample's files in tools/hamnest/demodata (or your own):

  hamnest serve --data ./vectors                 (and then, in another terminal)
  export HAMNEST_SERVER=127.0.0.1:7700
  hamnest ingest packages base.npy --ids docs.jsonl --create
  hamnest search packages --query queries.npy --row 0 --with-metadata
  hamnest eval packages --queries queries.npy --truth truth.npy --target-recall 0.9,0.99

hamnest --help tells the rest.
`
