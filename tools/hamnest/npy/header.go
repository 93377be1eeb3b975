package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	magic = "\x93NUMPY"
	// maxHeader is far above the 118 bytes that a matrix of numbers needs. Only
	// structured arrays, which are not read, have longer ones.
	maxHeader = 64 << 10
)

// header is what the dictionary at the start of a file says.
type header struct {
	descr   string
	fortran bool
	shape   []uint64
}

// readHeader returns the text of the dictionary and the offset of the first
// element. size is the length of the file.
func readHeader(src io.ReaderAt, size int64) (text string, dataOffset int64, err error) {
	// Magic, major and minor version, and a length of 2 bytes in version 1 and 4
	// bytes in later ones.
	var fixed [12]byte
	start := min(size, int64(len(fixed)))
	if n, err := src.ReadAt(fixed[:start], 0); int64(n) < start {
		return "", 0, err
	}
	if size < 10 {
		return "", 0, formatErrorf("the file is %d bytes long, want at least 10", size)
	}
	if string(fixed[:len(magic)]) != magic {
		return "", 0, formatErrorf("the file starts with % x, want % x", fixed[:len(magic)], magic)
	}
	var length int64
	switch major := fixed[6]; major {
	case 1:
		length, dataOffset = int64(binary.LittleEndian.Uint16(fixed[8:])), 10
	case 2, 3:
		if size < 12 {
			return "", 0, formatErrorf("the file is %d bytes long, want at least 12 for version %d", size, major)
		}
		length, dataOffset = int64(binary.LittleEndian.Uint32(fixed[8:])), 12
	default:
		return "", 0, formatErrorf("version %d.%d, want 1, 2 or 3", major, fixed[7])
	}
	if length > size-dataOffset {
		return "", 0, formatErrorf("the header is %d bytes long, but only %d bytes follow: the file is truncated", length, size-dataOffset)
	}
	if length > maxHeader {
		return "", 0, formatErrorf("the header is %d bytes long, want at most %d", length, maxHeader)
	}
	b := make([]byte, length)
	if n, err := src.ReadAt(b, dataOffset); n < len(b) {
		return "", 0, err
	}
	return string(b), dataOffset + length, nil
}

// parseHeader reads the dictionary, a Python literal such as
//
//	{'descr': '<f4', 'fortran_order': False, 'shape': (5000, 768), }
//
// with exactly these keys in any order.
func parseHeader(text string) (header, error) {
	p := parser{rest: text}
	var h header
	var seen []string
	p.expect("{")
	for p.err == nil && !p.take("}") {
		key := p.str()
		p.expect(":")
		switch {
		case p.err != nil:
		case slices.Contains(seen, key):
			p.fail("key %q comes twice", key)
		case key == "descr":
			h.descr = p.str()
		case key == "fortran_order":
			h.fortran = p.boolean()
		case key == "shape":
			h.shape = p.tuple()
		default:
			p.fail("key %q, want 'descr', 'fortran_order' and 'shape'", key)
		}
		seen = append(seen, key)
		if !p.take(",") && !p.at("}") {
			p.fail("found %s, want ',' or '}'", p.next())
		}
	}
	if p.err == nil && !p.atEnd() {
		p.fail("found %s after the dictionary", p.next())
	}
	if p.err == nil && len(seen) != 3 {
		p.fail("keys %q, want 'descr', 'fortran_order' and 'shape'", seen)
	}
	return h, p.err
}

// parser reads Python literals from the front of rest. After the first failure
// its methods do nothing and return zero values.
type parser struct {
	rest string
	err  error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = formatErrorf("header: %s", fmt.Sprintf(format, args...))
	}
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *parser) atEnd() bool {
	p.space()
	return p.rest == ""
}

func (p *parser) at(token string) bool {
	p.space()
	return strings.HasPrefix(p.rest, token)
}

// take steps over token if it comes next.
func (p *parser) take(token string) bool {
	if p.err != nil || !p.at(token) {
		return false
	}
	p.rest = p.rest[len(token):]
	return true
}

func (p *parser) expect(token string) {
	if !p.take(token) {
		p.fail("found %s, want %q", p.next(), token)
	}
}

// next shows what comes next, for error messages.
func (p *parser) next() string {
	if p.atEnd() {
		return "the end"
	}
	return strconv.Quote(p.rest[:min(len(p.rest), 20)])
}

// str reads a string. NumPy writes none that need escapes, so none are read.
func (p *parser) str() string {
	for _, quote := range []string{"'", `"`} {
		if !p.take(quote) {
			continue
		}
		s, rest, ok := strings.Cut(p.rest, quote)
		if !ok || strings.ContainsAny(s, "\\\n") {
			p.fail("found a string that does not end: %s", p.next())
			return ""
		}
		p.rest = rest
		return s
	}
	if p.at("[") {
		p.fail("found a structured array, want numbers of one type")
	}
	p.fail("found %s, want a string", p.next())
	return ""
}

func (p *parser) boolean() bool {
	if p.take("True") {
		return true
	}
	if !p.take("False") {
		p.fail("found %s, want True or False", p.next())
	}
	return false
}

// tuple reads a tuple of whole numbers, such as (5000, 768) or (5000,).
func (p *parser) tuple() []uint64 {
	var values []uint64
	p.expect("(")
	for p.err == nil && !p.take(")") {
		p.space()
		digits := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
		value, err := strconv.ParseUint(p.rest[:digits], 10, 64)
		if err != nil {
			p.fail("found %s in the shape, want a whole number below 2^64", p.next())
			return nil
		}
		values = append(values, value)
		p.rest = p.rest[digits:]
		p.take("L") // Python 2 wrote long integers with this suffix
		if !p.take(",") && !p.at(")") {
			p.fail("found %s in the shape, want ',' or ')'", p.next())
		}
	}
	return values
}
