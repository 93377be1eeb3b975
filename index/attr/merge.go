package attr

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// MergePatch returns target with the JSON merge patch of RFC 7396 applied: members of an
// object in patch replace those of target, null removes them, objects are merged member by
// member, and everything else is replaced whole.
//
// What patch does not name stays as it is, byte for byte, including order and white space;
// new members come last. Neither target nor patch is changed. An empty target is an empty
// object.
//
// A fault is an *Error: target or patch is not JSON, nests deeper than MaxDepth, or the
// result has more than MaxBytes.
func MergePatch(target, patch []byte) ([]byte, error) {
	if len(target) == 0 {
		target = []byte("{}")
	}
	for _, part := range []struct {
		name string
		json []byte
	}{{"the patch", patch}, {"the metadata", target}} {
		if err := checkJSON(part.json); err != nil {
			return nil, &Error{Reason: part.name + ": " + err.Error()}
		}
	}
	merged := appendMerged(nil, target, patch)
	if len(merged) > MaxBytes {
		return nil, &Error{Reason: fmt.Sprintf("found %d bytes after the patch, want at most %d", len(merged), MaxBytes)}
	}
	return merged, nil
}

// checkJSON returns why raw is not one JSON value of bounded depth.
func checkJSON(raw []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(raw))
	for values := 0; ; {
		_, err := decoder.ReadToken()
		switch {
		case errors.Is(err, io.EOF) && values == 1:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("found nothing, want JSON")
		case err != nil:
			return err
		case decoder.StackDepth() > MaxDepth:
			return fmt.Errorf("found objects and lists nested more than %d deep, want at most %d", MaxDepth, MaxDepth)
		case decoder.StackDepth() == 0:
			if values++; values > 1 {
				return fmt.Errorf("found more at byte %d, want one JSON value", decoder.InputOffset())
			}
		}
	}
}

// appendMerged appends target with patch applied. Both are valid.
func appendMerged(dst, target, patch []byte) []byte {
	if jsontext.Value(patch).Kind() != '{' {
		return append(dst, patch...)
	}
	if jsontext.Value(target).Kind() != '{' {
		target = []byte("{}")
	}
	changes := members(patch)
	byName := make(map[string]int, len(changes))
	for i, change := range changes {
		byName[change.name] = i
	}

	kept := members(target)
	dst = append(dst, target[:bytes.IndexByte(target, '{')+1]...)
	first := true
	next := func() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
	}
	for _, member := range kept {
		i, changed := byName[member.name]
		switch {
		case !changed:
			next()
			dst = append(dst, target[member.start:member.end]...)
		case !changes[i].isNull(patch):
			next()
			dst = append(dst, target[member.start:member.valueStart]...)
			dst = appendMerged(dst, member.value(target), changes[i].value(patch))
			dst = append(dst, target[member.valueEnd:member.end]...)
		}
		delete(byName, member.name)
	}
	for _, change := range changes {
		if _, added := byName[change.name]; added && !change.isNull(patch) {
			next()
			dst = append(dst, patch[change.nameStart:change.valueStart]...)
			dst = appendMerged(dst, nil, change.value(patch))
		}
	}
	return append(dst, target[bytes.LastIndexByte(target, '}'):]...)
}

// member is the place of a member in the bytes of its object.
type member struct {
	name string
	// start and end enclose everything between two commas or braces; the name begins at
	// nameStart.
	start, nameStart, valueStart, valueEnd, end int
}

func (m member) value(object []byte) []byte { return object[m.valueStart:m.valueEnd] }

func (m member) isNull(object []byte) bool { return object[m.valueStart] == 'n' }

// members returns the members of a valid object, in order.
func members(object []byte) []member {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(object))
	must(decoder.ReadToken())
	start := int(decoder.InputOffset())
	var all []member
	for decoder.PeekKind() != '}' {
		quoted := must(decoder.ReadValue())
		m := member{start: start, nameStart: int(decoder.InputOffset()) - len(quoted)}
		m.name = string(must(jsontext.AppendUnquote(nil, quoted)))
		value := must(decoder.ReadValue())
		m.valueEnd = int(decoder.InputOffset())
		m.valueStart = m.valueEnd - len(value)
		m.end = m.valueEnd + bytes.IndexAny(object[m.valueEnd:], ",}")
		start = m.end + 1
		all = append(all, m)
	}
	return all
}

// must returns v, read from JSON that was already checked.
func must[T any](v T, err error) T {
	if err != nil {
		panic("attr: JSON that was valid is not: " + err.Error())
	}
	return v
}
