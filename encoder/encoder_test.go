package encoder

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
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
	for k, name := range map[Kind]string{
		Plain: "plain", Centred: "centred", Nested: "nested", NestedCentred: "nested+centred", Full: "full", FullCentred: "full+centred",
	} {
		if got, err := ParseKind(name); err != nil || got != k || k.String() != name {
			t.Errorf("%q is read as %v (%v) and %d is written as %q", name, got, err, k, k)
		}
	}
	if _, err := ParseKind("fancy"); err == nil || !strings.Contains(err.Error(), `unknown profile "fancy", want one of ["auto" "plain" "centred"`) {
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

func TestNewProfileFillsInTheLadder(t *testing.T) {
	for _, tt := range []struct {
		dims   int
		ladder []int
		want   []int
	}{
		{1, nil, []int{1}},
		{256, nil, []int{256}},
		{257, nil, []int{256, 257}},
		{768, nil, []int{256, 512, 768}},
		{1024, nil, []int{256, 512, 1024}},
		{3072, nil, []int{256, 512, 1024, 2048, 3072}},
		{768, []int{128, 256}, []int{128, 256, 768}},
		{100, []int{64, 100}, []int{64, 100}},
	} {
		p, err := NewProfile(Plain, Cosine, tt.dims, tt.ladder)
		if err != nil || !slices.Equal(p.Ladder(), tt.want) || p.Dims() != tt.dims || p.Kind() != Plain {
			t.Errorf("dims %d, ladder %v: %v (%v), want %v", tt.dims, tt.ladder, p.Ladder(), err, tt.want)
		}
	}
}

func TestNewProfileRefusesAShapeThatCannotBe(t *testing.T) {
	long := make([]int, 17)
	for i := range long {
		long[i] = 64 * (i + 1)
	}
	for _, tt := range []struct {
		name   string
		kind   Kind
		dims   int
		ladder []int
		want   string
	}{
		{"unknown kind", 9, 1, nil, `unknown profile "Kind(9)"`},
		{"no dims", Plain, 0, nil, "0 dimensions, want 1 to 65536"},
		{"too many dims", Plain, 65537, nil, "65537 dimensions, want 1 to 65536"},
		{"a step off the grid", Plain, 300, []int{100}, "ladder step 100, want a multiple of 64"},
		{"a step of 0", Plain, 300, []int{0}, "ladder step 0 follows 0"},
		{"descending steps", Plain, 300, []int{128, 64}, "ladder step 64 follows 128"},
		{"a step twice", Plain, 300, []int{128, 128}, "ladder step 128 follows 128"},
		{"a step above dims", Plain, 300, []int{320}, "ladder step 300 follows 320"},
		{"too many steps", Plain, 64 * 18, long, "has 18 steps, want at most 16"},
		{"too many steps with dims", Plain, 64 * 18, long[:16], "has 17 steps, want at most 16"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewProfile(tt.kind, Cosine, tt.dims, tt.ladder); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func profile(t *testing.T, dims int, ladder ...int) *Profile {
	t.Helper()
	p, err := NewProfile(Plain, Cosine, dims, ladder)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPrefixesAreMultiplesOf64AndLadderSteps(t *testing.T) {
	p := profile(t, 300, 128)
	for dims, want := range map[int][2]bool{ // whether a scan may stop there; whether a query may end there
		-64: {}, 0: {}, 1: {}, 63: {}, 64: {true, false}, 128: {true, true}, 192: {true, false}, 256: {true, false},
		299: {}, 300: {true, true}, 301: {}, 320: {},
	} {
		if got := [2]bool{p.CheckPrefix(dims) == nil, p.CheckQuery(dims) == nil}; got != want {
			t.Errorf("%d dims: prefix and query allowed %v, want %v", dims, got, want)
		}
	}
	if err := p.CheckQuery(64); err == nil || !strings.Contains(err.Error(), "has 64 dimensions, want 300 or a shorter step of [128 300]") {
		t.Errorf("it says %v", err)
	}
}

func TestTheFirstBitsOfACodeAreTheCodeOfTheFirstDims(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	p := profile(t, 300, 128)
	v := make([]float32, 300)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	whole := make([]uint64, code.Words(300))
	p.Encode(whole, nil, v)
	for _, dims := range []int{64, 128, 192, 256} {
		prefix := make([]uint64, code.Words(dims))
		p.Encode(prefix, nil, v[:dims])
		if !slices.Equal(prefix, whole[:len(prefix)]) {
			t.Errorf("%d dims: %x, want %x", dims, prefix, whole[:len(prefix)])
		}
	}
}

func TestAProfileComesBackFromItsState(t *testing.T) {
	p := profile(t, 768, 128, 256)
	state, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	// Pinned: collections on disk carry it.
	if want := `{"version":1,"kind":"plain","dims":768,"ladder":[128,256,768]}`; string(state) != want {
		t.Errorf("state is %s, want %s", state, want)
	}
	var back Profile
	if err := json.Unmarshal(state, &back); err != nil {
		t.Fatal(err)
	}
	if back.Dims() != 768 || !slices.Equal(back.Ladder(), p.Ladder()) || back.Fingerprint() != p.Fingerprint() {
		t.Errorf("it comes back as %+v", back)
	}
	seen := map[string]string{}
	for _, other := range []*Profile{p, profile(t, 768), profile(t, 769, 128, 256), profile(t, 768, 128)} {
		f := other.Fingerprint()
		if what := fmt.Sprint(other.Dims(), other.Ladder()); seen[f] != "" {
			t.Errorf("%s and %s have one fingerprint %s", seen[f], what, f)
		} else {
			seen[f] = what
		}
	}
	for _, hostile := range []string{
		`{"version":2,"kind":"plain","dims":768,"ladder":[768]}`,
		`{"version":1,"kind":"odd","dims":768,"ladder":[768]}`,
		`{"version":1,"kind":"plain","dims":-1}`,
		`{"version":1,"kind":"plain","dims":768,"ladder":[100,768]}`,
		`[]`, `null`, `{}`,
	} {
		if err := json.Unmarshal([]byte(hostile), &back); err == nil {
			t.Errorf("%s was accepted", hostile)
		}
	}
}

func FuzzProfileState(f *testing.F) {
	f.Add([]byte(`{"version":1,"kind":"plain","dims":768,"ladder":[128,256,768]}`))
	f.Add([]byte(`{"version":1,"kind":"plain","dims":1,"ladder":[]}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		var p Profile
		if json.Unmarshal(state, &p) != nil {
			return
		}
		if p.Dims() == 0 {
			return // JSON null leaves a value as it was
		}
		again, err := json.Marshal(&p)
		if err != nil {
			t.Fatal(err)
		}
		var back Profile
		if err := json.Unmarshal(again, &back); err != nil || back.Fingerprint() != p.Fingerprint() {
			t.Errorf("%s comes back as %s (%v)", state, again, err)
		}
	})
}

// A query is encoded as a stored vector is; the number of bits in which the codes
// differ estimates the angle.
func ExampleProfile_Encode() {
	p, err := NewProfile(Plain, Cosine, 4, nil)
	if err != nil {
		panic(err)
	}
	a, b := make([]uint64, 1), make([]uint64, 1)
	p.Encode(a, nil, []float32{0.5, -0.1, 0.3, 0})
	p.Encode(b, nil, []float32{0.4, 0.2, 0.1, -0.6})
	fmt.Printf("%04b %04b differ in %d bits\n", a[0], b[0], code.Distance(a, b))
	// Output: 0101 0111 differ in 1 bits
}
