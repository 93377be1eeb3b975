//go:build unix && (amd64 || arm64) && !purego

package hamming

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func TestKernelsTouchNothingOutsideTheirColumns(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		all := [TileQueries]uint32{1 << 30, 1 << 30, 1 << 30, 1 << 30}
		for _, atEnd := range []bool{false, true} {
			for _, s := range shapes {
				for _, rows := range []int{8, 24, 32, 40} { // of 32 the kernels for four groups read the last
					d := newData(r, s, rows)
					words := 0
					for c := range d.columns {
						d.columns[c].Words = isatest.Guarded(t, d.columns[c].Words, atEnd)
						words += s.used[c]
					}
					// scan runs the tile, whose words, tables and matches are guarded too.
					scan := func(tile *Tile) []Match {
						matches := rows / Lanes * tile.matches()
						tile.words = isatest.Guarded(t, tile.words, atEnd)
						tile.makeTables()
						tile.tables = isatest.Guarded(t, tile.tables, atEnd)
						room := isatest.Guarded(t, make([]uint64, matches*int(unsafe.Sizeof(Match{}))/8), atEnd)
						return tile.Scan(unsafe.Slice((*Match)(unsafe.Pointer(&room[0])), matches), d.columns, rows/Lanes, &all)
					}
					for _, n := range []int{1, TileQueries} {
						var tile Tile
						tile.Reset(randomQueries(r, n, words)...)
						if got := scan(&tile); len(got) != rows/Lanes*n {
							t.Errorf("%v: %d matches, want all %d", s, len(got), rows/Lanes*n)
						}
						tile = Tile{}
						tile.ResetWeighted(randomWeighted(r, n, words)...)
						if got := scan(&tile); len(got) != rows/Lanes*n {
							t.Errorf("%v: %d matches of queries with magnitudes, want all %d", s, len(got), rows/Lanes*n)
						}
					}
				}
			}
		}
	})
}
