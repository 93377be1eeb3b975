//go:build unix && amd64 && !purego

package storage

import (
	"testing"

	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func TestChecksumsTouchNothingOutsideTheirRows(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		for _, atEnd := range []bool{false, true} {
			for _, size := range []int{0, 8, 60, 64, 512, 3072} {
				for _, count := range []int{1, 2, 3, 4, 64} {
					s := Schema{VectorBytes: size}
					rows, crcs := vectorRows(s, 7, count)
					if got := firstDamaged(isatest.Guarded(t, rows, atEnd), s.vectorRow(), crcs); got != count {
						t.Errorf("%d rows of %d bytes: row %d is found", count, size, got)
					}
				}
			}
		}
	})
}
