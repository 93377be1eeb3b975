package filter

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hamnest/hamnest/index/attr"
)

func TestOneMeaningHasOneForm(t *testing.T) {
	for _, same := range [][]string{
		{`a = 1 AND b = 2`, `b = 2 AND a = 1`, `b = 2 a = 1`, `NOT (NOT a = 1 OR NOT b = 2)`, `NOT (NOT (a = 1 AND b = 2))`, `a = 1 AND (b = 2 AND a = 1)`, `a = 1.0 AND b:2`},
		{`a = 1 OR b = 2`, `NOT (NOT b = 2 AND NOT a = 1)`, `b = 2 OR (a = 1 OR b = 2)`},
		{`in(a, "x", "y")`, `a = "y" OR a = "x"`, `in(a, 'y', "x", "y")`, `a = ("x" OR "y")`, `in(a, "x") OR in(a, "y")`, `in(a, "x") OR in(a, "y", "x") OR in(a)`},
		{`NOT in(a, "x", "y")`, `NOT a = "y" AND NOT a = "x"`, `NOT (a = "x" OR a = "y")`, `NOT in(a, "x") AND NOT in(a, "y")`},
		{`b = 1 OR in(a, 1, 2, 3)`, `in(a, 1, 2) OR b = 1 OR in(a, 3, 2)`},
		{`b = 1 AND NOT in(a, 1, 2, 3)`, `NOT in(a, 1, 2) b = 1 NOT a = 3`},
		{`a = 1`, `in(a, 1)`, `in(a, 1, 1.0)`, `a = 1 OR a = 1`, `a = 1 AND a = 1`, `NOT (NOT a = 1)`, `in(b) OR a = 1`, `NOT in(b) AND a = 1`},
		{`a != 1`, `a:* AND NOT a = 1`, `NOT (a = 1 OR NOT a:*)`},
		{`NOT a != 1`, `a = 1 OR NOT a:*`},
		{`m:"x"`, `m = "x" OR m.x:*`},
		{`NOT m:"x"`, `NOT m = "x" AND NOT m.x:*`},
		{``, `NOT in(a)`, `NOT (in(a) AND b = 1)`},
		{`in(id)`, `in(a)`, `in(a) AND b = 1`, `NOT (NOT in(b))`, `in(a) OR in(b)`},
		{`t = timestamp("2026-05-01T02:00:00+02:00")`, `t = timestamp("2026-05-01T00:00:00.000Z")`},
		{`in(a, null, true, 1, 0.5, "x")`, `in(a, "x", 0.5, 1, true, null)`},
		{`a = 1 OR (b = 2 AND (c = 3 OR d = 4))`, `((d = 4 OR c = 3) AND b = 2) OR a = 1`},
	} {
		want, err := Parse(same[0])
		if err != nil {
			t.Fatal(err)
		}
		want = want.Normalize()
		for _, text := range same[1:] {
			e, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Normalize(); !got.Equal(want) || got.String() != want.String() {
				t.Errorf("%s is normalized to %s, and %s to %s", text, got, same[0], want)
			}
		}
	}
}

func TestWhatDiffersHasTwoForms(t *testing.T) {
	for _, pair := range [][2]string{
		{`a = 1 AND a = 2`, `in(a, 1, 2)`}, // a list can be both
		{`NOT a = 1 OR NOT a = 2`, `NOT in(a, 1, 2)`},
		{`a = 1`, `a = "1"`},
		{`a = true`, `a = "true"`},
		{`a = "x*"`, `a = "x\*"`},
		{`a != 1`, `NOT a = 1`},
		{`a < 1`, `a <= 1`},
		{`NOT a < 1`, `a >= 1`},
		{`a.b = 1`, `"a.b" = 1`},
		{`a = null`, `NOT a:*`},
		{`empty(a)`, `NOT a:*`},
		{`t = "2026-05-01T00:00:00Z"`, `t = timestamp("2026-05-01T00:00:00Z")`},
	} {
		var forms [2]string
		for i, text := range pair {
			e, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			forms[i] = e.Normalize().String()
		}
		if forms[0] == forms[1] {
			t.Errorf("%s and %s are both normalized to %s", pair[0], pair[1], forms[0])
		}
	}
}

// The paths and values of random filters and records are few, so that they meet.
var (
	paths    = []string{"a", "b", "a.b", `a."x y"`, "id"}
	literals = []any{nil, true, false, 0, 1, 2, 1.5, "", "x", "b", "xy", "x*", "2026-05-01T00:00:00Z", time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	scalars  = []string{`null`, `true`, `false`, `0`, `1`, `1.0`, `2`, `1.5`, `""`, `"x"`, `"b"`, `"xy"`, `"x*"`, `"2026-05-01T02:00:00+02:00"`, `"2026-05-01T00:00:01Z"`}
)

// anyExpr draws an expression of at most depth levels.
func anyExpr(depth int) *rapid.Generator[Expr] {
	return rapid.Custom(func(t *rapid.T) Expr {
		kinds := 13
		if depth == 0 {
			kinds = 10
		}
		kind := rapid.IntRange(0, kinds-1).Draw(t, "kind")
		if kind >= 10 {
			args := rapid.SliceOfN(anyExpr(depth-1), 0, 3).Draw(t, "args")
			switch kind {
			case 10:
				return And(args...)
			case 11:
				return Or(args...)
			}
			return Not(And(args...))
		}
		path := rapid.SampledFrom(paths).Draw(t, "path")
		field := Field(path)
		value := rapid.SampledFrom(literals).Draw(t, "value")
		text, _ := value.(string)
		switch kind {
		case 0, 1:
			return In(path, rapid.SliceOfN(rapid.SampledFrom(literals), 0, 3).Draw(t, "values")...)
		case 2:
			return field.Present()
		case 3:
			return field.Empty()
		case 4:
			like := []func(string) Expr{field.StartsWith, field.EndsWith, field.Contains}
			return rapid.SampledFrom(like).Draw(t, "like")(text)
		case 5:
			return field.Has(rapid.SampledFrom([]any{"b", "x y", "x", 1, nil}).Draw(t, "has"))
		case 6:
			return field.Ne(value)
		case 7:
			if value == nil || value == true || value == false {
				return field.Eq(value)
			}
			order := []func(any) Expr{field.Lt, field.Le, field.Gt, field.Ge}
			return rapid.SampledFrom(order).Draw(t, "order")(value)
		}
		return field.Eq(value)
	})
}

// anyMetadata draws a record with members of the paths of random filters.
func anyMetadata() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		value := func(label string) string {
			list := func() string {
				var text string
				for i, s := range rapid.SliceOfN(rapid.SampledFrom(scalars), 0, 3).Draw(t, label) {
					if i > 0 {
						text += ", "
					}
					text += s
				}
				return "[" + text + "]"
			}
			if rapid.Bool().Draw(t, label+" list") {
				return list()
			}
			return rapid.SampledFrom(scalars).Draw(t, label)
		}
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			return `{}`
		case 1:
			return fmt.Sprintf(`{"a":{"b":%s,"x y":%s}}`, value("a.b"), value("a.x y"))
		case 2:
			return fmt.Sprintf(`{"a":{},"b":%s}`, value("b"))
		}
		return fmt.Sprintf(`{"b":%s,"a":%s}`, value("b"), value("a"))
	})
}

func TestTheCanonicalFormMatchesTheSameRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyExpr(3).Draw(t, "filter")
		normal := e.Normalize()
		if again := normal.Normalize(); !again.Equal(normal) {
			t.Fatalf("%s is normalized to %s, and that to %s", e, normal, again)
		}
		id := rapid.SampledFrom([]string{"x", "xy", "z"}).Draw(t, "id")
		metadata := anyMetadata().Draw(t, "metadata")
		want := match(t, e, id, metadata)
		if got := match(t, normal, id, metadata); got != want {
			t.Fatalf("%s matches %s: %t, and %s: %t", metadata, e, want, normal, got)
		}
		if got := match(t, Not(e), id, metadata); got == want {
			t.Fatalf("%s matches %s: %t, and NOT of it: %t", metadata, e, want, got)
		}
	})
}

func TestAnyFilterIsReadAsItIsPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyExpr(4).Draw(t, "filter")
		for _, e := range []Expr{e, e.Normalize()} {
			again, err := Parse(e.String())
			if err != nil || !again.Equal(e) {
				t.Fatalf("%s is read as %s, %v", e, again, err)
			}
		}
	})
}

func TestAnyNamesAndStringsAreQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := attr.PathOf(rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "names")...)
		text := rapid.String().Draw(t, "text")
		field := Field(string(path))
		for _, e := range []Expr{field.Eq(text), field.Has(text), field.StartsWith(text), field.EndsWith(text), field.Contains(text), In(string(path), text, "x")} {
			again, err := Parse(e.String())
			if err != nil || !again.Equal(e) {
				t.Fatalf("%s is read as %s, %v", e, again, err)
			}
		}
	})
}

func TestFieldsOfAFilter(t *testing.T) {
	e := Field("b").Has("x y").And(In("id", "x"), Not(Field("a.b").Present().Or(Field("b").Eq(1))))
	if got := e.Fields(); !slices.Equal(got, []attr.Path{"a.b", "b", `b."x y"`, "id"}) {
		t.Errorf("%s is about %q", e, got)
	}
	if got := (Expr{}).Fields(); len(got) != 0 {
		t.Errorf("the empty filter is about %q", got)
	}
}

func TestFieldsAreAllThatDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyExpr(3).Draw(t, "filter")
		record := map[attr.Path]attr.Value{attr.ID: attr.StringValue("x")}
		metadata := anyMetadata().Draw(t, "metadata")
		if err := attr.NewReader(nil).Read([]byte(metadata), func(path attr.Path, v attr.Value) error {
			record[path] = v
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		named := map[attr.Path]attr.Value{}
		for _, path := range e.Fields() {
			named[path] = record[path]
		}
		if all, some := e.Matches(record), e.Matches(named); all != some {
			t.Fatalf("%s matches %s: %t, and %t by the fields %q alone", metadata, e, all, some, e.Fields())
		}
	})
}

func match(t *rapid.T, e Expr, id, metadata string) bool {
	ok, err := e.Match(nil, id, []byte(metadata))
	if err != nil {
		t.Fatalf("%s: %v", metadata, err)
	}
	return ok
}
