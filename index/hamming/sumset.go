package hamming

import "fmt"

// SumSet returns the sum of z[i] over the bits i that are set in words, bit i being bit i%64 of
// words[i/64]. len(z) must be 64*len(words); anything else is a bug in the caller, and panics.
// Without words the sum is 0.
//
// The sum runs in 64 lanes: lane j adds up, in order, the z[64*w+j] of the words w whose bit
// j is set. Then the upper half of the lanes is added to the lower, until one is left. The
// order is part of the contract: every kernel gives the same bits.
func SumSet(z []float32, words []uint64) float32 {
	if len(z) != 64*len(words) {
		panic(fmt.Sprintf("hamming: %d numbers for %d words", len(z), len(words)))
	}
	if len(words) == 0 {
		return 0
	}
	return sumSet(z, words)
}
