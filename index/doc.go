// Package index is the engine: it joins encoder, storage and the codes in memory into
// collections that can be written and searched. It also embeds Hamnest in a Go program without
// a server.
//
// A [DB] is a directory of collections. A [Collection] takes vectors by [Collection.Upsert]:
// the encoder makes their codes, storage makes both durable, and a new immutable view of the
// codes is published, in that order; only then does the call return. [Collection.Search] takes
// the latest view and never waits for a writer. It scans the codes, ranks the best, and scores
// those against the vectors in storage.
//
// [Collection.Update] changes how vectors become codes and how exactly they are stored, while
// all this goes on: it fills another file, with codes of its own, and then replaces both at
// once.
//
// The package knows nothing of the wire: no gRPC, no protobuf.
package index
