//go:build !amd64 || purego

package machine

import "github.com/hamnest/hamnest/encoder/isa"

func read(_ isa.Set, words []uint64) uint64 { return readGeneric(words) }

func count(_ isa.Set, words []uint64, queries *[tileQueries]uint64) uint64 {
	return countGeneric(words, queries)
}
