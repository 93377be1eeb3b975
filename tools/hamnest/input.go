package main

import (
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

// openDisk is the opener of files on disk. Input is read twice, once to check it
// and once to store it, so that a pipe will not do.
func openDisk(name string) (fs.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: input is read twice, so that all of it is checked before any of it is stored", name)
	}
	return os.Open(name)
}

// input is what one ingest reads.
type input struct {
	open opener
	// files hold the vectors, .npy or .jsonl.
	files []string
	// ids and metadata name and describe the rows of .npy files; empty for none.
	ids, metadata string
	// codes says that .npy files have packed codes instead of vectors; codeFile, unless
	// empty, has the codes of all vectors, one a row. They are of codeDims dimensions, in
	// dialect.
	codes    bool
	codeFile string
	dialect  code.Dialect
	codeDims int
}

// origin is where a record was read.
type origin struct {
	file   string
	unit   string // what number counts: rows of a matrix from 0, lines of a text from 1
	number int
	bytes  int // what the record takes of the file
}

func (o origin) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s %d: %w", o.file, o.unit, o.number, fmt.Errorf(format, args...))
}

// layout is what the headers and lengths of the files of an input tell.
type layout struct {
	dims  int   // of the first vector; 0 when there is none
	rows  int   // of the .npy files
	bytes int64 // of all files
}

const (
	matrixFile = ".npy"
	jsonFile   = ".jsonl"
	textFile   = ".txt"
)

// kind returns what a file is by its name, or an error that says what was wanted.
func kind(name string, want ...string) (string, error) {
	ext := strings.ToLower(filepath.Ext(name))
	if !slices.Contains(want, ext) {
		return "", fmt.Errorf("%s: found a file name that ends in %q, want %s", name, ext, strings.Join(want, " or "))
	}
	return ext, nil
}

// layout looks at every file, without reading any to the end, and returns an error
// when the files do not go together.
func (in input) layout() (layout, error) {
	var l layout
	for _, name := range in.files {
		k, err := kind(name, matrixFile, jsonFile)
		if err != nil {
			return layout{}, err
		}
		if k != matrixFile && in.codes {
			return layout{}, fmt.Errorf("%s: found vectors, want packed codes: --dialect goes with %s files of codes", name, matrixFile)
		}
		if k != matrixFile && (in.ids != "" || in.metadata != "") {
			return layout{}, fmt.Errorf("%s has ids and metadata of its own: --ids and --metadata go with %s files", name, matrixFile)
		}
		peek := in.peekMatrix
		if k == jsonFile {
			peek = in.peekLines
		}
		dims, rows, size, err := peek(name)
		if err != nil {
			return layout{}, err
		}
		if l.dims == 0 {
			l.dims = dims
		}
		l.rows += rows
		l.bytes += size
	}
	return l, nil
}

func (in input) peekMatrix(name string) (dims, rows int, size int64, err error) {
	err = withMatrix(in.open, name, func(m *npy.Reader) error {
		dims, rows, size = m.Cols(), m.Rows(), int64(m.Rows())*int64(m.RowBytes())
		if in.codes {
			dims *= 8
			return m.CheckBytes(elementOf(in.dialect))
		}
		return m.CheckFloats()
	})
	return dims, rows, size, err
}

// peekLines returns the dimensions of the first vector of a .jsonl file, and the
// file's length.
func (in input) peekLines(name string) (dims, rows int, size int64, err error) {
	file, err := in.open(name)
	if err != nil {
		return 0, 0, 0, err
	}
	info, err := file.Stat()
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, 0, 0, err
	}
	_, err = in.eachLine(name, func(rec index.Record, _ origin) error {
		dims = len(rec.Vector)
		return errStop
	})
	if err != nil && !errors.Is(err, errStop) {
		return 0, 0, 0, err
	}
	return dims, 0, info.Size(), nil
}

// errStop ends an iteration early.
var errStop = errors.New("stop")

// each calls visit with every record of the input in order, until an error. The
// record's vector and code are overwritten for the next one; its metadata is not.
func (in input) each(visit func(rec index.Record, at origin) error) (err error) {
	if in.codeFile != "" {
		return in.eachWithCode(visit)
	}
	labels, err := in.openLabels()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, labels.Close()) }()
	first := 0
	for _, name := range in.files {
		k, err := kind(name, matrixFile, jsonFile)
		if err != nil {
			return err
		}
		var rows int
		if k == jsonFile {
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
func (in input) eachWithCode(visit func(rec index.Record, at origin) error) error {
	var failed error // kept from withMatrix, which would name the wrong file
	err := withMatrix(in.open, in.codeFile, func(codes *npy.Reader) error {
		one := func(row, n int, take func(row int, words []uint64) error) error {
			return eachCode(in.codeFile, codes, in.dialect, in.codeDims, row, n, take)
		}
		if err := one(0, 0, nil); err != nil { // of the wrong type or size
			return err
		}
		vectors, row := in, 0
		vectors.codeFile = ""
		failed = vectors.each(func(rec index.Record, at origin) error {
			if row++; row > codes.Rows() {
				return fmt.Errorf("%s: found %d codes, want one for each vector", in.codeFile, codes.Rows())
			}
			return one(row-1, 1, func(_ int, words []uint64) error {
				rec.Code = words
				return visit(rec, at)
			})
		})
		if failed == nil && row < codes.Rows() {
			failed = fmt.Errorf("%s: found %d codes, want %d: one for each vector", in.codeFile, codes.Rows(), row)
		}
		return nil
	})
	return errors.Join(err, failed)
}

// eachRow visits the rows of a matrix, the first being row first of the input.
func (in input) eachRow(name string, first int, names *labels, visit func(index.Record, origin) error) (rows int, err error) {
	err = withMatrix(in.open, name, func(m *npy.Reader) error {
		rows = m.Rows()
		if in.codes {
			return eachCode(name, m, in.dialect, in.codeDims, 0, rows, func(row int, words []uint64) error {
				id, metadata, err := names.next(first + row)
				if err != nil {
					return err
				}
				return visit(index.Record{ID: id, Code: words, Metadata: metadata}, origin{name, "row", row, m.RowBytes()})
			})
		}
		return eachVector(m, m.Rows(), func(row int, vector []float32) error {
			id, metadata, err := names.next(first + row)
			if err != nil {
				return err
			}
			return visit(index.Record{ID: id, Vector: vector, Metadata: metadata}, origin{name, "row", row, m.RowBytes()})
		})
	})
	return rows, err
}

// eachLine visits the lines of a .jsonl file.
func (in input) eachLine(name string, visit func(index.Record, origin) error) (lines int, err error) {
	l, err := openLines(in.open, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var vector []float32
	for {
		o, err := l.object()
		if errors.Is(err, io.EOF) {
			return l.number, nil
		}
		if err != nil {
			return 0, err
		}
		rec, err := parseRecord(o, vector)
		if err != nil {
			return 0, l.errorf("%w", err)
		}
		vector = rec.Vector
		if err := visit(rec, origin{name, "line", l.number, len(l.line)}); err != nil {
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
	metadata, err := o.get("metadata")
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

// withMatrix opens a .npy file, runs use on it and closes it. Errors of the npy
// package carry no name, so those of use get the file's.
func withMatrix(open opener, name string, use func(*npy.Reader) error) (err error) {
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
