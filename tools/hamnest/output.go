package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// outputFormat is the value of --format.
type outputFormat string

const (
	formatTable outputFormat = "table"
	formatJSON  outputFormat = "json"
)

// String, Set and Type make an outputFormat a flag.
func (f *outputFormat) String() string { return string(*f) }

// Set takes table or json.
func (f *outputFormat) Set(s string) error {
	if s != string(formatTable) && s != string(formatJSON) {
		return fmt.Errorf("found %q, want table or json", s)
	}
	*f = outputFormat(s)
	return nil
}

// Type names the value in help texts.
func (f *outputFormat) Type() string { return "table|json" }

// output prints a command's results.
type output struct {
	w    io.Writer
	json bool
	// width is how many characters fit on a line, 0 for any number.
	width int
}

func newOutput(cmd *cobra.Command, format *outputFormat) output {
	o := output{w: cmd.OutOrStdout(), json: *format == formatJSON}
	if f, ok := o.w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			o.width = width
		}
	}
	return o
}

// object prints v as JSON on a line of its own.
func (o output) object(v any) error {
	enc := json.NewEncoder(o.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printf prints text for people.
func (o output) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(o.w, format, args...)
	return err
}

// table prints rows under a header (nil: none), the last column cut so that a
// line fits the terminal.
func (o output) table(header []string, rows [][]string) error {
	return o.columns(header, rows, 0)
}

// numbers prints rows of numbers under a header, aligned to the right.
func (o output) numbers(header []string, rows [][]string) error {
	return o.columns(header, rows, tabwriter.AlignRight)
}

func (o output) columns(header []string, rows [][]string, align uint) error {
	if header != nil {
		rows = append([][]string{header}, rows...)
	}
	rows = fit(rows, o.width)
	tw := tabwriter.NewWriter(o.w, 0, 0, columnGap, ' ', align)
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
	// minLastColumn is kept of the last column however narrow the terminal is.
	minLastColumn = 16
)

// fit returns rows with the last column cut to what a line of width characters
// leaves for it; width 0 cuts nothing.
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
		cut[i][last] = shorten(row[last], room)
	}
	return cut
}

// shorten returns s, or its first n-1 characters and an ellipsis when it has
// more than n.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// printable returns s as it is when a terminal can show it, quoted otherwise: ids
// and metadata come from outside and may hold escape sequences.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	return s
}

// printableJSON returns metadata on one line.
func printableJSON(metadata []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, metadata); err != nil {
		return printable(string(metadata))
	}
	return printable(b.String())
}

// byteCount returns n with a unit, such as "14.6 MiB".
func byteCount(n uint64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	x, units := float64(n)/(1<<10), "KMGTPE"
	for x >= 1<<10 && len(units) > 1 {
		x, units = x/(1<<10), units[1:]
	}
	return fmt.Sprintf("%.1f %ciB", x, units[0])
}

// joinInts returns "256,512,768".
func joinInts(values []int) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = strconv.Itoa(v)
	}
	return strings.Join(parts, ",")
}
