package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/x448/float16"
)

// file builds a .npy file of the given version around a dictionary and its data,
// padded to a multiple of 64 bytes as NumPy does.
func file(version byte, dict string, data []byte) []byte {
	b := []byte(magic)
	b = append(b, version, 0)
	fixed := 10
	if version > 1 {
		fixed = 12
	}
	for (fixed+len(dict)+1)%64 != 0 {
		dict += " "
	}
	dict += "\n"
	if version > 1 {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(dict)))
	} else {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	}
	return append(append(b, dict...), data...)
}

// matrix builds a version 1 file of the usual header.
func matrix(descr, shape string, data []byte) []byte {
	return file(1, fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape), data)
}

func open(b []byte) (*Reader, error) { return NewReader(bytes.NewReader(b), int64(len(b))) }

func encode(t testing.TB, values any) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFloatsOfEveryWidthAreReadAsFloat32(t *testing.T) {
	want := []float32{0, 1, -2, 0.5, 65504, -0.099975586}
	half := make([]uint16, len(want))
	double := make([]float64, len(want))
	for i, x := range want {
		half[i] = float16.Fromfloat32(x).Bits()
		double[i] = float64(x)
	}
	for _, tt := range []struct {
		descr string
		data  []byte
	}{
		{"<f2", encode(t, half)},
		{"<f4", encode(t, want)},
		{"<f8", encode(t, double)},
	} {
		t.Run(tt.descr, func(t *testing.T) {
			r, err := open(matrix(tt.descr, "(3, 2)", tt.data))
			if err != nil {
				t.Fatal(err)
			}
			if r.Rows() != 3 || r.Cols() != 2 || r.RowBytes() != len(tt.data)/3 {
				t.Errorf("%d rows of %d columns in %d bytes, want 3 of 2 in %d", r.Rows(), r.Cols(), r.RowBytes(), len(tt.data)/3)
			}
			got := make([]float32, 6)
			if err := r.ReadFloats(got, 0); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("rows 0 to 2 are %v, want %v", got, want)
			}
			if err := r.ReadFloats(got[:2], 2); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got[:2], want[4:]) {
				t.Errorf("row 2 is %v, want %v", got[:2], want[4:])
			}
			if err := r.ReadInts(make([]int64, 2), 0); !errors.Is(err, ErrFormat) {
				t.Errorf("floats read as row numbers give %v, want ErrFormat", err)
			}
		})
	}
}

func TestIntegersOfBothWidthsAreReadAsInt64(t *testing.T) {
	for _, tt := range []struct {
		descr string
		data  []byte
		want  []int64
	}{
		{"<i4", encode(t, []int32{0, -1, math.MaxInt32, 7}), []int64{0, -1, math.MaxInt32, 7}},
		{"<i8", encode(t, []int64{0, -1, math.MaxInt64, 7}), []int64{0, -1, math.MaxInt64, 7}},
	} {
		t.Run(tt.descr, func(t *testing.T) {
			r, err := open(matrix(tt.descr, "(2, 2)", tt.data))
			if err != nil {
				t.Fatal(err)
			}
			got := make([]int64, 4)
			if err := r.ReadInts(got, 0); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("read %v, want %v", got, tt.want)
			}
			if err := r.ReadFloats(make([]float32, 2), 0); !errors.Is(err, ErrFormat) {
				t.Errorf("row numbers read as floats give %v, want ErrFormat", err)
			}
		})
	}
}

func TestBytesAreReadAsTheyAre(t *testing.T) {
	data := []byte{0, 1, 0x7f, 0x80, 0xff, 0x4e}
	for _, tt := range []struct{ elem, other Type }{{Uint8, Int8}, {Int8, Uint8}} {
		t.Run(string(tt.elem), func(t *testing.T) {
			r, err := open(matrix(string(tt.elem), "(3, 2)", data))
			if err != nil {
				t.Fatal(err)
			}
			if r.Rows() != 3 || r.Cols() != 2 || r.RowBytes() != 2 {
				t.Errorf("%d rows of %d columns in %d bytes, want 3 of 2 in 2", r.Rows(), r.Cols(), r.RowBytes())
			}
			got := make([]byte, 4)
			if err := r.ReadBytes(got, 1); err != nil || !bytes.Equal(got, data[2:]) {
				t.Errorf("rows 1 and 2 are % x, %v, want % x", got, err, data[2:])
			}
			if err := r.CheckBytes(tt.elem); err != nil {
				t.Error(err)
			}
			err = r.CheckBytes(tt.other)
			if want := fmt.Sprintf("elements are %q, want packed codes of %s", tt.elem, tt.other); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one with %q", err, want)
			}
			if err := r.ReadFloats(make([]float32, 2), 0); !errors.Is(err, ErrFormat) {
				t.Errorf("bytes read as floats give %v, want ErrFormat", err)
			}
			if err := r.ReadInts(make([]int64, 2), 0); !errors.Is(err, ErrFormat) {
				t.Errorf("bytes read as row numbers give %v, want ErrFormat", err)
			}
		})
	}
	r, err := open(matrix("<f4", "(1, 2)", make([]byte, 8)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ReadBytes(make([]byte, 2), 0); !errors.Is(err, ErrFormat) {
		t.Errorf("floats read as bytes give %v, want ErrFormat", err)
	}
}

func TestNaNAndInfinityArePassedOn(t *testing.T) {
	inf := float32(math.Inf(1))
	r, err := open(matrix("<f8", "(1, 2)", encode(t, []float64{math.NaN(), math.Inf(1)})))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 2)
	if err := r.ReadFloats(got, 0); err != nil {
		t.Fatal(err)
	}
	if got[0] == got[0] || got[1] != inf {
		t.Errorf("read %v, want [NaN +Inf]", got)
	}
}

func TestFloat64BeyondFloat32IsRefusedWithItsRow(t *testing.T) {
	r, err := open(matrix("<f8", "(3, 2)", encode(t, []float64{0, 0, 0, 0, 0, 1e300})))
	if err != nil {
		t.Fatal(err)
	}
	err = r.ReadFloats(make([]float32, 4), 1)
	if want := "row 2: component 1 is 1e+300"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestHeadersOfEveryVersionAndSpellingAreRead(t *testing.T) {
	data := encode(t, []float32{1, 2})
	for _, tt := range []struct {
		name string
		file []byte
	}{
		{"version 1", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", data)},
		{"version 2", file(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", data)},
		{"version 3", file(3, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", data)},
		{"no trailing commas", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}", data)},
		{"another order of the keys", file(1, "{'shape': (1, 2), 'descr': '<f4', 'fortran_order': False}", data)},
		{"double quotes and no spaces", file(1, `{"descr":"<f4","fortran_order":False,"shape":(1,2,)}`, data)},
		{"long integers of Python 2", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L), }", data)},
		{"no rows", matrix("<f4", "(0, 768)", nil)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := open(tt.file); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFilesThatAreNotSuchAMatrixAreRefused(t *testing.T) {
	good := matrix("<f4", "(2, 3)", encode(t, make([]float32, 6)))
	longHeader := bytes.Clone(good)
	binary.LittleEndian.PutUint16(longHeader[8:], 60000)
	newVersion := bytes.Clone(good)
	newVersion[6] = 4
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"an empty file", nil, "the file is 0 bytes long, want at least 10"},
		{"the magic alone", good[:6], "the file is 6 bytes long, want at least 10"},
		{"a version 2 file that ends in its length", file(2, "", nil)[:11], "the file is 11 bytes long, want at least 12 for version 2"},
		{"another kind of file", []byte("PK\x03\x04 this is an .npz"), "the file starts with 50 4b 03 04 20 74, want 93 4e 55 4d 50 59"},
		{"a version to come", newVersion, "version 4.0, want 1, 2 or 3"},
		{"a header cut short", good[:100], "the header is 118 bytes long, but only 90 bytes follow: the file is truncated"},
		{"a header longer than the file", longHeader, "the header is 60000 bytes long, but only 142 bytes follow"},
		{"a header of a megabyte", file(2, strings.Repeat(" ", 1<<20), nil), "want at most 65536"},
		{"the header only", good[:128], "found 0 bytes after the header, want 24 for shape [2 3] of <f4: the file is truncated"},
		{"one byte short", good[:len(good)-1], "found 23 bytes after the header, want 24 for shape [2 3] of <f4: the file is truncated"},
		{"one byte over", append(bytes.Clone(good), 0), "found 25 bytes after the header, want 24 for shape [2 3] of <f4: something follows the array"},
		{"big-endian floats", matrix(">f4", "(2, 3)", make([]byte, 24)), `elements are ">f4", want one of <f2, <f4, <f8, |u1, |i1, <i4, <i8`},
		{"elements of no type that is read", matrix("<u2", "(2, 3)", make([]byte, 12)), `elements are "<u2", want one of <f2, <f4, <f8, |u1, |i1, <i4, <i8`},
		{"bytes with an order", matrix("<u1", "(2, 3)", make([]byte, 6)), `elements are "<u1", want one of`},
		{"bits that are not packed", matrix("|b1", "(2, 3)", make([]byte, 6)), `elements are "|b1", want one of`},
		{"bytes, one short", matrix("|u1", "(2, 3)", make([]byte, 5)), "found 5 bytes after the header, want 6 for shape [2 3] of |u1: the file is truncated"},
		{"bytes of a shape that overflows", matrix("|i1", "(9223372036854775807, 2)", nil), "more than any file holds"},
		{"Fortran order", file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", make([]byte, 24)), "fortran_order is True, want False"},
		{"one dimension", matrix("<f4", "(6,)", make([]byte, 24)), "shape [6] has 1 dimensions, want 2"},
		{"no dimension", matrix("<f4", "()", make([]byte, 4)), "shape [] has 0 dimensions, want 2"},
		{"three dimensions", matrix("<f4", "(1, 2, 3)", make([]byte, 24)), "shape [1 2 3] has 3 dimensions, want 2"},
		{"rows of nothing", matrix("<f4", "(6, 0)", nil), "rows of 0 numbers"},
		{"rows that are none and very long", matrix("<f4", "(0, 1000000000000)", nil), "rows of 1000000000000 numbers, want at most 1048576"},
		{"a shape whose product overflows", matrix("<f4", "(4611686018427387904, 4)", nil), "more than any file holds"},
		{"a shape whose bytes overflow", matrix("<f4", "(4611686018427387904, 1)", nil), "more than any file holds"},
		{"a number that overflows", matrix("<f4", "(18446744073709551616, 1)", nil), "want a whole number below 2^64"},
		{"a negative number", matrix("<f4", "(-1, 3)", nil), "want a whole number below 2^64"},
		{"a structured array", file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2)}", nil), "found a structured array"},
		{"a key missing", file(1, "{'descr': '<f4', 'shape': (1, 2)}", nil), "want 'descr', 'fortran_order' and 'shape'"},
		{"a key twice", file(1, "{'descr': '<f4', 'descr': '<f4', 'shape': (1, 2)}", nil), `key "descr" comes twice`},
		{"a key too many", file(1, "{'descr': '<f4', 'colour': 'red', 'shape': (1, 2)}", nil), `key "colour"`},
		{"a string without an end", file(1, "{'descr", nil), "a string that does not end"},
		{"a dictionary without an end", file(1, "{'descr': '<f4'", nil), "found the end, want ',' or '}'"},
		{"no dictionary", file(1, "", nil), `found the end, want "{"`},
		{"text after the dictionary", file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} + x", nil), "after the dictionary"},
		{"an order that is no boolean", file(1, "{'fortran_order': 0}", nil), "want True or False"},
		{"a shape that is no tuple", file(1, "{'shape': [1, 2]}", nil), `want "("`},
		{"a shape without commas", file(1, "{'shape': (1 2)}", nil), "want ',' or ')'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(tt.file)
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v, want ErrFormat", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestFileThatShrinksWhileItIsReadGivesAnError(t *testing.T) {
	b := matrix("<f4", "(2, 3)", make([]byte, 24))
	r, err := NewReader(bytes.NewReader(b[:len(b)-4]), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ReadFloats(make([]float32, 3), 1); err == nil || !strings.Contains(err.Error(), "rows 1 to 1") {
		t.Errorf("error %v, want one that names rows 1 to 1", err)
	}
}

// A header is untrusted: whatever it says, opening must not panic or take memory
// beyond the file, and what is accepted must account for every byte.
func FuzzNewReader(f *testing.F) {
	f.Add(matrix("<f2", "(2, 3)", make([]byte, 12)))
	f.Add(matrix("<i8", "(1, 1)", make([]byte, 8)))
	f.Add(matrix("|u1", "(3, 2)", make([]byte, 6)))
	f.Add(file(2, "{'shape': (0, 5L), 'fortran_order': False, 'descr': \"<f8\"}", nil))
	f.Add(file(3, "{'descr': [('a', '<f4')]}", nil))
	f.Add(matrix("<f4", "(4611686018427387904, 4)", nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := open(b)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error %v, want ErrFormat", err)
			}
			return
		}
		if got := r.dataOffset + int64(r.Rows())*int64(r.RowBytes()); got != int64(len(b)) {
			t.Errorf("%d bytes accounted for, want %d", got, len(b))
		}
		if r.Rows() == 0 {
			return
		}
		switch {
		case r.CheckInts() == nil:
			err = r.ReadInts(make([]int64, r.Cols()), r.Rows()-1)
		case r.CheckFloats() != nil:
			err = r.ReadBytes(make([]byte, r.Cols()), r.Rows()-1)
		default:
			err = r.ReadFloats(make([]float32, r.Cols()), r.Rows()-1)
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("reading the last row: %v", err)
		}
	})
}

func BenchmarkReadFloats(b *testing.B) {
	const rows, cols = 1024, 768
	for _, elem := range []Type{Float16, Float32, Float64} {
		b.Run("dtype="+string(elem), func(b *testing.B) {
			// Bytes of 0x3c are a number near 1 in every width: zeros would be
			// converted faster than what embeddings hold.
			data := bytes.Repeat([]byte{0x3c}, rows*cols*elem.Size())
			r, err := open(matrix(string(elem), fmt.Sprintf("(%d, %d)", rows, cols), data))
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]float32, rows*cols)
			b.SetBytes(4 * rows * cols)
			for b.Loop() {
				if err := r.ReadFloats(dst, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
