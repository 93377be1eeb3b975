package npy

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
)

// testdata reads a file that NumPy wrote.
func testdata(t *testing.T, name string) (content []byte, r *Reader) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	r, err = open(content)
	if err != nil {
		t.Fatal(err)
	}
	return content, r
}

// written returns the bytes of a file that write has written.
func written(t *testing.T, elem Type, cols int, write func(*Writer) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.npy")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(file, elem, cols)
	if err := errors.Join(write(w), w.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAFileIsByteForByteWhatNumpyWrites(t *testing.T) {
	t.Run("vectors", func(t *testing.T) {
		want, r := testdata(t, "vectors.npy")
		all := make([]float32, r.Rows()*r.Cols())
		if err := r.ReadFloats(all, 0); err != nil {
			t.Fatal(err)
		}
		got := written(t, Float32, r.Cols(), func(w *Writer) error {
			return errors.Join(w.WriteFloats(all[:2*r.Cols()]), w.WriteFloats(nil), w.WriteFloats(all[2*r.Cols():]))
		})
		if !bytes.Equal(got, want) {
			t.Errorf("wrote % x, want % x", got, want)
		}
	})
	for name, elem := range map[string]Type{"ubinary.npy": Uint8, "binary.npy": Int8} {
		t.Run(name, func(t *testing.T) {
			want, r := testdata(t, name)
			all := make([]byte, r.Rows()*r.Cols())
			if err := r.ReadBytes(all, 0); err != nil {
				t.Fatal(err)
			}
			got := written(t, elem, r.Cols(), func(w *Writer) error {
				return errors.Join(w.WriteBytes(all[:r.Cols()]), w.WriteBytes(all[r.Cols():]))
			})
			if !bytes.Equal(got, want) {
				t.Errorf("wrote % x, want % x", got, want)
			}
		})
	}
}

func TestCodesThatNumpyPackedAreTheSignsOfItsVectors(t *testing.T) {
	_, vectors := testdata(t, "vectors.npy")
	dims := vectors.Cols()
	for _, tt := range []struct {
		name    string
		elem    Type
		dialect code.Dialect
	}{
		{"ubinary.npy", Uint8, code.Numpy},
		{"binary.npy", Int8, code.NumpySigned},
		{"little.npy", Uint8, code.Faiss},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, codes := testdata(t, tt.name)
			if err := codes.CheckBytes(tt.elem); err != nil {
				t.Fatal(err)
			}
			if codes.Rows() != vectors.Rows() || codes.Cols() != code.Bytes(dims) {
				t.Fatalf("%d x %d bytes for %d x %d vectors", codes.Rows(), codes.Cols(), vectors.Rows(), dims)
			}
			vector, packed, signs := make([]float32, dims), make([]byte, codes.Cols()), make([]uint64, code.Words(dims))
			for row := range vectors.Rows() {
				if err := errors.Join(vectors.ReadFloats(vector, row), codes.ReadBytes(packed, row)); err != nil {
					t.Fatal(err)
				}
				code.Signs(signs, vector)
				if got := tt.dialect.AppendPacked(nil, signs, dims); !bytes.Equal(got, packed) {
					t.Errorf("row %d: packed % x, want % x", row, got, packed)
				}
			}
		})
	}
}

func TestAMatrixOfNoRowsIsWritten(t *testing.T) {
	b := written(t, Int8, 96, func(*Writer) error { return nil })
	r, err := open(b)
	if err != nil || r.Rows() != 0 || r.Cols() != 96 || r.CheckBytes(Int8) != nil {
		t.Errorf("read as %+v, %v, want 0 x 96 of %s", r, err, Int8)
	}
}

// Rows are counted while they are written: the header's length must not depend on
// their number.
func TestEveryHeaderHasOneLength(t *testing.T) {
	for _, n := range []int{0, 1, 1_000_000, math.MaxInt} {
		if got := len(Header(Float32, n, n)); got != headerBytes {
			t.Errorf("%d x %d: %d bytes, want %d", n, n, got, headerBytes)
		}
	}
}

func TestAFileThatWasNotClosedIsNotReadable(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}()
	w := NewWriter(file, Uint8, 1024)
	if err := w.WriteBytes(make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewReader(file, info.Size()); info.Size() < 1<<20 || !errors.Is(err, ErrFormat) {
		t.Errorf("%d bytes are read with error %v, want ErrFormat", info.Size(), err)
	}
}

// fullDisk takes as many bytes as its number, then no more.
type fullDisk int

var errFull = errors.New("disk full")

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), int(*d))
	*d -= fullDisk(n)
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func (d *fullDisk) Seek(int64, int) (int64, error) { return 0, nil }

func TestAnErrorOfTheDiskIsReturned(t *testing.T) {
	for name, space := range map[string]int{"nothing fits": 0, "a part of the rows fits": 1 << 20, "all but the header fits": headerBytes + 4<<20 + 7} {
		t.Run(name, func(t *testing.T) {
			disk := fullDisk(space)
			w := NewWriter(&disk, Float32, 1024)
			var err error
			for range 1024 {
				err = errors.Join(err, w.WriteFloats(make([]float32, 1024)))
			}
			if space < 4<<20 && !errors.Is(err, errFull) {
				t.Errorf("writing 4 MiB gives %v, want %v", err, errFull)
			}
			if err := w.Close(); !errors.Is(err, errFull) {
				t.Errorf("closing gives %v, want %v", err, errFull)
			}
		})
	}
}

func TestElementsOfAnotherTypeOrPartsOfARowPanic(t *testing.T) {
	for name, write := range map[string]func(){
		"floats as bytes": func() { _ = NewWriter(new(fullDisk), Uint8, 2).WriteFloats(make([]float32, 2)) },
		"bytes as floats": func() { _ = NewWriter(new(fullDisk), Float32, 2).WriteBytes(make([]byte, 8)) },
		"half a row":      func() { _ = NewWriter(new(fullDisk), Uint8, 2).WriteBytes(make([]byte, 3)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			write()
		})
	}
}
