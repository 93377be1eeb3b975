package files

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// opening returns an opener of files by name.
func opening(content map[string][]byte) Opener {
	all := fstest.MapFS{}
	for name, b := range content {
		all[name] = &fstest.MapFile{Data: b}
	}
	return func(name string) (fs.File, error) { return all.Open(name) }
}

func TestALineThatIsTooLongHidesNoOther(t *testing.T) {
	text := "a\n" + strings.Repeat("x", MaxLine+70<<10) + "\nb\n" + strings.Repeat("y", MaxLine-1) + "\nlast"
	l, err := OpenLines(opening(map[string][]byte{"a.txt": []byte(text)}), "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lengths []int
	for range 5 {
		line, err := l.Next()
		if err != nil && (!ofLine(err) || l.Number != 2) {
			t.Errorf("line %d: %v", l.Number, err)
		}
		lengths = append(lengths, len(line))
	}
	if want := []int{1, 0, 1, MaxLine - 1, 4}; !slices.Equal(lengths, want) {
		t.Errorf("lines have %v bytes, want %v", lengths, want)
	}
}

// Files of ids come from strangers: whatever they have, an id is one that can be stored,
// or an error says where it is.
func FuzzIDs(f *testing.F) {
	f.Add([]byte("a\nb\r\n\xef\xbb\xbfc\n"), false)
	f.Add([]byte("\xef\xbb\xbf{\"id\": \"a\"}\n{\"id\": 7, \"metadata\": {\"id\": 1}}\n"), true)
	f.Add([]byte("{\"id\": \"\\ud83d\\ude00\\udc00\"}"), true)
	f.Add([]byte("\xff\xfea\x00"), false)
	f.Fuzz(func(t *testing.T, content []byte, isJSON bool) {
		name := "ids" + Text
		if isJSON {
			name = "ids" + JSONLines
		}
		ids, err := ReadIDs(opening(map[string][]byte{name: content}), name, 1<<20)
		if err != nil && !strings.Contains(err.Error(), name+": line ") {
			t.Errorf("error %q does not say where", err)
		}
		for _, id := range ids {
			if CheckID(id) != nil {
				t.Errorf("%q is returned as an id", id)
			}
			if isJSON && strings.ContainsRune(id, utf8.RuneError) && !strings.ContainsRune(string(content), utf8.RuneError) && !strings.Contains(strings.ToLower(string(content)), "fffd") {
				t.Errorf("%q is not what the file says", id)
			}
		}
	})
}

// The files of an ingest come from strangers too: each record is whole, or it is refused.
func FuzzInput(f *testing.F) {
	matrix := append(npy.Header(npy.Float32, 2, 1), 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40)
	f.Add([]byte(`{"id": "a", "vector": [1]}`+"\n"+`{"id": "\ud800", "vector": [1]}`), matrix, []byte("a\nb\n"), []byte("{}\n{\"n\": 1}\n"))
	f.Add([]byte("\xef\xbb\xbf{}\n\n[]"), npy.Header(npy.Float64, 0, 1<<40), []byte("\xff\n"), []byte("{"))
	f.Fuzz(func(t *testing.T, lines, matrix, ids, metadata []byte) {
		open := opening(map[string][]byte{"a.jsonl": lines, "b.npy": matrix, "ids.txt": ids, "m.jsonl": metadata})
		for _, in := range []Input{
			{Open: open, Files: []string{"a.jsonl"}},
			{Open: open, Files: []string{"b.npy"}, IDs: "ids.txt", Metadata: "m.jsonl"},
		} {
			layout, err := in.Layout()
			if err != nil || layout.Dims == 0 || layout.Dims > 1<<10 {
				continue
			}
			spec := index.Spec{Dims: layout.Dims}
			refused := 0
			report, err := in.Check(t.Context(), spec, func(_ string, _ Place, reason error) error {
				refused++
				return nil
			}, func(int) {})
			if refused != len(report.Refused) || (refused > 0) != (report.Err() != nil) {
				t.Errorf("%d were refused, and the report is %+v", refused, report)
			}
			if err != nil {
				continue
			}
			err = in.EachBut(report, func(rec index.Record, at Place) error {
				if err := in.checkRecord(rec, at, spec, nil); err != nil {
					t.Errorf("a bad record is visited: %v", err)
				}
				return nil
			})
			if err != nil {
				t.Errorf("what was checked cannot be read again: %v", err)
			}
		}
	})
}
