// Package picture draws what calibrate has measured.
package picture

import (
	"bytes"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/hamnest/hamnest/index"
)

// Format returns the extension of a picture's file, which must be one that can be
// written; empty for no file.
func Format(name string) (string, error) {
	switch ext := filepath.Ext(name); {
	case name == "", ext == ".svg", ext == ".html":
		return ext, nil
	default:
		return "", fmt.Errorf("--plot %s: the extension is %q, want .svg or .html", name, ext)
	}
}

const (
	plotWidth, plotHeight = 24 * vg.Centimeter, 11 * vg.Centimeter
	// labelGap is between a point and what is written beside it.
	labelGap = 1 * vg.Millimeter
)

// Calibration writes a picture of recall against time and bytes, with a line for the
// prefixes and one for the target recalls of whole queries.
func Calibration(name, collection string, c *index.Calibration, table [][]string) error {
	time, err := newPlot(c, "microseconds a query", func(s index.Setting) float64 { return s.Microseconds })
	if err != nil {
		return err
	}
	size, err := newPlot(c, "kilobytes read a query", func(s index.Setting) float64 { return s.Bytes / 1000 })
	if err != nil {
		return err
	}
	size.Legend = plot.NewLegend() // the same
	time.Title.Text = fmt.Sprintf("%s: %d vectors, %d queries", collection, c.Rows, c.Queries)
	canvas := vgsvg.New(plotWidth, plotHeight)
	tiles := draw.Tiles{Rows: 1, Cols: 2, PadX: vg.Centimeter, PadTop: vg.Millimeter, PadBottom: vg.Millimeter, PadRight: vg.Millimeter}
	plots := [][]*plot.Plot{{time, size}}
	for i, part := range plot.Align(plots, tiles, draw.New(canvas))[0] {
		plots[0][i].Draw(part)
	}
	var picture bytes.Buffer
	if _, err := canvas.WriteTo(&picture); err != nil {
		return fmt.Errorf("--plot %s: %w", name, err)
	}
	if filepath.Ext(name) == ".html" {
		var page bytes.Buffer
		if err := plotPage.Execute(&page, plotPageData{collection, c, table, template.HTML(withoutProlog(picture.Bytes()))}); err != nil {
			return fmt.Errorf("--plot %s: %w", name, err)
		}
		picture = page
	}
	if err := os.WriteFile(name, picture.Bytes(), 0o644); err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	return nil
}

// newPlot draws recall against what cost says.
func newPlot(c *index.Calibration, label string, cost func(index.Setting) float64) (*plot.Plot, error) {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = label, fmt.Sprintf("recall@%d", c.K)
	p.Y.Max = 1
	p.Add(plotter.NewGrid())
	for i, line := range plottedLines(c) {
		points := make(plotter.XYs, len(line.settings))
		labels := make([]string, len(points))
		for j, s := range line.settings {
			points[j] = plotter.XY{X: cost(s), Y: s.Recall}
			labels[j] = line.label(s)
		}
		drawn, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, fmt.Errorf("--plot: %w", err)
		}
		drawn.Color, marks.Color = plotutil.Color(i), plotutil.Color(i)
		marks.Shape, marks.Radius = plotutil.Shape(i), vg.Points(2)
		names, err := plotter.NewLabels(plotter.XYLabels{XYs: points, Labels: labels})
		if err != nil {
			return nil, fmt.Errorf("--plot: %w", err)
		}
		names.Offset = vg.Point{X: labelGap, Y: -3 * labelGap}
		p.Add(drawn, marks, names)
		p.Legend.Add(line.name, drawn, marks)
	}
	p.X.Max += (p.X.Max - p.X.Min) / 10 // for what is written beside the last point
	return p, nil
}

// plottedLine is settings of which one thing differs, which is written beside each.
type plottedLine struct {
	name     string
	settings []index.Setting
	label    func(index.Setting) string
}

// plottedLines are the prefixes at the default target recall, and the target recalls of
// whole queries. A line of one point is none.
func plottedLines(c *index.Calibration) []plottedLine {
	last := c.Settings[len(c.Settings)-1]
	prefixes := plottedLine{name: "queries of so many dimensions", label: func(s index.Setting) string { return strconv.Itoa(s.Dims) }}
	targets := plottedLine{name: "target recalls of whole queries", label: func(s index.Setting) string {
		if s == last { // which the other line has too
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

// withoutProlog returns the picture from its svg element on, as a page holds it.
func withoutProlog(svg []byte) string {
	return string(svg[max(0, bytes.Index(svg, []byte("<svg"))):])
}

type plotPageData struct {
	Collection  string
	Calibration *index.Calibration
	Table       [][]string
	Picture     template.HTML // of our own making
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
