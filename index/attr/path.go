package attr

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Path names a value: the name of a member, or the names of a member and of members inside
// it with dots between them, such as author.name. A name is in quotation marks, as in
// labels."kubernetes.io/name", unless it is a word that begins with a letter or _,
// continues with those, digits and -, and is not a word of the filter language.
//
// Equal paths are equal strings. [ParsePath] and [PathOf] make them.
type Path string

// PathOf returns the path of the names, outermost first. They are as in the JSON, without
// quotation marks, and valid UTF-8.
func PathOf(names ...string) Path {
	var path []byte
	for _, name := range names {
		path = appendName(path, name)
	}
	return Path(path)
}

// ParsePath reads a path as people write it: quotation marks are allowed even if they are
// not needed, and a name after a dot may be any word.
func ParsePath(text string) (Path, error) {
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("attr: path %.50q is not UTF-8", text)
	}
	path, n, err := ReadPath(text)
	if err != nil {
		return "", fmt.Errorf("attr: path %.50q: byte %d: %s", text, err.Offset, err.Reason)
	}
	if n < len(text) {
		return "", fmt.Errorf("attr: path %.50q: byte %d: found %.20q, want a . or the end", text, n, text[n:])
	}
	return path, nil
}

// ReadPath reads the path at the beginning of text, which is valid UTF-8. n is how many
// bytes of text it read.
func ReadPath(text string) (path Path, n int, err *QuoteError) {
	var names []string
	for {
		name, size, err := readName(text[n:], len(names) == 0)
		if err != nil {
			err.Offset += n
			return "", 0, err
		}
		names = append(names, name)
		n += size
		if n == len(text) || text[n] != '.' {
			return PathOf(names...), n, nil
		}
		n++
	}
}

// readName reads the name at the beginning of text.
func readName(text string, first bool) (name string, n int, err *QuoteError) {
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		name, _, n, err = ReadQuoted(text)
		return name, n, err
	}
	switch word := ReadWord(text); {
	case word == "":
		found := "the end"
		if text != "" {
			r, _ := utf8.DecodeRuneInString(text)
			found = fmt.Sprintf("%q", r)
		}
		return "", 0, &QuoteError{0, "found " + found + ", want the name of a field, in quotation marks if it is more than a word"}
	case first && !bare(word):
		return "", 0, &QuoteError{0, fmt.Sprintf(`found %s, want the name of a field, in quotation marks if it is called so: "%s"`, word, word)}
	default:
		return word, len(word), nil
	}
}

// appendName appends a name to a path.
func appendName(path []byte, name string) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	if bare(name) {
		return append(path, name...)
	}
	path = append(path, '"')
	path = AppendEscaped(path, name)
	return append(path, '"')
}

// bare reports whether a name needs no quotation marks.
func bare(name string) bool {
	switch name {
	case "AND", "OR", "NOT", "true", "false", "null":
		return false
	}
	r, _ := utf8.DecodeRuneInString(name)
	return (unicode.IsLetter(r) || r == '_') && ReadWord(name) == name
}

// ReadWord returns the word at the beginning of text, which is valid UTF-8: letters, digits
// and _, and after the first of these also - and marks on letters. It can be empty.
func ReadWord(text string) string {
	for i, r := range text {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_':
		case i > 0 && (unicode.IsMark(r) || r == '-'):
		default:
			return text[:i]
		}
	}
	return text
}

// Child returns the path of the member called name inside path.
func (p Path) Child(name string) Path {
	return Path(appendName([]byte(p), name))
}

// parents returns the paths that contain p, outermost first.
func (p Path) parents() []Path {
	var parents []Path
	for i := 0; i < len(p); {
		_, n, err := readName(string(p[i:]), i == 0)
		if err != nil {
			panic(fmt.Sprintf("attr: path %q, which ParsePath and PathOf do not make: %s", string(p), err.Reason))
		}
		if i += n; i < len(p) {
			parents = append(parents, p[:i])
			i++
		}
	}
	return parents
}
