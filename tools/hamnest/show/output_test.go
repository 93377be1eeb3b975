package show

import (
	"bytes"
	"testing"
)

func TestTableIsCutToTheTerminal(t *testing.T) {
	rows := [][]string{{"1", "short"}, {"22", "a text that is much longer than the line"}}
	for _, tt := range []struct {
		name  string
		width int
		want  string
	}{
		{"no terminal", 0, "N   TEXT\n1   short\n22  a text that is much longer than the line\n"},
		{"a narrow one", 24, "N   TEXT\n1   short\n22  a text that is much…\n"},
		{"one that is wide enough", 44, "N   TEXT\n1   short\n22  a text that is much longer than the line\n"},
		{"one too narrow for anything", 3, "N   TEXT\n1   short\n22  a text that is …\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := (Output{W: &b, Width: tt.width}).Table([]string{"N", "TEXT"}, rows); err != nil {
				t.Fatal(err)
			}
			if b.String() != tt.want {
				t.Errorf("table is\n%swant\n%s", b.String(), tt.want)
			}
		})
	}
}

func TestNumbersAreAlignedToTheRight(t *testing.T) {
	var b bytes.Buffer
	if err := (Output{W: &b}).Numbers([]string{"n", "value"}, [][]string{{"100", "1"}, {"2", "30"}}); err != nil {
		t.Fatal(err)
	}
	if want := "    n  value\n  100      1\n    2     30\n"; b.String() != want {
		t.Errorf("table is\n%swant\n%s", b.String(), want)
	}
}

func TestTextFromOutsideCannotDriveTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, ü 日本": "plain text, ü 日本",
		"\x1b[2J":          `"\x1b[2J"`,
		"a\nb":             `"a\nb"`,
		"\u202eabc":        `"\u202eabc"`,
		"\xff":             `"\xff"`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) is %s, want %s", in, got, want)
		}
	}
	if got := PrintableJSON([]byte("{\n  \"a\":\t1\n}")); got != `{"a":1}` {
		t.Errorf("metadata over three lines prints as %s", got)
	}
}

func TestByteCountsCarryTheirUnit(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 64 << 20: "64.0 MiB", 1 << 40: "1.0 TiB", 1<<64 - 1: "16.0 EiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d bytes print as %s, want %s", n, got, want)
		}
	}
}
