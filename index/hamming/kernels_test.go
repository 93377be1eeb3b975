//go:build unix && (amd64 || arm64) && !purego

package hamming

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// guarded is isatest.Guarded for numbers of other types.
func guarded[T any](t *testing.T, v []T, atEnd bool) []T {
	t.Helper()
	size := int(unsafe.Sizeof(*new(T)))
	b := isatest.Guarded(t, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), size*len(v)), atEnd)
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(v))
}

func TestKernelsTouchNothingOutsideTheirRows(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(25, 26))
		none := float32(math.Inf(-1))
		for _, atEnd := range []bool{false, true} {
			for _, shape := range shapes {
				for n := 1; n <= TileQueries; n++ {
					for _, groups := range []int{1, 3} {
						d := newData(r, shape, groups, n%2 == 0, false)
						for c := range d.Columns {
							d.Columns[c].Lines = guarded(t, d.Columns[c].Lines, atEnd)
							d.Columns[c].Factors = guarded(t, d.Columns[c].Factors, atEnd)
						}
						d.Columns = guarded(t, d.Columns, atEnd)
						d.Offsets = guarded(t, d.Offsets, atEnd)
						if d.Scales != nil {
							d.Scales = guarded(t, d.Scales, atEnd)
						}
						var tile Tile
						tile.Reset(randomQueries(r, n, shape, false)...)
						tile.tables = guarded(t, tile.tables, atEnd)
						tile.terms = guarded(t, tile.terms, atEnd)
						tile.scores = guarded(t, tile.scores, atEnd)
						dst := room(groups, n)
						dst = guarded(t, dst[:cap(dst)], atEnd)
						limits := guarded(t, []float32{none, none, none, none}, atEnd)
						got := tile.Scan(dst, &d.Rows, groups, (*[TileQueries]float32)(limits))
						if len(got) != cap(dst) {
							t.Errorf("%v, %d queries: %d matches, want all %d", shape, n, len(got), cap(dst))
						}
					}
				}
			}
			for n := 1; n < 5; n++ {
				SumSet(guarded(t, randomNumbers(r, 64*n, false), atEnd), guarded(t, randomWords(r, n), atEnd))
			}
		}
	})
}
