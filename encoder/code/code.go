// Package code is the geometry of packed binary codes, shared by everything that makes, stores
// or scans them.
//
// A code holds one bit a dimension. Dimension i is bit i%64 of word i/64, counting bits from
// the least significant; a word is a uint64, little-endian wherever it becomes bytes. A code of
// d dimensions has Words(d) words, and its bits past d are zero, so that they never count in a
// distance. The first p bits of a code are the code of the first p dimensions. A Dialect
// converts codes to the bytes that other systems use, and back.
//
// The package knows numbers only: not where vectors come from, nor where codes go.
package code

import (
	"encoding/binary"
	"math/bits"
)

// WordBits is the number of dimensions one word holds.
const WordBits = 64

// Words returns the number of words in a code of the given dimensions.
func Words(dims int) int { return (dims + WordBits - 1) / WordBits }

// Signs overwrites dst, of Words(len(v)) words, with the sign code of v: bit i
// is 1 when v[i] > 0. A zero of either sign, and NaN, give 0.
func Signs(dst []uint64, v []float32) {
	for w := range dst {
		part := v[w*WordBits : min(len(v), (w+1)*WordBits)]
		var word uint64
		for i, x := range part {
			var bit uint64
			if x > 0 { // compiled to a set, not a branch: signs do not predict
				bit = 1
			}
			word |= bit << i
		}
		dst[w] = word
	}
}

// Distance returns the number of bits in which a and b, of equal length, differ.
// It is the plain meaning of Hamming distance that the scan kernels agree with.
func Distance(a, b []uint64) int {
	d := 0
	for i, w := range a {
		d += bits.OnesCount64(w ^ b[i])
	}
	return d
}

// Padded reports whether all bits of c past dims are zero, as they must be.
func Padded(c []uint64, dims int) bool {
	if len(c) != Words(dims) {
		return false
	}
	used := dims % WordBits
	return used == 0 || c[len(c)-1]>>used == 0
}

// AppendBytes appends c to dst, 8 bytes a word, little-endian.
func AppendBytes(dst []byte, c []uint64) []byte {
	for _, w := range c {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	return dst
}

// FromBytes overwrites dst with the words that AppendBytes wrote to the first
// 8*len(dst) bytes of b.
func FromBytes(dst []uint64, b []byte) {
	_ = b[:8*len(dst)]
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
}
