// Package scan makes passes over the codes of a collection and over its stored vectors, and
// ranks what they find.
//
// A pass goes over a set of rows once for many searches. A [CodeJob] is what a search wants
// from a pass over codes, a [VectorJob] from one over vectors. [Passes] let concurrent searches
// share passes and threads; [Codes] and [Vectors] make a single pass.
package scan
