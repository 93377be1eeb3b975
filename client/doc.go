// Package client talks to a Hamnest server.
//
// A [Client] is made once and shared: it is safe for concurrent use, keeps one
// connection and reconnects by itself. Every method takes a context, whose end
// ends the call. It is an api.Engine, as the embedded engine is, and speaks in the words of
// package api.
//
//	c, err := client.New("localhost:7700")
//	...
//	defer c.Close()
//
//	_, err = c.CreateCollection(ctx, api.Spec{Name: "docs", Dims: 768})
//	err = c.Upsert(ctx, "docs", []api.Record{{ID: "a", Vector: embedding}})
//	result, err := c.Search(ctx, "docs", api.Query{Vector: query, K: 10})
//
// [Client.Upsert] stores a handful of vectors, all or none. [Client.Ingest] stores
// a stream of them as fast as the server can write, and reports bad ones one by one.
//
// [Client.SearchStream] is for programs that search a lot: it carries the searches of many
// goroutines over one call, and takes about a tenth less time a search than [Client.Search],
// which has what a call of its own has: retries, interceptors, credentials and metadata,
// and a load balancer's attention.
//
// # Errors
//
// What the server refuses, and what the network breaks, is an [*Error] (reach it with
// errors.As). Under errors.Is and errors.As it is also what the embedded engine would have
// returned: api.ErrNotFound or one of its siblings, an *api.InvalidError, syscall.ENOSPC where
// the server's disk is full; an *api.LimitError for what is above a limit of the server,
// api.ErrUnavailable when it cannot be reached; or context.Canceled and
// context.DeadlineExceeded when that is why.
//
// # Retries
//
// A call that meets an unreachable or closing server (UNAVAILABLE) is tried up to
// four times within its context, where trying again is safe: for every read and
// search, for Upsert and for Delete. Creating, changing and deleting a collection,
// Ingest and the searches of a SearchStream are tried once.
package client
