package filter

import (
	"slices"
	"strings"

	"github.com/hamnest/hamnest/index/attr"
)

// Match reports whether e matches the record of this id and metadata, a JSON object or
// nothing, in a collection that defines fields, or none. It is the plain evaluator: an
// index must give the same answer.
//
// Every expression either matches a record or does not, and Not matches the others: there
// is no unknown. An error is an *attr.Error about metadata.
func (e Expr) Match(fields *attr.Fields, id string, metadata []byte) (bool, error) {
	values := map[attr.Path]attr.Value{}
	err := attr.NewReader(fields).Read(metadata, func(path attr.Path, value attr.Value) error {
		values[path] = value
		return nil
	})
	values[attr.ID] = attr.StringValue(id)
	return err == nil && e.Matches(values), err
}

// Matches is Match for a record that was read: the values of its paths, and its id as that of
// attr.ID.
func (e Expr) Matches(record map[attr.Path]attr.Value) bool {
	field := record[e.Field]
	switch e.Op {
	case OpAll:
		return true
	case OpAnd:
		return !slices.ContainsFunc(e.Args, func(arg Expr) bool { return !arg.Matches(record) })
	case OpOr:
		return slices.ContainsFunc(e.Args, func(arg Expr) bool { return arg.Matches(record) })
	case OpNot:
		return !e.Args[0].Matches(record)
	case OpEq:
		return is(field, e.Values[0])
	case OpNe:
		return field.Present() && !is(field, e.Values[0])
	case OpLt:
		return compares(field, e.Values[0], func(order int) bool { return order < 0 })
	case OpLe:
		return compares(field, e.Values[0], func(order int) bool { return order <= 0 })
	case OpGt:
		return compares(field, e.Values[0], func(order int) bool { return order > 0 })
	case OpGe:
		return compares(field, e.Values[0], func(order int) bool { return order >= 0 })
	case OpLike:
		return anyElement(field, e.Pattern.fits)
	case OpHas:
		return is(field, e.Values[0]) || record[e.child()].Present()
	case OpPresent:
		return field.Present()
	case OpEmpty:
		return field.Empty()
	case OpIn:
		return slices.ContainsFunc(e.Values, func(v attr.Value) bool { return is(field, v) })
	}
	return false
}

// is reports whether field, or an element of its list, is v.
func is(field, v attr.Value) bool {
	return compares(field, v, func(order int) bool { return order == 0 })
}

// compares reports whether field, or an element of its list, can be compared with v in an
// order that ok accepts.
func compares(field, v attr.Value, ok func(order int) bool) bool {
	return anyElement(field, func(element attr.Value) bool {
		order, comparable := attr.Compare(element, v)
		return comparable && ok(order)
	})
}

// anyElement reports whether field, or an element of its list, passes test.
func anyElement(field attr.Value, test func(attr.Value) bool) bool {
	if field.Kind() == attr.List {
		return slices.ContainsFunc(field.List(), test)
	}
	return test(field)
}

// fits reports whether v is a string as p describes.
func (p Pattern) fits(v attr.Value) bool {
	switch {
	case v.Kind() != attr.String:
		return false
	case p.Before && p.After:
		return strings.Contains(v.Text(), p.Text)
	case p.Before:
		return strings.HasSuffix(v.Text(), p.Text)
	}
	return strings.HasPrefix(v.Text(), p.Text)
}
