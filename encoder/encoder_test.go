package encoder

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

func TestKindsAreReadAndWrittenByName(t *testing.T) {
	for k, name := range map[Kind]string{Learned: "learned", Signs: "signs", Exact: "exact"} {
		if got, err := ParseKind(name); err != nil || got != k || k.String() != name {
			t.Errorf("%q is read as %v (%v) and %d is written as %q", name, got, err, k, k)
		}
	}
	if _, err := ParseKind("fancy"); err == nil || !strings.Contains(err.Error(), `unknown profile "fancy", want one of ["learned" "signs" "exact"]`) {
		t.Errorf("an unknown kind: %v", err)
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
		b := AppendFloat32(make([]byte, offset, offset+16), v)[offset:]
		decoded := make([]float32, 4)
		DecodeFloat32(decoded, b)
		seen := Float32s(make([]float32, 3), b)
		if !slices.Equal(decoded, v) || !slices.Equal(seen, v[:3]) {
			t.Errorf("offset %d: decoded %v, seen %v, want %v", offset, decoded, seen, v)
		}
	}
	if got := AppendFloat32(nil, []float32{1}); string(got) != "\x00\x00\x80\x3f" {
		t.Errorf("1 is % x, want 00 00 80 3f", got)
	}
}

func TestWhatHasNoNamePrintsItsNumber(t *testing.T) {
	if got := Metric(9).String(); got != "Metric(9)" {
		t.Errorf("metric 9 is %q", got)
	}
	if got := Kind(9).String(); got != "Kind(9)" {
		t.Errorf("kind 9 is %q", got)
	}
}

func TestAShapeHasItsLadderAndItsBudgetFilledIn(t *testing.T) {
	for _, tt := range []struct {
		dims   int
		ladder []int
		want   []int
	}{
		{1, nil, []int{1}},
		{64, nil, []int{64}},
		{65, nil, []int{64, 65}},
		{768, nil, []int{64, 128, 256, 512, 768}},
		{1024, nil, []int{64, 128, 256, 512, 1024}},
		{768, []int{128, 256}, []int{128, 256, 768}},
		{100, []int{64, 100}, []int{64, 100}},
	} {
		shape := Shape{Metric: Dot, Dims: tt.dims, Ladder: tt.ladder}
		for _, make := range []func(Shape) (*Profile, error){NewSigns, NewExact} {
			p, err := make(shape)
			if err != nil || !slices.Equal(p.Ladder(), tt.want) || p.Dims() != tt.dims || p.Metric() != Dot || p.Shape().Bits != tt.dims+256 || shape.Check() != nil {
				t.Errorf("dims %d, ladder %v: %+v (%v), want ladder %v", tt.dims, tt.ladder, p.Shape(), err, tt.want)
			}
		}
	}
}

func TestAShapeThatCannotBeIsRefusedWithTheReason(t *testing.T) {
	long := make([]int, 17)
	for i := range long {
		long[i] = 64 * (i + 1)
	}
	for _, tt := range []struct {
		name  string
		shape Shape
		want  string
	}{
		{"no dims", Shape{}, "0 dimensions, want 1 to 65536"},
		{"too many dims", Shape{Dims: 65537}, "65537 dimensions, want 1 to 65536"},
		{"a step off the grid", Shape{Dims: 300, Ladder: []int{100}}, "ladder step 100, want a multiple of 64"},
		{"a step of 0", Shape{Dims: 300, Ladder: []int{0}}, "ladder step 0 follows 0"},
		{"descending steps", Shape{Dims: 300, Ladder: []int{128, 64}}, "ladder step 64 follows 128"},
		{"a step twice", Shape{Dims: 300, Ladder: []int{128, 128}}, "ladder step 128 follows 128"},
		{"a step above dims", Shape{Dims: 300, Ladder: []int{320}}, "ladder step 300 follows 320"},
		{"too many steps", Shape{Dims: 64 * 18, Ladder: long}, "has 18 steps, want at most 16"},
		{"too many steps with dims", Shape{Dims: 64 * 18, Ladder: long[:16]}, "has 17 steps, want at most 16"},
		{"too small a budget", Shape{Dims: 300, Bits: 191}, "191 bits a vector of 300 dimensions, want 192 to 1200"},
		{"too large a budget", Shape{Dims: 300, Bits: 1201}, "1201 bits a vector of 300 dimensions, want 192 to 1200"},
		{"a negative budget", Shape{Dims: 300, Bits: -1}, "-1 bits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, learnt := Learn(tt.shape, [][]float32{make([]float32, tt.shape.Dims)})
			_, exact := NewExact(tt.shape)
			errs := []error{tt.shape.Check(), learnt, exact}
			if tt.shape.Bits == 0 { // signs have no budget
				_, signs := NewSigns(tt.shape)
				errs = append(errs, signs)
			}
			for _, err := range errs {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
			}
		})
	}
	if _, err := Learn(Shape{Dims: 20}, nil); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("learning from nothing: %v", err)
	}
}

func TestAProfileSharesNoMemoryWithItsCaller(t *testing.T) {
	steps := []int{64, 128}
	p, err := NewSigns(Shape{Dims: 300, Ladder: steps})
	if err != nil {
		t.Fatal(err)
	}
	steps[0] = 1
	p.Ladder()[1], p.Shape().Ladder[1], p.Blocks()[0].Dims = 2, 2, 2
	if got := p.Ladder(); !slices.Equal(got, []int{64, 128, 300}) || p.Blocks()[0].Dims != 300 {
		t.Errorf("ladder is %v, want 64 128 300, and the block %+v", got, p.Blocks()[0])
	}
}

func TestAQueryIsAsLongAsAStepOfTheLadder(t *testing.T) {
	p, err := NewExact(Shape{Dims: 300, Ladder: []int{128}})
	if err != nil {
		t.Fatal(err)
	}
	for dims, want := range map[int]bool{-128: false, 0: false, 64: false, 127: false, 128: true, 256: false, 299: false, 300: true, 301: false} {
		if got := p.CheckQuery(dims) == nil; got != want {
			t.Errorf("a query of %d dims is accepted %t, want %t", dims, got, want)
		}
	}
	if err := p.CheckQuery(64); err == nil || !strings.Contains(err.Error(), "has 64 dimensions, want 300 or a shorter step of [128 300]") {
		t.Errorf("it says %v", err)
	}
	if p, err = NewExact(Shape{Dims: 3}); err != nil {
		t.Fatal(err)
	}
	if err := p.CheckQuery(4); err == nil || !strings.Contains(err.Error(), "has 4 dimensions, want 3") {
		t.Errorf("it says %v", err)
	}
}
