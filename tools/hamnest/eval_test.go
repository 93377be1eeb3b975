package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/tools/hamnest/measure"
)

// evalSet is a collection of vectors of which every tenth is there three times,
// so that many exact scores tie, with queries and their exact answers.
type evalSet struct {
	base, queries matrix
	truth         [][]int32 // 20 row numbers a query, best first
}

func newEvalSet() evalSet {
	const rows, dims, answers = 300, 128, 20
	s := evalSet{base: randomMatrix(21, rows, dims), queries: randomMatrix(22, 40, dims)}
	for row := 0; row < rows; row += 10 {
		copy(s.base.row(row+3), s.base.row(row))
		copy(s.base.row(row+7), s.base.row(row))
	}
	for q := range s.queries.rows {
		order := make([]int32, rows)
		score := make([]float64, rows)
		for row := range order {
			order[row] = int32(row)
			score[row] = measure.ExactScore(s.queries.row(q), s.base.row(row), encoder.Cosine)
		}
		slices.SortStableFunc(order, func(a, b int32) int {
			switch {
			case score[a] > score[b]:
				return -1
			case score[a] < score[b]:
				return 1
			}
			return 0
		})
		s.truth = append(s.truth, order[:answers])
	}
	return s
}

func (s evalSet) truthFile(t *testing.T, columns int) string {
	t.Helper()
	var flat []int32
	for _, answer := range s.truth {
		flat = append(flat, answer[:columns]...)
	}
	return npyFile(t, "truth.npy", "<i4", fmt.Sprintf("(%d, %d)", len(s.truth), columns), flat)
}

func TestExactSearchHasRecallOneDespiteTies(t *testing.T) {
	t.Parallel()
	s := newEvalSet()
	base, queries, truth := s.base.file(t, "base.npy"), s.queries.file(t, "queries.npy"), s.truthFile(t, 20)
	// The ids sort against the rows, so that of a tie the engine returns first
	// what the truth has last.
	var ids strings.Builder
	for row := range s.base.rows {
		fmt.Fprintf(&ids, "doc%03d\n", 999-row)
	}
	idFile := writeFile(t, "ids.txt", []byte(ids.String()))
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "ingest", "c", base, "--ids", idFile, "--create", "--ladder", "64")...)
		for _, tt := range []struct {
			name string
			args []string
		}{
			{"by a truth file", []string{"--truth", truth}},
			{"by a truth file and ids", []string{"--truth", truth, "--ids", idFile}},
			{"by its own exact search", nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				args := append([]string{"eval", "c", "--queries", queries, "--exact", "-k", "5", "--format", "json"}, tt.args...)
				got := decode[measure.Summary](t, must(t, on(target, args...)...))
				if len(got) != 1 || got[0].Recall != 1 || got[0].Candidates != 0 || got[0].RescoreCandidates != 0 || got[0].VectorsReadMean != 300 || got[0].Queries != 40 {
					t.Errorf("exact search gives %+v, want one line with recall 1, no candidates and 300 vectors read", got)
				}
			})
		}
	})
}

func TestEvalMeasuresEveryCombination(t *testing.T) {
	t.Parallel()
	s := newEvalSet()
	base, queries, truth := s.base.file(t, "base.npy"), s.queries.file(t, "queries.npy"), s.truthFile(t, 20)
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "ingest", "c", base, "--create", "--ladder", "64", "--profile", "signs")...)
		stdout := must(t, on(target, "eval", "c", "--queries", queries, "--truth", truth, "--prefix", "64,0", "--candidates", "20,100,300",
			"--concurrency", "1,3", "--queries-limit", "30", "--format", "json")...)
		rows := decode[measure.Summary](t, stdout)
		if len(rows) != 12 {
			t.Fatalf("%d lines, want 2 x 3 x 2", len(rows))
		}
		i := 0
		for _, dims := range []int{64, 128} {
			for _, candidates := range []float64{20, 100, 300} {
				recall := rows[i].Recall
				for _, concurrency := range []int{1, 3} {
					r := rows[i]
					if r.Prefix != dims || r.Dims != dims || r.K != 10 || r.Candidates != candidates || r.RescoreCandidates != candidates || r.Concurrency != concurrency || r.Queries != 30 ||
						r.VectorsReadMean != candidates || r.Kernel == "" || r.QPS <= 0 || r.P50MS <= 0 || r.P99MS < r.P50MS {
						t.Errorf("line %d is %+v, want prefix %d, candidates %v, concurrency %d", i, r, dims, candidates, concurrency)
					}
					if r.Recall != recall || (candidates == 300) != (recall == 1) {
						t.Errorf("line %d has recall %v, want the same at every concurrency, and 1 only with all rows as candidates", i, r.Recall)
					}
					i++
				}
			}
		}

		// Programs read the fields by name, people by place: both are promises.
		first, _, _ := strings.Cut(stdout, "\n")
		dec := json.NewDecoder(strings.NewReader(first))
		var names []string
		for depth := 0; dec.More() || depth == 0; depth++ {
			token, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			if depth%2 == 1 {
				names = append(names, token.(string))
			}
		}
		want := "prefix, dims, k, target_recall, candidates, rescore_candidates, concurrency, queries, recall, expected_recall, qps, p50_ms, p99_ms, vectors_read_mean, kernel"
		more := want + ", profile, bound, passes_mean, code_bytes_read_mean, vector_bytes_read_mean"
		if got := strings.Join(names, ", "); got != more {
			t.Errorf("fields are %s, want %s", got, more)
		}
		table := must(t, on(target, "eval", "c", "--queries", queries, "--truth", truth)...)
		if header, _, _ := strings.Cut(table, "\n"); strings.Join(strings.Fields(header), ", ") != want {
			t.Errorf("the table's header is %q, want %s", header, want)
		}
	})
}

func TestEvalHoldsTheRecallThatWasAskedFor(t *testing.T) {
	t.Parallel()
	eachLearned(t, func(t *testing.T, target []string) {
		queries := spectralMatrix(33, 60, 1024).file(t, "queries.npy")
		eval := func(args ...string) []measure.Summary {
			t.Helper()
			args = append([]string{"eval", "l", "--queries", queries, "--format", "json"}, args...)
			return decode[measure.Summary](t, must(t, on(target, args...)...))
		}
		rows := eval("--target-recall", "0.9,0.99", "--prefix", "64,256,0")
		if len(rows) != 6 {
			t.Fatalf("%d lines, want 3 x 2", len(rows))
		}
		for i, r := range rows {
			prefix, target := []int{64, 256, 1024}[i/2], []float64{.9, .99}[i%2]
			if r.Prefix != prefix || r.TargetRecall != target || r.ExpectedRecall < target || r.Recall < target-.03 || r.Profile != "learned" || r.PassesMean < 1 {
				t.Errorf("line %d is %+v, want a recall of %v at prefix %d", i, r, target, prefix)
			}
			if r.VectorBytesReadMean != float64(4*prefix)*r.VectorsReadMean || r.CodeBytesReadMean <= 0 || r.RescoreCandidates < r.VectorsReadMean {
				t.Errorf("line %d is %+v, want the bytes of what was read", i, r)
			}
		}
		loose, tight := eval("--bound", "3")[0], eval("--bound", "0.5")[0]
		if loose.Bound != 3 || loose.TargetRecall != 0 || loose.VectorsReadMean <= tight.VectorsReadMean || loose.Recall < tight.Recall {
			t.Errorf("a loose bound reads %v vectors for a recall of %v, a tight one %v for %v, want more for more",
				loose.VectorsReadMean, loose.Recall, tight.VectorsReadMean, tight.Recall)
		}
	})
}

// Where no vectors are stored the truth file is taken by its word.
func TestCodesAloneAreMeasuredAgainstATruthFile(t *testing.T) {
	t.Parallel()
	s := newEvalSet()
	base, queries, truth := s.base.file(t, "base.npy"), s.queries.file(t, "queries.npy"), s.truthFile(t, 20)
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "ingest", "c", base, "--create", "--store", "none")...)
		row := decode[measure.Summary](t, must(t, on(target, "eval", "c", "--queries", queries, "--truth", truth, "--candidates", "300", "-k", "5", "--format", "json")...))[0]
		if row.Recall <= 0.2 || row.Recall >= 1 || row.VectorsReadMean != 0 {
			t.Errorf("recall is %v with %v vectors read, want a good part of the truth and none read", row.Recall, row.VectorsReadMean)
		}
		mustFail(t, "keeps codes and no vectors", on(target, "eval", "c", "--queries", queries)...)
	})
}

func TestEvalSearchesByCodes(t *testing.T) {
	t.Parallel()
	s := newEvalSet()
	base, queries, truth := s.base.file(t, "base.npy"), s.queries.file(t, "queries.npy"), s.truthFile(t, 20)
	codes, few := codesOf(t, "faiss", "|u1", s.queries), codesOf(t, "numpy", "|u1", matrix{39, s.queries.cols, s.queries.data})
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "ingest", "c", base, "--create", "--profile", "signs")...)
		eval := func(args ...string) measure.Summary {
			t.Helper()
			args = append([]string{"eval", "c", "--queries", queries, "--truth", truth, "--candidates", "300", "--format", "json"}, args...)
			return decode[measure.Summary](t, must(t, on(target, args...)...))[0]
		}
		byCode, byVector := eval("--codes", codes, "--dialect", "faiss"), eval("--rescore", "codes")
		if byCode.Recall <= .2 || byCode.Recall >= byVector.Recall || byCode.VectorsReadMean != 0 {
			t.Errorf("codes give %+v, want a good part of what the magnitudes of the queries find, %v", byCode, byVector.Recall)
		}
		with := func(args ...string) []string {
			return on(target, append([]string{"eval", "c", "--queries", queries, "--truth", truth}, args...)...)
		}
		mustFail(t, "found 39 codes, want 40: one for each query", with("--codes", few, "--dialect", "numpy")...)
		mustFail(t, "a code does not say how it is packed", with("--codes", codes)...)
		mustFail(t, "want --codes with it", with("--dialect", "numpy")...)
		mustFail(t, "--prefix has 64", with("--codes", codes, "--dialect", "faiss", "--prefix", "64")...)
	})
}

func TestRecallOfEvalIsThatOfCountingByHand(t *testing.T) {
	s := newEvalSet()
	target := []string{"--data", t.TempDir()}
	must(t, on(target, "ingest", "c", s.base.file(t, "base.npy"), "--create", "--profile", "signs")...)
	queries := s.queries.file(t, "queries.npy")
	row := decode[measure.Summary](t, must(t, on(target, "eval", "c", "--queries", queries, "--truth", s.truthFile(t, 20), "--rescore", "none", "-k", "5", "--format", "json")...))[0]
	right := 0
	for q, a := range decode[answerJSON](t, must(t, on(target, "search", "c", "--query", queries, "--rescore", "none", "-k", "5", "--format", "json")...)) {
		fifth := measure.ExactScore(s.queries.row(q), s.base.row(int(s.truth[q][4])), encoder.Cosine)
		for _, hit := range a.Hits {
			var n int
			if _, err := fmt.Sscan(hit.ID, &n); err != nil {
				t.Fatal(err)
			}
			if score := measure.ExactScore(s.queries.row(q), s.base.row(n), encoder.Cosine); score > fifth || measure.Tied(score, fifth) {
				right++
			}
		}
	}
	if want := float64(right) / 200; row.Recall-want > 1e-12 || want-row.Recall > 1e-12 || right == 200 {
		t.Errorf("recall is %v, want %v", row.Recall, want)
	}
}

func TestPrefixQueriesAreMeasuredAgainstPrefixes(t *testing.T) {
	s := newEvalSet()
	target := []string{"--data", t.TempDir()}
	must(t, on(target, "ingest", "c", s.base.file(t, "base.npy"), "--create", "--ladder", "64")...)
	var prefixes []float32
	for q := range s.queries.rows {
		prefixes = append(prefixes, s.queries.row(q)[:64]...)
	}
	queries := matrix{s.queries.rows, 64, prefixes}.file(t, "short.npy")
	r := hamnest(t, on(target, "eval", "c", "--queries", queries, "--candidates", "300", "--format", "json")...)
	row := decode[measure.Summary](t, r.stdout)[0]
	if row.Prefix != 64 || row.Dims != 64 || row.Recall != 1 {
		t.Errorf("queries of 64 dimensions give %+v, want recall 1 at 64 dimensions", row)
	}
	if r.stderr != "no --truth: the right answers come from an exact search of the collection\n" {
		t.Errorf("standard error has %q, want it to say where the truth is from", r.stderr)
	}
}

func TestBadEvaluationsAreRefused(t *testing.T) {
	s := newEvalSet()
	queries, truth := s.queries.file(t, "queries.npy"), s.truthFile(t, 20)
	with := func(q, column int, row int32) string {
		changed := slices.Clone(s.truth)
		changed[q] = slices.Clone(changed[q])
		changed[q][column] = row
		return evalSet{truth: changed}.truthFile(t, 20)
	}
	ids := func(n int) string { return writeFile(t, "ids.txt", idLines("", n)) }
	tests := []struct {
		name string
		want string
		args []string
	}{
		{"no queries", `required flag(s) "queries" not set`, nil},
		{"k 0", "-k is 0, want at least 1", []string{"--queries", queries, "-k", "0"}},
		{"a truth narrower than k", "truth.npy: found 9 columns, want at least k = 10", []string{"--queries", queries, "--truth", s.truthFile(t, 9)}},
		{"a truth of fewer queries", "truth.npy: found 39 rows, want 40: one for each query", []string{"--queries", queries, "--truth", evalSet{truth: s.truth[:39]}.truthFile(t, 20)}},
		{"a truth of numbers that are no rows", "truth.npy: not a readable .npy matrix: elements are \"<f4\", want row numbers", []string{"--queries", queries, "--truth", randomMatrix(1, 40, 20).file(t, "truth.npy")}},
		{"a negative row number", "truth.npy: row 2, column 3 is -1, want a row number", []string{"--queries", queries, "--truth", with(2, 3, -1)}},
		{"a row number twice", "truth.npy: row 2, column 3 is ", []string{"--queries", queries, "--truth", with(2, 3, s.truth[2][0])}},
		{"a row that the collection has not", "truth.npy: found row number 300, want less than 300: the rows of collection c", []string{"--queries", queries, "--truth", with(39, 19, 300)}},
		{"a row that the ids have not", "want less than 100: the rows of ", []string{"--queries", queries, "--truth", truth, "--ids", ids(100)}},
		{"ids that the collection has not", `is a right answer, but collection "c" does not have it`, []string{"--queries", queries, "--truth", truth, "--ids", writeFile(t, "ids.txt", idLines("x", 300))}},
		{"ids without a truth", "want --truth with it", []string{"--queries", queries, "--ids", ids(300)}},
		{"queries of wrong dims", `short.npy: found queries of 100 dimensions, want 128 or a shorter step of the ladder 64,128 of collection "c"`, []string{"--queries", randomMatrix(1, 4, 100).file(t, "short.npy")}},
		{"no rows", "queries.npy: found 0 rows, want at least one query", []string{"--queries", npyFile(t, "queries.npy", "<f4", "(0, 128)", []float32{})}},
		{"a truncated file", "the file is truncated", []string{"--queries", writeFile(t, "q.npy", npyBytes(t, "<f4", "False", "(2, 128)", make([]float32, 255)))}},
		{"a concurrency of none", "--concurrency has 0, want at least 1", []string{"--queries", queries, "--concurrency", "1,0"}},
		{"a limit below none", "--queries-limit is -1", []string{"--queries", queries, "--queries-limit", "-1"}},
		{"candidates for an exact search", "do not go with it", []string{"--queries", queries, "--exact", "--candidates", "50"}},
		{"rescoring for an exact search", "do not go with it", []string{"--queries", queries, "--exact", "--rescore", "none"}},
		{"a bound for an exact search", "do not go with it", []string{"--queries", queries, "--exact", "--bound", "2"}},
		{"a target for an exact search", "do not go with it", []string{"--queries", queries, "--exact", "--target-recall", "0.9"}},
		{"more than all", "--target-recall has 1.5, want more than 0 and at most 1", []string{"--queries", queries, "--target-recall", "0.9,1.5"}},
		{"a prefix below none", "--prefix has -64", []string{"--queries", queries, "--prefix", "-64"}},
		{"a prefix longer than the queries", "--prefix has 256, want at most the 128 dimensions of the queries", []string{"--queries", queries, "--prefix", "256"}},
		{"a prefix that is no step", "found queries of 100 dimensions, want 128 or a shorter step", []string{"--queries", queries, "--prefix", "100"}},
		{"fewer candidates than k", "query 0: ", []string{"--queries", queries, "--truth", truth, "--candidates", "9"}},
		{"dims that are none", "dims: 100, want a multiple of 64", []string{"--queries", queries, "--truth", truth, "--dims", "100"}},
	}
	eachTarget(t, func(t *testing.T, target []string) {
		base := s.base.file(t, "base.npy")
		must(t, on(target, "ingest", "c", base, "--create")...)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				mustFail(t, tt.want, on(target, append([]string{"eval", "c"}, tt.args...)...)...)
			})
		}
		t.Run("an unknown collection", func(t *testing.T) {
			mustFail(t, `collection "nope": not found`, on(target, "eval", "nope", "--queries", queries)...)
		})
		t.Run("rows whose order is gone", func(t *testing.T) {
			must(t, on(target, "ingest", "c", base)...)
			mustFail(t, `collection "c" has replaced or deleted 300 vectors`, on(target, "eval", "c", "--queries", queries, "--truth", truth)...)
			got := decode[measure.Summary](t, must(t, on(target, "eval", "c", "--queries", queries, "--truth", truth, "--ids", ids(300), "--exact", "--format", "json")...))[0]
			if got.Recall != 1 {
				t.Errorf("with ids the recall of an exact search is %v, want 1", got.Recall)
			}
		})
	})
}

func TestRealVectorsKeepTheirRecall(t *testing.T) {
	t.Parallel()
	t.Run("the bundled sample", func(t *testing.T) { keepsItsRecall(t, "demodata", 5000, 300) })
	t.Run("debian", func(t *testing.T) {
		if !allSets {
			t.Skip("minutes long: set HAMNEST_SETS=all")
		}
		keepsItsRecall(t, dataFolder(t, "debian"), 38_333, 2000)
	})
}

// keepsItsRecall ingests the set in a folder as a person would, and checks what is stored
// and found.
func keepsItsRecall(t *testing.T, folder string, rows uint64, queries int) {
	t.Helper()
	file := func(name string) string { return filepath.Join(folder, name) }
	target := []string{"--data", t.TempDir()}
	docs := file("docs.jsonl")
	must(t, on(target, "ingest", "real", file("base.npy"), "--ids", docs, "--metadata", docs, "--create")...)

	stats := decode[statsJSON](t, must(t, on(target, "stats", "real", "--format", "json")...))[0]
	if stats.Vectors != rows {
		t.Errorf("%d vectors stored, want %d", stats.Vectors, rows)
	}
	content, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	var first struct{ ID string }
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		t.Fatal(err)
	}
	var compact strings.Builder
	if err := json.NewEncoder(&compact).Encode(json.RawMessage(line)); err != nil {
		t.Fatal(err)
	}
	rec := decode[recordJSON](t, must(t, on(target, "get", "real", first.ID, "--format", "json")...))[0]
	if string(rec.Metadata)+"\n" != compact.String() {
		t.Errorf("%s has metadata %s, want %s", first.ID, rec.Metadata, compact.String())
	}

	eval := []string{"eval", "real", "--queries", file("queries.npy"), "--truth", file("truth.npy"), "--format", "json"}
	for _, r := range decode[measure.Summary](t, must(t, on(target, append(eval, "--target-recall", "0.9,0.99,0", "--concurrency", "4")...)...)) {
		if r.Recall < r.TargetRecall-.005 || r.Queries != queries {
			t.Errorf("%d queries have a recall of %v where %v was asked for", r.Queries, r.Recall, r.TargetRecall)
		}
	}
	exact := decode[measure.Summary](t, must(t, on(target, append(eval, "--exact", "--queries-limit", "200", "--concurrency", "4")...)...))[0]
	if exact.Recall != 1 {
		t.Errorf("an exact search finds %v, want 1", exact.Recall)
	}
}
