// Package files reads the vectors, ids and metadata that people have in files.
package files

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxLine is the longest line read: 65,536 components as decimals take 1.6 MB.
const MaxLine = 4 << 20

// Lines reads a text file line by line and knows where it is.
type Lines struct {
	name   string
	file   io.Closer
	reader *bufio.Reader
	Number int // of the line last read, from 1
	Line   []byte
}

// Opener opens a file by name: from disk, or from the bundled sample.
type Opener func(name string) (fs.File, error)

// OpenLines opens a text file.
func OpenLines(open Opener, name string) (*Lines, error) {
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	return &Lines{name: name, file: file, reader: bufio.NewReaderSize(file, 64<<10)}, nil
}

// Close closes the file.
func (l *Lines) Close() error { return l.file.Close() }

// byteOrderMark is what some editors put in front of a text in UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// TrimMark returns the start of a text without the byte order mark that it may have.
func TrimMark(text []byte) []byte { return bytes.TrimPrefix(text, byteOrderMark) }

// Next returns the next line without its end, valid until the next call, and
// io.EOF when there is none. The byte order mark of a file belongs to no line.
func (l *Lines) Next() ([]byte, error) {
	l.Line = l.Line[:0]
	long := false
	for {
		part, err := l.reader.ReadSlice('\n')
		if long = long || len(l.Line)+len(part) > MaxLine; !long {
			l.Line = append(l.Line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(l.Line) == 0 && !long {
				return nil, io.EOF
			}
		case err != nil:
			return nil, fmt.Errorf("%s: after line %d: %w", l.name, l.Number, err)
		}
		if l.Number++; l.Number == 1 {
			l.Line = TrimMark(l.Line)
		}
		if long {
			return nil, l.Errorf("is longer than %d bytes", MaxLine)
		}
		line := bytes.TrimSuffix(l.Line, []byte("\n"))
		return bytes.TrimSuffix(line, []byte("\r")), nil
	}
}

// lineError says what is wrong with one line. The lines after it can be read.
type lineError struct {
	name   string
	number int
	reason error
}

func (e *lineError) Error() string { return fmt.Sprintf("%s: line %d: %v", e.name, e.number, e.reason) }

func (e *lineError) Unwrap() error { return e.reason }

// Errorf returns an error about the line last read.
func (l *Lines) Errorf(format string, args ...any) error {
	return &lineError{l.name, l.Number, fmt.Errorf(format, args...)}
}

// ofLine reports whether an error is about one line, and not about the whole file.
func ofLine(err error) bool { return errors.As(err, new(*lineError)) }

// object returns the members of the next line, which must be a JSON object.
func (l *Lines) object() (object, error) {
	line, err := l.Next()
	if err != nil {
		return nil, err
	}
	members, err := ParseObject(line)
	if err != nil {
		return nil, l.Errorf("%w", err)
	}
	return members, nil
}

// object is the members of a JSON object in order.
type object []member

// member is one "name": value of an object. The slices point into the line.
type member struct {
	name  string
	value json.RawMessage
	text  []byte // the member as it was written
}

// ParseObject splits a JSON object into its members, keeping how they were written.
func ParseObject(line []byte) (object, error) {
	switch trimmed := bytes.TrimSpace(line); {
	case len(trimmed) == 0:
		return nil, errors.New("is empty, want a JSON object")
	case !utf8.Valid(line):
		return nil, errors.New("is not UTF-8, want a JSON object in UTF-8")
	case trimmed[0] != '{':
		return nil, fmt.Errorf("found %s, want a JSON object", Excerpt(trimmed))
	}
	// This checks the syntax to the end, so that none of what follows can fail.
	var whole json.RawMessage
	if err := json.Unmarshal(line, &whole); err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var members object
	for dec.More() {
		start := dec.InputOffset()
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		m.text = bytes.TrimLeft(line[start:dec.InputOffset()], ", \t\r\n")
		members = append(members, m)
	}
	return members, nil
}

// get returns the value of the member of that name, nil when there is none.
func (o object) get(name string) (json.RawMessage, error) {
	var found json.RawMessage
	for _, m := range o {
		if m.name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%q comes twice", name)
		}
		found = m.value
	}
	return found, nil
}

// without returns the object as JSON without the members of those names, nil when
// nothing is left.
func (o object) without(names ...string) []byte {
	var b []byte
	for _, m := range o {
		if slices.Contains(names, m.name) {
			continue
		}
		if b == nil {
			b = append(b, '{')
		} else {
			b = append(b, ", "...)
		}
		b = append(b, m.text...)
	}
	if b == nil {
		return nil
	}
	return append(b, '}')
}

// id returns the object's "id": a string, or a whole number as it is written.
func (o object) id() (string, error) {
	raw, err := o.get("id")
	switch {
	case err != nil:
		return "", err
	case raw == nil:
		return "", errors.New(`has no "id"`)
	case raw[0] == '"':
		return parseID(raw)
	}
	digits := strings.TrimPrefix(string(raw), "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", fmt.Errorf(`"id" is %s, want a string or a whole number`, Excerpt(raw))
	}
	return string(raw), nil
}

// parseID returns the id that a JSON string spells. encoding/json would take a surrogate
// that is not one of a pair for U+FFFD, and so one id for another.
func parseID(raw []byte) (id string, err error) {
	if escape := loneSurrogate(raw); escape != "" {
		return "", fmt.Errorf(`"id" is %s, want UTF-8: %s is half of a character`, Excerpt(raw), escape)
	}
	return id, json.Unmarshal(raw, &id)
}

// loneSurrogate returns the first escape in a valid JSON string that stands for a
// surrogate without its other half, empty when there is none.
func loneSurrogate(raw []byte) string {
	unit := func(b []byte) rune { // that an escape at the start of b spells, -1 if there is none
		if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
			return -1
		}
		n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
		if err != nil {
			return -1
		}
		return rune(n)
	}
	for len(raw) > 0 {
		switch r := unit(raw); {
		case utf16.IsSurrogate(r):
			if utf16.DecodeRune(r, unit(raw[6:])) == utf8.RuneError {
				return string(raw[:6])
			}
			raw = raw[12:]
		case raw[0] == '\\':
			raw = raw[2:]
		default:
			raw = raw[1:]
		}
	}
	return ""
}

// vector returns the object's "vector", which overwrites dst.
func (o object) vector(dst []float32) ([]float32, error) {
	raw, err := o.get("vector")
	switch {
	case err != nil:
		return nil, err
	case raw == nil:
		return nil, errors.New(`has no "vector"`)
	}
	return ParseVector(dst, raw)
}

// ParseVector overwrites dst with the numbers of a JSON array, of any length. raw
// is valid JSON. encoding/json would take null for 0 and say less about what is
// wrong.
func ParseVector(dst []float32, raw []byte) ([]float32, error) {
	dst = dst[:0]
	text := strings.TrimSpace(string(raw))
	inner, opened := strings.CutPrefix(text, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !opened || !closed {
		return nil, fmt.Errorf("vector is %s, want an array of numbers", Excerpt(raw))
	}
	for part := range strings.SplitSeq(inner, ",") {
		part = strings.TrimSpace(part)
		x, err := strconv.ParseFloat(part, 32)
		switch {
		case part == "" && len(dst) == 0:
			return nil, errors.New("vector is empty, want an array of numbers")
		case errors.Is(err, strconv.ErrRange):
			return nil, fmt.Errorf("component %d is %s, more than a float32 holds", len(dst), part)
		case err != nil:
			return nil, fmt.Errorf("component %d is %s, want a number", len(dst), Excerpt([]byte(part)))
		}
		dst = append(dst, float32(x))
	}
	return dst, nil
}

// Excerpt shows the start of some input in an error.
func Excerpt(b []byte) string {
	const shown = 40
	if text := []rune(string(b)); len(text) > shown {
		return strconv.Quote(string(text[:shown-1]) + "…")
	}
	return strconv.Quote(string(b))
}
