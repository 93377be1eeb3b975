package files

import (
	"slices"
	"testing"
)

func TestObjectIsSplitWithoutRewriting(t *testing.T) {
	for _, tt := range []struct {
		name, line, id, rest string
	}{
		{"the id comes first", `{"id":"a","n":1.0}`, "a", `{"n":1.0}`},
		{"the id comes last", ` { "n" : 1.0 , "id" : 7 } `, "7", `{"n" : 1.0}`},
		{"the id comes between", `{"x": [1, {"id": 2}], "id": "a", "y": "é\u00e9, }"}`, "a", `{"x": [1, {"id": 2}], "y": "é\u00e9, }"}`},
		{"the id alone", `{"id":"a"}`, "a", ""},
		{"an escaped name", `{"i\u0064":"a","b":null}`, "a", `{"b":null}`},
		{"an escaped id", `{"id":"\u0061\n"}`, "a\n", ""},
		{"a large number", `{"id":123456789012345678901234567890}`, "123456789012345678901234567890", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := ParseObject([]byte(tt.line))
			if err != nil {
				t.Fatal(err)
			}
			id, err := o.id()
			if err != nil {
				t.Fatal(err)
			}
			if rest := string(o.without("id")); id != tt.id || rest != tt.rest {
				t.Errorf("id %q and rest %s, want %q and %s", id, rest, tt.id, tt.rest)
			}
		})
	}
}

// A line of a file is untrusted: splitting it must not panic, and what is split
// must be made of the line's own bytes.
func FuzzParseObject(f *testing.F) {
	f.Add([]byte(`{"id": "a", "vector": [1, 2.5e3], "metadata": {"x": null}}`))
	f.Add([]byte(`{"id": -0, "vector": []}`))
	f.Add([]byte(`{"id": "\ud800"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		o, err := ParseObject(line)
		if err != nil {
			return
		}
		if rest := o.without(); rest != nil {
			again, err := ParseObject(rest)
			if err != nil {
				t.Fatalf("%q was split and joined to %q: %v", line, rest, err)
			}
			if !slices.EqualFunc(o, again, func(a, b member) bool { return a.name == b.name && string(a.text) == string(b.text) }) {
				t.Errorf("%q was split and joined to %q", line, rest)
			}
		}
		if _, err := parseRecord(o, nil); err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
