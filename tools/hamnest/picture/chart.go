package picture

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// chart is lines over a cost (x) and a share up to 1 (y).
type chart struct {
	xLabel, yLabel string
	lines          []line
}

// line is a list of points, joined from left to right.
type line struct {
	name   string
	points []point
}

// point is a place on a line, and its label.
type point struct {
	x, y  float64
	label string
}

// Sizes are in pixels, as an SVG has them.
const (
	chartWidth, chartHeight            = 440, 380
	marginLeft, marginRight, marginTop = 70, 20, 40
	marginBottom                       = 50
	lineHeight                         = 16
	labelGap                           = 5
	plotLeft, plotTop                  = marginLeft, marginTop
	plotRight, plotBottom              = chartWidth - marginRight, chartHeight - marginBottom
	wantedTicks                        = 5
	roomForLastLabel                   = 0.1 // of the width
)

// colours tell the lines apart, for people who see fewer colours too (Okabe and Ito, 2008).
var colours = []string{"#0072b2", "#d55e00", "#009e73"}

// svg returns a picture of charts side by side under a title. All charts have the same lines, so
// only the first has a legend.
func svg(title string, charts []chart) []byte {
	var b bytes.Buffer
	width := len(charts) * chartWidth
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", width, chartHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, chartHeight)
	text(&b, float64(width)/2, 20, "middle", title)
	for i, c := range charts {
		fmt.Fprintf(&b, `<g transform="translate(%d 0)">`+"\n", i*chartWidth)
		c.draw(&b, i == 0)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// draw draws one chart, with a legend if names is set.
func (c chart) draw(b *bytes.Buffer, names bool) {
	x, y := c.scales()
	for _, tick := range x.ticks() {
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ddd"/>`+"\n", x.at(tick), plotTop, plotBottom)
		text(b, x.at(tick), plotBottom+lineHeight, "middle", number(tick))
	}
	for _, tick := range y.ticks() {
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/>`+"\n", plotLeft, y.at(tick), plotRight)
		text(b, plotLeft-labelGap, y.at(tick)+4, "end", number(tick))
	}
	fmt.Fprintf(b, `<path d="M%d %dV%dH%d" stroke="black" fill="none"/>`+"\n", plotLeft, plotTop, plotBottom, plotRight)
	text(b, (plotLeft+plotRight)/2, chartHeight-12, "middle", c.xLabel)
	fmt.Fprintf(b, `<g transform="translate(16 %d) rotate(-90)">`, (plotTop+plotBottom)/2)
	text(b, 0, 0, "middle", c.yLabel)
	b.WriteString("</g>\n")
	for i, l := range c.lines {
		colour := colours[i%len(colours)]
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" points="`, colour)
		for _, p := range l.points {
			fmt.Fprintf(b, "%.1f,%.1f ", x.at(p.x), y.at(p.y))
		}
		b.WriteString("\"/>\n")
		for _, p := range l.points {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>`+"\n", x.at(p.x), y.at(p.y), colour)
			text(b, x.at(p.x)+labelGap, y.at(p.y)+lineHeight-2, "start", p.label)
		}
		if names {
			row := float64(plotBottom - 10 - lineHeight*(len(c.lines)-1-i))
			fmt.Fprintf(b, `<circle cx="%d" cy="%.1f" r="4" fill="%s"/>`+"\n", plotRight-230, row-4, colour)
			text(b, plotRight-220, row, "start", l.name)
		}
	}
}

// scales returns the scales on which all points fit.
func (c chart) scales() (x, y scale) {
	var xs, ys []float64
	for _, l := range c.lines {
		for _, p := range l.points {
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	room := roomForLastLabel * (slices.Max(xs) - slices.Min(xs))
	x = scale{slices.Min(xs), slices.Max(xs) + room, plotLeft, plotRight}
	y = scale{slices.Min(ys), 1, plotBottom, plotTop}
	return x.widened(), y.widened()
}

// scale maps values low to high onto the pixels from to to.
type scale struct{ low, high, from, to float64 }

// widened returns the scale, made wider if all values are equal.
func (s scale) widened() scale {
	if s.high <= s.low {
		s.low, s.high = s.low-max(math.Abs(s.low), 1)/100, s.low+max(math.Abs(s.low), 1)/100
	}
	return s
}

func (s scale) at(v float64) float64 {
	return s.from + (v-s.low)/(s.high-s.low)*(s.to-s.from)
}

// ticks returns about wantedTicks round values.
func (s scale) ticks() []float64 {
	rough := (s.high - s.low) / wantedTicks
	step := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, multiple := range []float64{2, 2.5, 2} { // 1, 2, 5, 10 times a power of ten
		if step < rough {
			step *= multiple
		}
	}
	var ticks []float64
	for i := math.Ceil(s.low / step); i*step <= s.high; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

// number formats a value without rounding noise.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// text writes s at a place; anchor says whether that is its start, middle or end.
func text(b *bytes.Buffer, x, y float64, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">`, x, y, anchor)
	_ = xml.EscapeText(b, []byte(s)) // a Buffer never fails
	b.WriteString("</text>\n")
}
