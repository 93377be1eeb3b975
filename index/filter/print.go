package filter

import (
	"strconv"
	"time"

	"github.com/hamnest/hamnest/index/attr"
)

// String returns e in the language: Parse(e.String()) is Equal to e, unless e is longer or deeper than
// Parse takes, or has an Err. OR inside AND stands in parentheses too, although it
// binds tighter, for nobody expects that.
func (e Expr) String() string { return string(e.append(nil)) }

func (e Expr) append(dst []byte) []byte {
	switch e.Op {
	case All:
		return dst
	case Conj:
		return e.appendArgs(dst, " AND ")
	case Disj:
		return e.appendArgs(dst, " OR ")
	case Neg:
		dst = append(dst, "NOT "...)
		if e.Args[0].Op == Neg { // the grammar has no NOT NOT
			return e.Args[0].appendParenthesized(dst)
		}
		return e.Args[0].appendPart(dst)
	case Like:
		dst = append(dst, e.Field...)
		dst = append(dst, " = "...)
		return e.Pattern.append(dst)
	case Present:
		dst = append(dst, e.Field...)
		return append(dst, ":*"...)
	case Empty:
		dst = append(dst, "empty("...)
		dst = append(dst, e.Field...)
		return append(dst, ')')
	case OneOf:
		dst = append(dst, "in("...)
		dst = append(dst, e.Field...)
		for _, v := range e.Values {
			dst = append(dst, ", "...)
			dst = appendLiteral(dst, v)
		}
		return append(dst, ')')
	case invalid:
		dst = append(dst, "invalid("...)
		dst = appendLiteral(dst, e.Values[0])
		return append(dst, ')')
	}
	dst = append(dst, e.Field...)
	dst = append(dst, comparators[e.Op]...)
	return appendLiteral(dst, e.Values[0])
}

// comparators are the signs of the comparisons with a value, as they are printed.
var comparators = map[Op]string{Eq: " = ", Ne: " != ", Lt: " < ", Le: " <= ", Gt: " > ", Ge: " >= ", Has: ":"}

func (e Expr) appendArgs(dst []byte, between string) []byte {
	for i, arg := range e.Args {
		if i > 0 {
			dst = append(dst, between...)
		}
		dst = arg.appendPart(dst)
	}
	return dst
}

// appendPart appends e as a part of another expression.
func (e Expr) appendPart(dst []byte) []byte {
	if e.Op == Conj || e.Op == Disj {
		return e.appendParenthesized(dst)
	}
	return e.append(dst)
}

func (e Expr) appendParenthesized(dst []byte) []byte {
	dst = append(dst, '(')
	dst = e.append(dst)
	return append(dst, ')')
}

func (p Pattern) append(dst []byte) []byte {
	dst = append(dst, '"')
	if p.Before {
		dst = append(dst, '*')
	}
	dst = attr.AppendEscaped(dst, p.Text)
	if p.After {
		dst = append(dst, '*')
	}
	return append(dst, '"')
}

func appendLiteral(dst []byte, v attr.Value) []byte {
	switch v.Kind() {
	case attr.Null:
		return append(dst, "null"...)
	case attr.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case attr.Int:
		return strconv.AppendInt(dst, v.Int(), 10)
	case attr.Float:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, 64)
	case attr.Timestamp:
		dst = append(dst, `timestamp("`...)
		dst = v.Time().AppendFormat(dst, time.RFC3339Nano)
		return append(dst, `")`...)
	}
	dst = append(dst, '"')
	dst = attr.AppendEscaped(dst, v.Text())
	return append(dst, '"')
}
