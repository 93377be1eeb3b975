//go:build unix

package isa_test

import (
	"os"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

func TestToPrefetchDoesNotTouch(t *testing.T) {
	page := os.Getpagesize()
	edge := isatest.Guarded(t, make([]byte, page), true)
	for _, n := range []int{-1, 0, 1, 64, page, 3 * page} {
		isa.Prefetch(&edge[0], n)
		isa.Prefetch(&edge[page-1], n)
	}
}
