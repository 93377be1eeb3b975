package filter

import (
	"strconv"
	"time"

	"github.com/hamnest/hamnest/index/attr"
)

// String returns e in the language. Parse reads it as an Expr that is Equal to e, unless e
// is longer or deeper than Parse allows, or has an Err. OR inside AND gets parentheses: it
// binds tighter, but few readers know.
func (e Expr) String() string { return string(e.append(nil)) }

func (e Expr) append(dst []byte) []byte {
	switch e.Op {
	case OpAll:
		return dst
	case OpAnd:
		return e.appendArgs(dst, " AND ")
	case OpOr:
		return e.appendArgs(dst, " OR ")
	case OpNot:
		dst = append(dst, "NOT "...)
		if e.Args[0].Op == OpNot { // the grammar has no NOT NOT
			return e.Args[0].appendParenthesized(dst)
		}
		return e.Args[0].appendPart(dst)
	case OpLike:
		dst = append(dst, e.Field...)
		dst = append(dst, " = "...)
		return e.Pattern.append(dst)
	case OpPresent:
		dst = append(dst, e.Field...)
		return append(dst, ":*"...)
	case OpEmpty:
		dst = append(dst, "empty("...)
		dst = append(dst, e.Field...)
		return append(dst, ')')
	case OpIn:
		dst = append(dst, "in("...)
		dst = append(dst, e.Field...)
		for _, v := range e.Values {
			dst = append(dst, ", "...)
			dst = appendLiteral(dst, v)
		}
		return append(dst, ')')
	case opInvalid:
		dst = append(dst, "invalid("...)
		dst = appendLiteral(dst, e.Values[0])
		return append(dst, ')')
	}
	dst = append(dst, e.Field...)
	dst = append(dst, comparators[e.Op]...)
	return appendLiteral(dst, e.Values[0])
}

// comparators are the signs of the comparisons with a value, as they are printed.
var comparators = map[Op]string{OpEq: " = ", OpNe: " != ", OpLt: " < ", OpLe: " <= ", OpGt: " > ", OpGe: " >= ", OpHas: ":"}

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
	if e.Op == OpAnd || e.Op == OpOr {
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
