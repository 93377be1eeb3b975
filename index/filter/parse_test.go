package filter

import (
	"testing"
)

func TestFiltersAreRead(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{``, ``},
		{" \t\r\n", ``},
		{`a = 1`, `a = 1`},
		{`a=1`, `a = 1`},
		{" a\n=\t1 ", `a = 1`},
		{`a != 1`, `a != 1`},
		{`a<1`, `a < 1`},
		{`a <= -1`, `a <= -1`},
		{`a>-1`, `a > -1`},
		{`a >= 0.5`, `a >= 0.5`},
		{`a:1`, `a = 1`},
		{`a : "x"`, `a:"x"`},
		{`a:null`, `a = null`},
		{`a:*`, `a:*`},
		{`a : *`, `a:*`},
		{`a = 1e3`, `a = 1000`},
		{`a = 1.50`, `a = 1.5`},
		{`a = 1e21`, `a = 1e+21`},
		{`a = 2.5E-7`, `a = 2.5e-07`},
		{`a = -0.0`, `a = 0`},
		{`a = 9223372036854775807 AND a = -9223372036854775808`, `a = 9223372036854775807 AND a = -9223372036854775808`},
		{`a = true AND b != false AND c = null`, `a = true AND b != false AND c = null`},
		{`essential`, `essential = true`},
		{`NOT essential`, `NOT essential = true`},
		{`-essential`, `NOT essential = true`},
		{`-a = 1`, `NOT a = 1`},
		{`-a = -1`, `NOT a = -1`},
		{`a-b = 1`, `a-b = 1`},
		{`a -b = 1`, `a = true AND NOT b = 1`},
		{`(a )`, `a = true`},
		{`( a = 1 )`, `a = 1`},
		{`((a = 1))`, `a = 1`},
		{`-(a = 42)`, `NOT a = 42`},
		{`NOT(a = 1)`, `NOT a = 1`},
		{`NOT (NOT a = 1)`, `NOT (NOT a = 1)`},
		{`NOT (a = 1 AND b = 2)`, `NOT (a = 1 AND b = 2)`},
		// OR binds tighter, and side by side is AND.
		{`a = 1 AND b = 2 OR c = 3`, `a = 1 AND (b = 2 OR c = 3)`},
		{`a = 1 OR b = 2 AND c = 3`, `(a = 1 OR b = 2) AND c = 3`},
		{`(a = 1 AND b = 2) OR c = 3`, `(a = 1 AND b = 2) OR c = 3`},
		{`a = 1 b = 2 OR c = 3 AND d = 4`, `a = 1 AND (b = 2 OR c = 3) AND d = 4`},
		{`NOT a = 1 OR b = 2`, `NOT a = 1 OR b = 2`},
		{`a = 1 AND (b = 2 AND c = 3)`, `a = 1 AND b = 2 AND c = 3`},
		{`(a = 1)AND(b = 2)`, `a = 1 AND b = 2`},
		{`a OR b`, `a = true OR b = true`},
		{`a = (1 OR 2)`, `a = 1 OR a = 2`},
		{`a != (1 AND 2)`, `a != 1 AND a != 2`},
		{`a = (NOT "x" AND -"y" "z*" OR -5)`, `NOT a = "x" AND NOT a = "y" AND (a = "z*" OR a = -5)`},
		{`a = ("x")`, `a = "x"`},
		{`a:("x" OR "y")`, `a:"x" OR a:"y"`},
		// Fields.
		{`author.name = "Jane"`, `author.name = "Jane"`},
		{`"first name" = 1`, `"first name" = 1`},
		{`'a'.'b' = 1`, `a.b = 1`},
		{`labels."a.b" = 1`, `labels."a.b" = 1`},
		{`by.2026 = 1`, `by."2026" = 1`},
		{`by.2026.5 = 1`, `by."2026"."5" = 1`},
		{`a.NOT = 1`, `a."NOT" = 1`},
		{`"AND" = 1 AND "true" = true`, `"AND" = 1 AND "true" = true`},
		{`in = 5 AND empty = 6 AND timestamp = 7`, `in = 5 AND empty = 6 AND timestamp = 7`},
		{`größe = 1`, `größe = 1`},
		{`ANDROID = 1 AND NOTE = 2 OR ORDER = 3`, `ANDROID = 1 AND (NOTE = 2 OR ORDER = 3)`},
		// Strings.
		{`a = 'it"s'`, `a = "it\"s"`},
		{`a = "it's"`, `a = "it's"`},
		{`a = "\"\'\\\*\n\r\t\u00e9"`, `a = "\"'\\\*\n\r\té"`},
		{`a = "\u0000"`, `a = "\u0000"`},
		{`a = ""`, `a = ""`},
		{`a = "lib*"`, `a = "lib*"`},
		{`a = "*ing"`, `a = "*ing"`},
		{`a = "*or*"`, `a = "*or*"`},
		{`a = "*"`, `a = "*"`},
		{`a = "\*"`, `a = "\*"`},
		{`a = "*\*"`, `a = "*\*"`},
		{`a:"lib*"`, `a = "lib*"`},
		{`a != "lib*"`, `a:* AND NOT a = "lib*"`},
		{`a < "\*"`, `a < "\*"`},
		// Functions.
		{`in(id, "a", 'b')`, `in(id, "a", "b")`},
		{`in (id,"a")`, `in(id, "a")`},
		{`in( a.b , 1 , 2.5 , null , true , "\*" )`, `in(a.b, 1, 2.5, null, true, "\*")`},
		{`in(a)`, `in(a)`},
		{`empty(a.b)`, `empty(a.b)`},
		{`-empty ( a )`, `NOT empty(a)`},
		{`a > timestamp("2026-05-01T02:00:00.50+02:00")`, `a > timestamp("2026-05-01T00:00:00.5Z")`},
		{`in(a, timestamp ( '0001-01-01T00:00:00Z' ))`, `in(a, timestamp("0001-01-01T00:00:00Z"))`},
	} {
		e, err := Parse(tt.text)
		if err != nil || e.String() != tt.want {
			t.Errorf("%s is read as %s, %v, want %s", tt.text, e, err, tt.want)
			continue
		}
		if again, err := Parse(e.String()); err != nil || !again.Equal(e) {
			t.Errorf("%s is printed as %s and read as %s, %v", tt.text, e, again, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`section = "games" AND size_kb < 500 AND NOT essential`, `-(a:* OR b."c d" != '\u00e9*')`, `in(id, "a", 1, null)`,
		`a = (1 OR NOT "x")`, `t > timestamp("2026-05-01T00:00:00.5+02:00")`, `a:"x" empty(b)`, `a = 1e-7`,
	} {
		f.Add(seed, `{"a":[1,"x"],"b":{"c d":null},"section":"games"}`)
	}
	f.Fuzz(func(t *testing.T, text, metadata string) {
		e, err := Parse(text)
		if err != nil {
			fault := err.(*Error) //nolint:errorlint // Parse says that it is one
			if fault.Column < 1 || fault.Column > len([]rune(text))+1 || fault.Reason == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		printed := e.String()
		if len(printed) <= MaxPlainBytes {
			if again, err := Parse(printed); err != nil || !again.Equal(e) {
				t.Fatalf("%q is printed as %s and read as %s, %v", text, printed, again, err)
			}
		}
		if again, err := Parse(text); err != nil || !again.Equal(e) {
			t.Fatalf("%q is read in two ways", text)
		}
		normal := e.Normalize()
		if again := normal.Normalize(); !again.Equal(normal) {
			t.Fatalf("%q: %s is normalized to %s", text, normal, again)
		}
		want, err := e.Match(nil, "x", []byte(metadata))
		if err != nil {
			return
		}
		if got, err := normal.Match(nil, "x", []byte(metadata)); err != nil || got != want {
			t.Fatalf("%s: %s is %t, and its form %s %t, %v", metadata, e, want, normal, got, err)
		}
		if got, err := Not(e).Match(nil, "x", []byte(metadata)); err != nil || got == want {
			t.Fatalf("%s matches %s: %t, and NOT of it too", metadata, e, want)
		}
	})
}
