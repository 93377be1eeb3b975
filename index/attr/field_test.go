package attr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func mustFields(t *testing.T, fields ...Field) *Fields {
	t.Helper()
	f, err := NewFields(fields)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRecordsKeepToTheirFields(t *testing.T) {
	fields := mustFields(t,
		Field{Name: "s", Type: String, Filterable: true},
		Field{Name: "i", Type: Int, Filterable: true},
		Field{Name: "f", Type: Float, Filterable: true},
		Field{Name: "b", Type: Bool, Filterable: true},
		Field{Name: "t", Type: Timestamp, Filterable: true},
		Field{Name: "tags", Type: String, List: true, Filterable: true},
		Field{Name: "times", Type: Timestamp, List: true, Filterable: true},
		Field{Name: "in.side", Type: Int, Filterable: true},
		Field{Name: "quiet", Type: String},
	)
	r := NewReader(fields)
	for _, tt := range []struct{ metadata, want string }{
		{``, ``},
		{`{"s":"x","i":1,"f":0.5,"b":true}`, `s="x" i=1 f=0.5f b=true`},
		{`{"i":1.0,"f":2}`, `i=1 f=2`},
		{`{"f":9007199254740992}`, `f=9007199254740992`},
		{`{"t":"2026-05-01T02:00:00.5+02:00"}`, `t=timestamp(2026-05-01T00:00:00.5Z)`},
		{`{"tags":["x","y"],"times":["2026-05-01T00:00:00Z"]}`, `tags=["x" "y"] times=[timestamp(2026-05-01T00:00:00Z)]`},
		{`{"s":null,"tags":null,"in":null}`, `s=null tags=null`},
		{`{"tags":[]}`, `tags=[]`},
		{`{"in":{"side":1,"other":{"x":[{}]}}}`, `in.side=1`},
		{`{"quiet":"x"}`, ``},
		{`{"free":1e999,"long":"` + strings.Repeat("x", MaxValueBytes+1) + `"}`, ``},
	} {
		got, err := read(r, tt.metadata)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%.60s has %s, %v, want %s", tt.metadata, strings.Join(got, " "), err, tt.want)
		}
	}
	for _, tt := range []struct{ metadata, path, reason string }{
		{`{"s":1}`, "s", "found the int 1, want a string"},
		{`{"s":["x"]}`, "s", "found a list of 1, want a string"},
		{`{"s":{}}`, "s", "found an object, want a string"},
		{`{"i":0.5}`, "i", "found the float 0.5, want an int"},
		{`{"i":"1"}`, "i", `found the string "1", want an int`},
		{`{"i":9223372036854775808}`, "i", "found 9223372036854775808, want an integer from -2^63 to 2^63-1"},
		{`{"f":9007199254740993}`, "f", "found 9007199254740993, want a float: integers are exact in one from -2^53 to 2^53"},
		{`{"f":"x"}`, "f", `found the string "x", want a float`},
		{`{"b":0}`, "b", "found the int 0, want a bool"},
		{`{"t":"2026-05-01"}`, "t", `found the string "2026-05-01", want a timestamp such as "2026-05-01T12:00:00Z"`},
		{`{"t":1700000000}`, "t", "found the int 1700000000, want a timestamp"},
		{`{"tags":"x"}`, "tags", `found the string "x", want a list of string`},
		{`{"tags":["x",true]}`, "tags", "element 1: found the bool true, want a string"},
		{`{"tags":[null]}`, "tags", "element 0: found null, want a string"},
		{`{"in":5}`, "in", "found the int 5, want an object: the field in.side is in it"},
		{`{"in":{"side":"x"}}`, "in.side", `found the string "x", want an int`},
		{`{"quiet":5}`, "quiet", "found the int 5, want a string"},
		{`{"free":{"a":1,"a":2}}`, "free.a", "found a member of this name again, want it once"},
		{`{"free":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, "free", "found objects and lists nested more than 32 deep, want at most 32"},
	} {
		_, err := read(r, tt.metadata)
		var fault *Error
		if !errors.As(err, &fault) || string(fault.Path) != tt.path || fault.Reason != tt.reason {
			t.Errorf("%.60s: %v, want %s: %s", tt.metadata, err, tt.path, tt.reason)
		}
	}
}

func TestFieldsThatCannotBe(t *testing.T) {
	many := make([]Field, MaxFields+1)
	for i := range many {
		many[i] = Field{Name: Path(fmt.Sprintf("f%d", i)), Type: Int}
	}
	mustFields(t, many[:MaxFields]...)
	for _, tt := range []struct {
		fields []Field
		want   string
	}{
		{[]Field{{Name: "", Type: Int}}, `attr: field : attr: path "": byte 0: found the end`},
		{[]Field{{Name: `"a"`, Type: Int}}, `attr: field "a": found this spelling, want a`},
		{[]Field{{Name: "id", Type: String}}, `attr: field id: found a definition, want none: it is the record's id, always a string`},
		{[]Field{{Name: "a"}}, `attr: field a: found the type absent, want string, int, float, bool or timestamp`},
		{[]Field{{Name: "a", Type: List}}, `attr: field a: found the type list, want string, int, float, bool or timestamp`},
		{[]Field{{Name: "a", Type: Int}, {Name: "a", Type: String}}, `attr: field a: found two definitions, want one`},
		{[]Field{{Name: "a", Type: Int}, {Name: "a.b", Type: Int}}, `attr: field a: found a.b too, want no field inside one of type int`},
		{[]Field{{Name: "a.b.c", Type: Int}, {Name: "a", Type: Int, List: true}}, `attr: field a: found a.b.c too, want no field inside one of type list of int`},
		{[]Field{{Name: Path(strings.Repeat("x", MaxPathBytes+1)), Type: Int}}, `attr: field ` + strings.Repeat("x", MaxPathBytes+1) + `: found a path of 513 bytes, want at most 512`},
		{[]Field{{Name: Path(pathString("a", MaxDepth+1)), Type: Int}}, `attr: field ` + pathString("a", MaxDepth+1) + `: found 33 names in the path, want at most 32`},
		{many, `attr: found 1025 fields, want at most 1024`},
	} {
		if _, err := NewFields(tt.fields); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%.100v: %v, want %s", tt.fields, err, tt.want)
		}
	}
}

func TestNoFieldsAreNil(t *testing.T) {
	f, err := NewFields(nil)
	if f != nil || err != nil {
		t.Errorf("NewFields(nil) = %v, %v, want nil, nil", f, err)
	}
	if _, ok := f.Lookup("a"); ok || f.Filterable() != nil {
		t.Error("a nil set of fields has fields")
	}
	f = mustFields(t, Field{Name: "b", Type: Int, Filterable: true}, Field{Name: "c", Type: Int}, Field{Name: "a", Type: Int, Filterable: true})
	if got := f.Filterable(); !slices.Equal(got, []Path{"a", "b"}) {
		t.Errorf("filterable are %q, want a and b", got)
	}
}
