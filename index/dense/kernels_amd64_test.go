//go:build !purego

package dense

import (
	"testing"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func TestASetHasWhatItsKernelsRequire(t *testing.T) {
	isatest.Requires(t, "kernels_amd64.s", 22)
}
