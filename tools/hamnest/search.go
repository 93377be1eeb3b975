package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
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

// boundFlag is index.Query.Bound as a flag.
type boundFlag float64

// boundOff is the value that asks for no bound.
const boundOff = "off"

// String, Set and Type make a boundFlag a flag.
func (f *boundFlag) String() string {
	switch x := float64(*f); {
	case x == 0:
		return ""
	case math.IsInf(x, 1):
		return boundOff
	default:
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
}

// Set takes a number above 0, or off.
func (f *boundFlag) Set(text string) error {
	if text == boundOff {
		*f = boundFlag(math.Inf(1))
		return nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x > 0) || math.IsInf(x, 1) { // not: NaN too
		return fmt.Errorf("found %q, want a number above 0, or off", text)
	}
	*f = boundFlag(x)
	return nil
}

// Type names the value in help texts.
func (f *boundFlag) Type() string { return "number|off" }

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

func searchCommand(format *outputFormat) *cobra.Command {
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

A search goes through up to three stages. It scans the first --dims bits of every code,
by the query's magnitudes or (--scan-bits 1) its signs alone, and keeps --candidates;
estimates the scores of those from their whole codes (--refine-bits) and lets at most
--rescore-candidates through; and scores these against the stored vectors, the most
promising first. Where the profile rotates, it stops reading vectors once each one left
would have to beat its estimate by more than --bound standard deviations of the error.
--rescore ends a search earlier: after the scan (none) or after the whole codes (codes),
with estimated scores. --target-recall takes the settings that hamnest calibrate has
measured. --exact compares the query with every stored vector instead.

A query may be shorter than the vectors when it has as many dimensions as a step of the
collection's ladder at which its profile has a prefix.`,
		Example: `  hamnest search packages --query queries.npy --row 0 -k 5 --with-metadata --data ./vectors
  hamnest search packages --id vim -k 3 --receipt --data ./vectors
  hamnest search packages --query queries.npy --dims 256 --candidates 100 --format json --server localhost:7700
  hamnest search packages --code ubinary.npy --dialect numpy --data ./vectors
  hamnest search packages --query queries.npy --row 0 --scan-bits 1 --bound 3 --receipt --data ./vectors
  echo '[0.1, -0.2, 0.3]' | hamnest search small --vector - --data ./vectors`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.complete(cmd); err != nil {
				return err
			}
			return store.withStore(cmd, false, func(ctx context.Context, b backend) error {
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
	f.IntVarP(&flags.q.K, "k", "k", 10, "how many to return")
	f.IntVar(&flags.q.Dims, "dims", 0, "leading dimensions that the scan looks at: a ladder step or a multiple of 64, or under a profile that is not plain the end of a block (default all of the query's)")
	flags.stages.register(cmd)
	f.IntVar(&flags.q.Candidates, "candidates", 0, "how many the scan keeps, at least k (default 40 for each of k, 100 to 10000)")
	f.Float64Var(&flags.q.Oversampling, "oversampling", 0, "how many the scan keeps, as a multiple of k; instead of --candidates")
	f.Float32Var(&flags.minScore, "min-score", 0, "leave out what scores less, on the metric's scale (default: nothing)")
	f.StringVar(&flags.q.PageToken, "page-token", "", "continue after an earlier answer to the same query: the `token` that it came with")
	f.BoolVar(&flags.q.WithVector, "with-vector", false, "return the stored vectors")
	f.BoolVar(&flags.q.WithMetadata, "with-metadata", false, "return the metadata")
	f.BoolVar(&flags.receipt, "receipt", false, "print what was done to get the answer (with --format json always)")
	cmd.MarkFlagsOneRequired("query", "id", "vector", "code")
	cmd.MarkFlagsMutuallyExclusive("query", "id", "vector", "code")
	cmd.MarkFlagsMutuallyExclusive("candidates", "oversampling")
	return cmd
}

// stageFlags are the flags about the stages of a search that search and eval have in
// common.
type stageFlags struct {
	scanBits, refineBits int
	rescoreCandidates    int
	rescoreOversampling  float64
	bound                boundFlag
	rescore              rescoreFlag
	targetRecall         float64
	exact                bool
}

func (s *stageFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.scanBits, "scan-bits", 0, "bits of the query in the scan: 1 for its signs, 4 for its magnitudes too (default 4)")
	f.IntVar(&s.refineBits, "refine-bits", 0, "bits of the query against whole codes: 4, or 32 for its floats (default 4)")
	f.IntVar(&s.rescoreCandidates, "rescore-candidates", 0, "how many the whole codes let through to the stored vectors at most, k to candidates (default all)")
	f.Float64Var(&s.rescoreOversampling, "rescore-oversampling", 0, "the same as a multiple of k; instead of --rescore-candidates")
	f.Var(&s.bound, "bound", "stop reading vectors once the others would have to beat their estimates by more than so many standard deviations (default 2, off under a profile that does not rotate)")
	f.Var(&s.rescore, "rescore", "where a search ends: after the scan (none), the whole codes (codes) or the stored vectors (vectors, auto)")
	f.Float64Var(&s.targetRecall, "target-recall", 0, "the share of the right hits to find in the mean, instead of settings: the cheapest that hamnest calibrate has measured to reach it are used")
	f.BoolVar(&s.exact, "exact", false, "compare the query with every stored vector instead of the codes")
	cmd.MarkFlagsMutuallyExclusive("rescore-candidates", "rescore-oversampling")
}

// set puts what was given into q.
func (s *stageFlags) set(q *index.Query) {
	q.ScanBits, q.RefineBits = s.scanBits, s.refineBits
	q.RescoreCandidates, q.RescoreOversampling = s.rescoreCandidates, s.rescoreOversampling
	q.Bound, q.Rescore, q.Exact = float64(s.bound), index.Rescore(s.rescore), s.exact
	q.TargetRecall = s.targetRecall
}

// any reports whether a stage was given a setting, which an exact search does not have.
func (s *stageFlags) any() bool {
	given := *s
	given.exact = false
	return given != stageFlags{}
}

// complete fills in the part of the query that flags cannot hold directly.
func (f *searchFlags) complete(cmd *cobra.Command) error {
	f.stages.set(&f.q)
	if cmd.Flags().Changed("min-score") {
		f.q.MinScore = &f.minScore
	}
	if cmd.Flags().Changed("row") && f.file() == "" {
		return errors.New("--row says which row of --query or --code FILE.npy, want one of them with it")
	}
	if f.dialect != "" && f.code == "" {
		return errors.New("--dialect says how --code FILE.npy is packed, want --code with it")
	}
	if f.file() != "" && !cmd.Flags().Changed("row") && f.q.PageToken != "" {
		return errors.New("--page-token continues one answer, want --row with it")
	}
	if f.vector == "" {
		return nil
	}
	text := []byte(f.vector)
	if f.vector == "-" {
		var err error
		if text, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxLine)); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
	}
	if !json.Valid(text) {
		return fmt.Errorf("--vector: found %s, want a JSON array of numbers", excerpt(text))
	}
	var err error
	if f.q.Vector, err = parseVector(nil, text); err != nil {
		return fmt.Errorf("--vector: %w", err)
	}
	return nil
}

// file is the file that the queries are in, empty when they are in none.
func (f *searchFlags) file() string { return cmp.Or(f.query, f.code) }

// searchFile searches for the rows of the query file.
func (f *searchFlags) searchFile(ctx context.Context, cmd *cobra.Command, b backend, name string, out output) error {
	return withMatrix(openDisk, f.file(), func(m *npy.Reader) error {
		first, rows := 0, m.Rows()
		if cmd.Flags().Changed("row") {
			if f.row < 0 || f.row >= m.Rows() {
				return fmt.Errorf("%s: --row %d, want 0 to %d", f.file(), f.row, m.Rows()-1)
			}
			first, rows = f.row, 1
		}
		p := newProgress(cmd, "searching", int64(rows), false)
		defer p.done()
		var answers []answer
		search := func(row int) error {
			result, err := b.Search(ctx, name, f.q)
			if err != nil {
				return fmt.Errorf("%s: row %d: %w", f.file(), row, err)
			}
			answers = append(answers, answer{&row, result})
			p.add(1)
			return nil
		}
		searchAll := f.searchVectors
		if f.code != "" {
			info, err := b.Collection(ctx, name)
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
		dims, err := codeDims(f.code, m.Cols(), ladder)
		if err != nil {
			return err
		}
		return eachCode(f.code, m, dialect, dims, first, rows, func(row int, words []uint64) error {
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

func (f *searchFlags) print(cmd *cobra.Command, out output, answers []answer) error {
	if out.json {
		for _, a := range answers {
			if err := out.object(answerToJSON(a)); err != nil {
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
			row := []string{strconv.Itoa(i + 1), printable(hit.ID), formatScore(hit.Score)}
			if f.file() != "" {
				row = append([]string{strconv.Itoa(*a.row)}, row...)
			}
			if f.q.WithVector {
				row = append(row, vectorStart(hit.Vector))
			}
			if f.q.WithMetadata {
				row = append(row, printableJSON(hit.Metadata))
			}
			rows = append(rows, row)
		}
	}
	if err := out.table(header, rows); err != nil {
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

func printReceipt(out output, a answer) error {
	title := "\nreceipt"
	if a.row != nil {
		title = fmt.Sprintf("\nreceipt of query %d", *a.row)
	}
	if err := out.printf("%s\n", title); err != nil {
		return err
	}
	r := a.result.Receipt
	mode := "rescore " + r.Rescore.String()
	if r.Exact {
		mode = "exact"
	}
	bound := boundFlag(r.Bound)
	if bound == 0 {
		bound = boundFlag(math.Inf(1))
	}
	return out.table(nil, [][]string{
		{"dims", strconv.Itoa(r.Dims)},
		{"mode", mode},
		{"scan bits", orNone(r.ScanBits)},
		{"refine bits", orNone(r.RefineBits)},
		{"bound", bound.String()},
		{"rows scanned", strconv.FormatUint(r.RowsScanned, 10)},
		{"code bytes read", byteCount(r.CodeBytesRead)},
		{"candidates", strconv.Itoa(r.Candidates)},
		{"rescore candidates", strconv.Itoa(r.RescoreCandidates)},
		{"vectors read", strconv.FormatUint(r.VectorsRead, 10)},
		{"vector bytes read", byteCount(r.VectorBytesRead)},
		{"scan", r.Scan.String()},
		{"refine", r.Refine.String()},
		{"rescore", r.RescoreTime.String()},
		{"total", r.Total.String()},
		{"kernel", r.Kernel},
		{"profile fingerprint", r.ProfileFingerprint},
	})
}

// orNone shows a number of which 0 is none.
func orNone(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
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
	ScanBits           int     `json:"scan_bits"`
	RefineBits         int     `json:"refine_bits"`
	Bound              float64 `json:"bound"` // 0: none
	Rescore            string  `json:"rescore"`
	Exact              bool    `json:"exact"`
	RowsScanned        uint64  `json:"rows_scanned"`
	CodeBytesRead      uint64  `json:"code_bytes_read"`
	Candidates         int     `json:"candidates"`
	RescoreCandidates  int     `json:"rescore_candidates"`
	VectorsRead        uint64  `json:"vectors_read"`
	VectorBytesRead    uint64  `json:"vector_bytes_read"`
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
			ScanBits:           r.ScanBits,
			RefineBits:         r.RefineBits,
			Bound:              r.Bound,
			Rescore:            r.Rescore.String(),
			Exact:              r.Exact,
			RowsScanned:        r.RowsScanned,
			CodeBytesRead:      r.CodeBytesRead,
			Candidates:         r.Candidates,
			RescoreCandidates:  r.RescoreCandidates,
			VectorsRead:        r.VectorsRead,
			VectorBytesRead:    r.VectorBytesRead,
			ScanMS:             milliseconds(r.Scan),
			RefineMS:           milliseconds(r.Refine),
			RescoreMS:          milliseconds(r.RescoreTime),
			TotalMS:            milliseconds(r.Total),
			Kernel:             r.Kernel,
			ProfileFingerprint: r.ProfileFingerprint,
		},
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
