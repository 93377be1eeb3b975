package api

import (
	"context"
	"fmt"
)

// Ingest stores records in bulk, in the order in which it is given them. Only one goroutine may
// use it.
type Ingest interface {
	// Add adds a record to the current batch. It returns before the record is stored. While
	// IngestOptions.MaxInFlight batches are under way it waits; if ctx ends first, the record
	// is not added. Any other error is an *IngestError: nothing more can be stored, and only
	// Close is left to call.
	//
	// The caller may reuse r when Add returns. A refused record is not an error of Add: see
	// IngestOptions.OnRefused and IngestResult.
	Add(ctx context.Context, r Record) error
	// Submit sends the batch that Add has gathered, and then records as a batch of their own.
	// It waits and fails as Add does. The caller may reuse records when Submit returns.
	Submit(ctx context.Context, records []Record) (Pending, error)
	// Close sends the batch that Add has gathered, waits until everything is settled and
	// returns the totals. If the ingest broke, they are the totals up to then, and the error is
	// an *IngestError. Calling it again returns the same.
	Close() (IngestResult, error)
}

// Pending is a batch of records that was sent and may not be settled yet.
type Pending interface {
	// Wait waits until the records are durable and visible to searches, except the refused
	// ones. If it fails, the others may not be stored.
	Wait(ctx context.Context) (Settled, error)
}

// Settled says what became of a batch of records. Those that were not refused are stored.
type Settled struct {
	// Refused are in ascending order of their index in the batch.
	Refused []RecordError
	// Replaced is how many of the stored ones took the place of a record with the same ID,
	// which was there before or came earlier in the batch.
	Replaced int
}

// IngestOptions configures an Ingest. The zero value is ready to use; a number that is zero
// or less means its default.
type IngestOptions struct {
	// BatchVectors is the most records that Add gathers into a batch. A server has a limit,
	// 10000 by default. Default 2000.
	BatchVectors int
	// BatchBytes is the most bytes that Add gathers into a batch, unless a single record is
	// larger. Default 4 MiB; at most a client's message size.
	BatchBytes int
	// MaxInFlight is how many batches may be sent and not yet settled. It bounds the memory
	// they take, and must be above one to keep the engine busy. Default 8.
	MaxInFlight int
	// OnRefused, unless nil, is called for every refused record, in order, one call at a time.
	// Its time delays the ingest. It must not call the ingest's methods.
	OnRefused func(IngestRefusal)
	// MaxRefusals is how many refusals IngestResult keeps. All are counted. Default 1000.
	MaxRefusals int
}

// WithDefaults returns o with every unset number set.
func (o IngestOptions) WithDefaults() IngestOptions {
	for _, number := range []struct {
		field *int
		value int
	}{
		{&o.BatchVectors, 2000},
		{&o.BatchBytes, 4 << 20},
		{&o.MaxInFlight, 8},
		{&o.MaxRefusals, 1000},
	} {
		if *number.field <= 0 {
			*number.field = number.value
		}
	}
	return o
}

// IngestRefusal says why one record was not stored.
type IngestRefusal struct {
	// Index counts the records of the ingest, from 0.
	Index uint64
	ID    string
	// Reason says what was found and what was wanted.
	Reason string
}

// IngestResult says what became of the records.
type IngestResult struct {
	// Stored records are durable and visible to searches; Refused ones were not stored.
	Stored, Refused uint64
	// Replaced of the stored ones took the place of a record with the same ID, which was there
	// before or was given earlier.
	Replaced uint64
	// Position says that the first Position records are settled, each stored or refused. To
	// resume after an error, give the rest to a new ingest.
	Position uint64
	// Refusals are the first refused records: see IngestOptions.MaxRefusals.
	Refusals []IngestRefusal
}

// Settle counts a batch of n records.
func (r *IngestResult) Settle(n int, batch Settled, opts IngestOptions) {
	for _, e := range batch.Refused {
		refusal := IngestRefusal{Index: r.Position + uint64(e.Index), ID: e.ID, Reason: e.Text()}
		if len(r.Refusals) < opts.MaxRefusals {
			r.Refusals = append(r.Refusals, refusal)
		}
		if opts.OnRefused != nil {
			opts.OnRefused(refusal)
		}
	}
	r.Stored += uint64(n - len(batch.Refused))
	r.Replaced += uint64(batch.Replaced)
	r.Refused += uint64(len(batch.Refused))
	r.Position += uint64(n)
}

// IngestError says why an ingest broke and what was settled by then.
type IngestError struct {
	Result IngestResult
	Err    error
}

func (e *IngestError) Error() string {
	return fmt.Sprintf("ingest broke after the first %d records were settled (%d stored, %d refused): %v",
		e.Result.Position, e.Result.Stored, e.Result.Refused, e.Err)
}

// Unwrap returns Err.
func (e *IngestError) Unwrap() error { return e.Err }
