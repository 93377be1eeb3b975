package main

import (
	"bytes"
	"fmt"
	"html/template"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/hamnest/hamnest/index"
)

// plotFormat returns the extension of a picture's file, which must be one that can be
// written; empty for no file.
func plotFormat(name string) (string, error) {
	switch ext := filepath.Ext(name); {
	case name == "", ext == ".svg", ext == ".html":
		return ext, nil
	default:
		return "", fmt.Errorf("--plot %s: the extension is %q, want .svg or .html", name, ext)
	}
}

const (
	plotWidth, plotHeight = 24 * vg.Centimeter, 11 * vg.Centimeter
	// leastPlotted is the lowest recall in the picture: what nobody wants would leave
	// little room for what people choose from.
	leastPlotted = 0.7
)

// plotCalibration writes a picture of recall against time and bytes, with a line for each
// prefix of each profile.
func plotCalibration(name, collection string, c *index.Calibration) error {
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
		if err := plotPage.Execute(&page, plotPageData{collection, c, template.HTML(withoutProlog(picture.Bytes()))}); err != nil {
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
	p.Y.Min, p.Y.Max = leastPlotted, 1
	p.Add(plotter.NewGrid())
	lines := 0 // colours and shapes given out
	for _, profile := range profilesOf(c) {
		byDims := make(map[int]plotter.XYs)
		var steps []int
		for _, s := range profile.Settings {
			if s.Recall < leastPlotted {
				continue
			}
			if byDims[s.Dims] == nil {
				steps = append(steps, s.Dims)
			}
			byDims[s.Dims] = append(byDims[s.Dims], plotter.XY{X: cost(s), Y: s.Recall})
		}
		for _, dims := range steps {
			line, points, err := plotter.NewLinePoints(byDims[dims])
			if err != nil {
				return nil, fmt.Errorf("--plot: %w", err)
			}
			line.Color, points.Color = plotutil.Color(lines), plotutil.Color(lines)
			points.Shape, points.Radius = plotutil.Shape(lines), vg.Points(2)
			p.Add(line, points)
			p.Legend.Add(fmt.Sprintf("%s, %d dims", profile.Profile, dims), line, points)
			lines++
		}
	}
	return p, nil
}

// withoutProlog returns the picture from its svg element on, as a page holds it.
func withoutProlog(svg []byte) string {
	return string(svg[max(0, bytes.Index(svg, []byte("<svg"))):])
}

type plotPageData struct {
	Collection  string
	Calibration *index.Calibration
	Picture     template.HTML // of our own making
}

var plotPage = template.Must(template.New("page").Funcs(template.FuncMap{"cells": settingCells}).Parse(`<!DOCTYPE html>
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
({{.Fingerprint}}), kernel {{.Kernel}}, {{.Created.Format "2006-01-02 15:04:05"}}</p>{{end}}
{{.Picture}}
<table>
<tr><th>dims<th>scan bits<th>candidates<th>rescored at most<th>bound<th>recall<th>vectors read<th>microseconds<th>bytes</tr>
{{range .Calibration.Settings}}<tr>{{range cells .}}<td>{{.}}{{end}}</tr>
{{end}}</table>
</html>
`))
