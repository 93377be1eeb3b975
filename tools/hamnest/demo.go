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
)

// demoData is the bundled sample: demodata/README.md says what it is.
//
//go:embed demodata
var demoData embed.FS

const (
	demoCollection = "packages"
	demoK          = 10
)

// demoPrefixes are sizes that the model of the sample was trained for.
var demoPrefixes = []int{256, 512, 768}

func demoCommand(format *outputFormat) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show in a minute what binary codes keep of real vectors",
		Long: `Demo stores 5,000 real vectors (descriptions of Debian packages, which are part of this
program) in a temporary directory, lets the collection choose its profile, searches for
300 real queries with the first 256, 512 and all 768 bits of each code, and compares the
answers with those of the float32 vectors:

  recall@10  share of the 10 nearest vectors found
  nDCG@10    how high the package stands that the query looks for; 1 is always first

Each size is searched twice: by codes alone, and as a search is by default, which scores
the best candidates again by their stored vectors, until the rest cannot matter. It needs
no network and leaves nothing behind.`,
		Example: `  hamnest demo
  hamnest demo --format json`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd, newOutput(cmd, format))
		},
	}
}

// demoRow is one line of the demo's table.
type demoRow struct {
	Codes          string  `json:"codes"` // "bits", or "float32" for the reference
	Dims           int     `json:"dims"`
	BytesPerVector int     `json:"bytes_per_vector"`
	TimesSmaller   float64 `json:"times_smaller"`
	Rescored       int     `json:"rescored"`
	Recall         float64 `json:"recall"`
	NDCG           float64 `json:"ndcg"`
	NDCGKept       float64 `json:"ndcg_kept"`
	MedianMS       float64 `json:"median_ms"`
	Kernel         string  `json:"kernel"`
}

func runDemo(cmd *cobra.Command, out output) (err error) {
	dir, err := os.MkdirTemp("", "hamnest-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := openLocal(dir, true, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()

	ctx := cmd.Context()
	in := input{open: openDemo, files: []string{"base.npy"}, ids: "docs.jsonl"}
	layout, err := in.layout()
	if err != nil {
		return err
	}
	info, err := b.Create(ctx, index.Spec{Name: demoCollection, Dims: layout.dims, Ladder: demoPrefixes})
	if err != nil {
		return err
	}
	summary, err := in.store(ctx, b, info.Spec, 0, newProgress(cmd, "storing", layout.bytes, true))
	if err != nil {
		return err
	}
	if err := waitForRewrite(ctx, cmd, b, demoCollection); err != nil {
		return err
	}
	if info, err = b.Collection(ctx, demoCollection); err != nil {
		return err
	}
	d := demo{backend: b, info: info}
	if err := d.readQueries(ctx, cmd); err != nil {
		return err
	}
	rows, err := d.measure(ctx, cmd)
	if err != nil {
		return err
	}
	if out.json {
		for _, row := range rows {
			if err := out.object(row); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.Join(
		out.printf("%d descriptions of Debian packages as vectors of %d dimensions, stored durably in %.2f s under\nprofile %v. %d queries; the nearest %d of each by codes, kernel %s, and by the float32 vectors:\n\n",
			summary.Vectors, info.Dims, summary.Seconds, info.ProfileInForce, len(d.queries), demoK, rows[0].Kernel),
		printDemoTable(out, rows),
		d.printExamples(ctx, out),
		out.printf("%s", demoNext),
	)
}

// openDemo opens a file of the bundled sample.
func openDemo(name string) (fs.File, error) { return demoData.Open(path.Join("demodata", name)) }

// demo is the sample, stored, and its queries.
type demo struct {
	backend backend
	info    index.Info
	queries [][]float32
	ids     []string             // of the queries
	texts   []string             // of the queries
	right   []idSet              // the exact answers
	judged  []map[string]float64 // by query, the relevance of packages to it
}

func (d *demo) readQueries(ctx context.Context, cmd *cobra.Command) error {
	var rows int
	var err error
	if d.queries, rows, err = readQueries(openDemo, "queries.npy", 0); err != nil {
		return err
	}
	truth := truthFile{open: openDemo, name: "truth.npy"}
	p := newProgress(cmd, "exact answers", int64(rows), false)
	if d.right, err = truth.right(ctx, d.backend, d.info, d.queries, rows, demoK, p); err != nil {
		return err
	}
	judgements, err := readJudgements("qrels.tsv")
	if err != nil {
		return err
	}
	return eachDemoLine("queries.jsonl", func(l *lineReader) error {
		id, text, err := idAndText(l.line)
		if err != nil {
			return l.errorf("%w", err)
		}
		d.ids, d.texts = append(d.ids, id), append(d.texts, text)
		d.judged = append(d.judged, judgements[id])
		return nil
	})
}

// eachDemoLine calls visit after every line of a file of the sample is read.
func eachDemoLine(name string, visit func(*lineReader) error) (err error) {
	l, err := openLines(openDemo, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for {
		if _, err := l.next(); errors.Is(err, io.EOF) {
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
	err := eachDemoLine(name, func(l *lineReader) error {
		if l.number == 1 {
			return nil
		}
		fields := strings.Split(strings.TrimSpace(string(l.line)), "\t")
		if len(fields) != 3 {
			return l.errorf("found %d fields, want 3", len(fields))
		}
		relevance, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return l.errorf("%w", err)
		}
		if judgements[fields[0]] == nil {
			judgements[fields[0]] = make(map[string]float64)
		}
		judgements[fields[0]][fields[1]] = relevance
		return nil
	})
	return judgements, err
}

// measure searches at every prefix, without and with rescoring, and last by the
// stored vectors alone.
func (d *demo) measure(ctx context.Context, cmd *cobra.Command) ([]demoRow, error) {
	p := newProgress(cmd, "searching", int64((2*len(demoPrefixes)+1)*len(d.queries)), false)
	defer p.done()
	var rows []demoRow
	stats, err := d.backend.Stats(ctx, demoCollection)
	if err != nil {
		return nil, err
	}
	vectorBytes := 4 * d.info.Dims
	for _, dims := range demoPrefixes {
		for _, q := range []index.Query{
			{K: demoK, Dims: dims, Rescore: index.RescoreNone},
			{K: demoK, Dims: dims},
		} {
			run, err := measure(ctx, d.backend, demoCollection, q, byVector(d.queries), 1, p)
			if err != nil {
				return nil, err
			}
			row := d.row(run)
			// In memory, with the scalars of the blocks: each prefix has its share.
			row.Codes, row.BytesPerVector = "bits", int(stats.MemoryBytes/stats.Vectors)*dims/d.info.Dims
			row.TimesSmaller = float64(vectorBytes) / float64(row.BytesPerVector)
			rows = append(rows, row)
		}
	}
	exact, err := measure(ctx, d.backend, demoCollection, index.Query{K: demoK, Exact: true}, byVector(d.queries), 1, p)
	if err != nil {
		return nil, err
	}
	reference := d.row(exact)
	reference.Codes, reference.BytesPerVector, reference.TimesSmaller = "float32", vectorBytes, 1
	rows = append(rows, reference)
	for i := range rows {
		rows[i].NDCGKept = rows[i].NDCG / reference.NDCG
	}
	return rows, nil
}

// row sums a run up.
func (d *demo) row(run *measured) demoRow {
	e := run.row(d.right)
	sum, judged := 0.0, 0
	for i, ids := range run.ids {
		if len(d.judged[i]) > 0 {
			sum += ndcgOf(ids, d.judged[i], demoK)
			judged++
		}
	}
	row := demoRow{Dims: e.Dims, Recall: e.Recall, NDCG: sum / float64(judged), MedianMS: e.P50MS, Kernel: e.Kernel}
	if !run.q.Exact {
		row.Rescored = int(e.VectorsReadMean)
	}
	return row
}

func printDemoTable(out output, rows []demoRow) error {
	header := []string{"codes", "bytes a vector", "smaller", "rescored", "recall@10", "nDCG@10", "nDCG kept", "median ms"}
	var cells [][]string
	for _, r := range rows {
		codes, rescored := fmt.Sprintf("%d bits", r.Dims), strconv.Itoa(r.Rescored)
		if r.Codes != "bits" {
			codes, rescored = r.Codes, "all"
		} else if r.Rescored == 0 {
			rescored = "none"
		}
		cells = append(cells, []string{
			codes, strconv.Itoa(r.BytesPerVector), fmt.Sprintf("%.0fx", r.TimesSmaller), rescored,
			fmt.Sprintf("%.3f", r.Recall), fmt.Sprintf("%.3f", r.NDCG), fmt.Sprintf("%.1f %%", 100*r.NDCGKept), fmt.Sprintf("%.3f", r.MedianMS),
		})
	}
	return out.numbers(header, cells)
}

// demoExamples are the ids of queries that speak for themselves; demoExampleDims is
// the prefix they are searched with.
var demoExamples = []string{"apostrophe", "i8kutils", "pianobooster"}

const demoExampleDims = 256

// demoTextWidth is how much of a description an example shows.
const demoTextWidth = 100

func (d *demo) printExamples(ctx context.Context, out output) error {
	if err := out.printf("\nThree of the queries, by %d bits and vectors as needed:\n", demoExampleDims); err != nil {
		return err
	}
	for _, id := range demoExamples {
		i := slices.Index(d.ids, id)
		result, err := d.backend.Search(ctx, demoCollection, index.Query{
			Vector: d.queries[i], K: 3, Dims: demoExampleDims, WithMetadata: true,
		})
		if err != nil {
			return err
		}
		if err := out.printf("\n  %q\n", d.texts[i]); err != nil {
			return err
		}
		for rank, hit := range result.Hits {
			_, text, err := idAndText(hit.Metadata)
			if err != nil {
				return err
			}
			if err := out.printf("    %d. %s (%.3f): %s\n", rank+1, hit.ID, hit.Score, shorten(text, demoTextWidth)); err != nil {
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
  hamnest eval packages --queries queries.npy --truth truth.npy --dims 256,768

hamnest --help tells the rest.
`
