// Package show prints the results of commands, for people and for programs, and their
// progress.
package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// Format is the value of --format.
type Format string

// The formats of results: for people and for programs.
const (
	Table Format = "table"
	JSON  Format = "json"
)

// String, Set and Type make a Format a flag.
func (f *Format) String() string { return string(*f) }

// Set takes table or json.
func (f *Format) Set(s string) error {
	if s != string(Table) && s != string(JSON) {
		return fmt.Errorf("found %q, want table or json", s)
	}
	*f = Format(s)
	return nil
}

// Type names the value in help texts.
func (f *Format) Type() string { return "table|json" }

// Output prints a command's results.
type Output struct {
	W    io.Writer
	JSON bool
	// Width is how many characters fit on a line, 0 for any number.
	Width int
}

// NewOutput returns an Output that knows how wide a terminal is.
func NewOutput(w io.Writer, json bool) Output {
	o := Output{W: w, JSON: json}
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			o.Width = width
		}
	}
	return o
}

// Object prints v as JSON on a line of its own.
func (o Output) Object(v any) error {
	enc := json.NewEncoder(o.W)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Printf prints text for people.
func (o Output) Printf(format string, args ...any) error {
	_, err := fmt.Fprintf(o.W, format, args...)
	return err
}

// Table prints rows under a header (nil: none), the last column cut so that a
// line fits the terminal.
func (o Output) Table(header []string, rows [][]string) error {
	return o.columns(header, rows, 0)
}

// Numbers prints rows of numbers under a header, aligned to the right.
func (o Output) Numbers(header []string, rows [][]string) error {
	return o.columns(header, rows, tabwriter.AlignRight)
}

func (o Output) columns(header []string, rows [][]string, align uint) error {
	if header != nil {
		rows = append([][]string{header}, rows...)
	}
	rows = fit(rows, o.Width)
	tw := tabwriter.NewWriter(o.W, 0, 0, columnGap, ' ', align)
	for _, row := range rows {
		line := strings.Join(row, "\t")
		if align == tabwriter.AlignRight {
			line += "\t" // a cell is aligned only when a tab ends it
		}
		if _, err := fmt.Fprintln(tw, line); err != nil {
			return err
		}
	}
	return tw.Flush()
}

const (
	columnGap = 2
	// minLastColumn is the least width of the last column, however narrow the terminal is.
	minLastColumn = 16
)

// fit returns rows with the last column cut so that a line has at most width characters;
// width 0 cuts nothing.
func fit(rows [][]string, width int) [][]string {
	if width == 0 || len(rows) == 0 {
		return rows
	}
	last := len(rows[0]) - 1
	room := width
	for column := range last {
		widest := 0
		for _, row := range rows {
			widest = max(widest, utf8.RuneCountInString(row[column]))
		}
		room -= widest + columnGap
	}
	room = max(room, minLastColumn)
	cut := make([][]string, len(rows))
	for i, row := range rows {
		cut[i] = slices.Clone(row)
		cut[i][last] = Shorten(row[last], room)
	}
	return cut
}

// Shorten returns s, or its first n-1 characters and an ellipsis when it has
// more than n.
func Shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// Printable returns s as it is when a terminal can show it, quoted otherwise: ids
// and metadata come from outside and may hold escape sequences.
func Printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	return s
}

// PrintableJSON returns metadata on one line.
func PrintableJSON(metadata []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, metadata); err != nil {
		return Printable(string(metadata))
	}
	return Printable(b.String())
}

// Bytes returns n with a unit, such as "14.6 MiB".
func Bytes(n uint64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	x, units := float64(n)/(1<<10), "KMGTPE"
	for x >= 1<<10 && len(units) > 1 {
		x, units = x/(1<<10), units[1:]
	}
	return fmt.Sprintf("%.1f %ciB", x, units[0])
}

// Ints returns "256,512,768".
func Ints(values []int) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = strconv.Itoa(v)
	}
	return strings.Join(parts, ",")
}

// OrNone returns a setting as text, "none" for 0.
func OrNone(x float64) string {
	if x == 0 {
		return "-"
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// Mean returns a mean of counts as text, without decimals if it is whole.
func Mean(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }
