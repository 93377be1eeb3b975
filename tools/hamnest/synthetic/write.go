package synthetic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/x448/float16"
	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// Names of the files of a set.
const (
	BaseName    = "base.npy"    // Rows x Dims, float32 or float16
	QueriesName = "queries.npy" // Queries x Dims, float32
	TruthName   = "truth.npy"   // Queries x TruthColumns, int32: rows of base.npy, best first
)

// Write makes the files of the set in dir, which it makes if necessary. It replaces no file, and
// leaves none behind if it fails. It keeps a few blocks of the set in memory, not the whole
// set. It calls step, from any goroutine, with the number of rows just written to base.npy,
// and again when they have been compared for truth.npy.
func (s Set) Write(ctx context.Context, dir string, step func(stage string, rows int)) (err error) {
	if err := s.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	w := writer{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.remove())
		}
	}()
	g, workers := newGenerator(s), runtime.GOMAXPROCS(0)
	generators := make([]*generator, workers)
	for i := range generators {
		generators[i] = g.share()
	}
	elem, appendVector := npy.Float32, appendFloat32
	if s.Float16 {
		elem, appendVector = npy.Float16, appendFloat16
	}
	b := blocks{workers: workers, step: func(rows int) { step("writing vectors", rows) }}
	err = w.create(ctx, b, BaseName, elem, s.Rows, s.Dims, func(dst []byte, worker, row int) []byte {
		return appendVector(dst, generators[worker].vector(baseStream, row))
	})
	if err != nil {
		return err
	}
	queries := make([][]float32, s.Queries)
	for q := range queries {
		queries[q] = slices.Clone(g.vector(queryStream, q))
	}
	one := blocks{workers: 1, step: func(int) {}}
	err = w.create(ctx, one, QueriesName, npy.Float32, s.Queries, s.Dims, func(dst []byte, _, row int) []byte {
		return appendFloat32(dst, queries[row])
	})
	if err != nil {
		return err
	}
	b.step = func(rows int) { step("exact answers", rows) }
	truth, err := exactAnswers(ctx, b, filepath.Join(dir, BaseName), queries)
	if err != nil {
		return err
	}
	return w.create(ctx, one, TruthName, npy.Int32, s.Queries, TruthColumns, func(dst []byte, _, row int) []byte {
		for _, a := range truth[row] {
			dst = binary.LittleEndian.AppendUint32(dst, a.row)
		}
		return dst
	})
}

func appendFloat32(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

func appendFloat16(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint16(dst, float16.Fromfloat32(x).Bits())
	}
	return dst
}

// writer makes the files of one directory.
type writer struct {
	dir  string
	made []string
}

// remove removes the files that were made.
func (w *writer) remove() error {
	var errs []error
	for _, name := range w.made {
		errs = append(errs, os.Remove(name))
	}
	return errors.Join(errs...)
}

// blockBytes is how much of a file is written, or read, at once.
const blockBytes = 1 << 20

// create makes a .npy file. appendRow appends the bytes of a row; it may use the scratch memory of
// the worker with that number.
func (w *writer) create(ctx context.Context, b blocks, name string, elem npy.Type, rows, cols int, appendRow func(dst []byte, worker, row int) []byte) (err error) {
	path := filepath.Join(w.dir, name)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and nothing is overwritten: want another directory", path)
	}
	if err != nil {
		return err
	}
	w.made = append(w.made, path)
	defer func() { err = errors.Join(err, file.Close()) }()
	header := npy.Header(elem, rows, cols)
	if _, err := file.WriteAt(header, 0); err != nil {
		return err
	}
	rowBytes := cols * elem.Size()
	scratch := make([][]byte, b.workers)
	return b.each(ctx, rows, max(1, blockBytes/rowBytes), func(worker, first, end int) error {
		block := scratch[worker][:0]
		for row := first; row < end; row++ {
			block = appendRow(block, worker, row)
		}
		scratch[worker] = block
		_, err := file.WriteAt(block, int64(len(header))+int64(first)*int64(rowBytes))
		return err
	})
}

// blocks says how to go through the rows of a file.
type blocks struct {
	workers int            // goroutines
	step    func(rows int) // called with the number of rows just done
}

// each cuts rows into blocks of size rows. Workers take the next block when they are free, so each
// of them has its blocks in ascending order.
func (b blocks) each(ctx context.Context, rows, size int, work func(worker, first, end int) error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for worker := range b.workers {
		g.Go(func() error {
			for {
				first := int(next.Add(1)-1) * size
				if first >= rows {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				end := min(rows, first+size)
				if err := work(worker, first, end); err != nil {
					return err
				}
				b.step(end - first)
			}
		})
	}
	return g.Wait()
}
