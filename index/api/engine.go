package api

import (
	"context"
	"iter"
)

// Engine is what can be done with collections, which go by their names. The embedded engine,
// *index.DB, and the client of a server, *client.Client, are both one: an application goes
// from embedded to served by changing the line that opens it.
//
// An Engine is safe for concurrent use. Every call ends with its context, and fails with the
// errors of this package under errors.Is and errors.As: with ErrNotFound where the collection
// is not there, and with *InvalidError where an argument is malformed, its fields named as
// each method says.
type Engine interface {
	// CreateCollection makes an empty collection, durably, and describes it with its defaults
	// filled in. ErrExists when the name is taken; *InvalidError with the fields of Spec in the
	// form name, dims, ladder, bits, metric, profile, store, labels.
	CreateCollection(ctx context.Context, spec Spec) (Info, error)
	// GetCollection describes a collection.
	GetCollection(ctx context.Context, name string) (Info, error)
	// Collections describes all collections by name, ascending. One whose files cannot be
	// opened has a Name and no more: GetCollection says why. An error is the last pair.
	Collections(ctx context.Context) iter.Seq2[Info, error]
	// SetLabels replaces a collection's labels, durably, and describes the collection as it is
	// then. *InvalidError with field labels.
	SetLabels(ctx context.Context, name string, labels map[string]string) (Info, error)
	// UpdateCollection changes how a collection keeps its vectors, and describes it as it is to
	// be. The change is durably begun then: codes are made anew in the background, while
	// searches and writes go on, and Stats says how far that is. ErrRewriting when a change is
	// under way, ErrCodesOnly when there are no vectors to make codes of; *InvalidError with
	// fields profile, store.
	UpdateCollection(ctx context.Context, name string, change Change) (Info, error)
	// DeleteCollection drops a collection and everything in it.
	DeleteCollection(ctx context.Context, name string) error
	// Stats measures a collection.
	Stats(ctx context.Context, name string) (Stats, error)
	// Calibrate measures what searches find and cost, at every step of the ladder and for
	// several target recalls. It stores nothing. ErrCalibrating when a calibration is under
	// way, ErrCodesOnly when there are no vectors to compute exact answers from, ErrEmpty when
	// the collection is empty; *InvalidError with fields queries[i], sample, live, k.
	Calibrate(ctx context.Context, name string, opts CalibrateOptions) (*Calibration, error)
	// Check reads everything that a collection has on disk and proves that it is sound, while
	// searches and writes go on. Damage is in the report, not in the error.
	Check(ctx context.Context, name string) (CheckReport, error)

	// Upsert stores records, replacing those whose ID is already there; of several with one ID
	// the last wins. It stores all or none. When it returns nil they are durable, and searches
	// that start later see them. *InvalidError with fields like vectors[17].vector.
	Upsert(ctx context.Context, name string, records []Record) error
	// Ingest begins to store records in bulk. The end of ctx breaks it off; it must be closed.
	Ingest(ctx context.Context, name string, opts IngestOptions) (Ingest, error)
	// Get reads records by ID. found are those that are there, and missing the ids that are
	// not, both in the order of ids.
	Get(ctx context.Context, name string, ids []string, opts ReadOptions) (found []Record, missing []string, err error)
	// Delete removes records by ID, durably, and returns how many were there. *InvalidError
	// with fields like ids[17].
	Delete(ctx context.Context, name string, ids []string) (int, error)
	// ListPage lists at most size records in the order in which they were stored, as many as
	// the engine sees fit when size is 0, and maybe fewer. token is what the page before
	// returned as next, or empty for the first page; next is empty after the last. A record
	// that does not change meanwhile is listed exactly once. *InvalidError with field
	// page_token, also when the collection was rewritten between two pages.
	ListPage(ctx context.Context, name string, size int, token string, opts ReadOptions) (page []Record, next string, err error)
	// Count returns how many vectors a search can return.
	Count(ctx context.Context, name string) (uint64, error)
	// Search finds the K vectors most like the query. ErrNotFound also when Query.ID is not
	// there, ErrCodesOnly for what needs stored vectors where there are none; *InvalidError
	// with the fields of Query in the form vector, id, code, k, dims, candidates, oversampling,
	// target_recall, bound, rescore, exact, min_score, page_token.
	Search(ctx context.Context, name string, q Query) (*Result, error)
	// BatchSearch answers several queries, in their order and faster than one by one: all or
	// none. Errors are as for Search, the fields prefixed with requests[i].
	BatchSearch(ctx context.Context, name string, queries []Query) ([]*Result, error)

	// Close ends the use of the engine.
	Close() error
}

// List lists all records of a collection in the order in which they were stored, a page of
// e at a time. An error is the last pair.
func List(ctx context.Context, e Engine, name string, opts ReadOptions) iter.Seq2[Record, error] {
	return Pages(func(token string) ([]Record, string, error) {
		return e.ListPage(ctx, name, 0, token, opts)
	})
}

// Pages yields the elements of all pages that fetch returns: the first for an empty token,
// each other for the token that came with the one before. An error is the last pair.
func Pages[T any](fetch func(token string) (page []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		token := ""
		for {
			page, next, err := fetch(token)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, element := range page {
				if !yield(element, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}
