package attr

import (
	"fmt"
	"slices"
	"strings"
)

// Field says what records may hold under one path.
type Field struct {
	Name Path
	// Type is String, Int, Float, Bool or Timestamp. Null and absence fit every type.
	Type Kind
	// List says that values are lists of Type.
	List bool
	// Filterable says that filters may name the field.
	Filterable bool
}

// TypeString describes the type, such as "list of string".
func (f Field) TypeString() string {
	if f.List {
		return "list of " + f.Type.String()
	}
	return f.Type.String()
}

// Fields are the fields that a collection defines. A nil *Fields defines none: each
// member of a record may then hold anything, and filters may name all.
type Fields struct {
	byPath map[Path]Field
	// parents are the paths that contain other fields, each with the first of those.
	parents map[Path]Path
	names   []Path // of filterable fields, ascending
}

// NewFields returns the set of fields, or an error that says which of them is wrong and
// why. For no fields it returns nil.
func NewFields(fields []Field) (*Fields, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	if len(fields) > MaxFields {
		return nil, fmt.Errorf("attr: found %d fields, want at most %d", len(fields), MaxFields)
	}
	f := &Fields{byPath: map[Path]Field{}, parents: map[Path]Path{}}
	for _, field := range fields {
		if err := field.check(); err != nil {
			return nil, fmt.Errorf("attr: field %s: %w", field.Name, err)
		}
		if _, ok := f.byPath[field.Name]; ok {
			return nil, fmt.Errorf("attr: field %s: found two definitions, want one", field.Name)
		}
		f.byPath[field.Name] = field
		for _, parent := range field.Name.parents() {
			if _, ok := f.parents[parent]; !ok {
				f.parents[parent] = field.Name
			}
		}
		if field.Filterable {
			f.names = append(f.names, field.Name)
		}
	}
	for _, field := range fields {
		if child, ok := f.parents[field.Name]; ok {
			return nil, fmt.Errorf("attr: field %s: found %s too, want no field inside one of type %s", field.Name, child, field.TypeString())
		}
	}
	slices.Sort(f.names)
	return f, nil
}

func (f Field) check() error {
	path, err := ParsePath(string(f.Name))
	switch {
	case err != nil:
		return err
	case path != f.Name:
		return fmt.Errorf("found this spelling, want %s", path)
	case f.Name == ID:
		return fmt.Errorf("found a definition, want none: it is the record's id, always a string")
	case len(f.Name) > MaxPathBytes:
		return fmt.Errorf("found a path of %d bytes, want at most %d", len(f.Name), MaxPathBytes)
	case len(f.Name.parents())+1 > MaxDepth:
		return fmt.Errorf("found %d names in the path, want at most %d", len(f.Name.parents())+1, MaxDepth)
	case !slices.Contains([]Kind{String, Int, Float, Bool, Timestamp}, f.Type):
		return fmt.Errorf("found the type %s, want string, int, float, bool or timestamp", f.Type)
	}
	return nil
}

// ID is the path by which filters name a record's id. So no filter can name a top-level
// member of metadata with that name.
const ID Path = "id"

// Lookup returns the definition of a path.
func (f *Fields) Lookup(path Path) (field Field, ok bool) {
	if f == nil {
		return Field{}, false
	}
	field, ok = f.byPath[path]
	return field, ok
}

// Filterable returns the paths that filters may name, besides ID, ascending.
func (f *Fields) Filterable() []Path {
	if f == nil {
		return nil
	}
	return f.names
}

// convert returns v as a value of the field, or says what was found and what was wanted.
func (f Field) convert(v Value) (Value, error) {
	if v.kind == Null {
		return v, nil
	}
	if !f.List {
		return f.convertOne(v)
	}
	if v.kind != List {
		return Value{}, fmt.Errorf("found %s, want a %s", describe(v), f.TypeString())
	}
	for i, element := range v.list {
		element, err := f.convertOne(element)
		if err != nil {
			return Value{}, fmt.Errorf("element %d: %w", i, err)
		}
		v.list[i] = element
	}
	return v, nil
}

// convertOne converts one value, in a list or not.
func (f Field) convertOne(v Value) (Value, error) {
	switch {
	case f.Type == Float && v.kind == Int && (v.number > maxExact || v.number < -maxExact):
		return Value{}, fmt.Errorf("found %d, want a float: integers are exact in one from -2^53 to 2^53", v.number)
	case f.Type == v.kind, f.Type == Float && v.kind == Int:
		return v, nil
	case f.Type == Timestamp && v.kind == String:
		if t, ok := ParseTime(v.text); ok {
			return t, nil
		}
		return Value{}, fmt.Errorf("found %s, want a timestamp such as \"2026-05-01T12:00:00Z\"", describe(v))
	}
	return Value{}, fmt.Errorf("found %s, want %s %s", describe(v), article(f.Type), f.Type)
}

// maxExact is the largest integer up to which each has its own float64.
const maxExact = 1 << 53

// describe names a value in an error.
func describe(v Value) string {
	switch v.kind {
	case Null, Absent:
		return v.kind.String()
	case Bool:
		return fmt.Sprintf("the bool %t", v.Bool())
	case Int:
		return fmt.Sprintf("the int %d", v.number)
	case Float:
		return fmt.Sprintf("the float %v", v.Float())
	case String:
		return fmt.Sprintf("the string %.40q", v.text)
	case List:
		return fmt.Sprintf("a list of %d", len(v.list))
	}
	return article(v.kind) + " " + v.kind.String()
}

func article(k Kind) string {
	if strings.ContainsAny(k.String()[:1], "aio") {
		return "an"
	}
	return "a"
}
