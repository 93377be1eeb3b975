package npy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// headerBytes is the length of Header. NumPy ends a header at a multiple of 64, and
// that of any matrix ends between 64 and 128: so rows can be counted while they are
// written, and the header put in front of them afterwards.
const headerBytes = 128

// Header returns the start of a .npy file as NumPy writes it: version 1.0, padded
// such that the numbers begin at a multiple of 64.
func Header(elem Type, rows, cols int) []byte {
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }", elem, rows, cols)
	const before = len(magic) + 4 // version and length
	dict += strings.Repeat(" ", headerBytes-before-len(dict)-1) + "\n"
	return append(binary.LittleEndian.AppendUint16([]byte(magic+"\x01\x00"), uint16(len(dict))), dict...)
}

// Writer writes a matrix of which the number of rows need not be known before. Until
// Close the file has zeros for a header, so that nobody takes a part for the whole.
// It is not safe for concurrent use.
type Writer struct {
	dst        io.WriteSeeker
	buf        *bufio.Writer
	elem       Type
	rows, cols int
}

// NewWriter starts a matrix with rows of cols elements, at least 1, in dst, an empty
// file.
func NewWriter(dst io.WriteSeeker, elem Type, cols int) *Writer {
	w := &Writer{dst: dst, buf: bufio.NewWriterSize(dst, 1<<20), elem: elem, cols: cols}
	_, _ = w.buf.Write(make([]byte, headerBytes)) // the buffer keeps an error, for Close
	return w
}

// WriteFloats appends src, of a whole number of rows, to a matrix of Float32.
func (w *Writer) WriteFloats(src []float32) error {
	w.take(len(src), w.elem == Float32)
	for row := range slices.Chunk(src, w.cols) {
		b := w.buf.AvailableBuffer()
		for _, x := range row {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		if _, err := w.buf.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// WriteBytes appends src, of a whole number of rows, to a matrix of Uint8, or of Int8
// in two's complement.
func (w *Writer) WriteBytes(src []byte) error {
	w.take(len(src), w.elem == Uint8 || w.elem == Int8)
	_, err := w.buf.Write(src)
	return err
}

// take counts n elements. It panics if they are not whole rows, or of another type
// than the matrix: that is a bug in the caller.
func (w *Writer) take(n int, typed bool) {
	if n%w.cols != 0 || !typed {
		panic(fmt.Sprintf("npy: write of %d elements to a matrix of %s with %d columns", n, w.elem, w.cols))
	}
	w.rows += n / w.cols
}

// Close writes what is buffered, and the header. It does not close the file. A file
// whose Close has failed, or was not called, is no .npy file.
func (w *Writer) Close() error {
	if err := w.buf.Flush(); err != nil {
		return err
	}
	if _, err := w.dst.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := w.dst.Write(Header(w.elem, w.rows, w.cols))
	return err
}
