//go:build linux && (amd64 || arm64) && !purego

package hamming

import (
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guarded returns n words of which one more, before or after, is a fault.
func guarded(t *testing.T, n int, atEnd bool) []uint64 {
	t.Helper()
	page := os.Getpagesize()
	inner := (8*n + page - 1) / page * page
	mem, err := unix.Mmap(-1, 0, inner+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{mem[:page], mem[page+inner:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&mem[page])), inner/8)
	if atEnd {
		return words[len(words)-n:]
	}
	return words[:n]
}

func TestKernelsTouchNothingOutsideTheirColumns(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		all := [TileQueries]uint32{1 << 30, 1 << 30, 1 << 30, 1 << 30}
		for _, atEnd := range []bool{false, true} {
			for _, s := range shapes {
				for _, rows := range []int{8, 24, 32, 40} { // of 32 the kernels for four groups read the last
					d := newData(r, s, rows)
					words := 0
					for c := range d.columns {
						g := guarded(t, len(d.columns[c].Words), atEnd)
						copy(g, d.columns[c].Words)
						d.columns[c].Words = g
						words += s.used[c]
					}
					// scan runs the tile, whose words, tables and matches are guarded too.
					scan := func(tile *Tile) []Match {
						matches := rows / Lanes * tile.matches()
						g := guarded(t, len(tile.words), atEnd)
						copy(g, tile.words)
						tile.words = g
						tile.makeTables()
						g = guarded(t, len(tile.tables), atEnd)
						copy(g, tile.tables)
						tile.tables = g
						g = guarded(t, matches*int(unsafe.Sizeof(Match{}))/8, atEnd)
						return tile.Scan(unsafe.Slice((*Match)(unsafe.Pointer(&g[0])), matches), d.columns, rows/Lanes, &all)
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
