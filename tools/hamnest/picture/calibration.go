// Package picture draws what calibrate has measured.
package picture

import (
	"bytes"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strconv"

	"github.com/hamnest/hamnest/index"
)

// Format returns the extension of a picture's file, or an error if no picture has it. It is
// empty for no file.
func Format(name string) (string, error) {
	switch ext := filepath.Ext(name); {
	case name == "", ext == ".svg", ext == ".html":
		return ext, nil
	default:
		return "", fmt.Errorf("--plot %s: the extension is %q, want .svg or .html", name, ext)
	}
}

// Calibration writes a picture of recall against time and bytes, with a line for the
// prefixes and one for the target recalls of whole queries. The page of an .html file has
// the table of the settings too.
func Calibration(name, collection string, c *index.Calibration, table [][]string) error {
	title := fmt.Sprintf("%s: %d vectors, %d queries", collection, c.Rows, c.Queries)
	picture := svg(title, []chart{
		chartOf(c, "microseconds a query", func(s index.Setting) float64 { return s.Microseconds }),
		chartOf(c, "kilobytes read a query", func(s index.Setting) float64 { return s.Bytes / 1000 }),
	})
	if filepath.Ext(name) == ".html" {
		var page bytes.Buffer
		if err := plotPage.Execute(&page, plotPageData{collection, c, table, template.HTML(picture)}); err != nil {
			return fmt.Errorf("--plot %s: %w", name, err)
		}
		picture = page.Bytes()
	}
	if err := os.WriteFile(name, picture, 0o644); err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	return nil
}

// chartOf returns a chart of recall against a cost.
func chartOf(c *index.Calibration, label string, cost func(index.Setting) float64) chart {
	drawn := chart{xLabel: label, yLabel: fmt.Sprintf("recall@%d", c.K)}
	for _, plotted := range plottedLines(c) {
		l := line{name: plotted.name}
		for _, s := range plotted.settings {
			l.points = append(l.points, point{cost(s), s.Recall, plotted.label(s)})
		}
		drawn.lines = append(drawn.lines, l)
	}
	return drawn
}

// plottedLine is a list of settings that differ in one thing, which labels each of them.
type plottedLine struct {
	name     string
	settings []index.Setting
	label    func(index.Setting) string
}

// plottedLines returns a line for the prefixes at the default target recall, and one for the
// target recalls of whole queries. It leaves out a line of one point.
func plottedLines(c *index.Calibration) []plottedLine {
	last := c.Settings[len(c.Settings)-1]
	prefixes := plottedLine{name: "queries cut to this many dimensions", label: func(s index.Setting) string { return strconv.Itoa(s.Dims) }}
	targets := plottedLine{name: "whole queries at this target recall", label: func(s index.Setting) string {
		if s == last { // the other line has it too
			return ""
		}
		return strconv.FormatFloat(s.TargetRecall, 'g', -1, 64)
	}}
	for _, s := range c.Settings {
		if s.TargetRecall == last.TargetRecall {
			prefixes.settings = append(prefixes.settings, s)
		}
		if s.Dims == last.Dims {
			targets.settings = append(targets.settings, s)
		}
	}
	if len(targets.settings) == 1 {
		return []plottedLine{prefixes}
	}
	return []plottedLine{prefixes, targets}
}

type plotPageData struct {
	Collection  string
	Calibration *index.Calibration
	Table       [][]string
	Picture     template.HTML // made by this package, so it is safe
}

var plotPage = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Recall of {{.Collection}}</title>
<style>
body { font-family: sans-serif; margin: 2em }
svg { max-width: 100%; height: auto }
table { border-collapse: collapse }
td, th { padding: 0.1em 0.7em; text-align: right }
</style>
<h1>{{.Collection}}</h1>
{{with .Calibration}}<p>recall@{{.K}} of {{.Queries}} {{.Source}} queries over {{.Rows}} vectors, profile {{.Profile}}
({{.Fingerprint}}), kernel {{.Kernel}}</p>{{end}}
{{.Picture}}
<table>
<tr><th>dims<th>target recall<th>recall<th>recall at the prefix<th>vectors read<th>microseconds<th>bytes</tr>
{{range .Table}}<tr>{{range .}}<td>{{.}}{{end}}</tr>
{{end}}</table>
</html>
`))
