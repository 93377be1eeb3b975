package files

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// Disk is the Opener of files on disk. It refuses pipes, because input is read twice: once to
// check it and once to store it.
func Disk(name string) (fs.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: input is read twice, so that all of it is checked before any of it is stored", name)
	}
	return os.Open(name)
}

// Input is what one ingest reads.
type Input struct {
	Open Opener
	// files hold the vectors, .npy or .jsonl.
	Files []string
	// ids and metadata name and describe the rows of .npy files; empty for none.
	IDs, Metadata string
	// codes says that .npy files have packed codes instead of vectors; codeFile, unless
	// empty, has the codes of all vectors, one a row. They are of CodeDims dimensions, in
	// dialect.
	Codes    bool
	CodeFile string
	Dialect  code.Dialect
	CodeDims int
}

// Place is where a record was read.
type Place struct {
	File   string
	Unit   string // what number counts: rows of a matrix from 0, lines of a text from 1
	Number int
	Bytes  int // what the record takes of the file
	// Text is the line, nil for a row of a matrix. It is overwritten for the next record.
	Text []byte
}

// Errorf returns an error about the record.
func (o Place) Errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s %d: %w", o.File, o.Unit, o.Number, fmt.Errorf(format, args...))
}

// Layout is what the headers and lengths of an input's files say.
type Layout struct {
	Dims  int   // of the first vector; 0 when there is none
	Rows  int   // of the .npy files
	Bytes int64 // of all files
}

// The extensions of the files that can be read.
const (
	Matrix    = ".npy"
	JSONLines = ".jsonl"
	Text      = ".txt"
)

// Kind returns the extension of a file, or an error that says which are wanted.
func Kind(name string, want ...string) (string, error) {
	ext := strings.ToLower(filepath.Ext(name))
	if !slices.Contains(want, ext) {
		return "", fmt.Errorf("%s: found a file name that ends in %q, want %s", name, ext, strings.Join(want, " or "))
	}
	return ext, nil
}

// Layout looks at every file, without reading any to the end, and returns an error
// when the files do not go together.
func (in Input) Layout() (Layout, error) {
	var l Layout
	for _, name := range in.Files {
		k, err := Kind(name, Matrix, JSONLines)
		if err != nil {
			return Layout{}, err
		}
		if k != Matrix && in.Codes {
			return Layout{}, fmt.Errorf("%s: found vectors, want packed codes: --dialect goes with %s files of codes", name, Matrix)
		}
		if k != Matrix && (in.IDs != "" || in.Metadata != "") {
			return Layout{}, fmt.Errorf("%s has ids and metadata of its own: --ids and --metadata go with %s files", name, Matrix)
		}
		peek := in.peekMatrix
		if k == JSONLines {
			peek = in.peekLines
		}
		dims, rows, size, err := peek(name)
		if err != nil {
			return Layout{}, err
		}
		if l.Dims == 0 {
			l.Dims = dims
		}
		l.Rows += rows
		l.Bytes += size
	}
	return l, nil
}

func (in Input) peekMatrix(name string) (dims, rows int, size int64, err error) {
	err = WithMatrix(in.Open, name, func(m *npy.Reader) error {
		dims, rows, size = m.Cols(), m.Rows(), int64(m.Rows())*int64(m.RowBytes())
		if in.Codes {
			dims *= 8
			return m.CheckBytes(ElementOf(in.Dialect))
		}
		return m.CheckFloats()
	})
	return dims, rows, size, err
}

// peekLines returns the dimensions of the first vector of a .jsonl file, and the
// file's length.
func (in Input) peekLines(name string) (dims, rows int, size int64, err error) {
	file, err := in.Open(name)
	if err != nil {
		return 0, 0, 0, err
	}
	info, err := file.Stat()
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, 0, 0, err
	}
	_, err = in.eachLine(name, func(rec index.Record, _ Place, bad error) error {
		if bad == nil {
			dims = len(rec.Vector)
			return ErrStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrStop) {
		return 0, 0, 0, err
	}
	return dims, 0, info.Size(), nil
}

// ErrStop ends an iteration early.
var ErrStop = errors.New("stop")

// A Visit is called with a record, or with an empty record and an error that says what is wrong
// with it and where it was read.
type Visit func(rec index.Record, at Place, bad error) error

// Each calls visit with every record of the input in order, until an error. The
// record's vector and code are overwritten for the next one; its metadata is not.
func (in Input) Each(visit Visit) (err error) {
	if in.CodeFile != "" {
		return in.eachWithCode(visit)
	}
	labels, err := in.openLabels()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, labels.Close()) }()
	first := 0
	for _, name := range in.Files {
		k, err := Kind(name, Matrix, JSONLines)
		if err != nil {
			return err
		}
		var rows int
		if k == JSONLines {
			rows, err = in.eachLine(name, visit)
		} else {
			rows, err = in.eachRow(name, first, labels, visit)
		}
		if err != nil {
			return err
		}
		first += rows
	}
	return labels.end()
}

// eachWithCode visits every record with its code from the file of codes.
func (in Input) eachWithCode(visit Visit) error {
	var failed error // kept from WithMatrix, which would name the wrong file
	err := WithMatrix(in.Open, in.CodeFile, func(codes *npy.Reader) error {
		one := func(row, n int, take func(row int, words []uint64, bad error) error) error {
			return eachCode(in.CodeFile, codes, in.Dialect, in.CodeDims, row, n, take)
		}
		if err := one(0, 0, nil); err != nil { // of the wrong type or size
			return err
		}
		vectors, row := in, 0
		vectors.CodeFile = ""
		failed = vectors.Each(func(rec index.Record, at Place, bad error) error {
			if row++; row > codes.Rows() {
				return fmt.Errorf("%s: found %d codes, want one for each vector", in.CodeFile, codes.Rows())
			}
			return one(row-1, 1, func(_ int, words []uint64, badCode error) error {
				rec.Code = words
				return visit(rec, at, cmp.Or(bad, badCode))
			})
		})
		if failed == nil && row < codes.Rows() {
			failed = fmt.Errorf("%s: found %d codes, want %d: one for each vector", in.CodeFile, codes.Rows(), row)
		}
		return nil
	})
	return errors.Join(err, failed)
}

// eachRow visits the rows of a matrix, the first being row first of the input.
func (in Input) eachRow(name string, first int, names *labels, visit Visit) (rows int, err error) {
	err = WithMatrix(in.Open, name, func(m *npy.Reader) error {
		rows = m.Rows()
		one := func(row int, rec index.Record, badCode error) error {
			var bad, err error
			if rec.ID, rec.Metadata, bad, err = names.next(first + row); err != nil {
				return err
			}
			return visit(rec, Place{File: name, Unit: "row", Number: row, Bytes: m.RowBytes()}, cmp.Or(bad, badCode))
		}
		if in.Codes {
			return eachCode(name, m, in.Dialect, in.CodeDims, 0, rows, func(row int, words []uint64, bad error) error {
				return one(row, index.Record{Code: words}, bad)
			})
		}
		return eachVector(m, m.Rows(), func(row int, vector []float32) error {
			return one(row, index.Record{Vector: vector}, nil)
		})
	})
	return rows, err
}

// eachLine visits the lines of a .jsonl file.
func (in Input) eachLine(name string, visit Visit) (lines int, err error) {
	l, err := OpenLines(in.Open, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var vector []float32
	for {
		o, bad := l.object()
		if errors.Is(bad, io.EOF) {
			return l.Number, nil
		}
		var rec index.Record
		if bad == nil {
			if rec, bad = parseRecord(o, vector); bad != nil {
				bad = l.Errorf("%w", bad)
			} else {
				vector = rec.Vector
			}
		} else if !ofLine(bad) {
			return 0, bad
		}
		if err := visit(rec, Place{name, "line", l.Number, len(l.Line), l.Line}, bad); err != nil {
			return 0, err
		}
	}
}

// parseRecord reads {"id": ..., "vector": [...], "metadata": {...}}. Without
// "metadata", the fields beside id and vector are the metadata. The vector
// overwrites dst.
func parseRecord(o object, dst []float32) (index.Record, error) {
	id, err := o.id()
	if err != nil {
		return index.Record{}, err
	}
	vector, err := o.vector(dst)
	if err != nil {
		return index.Record{}, err
	}
	metadata, err := o.get(metadataKey)
	if err != nil {
		return index.Record{}, err
	}
	switch {
	case metadata == nil:
		metadata = o.without("id", "vector")
	case string(metadata) == "null":
		metadata = nil
	}
	return index.Record{ID: id, Vector: vector, Metadata: metadata}, nil
}

// blockBytes is how much of a matrix is read at once, as float32.
const blockBytes = 1 << 20

// eachVector calls visit with the first n rows of a matrix. The vector is
// overwritten for later rows.
func eachVector(m *npy.Reader, n int, visit func(row int, vector []float32) error) error {
	cols := m.Cols()
	if cols > encoder.MaxDims { // also bounds the memory that a file can ask for
		return fmt.Errorf("%w: found rows of %d numbers, want at most %d: no vector has more", npy.ErrFormat, cols, encoder.MaxDims)
	}
	block := make([]float32, min(n, max(1, blockBytes/(4*cols)))*cols)
	for row := 0; row < n; {
		rows := min(n-row, len(block)/cols)
		part := block[:rows*cols]
		if err := m.ReadFloats(part, row); err != nil {
			return err
		}
		for vector := range slices.Chunk(part, cols) {
			if err := visit(row, vector); err != nil {
				return err
			}
			row++
		}
	}
	return nil
}

// WithMatrix opens a .npy file, runs use on it and closes it. Errors of the npy
// package carry no name, so those of use get the file's.
func WithMatrix(open Opener, name string, use func(*npy.Reader) error) (err error) {
	file, err := open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	m, err := npy.NewReader(file.(io.ReaderAt), info.Size())
	if err == nil {
		err = use(m)
	}
	if errors.Is(err, npy.ErrFormat) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}
