// Package filter is the language in which people say which records they want: AIP-160
// (https://google.aip.dev/160), as docs/filters.md describes it.
//
// [Parse] and the builders ([Field], [In], [And], [Or], [Not]) make an [Expr]; [Expr.Check]
// checks it against the fields of a collection; [Expr.Match] is the plain evaluator that
// says what it means, and every faster one must agree with it.
//
// The package is a leaf: it knows values (package attr), and neither rows nor columns.
package filter

import (
	"slices"

	"github.com/hamnest/hamnest/index/attr"
)

// Op is what an expression asks. It decides which parts of the expression are set.
type Op uint8

// The operations. If a field holds a list, one matching element is enough.
const (
	OpAll     Op = iota // matches every record
	OpAnd               // all of Args match
	OpOr                // one of Args matches
	OpNot               // Args[0] does not match
	OpEq                // Field is Values[0]
	OpNe                // Field is present and not Eq
	OpLt                // Field is less than Values[0]
	OpLe                // Field is less or equal
	OpGt                // Field is greater
	OpGe                // Field is greater or equal
	OpLike              // Field is a string that fits Pattern
	OpHas               // Field is Eq the string Values[0], or has a present member of that name
	OpPresent           // Field is there: not null, and no empty list or object
	OpEmpty             // Field is an empty list or object
	OpIn                // Field is Eq one of Values
	opInvalid           // matches nothing: Values[0] says what a builder was given
)

// orders reports whether op asks which of two values is less.
func (op Op) orders() bool { return op == OpLt || op == OpLe || op == OpGt || op == OpGe }

// Expr is a filter, or a part of one. The zero Expr matches every record. An Expr is a
// value: nothing changes it, and nobody may change its slices.
type Expr struct {
	Op Op
	// Args are the parts: one of OpNot, and two or more of OpAnd and OpOr, none of which
	// has the same Op. None of them is OpAll.
	Args []Expr
	// Field is what all other operations ask about.
	Field attr.Path
	// Values are literals: any number for OpIn, and one for a comparison.
	Values []attr.Value
	// Pattern is what OpLike asks for.
	Pattern Pattern
	// column is where the expression begins in its text, in characters from 1; 0 for one
	// that was built.
	column int
}

// Pattern is a piece of text and where other text may be added.
type Pattern struct {
	Text string
	// Before and After say that anything may come there. At least one of them is set; with
	// an empty Text it is After.
	Before, After bool
}

// Equal reports whether e and f are written in the same way.
func (e Expr) Equal(f Expr) bool {
	return e.Op == f.Op && e.Field == f.Field && e.Pattern == f.Pattern &&
		slices.EqualFunc(e.Values, f.Values, attr.Value.Equal) && slices.EqualFunc(e.Args, f.Args, Expr.Equal)
}

// Fields returns the paths whose values decide whether a record matches, in ascending
// order, with attr.ID for the record's id.
func (e Expr) Fields() []attr.Path {
	var paths []attr.Path
	e.visit(func(e Expr) {
		if e.Field != "" {
			paths = append(paths, e.Field)
		}
		if e.Op == OpHas {
			paths = append(paths, e.child())
		}
	})
	slices.Sort(paths)
	return slices.Compact(paths)
}

// child is the path of the member that OpHas asks for.
func (e Expr) child() attr.Path { return e.Field.Child(e.Values[0].Text()) }

// visit calls f for e and all its parts.
func (e Expr) visit(f func(Expr)) {
	f(e)
	for _, arg := range e.Args {
		arg.visit(f)
	}
}

// none matches no record.
func none() Expr { return Expr{Op: OpIn, Field: attr.ID} }

// isNone reports whether e obviously matches no record.
func (e Expr) isNone() bool { return e.Op == OpIn && len(e.Values) == 0 }

// And matches the records that all of exprs match; without any, every record.
func And(exprs ...Expr) Expr {
	return join(OpAnd, exprs)
}

// Or matches the records that one of exprs matches; without any, none.
func Or(exprs ...Expr) Expr {
	if len(exprs) == 0 {
		return none()
	}
	if slices.ContainsFunc(exprs, func(e Expr) bool { return e.Op == OpAll }) {
		// An error that a builder made must not get lost.
		return And(slices.DeleteFunc(slices.Clone(exprs), func(e Expr) bool { return e.Err() == nil })...)
	}
	return join(OpOr, exprs)
}

// Not matches the records that e does not match.
func Not(e Expr) Expr {
	if e.Op == OpAll {
		return none()
	}
	return Expr{Op: OpNot, Args: []Expr{e}, column: e.column}
}

// And matches the records that e and all of others match.
func (e Expr) And(others ...Expr) Expr { return And(append([]Expr{e}, others...)...) }

// Or matches the records that e or one of others matches.
func (e Expr) Or(others ...Expr) Expr { return Or(append([]Expr{e}, others...)...) }

// join returns the expressions under one op, OpAnd or OpOr. The parts of expressions with
// that op become parts of the result.
func join(op Op, exprs []Expr) Expr {
	var args []Expr
	for _, e := range exprs {
		switch e.Op {
		case OpAll: // only under OpAnd, where it asks nothing
		case op:
			args = append(args, e.Args...)
		default:
			args = append(args, e)
		}
	}
	switch len(args) {
	case 0:
		return Expr{}
	case 1:
		return args[0]
	}
	return Expr{Op: op, Args: args, column: args[0].column}
}
