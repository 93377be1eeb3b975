package filter

import (
	"os"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/index/attr"
)

// TestMatchesAreThoseOfTheDocumentation reads the tables of docs/filters.md: the first column of
// each is metadata, and the others say whether it matches the filter in their head.
func TestMatchesAreThoseOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	var filters []string
	cells := 0
	for line := range strings.Lines(string(page)) {
		row := cellsOf(line)
		switch {
		case len(row) > 0 && row[0] == "metadata":
			filters = row[1:]
		case len(row) == 0:
			filters = nil
		case filters == nil || strings.HasPrefix(row[0], "---"):
		default:
			for i, text := range filters {
				cells++
				e, err := Parse(text)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				got, err := e.Match(nil, "x", []byte(row[0]))
				if want := row[i+1] == "yes"; err != nil || got != want {
					t.Errorf("%s matches %s: %t, %v, want %t", row[0], text, got, err, want)
				}
			}
		}
	}
	if cells < 200 {
		t.Errorf("found %d cells in the tables, want hundreds", cells)
	}
}

// cellsOf returns the cells of a row of a table in Markdown; none of another line.
func cellsOf(line string) []string {
	line, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
	if !ok {
		return nil
	}
	var cells []string
	for cell := range strings.SplitSeq(strings.TrimSuffix(line, "|"), "|") {
		cells = append(cells, strings.Trim(cell, " `"))
	}
	return cells
}

func TestTheIDIsAField(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{`id = "lib-7"`, true},
		{`id = "lib*"`, true},
		{`id != "lib-8"`, true},
		{`id >= "lib" AND id < "lic"`, true},
		{`id:*`, true},
		{`in(id, "a", "lib-7")`, true},
		{`in(id)`, false},
		{`id = "shadowed"`, false},
		{`x.id = "inner"`, true},
		{``, true},
	} {
		e, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Match(nil, "lib-7", []byte(`{"id":"shadowed","x":{"id":"inner"}}`))
		if err != nil || got != tt.want {
			t.Errorf("%s: %t, %v, want %t", tt.text, got, err, tt.want)
		}
	}
}

func TestMatchOfBrokenMetadataIsAnError(t *testing.T) {
	if _, err := Field("a").Present().Match(nil, "x", []byte(`{"a":1,"a":2}`)); err == nil {
		t.Error("a member named twice is no error")
	}
}

func TestARecordIsReadAsItsCollectionDefines(t *testing.T) {
	fields := shopFields(t)
	metadata := []byte(`{"published":"2026-05-01T02:00:00+02:00","secret":"x","text":"` + strings.Repeat("x", attr.MaxValueBytes+1) + `"}`)
	for _, tt := range []struct {
		text string
		want bool
	}{
		{`published = "2026-05-01T00:00:00Z"`, true},
		{`published < "2026-05-01T00:00:00.1Z"`, true},
		{`published > timestamp("2026-05-01T00:00:00Z")`, false},
		{`in(published, "2026-05-01T00:00:00Z")`, true},
		{`section:*`, false},
	} {
		e, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if e, err = e.Check(fields); err != nil {
			t.Fatal(err)
		}
		if got, err := e.Match(fields, "x", metadata); err != nil || got != tt.want {
			t.Errorf("%s: %t, %v, want %t", e, got, err, tt.want)
		}
	}
}

func TestOneOfMatchesWhatEqDoes(t *testing.T) {
	for _, metadata := range []string{`{}`, `{"a":null}`, `{"a":1}`, `{"a":"1"}`, `{"a":[1,"x"]}`, `{"a":[]}`, `{"a":"2026-05-01T00:00:00Z"}`} {
		for _, v := range []any{1, "1", "x", true, nil, 0.5, must(attr.ParseTime("2026-05-01T02:00:00+02:00"))} {
			eq, err := Field("a").Eq(v).Match(nil, "x", []byte(metadata))
			if err != nil {
				t.Fatal(err)
			}
			if in, err := In("a", any("other"), v).Match(nil, "x", []byte(metadata)); err != nil || in != eq {
				t.Errorf("%s: in() is %t, = is %t of %v", metadata, in, eq, v)
			}
		}
	}
}

func must(v attr.Value, ok bool) attr.Value {
	if !ok {
		panic("no value")
	}
	return v
}
