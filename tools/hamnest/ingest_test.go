package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/x448/float16"

	"github.com/hamnest/hamnest/client"
	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func TestFilesOfEveryKindStoreTheSameVectors(t *testing.T) {
	// Quarters are the same number in every width.
	m := randomMatrix(1, 5, 8)
	half := make([]uint16, len(m.data))
	double := make([]float64, len(m.data))
	for i, x := range m.data {
		m.data[i] = float32(math.Round(float64(x)*4))/4 + 0.25
		half[i] = float16.Fromfloat32(m.data[i]).Bits()
		double[i] = float64(m.data[i])
	}
	var lines bytes.Buffer
	for i := range m.rows {
		vector, err := json.Marshal(m.row(i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, `{"id": %d, "vector": %s}`+"\n", i, vector)
	}
	files := map[string]string{
		"f2":    npyFile(t, "f2.npy", "<f2", m.shape(), half),
		"f4":    m.file(t, "f4.npy"),
		"f8":    npyFile(t, "f8.npy", "<f8", m.shape(), double),
		"jsonl": writeFile(t, "v.jsonl", lines.Bytes()),
	}
	eachTarget(t, func(t *testing.T, target []string) {
		for name, file := range files {
			summary := decode[ingestSummary](t, must(t, on(target, "ingest", name, file, "--create", "--format", "json")...))[0]
			if summary.Collection != name || summary.Vectors != 5 || summary.Seconds <= 0 || summary.VectorsPerSecond <= 0 || summary.MBPerSecond <= 0 {
				t.Errorf("%s: summary is %+v", name, summary)
			}
			got := decode[recordJSON](t, must(t, on(target, "get", name, "0", "1", "2", "3", "4", "--with-vector", "--format", "json")...))
			for i, rec := range got {
				if !slices.Equal(rec.Vector, m.row(i)) || rec.Metadata != nil {
					t.Errorf("%s: vector %d is %v with metadata %s, want %v without", name, i, rec.Vector, rec.Metadata, m.row(i))
				}
			}
		}
	})
}

func TestIDsAndMetadataComeFromWhereTheHelpSays(t *testing.T) {
	base := randomMatrix(2, 2, 4).file(t, "base.npy")
	text := writeFile(t, "ids.txt", []byte("a\r\nb b"))
	docs := writeFile(t, "docs.jsonl", []byte(`{"text": "\u00fc <b>",  "id": "a", "n": 1.50}`+"\n"+`{"id": 17}`+"\n"))
	meta := writeFile(t, "meta.jsonl", []byte(" {\"x\":  [1, 2]} \n{}\n"))
	vectors := writeFile(t, "v.jsonl", []byte(`{"id": "a", "vector": [1, 2, 3, 4], "metadata": {"k": {"id": 1}}, "other": 1}`+"\n"+
		`{"vector": [1, 2, 3, 4], "text": "t", "id": "b"}`+"\n"+
		`{"vector": [1e0, -2, 3.5, 4], "id": -5, "metadata": null, "text": "t"}`+"\n"))
	for _, tt := range []struct {
		name  string
		flags []string
		want  map[string]string // metadata by id
	}{
		{"nothing but vectors", []string{base}, map[string]string{"0": "", "1": ""}},
		{"ids in a text", []string{base, "--ids", text}, map[string]string{"a": "", "b b": ""}},
		{"ids in objects bring metadata", []string{base, "--ids", docs}, map[string]string{"a": `{"text": "\u00fc <b>", "n": 1.50}`, "17": ""}},
		{"metadata alone", []string{base, "--metadata", meta}, map[string]string{"0": `{"x":  [1, 2]}`, "1": `{}`}},
		{"ids in objects and metadata", []string{base, "--ids", docs, "--metadata", meta}, map[string]string{"a": `{"x":  [1, 2]}`, "17": `{}`}},
		{
			"one file as both keeps whole lines",
			[]string{base, "--ids", docs, "--metadata", docs},
			map[string]string{"a": `{"text": "\u00fc <b>",  "id": "a", "n": 1.50}`, "17": `{"id": 17}`},
		},
		{"vectors with all beside them", []string{vectors}, map[string]string{"a": `{"k": {"id": 1}}`, "b": `{"text": "t"}`, "-5": ""}},
		{"rows are counted over all files", []string{base, vectors, base}, map[string]string{"0": "", "1": "", "a": `{"k": {"id": 1}}`, "b": `{"text": "t"}`, "-5": "", "5": "", "6": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, append([]string{"ingest", "c", "--create", "--data", dir}, tt.flags...)...)
			b, err := openLocal(dir, index.Options{MustExist: true}, os.Stderr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}()
			got := make(map[string]string)
			for rec, err := range api.List(t.Context(), b, "c", index.ReadOptions{WithMetadata: true}) {
				if err != nil {
					t.Fatal(err)
				}
				got[rec.ID] = string(rec.Metadata)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("stored %q, want %q", got, tt.want)
			}
		})
	}
}

func TestIngestLearnsTheProfileOfItsCollection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := spectralMatrix(4, 1100, 1024).file(t, "base.npy")
	must(t, "ingest", "c", file, "--create", "--bits", "700", "--store", "int8", "--data", dir)
	c := decode[collectionJSON](t, must(t, "collection", "describe", "c", "--format", "json", "--data", dir))[0]
	if c.Profile != "learned" || c.ProfileInForce != "learned" || c.Bits != 700 || c.Store != encoder.Int8 {
		t.Errorf("collection is %+v, want learned in int8 with 700 bits", c)
	}
	mustFail(t, "already exists with profile learned", "ingest", "c", file, "--create", "--profile", "signs", "--data", dir)
	mustFail(t, "already exists with at most 700 bits a code, and --bits asks for 800", "ingest", "c", file, "--create", "--bits", "800", "--data", dir)
	mustFail(t, "already exists with stored precision int8", "ingest", "c", file, "--create", "--store", "none", "--data", dir)
	mustFail(t, "want --create with them", "ingest", "c", file, "--profile", "signs", "--data", dir)
	mustFail(t, "want --create with them", "ingest", "c", file, "--bits", "700", "--data", dir)
}

func TestIngestOfManyBlocksAndBatchesStoresEveryRow(t *testing.T) {
	t.Parallel()
	m := randomMatrix(3, 5000, 512) // 10 MB: ten blocks, three batches
	file, ids := m.file(t, "base.npy"), writeFile(t, "ids.txt", idLines("doc", m.rows))
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "ingest", "c", file, "--ids", ids, "--create", "--profile", "signs")...)
		stats := decode[statsJSON](t, must(t, on(target, "stats", "c", "--format", "json")...))[0]
		if stats.Vectors != 5000 || stats.Retired != 0 {
			t.Errorf("%d vectors and %d retired, want 5000 and 0", stats.Vectors, stats.Retired)
		}
		for _, row := range []int{0, 511, 512, 2047, 2048, 2559, 4096, 4999} {
			rec := decode[recordJSON](t, must(t, on(target, "get", "c", "doc"+strconv.Itoa(row), "--with-vector", "--format", "json")...))[0]
			if !slices.Equal(rec.Vector, m.row(row)) {
				t.Errorf("vector %d is not that of the file", row)
			}
		}
		if out := must(t, on(target, "check", "c")...); !strings.HasPrefix(out, "sound: 5000 rows") {
			t.Errorf("check says %q", out)
		}
	})
}

func TestBadInputIsRefusedBeforeAnythingIsStored(t *testing.T) {
	t.Parallel()
	good := randomMatrix(4, 20, 8)
	base := good.file(t, "base.npy")
	raw := npyBytes(t, "<f4", "False", good.shape(), good.data)
	withNaN := slices.Clone(good.data)
	withNaN[3*8+5] = float32(math.NaN())
	withInf := slices.Clone(good.data)
	withInf[19*8] = float32(math.Inf(-1))
	withLarge := slices.Clone(good.data)
	withLarge[11*8+2] = 65536
	withZero := slices.Clone(good.data)
	clear(withZero[7*8 : 8*8])
	beyond := make([]float64, 16)
	beyond[9] = 1e39
	bigEndian, err := binary.Append(nil, binary.BigEndian, good.data)
	if err != nil {
		t.Fatal(err)
	}
	lines := func(n int, broken string) []byte {
		var b bytes.Buffer
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, `{"id": "n%d", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`+"\n", i)
		}
		b.WriteString(broken + "\n")
		fmt.Fprintf(&b, `{"id": "last", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`+"\n")
		return b.Bytes()
	}
	bad := func(name string, content []byte) []string { return []string{writeFile(t, name, content)} }
	line17 := func(broken string) []string { return bad("v.jsonl", lines(17, broken)) }
	ids := func(name string, content []byte) []string {
		return []string{base, "--ids", writeFile(t, name, content)}
	}
	metadata := func(content string) []string {
		return []string{base, "--metadata", writeFile(t, "meta.jsonl", []byte(content))}
	}
	objects := func(n int) string { return strings.Repeat("{}\n", n) }

	folder := filepath.Join(t.TempDir(), "folder.npy")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name string
		want string
		args []string
	}{
		{
			"one byte short", "base.npy: not a readable .npy matrix: found 639 bytes after the header, want 640 for shape [20 8] of <f4: the file is truncated",
			bad("base.npy", raw[:len(raw)-1]),
		},
		{"one byte over", "found 641 bytes after the header, want 640", bad("base.npy", append(slices.Clone(raw), 0))},
		{"the header only", "found 0 bytes after the header, want 640", bad("base.npy", raw[:128])},
		{"an empty file", "base.npy: not a readable .npy matrix: the file is 0 bytes long", bad("base.npy", nil)},
		{"a text that is called .npy", "the file starts with", bad("base.npy", []byte("0.1 0.2 0.3\n"))},
		{"big-endian numbers", `elements are ">f4"`, []string{npyFile(t, "base.npy", ">f4", good.shape(), bigEndian)}},
		{"Fortran order", "fortran_order is True, want False", bad("base.npy", npyBytes(t, "<f4", "True", good.shape(), good.data))},
		{"one dimension", "shape [160] has 1 dimensions, want 2", []string{npyFile(t, "base.npy", "<f4", "(160,)", good.data)}},
		{"row numbers", `elements are "<i4", want vectors`, []string{npyFile(t, "base.npy", "<i4", "(2, 8)", make([]int32, 16))}},
		{"dimensions that no vector has", "found rows of 65537 numbers, want at most 65536", []string{npyFile(t, "base.npy", "<f4", "(1, 65537)", make([]float32, 65537))}},
		{"too many dimensions", "row 0: vector has 10 dimensions, want 8", []string{npyFile(t, "base.npy", "<f4", "(16, 10)", good.data)}},
		{"too few dimensions in the second file", "b.npy: row 0: vector has 4 dimensions, want 8", []string{base, npyFile(t, "b.npy", "<f4", "(40, 4)", good.data)}},
		{"NaN in row 3", "base.npy: row 3: vector component 5 is NaN", []string{npyFile(t, "base.npy", "<f4", good.shape(), withNaN)}},
		{"an infinity in the last row", "base.npy: row 19: vector component 0 is -Inf", []string{npyFile(t, "base.npy", "<f4", good.shape(), withInf)}},
		{"an all-zero vector in row 7", "base.npy: row 7: vector all 8 components are zero", []string{npyFile(t, "base.npy", "<f4", good.shape(), withZero)}},
		{"a float64 that no float32 holds", "base.npy: not a readable .npy matrix: row 1: component 1 is 1e+39", []string{npyFile(t, "base.npy", "<f8", "(2, 8)", beyond)}},
		{"no rows, and very long ones", "base.npy: not a readable .npy matrix: shape [0 1000000000000] has rows of 1000000000000 numbers", []string{npyFile(t, "base.npy", "<f4", "(0, 1000000000000)", []float32{})}},
		{"a bad file after a good one", "the file is truncated", append([]string{base}, bad("b.npy", raw[:len(raw)-1])...)},

		{"a broken line 17", "v.jsonl: line 17: is not JSON: ", line17(`{"id": "x", "vector": [1, 2`)},
		{"NaN in line 17", "v.jsonl: line 17: is not JSON: ", line17(`{"id": "x", "vector": [NaN, 2, 3, 4, 5, 6, 7, 8]}`)},
		{"two objects in line 17", "v.jsonl: line 17: is not JSON: ", line17(`{"id": "x", "vector": [1, 2, 3, 4, 5, 6, 7, 8]} {}`)},
		{"an array in line 17", `v.jsonl: line 17: found "[1, 2]", want a JSON object`, line17(`[1, 2]`)},
		{"an empty line 17", "v.jsonl: line 17: is empty, want a JSON object", line17("")},
		{"a line 17 that is not UTF-8", "v.jsonl: line 17: is not UTF-8", line17("{\"id\": \"\xff\", \"vector\": [1, 2, 3, 4, 5, 6, 7, 8]}")},
		{"a line 17 that is too long", "v.jsonl: line 17: is longer than 4194304 bytes", line17(`{"id": "x", "text": "` + strings.Repeat("x", files.MaxLine) + `"}`)},
		{"no id in line 17", `v.jsonl: line 17: has no "id"`, line17(`{"ID": "x", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`)},
		{"two ids in line 17", `v.jsonl: line 17: "id" comes twice`, line17(`{"id": "x", "id": "y", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`)},
		{"half a character as id", `v.jsonl: line 17: "id" is "\"\\ud800\"", want UTF-8: \ud800 is half of a character`, line17(`{"id": "\ud800", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`)},
		{"half a character within an id", `want UTF-8: \udc01 is half of a character`, line17(`{"id": "a\ud83d\ude00\udc01", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`)},
		{"an id of a text that is not UTF-8", `ids.txt: line 2: id "b\xff" is not UTF-8`, ids("ids.txt", []byte("a\nb\xff\nc\n"))},
		{"half a character as id of a row", `ids.jsonl: line 1: "id" is "\"\\udfff\""`, ids("ids.jsonl", []byte(`{"id": "\udfff"}`))},
		{"a fraction as id", `v.jsonl: line 17: "id" is "1.5", want a string or a whole number`, line17(`{"id": 1.5, "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`)},
		{"an empty id", "v.jsonl: line 17: id is empty, want 1 to 512 bytes", line17(`{"id": "", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`)},
		{"an id that is too long", "has 513 bytes, want 1 to 512", line17(`{"id": "` + strings.Repeat("x", 513) + `", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`)},
		{"no vector", `v.jsonl: line 17: has no "vector"`, line17(`{"id": "x"}`)},
		{"a vector that is none", `v.jsonl: line 17: vector is "{}", want an array of numbers`, line17(`{"id": "x", "vector": {}}`)},
		{"an empty vector", "v.jsonl: line 17: vector is empty", line17(`{"id": "x", "vector": [ ]}`)},
		{"null in a vector", `v.jsonl: line 17: component 1 is "null", want a number`, line17(`{"id": "x", "vector": [1, null, 3, 4, 5, 6, 7, 8]}`)},
		{"a nested vector", "v.jsonl: line 17: component 0 is", line17(`{"id": "x", "vector": [[1, 2, 3, 4, 5, 6, 7, 8]]}`)},
		{"a number that no float32 holds", "v.jsonl: line 17: component 1 is 1e39, more than a float32 holds", line17(`{"id": "x", "vector": [1, 1e39, 3, 4, 5, 6, 7, 8]}`)},
		{"a short vector", "v.jsonl: line 17: vector has 3 dimensions, want 8", line17(`{"id": "x", "vector": [1, 2, 3]}`)},
		{"metadata that is no object", `v.jsonl: line 17: metadata is "[1]", want a JSON object`, line17(`{"id": "x", "vector": [1, 2, 3, 4, 5, 6, 7, 8], "metadata": [1]}`)},
		{"metadata that is too long", "metadata has 65549 bytes, want at most 65536", line17(`{"id": "x", "vector": [1, 2, 3, 4, 5, 6, 7, 8], "metadata": {"text": "` + strings.Repeat("x", 65537) + `"}}`)},

		{"fewer ids than rows", "ids.txt: found 19 lines, want 20: one for each row", ids("ids.txt", idLines("x", 19))},
		{"more ids than rows", "ids.txt: found 22 lines, want 20: one for each row", ids("ids.txt", idLines("x", 22))},
		{"no ids", "ids.txt: found 0 lines, want 20", ids("ids.txt", nil)},
		{"an empty id in a text", "ids.txt: line 4: id is empty, want 1 to 512 bytes", ids("ids.txt", []byte("a\nb\nc\n\ne\n"))},
		{"fewer objects than rows", "ids.jsonl: found 1 lines, want 20", ids("ids.jsonl", []byte(`{"id": 1}`))},
		{"an object without id", `ids.jsonl: line 2: has no "id"`, ids("ids.jsonl", []byte(`{"id": 1}`+"\n"+`{"name": 2}`))},
		{"ids of no known kind", `ids.csv: found a file name that ends in ".csv", want .txt or .jsonl`, ids("ids.csv", nil)},
		{"less metadata than rows", "meta.jsonl: found 19 lines, want 20", metadata(objects(19))},
		{"more metadata than rows", "meta.jsonl: found 21 lines, want 20", metadata(objects(21))},
		{"broken metadata", "meta.jsonl: line 2: is not JSON", metadata("{}\n{]\n")},
		{"metadata of no known kind", `meta.csv: found a file name that ends in ".csv", want .jsonl`, []string{base, "--metadata", writeFile(t, "meta.csv", nil)}},
		{"ids for a file that has its own", "v.jsonl has ids and metadata of its own", append(bad("v.jsonl", lines(1, `{"id": "x", "vector": [1, 2, 3, 4, 5, 6, 7, 8]}`)), "--ids", base)},

		{"a file of no known kind", `base.csv: found a file name that ends in ".csv", want .npy or .jsonl`, bad("base.csv", nil)},
		{"a file that is not there", "no such file or directory", []string{filepath.Join(t.TempDir(), "missing.npy")}},
		{"a folder", "is not a regular file", []string{folder}},
		{"a shape without --create", "want --create with them", []string{base, "--dims", "8"}},
		{"another shape than what is there", `collection "c" already exists with 8 dimensions, and --dims asks for 16`, []string{base, "--create", "--dims", "16"}},
		{"another metric than what is there", `collection "c" already exists with metric cosine, and --metric asks for l2`, []string{base, "--create", "--metric", "l2"}},
		{"another ladder than what is there", `collection "c" already exists with ladder 8, and --ladder asks for 4`, []string{base, "--create", "--ladder", "4"}},
		{"no file", "found 1 arguments, want: hamnest ingest NAME FILE", nil},
	}
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "ingest", "c", base, "--create")...)
		before := snapshot(t, target)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				mustFail(t, tt.want, on(target, append([]string{"ingest", "c"}, tt.args...)...)...)
				if after := snapshot(t, target); after != before {
					t.Errorf("the store changed from %s to %s", before, after)
				}
			})
		}
		t.Run("an unknown collection", func(t *testing.T) {
			mustFail(t, `collection "nope": not found; --create makes it`, on(target, "ingest", "nope", base)...)
		})
		t.Run("a bad file for a collection to be made", func(t *testing.T) {
			mustFail(t, "row 3", on(target, "ingest", "nope", npyFile(t, "base.npy", "<f4", good.shape(), withNaN), "--create")...)
			mustFail(t, "base.npy: row 11: vector component 2 is 65536, want one of at most 65504", on(target, "ingest", "nope", npyFile(t, "base.npy", "<f4", good.shape(), withLarge), "--create", "--store", "float16")...)
			mustFail(t, "want --dims", on(target, "ingest", "nope", writeFile(t, "v.jsonl", nil), "--create")...)
			mustFail(t, "found 1000000000000 dimensions, want 1 to 65536", on(target, "ingest", "nope", writeFile(t, "v.jsonl", nil), "--create", "--dims", "1000000000000")...)
			mustFail(t, "ladder step 3", on(target, "ingest", "nope", base, "--create", "--ladder", "3")...)
		})
		if after := snapshot(t, target); after != before {
			t.Errorf("the store changed from %s to %s", before, after)
		}
	})
}

func TestCreateTakesTheShapeOfTheFileAndOfTheFlags(t *testing.T) {
	base := randomMatrix(5, 3, 192).file(t, "base.npy")
	eachTarget(t, func(t *testing.T, target []string) {
		create := on(target, "ingest", "c", base, "--create", "--ladder", "64,128", "--metric", "l2")
		must(t, create...)
		got := decode[collectionJSON](t, must(t, on(target, "collection", "describe", "c", "--format", "json")...))[0]
		if got.Dims != 192 || !slices.Equal(got.Ladder, []int{64, 128, 192}) || got.Metric.String() != "l2" {
			t.Errorf("made %+v, want 192 dimensions, ladder 64,128,192 and l2", got)
		}
		must(t, create...) // again: the ids are there, so the vectors are replaced
		stats := decode[statsJSON](t, must(t, on(target, "stats", "c", "--format", "json")...))[0]
		if stats.Vectors != 3 || stats.Retired != 3 {
			t.Errorf("after a second ingest %d vectors and %d retired, want 3 and 3", stats.Vectors, stats.Retired)
		}
	})
}

func TestIngestOfNoVectorsStoresNone(t *testing.T) {
	empty := npyFile(t, "empty.npy", "<f4", "(0, 8)", []float32{})
	none := writeFile(t, "none.jsonl", nil)
	dir := t.TempDir()
	must(t, "ingest", "c", empty, none, "--create", "--data", dir)
	if got := snapshot(t, []string{"--data", dir}); !strings.Contains(got, "c: 0 vectors") {
		t.Errorf("store has %s, want c without vectors", got)
	}
}

// cancelledFile is a file whose reader interrupts the program at some place.
type cancelledFile struct {
	*os.File
	after  int64
	cancel context.CancelFunc
}

func (f *cancelledFile) ReadAt(b []byte, offset int64) (int, error) {
	if offset >= f.after {
		f.cancel()
	}
	return f.File.ReadAt(b, offset)
}

func TestAByteOrderMarkIsNoPartOfAFile(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	m := randomMatrix(3, 2, 2)
	base := m.file(t, "base.npy")
	target := []string{"--data", t.TempDir()}
	marked := func(name, text string) string { return writeFile(t, name, []byte(mark+text)) }
	for name, args := range map[string][]string{
		"text":     {base, "--ids", marked("ids.txt", "a\nb\n")},
		"objects":  {base, "--ids", marked("ids.jsonl", "{\"id\": \"a\"}\n{\"id\": \"b\"}\n")},
		"metadata": {base, "--ids", marked("ids.txt", "a\nb\n"), "--metadata", marked("m.jsonl", "{\"n\": 1}\n{}\n")},
		"lines":    {marked("v.jsonl", "{\"id\": \"a\", \"vector\": [1, 2]}\n{\"id\": \"b\", \"vector\": [1, 2]}\n")},
	} {
		must(t, on(target, append([]string{"ingest", name, "--create"}, args...)...)...)
		must(t, on(target, "get", name, "a", "b")...)
	}
	if got := must(t, on(target, "get", "metadata", "a")...); got != "ID  METADATA\na   {\"n\":1}\n" {
		t.Errorf("metadata after a mark is %q", got)
	}
	if got := hamnestWithInput(t, mark+"[1, 2]", on(target, "search", "text", "--vector", "-")...); got.code != 0 {
		t.Errorf("a vector after a mark: %s", got.stderr)
	}
	must(t, on(target, "delete", "text", "--ids", marked("old.txt", "a\n"))...)
	if got := hamnest(t, on(target, "get", "text", "a", "b")...); got.code == 0 || got.stdout != "ID  METADATA\nb   \n" {
		t.Errorf("after a is deleted, it prints %q", got.stdout)
	}
}

func TestIngestCountsWhatItStoresReplacesAndRefuses(t *testing.T) {
	var lines strings.Builder
	for i := range 10 {
		fmt.Fprintf(&lines, `{"id": "n%d", "vector": [1, %d]}`+"\n", i%6, i)
	}
	twice := writeFile(t, "twice.jsonl", []byte(lines.String()))
	bad := lines.String()
	for i := range 13 {
		bad += fmt.Sprintf(`{"id": "bad%d", "vector": [1, 2, %d]}`+"\n", i, i)
	}
	bad += `{"id": "late", "vector": [5, 5]}` + "\n" + `{"id": "\ud800", "vector": [5, 5]}` + "\nno object\n"
	partly := writeFile(t, "partly.jsonl", []byte(bad))
	eachTarget(t, func(t *testing.T, target []string) {
		counts := func(args ...string) string {
			s := decode[ingestSummary](t, must(t, on(target, append([]string{"ingest", "c", "--format", "json"}, args...)...)...))[0]
			return fmt.Sprintf("%d stored, %d replaced, %d refused, %d skipped", s.Vectors, s.Replaced, s.Refused, s.Skipped)
		}
		if got := counts(twice, "--create"); got != "6 stored, 4 replaced, 0 refused, 0 skipped" {
			t.Errorf("ids that come twice: %s", got)
		}
		if got := counts(twice); got != "0 stored, 10 replaced, 0 refused, 0 skipped" {
			t.Errorf("ids that are there: %s", got)
		}
		before := snapshot(t, target)
		mustFail(t, "line 11: vector has 3 dimensions, want 2; ", on(target, "ingest", "c", partly)...)
		mustFail(t, "line 20: vector has 3 dimensions, want 2; and 5 more; nothing was stored; --skip-bad FILE stores all but 15 bad vectors", on(target, "ingest", "c", partly)...)
		if after := snapshot(t, target); after != before {
			t.Errorf("the store changed from %s to %s", before, after)
		}
		refused := filepath.Join(t.TempDir(), "refused.jsonl")
		if got := counts(partly, "--skip-bad", refused); got != "1 stored, 10 replaced, 15 refused, 0 skipped" {
			t.Errorf("bad vectors that are skipped: %s", got)
		}
		content, err := os.ReadFile(refused)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSpace(string(content)), "\n")
		if len(got) != 15 || !strings.Contains(got[0], `"line":11,"id":"bad0","reason":"`+partly+`: line 11: vector has 3 dimensions, want 2","text":"{\"id\": \"bad0\", \"vector\": [1, 2, 0]}"}`) ||
			!strings.Contains(got[14], `"line":26,"reason":`) || !strings.Contains(got[14], `"text":"no object"`) {
			t.Errorf("refused are\n%s", content)
		}
		mustFail(t, "file exists", on(target, "ingest", "c", partly, "--skip-bad", refused)...)
		if got := counts(partly, "--skip-bad", refused+"2", "--resume"); got != "0 stored, 0 replaced, 15 refused, 11 skipped" {
			t.Errorf("bad vectors that are skipped again: %s", got)
		}
	})
}

func TestBadRowsAndTheirLinesAreSkippedTogether(t *testing.T) {
	m := randomMatrix(3, 5, 4)
	m.row(1)[2] = float32(math.NaN())
	base := m.file(t, "base.npy")
	ids := writeFile(t, "ids.txt", []byte("a\nb\n\nd\ne\n"))
	metadata := writeFile(t, "m.jsonl", []byte("{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n[]\n{\"n\":4}\n"))
	refused := filepath.Join(t.TempDir(), "refused.jsonl")
	target := []string{"--data", t.TempDir()}
	must(t, on(target, "ingest", "c", base, "--ids", ids, "--metadata", metadata, "--create", "--skip-bad", refused)...)
	if got := must(t, on(target, "get", "c", "a", "e")...); got != "ID  METADATA\na   {\"n\":0}\ne   {\"n\":4}\n" {
		t.Errorf("what was stored is %q", got)
	}
	content, err := os.ReadFile(refused)
	for _, want := range []string{`"row":1,"id":"b","reason":"` + base + `: row 1: vector component 2 is NaN`, `"row":2,"reason":"` + ids + `: line 3: id is empty`, `"row":3,`, `line 4: found \"[]\"`} {
		if err != nil || !strings.Contains(string(content), want) {
			t.Errorf("refused are\n%s(%v) and do not say %s", content, err, want)
		}
	}
	if n := strings.Count(string(content), "\n"); n != 3 {
		t.Errorf("%d are refused, want 3", n)
	}
}

func TestResumeStoresOnlyWhatIsNotThere(t *testing.T) {
	t.Parallel()
	const rows = 2*resumeBatch + 500
	m := randomMatrix(9, rows, 3)
	whole := m.file(t, "whole.npy")
	eachTarget(t, func(t *testing.T, target []string) {
		for _, there := range []int{0, 1, resumeBatch - 1, resumeBatch, resumeBatch + 1, rows - 1, rows} {
			name := fmt.Sprintf("c%d", there)
			part := matrix{rows: there, cols: m.cols, data: m.data[:there*m.cols]}
			must(t, on(target, "ingest", name, part.file(t, name+".npy"), "--create", "--dims", "3")...)
			summary := decode[ingestSummary](t, must(t, on(target, "ingest", name, whole, "--resume", "--format", "json")...))[0]
			if summary.Skipped != uint64(there) || summary.Vectors != uint64(rows-there) {
				t.Errorf("with %d there: %d skipped and %d stored, want %d and %d", there, summary.Skipped, summary.Vectors, there, rows-there)
			}
			stats := decode[map[string]any](t, must(t, on(target, "stats", name, "--format", "json")...))[0]
			if stats["vectors"] != float64(rows) || stats["retired"] != float64(0) {
				t.Errorf("with %d there: %v vectors and %v retired, want %d and 0", there, stats["vectors"], stats["retired"], rows)
			}
		}
	})
}

func TestInterruptedIngestSaysHowManyAreDurable(t *testing.T) {
	t.Parallel()
	m := randomMatrix(6, 6000, 512) // three batches of 2048 rows
	file := m.file(t, "base.npy")
	test := func(t *testing.T, b api.Engine) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		in := files.Input{Files: []string{file}, Open: func(name string) (fs.File, error) {
			f, err := os.Open(name)
			return &cancelledFile{f, 5000 * 4 * 512, cancel}, err
		}}
		flags := ingestFlags{create: true, shape: shapeFlags{profile: "signs", store: "float32"}}
		info, _, err := flags.collection(ctx, ingestCommand(new(show.Format)), b, "c", files.Layout{Dims: 512})
		if err != nil {
			t.Fatal(err)
		}
		if info, err = b.CreateCollection(ctx, info.Spec); err != nil {
			t.Fatal(err)
		}
		_, err = storeInput(ctx, &in, &files.Report{}, b, info.Spec, 0, &show.Progress{})
		stats, statsErr := b.Stats(t.Context(), "c")
		if statsErr != nil {
			t.Fatal(statsErr)
		}
		if stats.Vectors == 0 || stats.Vectors >= 6000 {
			t.Errorf("%d vectors are there, want some but not all", stats.Vectors)
		}
		want := fmt.Sprintf("interrupted: %d vectors are stored and durable; run the same command again with --resume to store the others", stats.Vectors)
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	t.Run("on a directory", func(t *testing.T) {
		b, err := openLocal(t.TempDir(), index.Options{}, os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		test(t, b)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("on a server", func(t *testing.T) {
		b, err := client.New(startServer(t, t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		test(t, b)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestInterruptedCommandSaysSoAndFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	must(t, "collection", "create", "c", "--dims", "8", "--data", dir)
	var stderr bytes.Buffer
	file := randomMatrix(7, 3, 8).file(t, "base.npy")
	code := execute(ctx, []string{"ingest", "c", file, "--data", dir}, strings.NewReader(""), &stderr, &stderr)
	if code == 0 || stderr.String() != "hamnest: interrupted\n" {
		t.Errorf("exit code %d and %q, want a failure that says that it was interrupted", code, stderr.String())
	}
}
