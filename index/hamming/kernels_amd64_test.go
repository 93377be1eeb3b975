//go:build !purego

package hamming

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// TestTheGeneratorKnowsTheTypes guards the offsets written down in _asm/main.go.
func TestTheGeneratorKnowsTheTypes(t *testing.T) {
	var c Column
	var m Match
	got := []uintptr{
		unsafe.Offsetof(c.Words), unsafe.Offsetof(c.Stride), unsafe.Offsetof(c.Used), unsafe.Sizeof(c),
		unsafe.Offsetof(m.Group), unsafe.Offsetof(m.Query), unsafe.Offsetof(m.Mask), unsafe.Offsetof(m.Distances), unsafe.Sizeof(m),
	}
	if want := []uintptr{0, 24, 32, 40, 0, 4, 5, 8, 40}; !slices.Equal(got, want) {
		t.Errorf("offsets are %v, the generator has %v", got, want)
	}
}

func TestASetHasWhatItsKernelsRequire(t *testing.T) {
	isatest.Requires(t, "kernels_amd64.s", 6)
}
