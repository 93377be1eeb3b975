// Package encoder turns float32 vectors into binary codes and Matryoshka
// prefixes.
//
// A [Profile] is the frozen recipe by which a collection's vectors become codes; a
// [Metric] says what their similarity means; [Validate] says which vectors are
// acceptable at all; a [Precision] is how exactly they are kept beside the codes.
// Everything here is a pure function of its arguments: the package does no I/O and
// knows nothing of rows, ids, storage or search.
package encoder
