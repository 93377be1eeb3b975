package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// Packed codes come and go as .npy matrices with a code a row: of int8 in the
// numpy-signed dialect, otherwise of uint8.

// addDialectFlag adds the flag that says how codes are packed.
func addDialectFlag(cmd *cobra.Command, dialect *string, usage string) {
	cmd.Flags().StringVar(dialect, "dialect", "", usage+": `name` of how they are packed, numpy, numpy-signed, pgvector or faiss")
}

// parseDialect returns the dialect of that name, which what needs.
func parseDialect(what, name string) (code.Dialect, error) {
	if name == "" {
		return 0, fmt.Errorf("nothing in a code tells how it is packed: with %s, want --dialect numpy, numpy-signed, pgvector or faiss", what)
	}
	return code.ParseDialect(name)
}

// elementOf is the type of the matrices of a dialect.
func elementOf(dialect code.Dialect) npy.Type {
	if dialect == code.NumpySigned {
		return npy.Int8
	}
	return npy.Uint8
}

// codeDims returns the step of a ladder that the codes of a file, of so many bytes, are
// of.
func codeDims(name string, bytes int, ladder []int) (int, error) {
	at := slices.IndexFunc(ladder, func(step int) bool { return code.Bytes(step) == bytes })
	if at < 0 {
		dims := ladder[len(ladder)-1]
		return 0, fmt.Errorf("%s: found codes of %d bytes, want %d for %d dimensions or those of a shorter step of the ladder %s, 8 a byte",
			name, bytes, code.Bytes(dims), dims, joinInts(ladder))
	}
	return ladder[at], nil
}

// eachCode calls visit with n codes of the matrix of a file, of dims dimensions, the
// first being row first. The code is overwritten for later rows.
func eachCode(name string, m *npy.Reader, dialect code.Dialect, dims, first, n int, visit func(row int, words []uint64) error) error {
	if err := m.CheckBytes(elementOf(dialect)); err != nil {
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
			if err := dialect.Unpack(words, packed, dims); err != nil {
				return fmt.Errorf("%s: row %d: code %w", name, row, err)
			}
			if err := visit(row, words); err != nil {
				return err
			}
			row++
		}
	}
	return nil
}

// readCodes reads the first limit codes of a file, all if that is 0, of as many
// dimensions as a step of the ladder.
func readCodes(name string, dialect code.Dialect, ladder []int, limit int) (codes [][]uint64, err error) {
	err = withMatrix(openDisk, name, func(m *npy.Reader) error {
		n := m.Rows()
		if limit > 0 {
			n = min(n, limit)
		}
		dims, err := codeDims(name, m.Cols(), ladder)
		if err != nil {
			return err
		}
		codes = make([][]uint64, 0, n)
		return eachCode(name, m, dialect, dims, 0, n, func(_ int, words []uint64) error {
			codes = append(codes, slices.Clone(words))
			return nil
		})
	})
	return codes, err
}
