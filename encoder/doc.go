// Package encoder turns float32 vectors into binary codes.
//
// A [Profile] is the frozen recipe by which a collection's vectors become codes. Concepts of
// vectors without codes, such as a [Metric], are in the leaf package floats. Everything here
// depends only on its arguments: the package does no I/O and knows nothing of rows, ids,
// storage or search.
package encoder
