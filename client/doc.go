// Package client talks to a Hamnest server.
//
// Make a [Client] once and share it: it is safe for concurrent use, keeps one connection and
// reconnects by itself. Every method takes a context and ends when the context does. It
// implements api.Engine, as the embedded engine does, and uses the types of package api.
//
//	c, err := client.New("localhost:7700")
//	...
//	defer c.Close()
//
//	_, err = c.CreateCollection(ctx, api.Spec{Name: "docs", Dims: 768})
//	err = c.Upsert(ctx, "docs", []api.Record{{ID: "a", Vector: embedding}})
//	result, err := c.Search(ctx, "docs", api.Query{Vector: query, K: 10})
//
// [Client.Upsert] stores a handful of vectors, all or none. [Client.Ingest] stores a stream of
// vectors as fast as the server can write, and reports bad ones one by one.
//
// [Client.SearchStream] is for programs that search a lot: it carries the searches of many
// goroutines over one call, and takes about a tenth less time a search than [Client.Search].
// Search has everything a call of its own has: retries, interceptors, credentials, metadata and
// load balancing.
//
// # Errors
//
// A refusal by the server and a failure of the network are an [*Error] (get it with errors.As).
// To errors.Is and errors.As it is also what the embedded engine would have returned:
// api.ErrNotFound or another error of package api, an *api.InvalidError, or syscall.ENOSPC when
// the server's disk is full. It is an *api.LimitError for a request above a limit of the
// server, api.ErrUnavailable when the server cannot be reached, and context.Canceled or
// context.DeadlineExceeded when the context ended.
//
// # Retries
//
// A call that meets an unreachable or closing server (UNAVAILABLE) is tried again, where that is
// safe: every read and search, Upsert and Delete. It is tried until its context ends, and for
// [DefaultRetryTime] when the context has no deadline, with waits that grow from a tenth of a second to
// two. So a server can be restarted under its clients. Creating, changing and deleting a
// collection, DeleteWhere, Calibrate, Ingest and the searches of a SearchStream are tried once.
package client
