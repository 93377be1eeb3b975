package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

// after returns the content of a .npy file after its header, and the header.
func after(t *testing.T, name string) (data []byte, header string) {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, data, found := bytes.Cut(content, []byte("\n"))
	if !found {
		t.Fatalf("%s has no header", name)
	}
	return data, string(head)
}

func TestCodesGoOutAsTheyCameIn(t *testing.T) {
	m := randomMatrix(31, 1500, 75) // more than a page
	lines := writeFile(t, "ids.txt", idLines("doc", 1500))
	eachTarget(t, func(t *testing.T, target []string) {
		for dialect, elem := range map[string]string{"numpy": "|u1", "numpy-signed": "|i1", "pgvector": "|u1", "faiss": "|u1"} {
			name := "c-" + dialect
			codes := codesOf(t, dialect, elem, m)
			must(t, on(target, "collection", "create", name, "--dims", "75", "--store", "none")...)
			must(t, on(target, "ingest", name, codes, "--dialect", dialect, "--ids", lines)...)
			out, ids := filepath.Join(t.TempDir(), "out.npy"), filepath.Join(t.TempDir(), "out.txt")
			got := decode[exportSummary](t, must(t, on(target, "export", name, "--what", "codes", "--dialect", dialect, "--out", out, "--ids", ids, "--format", "json")...))[0]
			if got != (exportSummary{name, "codes", out, 1500}) {
				t.Errorf("export prints %+v", got)
			}
			want, _ := after(t, codes)
			if data, header := after(t, out); !bytes.Equal(data, want) || !strings.Contains(header, "'"+elem+"'") || !strings.Contains(header, "(1500, 10)") {
				t.Errorf("%s: %d bytes come out under header %q, want the %d that went in", dialect, len(data), header, len(want))
			}
			if content, err := os.ReadFile(ids); err != nil || !bytes.Equal(content, idLines("doc", 1500)) {
				t.Errorf("%s: ids are %.40q, %v", dialect, content, err)
			}
			hits := decode[answerJSON](t, must(t, on(target, "search", name, "--code", codes, "--dialect", dialect, "--row", "7", "-k", "1", "--format", "json")...))[0].Hits
			if len(hits) != 1 || hits[0].ID != "doc7" || hits[0].Score != 1 {
				t.Errorf("%s: code 7 finds %+v, want doc7", dialect, hits)
			}
		}
	})
}

func TestVectorsAndMetadataGoOutAsTheyCameIn(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		m := searchable(t, target) // with {"n": i}
		dir := t.TempDir()
		vectors, codes, ids := filepath.Join(dir, "v.npy"), filepath.Join(dir, "c.npy"), filepath.Join(dir, "ids.jsonl")
		if got := must(t, on(target, "export", "c", "--what", "vectors", "--out", vectors, "--ids", ids)...); got != "200 vectors of \"c\" written to "+vectors+"\n" {
			t.Errorf("export prints %q", got)
		}
		want, _ := after(t, m.file(t, "base.npy"))
		if data, _ := after(t, vectors); !bytes.Equal(data, want) {
			t.Errorf("%d bytes of vectors come out, want the %d that went in", len(data), len(want))
		}
		must(t, on(target, "ingest", "again", vectors, "--ids", ids, "--create")...)
		if got := must(t, on(target, "get", "again", "doc5")...); got != "ID    METADATA\ndoc5  {\"n\":5}\n" {
			t.Errorf("doc5 comes back as %q", got)
		}
		must(t, on(target, "export", "c", "--what", "codes", "--dialect", "faiss", "--out", codes)...)
		want, _ = after(t, codesOf(t, "faiss", "|u1", m))
		if data, _ := after(t, codes); !bytes.Equal(data, want) {
			t.Error("the codes that come out are not the signs of the vectors")
		}
		must(t, on(target, "ingest", "bits", codes, "--dialect", "faiss", "--create", "--dims", "128")...)
		info := decode[collectionJSON](t, must(t, on(target, "collection", "describe", "bits", "--format", "json")...))[0]
		if info.Store != encoder.None || info.Dims != 128 {
			t.Errorf("the collection that is made of codes is %+v, want 128 dims and no vectors", info)
		}
	})
}

func TestMetadataGoesOutAndInWhateverItsKeysAre(t *testing.T) {
	lines := []string{
		`{"id":"a\nb","vector":[1,2],"metadata":{"id":5,"x":1}}`,
		`{"id":"b","vector":[1,3],"metadata":{"metadata":{"y":2}}}`,
		`{"id":"c","vector":[1,4],"metadata":{"metadata":"text","id":null}}`,
		`{"id":"d","vector":[1,5],"metadata":{"x":1}}`,
		`{"id":"e","vector":[1,6]}`,
	}
	file := writeFile(t, "odd.jsonl", []byte(strings.Join(lines, "\n")))
	target := []string{"--data", t.TempDir()}
	must(t, on(target, "ingest", "odd", file, "--create")...)
	vectors, ids := filepath.Join(t.TempDir(), "v.npy"), filepath.Join(t.TempDir(), "ids.jsonl")
	must(t, on(target, "export", "odd", "--what", "vectors", "--out", vectors, "--ids", ids)...)
	must(t, on(target, "ingest", "again", vectors, "--ids", ids, "--create")...)
	get := func(name string) string {
		return must(t, on(target, "get", name, "a\nb", "b", "c", "d", "e", "--with-vector", "--format", "json")...)
	}
	if came, went := get("again"), get("odd"); came != went {
		t.Errorf("what went out and in again is\n%swant\n%s", came, went)
	}
}

func TestBadExportsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	there := writeFile(t, "there.npy", []byte("mine"))
	out, ids := filepath.Join(dir, "out.npy"), filepath.Join(dir, "ids.txt")
	odd := writeFile(t, "odd.jsonl", []byte(`{"id": "a\nb", "vector": [1, 2], "metadata": {"id": 5}}`+"\n"))
	codes := codesOf(t, "numpy", "|u1", randomMatrix(1, 4, 64))
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		must(t, on(target, "ingest", "odd", odd, "--create")...)
		must(t, on(target, "ingest", "bits", codes, "--dialect", "numpy", "--create")...)
		for _, tt := range []struct {
			name string
			want string
			args []string
		}{
			{"nothing said", `required flag(s) "out", "what" not set`, []string{"c"}},
			{"something else", `found "rows", want codes or vectors`, []string{"c", "--what", "rows", "--out", out}},
			{"codes without a dialect", "a code does not say how it is packed", []string{"c", "--what", "codes", "--out", out}},
			{"vectors in a dialect", "want --what codes with it", []string{"c", "--what", "vectors", "--dialect", "numpy", "--out", out}},
			{"a file of another kind", `ends in ".bin", want .npy`, []string{"c", "--what", "vectors", "--out", filepath.Join(dir, "x.bin")}},
			{"ids of another kind", `ends in ".npy", want .txt or .jsonl`, []string{"c", "--what", "vectors", "--out", out, "--ids", out}},
			{"a file that is there", "there.npy: file exists", []string{"c", "--what", "vectors", "--out", there}},
			{"a collection that is not there", `collection "nope": not found`, []string{"nope", "--what", "vectors", "--out", out}},
			{"vectors that are not there", "keeps codes and no vectors", []string{"bits", "--what", "vectors", "--out", out, "--ids", ids}},
			{"an id with a line break", "has a line break, want --ids FILE.jsonl", []string{"odd", "--what", "vectors", "--out", out, "--ids", ids}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				mustFail(t, tt.want, on(target, append([]string{"export"}, tt.args...)...)...)
				if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("%d files are left, %v, want none", len(left), err)
				}
			})
		}
	})
	if content, err := os.ReadFile(there); err != nil || string(content) != "mine" {
		t.Errorf("the file that was there has %q, %v", content, err)
	}
}

func TestCodesMustBeThoseOfTheirVectors(t *testing.T) {
	m := randomMatrix(6, 1200, 75)
	base, first, second := m.file(t, "base.npy"), matrix{700, 75, m.data[:700*75]}.file(t, "first.npy"), matrix{500, 75, m.data[700*75:]}.file(t, "second.npy")
	codes, few := codesOf(t, "numpy-signed", "|i1", m), codesOf(t, "faiss", "|u1", matrix{1199, 75, m.data})
	m.row(1000)[3] *= -1
	other := codesOf(t, "pgvector", "|u1", m)
	small := randomMatrix(7, 20, 75)
	for i, x := range small.data {
		small.data[i] = float32(math.Copysign(1, float64(x)))
	}
	small.row(12)[5] = 1e-6 // no sign is left of it in int8
	rounded, signs := small.file(t, "rounded.npy"), codesOf(t, "numpy", "|u1", small)
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "ingest", "c", base, "--codes", codes, "--dialect", "numpy-signed", "--create")...)
		must(t, on(target, "ingest", "two", first, second, "--codes", codes, "--dialect", "numpy-signed", "--create")...)
		before := snapshot(t, target)
		for _, tt := range []struct {
			name string
			want string
			args []string
		}{
			{"another code", "second.npy: row 300: code differs in 1 of 75 bits from the signs of the vector stored as float32", []string{first, second, "--codes", other, "--dialect", "pgvector"}},
			{"a code too few", "faiss.npy: found 1199 codes, want one for each vector", []string{base, "--codes", few, "--dialect", "faiss"}},
			{"codes too many", "found 1200 codes, want 700: one for each vector", []string{first, "--codes", codes, "--dialect", "numpy-signed"}},
			{"no dialect", "a code does not say how it is packed: with --codes", []string{base, "--codes", codes}},
			{"another type", `numpy-signed.npy: not a readable .npy matrix: elements are "|i1", want packed codes of |u1`, []string{base, "--codes", codes, "--dialect", "numpy"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				mustFail(t, tt.want, on(target, append([]string{"ingest", "c"}, tt.args...)...)...)
			})
		}
		mustFail(t, "rounded.npy: row 12: code differs in 1 of 75 bits from the signs of the vector stored as int8",
			on(target, "ingest", "nope", rounded, "--codes", signs, "--dialect", "numpy", "--create", "--profile", "signs", "--store", "int8")...)
		if now := snapshot(t, target); now != before {
			t.Errorf("the store changed from %s to %s", before, now)
		}
		// Whatever the profile makes of vectors, codes that are given are signs.
		must(t, on(target, "collection", "create", "learned", "--dims", "75")...)
		must(t, on(target, "ingest", "learned", base, "--codes", codes, "--dialect", "numpy-signed")...)
		mustFail(t, "code differs in 1 of 75 bits from the signs", on(target, "ingest", "learned", base, "--codes", other, "--dialect", "pgvector")...)
	})
}

func TestBadCodesAreRefused(t *testing.T) {
	m := randomMatrix(5, 6, 75)
	codes := codesOf(t, "numpy", "|u1", m)
	data, _ := after(t, codes)
	data = bytes.Clone(data)
	data[39] |= 1 // padding of row 3
	padded := npyFile(t, "padded.npy", "|u1", "(6, 10)", data)
	lines := writeFile(t, "lines.jsonl", []byte(`{"id": "a", "vector": [1, 2]}`+"\n"))
	eachTarget(t, func(t *testing.T, target []string) {
		must(t, on(target, "collection", "create", "bits", "--dims", "75", "--store", "none")...)
		must(t, on(target, "collection", "create", "vectors", "--dims", "75")...)
		must(t, on(target, "collection", "create", "learned", "--dims", "75")...)
		must(t, on(target, "collection", "create", "dot", "--dims", "75", "--store", "none", "--metric", "dot")...)
		before := snapshot(t, target)
		for _, tt := range []struct {
			name string
			want string
			args []string
		}{
			{"an unknown dialect", `unknown dialect "vespa"`, []string{"bits", codes, "--dialect", "vespa"}},
			{"no dialect", `elements are "|u1", want`, []string{"bits", codes}},
			{"another type", `elements are "|u1", want packed codes of |i1`, []string{"bits", codes, "--dialect", "numpy-signed"}},
			{"padding that is set", "padded.npy: row 3: code byte 9 has 1 bits set past dimension 74", []string{"bits", padded, "--dialect", "numpy"}},
			{"codes of another size", "found codes of 2 bytes, want 10 for 75 dimensions", []string{"bits", codesOf(t, "numpy", "|u1", matrix{1, 16, m.data}), "--dialect", "numpy"}},
			{"lines", "--dialect goes with .npy files of codes", []string{"bits", lines, "--dialect", "numpy"}},
			{"a collection of vectors", "stored precision float32, want cosine, signs and none", []string{"vectors", codes, "--dialect", "numpy"}},
			{"a collection that learns", "profile learned", []string{"learned", codes, "--dialect", "numpy"}},
			{"a metric that needs lengths", "metric dot", []string{"dot", codes, "--dialect", "numpy"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				mustFail(t, tt.want, on(target, append([]string{"ingest"}, tt.args...)...)...)
			})
		}
		if now := snapshot(t, target); now != before {
			t.Errorf("the store changed from %s to %s", before, now)
		}
	})
}
