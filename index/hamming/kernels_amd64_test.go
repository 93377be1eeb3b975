//go:build !purego

package hamming

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// TestTheGeneratorKnowsTheTypes guards the offsets written down in ../../tools/asm/hamming.
func TestTheGeneratorKnowsTheTypes(t *testing.T) {
	var c Column
	var r Rows
	var tile Tile
	var m Match
	got := []uintptr{
		unsafe.Offsetof(c.Lines), unsafe.Offsetof(c.Width), unsafe.Offsetof(c.Planes), unsafe.Offsetof(c.Factors), unsafe.Sizeof(c),
		unsafe.Offsetof(r.Columns), unsafe.Offsetof(r.Offsets), unsafe.Offsetof(r.Scales),
		unsafe.Offsetof(tile.tables), unsafe.Offsetof(tile.terms), unsafe.Offsetof(tile.offsets), unsafe.Offsetof(tile.scores),
		unsafe.Offsetof(m.Row), unsafe.Offsetof(m.Query), unsafe.Offsetof(m.Mask), unsafe.Offsetof(m.Scores), unsafe.Sizeof(m),
	}
	want := []uintptr{0, 24, 32, 40, 64, 0, 24, 48, 32, 56, 80, 96, 0, 4, 6, 8, 72}
	if !slices.Equal(got, want) {
		t.Errorf("offsets are %v, the generator has %v", got, want)
	}
}

func TestASetHasWhatItsKernelsRequire(t *testing.T) {
	isatest.Requires(t, "kernels_amd64.s", 10)
}
