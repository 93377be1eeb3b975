package code

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
)

// Distance is a metric: from itself 0, the same both ways, never longer than by
// way of a third code, and the number of bits in all to the opposite.
func FuzzDistance(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte{8, 7, 6, 5, 4, 3, 2, 1}, []byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, x, y, z []byte) {
		words := min(len(x), len(y), len(z)) / 8
		a, b, c := make([]uint64, words), make([]uint64, words), make([]uint64, words)
		FromBytes(a, x)
		FromBytes(b, y)
		FromBytes(c, z)
		opposite := slices.Clone(a)
		for i := range opposite {
			opposite[i] = ^opposite[i]
		}
		if Distance(a, a) != 0 || Distance(a, b) != Distance(b, a) || Distance(a, b) > Distance(a, c)+Distance(c, b) || Distance(a, opposite) != 64*words {
			t.Errorf("distances of %x, %x and %x: %d %d %d %d", a, b, c, Distance(a, b), Distance(a, c), Distance(c, b), Distance(a, opposite))
		}
		if got := AppendBytes(nil, a); !slices.Equal(got, x[:8*words]) {
			t.Errorf("% x came back as % x", x, got)
		}
	})
}

// Any bit patterns as floats, of any number of dimensions.
func FuzzSigns(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0, 0x80, 1, 0, 0, 0})
	f.Add(make([]byte, 4*65))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := make([]float32, len(b)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		got := make([]uint64, Words(len(v)))
		Signs(got, v)
		if want := naive(v); !slices.Equal(got, want) || !Padded(got, len(v)) {
			t.Errorf("%x, want %x for %v", got, want, v)
		}
	})
}

// Bytes that are read are the bits of the dialect's definition and are written back
// as they were; bytes that are refused have padding that is not zero.
func FuzzDialects(f *testing.F) {
	f.Add([]byte{0x4e, 0xa0}, uint8(11))
	f.Add([]byte{0xce, 0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}, uint8(65))
	f.Add([]byte{0xff}, uint8(7))
	f.Fuzz(func(t *testing.T, b []byte, n uint8) {
		dims := min(int(n), 8*len(b))
		packed := b[:Bytes(dims)]
		for _, d := range dialects {
			want, padded := make([]uint64, Words(dims)), true
			for i := range 8 * len(packed) {
				if i < dims {
					want[i/64] |= bit(d, packed, i) << (i % 64)
				} else if bit(d, packed, i) == 1 {
					padded = false
				}
			}
			got := make([]uint64, Words(dims))
			if err := d.Unpack(got, packed, dims); (err == nil) != padded {
				t.Errorf("%v, %d dims of % x: error %v, zero padding %t", d, dims, packed, err, padded)
			}
			if !padded {
				continue
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v, %d dims of % x: %x, want %x", d, dims, packed, got, want)
			}
			if back := d.AppendPacked(nil, got, dims); !slices.Equal(back, packed) {
				t.Errorf("%v, %d dims of % x: back % x", d, dims, packed, back)
			}
			clear(got)
			if err := ParseBits(got, string(AppendBits(nil, want, dims)), dims); err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %d dims of % x: %x by way of text, %v, want %x", d, dims, packed, got, err, want)
			}
		}
	})
}

// A code of 12 dimensions that numpy.packbits made, as Postgres and Faiss would
// have it.
func ExampleDialect() {
	c := make([]uint64, Words(12))
	if err := Numpy.Unpack(c, []byte{0b10110000, 0b00010000}, 12); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s\n", AppendBits(nil, c, 12))
	fmt.Printf("%08b\n", Faiss.AppendPacked(nil, c, 12))
	// Output:
	// 101100000001
	// [00001101 00001000]
}

// Dimension 0 is the lowest bit of the first byte: what numpy calls little and
// Faiss writes.
func ExampleSigns() {
	v := make([]float32, 70)
	v[0], v[9], v[69] = 1, 0.5, 2
	c := make([]uint64, Words(len(v)))
	Signs(c, v)
	fmt.Printf("% x\n", AppendBytes(nil, c))
	// Output: 01 02 00 00 00 00 00 00 20 00 00 00 00 00 00 00
}
