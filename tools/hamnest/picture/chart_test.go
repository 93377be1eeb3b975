package picture

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestTicksAreRoundAndWithinTheScale(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		want      []float64
	}{
		{0, 10, []float64{0, 2, 4, 6, 8, 10}},
		{0.9, 1, []float64{0.9, 0.92, 0.94, 0.96, 0.98, 1}},
		{130, 980, []float64{200, 400, 600, 800}},
		{-1, 1, []float64{-1, -0.5, 0, 0.5, 1}},
	} {
		got := scale{low: tt.low, high: tt.high}.ticks()
		if !slices.EqualFunc(got, tt.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
			t.Errorf("%v to %v: ticks are %v, want %v", tt.low, tt.high, got, tt.want)
		}
	}
}

func TestAPictureIsWellFormedWhateverItShows(t *testing.T) {
	for name, points := range map[string][]point{
		"one point":           {{5, 0.5, "<a & b>"}},
		"points in one place": {{0, 1, "a"}, {0, 1, "b"}},
		"a line":              {{1, 0.2, "a"}, {2, 1, "b"}, {1000, 0.7, "c"}},
	} {
		picture := string(svg("<title>", []chart{{"x", "y", []line{{"l", points}}}, {"x", "y", []line{{"l", points}}}}))
		if strings.Contains(picture, "NaN") || strings.Contains(picture, "Inf") || !strings.Contains(picture, "&lt;title&gt;") {
			t.Errorf("%s: the picture is %s", name, picture)
		}
		for d := xml.NewDecoder(strings.NewReader(picture)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}
