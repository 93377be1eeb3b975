package dense

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// formatOf is a format with the precision of package encoder that is stored so.
type formatOf struct {
	Format
	encoder.Precision
}

var formats = []formatOf{
	{Float32, encoder.Float32},
	{Float16, encoder.Float16},
	{BFloat16, encoder.BFloat16},
	{Int8, encoder.Int8},
}

// sameFloat reports whether x and y are the same float64, or both NaN.
func sameFloat(x, y float64) bool {
	return math.Float64bits(x) == math.Float64bits(y) || x != x && y != y
}

// checkFormat compares the similarities of a and the numbers of b with those of a and
// the float32s that package encoder makes of b.
func checkFormat(t *testing.T, f Format, p encoder.Precision, a []float32, b []byte) {
	t.Helper()
	v := make([]float32, len(a))
	p.Decode(v, b)
	if got, want := f.Dot(a, b), Dot(a, v); !sameFloat(got, want) {
		t.Fatalf("%v, %d numbers: Dot = %v, of the float32s %v", p, len(a), got, want)
	}
	if got, want := f.SquaredL2(a, b), SquaredL2(a, v); !sameFloat(got, want) {
		t.Fatalf("%v, %d numbers: SquaredL2 = %v, of the float32s %v", p, len(a), got, want)
	}
	product, squares := f.DotSquares(a, b)
	if wantProduct, wantSquares := DotSquares(a, v); !sameFloat(product, wantProduct) || !sameFloat(squares, wantSquares) {
		t.Fatalf("%v, %d numbers: DotSquares = %v, %v, of the float32s %v, %v", p, len(a), product, squares, wantProduct, wantSquares)
	}
}

func TestSimilaritiesOfStoredNumbersAreThoseOfTheirFloat32s(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 6))
		for _, f := range formats {
			for _, n := range []int{0, 1, 7, 15, 16, 17, 31, 32, 255, 256, 768, 1000} {
				for _, longer := range []int{0, 1, 100} { // a prefix of what is stored
					for offset := range 4 { // at any address
						stored := f.Append(make([]byte, offset), random(r, n+longer))[offset:]
						checkFormat(t, f.Format, f.Precision, random(r, n), stored)
					}
				}
			}
		}
	})
}

// randomBytes are n numbers of format f, of every bit pattern: the infinities and NaNs
// too.
func randomBytes(r *rand.Rand, f encoder.Precision, n int) []byte {
	b := make([]byte, f.Bytes(n))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestNumbersOfEveryBitPatternAreDecodedAlike(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		for _, f := range formats {
			for _, n := range []int{1, 16, 33, 1024} {
				b := randomBytes(r, f.Precision, n)
				want := make([]float32, n)
				f.Decode(want, b)
				first := r.IntN(n)
				got := make([]float32, n-first)
				f.decode(got, b, first)
				for i, x := range got {
					if y := want[first+i]; math.Float32bits(x) != math.Float32bits(y) && (x == x || y == y) {
						t.Fatalf("%v, number %d of %d: %x, want %x", f.Precision, first+i, n, x, y)
					}
				}
			}
		}
	})
}

func TestEveryHalfAndEveryInt8IsTheNumberThatItStandsFor(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		var want, got [lanes]float32
		for _, f := range formats[1:] {
			bytes := f.Bytes(1) - f.Bytes(0) // of a number
			for first := 0; first < 1<<(8*bytes); first += lanes {
				b := make([]byte, f.Bytes(lanes))
				copy(b, "\x00\x00\x00\x3f") // the scale of the int8s, 1/2
				for l := range lanes {
					number := b[f.Bytes(l):]
					number[0] = byte(first + l)
					if bytes == 2 {
						number[1] = byte((first + l) >> 8)
					}
				}
				f.Decode(want[:], b)
				f.decode(got[:], b, 0)
				for l, x := range got {
					if y := want[l]; x != y && (x == x || y == y) {
						t.Fatalf("%v: %#x is %x, want %x", f.Precision, first+l, x, y)
					}
				}
			}
		}
	})
}

func TestSumsOfStoredNumbersBeyondFloat32AreFinite(t *testing.T) {
	for _, f := range formats {
		for name, v := range map[string][]float32{
			"large":     {6e4, -6e4, 1e4},
			"all zero":  {0, 0, 0},
			"very tiny": {0, 0x1p-24, 0x1p-24},
		} {
			for _, a := range [][]float32{{1e38, 1e38, 1e38}, {1e-38, 0, 1e-30}} {
				stored := f.Append(nil, v)
				isatest.Each(t, &active, func(t *testing.T) { checkFormat(t, f.Format, f.Precision, a, stored) })
				product, squares := f.DotSquares(a, stored)
				for _, x := range []float64{product, squares, f.Dot(a, stored), f.SquaredL2(a, stored)} {
					if x-x != 0 {
						t.Errorf("%v of %s: %v", f.Precision, name, x)
					}
				}
			}
		}
	}
}

func TestTooFewBytesPanic(t *testing.T) {
	a := make([]float32, 20)
	for _, f := range formats {
		enough := make([]byte, f.Bytes(len(a)))
		for name, use := range map[string]func(Format, []byte){
			"Dot":        func(f Format, b []byte) { f.Dot(a, b) },
			"SquaredL2":  func(f Format, b []byte) { f.SquaredL2(a, b) },
			"DotSquares": func(f Format, b []byte) { f.DotSquares(a, b) },
		} {
			panics := func(f Format, b []byte) (message string) {
				defer func() {
					if r := recover(); r != nil {
						message = fmt.Sprint(r)
					}
				}()
				use(f, b)
				return ""
			}
			want := fmt.Sprintf("%d bytes, want at least %d for 20 numbers", len(enough)-1, len(enough))
			if got := panics(f.Format, enough[1:]); !strings.Contains(got, want) {
				t.Errorf("%s of %v: panic %q, want %q", name, f.Precision, got, want)
			}
			if got := panics(9, enough); !strings.Contains(got, "no format has number 9") {
				t.Errorf("%s of format 9: panic %q", name, got)
			}
		}
	}
}

// FuzzFormat compares, under every kernel, the similarities of stored numbers with
// those of the float32s that they stand for, bit patterns at random.
func FuzzFormat(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0, 0x80, 1, 0, 0, 0}, []byte{0, 0x3c, 0xff, 0x7b, 1, 0, 0, 0x80, 0, 0, 0x80, 0x3f})
	f.Add(make([]byte, 100), make([]byte, 100))
	f.Fuzz(func(t *testing.T, x, b []byte) {
		before := active
		defer func() { active = before }()
		a := make([]float32, len(x)/4)
		encoder.Float32.Decode(a, x)
		for _, of := range formats {
			n := len(a)
			for of.Bytes(n) > len(b) && n > 0 {
				n--
			}
			if of.Bytes(n) > len(b) {
				continue
			}
			for _, active = range isa.Usable() {
				checkFormat(t, of.Format, of.Precision, a[:n], b)
			}
		}
	})
}

func BenchmarkFormat(b *testing.B) {
	before := active
	defer func() { active = before }()
	r := rand.New(rand.NewPCG(8, 8))
	for _, active = range isa.Usable() {
		for _, f := range formats {
			for _, dims := range []int{256, 768, 1024} {
				x := random(r, dims)
				y := f.Append(nil, random(r, dims))
				for _, do := range []struct {
					name string
					run  func()
				}{
					{"DotSquares", func() { f.DotSquares(x, y) }},
					{"SquaredL2", func() { f.SquaredL2(x, y) }},
				} {
					b.Run(fmt.Sprintf("do=%s/kernel=%v/precision=%v/dims=%d", do.name, active, f.Precision, dims), func(b *testing.B) {
						b.SetBytes(int64(len(y)))
						for b.Loop() {
							do.run()
						}
					})
				}
			}
		}
	}
}
