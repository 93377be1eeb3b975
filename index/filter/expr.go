// Package filter is the language in which people say which records they mean:
// AIP-160 (https://google.aip.dev/160), as docs/filters.md describes it.
//
// [Parse] and the builders ([Field], [In], [And], [Or], [Not]) make an [Expr];
// [Expr.Check] holds it to the fields of a collection; [Expr.Match] is what it means, the plain
// evaluator that every faster one must agree with.
//
// The package is a leaf: it knows values (package attr), and neither rows nor columns.
package filter

import (
	"slices"

	"github.com/hamnest/hamnest/index/attr"
)

// Op is what an expression asks, and so which parts of it are set.
type Op uint8

// The operations.
const (
	All     Op = iota // every record
	Conj              // Args: all of them match, AND
	Disj              // Args: one of them matches, OR
	Neg               // Args[0] does not match, NOT
	Eq                // the field, or an element of its list, is Values[0]; so with the next four
	Lt                // it is less
	Le                // it is less or equal
	Gt                // it is greater
	Ge                // it is greater or equal
	Ne                // the field is present and not Eq
	Like              // it is a string that fits Pattern
	Has               // the field is Eq the string Values[0], or has a present member of that name
	Present           // the field is there: not null, no empty list or object
	Empty             // the field is an empty list or object
	OneOf             // the field is Eq one of Values, in()
	invalid           // Values[0] says what a builder was given
)

// Expr is a filter, or a part of one. The zero Expr matches every record. An Expr is
// a value: nothing changes it, and its slices are not to be changed.
type Expr struct {
	Op Op
	// Args are parts: two or more of Conj and Disj, which are not of the same Op again, one of Neg. None is All.
	Args   []Expr
	Field  attr.Path
	Values []attr.Value
	// Pattern is what Like fits.
	Pattern Pattern
	// column is where in its text the expression begins, in characters from 1; 0 for
	// what was built.
	column int
}

// Pattern is a piece of text and where more may stand.
type Pattern struct {
	Text string
	// Before and After say that anything may stand there. One of them is set; with an
	// empty Text it is After.
	Before, After bool
}

// Equal reports whether e and f are written alike.
func (e Expr) Equal(f Expr) bool {
	return e.Op == f.Op && e.Field == f.Field && e.Pattern == f.Pattern &&
		slices.EqualFunc(e.Values, f.Values, attr.Value.Equal) && slices.EqualFunc(e.Args, f.Args, Expr.Equal)
}

// Fields returns the paths whose values decide whether a record matches, ascending,
// and attr.ID among them for the record's id.
func (e Expr) Fields() []attr.Path {
	var paths []attr.Path
	e.visit(func(e Expr) {
		if e.Field != "" {
			paths = append(paths, e.Field)
		}
		if e.Op == Has {
			paths = append(paths, e.child())
		}
	})
	slices.Sort(paths)
	return slices.Compact(paths)
}

// child is the path of the member that Has asks for.
func (e Expr) child() attr.Path { return e.Field.Child(e.Values[0].Text()) }

// visit calls f for e and all its parts.
func (e Expr) visit(f func(Expr)) {
	f(e)
	for _, arg := range e.Args {
		arg.visit(f)
	}
}

// none matches no record.
func none() Expr { return Expr{Op: OneOf, Field: attr.ID} }

// isNone reports whether e is seen to match no record.
func (e Expr) isNone() bool { return e.Op == OneOf && len(e.Values) == 0 }

// And matches the records that all of exprs match; without any, every record.
func And(exprs ...Expr) Expr {
	return join(Conj, exprs)
}

// Or matches the records that one of exprs matches; without any, none.
func Or(exprs ...Expr) Expr {
	if len(exprs) == 0 {
		return none()
	}
	if slices.ContainsFunc(exprs, func(e Expr) bool { return e.Op == All }) {
		// What a builder was given wrongly is not forgotten.
		return And(slices.DeleteFunc(slices.Clone(exprs), func(e Expr) bool { return e.Err() == nil })...)
	}
	return join(Disj, exprs)
}

// Not matches the records that e does not match.
func Not(e Expr) Expr {
	if e.Op == All {
		return none()
	}
	return Expr{Op: Neg, Args: []Expr{e}, column: e.column}
}

// And matches the records that e and all of others match.
func (e Expr) And(others ...Expr) Expr { return And(append([]Expr{e}, others...)...) }

// Or matches the records that e or one of others matches.
func (e Expr) Or(others ...Expr) Expr { return Or(append([]Expr{e}, others...)...) }

// join returns the expressions under one op, Conj or Disj, and the parts of those
// that are of that op themselves as its own.
func join(op Op, exprs []Expr) Expr {
	var args []Expr
	for _, e := range exprs {
		switch e.Op {
		case All: // of Conj: it asks nothing
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
