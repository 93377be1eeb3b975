// Package npy reads and writes matrices of numbers as NumPy's .npy files, block by
// block.
//
// It reads what embedding models write: two-dimensional little-endian arrays in C
// order, of float16, float32 or float64 (vectors), of uint8 or int8 (packed codes)
// and of int32 or int64 (row numbers), and is strict about all else: a file is
// accepted only when its header is well-formed and its length is exactly what the
// header says. The format is described in
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
//
// The package is our own because sbinet/npyio brings gonum along and has no
// float16, which is what most stored embeddings are.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/x448/float16"
)

// ErrFormat is wrapped by every error that says a file is not a matrix that this
// package reads, as opposed to one that could not be read at all.
var ErrFormat = errors.New("not a readable .npy matrix")

// Type is the type of one element, spelled as in the header.
type Type string

// The types of elements that are read.
const (
	Float16 Type = "<f2"
	Float32 Type = "<f4"
	Float64 Type = "<f8"
	Uint8   Type = "|u1"
	Int8    Type = "|i1"
	Int32   Type = "<i4"
	Int64   Type = "<i8"
)

// Size returns the bytes an element takes, or 0 for a type that is not read.
func (t Type) Size() int {
	switch t {
	case Uint8, Int8:
		return 1
	case Float16:
		return 2
	case Float32, Int32:
		return 4
	case Float64, Int64:
		return 8
	}
	return 0
}

// maxCols bounds what a file can ask for: a matrix of no rows has no bytes to prove how
// long its rows are, and a reader makes room for one.
const maxCols = 1 << 20

// Reader reads rows of one matrix. It is not safe for concurrent use.
type Reader struct {
	src        io.ReaderAt
	dataOffset int64
	elem       Type
	rows, cols int
	scratch    []byte // the bytes of the rows last read
}

// NewReader reads the header of the .npy file src, which is size bytes long, and
// compares it with that length. It reads nothing past the header.
func NewReader(src io.ReaderAt, size int64) (*Reader, error) {
	text, dataOffset, err := readHeader(src, size)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	r := &Reader{src: src, dataOffset: dataOffset, elem: Type(h.descr)}
	if err := r.setShape(h, size-dataOffset); err != nil {
		return nil, err
	}
	return r, nil
}

// setShape takes over the header's shape if it is one this package reads and
// accounts for exactly dataBytes bytes.
func (r *Reader) setShape(h header, dataBytes int64) error {
	if r.elem.Size() == 0 {
		return formatErrorf("elements are %q, want one of <f2, <f4, <f8, |u1, |i1, <i4, <i8 (numbers, little-endian)", h.descr)
	}
	if h.fortran {
		return formatErrorf("fortran_order is True, want False: save numpy.ascontiguousarray(a) instead")
	}
	if len(h.shape) != 2 {
		return formatErrorf("shape %v has %d dimensions, want 2: (rows, columns)", h.shape, len(h.shape))
	}
	rows, cols := h.shape[0], h.shape[1]
	if cols == 0 {
		return formatErrorf("shape %v has rows of 0 numbers, want at least 1", h.shape)
	}
	if cols > maxCols {
		return formatErrorf("shape %v has rows of %d numbers, want at most %d", h.shape, cols, maxCols)
	}
	over1, elems := bits.Mul64(rows, cols)
	over2, want := bits.Mul64(elems, uint64(r.elem.Size()))
	if over1 != 0 || over2 != 0 || want > math.MaxInt64 || rows > math.MaxInt {
		return formatErrorf("shape %v of %s is more than any file holds", h.shape, h.descr)
	}
	if uint64(dataBytes) != want {
		return formatErrorf("found %d bytes after the header, want %d for shape %v of %s%s",
			dataBytes, want, h.shape, h.descr, truncatedOrNot(dataBytes, want))
	}
	r.rows, r.cols = int(rows), int(cols)
	return nil
}

func truncatedOrNot(found int64, want uint64) string {
	if uint64(found) < want {
		return ": the file is truncated"
	}
	return ": something follows the array"
}

// Rows returns the number of rows.
func (r *Reader) Rows() int { return r.rows }

// Cols returns the number of columns, at least 1.
func (r *Reader) Cols() int { return r.cols }

// RowBytes returns the bytes that a row takes in the file.
func (r *Reader) RowBytes() int { return r.cols * r.elem.Size() }

// CheckFloats returns nil when the elements are floating-point numbers.
func (r *Reader) CheckFloats() error {
	switch r.elem {
	case Float16, Float32, Float64:
		return nil
	}
	return formatErrorf("elements are %q, want vectors of <f2, <f4 or <f8", string(r.elem))
}

// CheckInts returns nil when the elements are integers that number rows.
func (r *Reader) CheckInts() error {
	switch r.elem {
	case Int32, Int64:
		return nil
	}
	return formatErrorf("elements are %q, want row numbers of <i4 or <i8", string(r.elem))
}

// CheckBytes returns nil when the elements are of the type want, Uint8 or Int8.
func (r *Reader) CheckBytes(want Type) error {
	if r.elem != want {
		return formatErrorf("elements are %q, want packed codes of %s", string(r.elem), want)
	}
	return nil
}

// ReadFloats overwrites dst, of a whole number of rows, with the rows from row on.
// NaN and the infinities are passed on as they are; a finite float64 that no
// float32 can hold is an error.
func (r *Reader) ReadFloats(dst []float32, row int) error {
	if err := r.CheckFloats(); err != nil {
		return err
	}
	b, err := r.read(len(dst), row)
	if err != nil {
		return err
	}
	switch r.elem {
	case Float16:
		for i := range dst {
			dst[i] = float16.Frombits(binary.LittleEndian.Uint16(b[2*i:])).Float32()
		}
	case Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	default:
		for i := range dst {
			x := math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
			dst[i] = float32(x)
			if math.IsInf(float64(dst[i]), 0) && !math.IsInf(x, 0) {
				return formatErrorf("row %d: component %d is %g, want at most %g: a float32", row+i/r.cols, i%r.cols, x, math.MaxFloat32)
			}
		}
	}
	return nil
}

// ReadInts overwrites dst, of a whole number of rows, with the rows from row on.
func (r *Reader) ReadInts(dst []int64, row int) error {
	if err := r.CheckInts(); err != nil {
		return err
	}
	b, err := r.read(len(dst), row)
	if err != nil {
		return err
	}
	if r.elem == Int32 {
		for i := range dst {
			dst[i] = int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		}
		return nil
	}
	for i := range dst {
		dst[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return nil
}

// ReadBytes overwrites dst, of a whole number of rows, with the rows from row on. The
// elements are uint8, or int8 in two's complement.
func (r *Reader) ReadBytes(dst []byte, row int) error {
	if r.elem.Size() != 1 {
		return formatErrorf("elements are %q, want packed codes of %s or %s", string(r.elem), Uint8, Int8)
	}
	b, err := r.read(len(dst), row)
	if err != nil {
		return err
	}
	copy(dst, b)
	return nil
}

// read returns the bytes of n elements from the start of row on, valid until the
// next call. It panics if they are not whole rows of the matrix: that is a bug in
// the caller.
func (r *Reader) read(n, row int) ([]byte, error) {
	if n%r.cols != 0 || row < 0 || row+n/r.cols > r.rows {
		panic(fmt.Sprintf("npy: read of %d elements at row %d of a %d x %d matrix", n, row, r.rows, r.cols))
	}
	size := n * r.elem.Size()
	if cap(r.scratch) < size {
		r.scratch = make([]byte, size)
	}
	b := r.scratch[:size]
	if got, err := r.src.ReadAt(b, r.dataOffset+int64(row)*int64(r.RowBytes())); got < size {
		return nil, fmt.Errorf("rows %d to %d: %w", row, row+n/r.cols-1, err)
	}
	return b, nil
}

func formatErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}
