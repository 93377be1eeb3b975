// Package encoder turns float32 vectors into binary codes.
//
// A [Profile] is the frozen recipe by which a collection's vectors become codes. What is
// said of vectors without codes, a [Metric] say, is in the leaf package floats. Everything here is a pure function of its arguments: the package does no I/O and
// knows nothing of rows, ids, storage or search.
package encoder
