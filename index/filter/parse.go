package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hamnest/hamnest/index/attr"
)

// The limits of a filter's text. They are checked before or while it is read, so that no
// text takes more time or memory than its length justifies.
const (
	// MaxBytes is the longest that a filter may be: 10,000 values of 100 bytes.
	MaxBytes = 1 << 20
	// MaxPlainBytes is the longest that it may be without the values of its in(). Each part
	// of a filter costs a pass over rows, but a value of in() costs next to nothing.
	MaxPlainBytes = 8 << 10
	// MaxValues is how many values all its in() may have together.
	MaxValues = 10_000
	// MaxDepth is how deep parentheses and negations may nest. Reading takes stack, and a
	// stack overflow cannot be caught.
	MaxDepth = 32
)

// Error says where a filter is wrong, and why.
type Error struct {
	// Column is the place in the text, in characters from 1; 0 for a filter that was built.
	Column int
	// Reason says what was found and what was wanted.
	Reason string
}

func (e *Error) Error() string {
	if e.Column == 0 {
		return "filter: " + e.Reason
	}
	return fmt.Sprintf("filter: column %d: %s", e.Column, e.Reason)
}

// Parse reads a filter. Blank text is the filter that matches every record. A failure
// is an *Error.
func Parse(text string) (Expr, error) {
	if len(text) > MaxBytes {
		return Expr{}, &Error{1, fmt.Sprintf("found %d bytes, want at most %d", len(text), MaxBytes)}
	}
	if !utf8.ValidString(text) {
		valid := strings.ToValidUTF8(text, "\x00")
		at := 0
		for at < len(text) && text[at] == valid[at] {
			at++
		}
		return Expr{}, &Error{utf8.RuneCountInString(text[:at]) + 1, fmt.Sprintf("found the byte %#02x, want UTF-8", text[at])}
	}
	p := parser{text: text}
	p.space()
	if p.at == len(text) {
		return Expr{}, nil
	}
	e, err := p.expression(nil)
	if err == nil && p.at < len(text) {
		err = p.wanted("AND, OR or the end")
	}
	if err == nil {
		err = p.checkLength()
	}
	if err != nil {
		return Expr{}, err
	}
	return e, nil
}

// parser reads the grammar of AIP-160 by recursive descent. After each method p.at
// is at the next character that is no space.
type parser struct {
	text   string
	at     int // in bytes
	depth  int // of parentheses and negations around p.at
	values int // of all in() so far
	inside int // bytes of those values
	// counted is how many characters precede the byte that columnOf was last asked for.
	counted struct{ at, runes int }
}

// left is the left side of a comparison whose right side is in parentheses: a = ("x" OR
// "y").
type left struct {
	field  attr.Path
	op     Op
	column int
}

// expression reads what AND joins. It is expression and sequence of the grammar: parts in a
// row are joined by AND too.
func (p *parser) expression(l *left) (Expr, error) {
	var parts []Expr
	for {
		part, err := p.factor(l)
		if err != nil {
			return Expr{}, err
		}
		parts = append(parts, part)
		if p.keyword("AND") {
			continue
		}
		if p.at == len(p.text) || !p.startsTerm() {
			return And(parts...), nil
		}
		if !spaceByte(p.text[p.at-1]) {
			return Expr{}, p.wanted("a space before it, or AND or OR")
		}
	}
}

// factor reads what OR joins: it binds tighter than AND.
func (p *parser) factor(l *left) (Expr, error) {
	var parts []Expr
	for {
		part, err := p.term(l)
		if err != nil {
			return Expr{}, err
		}
		parts = append(parts, part)
		if !p.keyword("OR") {
			return Or(parts...), nil
		}
	}
}

// term reads a part that NOT or - may precede.
func (p *parser) term(l *left) (Expr, error) {
	if err := p.checkLength(); err != nil {
		return Expr{}, err
	}
	start := p.at
	minus := p.peek() == '-' && (l == nil || !digit(p.peekAt(1)))
	if minus {
		p.at++
		if spaceByte(p.peek()) {
			return Expr{}, p.wanted("what - negates right after it")
		}
	} else if !p.keyword("NOT") {
		return p.simple(l)
	}
	if p.word() == "NOT" || p.peek() == '-' {
		return Expr{}, p.wanted("( to negate again: NOT (NOT a = 1)")
	}
	if err := p.deeper(start); err != nil {
		return Expr{}, err
	}
	e, err := p.simple(l)
	p.depth--
	return Not(e), err
}

// simple reads one comparison, or an expression in parentheses.
func (p *parser) simple(l *left) (Expr, error) {
	switch start := p.at; {
	case p.peek() == '(':
		if err := p.deeper(start); err != nil {
			return Expr{}, err
		}
		p.skip(1)
		e, err := p.expression(l)
		if err != nil {
			return Expr{}, err
		}
		if p.peek() != ')' {
			return Expr{}, p.wanted(fmt.Sprintf("AND, OR or the ) of the ( at column %d", p.columnOf(start)))
		}
		p.skip(1)
		p.depth--
		return e, nil
	case l != nil:
		return p.compared(*l)
	}
	return p.restriction()
}

// restriction reads a function, or a field and what it is compared with.
func (p *parser) restriction() (Expr, error) {
	start := p.at
	if word := p.word(); word != "" && p.parenthesisAfter(word) {
		return p.function(word)
	}
	field, err := p.field()
	if err != nil {
		return Expr{}, err
	}
	l := left{field: field, column: p.columnOf(start)}
	if p.comparator(&l.op) {
		return p.argument(l)
	}
	switch {
	case p.text[start] == '"' || p.text[start] == '\'':
		return Expr{}, p.wanted("a comparison (= != < <= > >= :) after the name of a field: there is no search of all fields")
	case p.peek() == '(':
		return Expr{}, p.wanted("a comparison (= != < <= > >= :): the functions are in(field, value, ...) and empty(field)")
	case p.at < len(p.text) && p.peek() != ')' && !p.startsTerm() && p.word() == "":
		return Expr{}, p.wanted("a comparison (= != < <= > >= :), AND, OR or the end")
	}
	e := comparison(OpEq, attr.BoolValue(true)) // a bool alone
	e.Field, e.column = l.field, l.column
	return e, nil
}

// function reads in() or empty(); its name is ahead.
func (p *parser) function(name string) (Expr, error) {
	e := Expr{column: p.columnOf(p.at)}
	switch name {
	case "in":
		e.Op = OpIn
	case "empty":
		e.Op = OpEmpty
	case "timestamp":
		return Expr{}, p.wanted(`a field, with timestamp("...") after its comparison`)
	default:
		return Expr{}, p.wanted(`one of the functions in(field, value, ...) and empty(field)`)
	}
	p.skip(len(name))
	p.skip(len("("))
	var err error
	if e.Field, err = p.field(); err != nil {
		return Expr{}, err
	}
	if e.Op == OpIn {
		if e.Values, err = p.list(); err != nil {
			return Expr{}, err
		}
	}
	if p.peek() != ')' {
		want := ")"
		if e.Op == OpIn {
			want = ", or )"
		}
		return Expr{}, p.wanted(want)
	}
	p.skip(1)
	return e, nil
}

// list reads the values of in(), each after a comma.
func (p *parser) list() ([]attr.Value, error) {
	var values []attr.Value
	start := p.at
	for p.peek() == ',' {
		p.skip(1)
		if p.values++; p.values > MaxValues {
			return nil, p.fault(p.at, fmt.Sprintf("found more than %d values of in(), want at most as many in one filter", MaxValues))
		}
		at := p.at
		v, stars, err := p.literal()
		if err != nil {
			return nil, err
		}
		if stars.Count > 0 {
			return nil, p.fault(at, `found a * in a value of in(), want whole values, with \* for the character *`)
		}
		values = append(values, v)
	}
	p.inside += p.at - start
	return values, nil
}

// field reads the path of a field.
func (p *parser) field() (attr.Path, error) {
	if c := p.peek(); digit(c) || c == '-' {
		return "", p.wanted("a field: it goes left of its comparison, and in quotation marks if its name begins like this")
	}
	if p.at == len(p.text) || !nameStart(p.text[p.at:]) || keywords[p.word()] {
		return "", p.wanted("a field, NOT or (")
	}
	path, n, err := attr.ReadPath(p.text[p.at:])
	if err != nil {
		return "", p.fault(p.at+err.Offset, err.Reason)
	}
	if len(path) > attr.MaxPathBytes {
		return "", p.fault(p.at, fmt.Sprintf("found a field whose path has %d bytes, want at most %d", len(path), attr.MaxPathBytes))
	}
	p.skip(n)
	return path, nil
}

// signs are the comparators, longer ones first.
var signs = []struct {
	sign string
	op   Op
}{{"!=", OpNe}, {"<=", OpLe}, {">=", OpGe}, {"=", OpEq}, {"<", OpLt}, {">", OpGt}, {":", OpHas}}

// comparator reads a comparator if there is one.
func (p *parser) comparator(op *Op) bool {
	for _, s := range signs {
		if strings.HasPrefix(p.text[p.at:], s.sign) {
			*op = s.op
			p.skip(len(s.sign))
			return true
		}
	}
	return false
}

// argument reads the right side of a comparison.
func (p *parser) argument(l left) (Expr, error) {
	switch p.peek() {
	case '*':
		if l.op != OpHas {
			return Expr{}, p.wanted("a value; whether a field is there is written with a colon, a:*")
		}
		p.skip(1)
		return Expr{Op: OpPresent, Field: l.field, column: l.column}, nil
	case '(':
		return p.simple(&l)
	}
	return p.compared(l)
}

// compared reads one literal and returns the comparison with it.
func (p *parser) compared(l left) (Expr, error) {
	start := p.at
	v, stars, err := p.literal()
	if err != nil {
		return Expr{}, err
	}
	if l.op.orders() {
		if err := orderable(v); err != nil {
			return Expr{}, p.fault(start, err.Error())
		}
		if stars.Count > 0 {
			return Expr{}, p.fault(start, `found a * after < or >, want a whole string, with \* for the character *`)
		}
	}
	e := comparison(l.op, v)
	if stars.Count > 0 {
		pattern, err := patternOf(v.Text(), stars)
		if err != nil {
			return Expr{}, p.fault(start, err.Error())
		}
		e = Expr{Op: OpLike, Pattern: pattern}
	}
	e.Field, e.column = l.field, l.column
	if e.Op == OpLike && l.op == OpNe {
		return Expr{Op: OpPresent, Field: l.field, column: l.column}.And(Not(e)), nil
	}
	return e, nil
}

// deeper counts a parenthesis or negation that begins at start.
func (p *parser) deeper(start int) error {
	if p.depth++; p.depth > MaxDepth {
		return p.fault(start, fmt.Sprintf("found more than %d nested parentheses and negations, want at most as many", MaxDepth))
	}
	return nil
}

// checkLength checks what was read so far against MaxPlainBytes.
func (p *parser) checkLength() error {
	if p.at-p.inside > MaxPlainBytes {
		return p.fault(p.at, fmt.Sprintf("found more than %d bytes besides values of in(), want at most as many", MaxPlainBytes))
	}
	return nil
}
