// Package attr reads typed values out of the metadata of records, which is one
// JSON object each, checks them against the fields that a collection defines,
// and patches metadata.
//
// The package is a leaf: it knows JSON, and neither rows nor filters.
package attr

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is what a value is.
type Kind uint8

// The kinds. Timestamps are strings in JSON: only a field of that type, or a
// literal of a filter, makes one.
const (
	Absent Kind = iota // no such member
	Null
	Bool
	Int    // an integer of 64 bits, exact
	Float  // a number that is no Int, as float64
	String // UTF-8
	Timestamp
	List
	Object // its members are values of their own
)

var kindNames = [...]string{"absent", "null", "bool", "int", "float", "string", "timestamp", "list", "object"}

// String returns the name of the kind in definitions of fields and in errors.
func (k Kind) String() string { return kindNames[k] }

// Value is one value of any kind. The zero Value is an absent one.
//
// A number has one form: an integer from -2^63 to 2^63-1 is an Int however it was written
// (1, 1.0, 1e0), and any other number is a Float. So equal values have equal fields, except
// for a timestamp and a string that spells it.
type Value struct {
	kind Kind
	nano int32 // of a Timestamp, past its second
	// number is an Int, the bits of a Float, the Unix second of a Timestamp, 1 for
	// true, or how many members an Object has.
	number int64
	text   string
	list   []Value
}

// NullValue is null.
func NullValue() Value { return Value{kind: Null} }

// BoolValue is true or false.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, number: 1}
	}
	return Value{kind: Bool}
}

// IntValue is an integer.
func IntValue(i int64) Value { return Value{kind: Int, number: i} }

// FloatValue is a number; false for NaN and infinities, which JSON does not have.
func FloatValue(f float64) (v Value, ok bool) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return Value{}, false
	case f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63:
		return IntValue(int64(f)), true
	}
	return Value{kind: Float, number: int64(math.Float64bits(f))}, true
}

// StringValue is a string of valid UTF-8.
func StringValue(s string) Value { return Value{kind: String, text: s} }

// ListValue is a list. It keeps elements.
func ListValue(elements ...Value) Value { return Value{kind: List, list: elements} }

// TimeValue is an instant, in nanoseconds; false outside the years 1 to 9999 of
// UTC, which RFC 3339 cannot write.
func TimeValue(t time.Time) (v Value, ok bool) {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return Value{}, false
	}
	return Value{kind: Timestamp, number: t.Unix(), nano: int32(t.Nanosecond())}, true
}

// ParseTime reads a timestamp as RFC 3339 writes it, with a capital T and Z or an
// offset, such as 2026-05-01T12:00:00.5+02:00; false for anything else.
func ParseTime(s string) (v Value, ok bool) {
	if !timeShape(s) {
		return Value{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Value{}, false
	}
	return TimeValue(t)
}

// timeShape reports whether s is laid out as RFC 3339 says. Package time is less strict: it
// accepts hours of one digit, commas, and offsets of a day and more.
func timeShape(s string) bool {
	if len(s) < len("2006-01-02T15:04:05Z") || s[10] != 'T' || s[13] != ':' || s[16] != ':' || strings.Contains(s, ",") {
		return false
	}
	offset := s[len(s)-len("+00:00"):]
	return s[len(s)-1] == 'Z' || offset[1:3] <= "23" && offset[4:] <= "59"
}

// Kind returns what v is.
func (v Value) Kind() Kind { return v.kind }

// Bool returns the truth of a Bool.
func (v Value) Bool() bool { return v.number != 0 }

// Int returns an Int.
func (v Value) Int() int64 { return v.number }

// Float returns a Float, or the float64 nearest to an Int.
func (v Value) Float() float64 {
	if v.kind == Int {
		return float64(v.number)
	}
	return math.Float64frombits(uint64(v.number))
}

// Text returns a String.
func (v Value) Text() string { return v.text }

// Time returns a Timestamp, in UTC.
func (v Value) Time() time.Time { return time.Unix(v.number, int64(v.nano)).UTC() }

// List returns the elements of a List. They are not a copy.
func (v Value) List() []Value { return v.list }

// Present reports whether v says anything: it is neither absent nor null, nor an empty list
// or object.
func (v Value) Present() bool {
	return v.kind > Null && !v.Empty()
}

// Empty reports whether v is a list without elements or an object without members.
func (v Value) Empty() bool {
	return v.kind == List && len(v.list) == 0 || v.kind == Object && v.number == 0
}

// Equal reports whether v and w are of one kind and the same, element by element.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.number != w.number || v.nano != w.nano || v.text != w.text || len(v.list) != len(w.list) {
		return false
	}
	for i := range v.list {
		if !v.list[i].Equal(w.list[i]) {
			return false
		}
	}
	return true
}

// Compare orders two values that can be compared: numbers by their exact values, strings by
// their bytes, false before true, null with null, timestamps as instants. A string is
// compared with a timestamp as the timestamp that it spells. ok is false for everything
// else, including lists and objects.
func Compare(a, b Value) (order int, ok bool) {
	switch {
	case a.kind == Timestamp && b.kind == String:
		if b, ok = ParseTime(b.text); !ok {
			return 0, false
		}
	case a.kind == String && b.kind == Timestamp:
		if a, ok = ParseTime(a.text); !ok {
			return 0, false
		}
	case a.kind == Int && b.kind == Float:
		return compareIntFloat(a.number, b.Float()), true
	case a.kind == Float && b.kind == Int:
		return -compareIntFloat(b.number, a.Float()), true
	}
	if a.kind != b.kind {
		return 0, false
	}
	switch a.kind {
	case Null:
		return 0, true
	case Bool, Int:
		return cmp.Compare(a.number, b.number), true
	case Float:
		return cmp.Compare(a.Float(), b.Float()), true
	case String:
		return cmp.Compare(a.text, b.text), true
	case Timestamp:
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.nano, b.nano)), true
	}
	return 0, false
}

// compareIntFloat compares i with f, which is not an integer of 64 bits, without rounding
// i.
func compareIntFloat(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -(1 << 63):
		return 1
	case i <= int64(math.Floor(f)):
		return -1
	}
	return 1
}

// ParseNumber reads a number as JSON writes it. An error says what was found and what was
// wanted. An integer beyond 64 bits is refused, because nothing could hold it exactly.
func ParseNumber(text string) (Value, error) {
	if number := jsontext.Value(text); number.Kind() != '0' || !number.IsValid() {
		return Value{}, fmt.Errorf("found %.40s, want a number such as 42, -0.5 or 2.5e9", text)
	}
	return numberValue(text)
}

// numberValue returns the value of a number that is valid JSON.
func numberValue(text string) (Value, error) {
	if !strings.ContainsAny(text, ".eE") {
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("found %.40s, want an integer from -2^63 to 2^63-1", text)
		}
		return IntValue(i), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Value{}, fmt.Errorf("found %.40s, want a number that a float64 can hold", text)
	}
	v, _ := FloatValue(f) // finite
	return v, nil
}
