package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/measure"
)

// searchable ingests 200 vectors of 128 dimensions as doc0, doc1, ... into c, each
// with its number as metadata, and returns them.
func searchable(t *testing.T, target []string) matrix {
	t.Helper()
	m := randomMatrix(11, 200, 128)
	var lines strings.Builder
	for i := range m.rows {
		line, err := json.Marshal(map[string]any{"id": string(idLines("doc", i+1)[len(idLines("doc", i)):]), "n": i})
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(strings.ReplaceAll(string(line), `\n`, "") + "\n")
	}
	ids := writeFile(t, "docs.jsonl", []byte(lines.String()))
	must(t, on(target, "ingest", "c", m.file(t, "base.npy"), "--ids", ids, "--create", "--ladder", "64", "--profile", "signs")...)
	return m
}

func TestQueryIsAFileARowAnIDOrAVector(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		m := searchable(t, target)
		queries := matrix{3, m.cols, m.data[:3*m.cols]}.file(t, "queries.npy")
		search := func(args ...string) []answerJSON {
			t.Helper()
			return decode[answerJSON](t, must(t, on(target, append([]string{"search", "c", "--format", "json"}, args...)...)...))
		}
		vector, err := json.Marshal(m.row(2))
		if err != nil {
			t.Fatal(err)
		}

		answers := search("--query", queries, "-k", "4")
		if len(answers) != 3 {
			t.Fatalf("%d answers, want 3", len(answers))
		}
		for i, a := range answers {
			if *a.Query != i || len(a.Hits) != 4 || a.Hits[0].ID != []string{"doc0", "doc1", "doc2"}[i] || a.Hits[0].Score < 0.9999 {
				t.Errorf("answer %d is %+v, want query %d to find itself", i, a, i)
			}
			if a.Receipt.Dims != 128 || a.Receipt.Rescore != "vectors" || a.Receipt.RowsScanned != 200 || a.Receipt.Candidates != 160 || a.Receipt.VectorsRead != 160 || a.Receipt.Kernel == "" {
				t.Errorf("receipt %d is %+v", i, a.Receipt)
			}
		}
		row := search("--query", queries, "--row", "2", "-k", "4")
		if len(row) != 1 || *row[0].Query != 2 || !slices.EqualFunc(row[0].Hits, answers[2].Hits, sameHit) {
			t.Errorf("row 2 alone gives %+v, want %+v", row, answers[2])
		}
		given := search("--vector", string(vector), "-k", "4")
		if len(given) != 1 || given[0].Query != nil || !slices.EqualFunc(given[0].Hits, answers[2].Hits, sameHit) {
			t.Errorf("row 2 as an argument gives %+v, want %+v", given, answers[2])
		}
		piped := hamnestWithInput(t, string(vector)+"\n", on(target, "search", "c", "--vector", "-", "-k", "4", "--format", "json")...)
		if got := decode[answerJSON](t, piped.stdout); len(got) != 1 || !slices.EqualFunc(got[0].Hits, answers[2].Hits, sameHit) {
			t.Errorf("row 2 from standard input gives %+v, want %+v", piped, answers[2])
		}
		for dialect, kind := range map[string]string{"numpy": "|u1", "numpy-signed": "|i1", "pgvector": "|u1", "faiss": "|u1"} {
			codes := search("--code", codesOf(t, dialect, kind, matrix{3, m.cols, m.data}), "--dialect", dialect, "-k", "4")
			if len(codes) != 3 || *codes[2].Query != 2 || codes[2].Hits[0].ID != "doc2" || codes[2].Hits[0].Score != 1 || codes[2].Receipt.Rescore != "codes" {
				t.Errorf("the codes as %s packs them give %+v, want each to find its vector", dialect, codes)
			}
			one := search("--code", codesOf(t, dialect, kind, matrix{3, m.cols, m.data}), "--dialect", dialect, "-k", "4", "--row", "1")
			if len(one) != 1 || !slices.EqualFunc(one[0].Hits, codes[1].Hits, sameHit) {
				t.Errorf("row 1 alone gives %+v, want %+v", one, codes[1])
			}
		}
		stored := search("--id", "doc2", "-k", "3")
		if !slices.EqualFunc(stored[0].Hits, answers[2].Hits[1:], sameHit) {
			t.Errorf("doc2 by its id gives %+v, want %+v without doc2", stored[0].Hits, answers[2].Hits)
		}
	})
}

// codesOf writes the codes of vectors to a file.
func codesOf(t *testing.T, dialect, elem string, m matrix) string {
	t.Helper()
	d, err := code.ParseDialect(dialect)
	if err != nil {
		t.Fatal(err)
	}
	words := make([]uint64, code.Words(m.cols))
	var packed []byte
	for row := range m.rows {
		code.Signs(words, m.row(row))
		packed = d.AppendPacked(packed, words, m.cols)
	}
	return npyFile(t, dialect+".npy", elem, fmt.Sprintf("(%d, %d)", m.rows, code.Bytes(m.cols)), packed)
}

func sameHit(a, b hitJSON) bool { return a.ID == b.ID && a.Score == b.Score }

func TestSearchSettingsReachTheEngine(t *testing.T) {
	t.Parallel()
	eachLearned(t, func(t *testing.T, target []string) {
		m := searchable(t, target)
		query := matrix{1, m.cols, m.row(7)}.file(t, "query.npy")
		search := func(args ...string) answerJSON {
			t.Helper()
			return decode[answerJSON](t, must(t, on(target, append([]string{"search", "c", "--query", query, "--row", "0", "--format", "json"}, args...)...)...))[0]
		}
		for _, tt := range []struct {
			name string
			args []string
			ok   func(r receiptJSON) bool
		}{
			{"candidates", []string{"--candidates", "33"}, func(r receiptJSON) bool { return r.Candidates == 33 && r.VectorsRead == 33 }},
			{"oversampling", []string{"--oversampling", "2.5"}, func(r receiptJSON) bool { return r.Candidates == 25 }},
			{"no rescoring", []string{"--rescore", "none"}, func(r receiptJSON) bool { return r.Rescore == "none" && r.VectorsRead == 0 }},
			{"rescoring by codes", []string{"--rescore", "codes"}, func(r receiptJSON) bool { return r.Rescore == "codes" && r.VectorsRead == 0 }},
			{"exact", []string{"--exact"}, func(r receiptJSON) bool {
				return r.Exact && r.VectorsRead == 200 && r.Candidates == 0 && r.Passes == 0 && r.ExpectedRecall == 1
			}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if a := search(tt.args...); !tt.ok(a.Receipt) || len(a.Hits) != 10 {
					t.Errorf("%d hits and receipt %+v", len(a.Hits), a.Receipt)
				}
			})
		}

		coded := learnedVectors()
		whole, prefix := matrix{1, coded.cols, coded.row(7)}.file(t, "whole.npy"), matrix{1, 64, coded.row(7)[:64]}.file(t, "prefix.npy")
		for _, tt := range []struct {
			name  string
			query string
			args  []string
			ok    func(r receiptJSON) bool
		}{
			{"defaults", whole, nil, func(r receiptJSON) bool {
				return r.TargetRecall == index.DefaultTargetRecall && r.ExpectedRecall >= r.TargetRecall && r.Bound == 0 && r.Passes > 0 && r.Refined > 0
			}},
			{"a target recall", whole, []string{"--target-recall", "0.9"}, func(r receiptJSON) bool { return r.TargetRecall == .9 && r.ExpectedRecall >= .9 }},
			{"a bound", whole, []string{"--bound", "3.5"}, func(r receiptJSON) bool { return r.Bound == 3.5 && r.TargetRecall == 0 }},
			{"dims", whole, []string{"--dims", "64"}, func(r receiptJSON) bool { return r.Dims == 64 && r.TargetRecall == index.DefaultTargetRecall }},
			{"a prefix", prefix, nil, func(r receiptJSON) bool { return r.Dims == 64 && r.TargetRecall == index.DefaultTargetRecall }},
			{"all", whole, []string{"--target-recall", "1"}, func(r receiptJSON) bool { return r.Exact && r.VectorsRead == 1100 }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				args := append([]string{"search", "l", "--query", tt.query, "--format", "json"}, tt.args...)
				a := decode[answerJSON](t, must(t, on(target, args...)...))[0]
				if !tt.ok(a.Receipt) || len(a.Hits) != 10 || a.Hits[0].ID != "7" {
					t.Errorf("%d hits and receipt %+v", len(a.Hits), a.Receipt)
				}
			})
		}

		all := search("-k", "8", "--exact", "--with-vector", "--with-metadata")
		for _, hit := range all.Hits {
			var meta struct{ N int }
			if err := json.Unmarshal(hit.Metadata, &meta); err != nil || !slices.Equal(hit.Vector, m.row(meta.N)) {
				t.Errorf("%s comes with metadata %s and not with its vector", hit.ID, hit.Metadata)
			}
		}
		first := search("-k", "4", "--exact")
		second := search("-k", "4", "--exact", "--page-token", first.NextPageToken)
		if paged := slices.Concat(first.Hits, second.Hits); !slices.EqualFunc(paged, all.Hits, sameHit) {
			t.Errorf("two pages have %+v, want %+v", paged, all.Hits)
		}
		least := search("-k", "8", "--exact", "--min-score", jsonNumber(t, all.Hits[3].Score))
		if len(least.Hits) != 4 {
			t.Errorf("%d hits score at least as much as the fourth, want 4", len(least.Hits))
		}
		none := search("--min-score", "1.5")
		if none.Hits == nil || len(none.Hits) != 0 {
			t.Errorf("hits above 1.5 are %v, want an empty list", none.Hits)
		}
	})
}

func jsonNumber(t *testing.T, x float32) string {
	t.Helper()
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSearchTableHasWhatWasAskedFor(t *testing.T) {
	target := []string{"--data", t.TempDir()}
	m := searchable(t, target)
	queries := matrix{2, m.cols, m.data[:2*m.cols]}.file(t, "queries.npy")
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"a stored vector", []string{"--id", "doc0", "-k", "1"}, []string{"RANK  ID", "SCORE\n", "\n1     doc"}},
		{"all rows", []string{"--query", queries, "-k", "1"}, []string{"QUERY  RANK  ID    SCORE\n", "0      1     doc0  1\n", "1      1     doc1  1\n"}},
		{"metadata and vectors", []string{"--query", queries, "-k", "1", "--row", "1", "--with-metadata", "--with-vector"}, []string{"VECTOR", "METADATA\n", ` ... 128]  {"n":1}` + "\n"}},
		{"a receipt", []string{"--id", "doc0", "--receipt"}, []string{"\nreceipt\n", "rows scanned         200\n", "mode                 rescore vectors\n", "target recall        -\n", "bound                -\n", "expected recall      unknown\n", "passes               1\n", "refined              "}},
		{"a receipt a query", []string{"--query", queries, "--exact", "--receipt"}, []string{"\nreceipt of query 0\n", "\nreceipt of query 1\n", "mode                 exact\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := must(t, on(target, append([]string{"search", "c"}, tt.args...)...)...)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("table %q does not have %q", got, want)
				}
			}
		})
	}
	r := hamnest(t, on(target, "search", "c", "--id", "doc0", "-k", "1")...)
	if !strings.HasPrefix(r.stderr, "more: --page-token ") {
		t.Errorf("standard error has %q, want the token of the next page", r.stderr)
	}
}

func TestBadSearchesAreRefused(t *testing.T) {
	short := randomMatrix(12, 2, 100).file(t, "short.npy")
	good := randomMatrix(12, 2, 128)
	queries := good.file(t, "queries.npy")
	good.data[128+3] /= 0
	infinite := good.file(t, "infinite.npy")
	codes := codesOf(t, "numpy", "|u1", matrix{2, 128, good.data})
	wide := codesOf(t, "numpy", "|u1", matrix{2, 80, good.data})
	tests := []struct {
		name string
		want string
		args []string
	}{
		{"no query", "at least one of the flags in the group [query id vector code] is required", nil},
		{"two queries", "[id query] were all set", []string{"--id", "a", "--query", queries}},
		{"k 0", "k: 0, want at least 1", []string{"--id", "doc0", "-k", "0"}},
		{"a negative k", "want ", []string{"--id", "doc0", "-k", "-1"}},
		{"k that is no number", `invalid argument "many" for "-k, --k"`, []string{"--id", "doc0", "-k", "many"}},
		{"an id that is not there", `vector "nope": not found`, []string{"--id", "nope"}},
		{"queries of wrong dims", "short.npy: row 0: ", []string{"--query", short}},
		{"a vector of wrong dims", "has 2 dimensions, want 128 or a shorter step of [64 128]", []string{"--vector", "[1, 2]"}},
		{"a vector that is none", `--vector: found "1, 2", want a JSON array`, []string{"--vector", "1, 2"}},
		{"a vector of words", `--vector: component 0 is "\"a\"", want a number`, []string{"--vector", `["a"]`}},
		{"a query with an infinity", "row 1: ", []string{"--query", infinite}},
		{"a row that is not there", "queries.npy: --row 2, want 0 to 1", []string{"--query", queries, "--row", "2"}},
		{"a row before the first", "queries.npy: --row -1, want 0 to 1", []string{"--query", queries, "--row", "-1"}},
		{"a row of nothing", "which are both missing", []string{"--id", "doc0", "--row", "0"}},
		{"codes without a dialect", "a code does not say how it is packed", []string{"--code", codes}},
		{"a dialect that is none", `unknown dialect "vespa"`, []string{"--code", codes, "--dialect", "vespa"}},
		{"a dialect of nothing", "which is missing", []string{"--id", "doc0", "--dialect", "numpy"}},
		{"codes of another type", `elements are "|u1", want packed codes of |i1`, []string{"--code", codes, "--dialect", "numpy-signed"}},
		{"codes that are vectors", "found codes of 128 bytes, want 16 for 128 dimensions or those of a shorter step of the ladder [64 128]", []string{"--code", queries, "--dialect", "numpy"}},
		{"codes of wrong dims", "found codes of 10 bytes, want 16", []string{"--code", wide, "--dialect", "numpy"}},
		{"codes against vectors", "set together with exact or rescore vectors", []string{"--code", codes, "--dialect", "numpy", "--rescore", "vectors"}},
		{"a code of a row that is not there", "--row 2, want 0 to 1", []string{"--code", codes, "--dialect", "numpy", "--row", "2"}},
		{"a token for many queries", "--page-token continues one answer", []string{"--query", queries, "--page-token", "x"}},
		{"a token that is none", "page_token", []string{"--id", "doc0", "--page-token", "x"}},
		{"a prefix that is none", "dims: 100, want a multiple of 64 or a step of the ladder [64 128]", []string{"--id", "doc0", "--dims", "100"}},
		{"fewer candidates than results", "want at least k = 10", []string{"--id", "doc0", "--candidates", "5"}},
		{"candidates given twice", "[candidates oversampling] were all set", []string{"--id", "doc0", "--candidates", "50", "--oversampling", "2"}},
		{"candidates for an exact search", "exact: ", []string{"--id", "doc0", "--exact", "--candidates", "50"}},
		{"a bound below 0", "bound: -1, want a finite number above 0", []string{"--id", "doc0", "--bound", "-1"}},
		{"a bound without end", "want a finite number above 0", []string{"--id", "doc0", "--bound", "inf"}},
		{"a bound that is no number", "want a finite number above 0", []string{"--id", "doc0", "--bound", "nan"}},
		{"a bound where no error is known", "under profile signs: nothing is known of the errors", []string{"--id", "doc0", "--bound", "2"}},
		{"a target recall where no error is known", "under profile signs: nothing is known of the errors", []string{"--id", "doc0", "--target-recall", "0.9"}},
		{"more than all", "target_recall: 1.5, want more than 0 and at most 1", []string{"--id", "doc0", "--target-recall", "1.5"}},
		{"a bound and a target recall", "bound: set together with target_recall", []string{"--id", "doc0", "--bound", "2", "--target-recall", "0.9"}},
		{"an exact search with a bound", "exact: ", []string{"--id", "doc0", "--exact", "--bound", "2"}},
		{"an exact search with a target recall", "exact: ", []string{"--id", "doc0", "--exact", "--target-recall", "0.9"}},
		{"a stage that is none", `found "some", want auto, none, codes or vectors`, []string{"--id", "doc0", "--rescore", "some"}},
		{"a format that is none", `found "xml", want table or json`, []string{"--id", "doc0", "--format", "xml"}},
	}
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				mustFail(t, tt.want, on(target, append([]string{"search", "c"}, tt.args...)...)...)
			})
		}
		t.Run("an unknown collection", func(t *testing.T) {
			mustFail(t, `collection "nope": not found`, on(target, "search", "nope", "--id", "a")...)
		})
	})
	t.Run("k above the server's limit", func(t *testing.T) {
		target := []string{"--server", startServer(t, t.TempDir(), "--max-k", "5")}
		searchable(t, target)
		mustFail(t, "k: is 10, above this server's limit max_k of 5", on(target, "search", "c", "--id", "doc0")...)
	})
	t.Run("more results than vectors", func(t *testing.T) {
		target := []string{"--data", t.TempDir()}
		searchable(t, target)
		got := decode[answerJSON](t, must(t, on(target, "search", "c", "--id", "doc0", "-k", "1000", "--format", "json")...))[0]
		if len(got.Hits) != 199 || got.NextPageToken != "" {
			t.Errorf("%d hits and token %q, want the other 199 and no more", len(got.Hits), got.NextPageToken)
		}
	})
}

func TestGetShowsWhatIsThereAndNamesWhatIsNot(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		m := searchable(t, target)
		r := hamnest(t, on(target, "get", "c", "doc5", "nope", "doc3", "no\x1b[31m", "--with-vector", "--format", "json")...)
		if r.code != 1 || r.stderr != "not found: nope\nnot found: \"no\\x1b[31m\"\nhamnest: 2 of 4 ids are not in collection \"c\"\n" {
			t.Errorf("exit code %d and %q", r.code, r.stderr)
		}
		got := decode[recordJSON](t, r.stdout)
		if len(got) != 2 || got[0].ID != "doc5" || got[1].ID != "doc3" || !slices.Equal(got[1].Vector, m.row(3)) || string(got[0].Metadata) != `{"n":5}` {
			t.Errorf("got %+v, want doc5 and doc3", got)
		}
		if table := must(t, on(target, "get", "c", "doc5")...); table != "ID    METADATA\ndoc5  {\"n\":5}\n" {
			t.Errorf("table is %q", table)
		}
		mustFail(t, `collection "nope": not found`, on(target, "get", "nope", "a")...)
		mustFail(t, "want ids as arguments or --filter EXPR, one of the two", on(target, "get", "c")...)
	})
}

func TestGetAndDeleteTakeAFilter(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		r := hamnest(t, on(target, "get", "c", "--filter", "n >= 5 AND n < 9", "--limit", "3", "--format", "json")...)
		got := decode[recordJSON](t, r.stdout)
		if r.code != 0 || len(got) != 3 || got[0].ID != "doc5" || string(got[0].Metadata) != `{"n":5}` {
			t.Errorf("get: exit code %d, %+v, want doc5 to doc7", r.code, got)
		}
		if want := "the first 3 of 4 vectors that match: --limit shows more\n"; r.stderr != want {
			t.Errorf("get says %q, want %q", r.stderr, want)
		}
		before := snapshot(t, target)
		dry := must(t, on(target, "delete", "c", "--filter", "n < 3", "--dry-run")...)
		if want := "3 vectors of \"c\" match and would be deleted\n"; dry != want {
			t.Errorf("a dry run says %q, want %q", dry, want)
		}
		for _, tt := range []struct {
			text string
			args []string
		}{
			{"column 5: found the end, want a value", []string{"--filter", "n < "}},
			{"is empty, want one that says what to delete", []string{"--filter", ""}},
			{"one of the three", []string{"doc9", "--filter", "n < 3"}},
			{"want --filter with it", []string{"doc9", "--dry-run"}},
		} {
			mustFail(t, tt.text, on(target, append([]string{"delete", "c"}, tt.args...)...)...)
		}
		if after := snapshot(t, target); after != before {
			t.Errorf("the store changed from %s to %s", before, after)
		}
		if got := must(t, on(target, "delete", "c", "--filter", "n < 3")...); got != "3 vectors of \"c\" matched and are deleted\n" {
			t.Errorf("delete says %q", got)
		}
		if left := must(t, on(target, "delete", "c", "--filter", "n < 5", "--dry-run", "--format", "json")...); decode[deleteWhereSummary](t, left)[0] != (deleteWhereSummary{"c", "n < 5", true, 2, 0}) {
			t.Errorf("then there are %s, want 2", left)
		}
	})
}

func TestSearchAndEvalTakeAFilter(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		m := searchable(t, target)
		got := decode[answerJSON](t, must(t, on(target, "search", "c", "--id", "doc9", "--filter", "n < 3", "--format", "json")...))[0]
		if len(got.Hits) != 3 || got.Receipt.AllowedRows != 3 || got.Receipt.Plan != "gather" || got.Receipt.ExpectedRecall != 1 {
			t.Errorf("search: %+v, want 3 hits of 3 rows", got)
		}
		queries := m.file(t, "queries.npy")
		row := decode[measure.Summary](t, must(t, on(target, "eval", "c", "--queries", queries, "--queries-limit", "5", "--filter", "n < 50", "--format", "json")...))[0]
		if row.Recall != 1 || row.VectorsReadMean != 50 {
			t.Errorf("eval: %+v, want recall 1 of 50 vectors", row)
		}
		mustFail(t, "want no --truth", on(target, "eval", "c", "--queries", queries, "--truth", queries, "--filter", "n < 50")...)
		mustFail(t, "no vector of collection \"c\" matches --filter", on(target, "eval", "c", "--queries", queries, "--filter", "n < 0")...)
	})
}

func TestExportTakesAFilter(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		m := searchable(t, target)
		out := filepath.Join(t.TempDir(), "out.npy")
		must(t, on(target, "export", "c", "--what", "vectors", "--out", out, "--filter", "n = (4 OR 8)")...)
		rows, _, err := files.ReadQueries(files.Disk, out, 0)
		if err != nil || len(rows) != 2 || !slices.Equal(rows[0], m.row(4)) || !slices.Equal(rows[1], m.row(8)) {
			t.Errorf("exported %d rows, %v, want 4 and 8", len(rows), err)
		}
	})
}

func TestDeleteCountsWhatWasThere(t *testing.T) {
	text := writeFile(t, "ids.txt", []byte("doc1\ndoc2\nnope\n"))
	objects := writeFile(t, "ids.jsonl", []byte(`{"id": "doc3"}`+"\n"+`{"id": "doc1"}`+"\n"))
	broken := writeFile(t, "broken.jsonl", []byte(`{"id": "doc4"}`+"\n"+`{"id": `+"\n"))
	many := writeFile(t, "many.txt", idLines("doc", 2500)) // more than one batch
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		for _, tt := range []struct {
			args []string
			want deleteSummary
		}{
			{[]string{"doc0", "nope"}, deleteSummary{"c", 2, 1}},
			{[]string{"--ids", text}, deleteSummary{"c", 3, 2}},
			{[]string{"--ids", objects}, deleteSummary{"c", 2, 1}},
			{[]string{"--ids", many}, deleteSummary{"c", 2500, 196}},
		} {
			if tt.want.IDs == 2500 { // still 196 there
				before := snapshot(t, target)
				mustFail(t, "broken.jsonl: line 2: is not JSON", on(target, "delete", "c", "--ids", broken)...)
				mustFail(t, "one of the three", on(target, "delete", "c")...)
				mustFail(t, "one of the three", on(target, "delete", "c", "doc9", "--ids", text)...)
				mustFail(t, `collection "nope": not found`, on(target, "delete", "nope", "doc9")...)
				if after := snapshot(t, target); after != before {
					t.Errorf("the store changed from %s to %s", before, after)
				}
			}
			got := decode[deleteSummary](t, must(t, on(target, append([]string{"delete", "c", "--format", "json"}, tt.args...)...)...))[0]
			if got != tt.want {
				t.Errorf("delete %v gives %+v, want %+v", tt.args, got, tt.want)
			}
		}
		if got := snapshot(t, target); !strings.Contains(got, "c: 0 vectors, 200 retired") {
			t.Errorf("after deleting everything the store has %s", got)
		}
		if got := must(t, on(target, "delete", "c", "doc0")...); got != "0 of 1 ids were in \"c\" and are deleted\n" {
			t.Errorf("delete prints %q", got)
		}
	})
}

func TestMetricsOfTheCommandAreThoseOfTheEngine(t *testing.T) {
	q, v := []float32{1, 2, 2}, []float32{2, 1, -2, 100} // the fourth is beyond the query
	for metric, want := range map[encoder.Metric]float64{encoder.Cosine: 0, encoder.Dot: 0, encoder.L2: -18} {
		if got := measure.ExactScore(q, v, metric); got != want {
			t.Errorf("%v score is %v, want %v", metric, got, want)
		}
	}
	if got := measure.ExactScore([]float32{3, 4}, []float32{3, 4}, encoder.Cosine); got != 1 {
		t.Errorf("cosine of a vector with itself is %v, want 1", got)
	}
	if got := measure.ExactScore([]float32{3, 4}, []float32{0, 0, 1}, encoder.Cosine); got != 0 {
		t.Errorf("cosine with an all-zero prefix is %v, want 0", got)
	}
}
