package filter

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hamnest/hamnest/index/attr"
)

// Normalize returns the canonical form of e, which matches the same records. Filters that
// differ only in these ways have one canonical form, and so the same String:
//
//   - AND, OR and in() in any order, nested in any way, with repeated parts;
//   - NOT moved over AND and OR, and NOT NOT;
//   - in(a, x, y), a = x OR a = y, in() of parts of the values; and each under NOT;
//   - a != x, and a:* AND NOT a = x; a:"x", and a = "x" OR a.x:*;
//   - joins with nothing or with everything, such as in() without values;
//   - numbers, strings and timestamps written in different ways.
//
// Other pairs with one meaning, such as a <= 1 and a < 1 OR a = 1, keep two forms. A
// canonical form can nest two levels deeper than e and be longer, so Parse may refuse its
// String.
func (e Expr) Normalize() Expr { return e.normal(false) }

// normal is Normalize of e, or of NOT e if negated.
func (e Expr) normal(negated bool) Expr {
	switch e.Op {
	case OpAll:
		if negated {
			return none()
		}
		return Expr{}
	case OpNot:
		return e.Args[0].normal(!negated)
	case OpAnd, OpOr:
		args := make([]Expr, len(e.Args))
		for i, arg := range e.Args {
			args[i] = arg.normal(negated)
		}
		if (e.Op == OpAnd) != negated {
			return normalAnd(args)
		}
		return normalOr(args)
	case OpNe:
		present := Expr{Op: OpPresent, Field: e.Field}
		equal := Expr{Op: OpEq, Field: e.Field, Values: e.Values}
		return present.And(Not(equal)).normal(negated)
	case OpHas:
		equal := Expr{Op: OpEq, Field: e.Field, Values: e.Values}
		member := Expr{Op: OpPresent, Field: e.child()}
		return equal.Or(member).normal(negated)
	case OpIn:
		e = oneOf(e.Field, e.Values)
	}
	switch {
	case !negated:
		return e
	case e.isNone():
		return Expr{}
	}
	return Not(e)
}

// normalAnd joins canonical expressions by AND.
func normalAnd(args []Expr) Expr {
	if slices.ContainsFunc(args, Expr.isNone) {
		return none()
	}
	joined := And(args...)
	if joined.Op != OpAnd {
		return joined
	}
	// NOT in(a, x) AND NOT in(a, y) is NOT in(a, x, y). The same without NOT does not hold:
	// a list can be both.
	return settle(OpAnd, joined.Args, func(e Expr) (Expr, bool) {
		if e.Op != OpNot {
			return Expr{}, false
		}
		return e.Args[0], e.Args[0].isSet()
	}, Not)
}

// normalOr joins canonical expressions by OR.
func normalOr(args []Expr) Expr {
	joined := Or(slices.DeleteFunc(args, Expr.isNone)...)
	if joined.Op != OpOr {
		return joined
	}
	return settle(OpOr, joined.Args,
		func(e Expr) (Expr, bool) { return e, e.isSet() },
		func(e Expr) Expr { return e })
}

// isSet reports whether e asks for one of some values.
func (e Expr) isSet() bool { return e.Op == OpEq || e.Op == OpIn }

// settle joins args by op, in canonical order and each once. Those of one field that split
// recognises as sets of values become one; whole is the inverse of split.
func settle(op Op, args []Expr, split func(Expr) (set Expr, ok bool), whole func(set Expr) Expr) Expr {
	values := map[attr.Path][]attr.Value{}
	var settled []Expr
	for _, arg := range args {
		if set, ok := split(arg); ok {
			values[set.Field] = append(values[set.Field], set.Values...)
		} else {
			settled = append(settled, arg)
		}
	}
	for field, all := range values {
		settled = append(settled, whole(oneOf(field, all)))
	}
	texts := make(map[string]Expr, len(settled))
	for _, e := range settled {
		texts[e.String()] = e
	}
	order := make([]Expr, 0, len(texts))
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		order = append(order, texts[text])
	}
	return join(op, order)
}

// oneOf is OpIn in canonical form: of one value it is OpEq, and of none it is none().
func oneOf(field attr.Path, values []attr.Value) Expr {
	values = slices.Clone(values)
	slices.SortFunc(values, compareValues)
	values = slices.CompactFunc(values, attr.Value.Equal)
	switch len(values) {
	case 0:
		return none()
	case 1:
		return Expr{Op: OpEq, Field: field, Values: values}
	}
	return Expr{Op: OpIn, Field: field, Values: values}
}

// compareValues orders literals of any kinds.
func compareValues(a, b attr.Value) int {
	if order := cmp.Compare(a.Kind(), b.Kind()); order != 0 {
		return order
	}
	order, _ := attr.Compare(a, b) // always of one kind
	return order
}
