package floats

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var everyPrecision = []Precision{Float32, Float16, BFloat16, Int8, None}

func TestPrecisionsAreReadAndWrittenByName(t *testing.T) {
	for p, name := range map[Precision]string{Float32: "float32", Float16: "float16", BFloat16: "bfloat16", Int8: "int8", None: "none"} {
		got, err := ParsePrecision(name)
		if err != nil || got != p || p.String() != name {
			t.Errorf("%q is read as %v (%v) and %d is written as %q", name, got, err, p, p)
		}
		text, err := json.Marshal(p)
		var back Precision
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back != p || string(text) != `"`+name+`"` {
			t.Errorf("%v as JSON is %s and comes back as %v (%v)", p, text, back, err)
		}
	}
	p := Int8
	if err := json.Unmarshal([]byte(`"float8"`), &p); err == nil || !strings.Contains(err.Error(), `unknown precision "float8", want one of ["float32" "float16" "bfloat16" "int8" "none"]`) {
		t.Errorf("an unknown precision: %v", err)
	} else if p != Int8 {
		t.Errorf("an unknown precision is %v", p)
	}
	if _, err := json.Marshal(Precision(9)); err == nil || !strings.Contains(err.Error(), "no precision has number 9") {
		t.Errorf("a precision that is not one was written: %v", err)
	}
	if got := Precision(9).String(); got != "Precision(9)" {
		t.Errorf("precision 9 is %q", got)
	}
}

// Collections on disk are made of these bytes: they must never change. Those of the
// half precisions were worked out by hand from their definitions.
func TestStoredBytesNeverChange(t *testing.T) {
	for _, tt := range []struct {
		precision Precision
		v         []float32
		want      string
	}{
		{Float32, []float32{1, -2.5, math.SmallestNonzeroFloat32, math.MaxFloat32}, "\x00\x00\x80\x3f\x00\x00\x20\xc0\x01\x00\x00\x00\xff\xff\x7f\x7f"},
		{Float16, []float32{0, 1, -2, 1. / 3, 65504}, "\x00\x00\x00\x3c\x00\xc0\x55\x35\xff\x7b"},
		{Float16, []float32{0x1p-24, 0x1p-14, -0x1p-25, 0x1.8p-24}, "\x01\x00\x00\x04\x00\x80\x02\x00"},                   // half-way: to even
		{Float16, []float32{1 + 0x1p-11, 1 + 0x1.8p-10, 1 + 0x1p-11 + 0x1p-23, 2049}, "\x00\x3c\x02\x3c\x01\x3c\x00\x68"}, // 1 lies between 1 and 1+2^-10
		{BFloat16, []float32{0, 1, -2, 1. / 3, 0x1.fep127}, "\x00\x00\x80\x3f\x00\xc0\xab\x3e\x7f\x7f"},
		{BFloat16, []float32{1 + 0x1p-8, 1 + 0x1.8p-7, 1 + 0x1p-8 + 0x1p-23, -0x1p-133}, "\x80\x3f\x82\x3f\x81\x3f\x01\x80"},
		{Int8, []float32{127, -127, 2.5, -3.5, 0.4, 63}, "\x00\x00\x80\x3f\x7f\x81\x02\xfc\x00\x3f"},
		{Int8, []float32{1, -0.5}, "\x80\x02\x01\x3c\x7f\xc1"},
		{Int8, []float32{0, float32(math.Copysign(0, -1))}, "\x00\x00\x00\x00\x00\x00"},
		{None, []float32{1, 2, 3}, ""},
	} {
		got := tt.precision.Append([]byte("before"), tt.v)
		if string(got) != "before"+tt.want {
			t.Errorf("%v of %v is % x, want % x after what was there", tt.precision, tt.v, got, tt.want)
		}
		if n := tt.precision.Bytes(len(tt.v)); n != len(tt.want) {
			t.Errorf("%d numbers in %v take %d bytes, want %d", len(tt.v), tt.precision, n, len(tt.want))
		}
	}
}

// halves are the non-negative finite numbers of a 16-bit format, ascending.
func halves(p Precision, count int) []float32 {
	all := make([]float32, count)
	for i := range all {
		p.Decode(all[i:i+1], []byte{byte(i), byte(i >> 8)})
	}
	return all
}

func TestEveryHalfIsKeptAndWhatLiesBetweenGoesToTheNearest(t *testing.T) {
	for p, count := range map[Precision]int{Float16: 0x7c00, BFloat16: 0x7f80} {
		all := halves(p, count)
		if all[0] != 0 || all[count-1] != precisions[p].largest {
			t.Fatalf("%v runs from %v to %v, want 0 to %v", p, all[0], all[count-1], precisions[p].largest)
		}
		check := func(x float32, want int) {
			t.Helper()
			got := p.Append(nil, []float32{x, -x})
			if w := []byte{byte(want), byte(want >> 8), byte(want), byte(want>>8) | 0x80}; !slices.Equal(got, w) {
				t.Fatalf("%x and %x in %v are % x, want % x", x, -x, p, got, w)
			}
		}
		for i, x := range all {
			check(x, i)
			if i == count-1 {
				break
			}
			if x >= all[i+1] {
				t.Fatalf("%v: number %d is %v and the next %v", p, i, x, all[i+1])
			}
			middle := x/2 + all[i+1]/2
			if p == BFloat16 && i < 2 {
				middle = math.Float32frombits(uint32(i)<<16 | 0x8000) // the sum of halves is not exact
			}
			check(middle, i+i&1)
			check(math.Nextafter32(middle, 0), i)
			check(math.Nextafter32(middle, math.MaxFloat32), i+1)
		}
	}
}

// tolerance is half of the distance between the numbers around x that p has, when
// x is a component of a vector stored so.
func tolerance(p Precision, x float32, stored []byte) float64 {
	_, exponent := math.Frexp(float64(x))
	switch p {
	case Float16:
		return math.Ldexp(1, max(exponent, -13)-12)
	case BFloat16:
		return math.Ldexp(1, max(exponent, -125)-9)
	case Int8:
		var scale [1]float32
		Decode(scale[:], stored)
		return float64(scale[0]) / 2
	default:
		return 0
	}
}

// checkRoundTrip stores v, which p accepts, and reads it back.
func checkRoundTrip(t *testing.T, p Precision, v []float32) {
	t.Helper()
	stored := p.Append(nil, v)
	if len(stored) != p.Bytes(len(v)) {
		t.Fatalf("%v in %v takes %d bytes, want %d", v, p, len(stored), p.Bytes(len(v)))
	}
	back := make([]float32, len(v))
	p.Decode(back, stored)
	var largest float64
	for i, x := range v {
		largest = max(largest, math.Abs(float64(x)))
		if off := math.Abs(float64(back[i]) - float64(x)); !(off <= tolerance(p, x, stored)) {
			t.Fatalf("%v: component %d of %v comes back as %v, off by %v, want at most %v", p, i, x, back[i], off, tolerance(p, x, stored))
		}
	}
	if p == Int8 {
		if step := 2 * tolerance(p, 0, stored); step > largest/127*(1+0x1p-16)+0x1p-142 {
			t.Fatalf("int8: the scale of a vector up to %v is %v", largest, step)
		}
		if largest < 0x1p-126 {
			return
		}
	}
	if again := p.Append(nil, back); !slices.Equal(again, stored) {
		t.Fatalf("%v: % x comes back and is stored as % x", p, stored, again)
	}
	for dims := range len(v) + 1 {
		prefix := make([]float32, dims)
		p.Decode(prefix, stored)
		if !slices.Equal(prefix, back[:dims]) {
			t.Fatalf("%v: the first %d of %v are read as %v", p, dims, back, prefix)
		}
	}
}

func TestWhatIsStoredComesBackWithinHalfAStep(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, p := range []Precision{Float32, Float16, BFloat16, Int8} {
		for _, size := range []float64{math.SmallestNonzeroFloat32, 1e-44, 1e-38, 1e-7, 0.03, 1, 65504, 1e30, 0x1.fep127, math.MaxFloat32} {
			if size > float64(precisions[p].largest) {
				continue
			}
			for _, dims := range []int{1, 2, 17, 100} {
				for range 20 {
					v := make([]float32, dims)
					for i := range v {
						v[i] = float32(size * (2*r.Float64() - 1))
					}
					v[r.IntN(dims)] = -float32(size)
					checkRoundTrip(t, p, v)
				}
			}
		}
	}
}

func TestAnInt8VectorUsesTheWholeRange(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 1000 {
		v := make([]float32, 50)
		for i := range v {
			v[i] = float32(r.NormFloat64() * math.Exp(r.NormFloat64()*10))
		}
		stored := Int8.Append(nil, v)
		least, most := int8(0), int8(0)
		for _, b := range stored[scaleBytes:] {
			least, most = min(least, int8(b)), max(most, int8(b))
		}
		if least < -127 || most != 127 && least != -127 {
			t.Fatalf("%v is stored from %d to %d, want 127 or -127 for the largest", v, least, most)
		}
	}
}

func TestCheckRefusesWhatAPrecisionCannotStore(t *testing.T) {
	const vanished = "rounds to zero: an all-zero vector has no direction, which cosine needs"
	for _, tt := range []struct {
		precision Precision
		v         []float32
		metric    Metric
		want      string // "" when acceptable
	}{
		{Float32, []float32{math.MaxFloat32, math.SmallestNonzeroFloat32}, Dot, ""},
		{Float32, []float32{math.SmallestNonzeroFloat32, 0}, Cosine, ""},
		{Float16, []float32{65504, -65504}, Dot, ""},
		{Float16, []float32{1, 2, 65504.004}, Cosine, "component 2 is 65504.004, want one of at most 65504 either way, the largest that float16 stores"},
		{Float16, []float32{1, -70000, 80000}, L2, "component 1 is -70000, want one of at most 65504"},
		{Float16, []float32{0, 0x1p-25}, L2, ""},
		{Float16, []float32{0, -0x1p-25}, Cosine, "component 1 is -2.9802322e-08, the largest of 2, which float16 " + vanished},
		{Float16, []float32{0, 0x1.000002p-25}, Cosine, ""},
		{BFloat16, []float32{0x1.fep127, -0x1.fep127}, Dot, ""},
		{BFloat16, []float32{0, -0x1.fe0002p127}, Dot, "component 1 is -3.3895316e+38, want one of at most 3.3895314e+38"},
		{BFloat16, []float32{0x1p-134, 0}, Cosine, "component 0 is 4.5918e-41, the largest of 2, which bfloat16 " + vanished},
		{BFloat16, []float32{0x1.8p-134, 0}, Cosine, ""},
		{Int8, []float32{0x1.fep127, -0x1.fep127}, Dot, ""},
		{Int8, []float32{math.MaxFloat32}, Dot, "component 0 is 3.4028235e+38, want one of at most 3.3895314e+38"},
		{Int8, []float32{0x1p-143, -0x1p-144}, Cosine, "component 0 is 9e-44, the largest of 2, which int8 " + vanished},
		{Int8, []float32{0x1.8p-143, 0}, Cosine, ""},
		{None, []float32{math.MaxFloat32, 0}, Cosine, ""},
		{Int8, nil, Dot, ""},
	} {
		err := tt.precision.Check(tt.v, tt.metric)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v of %v under %v: error %v, want %q", tt.precision, tt.v, tt.metric, err, tt.want)
		}
	}
}

func TestAPrecisionThatIsNotOnePanicsWithItsNumber(t *testing.T) {
	for what, use := range map[string]func(Precision){
		"Bytes":  func(p Precision) { p.Bytes(1) },
		"Check":  func(p Precision) { _ = p.Check([]float32{1}, Dot) },
		"Append": func(p Precision) { p.Append(nil, []float32{1}) },
		"Decode": func(p Precision) { p.Decode(make([]float32, 1), make([]byte, 8)) },
	} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "no precision has number 9") {
					t.Errorf("%s: panic %v", what, r)
				}
			}()
			use(9)
		}()
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "precision none stores no vectors") {
			t.Errorf("decoding what none stored: panic %v", r)
		}
	}()
	None.Decode(make([]float32, 1), nil)
}

// FuzzPrecision stores numbers of every bit pattern: what Check accepts comes back
// within half a step and is, under cosine, not all zero; the rest panics nowhere.
func FuzzPrecision(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0, 0x80, 1, 0, 0, 0})
	f.Add([]byte{0, 0x20, 0x80, 0x3f, 0, 0xe0, 0x7f, 0x47, 0xff, 0xff, 0x7f, 0x7f})
	f.Add([]byte{1, 0, 0, 0, 0, 3, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		v := make([]float32, len(b)/4)
		Decode(v, b)
		for _, p := range everyPrecision {
			for _, m := range []Metric{Cosine, Dot} {
				if Validate(v, len(v), m) != nil {
					p.Append(nil, v)
					continue
				}
				if p.Check(v, m) != nil || p == None {
					continue
				}
				checkRoundTrip(t, p, v)
				back := make([]float32, len(v))
				p.Decode(back, p.Append(nil, v))
				if err := Validate(back, len(v), m); err != nil {
					t.Errorf("%v accepts %v under %v and reads back %v: %v", p, v, m, back, err)
				}
			}
		}
	})
}

func BenchmarkPrecision(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, p := range []Precision{Float32, Float16, BFloat16, Int8} {
		const dims = 768
		v := make([]float32, dims)
		for i := range v {
			v[i] = float32(r.NormFloat64() / 28)
		}
		stored := p.Append(nil, v)
		for _, of := range []struct {
			name string
			run  func()
		}{
			{"check", func() { _ = p.Check(v, Cosine) }},
			{"append", func() { p.Append(stored[:0], v) }},
			{"decode", func() { p.Decode(v, stored) }},
		} {
			b.Run(fmt.Sprintf("do=%s/precision=%v/dims=%d", of.name, p, dims), func(b *testing.B) {
				b.SetBytes(4 * dims)
				for b.Loop() {
					of.run()
				}
			})
		}
	}
}
