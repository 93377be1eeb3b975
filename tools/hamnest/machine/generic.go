package machine

import "math/bits"

// readGeneric returns the exclusive or of words, a multiple of 4.
func readGeneric(words []uint64) uint64 {
	var x0, x1, x2, x3 uint64
	for len(words) >= 4 {
		w := (*[4]uint64)(words)
		x0, x1, x2, x3 = x0^w[0], x1^w[1], x2^w[2], x3^w[3]
		words = words[4:]
	}
	return x0 ^ x1 ^ x2 ^ x3
}

// countGeneric returns the number of bits in which words differ from the queries,
// each of which is one word long.
func countGeneric(words []uint64, queries *[tileQueries]uint64) uint64 {
	var s0, s1, s2, s3 int
	q0, q1, q2, q3 := queries[0], queries[1], queries[2], queries[3]
	for _, x := range words {
		s0 += bits.OnesCount64(x ^ q0)
		s1 += bits.OnesCount64(x ^ q1)
		s2 += bits.OnesCount64(x ^ q2)
		s3 += bits.OnesCount64(x ^ q3)
	}
	return uint64(s0 + s1 + s2 + s3)
}
