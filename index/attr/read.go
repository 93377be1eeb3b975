package attr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// The limits of metadata, and of the part of it that filters can use.
const (
	// MaxBytes is the most bytes that metadata may have in all.
	MaxBytes = 64 << 10
	// MaxDepth is how deep objects and lists may nest, counting the outermost.
	MaxDepth = 32
	// MaxFields is how many values a record may have, and how many fields a collection
	// may define.
	MaxFields = 1024
	// MaxPathBytes is the longest that a path may be.
	MaxPathBytes = 512
	// MaxValueBytes is the longest that a string may be. A collection that defines its
	// fields may hold longer strings under other names.
	MaxValueBytes = 32 << 10
)

// Error says what is wrong in metadata.
type Error struct {
	// Path is the place of the fault; empty for the whole.
	Path Path
	// Reason says what was found and what was wanted.
	Reason string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "attr: metadata: " + e.Reason
	}
	return "attr: metadata: " + string(e.Path) + ": " + e.Reason
}

// Reader reads the metadata of one record after another. Only one goroutine may use it.
type Reader struct {
	fields  *Fields
	source  bytes.Buffer
	decoder *jsontext.Decoder
	// names holds names of members in the form that paths have, by their JSON, and paths
	// holds each path as one string: records repeat both.
	names map[string]string
	paths map[string]Path
	path  []byte // of the value being read
	count int    // of values
	visit func(Path, Value) error
}

// NewReader returns a reader for records of a collection that defines fields; nil means
// that it defines none.
func NewReader(fields *Fields) *Reader {
	r := &Reader{fields: fields, names: map[string]string{}, paths: map[string]Path{}}
	r.decoder = jsontext.NewDecoder(&r.source)
	return r
}

// maxPaths is how many paths a reader remembers. It must not grow with records that name
// their members at random.
const maxPaths = 4 * MaxFields

// Read checks metadata, a JSON object or nothing at all, and calls visit, which may be nil,
// with each of its values: with that of every member, and after an object with those of the
// members inside it. The values in a list, and in lists inside it, are elements of one
// value. An object in a list is an element, and its members are not visited. The visitor
// may keep values, but not metadata, which may lie in the map of a file.
//
// If the collection defines fields, Read visits only filterable ones, each as a value of
// its type, and reads the rest of the metadata only as JSON.
//
// A fault in metadata is an *Error: it is not a JSON object, or not UTF-8; an object names
// a member twice; a number is an integer beyond 64 bits, or more than a float64 holds; a
// limit is exceeded; a value does not have the type of its field. An error from visit is
// returned unchanged.
func (r *Reader) Read(metadata []byte, visit func(Path, Value) error) error {
	switch {
	case len(metadata) == 0:
		return nil
	case len(metadata) > MaxBytes:
		return &Error{Reason: fmt.Sprintf("found %d bytes, want at most %d", len(metadata), MaxBytes)}
	}
	if len(r.paths) > maxPaths {
		clear(r.names)
		clear(r.paths)
	}
	r.source = *bytes.NewBuffer(metadata)
	r.decoder.Reset(&r.source)
	r.path, r.count, r.visit = r.path[:0], 0, visit
	if kind := r.decoder.PeekKind(); kind != '{' && kind != jsontext.KindInvalid {
		return &Error{Reason: fmt.Sprintf("found a JSON %s, want an object", kind)}
	}
	if err := r.object("", false); err != nil {
		return syntax(err)
	}
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			return &Error{Reason: fmt.Sprintf("found more at byte %d, want one JSON object", r.decoder.InputOffset())}
		}
		return syntax(err)
	}
	return nil
}

// syntax returns an error of the decoder as an *Error, and other errors unchanged.
func syntax(err error) error {
	var fault *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Error{Reason: "found the end too early, want a JSON object"}
	case errors.As(err, &fault):
		if errors.Is(fault.Err, jsontext.ErrDuplicateName) {
			return &Error{pathOfPointer(fault.JSONPointer), "found a member of this name again, want it once"}
		}
		return &Error{pathOfPointer(fault.JSONPointer), fmt.Sprintf("byte %d: found %v, want JSON", fault.ByteOffset, fault.Err)}
	}
	return err
}

func pathOfPointer(pointer jsontext.Pointer) Path {
	return PathOf(slices.Collect(pointer.Tokens())...)
}

// object reads the object that comes next, the value of path, and visits it if told.
func (r *Reader) object(path Path, told bool) error {
	if _, err := r.decoder.ReadToken(); err != nil {
		return err
	}
	if err := r.checkDepth(path); err != nil {
		return err
	}
	if told {
		object := Value{kind: Object}
		if r.decoder.PeekKind() != '}' {
			object.number = 1
		}
		if err := r.tell(path, object); err != nil {
			return err
		}
	}
	outer := len(r.path)
	for r.decoder.PeekKind() != '}' {
		if err := r.enter(); err != nil {
			return err
		}
		if err := r.member(); err != nil {
			return err
		}
		r.path = r.path[:outer]
	}
	_, err := r.decoder.ReadToken()
	return err
}

// enter reads the name of a member and appends it to r.path.
func (r *Reader) enter() error {
	quoted, err := r.decoder.ReadValue()
	if err != nil {
		return err
	}
	name, known := r.names[string(quoted)]
	if !known {
		unquoted, err := jsontext.AppendUnquote(nil, quoted)
		if err != nil {
			return err
		}
		name = string(appendName(nil, string(unquoted)))
		r.names[string(quoted)] = name
	}
	if len(r.path) > 0 {
		r.path = append(r.path, '.')
	}
	r.path = append(r.path, name...)
	return nil
}

// member reads the value of r.path.
func (r *Reader) member() error {
	path, known := r.paths[string(r.path)]
	if !known {
		path = Path(r.path)
		r.paths[string(path)] = path
	}
	field, defined := r.fields.Lookup(path)
	if r.fields != nil && !defined {
		return r.undefined(path)
	}
	if err := r.checkPath(path); err != nil {
		return err
	}
	if r.decoder.PeekKind() == '{' && !defined {
		return r.object(path, true)
	}
	value, err := r.value(path)
	if err != nil {
		return err
	}
	if defined {
		if value, err = field.convert(value); err != nil {
			return &Error{path, err.Error()}
		}
		if !field.Filterable {
			return nil
		}
	}
	return r.tell(path, value)
}

// undefined reads the value of a path that is not one of the collection's fields.
func (r *Reader) undefined(path Path) error {
	child, isParent := r.fields.parents[path]
	kind := r.decoder.PeekKind()
	switch {
	case !isParent || kind == 'n':
		return r.skip(path)
	case kind == '{':
		return r.object(path, false)
	}
	value, err := r.value(path)
	if err != nil {
		return err
	}
	return &Error{path, fmt.Sprintf("found %s, want an object: the field %s is in it", describe(value), child)}
}

// checkPath counts a value and checks the limits of paths.
func (r *Reader) checkPath(path Path) error {
	if len(path) > MaxPathBytes {
		return &Error{Reason: fmt.Sprintf("%.50s...: found a path of %d bytes, want at most %d", path, len(path), MaxPathBytes)}
	}
	if r.count++; r.count > MaxFields {
		return &Error{path, fmt.Sprintf("found more than %d values in one record, want fewer, or a collection that defines its fields", MaxFields)}
	}
	return nil
}

// checkDepth checks how deep the decoder is.
func (r *Reader) checkDepth(path Path) error {
	if r.decoder.StackDepth() > MaxDepth {
		return &Error{path, fmt.Sprintf("found objects and lists nested more than %d deep, want at most %d", MaxDepth, MaxDepth)}
	}
	return nil
}

// value reads the value that comes next, of path or of an element of its list.
func (r *Reader) value(path Path) (Value, error) {
	switch kind := r.decoder.PeekKind(); kind {
	case '[':
		return r.list(path)
	case '{':
		return Value{kind: Object}, r.skip(path)
	default:
		raw, err := r.decoder.ReadValue()
		if err != nil {
			return Value{}, err
		}
		return scalar(path, raw)
	}
}

// scalar returns the value of raw.
func scalar(path Path, raw jsontext.Value) (Value, error) {
	switch raw.Kind() {
	case 'n':
		return NullValue(), nil
	case 't':
		return BoolValue(true), nil
	case 'f':
		return BoolValue(false), nil
	case '"':
		if len(raw)-len(`""`) > MaxValueBytes {
			return Value{}, &Error{path, fmt.Sprintf("found a string of %d bytes, want at most %d, or a collection whose fields are defined without it", len(raw)-len(`""`), MaxValueBytes)}
		}
		if bytes.IndexByte(raw, '\\') < 0 {
			return StringValue(string(raw[1 : len(raw)-1])), nil
		}
		text, err := jsontext.AppendUnquote(nil, raw)
		return StringValue(string(text)), err
	}
	number, err := numberValue(string(raw))
	if err != nil {
		return Value{}, &Error{path, err.Error()}
	}
	return number, nil
}

// list reads the list that comes next.
func (r *Reader) list(path Path) (Value, error) {
	list := Value{kind: List}
	if _, err := r.decoder.ReadToken(); err != nil {
		return list, err
	}
	if err := r.checkDepth(path); err != nil {
		return list, err
	}
	for r.decoder.PeekKind() != ']' {
		element, err := r.value(path)
		if err != nil {
			return list, err
		}
		list.list = append(list.list, element)
	}
	_, err := r.decoder.ReadToken()
	return list, err
}

// skip reads the value that comes next only as JSON.
func (r *Reader) skip(path Path) error {
	for depth := r.decoder.StackDepth(); ; {
		if _, err := r.decoder.ReadToken(); err != nil {
			return err
		}
		if err := r.checkDepth(path); err != nil {
			return err
		}
		if r.decoder.StackDepth() == depth {
			return nil
		}
	}
}

// tell calls the visitor.
func (r *Reader) tell(path Path, value Value) error {
	if r.visit == nil {
		return nil
	}
	return r.visit(path, value)
}
