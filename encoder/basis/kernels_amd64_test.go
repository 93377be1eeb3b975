//go:build !purego

package basis

import (
	"slices"
	"testing"

	"github.com/klauspost/cpuid/v2"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func TestASetHasWhatItsKernelsRequire(t *testing.T) {
	isatest.Requires(t, "kernels_amd64.s", 8)
}

// sets lists the usable sets, with AVX-512 where the machine has what these kernels take of
// it and not all that the set includes.
func sets() []isa.Set {
	usable := isa.Usable()
	if !slices.Contains(usable, isa.AVX512) && slices.Contains(usable, isa.AVX2) && cpuid.CPU.Supports(cpuid.AVX512F) {
		usable = append(usable, isa.AVX512)
	}
	return usable
}
