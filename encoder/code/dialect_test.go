package code

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
)

var dialects = []Dialect{Numpy, NumpySigned, PGVector, Faiss}

// bit is the definition of the dialects: the bit that dimension i has in packed.
func bit(d Dialect, packed []byte, i int) uint64 {
	b := packed[i/8]
	if d == Faiss {
		return uint64(b >> (i % 8) & 1)
	}
	if d == NumpySigned {
		b = byte(int(int8(b)) + 128)
	}
	return uint64(b >> (7 - i%8) & 1)
}

// golden returns the rows of testdata/packed.txt: the bits of a code, and their
// bytes in every dialect.
func golden(t *testing.T) (rows []struct {
	bits   string
	packed map[Dialect][]byte
},
) {
	t.Helper()
	text, err := os.ReadFile("testdata/packed.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] == "#" {
			continue
		}
		packed := map[Dialect][]byte{}
		for i, d := range dialects {
			b, err := hex.DecodeString(fields[1+i])
			if err != nil {
				t.Fatal(err)
			}
			packed[d] = b
		}
		rows = append(rows, struct {
			bits   string
			packed map[Dialect][]byte
		}{fields[0], packed})
	}
	return rows
}

func TestCodesAreThoseOfTheSystemsThatMadeThem(t *testing.T) {
	rows := golden(t)
	if len(rows) != 11 {
		t.Fatalf("%d codes, want 11", len(rows))
	}
	for _, row := range rows {
		dims := len(row.bits)
		want := make([]uint64, Words(dims))
		if err := ParseBits(want, row.bits, dims); err != nil {
			t.Fatal(err)
		}
		for _, d := range dialects {
			got := make([]uint64, Words(dims))
			for i := range got {
				got[i] = ^uint64(0) // overwritten
			}
			if err := d.Unpack(got, row.packed[d], dims); err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %d dims: unpacked %x, %v, want %x", d, dims, got, err, want)
			}
			if got := d.AppendPacked(nil, want, dims); !bytes.Equal(got, row.packed[d]) {
				t.Errorf("%v, %d dims: packed % x, want % x", d, dims, got, row.packed[d])
			}
		}
	}
}

// The vector is one that pgvector's own tests quantise.
func TestACodeByHandInEveryDialect(t *testing.T) {
	v := []float32{0, 0.1, -0.2, -0.3, 0.4, 0.5, 0.6, -0.7, 0.8, -0.9, 1}
	c := make([]uint64, Words(len(v)))
	Signs(c, v)
	if got := string(AppendBits(nil, c, len(v))); got != "01001110101" {
		t.Fatalf("bits %s", got)
	}
	signed := []int8{-50, 32} // 78 and 160, less 128
	for d, want := range map[Dialect][]byte{
		Numpy:       {0b01001110, 0b10100000},
		NumpySigned: {byte(signed[0]), byte(signed[1])},
		PGVector:    {0b01001110, 0b10100000},
		Faiss:       {0b01110010, 0b00000101},
	} {
		if got := d.AppendPacked([]byte{7}, c, len(v)); !bytes.Equal(got, append([]byte{7}, want...)) {
			t.Errorf("%v: % x, want % x after 07", d, got, want)
		}
		got := make([]uint64, len(c))
		if err := d.Unpack(got, want, len(v)); err != nil || !slices.Equal(got, c) {
			t.Errorf("%v: back %x, %v, want %x", d, got, err, c)
		}
	}
}

func TestFaissBytesAreTheFirstOfOurOwn(t *testing.T) {
	for _, row := range golden(t) {
		dims := len(row.bits)
		c := make([]uint64, Words(dims))
		if err := ParseBits(c, row.bits, dims); err != nil {
			t.Fatal(err)
		}
		own := AppendBytes(nil, c)
		if !bytes.Equal(row.packed[Faiss], own[:Bytes(dims)]) || len(bytes.Trim(own[Bytes(dims):], "\x00")) > 0 {
			t.Errorf("%d dims: faiss % x, our own % x", dims, row.packed[Faiss], own)
		}
	}
}

func TestUnpackRefusesWhatIsNoCodeOfTheseDims(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dialect Dialect
		packed  []byte
		dims    int
		want    string // empty: accepted
	}{
		{"no dims", Numpy, nil, 0, ""},
		{"a byte for no dims", Numpy, []byte{0}, 0, "has 1 bytes, want 0: 0 dimensions, 8 a byte"},
		{"a byte too few", Numpy, make([]byte, 12), 100, "has 12 bytes, want 13: 100 dimensions, 8 a byte"},
		{"a byte too many", Faiss, make([]byte, 14), 100, "has 14 bytes, want 13: 100 dimensions, 8 a byte"},
		{"words of our own", Faiss, make([]byte, 16), 100, "has 16 bytes, want 13: 100 dimensions, 8 a byte"},
		{"bits that are not packed", Numpy, make([]byte, 64), 64, "has 64 bytes, want 8: 64 dimensions, 8 a byte"},
		{"numpy, all bits in use", Numpy, []byte{0xff, 0xe0}, 11, ""},
		{"numpy, the first bit of padding", Numpy, []byte{0, 0x10}, 11, "byte 1 has 1 bits set past dimension 10, the last, want none"},
		{"numpy, the last bit of padding", Numpy, []byte{0, 0x01}, 11, "byte 1 has 1 bits set past dimension 10, the last, want none"},
		{"pgvector, all bits set", PGVector, []byte{0xff, 0xff}, 11, "byte 1 has 5 bits set past dimension 10, the last, want none"},
		{"numpy-signed, all bits in use", NumpySigned, []byte{0x7f, 0x60}, 11, ""},
		{"numpy-signed, -128 is eight zeros", NumpySigned, []byte{0x80, 0x80}, 11, ""},
		{"numpy-signed, a padding of its own", NumpySigned, []byte{0x80, 0x81}, 11, "byte 1 has 1 bits set past dimension 10, the last, want none"},
		{"faiss, all bits in use", Faiss, []byte{0xff, 0x07}, 11, ""},
		{"faiss, the first bit of padding", Faiss, []byte{0, 0x08}, 11, "byte 1 has 1 bits set past dimension 10, the last, want none"},
		{"faiss, padding in the ninth byte", Faiss, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0x06}, 65, "byte 8 has 2 bits set past dimension 64, the last, want none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.dialect.Unpack(make([]uint64, Words(tt.dims)), tt.packed, tt.dims)
			if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestParseBitsRefusesWhatIsNoBitString(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       string
	}{
		{"a bit too few", "010", "has 3 bits, want 4"},
		{"a bit too many", "01010", "has 5 bits, want 4"},
		{"another digit", "0120", `bit 2 is "2", want 0 or 1`},
		{"a literal of SQL", "B'01", `bit 0 is "B", want 0 or 1`},
		{"a space", "010 ", `bit 3 is " ", want 0 or 1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := ParseBits(make([]uint64, 1), tt.text, 4); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestDialectNamesGoThereAndBack(t *testing.T) {
	for d, name := range map[Dialect]string{Numpy: "numpy", NumpySigned: "numpy-signed", PGVector: "pgvector", Faiss: "faiss"} {
		text, err := d.MarshalText()
		if err != nil || string(text) != name || d.String() != name {
			t.Errorf("%d is written %q and %q, %v, want %q", d, text, d, err, name)
		}
		back := Dialect(200)
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Errorf("%q is read as %v, %v", text, back, err)
		}
	}
}

func TestUnknownDialectIsAnErrorThatListsTheKnown(t *testing.T) {
	for _, name := range []string{"", "Numpy", "vespa"} {
		d := Faiss
		err := d.UnmarshalText([]byte(name))
		want := `code: unknown dialect "` + name + `", want one of ["numpy" "numpy-signed" "pgvector" "faiss"]`
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
		if d != Faiss {
			t.Errorf("%q has changed the dialect to %v", name, d)
		}
	}
	if text, err := Dialect(4).MarshalText(); err == nil {
		t.Errorf("Dialect(4) is written %q", text)
	}
	if got := Dialect(4).String(); got != "Dialect(4)" {
		t.Errorf("Dialect(4) is %q", got)
	}
}
