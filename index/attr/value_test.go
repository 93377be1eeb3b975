package attr

import (
	"math"
	"testing"
	"time"
)

// num is a number as JSON writes it.
func num(t *testing.T, text string) Value {
	t.Helper()
	v, err := ParseNumber(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func stamp(t *testing.T, text string) Value {
	t.Helper()
	v, ok := ParseTime(text)
	if !ok {
		t.Fatalf("ParseTime(%q) found no timestamp", text)
	}
	return v
}

func TestNumbersHaveOneForm(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Value
	}{
		{"1", IntValue(1)},
		{"1.0", IntValue(1)},
		{"10e-1", IntValue(1)},
		{"-0.0", IntValue(0)},
		{"9223372036854775807", IntValue(math.MaxInt64)},
		{"-9223372036854775808", IntValue(math.MinInt64)},
		{"-9.223372036854775808e18", IntValue(math.MinInt64)},
		{"9007199254740993", IntValue(9007199254740993)},
		{"1e-400", IntValue(0)},
	} {
		if got := num(t, tt.text); !got.Equal(tt.want) {
			t.Errorf("%s is the %s %d, want the int %d", tt.text, got.Kind(), got.Int(), tt.want.Int())
		}
	}
	for _, text := range []string{"0.5", "9.223372036854775808e18", "-9.3e18", "1e300"} {
		if got := num(t, text); got.Kind() != Float {
			t.Errorf("%s is of kind %s, want float", text, got.Kind())
		}
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "found , want a number such as 42, -0.5 or 2.5e9"},
		{"01", "found 01, want a number such as 42, -0.5 or 2.5e9"},
		{".5", "found .5, want a number such as 42, -0.5 or 2.5e9"},
		{"5.", "found 5., want a number such as 42, -0.5 or 2.5e9"},
		{"NaN", "found NaN, want a number such as 42, -0.5 or 2.5e9"},
		{"9223372036854775808", "found 9223372036854775808, want an integer from -2^63 to 2^63-1"},
		{"1e309", "found 1e309, want a number that a float64 can hold"},
	} {
		if v, err := ParseNumber(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("ParseNumber(%q) = %v, %v, want %s", tt.text, v, err, tt.want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, ok := FloatValue(f); ok {
			t.Errorf("FloatValue(%v) is a value", f)
		}
	}
}

func TestComparisonIsByType(t *testing.T) {
	const none = 2
	for _, tt := range []struct {
		name string
		a, b Value
		want int
	}{
		{"int and int", IntValue(1), IntValue(2), -1},
		{"an int below a float", IntValue(1), num(t, "1.5"), -1},
		{"an int above a float", IntValue(2), num(t, "1.5"), 1},
		{"a negative int above a float", IntValue(-1), num(t, "-1.5"), 1},
		{"no rounding of ints", IntValue(math.MaxInt64), num(t, "9223372036854775808.0"), -1},
		{"the least int", IntValue(math.MinInt64), num(t, "-9.3e18"), 1},
		{"ints that have one float64", IntValue(9007199254740993), IntValue(9007199254740992), 1},
		{"float and float", num(t, "0.25"), num(t, "0.5"), -1},
		{"strings by bytes", StringValue("Z"), StringValue("a"), -1},
		{"strings past ASCII", StringValue("é"), StringValue("z"), 1},
		{"a prefix is less", StringValue("lib"), StringValue("libc"), -1},
		{"false is less", BoolValue(false), BoolValue(true), -1},
		{"null is null", NullValue(), NullValue(), 0},
		{"timestamps as instants", stamp(t, "2026-05-01T02:00:00+02:00"), stamp(t, "2026-05-01T00:00:00Z"), 0},
		{"timestamps to the nanosecond", stamp(t, "2026-05-01T00:00:00.000000001Z"), stamp(t, "2026-05-01T00:00:00Z"), 1},
		{"timestamps before 1970", stamp(t, "1969-12-31T23:59:59.5Z"), stamp(t, "1969-12-31T23:59:59.25Z"), 1},
		{"a string that spells a timestamp", StringValue("2026-05-01T02:00:00+02:00"), stamp(t, "2026-05-01T00:00:00Z"), 0},
		{"a string that spells none", StringValue("2026-05-01"), stamp(t, "2026-05-01T00:00:00Z"), none},
		{"two strings are no timestamps", StringValue("2026-05-01T02:00:00+02:00"), StringValue("2026-05-01T00:00:00Z"), 1},
		{"number and string", IntValue(1), StringValue("1"), none},
		{"bool and number", BoolValue(true), IntValue(1), none},
		{"null and bool", NullValue(), BoolValue(false), none},
		{"absent and absent", Value{}, Value{}, none},
		{"lists", ListValue(), ListValue(), none},
	} {
		for _, turned := range []bool{false, true} {
			a, b, want := tt.a, tt.b, tt.want
			if turned {
				a, b = b, a
				if want != none {
					want = -want
				}
			}
			got, ok := Compare(a, b)
			if !ok {
				got = none
			}
			if got != want {
				t.Errorf("%s (turned %t): %d, want %d", tt.name, turned, got, want)
			}
		}
	}
}

func TestTimestampsAreThoseOfRFC3339(t *testing.T) {
	for _, text := range []string{
		"2026-05-01T12:00:00Z", "2026-05-01T12:00:00.123456789Z", "2026-05-01T12:00:00-11:30",
		"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
	} {
		want, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := stamp(t, text).Time(); !got.Equal(want) {
			t.Errorf("%s is %v", text, got)
		}
	}
	for _, text := range []string{
		"", "2026-05-01", "2026-05-01 12:00:00Z", "2026-05-01T12:00:00", "2026-05-01T12:00Z", "2026-5-1T12:00:00Z",
		"2026-05-01t12:00:00z", "2026-05-01T1:00:00.5Z", "2026-05-01T12:00:00+0200", "2026-05-01T12:00:00+01:60", "2026-05-01T12:00:00,5Z", "2026-02-30T12:00:00Z", "2026-05-01T24:00:00Z", "2026-05-01T12:00:60Z",
		"2026-05-01T12:00:00+24:00", "0000-12-31T23:59:59Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "10000-01-01T00:00:00Z",
	} {
		if v, ok := ParseTime(text); ok {
			t.Errorf("ParseTime(%q) = %v, want none", text, v.Time())
		}
	}
}
