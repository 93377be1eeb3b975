// Package api has the types that all parts of the product share: collections, records, queries,
// hits, receipts, settings, statistics, and the errors that a caller can test for.
//
// The embedded engine (package index), the server and the client all use these types. The
// package is a leaf: it pulls in no kernels, no storage and no transport.
package api
