package index

import (
	"context"
	"errors"
	"slices"

	"github.com/hamnest/hamnest/index/api"
)

// ingest is what DB.Ingest returns. It gathers records in batches and keeps a few of them in
// the collection's queue.
type ingest struct {
	ctx        context.Context // whose end breaks it off
	collection *Collection
	opts       api.IngestOptions

	batch   []Record
	vectors []float32 // the memory of the batch's vectors
	bytes   int       // size of the batch

	inFlight []submitted
	result   api.IngestResult
	err      error // the first failure; nothing is submitted after it
	closed   bool
}

// submitted is a batch under way.
type submitted struct {
	*Pending
	refused []RecordError
	records int
}

// Wait waits for the batch, as api.Pending says.
func (s submitted) Wait(ctx context.Context) (api.Settled, error) {
	if err := s.Pending.Wait(ctx); err != nil {
		return api.Settled{}, err
	}
	return api.Settled{Refused: s.refused, Replaced: s.retired()}, nil
}

// Ingest starts storing records in bulk.
func (db *DB) Ingest(ctx context.Context, name string, opts api.IngestOptions) (api.Ingest, error) {
	c, err := db.Collection(name)
	if err != nil {
		return nil, err
	}
	return &ingest{ctx: ctx, collection: c, opts: opts.WithDefaults()}, nil
}

// Add gathers r, as api.Ingest says.
func (in *ingest) Add(ctx context.Context, r Record) error {
	if err := in.failure(); err != nil {
		return err
	}
	size := 4*len(r.Vector) + 8*len(r.Code) + len(r.ID) + len(r.Metadata)
	if len(in.batch) == in.opts.BatchVectors || len(in.batch) > 0 && in.bytes+size > in.opts.BatchBytes {
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	start := len(in.vectors)
	in.vectors = append(in.vectors, r.Vector...)
	r.Vector = in.vectors[start:len(in.vectors):len(in.vectors)]
	r.Code = slices.Clone(r.Code)
	r.Metadata = slices.Clone(r.Metadata)
	in.batch = append(in.batch, r)
	in.bytes += size
	return nil
}

// Submit sends records immediately, as api.Ingest says.
func (in *ingest) Submit(ctx context.Context, records []Record) (api.Pending, error) {
	if err := in.failure(); err != nil {
		return nil, err
	}
	if err := in.flush(ctx); err != nil {
		return nil, err
	}
	return in.submit(ctx, records)
}

// failure returns why nothing more can be stored, or nil.
func (in *ingest) failure() error {
	switch {
	case in.closed:
		return errors.New("ingest: used after Close")
	case in.err == nil:
		in.err = in.ctx.Err()
	}
	if in.err != nil {
		return &api.IngestError{Result: in.result, Err: in.err}
	}
	return nil
}

// flush submits what Add has gathered.
func (in *ingest) flush(ctx context.Context) error {
	if len(in.batch) == 0 {
		return nil
	}
	if _, err := in.submit(ctx, in.batch); err != nil {
		return err
	}
	clear(in.batch)
	in.batch, in.vectors, in.bytes = in.batch[:0], in.vectors[:0], 0
	return nil
}

// submit gives records to the collection. If too many batches are in flight it first settles
// the oldest.
func (in *ingest) submit(ctx context.Context, records []Record) (submitted, error) {
	for len(in.inFlight) >= in.opts.MaxInFlight {
		select {
		case <-in.inFlight[0].done:
			in.settle()
		case <-ctx.Done():
			return submitted{}, ctx.Err()
		case <-in.ctx.Done():
		}
		if err := in.failure(); err != nil {
			return submitted{}, err
		}
	}
	pending, refused, err := in.collection.Submit(ctx, records)
	if err != nil {
		if ctx.Err() == nil {
			in.err = err
			err = in.failure()
		}
		return submitted{}, err
	}
	s := submitted{pending, refused, len(records)}
	in.inFlight = append(in.inFlight, s)
	return s, nil
}

// settle waits for the oldest batch in flight and counts it. A batch written after a failure is
// stored but not counted, because Position ends before the failure.
func (in *ingest) settle() {
	oldest := in.inFlight[0]
	in.inFlight = in.inFlight[1:]
	batch, err := oldest.Wait(context.Background())
	if in.err == nil {
		in.err = err
	}
	if err == nil && in.err == nil {
		in.result.Settle(oldest.records, batch, in.opts)
	}
}

// Close stores what Add has gathered and waits for everything, as api.Ingest says. Batches that
// were submitted are written whether or not anyone waits. To count them, Close waits for them
// even when the ingest was broken off.
func (in *ingest) Close() (api.IngestResult, error) {
	if !in.closed {
		if in.failure() == nil {
			_ = in.flush(in.ctx) // its failure is in.err
		}
		broken := in.err
		in.err = nil
		for len(in.inFlight) > 0 {
			in.settle()
		}
		if in.err == nil {
			in.err = broken
		}
		in.closed = true
	}
	if in.err != nil {
		return in.result, &api.IngestError{Result: in.result, Err: in.err}
	}
	return in.result, nil
}
