package floats

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestMetricsAreReadAndWrittenByName(t *testing.T) {
	for m, name := range map[Metric]string{Cosine: "cosine", Dot: "dot", L2: "l2"} {
		got, err := ParseMetric(name)
		if err != nil || got != m || m.String() != name {
			t.Errorf("%q is read as %v (%v) and %d is written as %q", name, got, err, m, m)
		}
		text, err := json.Marshal(m)
		var back Metric
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back != m || string(text) != `"`+name+`"` {
			t.Errorf("%v as JSON is %s and comes back as %v (%v)", m, text, back, err)
		}
	}
	var m Metric
	if err := json.Unmarshal([]byte(`"hamming"`), &m); err == nil || !strings.Contains(err.Error(), `unknown metric "hamming", want one of ["cosine" "dot" "l2"]`) {
		t.Errorf("an unknown metric: %v", err)
	}
	if _, err := json.Marshal(Metric(9)); err == nil {
		t.Error("a metric that is not one was written")
	}
}

func TestValidateSaysWhatIsWrongAndWhere(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, tt := range []struct {
		name   string
		v      []float32
		metric Metric
		want   string // "" when acceptable
	}{
		{"fine", []float32{1, 2, 3}, Cosine, ""},
		{"too short", []float32{1, 2}, Cosine, "has 2 dimensions, want 3"},
		{"too long", []float32{1, 2, 3, 4}, Dot, "has 4 dimensions, want 3"},
		{"empty", nil, L2, "has 0 dimensions, want 3"},
		{"NaN", []float32{1, nan, 3}, Dot, "component 1 is NaN"},
		{"infinity", []float32{1, 2, inf}, L2, "component 2 is +Inf"},
		{"minus infinity", []float32{-inf, 2, 3}, Cosine, "component 0 is -Inf"},
		{"all zero under cosine", []float32{0, float32(math.Copysign(0, -1)), 0}, Cosine, "all 3 components are zero"},
		{"all zero under dot", []float32{0, 0, 0}, Dot, ""},
		{"all zero under l2", []float32{0, 0, 0}, L2, ""},
		{"tiny is not zero", []float32{0, math.SmallestNonzeroFloat32, 0}, Cosine, ""},
		{"the largest numbers", []float32{math.MaxFloat32, -math.MaxFloat32, 0}, Cosine, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Validate(tt.v, 3, tt.metric)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAPrefixIsAVectorOfItsOwn(t *testing.T) {
	v := []float32{3, 4, 12}
	if got := Prefix(v, 2, Cosine); math.Abs(float64(got[0])-0.6) > 1e-6 || math.Abs(float64(got[1])-0.8) > 1e-6 || len(got) != 2 {
		t.Errorf("under cosine: %v, want 0.6 0.8", got)
	}
	for _, m := range []Metric{Dot, L2} {
		if got := Prefix(v, 2, m); !slices.Equal(got, []float32{3, 4}) {
			t.Errorf("under %v: %v, want 3 4", m, got)
		}
	}
	p := Prefix(v, 3, Dot)
	p[0] = 99
	if v[0] != 3 {
		t.Error("the prefix shares memory with its vector")
	}
	if got := Prefix([]float32{0, 0, 1}, 2, Cosine); !slices.Equal(got, []float32{0, 0}) {
		t.Errorf("an all-zero prefix: %v", got)
	}
}

func TestFloat32sComeBackFromAnyAlignment(t *testing.T) {
	v := []float32{1, -2.5, math.SmallestNonzeroFloat32, math.MaxFloat32}
	for offset := range 8 {
		b := Append(make([]byte, offset, offset+16), v)[offset:]
		decoded := make([]float32, 4)
		Decode(decoded, b)
		seen := View(make([]float32, 3), b)
		if !slices.Equal(decoded, v) || !slices.Equal(seen, v[:3]) {
			t.Errorf("offset %d: decoded %v, seen %v, want %v", offset, decoded, seen, v)
		}
	}
	if got := Append(nil, []float32{1}); string(got) != "\x00\x00\x80\x3f" {
		t.Errorf("1 is % x, want 00 00 80 3f", got)
	}
}

func TestAMetricThatHasNoNamePrintsItsNumber(t *testing.T) {
	if got := Metric(9).String(); got != "Metric(9)" {
		t.Errorf("metric 9 is %q", got)
	}
}
