package filter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hamnest/hamnest/index/attr"
)

// literal reads a value, and the wildcards of a string.
func (p *parser) literal() (v attr.Value, stars attr.Stars, err error) {
	c := p.peek()
	switch {
	case c == '"' || c == '\'':
		text, stars, n, err := attr.ReadQuoted(p.text[p.at:])
		if err != nil {
			return v, stars, p.fault(p.at+err.Offset, err.Reason)
		}
		p.skip(n)
		return attr.StringValue(text), stars, nil
	case digit(c), c == '-' && digit(p.peekAt(1)):
		v, err = p.number()
		return v, stars, err
	}
	word := p.word()
	switch {
	case word == "timestamp" && p.parenthesisAfter(word):
		v, err = p.timestamp()
		return v, stars, err
	case word == "null":
		v = attr.NullValue()
	case word == "true", word == "false":
		v = attr.BoolValue(word == "true")
	case word != "" && !keywords[word]:
		return v, stars, p.wanted(fmt.Sprintf(`a value; write "%.40s", in quotation marks, for the string`, word))
	default:
		return v, stars, p.wanted(`a value: a string in quotation marks, a number, true, false, null or timestamp("...")`)
	}
	p.skip(len(word))
	return v, stars, nil
}

var keywords = map[string]bool{"AND": true, "OR": true, "NOT": true}

// number reads a number as JSON writes it.
func (p *parser) number() (attr.Value, error) {
	rest := p.text[p.at:]
	n := 1
	for n < len(rest) && (digit(rest[n]) || strings.IndexByte(".eE", rest[n]) >= 0 || strings.IndexByte("+-", rest[n]) >= 0 && strings.IndexByte("eE", rest[n-1]) >= 0) {
		n++
	}
	if more := strings.IndexAny(rest[n:], " \t\r\n(),"); more > 0 || more < 0 && n < len(rest) {
		if more < 0 {
			more = len(rest) - n
		}
		return attr.Value{}, p.fault(p.at, fmt.Sprintf("found %.40s, want a number, or a string in quotation marks", rest[:n+more]))
	}
	v, err := attr.ParseNumber(rest[:n])
	if err != nil {
		return attr.Value{}, p.fault(p.at, err.Error())
	}
	p.skip(n)
	return v, nil
}

// timestamp reads timestamp("..."), whose name is ahead.
func (p *parser) timestamp() (v attr.Value, err error) {
	p.skip(len("timestamp"))
	p.skip(len("("))
	const want = `a timestamp in quotation marks, such as "2026-05-01T12:00:00Z"`
	if c := p.peek(); c != '"' && c != '\'' {
		return v, p.wanted(want)
	}
	text, _, n, fault := attr.ReadQuoted(p.text[p.at:])
	if fault != nil {
		return v, p.fault(p.at+fault.Offset, fault.Reason)
	}
	v, ok := attr.ParseTime(text)
	if !ok {
		return v, p.fault(p.at, fmt.Sprintf("found %.40q, want %s", text, want))
	}
	p.skip(n)
	if p.peek() != ')' {
		return v, p.wanted(")")
	}
	p.skip(1)
	return v, nil
}

// patternOf returns the pattern that text is with some wildcards.
func patternOf(text string, stars attr.Stars) (Pattern, error) {
	if text == "*" {
		return Pattern{After: true}, nil
	}
	p := Pattern{Text: text, Before: stars.First == 0, After: stars.Last == len(text)-1}
	outer := 0
	if p.Before {
		p.Text = p.Text[1:]
		outer++
	}
	if p.After {
		p.Text = p.Text[:len(p.Text)-1]
		outer++
	}
	switch {
	case stars.Count > outer:
		return Pattern{}, errors.New(`found a * inside a string, want it at the beginning or the end, or \* for the character`)
	case p.Text == "":
		return Pattern{}, errors.New(`found "**", want "*" for any string`)
	}
	return p, nil
}
