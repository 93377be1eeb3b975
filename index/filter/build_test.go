package filter

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hamnest/hamnest/index/attr"
)

func TestBuildersQuote(t *testing.T) {
	type section string
	at := time.Date(2026, 5, 1, 2, 0, 0, 0, time.FixedZone("", 7200))
	for _, tt := range []struct {
		built Expr
		want  string
	}{
		{Expr{}, ``},
		{Field("section").Eq("games").And(Field("size_kb").Lt(500), Not(Field("essential").Eq(true))), `section = "games" AND size_kb < 500 AND NOT essential = true`},
		{Field("a").Eq(`x" OR b = "y`), `a = "x\" OR b = \"y"`},
		{Field("a").Eq("lib*"), `a = "lib\*"`},
		{Field("a").StartsWith("lib*"), `a = "lib\**"`},
		{Field("a").EndsWith(`\`), `a = "*\\"`},
		{Field("a").Contains("or"), `a = "*or*"`},
		{Field("a").Contains(""), `a = "*"`},
		{Field("a").EndsWith(""), `a = "*"`},
		{Field("a").Eq(section("x")), `a = "x"`},
		{Field("a").Eq(nil).Or(Field("a").Ne(nil)), `a = null OR a != null`},
		{Field("a").Le(uint8(5)), `a <= 5`},
		{Field("a").Gt(float32(0.5)), `a > 0.5`},
		{Field("a").Ge(at), `a >= timestamp("2026-05-01T00:00:00Z")`},
		{Field("a").Has("x"), `a:"x"`},
		{Field("a").Has(5), `a = 5`},
		{Field("a").Present().And(Field("b").Empty()), `a:* AND empty(b)`},
		{Field(`labels."a.b"`).Eq(1), `labels."a.b" = 1`},
		{Field(string(attr.PathOf("labels", "a.b"))).Eq(1), `labels."a.b" = 1`},
		{In("id", []string{"a", `b"`, "c*"}...), `in(id, "a", "b\"", "c\*")`},
		{In("n", 1, 2), `in(n, 1, 2)`},
		{In[any]("n", 1, "x", nil), `in(n, 1, "x", null)`},
		{In[string]("n"), `in(n)`},
		{And(), ``},
		{Or(), `in(id)`},
		{Not(Expr{}), `in(id)`},
		{And(Expr{}, Field("a").Eq(1), Expr{}), `a = 1`},
		{Or(Expr{}, Field("a").Eq(1)), ``},
		{And(And(Field("a").Eq(1), Field("b").Eq(2)), Field("c").Eq(3)), `a = 1 AND b = 2 AND c = 3`},
		{Field("a").Eq(1).And(Field("b").Eq(2)).Or(Field("c").Eq(3)), `(a = 1 AND b = 2) OR c = 3`},
		{Not(Not(Field("a").Eq(1))), `NOT (NOT a = 1)`},
		{Not(Field("a").Eq(1).Or(Field("b").Eq(2))), `NOT (a = 1 OR b = 2)`},
	} {
		if err := tt.built.Err(); err != nil || tt.built.String() != tt.want {
			t.Errorf("built is %s, %v, want %s", tt.built, err, tt.want)
		}
		if again, err := Parse(tt.built.String()); err != nil || !again.Equal(tt.built) {
			t.Errorf("%s is read as %s, %v", tt.built, again, err)
		}
	}
}

func TestWhatABuilderCannotWriteIsAnErrorThatStays(t *testing.T) {
	for _, tt := range []struct {
		built Expr
		want  string
	}{
		{Field("a b").Eq(1), `filter: attr: path "a b": byte 1: found " b", want a . or the end`},
		{Field("").Present(), `filter: attr: path "": byte 0: found the end, want the name of a field`},
		{Field("a").Eq(math.NaN()), `filter: field a: found NaN, want a finite number`},
		{Field("a").Lt(math.Inf(1)), `filter: field a: found +Inf, want a finite number`},
		{Field("a").Eq(uint64(math.MaxUint64)), `filter: field a: found 18446744073709551615, want an integer up to 2^63-1`},
		{Field("a").Eq("\xff"), `filter: field a: found "\xff", want UTF-8`},
		{Field("a").StartsWith("\xff"), `filter: field a: found "\xff", want UTF-8`},
		{Field("a").Lt(true), `filter: field a: found true after < or >, want a number`},
		{Field("a").Ge(nil), `filter: field a: found null after < or >, want a number`},
		{Field("a").Eq([]string{"x"}), `filter: field a: found a []string, want a string, bool, number, time.Time or nil`},
		{Field("a").Eq(attr.ListValue()), `filter: field a: found a value of kind list, want a single one`},
		{Field("a").Eq(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), `filter: field a: found the time 10000-01-01 00:00:00 +0000 UTC, want one of the years 1 to 9999`},
		{In("a", 1, math.NaN()), `filter: field a: found NaN, want a finite number`},
		{In("a b", 1), `filter: attr: path "a b": byte 1: found " b"`},
	} {
		for _, e := range []Expr{tt.built, Not(tt.built), Field("x").Eq(1).Or(tt.built), Or(Expr{}, tt.built), tt.built.And(Expr{})} {
			if err := e.Err(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%s: Err is %v, want %s", e, err, tt.want)
			}
			if _, err := e.Check(nil); err == nil {
				t.Errorf("a collection takes %s", e)
			}
			if _, err := Parse(e.String()); err == nil {
				t.Errorf("%s is read", e)
			}
		}
	}
}
