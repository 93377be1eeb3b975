package files

import (
	"fmt"
	"slices"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// Packed codes come and go as .npy matrices with a code a row: of int8 in the
// numpy-signed dialect, otherwise of uint8.

// ElementOf returns the element type of a dialect's matrices.
func ElementOf(dialect code.Dialect) npy.Type {
	if dialect == code.NumpySigned {
		return npy.Int8
	}
	return npy.Uint8
}

// CodeDims returns the step of a ladder whose codes have the given number of bytes.
func CodeDims(name string, bytes int, ladder []int) (int, error) {
	at := slices.IndexFunc(ladder, func(step int) bool { return code.Bytes(step) == bytes })
	if at < 0 {
		dims := ladder[len(ladder)-1]
		return 0, fmt.Errorf("%s: found codes of %d bytes, want %d for %d dimensions or those of a shorter step of the ladder %v, 8 a byte",
			name, bytes, code.Bytes(dims), dims, ladder)
	}
	return ladder[at], nil
}

// EachCode calls visit with n codes of dims dimensions from a file's matrix, starting at row
// first. The code is overwritten for the next row.
func EachCode(name string, m *npy.Reader, dialect code.Dialect, dims, first, n int, visit func(row int, words []uint64) error) error {
	return eachCode(name, m, dialect, dims, first, n, func(row int, words []uint64, bad error) error {
		if bad != nil {
			return bad
		}
		return visit(row, words)
	})
}

// eachCode is EachCode, but it also visits malformed codes, with what is wrong with them.
func eachCode(name string, m *npy.Reader, dialect code.Dialect, dims, first, n int, visit func(row int, words []uint64, bad error) error) error {
	if err := m.CheckBytes(ElementOf(dialect)); err != nil {
		return err
	}
	if m.Cols() != code.Bytes(dims) {
		return fmt.Errorf("%w: found codes of %d bytes, want %d for %d dimensions, 8 a byte", npy.ErrFormat, m.Cols(), code.Bytes(dims), dims)
	}
	words := make([]uint64, code.Words(dims))
	block := make([]byte, min(n, max(1, blockBytes/m.Cols()))*m.Cols())
	for row := first; row < first+n; {
		part := block[:min(first+n-row, len(block)/m.Cols())*m.Cols()]
		if err := m.ReadBytes(part, row); err != nil {
			return err
		}
		for packed := range slices.Chunk(part, m.Cols()) {
			bad := dialect.Unpack(words, packed, dims)
			if bad != nil {
				bad = fmt.Errorf("%s: row %d: code %w", name, row, bad)
			}
			if err := visit(row, words, bad); err != nil {
				return err
			}
			row++
		}
	}
	return nil
}

// ReadCodes reads the first limit codes of a file, or all if limit is 0. Their size must be a
// step of the ladder.
func ReadCodes(name string, dialect code.Dialect, ladder []int, limit int) (codes [][]uint64, err error) {
	err = WithMatrix(Disk, name, func(m *npy.Reader) error {
		n := m.Rows()
		if limit > 0 {
			n = min(n, limit)
		}
		dims, err := CodeDims(name, m.Cols(), ladder)
		if err != nil {
			return err
		}
		codes = make([][]uint64, 0, n)
		return EachCode(name, m, dialect, dims, 0, n, func(_ int, words []uint64) error {
			codes = append(codes, slices.Clone(words))
			return nil
		})
	})
	return codes, err
}
