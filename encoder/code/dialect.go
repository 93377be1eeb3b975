package code

import (
	"fmt"
	"math/bits"
)

// Dialect is how another system packs the bits of a code into bytes. In every dialect bit i is
// dimension i, 1 when its component is above 0; a code of d dimensions takes Bytes(d) bytes;
// and the bits of its last byte that belong to no dimension are zero. Dialects differ in the
// order of the bits within a byte, which no byte reveals: codes read in the wrong dialect look
// like good ones.
type Dialect uint8

const (
	// Numpy has dimension i in bit 7-i%8 of byte i/8, the highest bit first, as
	// numpy.packbits does: "ubinary" of sentence-transformers and Cohere.
	Numpy Dialect = iota
	// NumpySigned is Numpy with 128 subtracted from every byte, so that it fits an
	// int8: "binary" of sentence-transformers and Cohere. It is not the int8 that a
	// cast of the same bits would give: a byte of eight zeros is -128.
	NumpySigned
	// PGVector is the payload of Postgres's bit(n), which pgvector indexes: the
	// highest bit first, the same bytes as Numpy. On Postgres's binary wire they
	// follow n as a big-endian int32, which is not part of the code here. Its text
	// form is that of AppendBits.
	PGVector
	// Faiss has dimension i in bit i%8 of byte i/8, the lowest bit first, as Faiss's
	// binary indexes and sqlite-vec have it. They are the first bytes that
	// AppendBytes writes, up to the last dimension.
	Faiss
)

var dialectNames = [...]string{Numpy: "numpy", NumpySigned: "numpy-signed", PGVector: "pgvector", Faiss: "faiss"}

// ParseDialect returns the dialect of that name: numpy, numpy-signed, pgvector or
// faiss.
func ParseDialect(name string) (Dialect, error) {
	for d, n := range dialectNames {
		if n == name {
			return Dialect(d), nil
		}
	}
	return 0, fmt.Errorf("code: unknown dialect %q, want one of %q", name, dialectNames)
}

// String returns the name that ParseDialect reads.
func (d Dialect) String() string {
	if int(d) < len(dialectNames) {
		return dialectNames[d]
	}
	return fmt.Sprintf("Dialect(%d)", d)
}

// MarshalText writes the dialect's name. It fails for a value that is not a dialect.
func (d Dialect) MarshalText() ([]byte, error) {
	if int(d) >= len(dialectNames) {
		return nil, fmt.Errorf("code: no dialect has number %d", d)
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (d *Dialect) UnmarshalText(text []byte) error {
	parsed, err := ParseDialect(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

// Bytes returns the number of bytes in a packed code of the given dimensions, in
// every dialect.
func Bytes(dims int) int { return (dims + 7) / 8 }

// Unpack fills dst, of Words(dims) words, with the code of dims dimensions in packed. It fails
// when packed is not Bytes(dims) bytes long, or has a bit set past the last dimension; dst is
// then of no use.
func (d Dialect) Unpack(dst []uint64, packed []byte, dims int) error {
	mustHold(dst, dims)
	if len(packed) != Bytes(dims) {
		return fmt.Errorf("has %d bytes, want %d: %d dimensions, 8 a byte", len(packed), Bytes(dims), dims)
	}
	reversed, flip := d.layout()
	clear(dst)
	for i, b := range packed {
		b ^= flip
		if reversed {
			b = bits.Reverse8(b)
		}
		dst[i/8] |= uint64(b) << (i % 8 * 8)
	}
	if !Padded(dst, dims) {
		last, used := len(packed)-1, dims%8
		padding := dst[last/8] >> (last % 8 * 8) >> used
		return fmt.Errorf("byte %d has %d bits set past dimension %d, the last, want none", last, bits.OnesCount64(padding), dims-1)
	}
	return nil
}

// AppendPacked appends to dst the Bytes(dims) bytes that Unpack reads as c, a code
// of dims dimensions.
func (d Dialect) AppendPacked(dst []byte, c []uint64, dims int) []byte {
	mustHold(c, dims)
	reversed, flip := d.layout()
	for i := range Bytes(dims) {
		b := byte(c[i/8] >> (i % 8 * 8))
		if reversed {
			b = bits.Reverse8(b)
		}
		dst = append(dst, b^flip)
	}
	return dst
}

// layout says how a byte differs from one that has its first dimension in the lowest bit:
// whether the bits are reversed, and which are flipped.
func (d Dialect) layout() (reversed bool, flip byte) {
	switch d {
	case Numpy, PGVector:
		return true, 0
	case NumpySigned:
		return true, 0x80 // modulo 256, subtracting 128 flips the highest bit
	case Faiss:
		return false, 0
	}
	panic(fmt.Sprintf("code: %v has no layout", d))
}

// AppendBits appends to dst the dims bits of c as the characters 0 and 1, dimension
// 0 first: the text form of Postgres's bit(n).
func AppendBits(dst []byte, c []uint64, dims int) []byte {
	mustHold(c, dims)
	for i := range dims {
		dst = append(dst, '0'+byte(c[i/WordBits]>>(i%WordBits)&1))
	}
	return dst
}

// ParseBits fills dst, of Words(dims) words, with the code whose bits text spells as AppendBits
// does. It fails when text is not dims characters long, or has characters other than 0 and 1;
// dst is then of no use.
func ParseBits(dst []uint64, text string, dims int) error {
	mustHold(dst, dims)
	if len(text) != dims {
		return fmt.Errorf("has %d bits, want %d", len(text), dims)
	}
	clear(dst)
	for i := range dims {
		switch text[i] {
		case '0':
		case '1':
			dst[i/WordBits] |= 1 << (i % WordBits)
		default:
			return fmt.Errorf("bit %d is %q, want 0 or 1", i, text[i:i+1])
		}
	}
	return nil
}

// mustHold panics unless c has the words of a code of dims dimensions: otherwise there is a bug
// in the caller.
func mustHold(c []uint64, dims int) {
	if len(c) != Words(dims) {
		panic(fmt.Sprintf("code: %d words for %d dimensions, want %d", len(c), dims, Words(dims)))
	}
}
