// Package index is the engine: it joins encoder, storage and the codes in memory
// into collections that can be written and searched, and is also the way to embed
// Hamnest in a Go program without a server.
//
// A [DB] is a directory of collections. A [Collection] takes a vector by
// [Collection.Upsert]: the encoder makes its code, storage makes both durable, and
// a new immutable view of the codes is published, in that order; only then does
// the call return. [Collection.Search] takes the view published last and never
// waits for a writer. It scans the codes, ranks the best, and scores those against
// the vectors in storage.
//
// [Collection.Update] changes how vectors become codes and how exactly they are stored,
// while all this goes on: it fills another file, with codes of its own, and puts both in
// the place of the old at once.
//
// The package knows nothing of the wire: no gRPC, no protobuf.
package index
