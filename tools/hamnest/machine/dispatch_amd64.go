//go:build !purego

package machine

import "github.com/hamnest/hamnest/encoder/isa"

// read returns the exclusive or of words, a multiple of 1024 bytes and not none.
func read(set isa.Set, words []uint64) (xor uint64) {
	var lanes [8]uint64
	switch set {
	case isa.AVX512:
		readAVX512(&words[0], 8*len(words), &lanes[0])
	case isa.AVX2:
		readAVX2(&words[0], 8*len(words), &lanes[0])
	default:
		return readGeneric(words)
	}
	for _, x := range lanes {
		xor ^= x
	}
	return xor
}

// count is countGeneric for words of a multiple of 256 bytes, and not none.
func count(set isa.Set, words []uint64, queries *[tileQueries]uint64) (sum uint64) {
	var lanes [8 * tileQueries]uint64
	switch set {
	case isa.AVX512:
		if isa.CountsBits() {
			countVPOPCNTAVX512(&words[0], 8*len(words), &queries[0], &lanes[0])
		} else {
			countAVX512(&words[0], 8*len(words), &queries[0], &lanes[0])
		}
	case isa.AVX2:
		countAVX2(&words[0], 8*len(words), &queries[0], &lanes[0])
	default:
		return countGeneric(words, queries)
	}
	for _, n := range lanes {
		sum += n
	}
	return sum
}
