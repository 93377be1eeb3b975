package filter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hamnest/hamnest/index/attr"
)

// peek returns the byte at p.at, or 0 at the end.
func (p *parser) peek() byte { return p.peekAt(0) }

func (p *parser) peekAt(n int) byte {
	if p.at+n >= len(p.text) {
		return 0
	}
	return p.text[p.at+n]
}

// skip advances by n bytes and over the spaces that follow.
func (p *parser) skip(n int) {
	p.at += n
	p.space()
}

func (p *parser) space() {
	for spaceByte(p.peek()) {
		p.at++
	}
}

func spaceByte(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func digit(c byte) bool { return '0' <= c && c <= '9' }

// word returns the word at p.at, or nothing.
func (p *parser) word() string { return wordAt(p.text[p.at:]) }

// wordAt returns the word at the beginning of text, unless it begins with a digit.
func wordAt(text string) string {
	if r, _ := utf8.DecodeRuneInString(text); unicode.IsDigit(r) {
		return ""
	}
	return attr.ReadWord(text)
}

// keyword reads a keyword if it is ahead.
func (p *parser) keyword(k string) bool {
	if p.word() != k {
		return false
	}
	p.skip(len(k))
	return true
}

// parenthesisAfter reports whether the word at p.at is the name of a function.
func (p *parser) parenthesisAfter(word string) bool {
	return !keywords[word] && strings.HasPrefix(strings.TrimLeft(p.text[p.at+len(word):], " \t\r\n"), "(")
}

// startsTerm reports whether a part may begin at p.at.
func (p *parser) startsTerm() bool {
	c := p.peek()
	return c == '(' || c == '-' || digit(c) || nameStart(p.text[p.at:]) && !keywords[p.word()] || p.word() == "NOT"
}

// nameStart reports whether text begins like the name of a field.
func nameStart(text string) bool {
	return text != "" && (text[0] == '"' || text[0] == '\'' || wordAt(text) != "")
}

// wanted is the error for what stands at p.at.
func (p *parser) wanted(want string) error {
	found := "the end"
	if word := attr.ReadWord(p.text[p.at:]); word != "" {
		found = fmt.Sprintf("%.40s", word)
	} else if p.at < len(p.text) {
		r, _ := utf8.DecodeRuneInString(p.text[p.at:])
		found = string(r)
		if !unicode.IsPrint(r) || r == ' ' {
			found = fmt.Sprintf("the character %q", r)
		}
	}
	return p.fault(p.at, "found "+found+", want "+want)
}

func (p *parser) fault(at int, reason string) error {
	return &Error{p.columnOf(at), reason}
}

// columnOf returns the column of a byte. It counts on from the last answer, because most
// questions come in order.
func (p *parser) columnOf(at int) int {
	if at < p.counted.at {
		p.counted.at, p.counted.runes = 0, 0
	}
	p.counted.runes += utf8.RuneCountInString(p.text[p.counted.at:at])
	p.counted.at = at
	return p.counted.runes + 1
}
