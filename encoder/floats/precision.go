package floats

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"
)

// Precision is how exactly a collection keeps its vectors beside the codes. The kept form
// scores the candidates of a search and is what reading a stored vector returns.
//
// Numbers are little-endian, one after the other, without padding. A number that cannot be kept
// is rounded to the nearest that can, and to the even one when it is half-way.
type Precision uint8

const (
	// Float32 keeps every component as it is, in 4 bytes.
	Float32 Precision = iota
	// Float16 keeps 11 significant bits in the 2 bytes of IEEE 754 binary16.
	// Components are at most 65504 either way; those below 2^-14, 6.1e-5, are kept to
	// the nearest multiple of 2^-24.
	Float16
	// BFloat16 keeps 8 significant bits in 2 bytes, the upper half of a float32, and
	// so the range of one.
	BFloat16
	// Int8 keeps a vector as a scale, a float32, followed by one int8 a component: the multiple
	// of the scale nearest to it. The largest component either way is 127 times the scale,
	// apart from rounding.
	//
	// The scale is the least that reaches the largest component with the low 7 bits of its
	// float32 zero. So its multiples are float32s without rounding, and a vector read back is
	// stored as the same bytes again unless all of it is below 2^-126.
	Int8
	// None keeps nothing: the collection has codes only.
	None
)

// precisions is indexed by Precision.
var precisions = [...]struct {
	name      string
	largest   float32 // a component beyond it, either way, would be stored as infinite
	vanishing float32 // a vector without a component beyond it is stored as zeros
}{
	Float32:  {"float32", math.MaxFloat32, 0},
	Float16:  {"float16", 65504, 0x1p-25},
	BFloat16: {"bfloat16", 0x1.fep127, 0x1p-134},
	Int8:     {"int8", 0x1.fep127, 0x1p-143},
	None:     {"none", math.MaxFloat32, 0},
}

// ParsePrecision returns the precision of that name: float32, float16, bfloat16,
// int8 or none.
func ParsePrecision(name string) (Precision, error) {
	var names []string
	for p, known := range precisions {
		if known.name == name {
			return Precision(p), nil
		}
		names = append(names, known.name)
	}
	return 0, fmt.Errorf("unknown precision %q, want one of %q", name, names)
}

// String returns the name that ParsePrecision reads.
func (p Precision) String() string {
	if int(p) < len(precisions) {
		return precisions[p].name
	}
	return fmt.Sprintf("Precision(%d)", uint8(p))
}

// MarshalText writes the precision's name. It fails for a value that is not a
// precision.
func (p Precision) MarshalText() ([]byte, error) {
	if int(p) >= len(precisions) {
		return nil, fmt.Errorf("no precision has number %d", uint8(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (p *Precision) UnmarshalText(text []byte) error {
	parsed, err := ParsePrecision(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}

// PrecisionVersion is raised when the same bytes, at any precision, would be read as another
// vector.
const PrecisionVersion = 1

// Bytes returns how many bytes Append writes for a vector of dims components.
func (p Precision) Bytes(dims int) int {
	switch p {
	case Float32:
		return 4 * dims
	case Float16, BFloat16:
		return 2 * dims
	case Int8:
		return scaleBytes + dims
	case None:
		return 0
	}
	panic(p.unknown())
}

// Check returns nil when v, which [Validate] accepts under m, can be stored at this precision:
// no component exceeds the largest number that the precision has, and under Cosine not every
// component is rounded to zero. Otherwise the error says what was found and where.
func (p Precision) Check(v []float32, m Metric) error {
	if int(p) >= len(precisions) {
		panic(p.unknown())
	}
	can := precisions[p]
	if can.largest == math.MaxFloat32 && can.vanishing == 0 {
		return nil // a finite, nonzero number stays so
	}
	peak, at := float32(0), 0 // the largest component either way
	for i, x := range v {
		if x = magnitude(x); x > peak {
			peak, at = x, i
		}
		if x > can.largest {
			return fmt.Errorf("component %d is %v, want one of at most %v either way, the largest that %v stores", i, v[i], can.largest, p)
		}
	}
	if m == Cosine && len(v) > 0 && peak <= can.vanishing {
		return fmt.Errorf("component %d is %v, the largest of %d, which %v rounds to zero: an all-zero vector has no direction, which %v needs", at, v[at], len(v), p, m)
	}
	return nil
}

// Append appends v, which Check accepts, to dst: p.Bytes(len(v)) bytes.
func (p Precision) Append(dst []byte, v []float32) []byte {
	switch p {
	case Float32:
		return Append(dst, v)
	case Float16:
		for _, x := range v {
			dst = binary.LittleEndian.AppendUint16(dst, float16.Fromfloat32(x).Bits())
		}
	case BFloat16:
		for _, x := range v {
			b := math.Float32bits(x)
			b += 0x7fff + b>>16&1 // to the nearest, half-way to even
			dst = binary.LittleEndian.AppendUint16(dst, uint16(b>>16))
		}
	case Int8:
		scale := int8Scale(v)
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(scale))
		if scale == 0 {
			return append(dst, make([]byte, len(v))...)
		}
		for _, x := range v {
			// Added to 1.5 * 2^52 a number is rounded to an integer, half-way to even,
			// and lies in the low bits, negative ones in two's complement.
			dst = append(dst, byte(math.Float64bits(float64(x)/float64(scale)+0x1.8p52)))
		}
	case None:
	default:
		panic(p.unknown())
	}
	return dst
}

// Decode overwrites dst with the first len(dst) components of stored, which Append
// wrote. It panics if stored has fewer, and for None: both are bugs in the caller.
func (p Precision) Decode(dst []float32, stored []byte) {
	switch p {
	case Float32:
		Decode(dst, stored)
	case Float16:
		stored = stored[:2*len(dst)]
		for i := range dst {
			dst[i] = float16.Frombits(binary.LittleEndian.Uint16(stored[2*i:])).Float32()
		}
	case BFloat16:
		stored = stored[:2*len(dst)]
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(stored[2*i:])) << 16)
		}
	case Int8:
		scale := math.Float32frombits(binary.LittleEndian.Uint32(stored))
		stored = stored[scaleBytes:][:len(dst)]
		for i := range dst {
			dst[i] = float32(int8(stored[i])) * scale
		}
	case None:
		panic("precision none stores no vectors to decode")
	default:
		panic(p.unknown())
	}
}

// unknown is the message of a panic: only a bug makes a precision of another number.
func (p Precision) unknown() string {
	return fmt.Sprintf("no precision has number %d", uint8(p))
}

func magnitude(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// scaleBytes is the size of the scale before the components of an Int8 vector.
const scaleBytes = 4

// int8Scale returns the scale of v: 0 when all of it is zero.
func int8Scale(v []float32) float32 {
	var largest float32
	for _, x := range v {
		if x = magnitude(x); x > largest {
			largest = x
		}
	}
	bits := math.Float32bits(largest/127) &^ 127
	if scale := math.Float32frombits(bits); 127*scale >= largest {
		return scale
	}
	return math.Float32frombits(bits + 128)
}
