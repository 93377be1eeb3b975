// Package api is the words of the product, written once: collections, records, queries,
// hits, receipts, settings, statistics, and the errors that a caller can test for.
//
// The embedded engine (package index), the server and the client speak of the same things
// in these words. It is a leaf: it pulls in no kernels, no storage and no transport.
package api
