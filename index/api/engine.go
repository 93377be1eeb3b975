package api

import (
	"context"
	"iter"
)

// Engine is everything that can be done with collections, which are known by name or by alias. The
// embedded engine, *index.DB, and the client of a server, *client.Client, implement it: an
// application moves from embedded to served by changing the line that opens it.
//
// An Engine is safe for concurrent use. Every call ends with its context. It fails with the
// errors of this package, as errors.Is and errors.As report them: with ErrNotFound if there is
// no such collection, and with *InvalidError if an argument is malformed; each method says how
// the fields are named.
type Engine interface {
	// CreateCollection makes an empty collection, durably, and describes it with its defaults
	// filled in. ErrExists when a collection or an alias has the name; *InvalidError with the
	// fields of Spec in the form name, dims, ladder, bits, metric, profile, store, labels.
	CreateCollection(ctx context.Context, spec Spec) (Info, error)
	// GetCollection describes a collection.
	GetCollection(ctx context.Context, name string) (Info, error)
	// Collections describes all collections by name, ascending. One whose files cannot be
	// opened has a Name and no more: GetCollection says why. An error is the last pair.
	Collections(ctx context.Context) iter.Seq2[Info, error]
	// SetLabels replaces a collection's labels, durably, and describes the collection as it is
	// then. *InvalidError with field labels.
	SetLabels(ctx context.Context, name string, labels map[string]string) (Info, error)
	// UpdateCollection changes how a collection keeps its vectors, and describes the result.
	// When it returns, the change has durably begun: codes are made again in the background
	// while searches and writes go on, and Stats says how far that is. ErrRewriting when
	// another change is under way, ErrCodesOnly when there are no vectors to make codes from;
	// *InvalidError with fields profile, store.
	UpdateCollection(ctx context.Context, name string, change Change) (Info, error)
	// Compact starts to copy a collection without its replaced and deleted rows; the copy then
	// takes the collection's place, and their space is free. When it returns, this has durably
	// begun: searches and writes go on, and Stats says how far it is. An engine compacts by
	// itself too. ErrRewriting while another rewrite is under way, syscall.ENOSPC when the disk
	// has no room for the copy.
	Compact(ctx context.Context, name string) (RewriteStats, error)
	// RenameCollection gives a collection another name, durably and at once, and describes it.
	// Its aliases stay. ErrExists when a collection or an alias has the new name; *InvalidError
	// with field name if that is an alias, and with field new_name.
	RenameCollection(ctx context.Context, name, newName string) (Info, error)
	// DeleteCollection drops a collection and everything in it. Calls under way on it are broken
	// off, with an ErrNotFound that says so. ErrAliased while it has aliases; *InvalidError with
	// field name if that is an alias.
	DeleteCollection(ctx context.Context, name string) error
	// Stats measures a collection.
	Stats(ctx context.Context, name string) (Stats, error)
	// Calibrate measures what searches find and cost, at every step of the ladder and for
	// several target recalls. It stores nothing. ErrCalibrating when a calibration is under
	// way, ErrCodesOnly when there are no vectors to compute exact answers from, ErrEmpty when
	// the collection is empty; *InvalidError with fields queries[i], sample, live, k.
	Calibrate(ctx context.Context, name string, opts CalibrateOptions) (*Calibration, error)
	// Check reads everything that a collection has on disk and verifies it, while searches and
	// writes go on. Damage is in the report, not in the error.
	Check(ctx context.Context, name string) (CheckReport, error)

	// SetAlias makes name an alias of a collection, durably, whatever it was an alias of before:
	// later calls go to that collection, and those under way finish where they began. collection
	// may be an alias too; the collection behind it is meant. It returns what was set. ErrExists
	// when a collection has the name; *InvalidError with field name.
	SetAlias(ctx context.Context, name, collection string) (Alias, error)
	// Aliases lists all aliases by name, ascending. An error is the last pair.
	Aliases(ctx context.Context) iter.Seq2[Alias, error]
	// DeleteAlias removes an alias, durably; its collection stays. ErrNotFound when there is no
	// such alias.
	DeleteAlias(ctx context.Context, name string) error

	// Upsert stores records and replaces those whose ID is already there; if several have one
	// ID, the last wins. It stores all or none. When it returns nil they are durable, and
	// searches that start later see them. *InvalidError with fields like vectors[17].vector.
	Upsert(ctx context.Context, name string, records []Record) error
	// Ingest starts storing records in bulk. When ctx ends it breaks off; the caller must close
	// it.
	Ingest(ctx context.Context, name string, opts IngestOptions) (Ingest, error)
	// Get reads records by ID. found are the records, and missing the ids that are not there,
	// both in the order of ids.
	Get(ctx context.Context, name string, ids []string, opts ReadOptions) (found []Record, missing []string, err error)
	// Delete removes records by ID, durably, and returns how many were there. *InvalidError
	// with fields like ids[17].
	Delete(ctx context.Context, name string, ids []string) (int, error)
	// DeleteWhere removes the records that match a filter, durably, and returns how many those
	// were; Count says so beforehand. Records that are stored after the call began are not
	// touched. Many are removed in several commits: when it fails, also with the end of ctx,
	// the number that it returns are removed, and maybe those of one commit more.
	// ErrRewriting when the collection was rewritten twice meanwhile: call it again. *InvalidError
	// with field filter, also when it is empty.
	DeleteWhere(ctx context.Context, name string, filter string) (int, error)
	// ListPage lists at most size records in the order in which they were stored. It may list
	// fewer, and the engine chooses when size is 0. token is the next of the page before, or
	// empty for the first page; next is empty after the last. A record that does not change
	// meanwhile is listed exactly once. *InvalidError with field filter, and with page_token,
	// also when the page before had another filter or the collection was rewritten since.
	ListPage(ctx context.Context, name string, size int, token string, opts ReadOptions) (page []Record, next string, err error)
	// Count returns how many vectors a search with that filter can return; empty: all.
	// *InvalidError with field filter.
	Count(ctx context.Context, name string, filter string) (uint64, error)
	// Search finds the K vectors most like the query. ErrNotFound also when Query.ID is not
	// there, ErrCodesOnly for what needs stored vectors when there are none; *InvalidError with
	// the fields of Query in the form vector, id, code, k, dims, candidates, oversampling,
	// target_recall, bound, rescore, exact, filter, min_score, page_token.
	Search(ctx context.Context, name string, q Query) (*Result, error)
	// BatchSearch answers all queries or none, in their order and faster than one by one.
	// Errors are those of Search, with requests[i] before the fields.
	BatchSearch(ctx context.Context, name string, queries []Query) ([]*Result, error)

	// Close ends the use of the engine.
	Close() error
}

// List lists all records of a collection in the order in which they were stored, and fetches
// them from e page by page. An error is the last pair.
func List(ctx context.Context, e Engine, name string, opts ReadOptions) iter.Seq2[Record, error] {
	return Pages(func(token string) ([]Record, string, error) {
		return e.ListPage(ctx, name, 0, token, opts)
	})
}

// Pages yields the elements of all pages that fetch returns. The first token is empty; every
// other is the next of the page before. An error is the last pair.
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
