package attr

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
)

// The table of RFC 7396, appendix A.
func TestMergePatchOfTheRFC(t *testing.T) {
	for _, tt := range []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		got, err := MergePatch([]byte(tt.target), []byte(tt.patch))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s patched with %s is %s, %v, want %s", tt.target, tt.patch, got, err, tt.want)
		}
	}
}

func TestWhatAPatchDoesNotNameStaysByteForByte(t *testing.T) {
	for _, tt := range []struct{ name, target, patch, want string }{
		{"nothing", `{}`, `{}`, `{}`},
		{"no metadata", ``, `{"a":1}`, `{"a":1}`},
		{"numbers and escapes", `{"a":1.0,"b":12345678901234567890,"c":"<\u00e9>"}`, `{"z":1}`, `{"a":1.0,"b":12345678901234567890,"c":"<\u00e9>","z":1}`},
		{"spaces", "\n{ \"a\" : 1 ,\n\t\"b\" : [ 1,  2 ]\n}\n", `{"a":2}`, "\n{ \"a\" : 2 ,\n\t\"b\" : [ 1,  2 ]\n}\n"},
		{"the first goes", `{ "a": 1, "b": 2 }`, `{"a":null}`, `{ "b": 2 }`},
		{"the last goes", `{ "a": 1, "b": 2 }`, `{"b":null}`, `{ "a": 1}`},
		{"all go", `{ "a": 1, "b": 2 }`, `{"b":null,"a":null}`, `{}`},
		{"one inside", `{"x":{"a": 1, "b":  2},"y":0.10}`, `{"x":{"a":5}}`, `{"x":{"a": 5, "b":  2},"y":0.10}`},
		{"a name with an escape", `{"\u0061":1,"b":2}`, `{"a":3}`, `{"\u0061":3,"b":2}`},
		{"nulls in a list", `{}`, `{"a":[null,{"b":null}]}`, `{"a":[null,{"b":null}]}`},
		{"a null that is not there", `{"a":1}`, `{"b":null}`, `{"a":1}`},
		{"commas and braces in strings", `{"a":"},{","b":"}"}`, `{"b":"{"}`, `{"a":"},{","b":"{"}`},
		{"order of what is new", `{}`, `{"b":1,"a":2}`, `{"b":1,"a":2}`},
	} {
		target, patch := []byte(tt.target), []byte(tt.patch)
		got, err := MergePatch(target, patch)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, got, err, tt.want)
		}
		if string(target) != tt.target || string(patch) != tt.patch {
			t.Errorf("%s: what was given is now %s and %s", tt.name, target, patch)
		}
	}
}

func TestPatchesThatAreRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1)
	long := `"` + strings.Repeat("x", MaxBytes/2) + `"`
	for _, tt := range []struct{ target, patch, want string }{
		{`{}`, ``, "attr: metadata: the patch: found nothing, want JSON"},
		{`{}`, `{"a":1,"a":2}`, `attr: metadata: the patch: jsontext: duplicate object member name "a"`},
		{`{}`, `{"a":1} 2`, "attr: metadata: the patch: found more at byte 9, want one JSON value"},
		{`{}`, `{"a"`, "attr: metadata: the patch: "},
		{`{"a":1,"a":1}`, `{}`, `attr: metadata: the metadata: jsontext: duplicate object member name "a"`},
		{`{}`, deep, "attr: metadata: the patch: found objects and lists nested more than 32 deep, want at most 32"},
		{deep, `{}`, "attr: metadata: the metadata: found objects and lists nested more than 32 deep, want at most 32"},
		{`{"a":` + long + `}`, `{"b":` + long + `}`, "attr: metadata: found 65551 bytes after the patch, want at most 65536"},
	} {
		got, err := MergePatch([]byte(tt.target), []byte(tt.patch))
		var fault *Error
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%.40s patched with %.40s is %.40s, %v, want %s", tt.target, tt.patch, got, err, tt.want)
		}
	}
}

// FuzzMergePatch holds the patch of bytes to the algorithm of the RFC over maps.
func FuzzMergePatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1, "c":[2]}}`), []byte(`{"a":{"b":null,"d":{"e":null}}}`))
	f.Add([]byte(` { "a" : 1 , "b" : 2 } `), []byte(`{"b":null,"x":"y"}`))
	f.Add([]byte(`[]`), []byte(`{"a":{}}`))
	f.Fuzz(func(t *testing.T, target, patch []byte) {
		got, err := MergePatch(target, patch)
		if err != nil || len(target) == 0 {
			return
		}
		want := plainMerge(decode(t, target), decode(t, patch))
		if !reflect.DeepEqual(decode(t, got), want) {
			t.Fatalf("%s patched with %s is %s, want %v", target, patch, got, want)
		}
		if err := checkJSON(got); err != nil {
			t.Fatalf("%s patched with %s is %s: %v", target, patch, got, err)
		}
	})
}

func decode(t *testing.T, raw []byte) (v any) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

// plainMerge is the algorithm of RFC 7396, section 2.
func plainMerge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged, ok := target.(map[string]any)
	if !ok {
		merged = map[string]any{}
	}
	merged = maps.Clone(merged)
	for name, value := range changes {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = plainMerge(merged[name], value)
		}
	}
	return merged
}
