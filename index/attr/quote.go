package attr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendEscaped appends s, which is valid UTF-8, to dst and escapes everything with a
// meaning between quotation marks: ", \, * and control characters.
func AppendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '*':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ' || c == 0x7f:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// QuoteError says what is wrong in a string between quotation marks.
type QuoteError struct {
	// Offset is the place of the fault, in bytes from the opening mark.
	Offset int
	// Reason says what was found and what was wanted.
	Reason string
}

func (e *QuoteError) Error() string { return "attr: byte " + strconv.Itoa(e.Offset) + ": " + e.Reason }

// Stars are the * in a string that were not escaped.
type Stars struct {
	Count int
	// First and Last are the places of the outermost stars in the string, in bytes, if
	// there are any.
	First, Last int
}

// ReadQuoted reads the string at the beginning of text, which is valid UTF-8. The string is
// between two " or two ', and a backslash escapes ", ', \ and *, or makes \n, \r, \t and
// \uXXXX. n is how many bytes of text it read.
func ReadQuoted(text string) (s string, stars Stars, n int, err *QuoteError) {
	mark := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case mark:
			return b.String(), stars, i + 1, nil
		case '*':
			stars.Last = b.Len()
			if stars.Count++; stars.Count == 1 {
				stars.First = stars.Last
			}
			b.WriteByte(c)
		case '\\':
			r, size, reason := readEscape(text[i:])
			if reason != "" {
				return "", stars, 0, &QuoteError{i, reason}
			}
			b.WriteRune(r)
			i += size - 1
		default:
			b.WriteByte(c)
		}
	}
	return "", stars, 0, &QuoteError{0, fmt.Sprintf("found a string that does not end, want a closing %c", mark)}
}

// readEscape reads the escape at the beginning of text, of size bytes. reason says why it
// is not one, or is empty.
func readEscape(text string) (r rune, size int, reason string) {
	if len(text) < 2 {
		return 0, 0, `found a \ at the end, want a character after it`
	}
	switch c := text[1]; c {
	case '"', '\'', '\\', '*':
		return rune(c), 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	case 'u':
		if len(text) < 6 {
			return 0, 0, `found \u with less than four characters after it, want four hexadecimal digits`
		}
		code, err := strconv.ParseUint(text[2:6], 16, 16)
		if err != nil || !utf8.ValidRune(rune(code)) {
			return 0, 0, fmt.Sprintf(`found \u%s, want four hexadecimal digits of a character that is no surrogate`, strings.ToValidUTF8(text[2:6], ""))
		}
		return rune(code), 6, ""
	}
	r, _ = utf8.DecodeRuneInString(text[1:])
	return 0, 0, fmt.Sprintf(`found \%c, want one of \" \' \\ \* \n \r \t \uXXXX`, r)
}
