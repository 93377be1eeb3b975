package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/hamnest/hamnest/index"
)

// local is a directory, opened in this process: nothing stands between a command
// and the engine.
type local struct{ db *index.DB }

// openLocal opens a directory, which unless create is set must be there: a mistyped
// name must not become an empty store. What goes wrong outside any call is logged
// to messages.
func openLocal(dir string, create bool, messages io.Writer) (*local, error) {
	db, err := openDB(dir, index.Options{Logger: warnings(messages), MustExist: !create})
	if err != nil {
		return nil, err
	}
	return &local{db}, nil
}

// warnings is a logger of what goes wrong.
func warnings(messages io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(messages, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// openDB opens a directory, or says what to do instead.
func openDB(dir string, opts index.Options) (*index.DB, error) {
	db, err := index.Open(dir, opts)
	switch {
	case errors.Is(err, index.ErrLocked):
		return nil, fmt.Errorf("another process has %s open; use --server HOST:PORT to reach it (%w)", dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no directory %s; hamnest collection create and hamnest ingest --create make one", dir)
	case err != nil:
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	return db, nil
}

func (l *local) Close() error { return l.db.Close() }

func (l *local) Create(ctx context.Context, spec index.Spec) (index.Info, error) {
	c, err := l.db.Create(ctx, spec)
	if err != nil {
		return index.Info{}, err
	}
	return c.Info(), nil
}

func (l *local) Collection(_ context.Context, name string) (index.Info, error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return index.Info{}, err
	}
	return c.Info(), nil
}

func (l *local) Collections(context.Context) ([]index.Info, error) {
	var infos []index.Info
	var damaged []error
	for _, name := range l.db.Names() {
		c, err := l.db.Collection(name)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		infos = append(infos, c.Info())
	}
	return infos, errors.Join(damaged...)
}

func (l *local) Update(ctx context.Context, name string, change index.Change) (index.Info, error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return index.Info{}, err
	}
	if err := c.Update(ctx, change); err != nil {
		return index.Info{}, err
	}
	return c.Info(), nil
}

func (l *local) Drop(ctx context.Context, name string) error { return l.db.Delete(ctx, name) }

func (l *local) Stats(_ context.Context, name string) (index.Stats, error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return index.Stats{}, err
	}
	return c.Stats()
}

func (l *local) Calibrate(ctx context.Context, name string, opts index.CalibrateOptions) (*index.Calibration, error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return nil, err
	}
	return c.Calibrate(ctx, opts)
}

func (l *local) Check(ctx context.Context, name string) (index.CheckReport, error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return index.CheckReport{}, err
	}
	return c.Check(ctx)
}

func (l *local) Get(ctx context.Context, name string, ids []string, withVector bool) (found []index.Record, missing []string, err error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return nil, nil, err
	}
	return c.Get(ctx, ids, index.ReadOptions{WithVector: withVector, WithMetadata: true})
}

func (l *local) Remove(ctx context.Context, name string, ids []string) (int, error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return 0, err
	}
	return c.Remove(ctx, ids)
}

func (l *local) Records(ctx context.Context, name string, opts index.ReadOptions, visit func(rec index.Record) bool) error {
	c, err := l.db.Collection(name)
	if err != nil {
		return err
	}
	for token := ""; ; {
		records, next, err := c.List(ctx, recordPage, token, opts)
		if err != nil {
			return err
		}
		for _, rec := range records {
			if !visit(rec) {
				return nil
			}
		}
		if next == "" {
			return nil
		}
		token = next
	}
}

func (l *local) Search(ctx context.Context, name string, q index.Query) (*index.Result, error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return nil, err
	}
	return c.Search(ctx, q)
}

func (l *local) Ingest(_ context.Context, name string) (ingester, error) {
	c, err := l.db.Collection(name)
	if err != nil {
		return nil, err
	}
	return &localIngester{collection: c}, nil
}

const (
	// batchBytes of vectors and metadata are submitted together: large enough that
	// a commit is mostly writing, small enough that a few in flight are nothing.
	batchBytes = 4 << 20
	// maxInFlight batches are encoded and written while the next is read.
	maxInFlight = 4
)

// localIngester gathers records in batches and keeps a few of them in flight.
type localIngester struct {
	collection *index.Collection
	batch      []index.Record
	vectors    []float32 // the memory of the batch's vectors
	bytes      int       // size of the batch
	inFlight   []submitted
	durable    uint64
	err        error // the first failure; nothing is submitted after it
}

// submitted is a batch under way.
type submitted struct {
	pending *index.Pending
	records uint64
}

func (in *localIngester) Add(ctx context.Context, rec index.Record) error {
	if in.err != nil {
		return in.err
	}
	start := len(in.vectors)
	in.vectors = append(in.vectors, rec.Vector...)
	rec.Vector = in.vectors[start:len(in.vectors):len(in.vectors)]
	rec.Code = slices.Clone(rec.Code)
	in.batch = append(in.batch, rec)
	in.bytes += 4*len(rec.Vector) + 8*len(rec.Code) + len(rec.ID) + len(rec.Metadata)
	if in.bytes < batchBytes {
		return nil
	}
	in.err = in.submit(ctx)
	return in.err
}

// submit hands the batch to the collection, having waited for the oldest one in
// flight when there are too many.
func (in *localIngester) submit(ctx context.Context) error {
	if len(in.batch) == 0 {
		return nil
	}
	for len(in.inFlight) >= maxInFlight {
		if err := in.wait(ctx); err != nil {
			return err
		}
	}
	pending, refused, err := in.collection.Submit(ctx, in.batch)
	if err != nil {
		return err
	}
	in.inFlight = append(in.inFlight, submitted{pending, uint64(len(in.batch) - len(refused))})
	clear(in.batch)
	in.batch, in.vectors, in.bytes = in.batch[:0], in.vectors[:0], 0
	if len(refused) > 0 {
		return fmt.Errorf("%d records were refused, the first with id %q: %s", len(refused), refused[0].ID, refused[0].Reason)
	}
	return nil
}

// wait waits for the oldest batch in flight.
func (in *localIngester) wait(ctx context.Context) error {
	oldest := in.inFlight[0]
	if err := oldest.pending.Wait(ctx); err != nil {
		return err
	}
	in.inFlight = in.inFlight[1:]
	in.durable += oldest.records
	return nil
}

func (in *localIngester) Close(ctx context.Context) (durable uint64, err error) {
	if in.err == nil {
		in.err = ctx.Err()
	}
	if in.err == nil {
		in.err = in.submit(ctx)
	}
	// What was submitted will be written whether anyone waits or not. To say how
	// much, wait even when interrupted.
	for len(in.inFlight) > 0 {
		if err := in.wait(context.WithoutCancel(ctx)); err != nil {
			in.err = errors.Join(in.err, err)
			in.inFlight = in.inFlight[1:]
		}
	}
	return in.durable, in.err
}
