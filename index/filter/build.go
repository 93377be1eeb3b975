package filter

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hamnest/hamnest/index/attr"
)

// FieldRef is a field to compare.
type FieldRef struct {
	path attr.Path
	err  error
}

// Field names a field by its path as the language writes it: author.name, or labels."a.b"
// if a name is more than a word. [attr.PathOf] makes a path from names.
//
// If the language cannot write the path or a value, [Expr.Err] of the expression says so,
// and no collection accepts it.
func Field(path string) FieldRef {
	p, err := attr.ParsePath(path)
	return FieldRef{p, err}
}

// Eq matches records in which the field is value: a string, bool, number, time.Time or
// attr.Value, or nil for null. Here and below a list is whatever one of its elements is.
func (f FieldRef) Eq(value any) Expr { return f.compare(OpEq, value) }

// Ne matches records in which the field is present and not Eq.
func (f FieldRef) Ne(value any) Expr { return f.compare(OpNe, value) }

// Lt matches records in which the field is less than value.
func (f FieldRef) Lt(value any) Expr { return f.compare(OpLt, value) }

// Le matches records in which the field is less than value or equal.
func (f FieldRef) Le(value any) Expr { return f.compare(OpLe, value) }

// Gt matches records in which the field is greater than value.
func (f FieldRef) Gt(value any) Expr { return f.compare(OpGt, value) }

// Ge matches records in which the field is greater than value or equal.
func (f FieldRef) Ge(value any) Expr { return f.compare(OpGe, value) }

// Has matches records in which the field is value or, when that is a string, an
// object with a present member of that name.
func (f FieldRef) Has(value any) Expr { return f.compare(OpHas, value) }

// Present matches records in which the field is present: not null, and not an empty list or
// object.
func (f FieldRef) Present() Expr { return f.expr(Expr{Op: OpPresent}) }

// Empty matches records in which the field is an empty list or object.
func (f FieldRef) Empty() Expr { return f.expr(Expr{Op: OpEmpty}) }

// StartsWith matches records in which the field is a string that starts with text.
func (f FieldRef) StartsWith(text string) Expr { return f.like(Pattern{Text: text, After: true}) }

// EndsWith matches records in which the field is a string that ends with text.
func (f FieldRef) EndsWith(text string) Expr { return f.like(Pattern{Text: text, Before: true}) }

// Contains matches records in which the field is a string with text somewhere in it.
func (f FieldRef) Contains(text string) Expr {
	return f.like(Pattern{Text: text, Before: true, After: true})
}

// In matches records in which the field of this path is one of values. A filter takes up to
// MaxValues.
func In[T any](path string, values ...T) Expr {
	f := Field(path)
	literals := make([]attr.Value, len(values))
	for i, v := range values {
		var err error
		if literals[i], err = literal(v); err != nil {
			return f.bad(err)
		}
	}
	return f.expr(Expr{Op: OpIn, Values: literals})
}

// Err returns an *Error for what a builder was given that cannot be part of a filter, or
// nil.
func (e Expr) Err() error {
	var err error
	e.visit(func(e Expr) {
		if e.Op == opInvalid && err == nil {
			err = e.fault(e.Values[0].Text())
		}
	})
	return err
}

// expr returns e about the field.
func (f FieldRef) expr(e Expr) Expr {
	if f.err != nil {
		return f.bad(nil)
	}
	e.Field = f.path
	return e
}

// bad returns an expression in place of one that cannot be made, because of the path or
// else of err.
func (f FieldRef) bad(err error) Expr {
	reason := fmt.Sprintf("field %s: %v", f.path, err)
	if f.err != nil {
		reason = f.err.Error()
	}
	return Expr{Op: opInvalid, Values: []attr.Value{attr.StringValue(strings.ToValidUTF8(reason, "\ufffd"))}}
}

func (f FieldRef) like(p Pattern) Expr {
	if !utf8.ValidString(p.Text) {
		return f.bad(fmt.Errorf("found %.50q, want UTF-8", p.Text))
	}
	return f.expr(Expr{Op: OpLike, Pattern: p.settled()})
}

// settled returns p; if any string fits p, it returns the one form of such patterns.
func (p Pattern) settled() Pattern {
	if p.Text == "" {
		return Pattern{After: true}
	}
	return p
}

func (f FieldRef) compare(op Op, value any) Expr {
	v, err := literal(value)
	if err == nil && op.orders() {
		err = orderable(v)
	}
	if err != nil {
		return f.bad(err)
	}
	return f.expr(comparison(op, v))
}

// comparison returns the comparison with v, without its field. For OpHas only a string can
// be the name of a member.
func comparison(op Op, v attr.Value) Expr {
	if op == OpHas && v.Kind() != attr.String {
		op = OpEq
	}
	return Expr{Op: op, Values: []attr.Value{v}}
}

// orderable returns why v cannot be less or greater than other values, or nil.
func orderable(v attr.Value) error {
	switch v.Kind() {
	case attr.Null:
		return errors.New("found null after < or >, want a number, a string or a timestamp: null has no order")
	case attr.Bool:
		return fmt.Errorf("found %t after < or >, want a number, a string or a timestamp: a bool has no order", v.Bool())
	}
	return nil
}

// literal returns a Go value as a literal of a filter.
func literal(value any) (attr.Value, error) {
	switch v := value.(type) {
	case nil:
		return attr.NullValue(), nil
	case attr.Value:
		if v.Kind() == attr.Absent || v.Kind() == attr.List || v.Kind() == attr.Object {
			return attr.Value{}, fmt.Errorf("found a value of kind %s, want a single one", v.Kind())
		}
		return v, nil
	case time.Time:
		if t, ok := attr.TimeValue(v); ok {
			return t, nil
		}
		return attr.Value{}, fmt.Errorf("found the time %v, want one of the years 1 to 9999", v)
	}
	switch v := reflect.ValueOf(value); {
	case v.Kind() == reflect.String:
		if !utf8.ValidString(v.String()) {
			return attr.Value{}, fmt.Errorf("found %.50q, want UTF-8", v.String())
		}
		return attr.StringValue(v.String()), nil
	case v.Kind() == reflect.Bool:
		return attr.BoolValue(v.Bool()), nil
	case v.CanInt():
		return attr.IntValue(v.Int()), nil
	case v.CanUint():
		if i := int64(v.Uint()); i >= 0 {
			return attr.IntValue(i), nil
		}
		return attr.Value{}, fmt.Errorf("found %d, want an integer up to 2^63-1", v.Uint())
	case v.CanFloat():
		if f, ok := attr.FloatValue(v.Float()); ok {
			return f, nil
		}
		return attr.Value{}, fmt.Errorf("found %v, want a finite number", v.Float())
	}
	return attr.Value{}, fmt.Errorf("found a %T, want a string, bool, number, time.Time or nil", value)
}
