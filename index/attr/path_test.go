package attr

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestPathsAreWrittenInOneWay(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Path
	}{
		{"section", "section"},
		{"author.name", "author.name"},
		{`"author".'name'`, "author.name"},
		{`labels."a.b"`, `labels."a.b"`},
		{`labels.'a.b'`, `labels."a.b"`},
		{"size-kb", "size-kb"},
		{"_x9", "_x9"},
		{"größe", "größe"},
		{"by_year.2026", `by_year."2026"`},
		{"a.AND", `a."AND"`},
		{`"true"`, `"true"`},
		{`""`, `""`},
		{`"say \"hi\""`, `"say \"hi\""`},
		{`'it\'s'`, `"it's"`},
		{`"a\u0009b"`, `"a\tb"`},
	} {
		got, err := ParsePath(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("ParsePath(%s) = %s, %v, want %s", tt.text, got, err, tt.want)
		}
		if again, err := ParsePath(string(got)); err != nil || again != got {
			t.Errorf("ParsePath(%s) = %s, %v, want it as it was", got, again, err)
		}
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", `attr: path "": byte 0: found the end, want the name of a field, in quotation marks if it is more than a word`},
		{"a.", `attr: path "a.": byte 2: found the end, want the name of a field, in quotation marks if it is more than a word`},
		{".a", `attr: path ".a": byte 0: found '.', want the name of a field, in quotation marks if it is more than a word`},
		{"a b", `attr: path "a b": byte 1: found " b", want a . or the end`},
		{"2026", `attr: path "2026": byte 0: found 2026, want the name of a field, in quotation marks if it is called so: "2026"`},
		{"null", `attr: path "null": byte 0: found null, want the name of a field, in quotation marks if it is called so: "null"`},
		{`a."b`, `attr: path "a.\"b": byte 2: found a string that does not end, want a closing "`},
		{`a."\x"`, `attr: path "a.\"\\x\"": byte 3: found \x, want one of \" \' \\ \* \n \r \t \uXXXX`},
		{`"\ud800"`, `attr: path "\"\\ud800\"": byte 1: found \ud800, want four hexadecimal digits of a character that is no surrogate`},
		{`"\u00`, `attr: path "\"\\u00": byte 1: found \u with less than four characters after it, want four hexadecimal digits`},
		{"a\xff", `attr: path "a\xff" is not UTF-8`},
	} {
		if path, err := ParsePath(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("ParsePath(%s) = %s, %v, want %s", tt.text, path, err, tt.want)
		}
	}
}

func TestAnyNamesMakeAPathThatIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "names")
		for i, name := range names {
			names[i] = strings.ToValidUTF8(name, "")
		}
		path := PathOf(names...)
		if again, err := ParsePath(string(path)); err != nil || again != path {
			t.Fatalf("ParsePath(%s) = %s, %v", path, again, err)
		}
		if parents := path.parents(); len(parents) != len(names)-1 {
			t.Fatalf("%s of %d names has the parents %q", path, len(names), parents)
		}
		if len(names) > 1 && PathOf(names[:len(names)-1]...).Child(names[len(names)-1]) != path {
			t.Fatalf("%s is not the child of its parent", path)
		}
	})
}

func FuzzReadPath(f *testing.F) {
	for _, seed := range []string{"a.b", `"a\u0041".'x'`, "a.", "-", "\u0301a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		path, n, err := ReadPath(text)
		if err != nil {
			if err.Offset < 0 || err.Offset > len(text) || !utf8.ValidString(err.Reason) {
				t.Fatalf("%q: offset %d, %q", text, err.Offset, err.Reason)
			}
			return
		}
		if again, fault := ParsePath(text[:n]); fault != nil || again != path {
			t.Fatalf("%q: read as %s, then as %s, %v", text, path, again, fault)
		}
		if again, fault := ParsePath(string(path)); fault != nil || again != path {
			t.Fatalf("%s is read as %s, %v", path, again, fault)
		}
	})
}
