// Package storage keeps a directory of collections durable: which collections there are,
// and the rows of each, with id, metadata, code and vector.
//
// A [Catalog] is the directory; a [Shard] is the rows of one collection in one bbolt file.
// A [Shard.Commit] is one synced transaction: when it returns, its rows survive a crash and
// a power cut, all of them or none. Reads go through [Shard.View], which sees the last
// commit and never waits for a writer. FORMAT.md is the contract for the bytes, and
// [Shard.Check] verifies it.
//
// The package sees codes and vectors as bytes of a fixed size. It must not know what they
// mean, how they are searched, or who asks.
package storage
