package api

import (
	"context"
	"fmt"
)

// Ingest stores records in bulk, in the order in which they are given to it. Its methods are
// for one goroutine.
type Ingest interface {
	// Add gathers a record for a batch. It returns before the record is stored, and waits
	// while as many batches as IngestOptions allows are under way; the end of ctx ends the
	// wait, and the record is then not added. Any other error is an *IngestError: nothing
	// more can be stored, and Close is all that is left to do.
	//
	// r may be changed and used again when Add returns. A record that is refused is no error
	// of Add: see IngestOptions.OnRefused and IngestResult.
	Add(ctx context.Context, r Record) error
	// Submit sends what Add has gathered, and then records as a batch of their own. It waits
	// and fails as Add does. The records may be used again when Submit returns.
	Submit(ctx context.Context, records []Record) (Pending, error)
	// Close sends what Add has gathered, waits until everything is settled and returns the
	// totals. If the ingest broke they are those of what had been settled by then, and the
	// error is an *IngestError. Closing again returns the same.
	Close() (IngestResult, error)
}

// Pending is a batch of records on the way.
type Pending interface {
	// Wait waits until the records are durable and visible to searches, but for those that
	// were refused, which it returns, ascending. When it fails the others may not be stored.
	Wait(ctx context.Context) (refused []RecordError, err error)
}

// IngestOptions configures an Ingest. The zero value is ready to use; a number that is zero
// or less means its default.
type IngestOptions struct {
	// BatchVectors is the most records that Add gathers before they are sent. A server has a
	// limit, by default 10000. Default 2000.
	BatchVectors int
	// BatchBytes is the most bytes that Add gathers, unless one record alone has more.
	// Default 4 MiB; at most a client's message size.
	BatchBytes int
	// MaxInFlight is how many batches may be sent and not yet settled. It bounds the memory
	// that they take, and must be above one to keep the engine busy. Default 8.
	MaxInFlight int
	// OnRefused, unless nil, is told of every record that was refused, in order, one call at a
	// time. What it takes delays the ingest; it must not call the ingest's methods.
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

// IngestResult says what became of the records of an ingest.
type IngestResult struct {
	// Stored records are durable and visible to searches, Refused ones are not there.
	Stored, Refused uint64
	// Position: of the records given, the first Position are settled, each stored or refused.
	// To resume after an error, give the others to a new ingest.
	Position uint64
	// Refusals are the first of those refused: see IngestOptions.MaxRefusals.
	Refusals []IngestRefusal
}

// Settle counts a batch of n records, of which refused, by index in the batch, were not stored.
func (r *IngestResult) Settle(n int, refused []RecordError, opts IngestOptions) {
	for _, e := range refused {
		refusal := IngestRefusal{Index: r.Position + uint64(e.Index), ID: e.ID, Reason: e.Text()}
		if len(r.Refusals) < opts.MaxRefusals {
			r.Refusals = append(r.Refusals, refusal)
		}
		if opts.OnRefused != nil {
			opts.OnRefused(refusal)
		}
	}
	r.Stored += uint64(n - len(refused))
	r.Refused += uint64(len(refused))
	r.Position += uint64(n)
}

// IngestError says why an ingest broke and what had been settled by then.
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
