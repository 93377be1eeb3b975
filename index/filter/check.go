package filter

import (
	"fmt"
	"strings"

	"github.com/hamnest/hamnest/index/attr"
)

// Check returns e as a filter of a collection that defines fields; nil means that it
// defines none. Strings that are compared with a field of timestamps become timestamps, and
// OpHas becomes what it means for the type of its field.
//
// A failure is an *Error: e has an Err, names something that is not a filterable field, or
// compares a field with a value of another type.
func (e Expr) Check(fields *attr.Fields) (Expr, error) {
	switch e.Op {
	case OpAll:
		return e, nil
	case opInvalid:
		return Expr{}, e.fault(e.Values[0].Text())
	case OpAnd, OpOr, OpNot:
		args := make([]Expr, len(e.Args))
		for i, arg := range e.Args {
			var err error
			if args[i], err = arg.Check(fields); err != nil {
				return Expr{}, err
			}
		}
		e.Args = args
		return e, nil
	}
	if e.Field == attr.ID {
		return e.typed(attr.Field{Name: attr.ID, Type: attr.String, Filterable: true})
	}
	if fields == nil {
		return e, nil
	}
	field, ok := fields.Lookup(e.Field)
	if !ok && e.Op == OpHas { // a:"x" of an object a that holds the field a.x
		if field, ok = fields.Lookup(e.child()); ok {
			e = Expr{Op: OpPresent, Field: field.Name, column: e.column}
		}
	}
	switch {
	case !ok:
		return Expr{}, e.fault(fmt.Sprintf("found the field %.80s, want one of %s", e.Field, list(fields.Filterable())))
	case !field.Filterable:
		return Expr{}, e.fault(fmt.Sprintf("found the field %s, which is not filterable, want one of %s", e.Field, list(fields.Filterable())))
	}
	return e.typed(field)
}

// typed is Check for a comparison with field.
func (e Expr) typed(field attr.Field) (Expr, error) {
	switch e.Op {
	case OpPresent:
		return e, nil
	case OpEmpty:
		if !field.List {
			return Expr{}, e.fault(fmt.Sprintf("found empty() of the field %s of type %s, want a list", field.Name, field.Type))
		}
		return e, nil
	case OpLike:
		if field.Type != attr.String {
			return Expr{}, e.fault(fmt.Sprintf("found a string with a wildcard for the field %s, want a value of type %s", field.Name, field.Type))
		}
		return e, nil
	case OpHas:
		e.Op = OpEq
	case OpLt, OpLe, OpGt, OpGe:
		if field.Type == attr.Bool {
			return Expr{}, e.fault(fmt.Sprintf("found < or > for the field %s, a bool, want = or !=: a bool has no order", field.Name))
		}
	}
	values := make([]attr.Value, len(e.Values))
	for i, v := range e.Values {
		value, ok := literalOf(field.Type, v)
		if !ok {
			return Expr{}, e.fault(fmt.Sprintf("found %.60s for the field %s, want a value of type %s", appendLiteral(nil, v), field.Name, field.Type))
		}
		values[i] = value
	}
	e.Values = values
	return e, nil
}

// literalOf returns v as a value that a field of that kind can be compared with.
func literalOf(kind attr.Kind, v attr.Value) (attr.Value, bool) {
	switch {
	case v.Kind() == attr.Null, v.Kind() == kind:
		return v, true
	case kind == attr.Int || kind == attr.Float:
		return v, v.Kind() == attr.Int || v.Kind() == attr.Float
	case kind == attr.Timestamp && v.Kind() == attr.String:
		return attr.ParseTime(v.Text())
	}
	return v, false
}

// maxListed is how many fields an error lists: enough to find a typing error.
const maxListed = 20

// list names the filterable fields.
func list(filterable []attr.Path) string {
	var b strings.Builder
	b.WriteString(string(attr.ID))
	for i, path := range filterable {
		if i == maxListed {
			fmt.Fprintf(&b, " and %d more", len(filterable)-maxListed)
			break
		}
		b.WriteString(", " + string(path))
	}
	return b.String()
}

func (e Expr) fault(reason string) error { return &Error{e.column, reason} }
