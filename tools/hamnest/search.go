package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/measure"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// rescoreFlag is index.Rescore as a flag.
type rescoreFlag index.Rescore

// String, Set and Type make a rescoreFlag a flag.
func (f *rescoreFlag) String() string { return index.Rescore(*f).String() }

// Set takes the name of a stage.
func (f *rescoreFlag) Set(name string) error {
	r, err := parseRescore(name)
	*f = rescoreFlag(r)
	return err
}

func parseRescore(name string) (index.Rescore, error) {
	for _, r := range []index.Rescore{index.RescoreAuto, index.RescoreNone, index.RescoreCodes, index.RescoreVectors} {
		if r.String() == name {
			return r, nil
		}
	}
	return 0, fmt.Errorf("found %q, want auto, none, codes or vectors", name)
}

// Type names the value in help texts.
func (f *rescoreFlag) Type() string { return "auto|none|codes|vectors" }

// searchFlags are the flags of search.
type searchFlags struct {
	query    string
	code     string
	dialect  string
	row      int
	vector   string
	minScore float32
	stages   stageFlags
	receipt  bool
	q        index.Query
}

func searchCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var flags searchFlags
	cmd := &cobra.Command{
		Use:   "search NAME",
		Short: "Find the vectors most like a query",
		Long: `Search finds the k vectors most like a query, best first. The query is one of

  --query FILE.npy   every row of a matrix, or one with --row
  --id ID            a stored vector, which is itself left out of the answer
  --vector '[...]'   a JSON array of numbers, or - to read one from standard input
  --code FILE.npy    every row of a matrix of packed codes, or one with --row; --dialect
                     says how they are packed. The search ends at the codes.

A search has up to three stages. It scans the codes, ranks all rows by the best score
that each could have, and keeps --candidates of them. Then it compares the query with the
whole codes of those. Last, it scores the most promising ones by their stored vectors. It
stops when the share of hits that it may have missed is as small as --target-recall asks
for. If the rows it kept are not enough, it scans again, or compares all vectors.
--receipt shows how far it went and which recall to expect. --rescore ends a search
earlier: after the scan (none) or after the whole codes (codes), with estimated scores.
--exact compares the query with every stored vector instead.

--filter looks only among the vectors whose metadata matches, as if there were no others.

A query may be shorter than the vectors if its size is a step of the collection's ladder.
The answer is then about that prefix: scores are those of the prefixes, and the target
recall counts the nearest by that prefix. Give the size of such a query with --dims,
because it may be of another model, unless the collection was made with --ladder.`,
		Example: `  hamnest search packages --query queries.npy --row 0 -k 5 --with-metadata --data ./vectors
  hamnest search packages --id vim -k 3 --receipt --data ./vectors
  hamnest search packages --id vim --filter 'section = "games" AND size_kb < 500' --data ./vectors
  hamnest search packages --query queries.npy --target-recall 0.95 --format json --server localhost:7700
  hamnest search packages --code ubinary.npy --dialect numpy --data ./vectors
  hamnest search packages --query queries.npy --row 0 --dims 128 --receipt --data ./vectors
  echo '[0.1, -0.2, 0.3]' | hamnest search small --vector - --data ./vectors`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.complete(cmd); err != nil {
				return err
			}
			return store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
				out := newOutput(cmd, format)
				if flags.file() != "" {
					return flags.searchFile(ctx, cmd, b, args[0], out)
				}
				result, err := b.Search(ctx, args[0], flags.q)
				if err != nil {
					return err
				}
				return flags.print(cmd, out, []answer{{result: result}})
			})
		},
	}
	store.register(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.query, "query", "", "`file` of queries, .npy with one a row")
	f.StringVar(&flags.code, "code", "", "`file` of packed codes to search for, .npy of uint8 or int8 with one a row")
	addDialectFlag(cmd, &flags.dialect, "with --code")
	f.IntVar(&flags.row, "row", 0, "with --query or --code: the one row to search for, from 0 (default all)")
	f.StringVar(&flags.q.ID, "id", "", "`id` of the stored vector to search for")
	f.StringVar(&flags.vector, "vector", "", "JSON `array` of numbers to search for, - for standard input")
	f.IntVarP(&flags.q.K, "k", "k", 10, "number of hits to return")
	f.IntVar(&flags.q.Dims, "dims", 0, "most dimensions of a code that the scan reads: a ladder step or a multiple of 64; with --exact, dimensions of the vectors to compare (default: the cheapest)")
	f.Float64Var(&flags.q.TargetRecall, "target-recall", 0, fmt.Sprintf("mean share of the right hits to find, above 0 and at most 1 (default %v)", index.DefaultTargetRecall))
	flags.stages.register(cmd)
	f.IntVar(&flags.q.Candidates, "candidates", 0, "rows that the scan keeps at first, k or more (default 40 k, but from 100 to 10000)")
	f.Float64Var(&flags.q.Oversampling, "oversampling", 0, "the same as a multiple of k; instead of --candidates")
	addFilterFlag(cmd, &flags.q.Filter, "look only among the vectors")
	f.Float32Var(&flags.minScore, "min-score", 0, "leave out hits with a lower score, on the metric's scale (default: none)")
	f.StringVar(&flags.q.PageToken, "page-token", "", "continue after an earlier answer to the same query, with the `token` that it gave")
	f.BoolVar(&flags.q.WithVector, "with-vector", false, "return the stored vectors")
	f.BoolVar(&flags.q.WithMetadata, "with-metadata", false, "return the metadata")
	f.BoolVar(&flags.receipt, "receipt", false, "also print what the search did (--format json always does)")
	addThreads(cmd)
	cmd.MarkFlagsOneRequired("query", "id", "vector", "code")
	cmd.MarkFlagsMutuallyExclusive("query", "id", "vector", "code")
	cmd.MarkFlagsMutuallyExclusive("candidates", "oversampling")
	return cmd
}

// stageFlags are the flags about the stages of a search that search and eval have in
// common.
type stageFlags struct {
	bound   float64
	rescore rescoreFlag
	exact   bool
}

func (s *stageFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Float64Var(&s.bound, "bound", 0, "for experts, instead of --target-recall: read a vector if its score could be among the best when it is this many standard deviations above the estimate")
	f.Var(&s.rescore, "rescore", "where a search ends: after the scan (none), the whole codes (codes) or the stored vectors (vectors, auto)")
	completeFrom(cmd, "rescore", "auto", "none", "codes", "vectors")
	f.BoolVar(&s.exact, "exact", false, "compare the query with every stored vector instead of the codes")
}

// set puts what was given into q.
func (s *stageFlags) set(q *index.Query) {
	q.Bound, q.Rescore, q.Exact = s.bound, index.Rescore(s.rescore), s.exact
}

// complete fills in the part of the query that flags cannot hold directly.
func (f *searchFlags) complete(cmd *cobra.Command) error {
	f.stages.set(&f.q)
	if cmd.Flags().Changed("min-score") {
		f.q.MinScore = &f.minScore
	}
	if cmd.Flags().Changed("row") && f.file() == "" {
		return errors.New("--row says which row of --query or --code FILE.npy, which are both missing")
	}
	if cmd.Flags().Changed("id") {
		if err := checkIDs(f.q.ID); err != nil {
			return fmt.Errorf("--id: %w", err)
		}
	}
	if f.dialect != "" && f.code == "" {
		return errors.New("--dialect says how --code FILE.npy is packed, which is missing")
	}
	if f.file() != "" && !cmd.Flags().Changed("row") && f.q.PageToken != "" {
		return errors.New("--page-token continues one answer, which is missing")
	}
	if f.vector == "" {
		return nil
	}
	text := []byte(f.vector)
	if f.vector == "-" {
		var err error
		if text, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), files.MaxLine)); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		text = files.TrimMark(text)
	}
	if !json.Valid(text) {
		return fmt.Errorf("--vector: found %s, want a JSON array of numbers", files.Excerpt(text))
	}
	var err error
	if f.q.Vector, err = files.ParseVector(nil, text); err != nil {
		return fmt.Errorf("--vector: %w", err)
	}
	return nil
}

// file is the file that the queries are in, empty when they are in none.
func (f *searchFlags) file() string { return cmp.Or(f.query, f.code) }

// searchFile searches for the rows of the query file.
func (f *searchFlags) searchFile(ctx context.Context, cmd *cobra.Command, b api.Engine, name string, out show.Output) error {
	return files.WithMatrix(files.Disk, f.file(), func(m *npy.Reader) error {
		first, rows := 0, m.Rows()
		if cmd.Flags().Changed("row") {
			if f.row < 0 || f.row >= m.Rows() {
				return fmt.Errorf("%s: --row %d, want 0 to %d", f.file(), f.row, m.Rows()-1)
			}
			first, rows = f.row, 1
		}
		p := show.NewProgress(cmd.ErrOrStderr(), "searching", int64(rows), false)
		defer p.Done()
		var answers []answer
		search := func(row int) error {
			result, err := b.Search(ctx, name, f.q)
			if err != nil {
				return fmt.Errorf("%s: row %d: %w", f.file(), row, err)
			}
			answers = append(answers, answer{&row, result})
			p.Add(1)
			return nil
		}
		searchAll := f.searchVectors
		if f.code != "" {
			info, err := b.GetCollection(ctx, name)
			if err != nil {
				return err
			}
			searchAll = f.searchCodes(info.Ladder)
		}
		if err := searchAll(m, first, rows, search); err != nil {
			return err
		}
		return f.print(cmd, out, answers)
	})
}

// searchVectors calls search with each row as the vector to search for.
func (f *searchFlags) searchVectors(m *npy.Reader, first, rows int, search func(row int) error) error {
	vector := make([]float32, m.Cols())
	for row := first; row < first+rows; row++ {
		if err := m.ReadFloats(vector, row); err != nil {
			return err
		}
		f.q.Vector = vector
		if err := search(row); err != nil {
			return err
		}
	}
	return nil
}

// searchCodes is searchVectors for codes, of as many dimensions as a step of the ladder.
func (f *searchFlags) searchCodes(ladder []int) func(m *npy.Reader, first, rows int, search func(row int) error) error {
	return func(m *npy.Reader, first, rows int, search func(row int) error) error {
		dialect, err := parseDialect("--code", f.dialect)
		if err != nil {
			return err
		}
		dims, err := files.CodeDims(f.code, m.Cols(), ladder)
		if err != nil {
			return err
		}
		return files.EachCode(f.code, m, dialect, dims, first, rows, func(row int, words []uint64) error {
			f.q.Code = words
			return search(row)
		})
	}
}

// answer is the result for one query; row is the query's row in its file, nil
// when it came from none.
type answer struct {
	row    *int
	result *index.Result
}

func (f *searchFlags) print(cmd *cobra.Command, out show.Output, answers []answer) error {
	if out.JSON {
		for _, a := range answers {
			if err := out.Object(answerToJSON(a)); err != nil {
				return err
			}
		}
		return nil
	}
	header := []string{"RANK", "ID", "SCORE"}
	if f.file() != "" {
		header = append([]string{"QUERY"}, header...)
	}
	if f.q.WithVector {
		header = append(header, "VECTOR")
	}
	if f.q.WithMetadata {
		header = append(header, "METADATA")
	}
	var rows [][]string
	for _, a := range answers {
		for i, hit := range a.result.Hits {
			row := []string{strconv.Itoa(i + 1), show.Printable(hit.ID), formatScore(hit.Score)}
			if f.file() != "" {
				row = append([]string{strconv.Itoa(*a.row)}, row...)
			}
			if f.q.WithVector {
				row = append(row, vectorStart(hit.Vector))
			}
			if f.q.WithMetadata {
				row = append(row, show.PrintableJSON(hit.Metadata))
			}
			rows = append(rows, row)
		}
	}
	if err := out.Table(header, rows); err != nil {
		return err
	}
	if f.receipt {
		for _, a := range answers {
			if err := printReceipt(out, a); err != nil {
				return err
			}
		}
	}
	if len(answers) == 1 && answers[0].result.NextPageToken != "" {
		cmd.PrintErrln("more: --page-token", answers[0].result.NextPageToken)
	}
	return nil
}

// formatScore shows all that a float32 tells.
func formatScore(x float32) string { return strconv.FormatFloat(float64(x), 'g', 6, 32) }

// vectorStart shows the first components of a vector in a table.
func vectorStart(v []float32) string {
	const shown = 4
	text := fmt.Sprintf("%.4g", v[:min(shown, len(v))])
	if len(v) > shown {
		text = fmt.Sprintf("%s ... %d]", text[:len(text)-1], len(v))
	}
	return text
}

func printReceipt(out show.Output, a answer) error {
	title := "\nreceipt"
	if a.row != nil {
		title = fmt.Sprintf("\nreceipt of query %d", *a.row)
	}
	if err := out.Printf("%s\n", title); err != nil {
		return err
	}
	r := a.result.Receipt
	mode := "rescore " + r.Rescore.String()
	if r.Exact {
		mode = "exact"
	}
	return out.Table(nil, [][]string{
		{"dims", strconv.Itoa(r.Dims)},
		{"mode", mode},
		{"target recall", show.OrNone(r.TargetRecall)},
		{"bound", show.OrNone(r.Bound)},
		{"expected recall", expectedRecall(r.ExpectedRecall)},
		{"plan", r.Plan.String()},
		{"allowed rows", strconv.FormatUint(r.AllowedRows, 10)},
		{"rows scanned", strconv.FormatUint(r.RowsScanned, 10)},
		{"passes", strconv.Itoa(r.Passes)},
		{"code bytes read", show.Bytes(r.CodeBytesRead)},
		{"candidates", strconv.Itoa(r.Candidates)},
		{"refined", strconv.Itoa(r.Refined)},
		{"vectors read", strconv.FormatUint(r.VectorsRead, 10)},
		{"vector bytes read", show.Bytes(r.VectorBytesRead)},
		{"filter", r.FilterTime.String()},
		{"scan", r.Scan.String()},
		{"refine", r.Refine.String()},
		{"rescore", r.RescoreTime.String()},
		{"total", r.Total.String()},
		{"kernel", r.Kernel},
		{"profile fingerprint", r.ProfileFingerprint},
	})
}

// expectedRecall shows what is expected, of which 0 is that nothing is known.
func expectedRecall(x float64) string {
	if x == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.4f", x)
}

// answerJSON is an answer as --format json prints it.
type answerJSON struct {
	Query         *int        `json:"query,omitempty"`
	Hits          []hitJSON   `json:"hits"`
	NextPageToken string      `json:"next_page_token,omitempty"`
	Receipt       receiptJSON `json:"receipt"`
}

type hitJSON struct {
	ID       string          `json:"id"`
	Score    float32         `json:"score"`
	Vector   []float32       `json:"vector,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

type receiptJSON struct {
	Dims               int     `json:"dims"`
	TargetRecall       float64 `json:"target_recall"`   // 0: none
	Bound              float64 `json:"bound"`           // 0: none
	ExpectedRecall     float64 `json:"expected_recall"` // 0: nothing is known
	Rescore            string  `json:"rescore"`
	Exact              bool    `json:"exact"`
	Plan               string  `json:"plan"`
	AllowedRows        uint64  `json:"allowed_rows"`
	RowsScanned        uint64  `json:"rows_scanned"`
	Passes             int     `json:"passes"`
	CodeBytesRead      uint64  `json:"code_bytes_read"`
	Candidates         int     `json:"candidates"`
	Refined            int     `json:"refined"`
	VectorsRead        uint64  `json:"vectors_read"`
	VectorBytesRead    uint64  `json:"vector_bytes_read"`
	FilterMS           float64 `json:"filter_ms"`
	ScanMS             float64 `json:"scan_ms"`
	RefineMS           float64 `json:"refine_ms"`
	RescoreMS          float64 `json:"rescore_ms"`
	TotalMS            float64 `json:"total_ms"`
	Kernel             string  `json:"kernel"`
	ProfileFingerprint string  `json:"profile_fingerprint"`
}

func answerToJSON(a answer) answerJSON {
	hits := make([]hitJSON, len(a.result.Hits))
	for i, hit := range a.result.Hits {
		hits[i] = hitJSON{hit.ID, hit.Score, hit.Vector, hit.Metadata}
	}
	r := a.result.Receipt
	return answerJSON{
		Query:         a.row,
		Hits:          hits,
		NextPageToken: a.result.NextPageToken,
		Receipt: receiptJSON{
			Dims:               r.Dims,
			TargetRecall:       r.TargetRecall,
			Bound:              r.Bound,
			ExpectedRecall:     r.ExpectedRecall,
			Rescore:            r.Rescore.String(),
			Exact:              r.Exact,
			Plan:               r.Plan.String(),
			AllowedRows:        r.AllowedRows,
			RowsScanned:        r.RowsScanned,
			Passes:             r.Passes,
			CodeBytesRead:      r.CodeBytesRead,
			Candidates:         r.Candidates,
			Refined:            r.Refined,
			VectorsRead:        r.VectorsRead,
			VectorBytesRead:    r.VectorBytesRead,
			FilterMS:           measure.Milliseconds(r.FilterTime),
			ScanMS:             measure.Milliseconds(r.Scan),
			RefineMS:           measure.Milliseconds(r.Refine),
			RescoreMS:          measure.Milliseconds(r.RescoreTime),
			TotalMS:            measure.Milliseconds(r.Total),
			Kernel:             r.Kernel,
			ProfileFingerprint: r.ProfileFingerprint,
		},
	}
}
