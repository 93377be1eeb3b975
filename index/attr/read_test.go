package attr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// show writes a value for people.
func show(v Value) string {
	switch v.Kind() {
	case List:
		var parts []string
		for _, e := range v.List() {
			parts = append(parts, show(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case Object:
		return fmt.Sprintf("object(%t)", v.Present())
	case Timestamp:
		return v.Time().Format("timestamp(2006-01-02T15:04:05.999999999Z)")
	case String:
		return fmt.Sprintf("%q", v.Text())
	case Int:
		return fmt.Sprint(v.Int())
	case Float:
		return fmt.Sprintf("%gf", v.Float())
	case Bool:
		return fmt.Sprint(v.Bool())
	}
	return v.Kind().String()
}

// read returns the values of metadata, one a line.
func read(r *Reader, metadata string) (lines []string, err error) {
	err = r.Read([]byte(metadata), func(path Path, v Value) error {
		lines = append(lines, string(path)+"="+show(v))
		return nil
	})
	return lines, err
}

func TestValuesOfARecord(t *testing.T) {
	r := NewReader(nil)
	for _, tt := range []struct{ metadata, want string }{
		{``, ``},
		{`{}`, ``},
		{" \n{ }\t", ``},
		{`{"a":null}`, `a=null`},
		{`{"a":[]}`, `a=[]`},
		{`{"a":{}}`, `a=object(false)`},
		{`{"a":{"b":null}}`, `a=object(true) a.b=null`},
		{`{"a":true,"b":false}`, `a=true b=false`},
		{`{"a":9223372036854775807,"b":1.0,"c":0.5}`, `a=9223372036854775807 b=1 c=0.5f`},
		{`{"a":"x\"\u00e9\ud83d\ude00"}`, `a="x\"é😀"`},
		{`{"a":{"b":{"c":1}},"d":2}`, `a=object(true) a.b=object(true) a.b.c=1 d=2`},
		{`{"a.b":1,"a":{"b":2}}`, `"a.b"=1 a=object(true) a.b=2`},
		{`{"\u0061":1}`, `a=1`},
		{`{"t":["x",1,null,[2],{"y":3}]}`, `t=["x" 1 null [2] object(false)]`},
		{`{"at":"2026-05-01T00:00:00Z"}`, `at="2026-05-01T00:00:00Z"`},
	} {
		got, err := read(r, tt.metadata)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s has %s, %v, want %s", tt.metadata, strings.Join(got, " "), err, tt.want)
		}
	}
}

func TestMetadataThatIsRefused(t *testing.T) {
	r := NewReader(nil)
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	list := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	inList := func(n int) string { return `{"a":[` + deep(n) + `]}` }
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"f%d":1`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	long := func(n int) string { return `{"a":"` + strings.Repeat("x", n) + `"}` }
	named := func(n int) string { return `{"` + strings.Repeat("x", n) + `":1}` }
	for _, metadata := range []string{
		deep(MaxDepth), list(MaxDepth - 1), inList(MaxDepth - 2), many(MaxFields), long(MaxValueBytes), named(MaxPathBytes),
		`{"a":1}` + strings.Repeat(" ", MaxBytes-7),
	} {
		if _, err := read(r, metadata); err != nil {
			t.Errorf("%.40s at its limit: %v", metadata, err)
		}
	}
	for _, tt := range []struct{ metadata, path, reason string }{
		{`[]`, ``, `found a JSON [, want an object`},
		{`null`, ``, `found a JSON null, want an object`},
		{` `, ``, `found the end too early, want a JSON object`},
		{`{"a":1`, ``, `found the end too early, want a JSON object`},
		{`{"a":1} {}`, ``, `found more at byte 9, want one JSON object`},
		{`{"a":1,}`, ``, `byte 6: found invalid character ','`},
		{`{"a":01}`, ``, `byte 6: found invalid character '1'`},
		{`{"a":1,"b":2,"a":3}`, `a`, `found a member of this name again, want it once`},
		{`{"x":{"a":1,"\u0061":3}}`, `x.a`, `found a member of this name again, want it once`},
		{`{"x":[{"a":1,"a":3}]}`, `x."0".a`, `found a member of this name again, want it once`},
		{"{\"a\":\"\xff\"}", `a`, `byte 6: found invalid UTF-8, want JSON`},
		{"{\"\xff\":1}", ``, `byte 2: found invalid UTF-8, want JSON`},
		{`{"a":"\ud800"}`, `a`, `byte 6: found invalid surrogate pair`},
		{`{"a":18446744073709551615}`, `a`, `found 18446744073709551615, want an integer from -2^63 to 2^63-1`},
		{`{"a":[1,1e999]}`, `a`, `found 1e999, want a number that a float64 can hold`},
		{deep(MaxDepth + 1), pathString("a", MaxDepth), `found objects and lists nested more than 32 deep, want at most 32`},
		{list(MaxDepth), `a`, `found objects and lists nested more than 32 deep, want at most 32`},
		{inList(MaxDepth - 1), `a`, `found objects and lists nested more than 32 deep, want at most 32`},
		{many(MaxFields + 1), `f1024`, `found more than 1024 values in one record, want fewer`},
		{long(MaxValueBytes + 1), `a`, `found a string of 32769 bytes, want at most 32768`},
		{named(MaxPathBytes + 1), ``, strings.Repeat("x", 50) + `...: found a path of 513 bytes, want at most 512`},
		{`{"a":1}` + strings.Repeat(" ", MaxBytes-6), ``, `found 65537 bytes, want at most 65536`},
	} {
		_, err := read(r, tt.metadata)
		var fault *Error
		if !errors.As(err, &fault) || string(fault.Path) != tt.path || !strings.HasPrefix(fault.Reason, tt.reason) {
			t.Errorf("%.60s: %v, want %s: %s", tt.metadata, err, tt.path, tt.reason)
		}
	}
	if got, err := read(r, `{"a":1}`); err != nil || len(got) != 1 {
		t.Errorf("after all those a reader reads %q, %v", got, err)
	}
}

// pathString is name, n times.
func pathString(name string, n int) string {
	return string(PathOf(slices.Repeat([]string{name}, n)...))
}

func TestAVisitorEndsTheReading(t *testing.T) {
	enough := errors.New("enough")
	calls := 0
	err := NewReader(nil).Read([]byte(`{"a":1,"b":2}`), func(Path, Value) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls, want the visitor's error after 1", err, calls)
	}
}

// FuzzRead holds the reader to encoding/json: what it takes is valid, and its values
// are those. Metadata can lie in memory that nobody may write to.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":null}],"c":{"d":"é"}}`, `{"a":1,"a":2}`, `{"a":1e5}`, `{"\ud800":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, metadata []byte) {
		seen := map[Path]Value{}
		before := bytes.Clone(metadata)
		defer func() {
			if !bytes.Equal(metadata, before) {
				t.Fatalf("%s became %s", before, metadata)
			}
		}()
		err := NewReader(nil).Read(metadata, func(path Path, v Value) error {
			if _, twice := seen[path]; twice {
				t.Fatalf("%s twice in %s", path, metadata)
			}
			seen[path] = v
			return nil
		})
		if err != nil {
			if !utf8.ValidString(err.Error()) {
				t.Fatalf("%q is not UTF-8", err)
			}
			return
		}
		if len(metadata) == 0 {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(metadata))
		decoder.UseNumber()
		var object map[string]any
		if err := decoder.Decode(&object); err != nil {
			t.Fatalf("%s: encoding/json says %v", metadata, err)
		}
		want := map[Path]Value{}
		plainValues(t, "", object, want)
		if !reflect.DeepEqual(seen, want) {
			t.Fatalf("%s has %v, want %v", metadata, seen, want)
		}
	})
}

// plainValues is the twin of the reader over what encoding/json made.
func plainValues(t *testing.T, outer Path, object map[string]any, into map[Path]Value) {
	for name, member := range object {
		path := outer.Child(name)
		into[path] = plainValue(t, member)
		if inner, ok := member.(map[string]any); ok {
			if len(inner) > 0 {
				into[path] = Value{kind: Object, number: 1}
			}
			plainValues(t, path, inner, into)
		}
	}
}

func plainValue(t *testing.T, member any) Value {
	switch m := member.(type) {
	case nil:
		return NullValue()
	case bool:
		return BoolValue(m)
	case string:
		return StringValue(m)
	case json.Number:
		return num(t, m.String())
	case []any:
		list := Value{kind: List}
		for _, element := range m {
			list.list = append(list.list, plainValue(t, element))
		}
		return list
	}
	return Value{kind: Object}
}

func BenchmarkRead(b *testing.B) {
	metadata := []byte(`{"section":"games","size_kb":5123,"essential":false,"tags":["a","b","c"],"title":"A free and open source role playing game engine","author":{"name":"Jane","joined":"2021-05-04T12:00:00Z"},"score":0.25}`)
	r := NewReader(nil)
	b.SetBytes(int64(len(metadata)))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Read(metadata, func(Path, Value) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
