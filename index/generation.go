package index

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/cascade"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/columns"
	"github.com/hamnest/hamnest/index/learn"
	"github.com/hamnest/hamnest/index/scan"
	"github.com/hamnest/hamnest/storage"
)

// generation is the rows of a collection as one codec makes them: the file, the codes in memory
// and what scans them, which mean nothing without each other. A collection has one current
// generation. A call takes it at the start and uses it to the end.
type generation struct {
	shard   *storage.Shard
	codec   *codec
	layout  *codes.Layout // of the views
	view    atomic.Pointer[codes.View]
	rows    cascade.Rows // what searches by codes look at
	passes  *scan.Passes
	columns *columns.Columns // what filters look at
	writer  *codes.Builder   // makes the next view; only the writer uses it

	successor *generation // that took over, nil while this one is current; only the writer uses it
	inherited uint32      // rows when it took over itself; only the writer uses it

	users sync.WaitGroup // calls under way: none begins when it is no longer current
}

// openGeneration opens the shard of a collection and loads its codes.
func openGeneration(catalog *storage.Catalog, e storage.Entry, filterBytes int64) (*generation, error) {
	shard, err := catalog.OpenShard(e)
	if err != nil {
		return nil, err
	}
	g, err := newGeneration(shard, filterBytes)
	if err != nil {
		return nil, errors.Join(err, shard.Close())
	}
	if err := g.load(); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// newGeneration makes a generation of shard and owns the shard from then on, unless it fails.
// The caller must still load the view. What filters need takes at most filterBytes.
func newGeneration(shard *storage.Shard, filterBytes int64) (*generation, error) {
	state, err := readSchema(shard.Schema())
	if err != nil {
		return nil, err
	}
	g := &generation{shard: shard, codec: newCodec(state)}
	g.writer = codes.NewBuilder(g.codec.profile)
	g.layout = g.writer.Layout()
	g.passes = scan.NewPasses(shard, g.view.Load)
	g.columns = columns.New(g.readRows, g.view.Load, filterBytes)
	g.rows = cascade.Rows{Shard: shard, Profile: g.codec.profile, Layout: g.layout, Passes: g.passes}
	return g, nil
}

// load fills the first view from storage.
func (g *generation) load() error {
	b := g.writer
	var rows uint64
	err := g.shard.View(func(r *storage.Reader) error {
		rows = r.State().Next
		if rows > codes.MaxRows {
			return fmt.Errorf("%d rows, want at most %d: %w", rows, uint64(codes.MaxRows), ErrFull)
		}
		if err := b.Grow(uint32(rows)); err != nil {
			return err
		}
		b.Give(uint32(rows))
		return r.Retired(func(first uint64, words []uint64) error {
			b.RetireAll(uint32(first), words)
			return nil
		})
	})
	if err != nil {
		return err
	}
	if g.layout.Blocks() > 0 && g.codec.state.legacy == nil { // there are codes, and they can be used as they are
		if err := g.loadCodes(rows); err != nil {
			return err
		}
	}
	g.view.Store(b.Publish())
	return nil
}

// loadCodes fills the rows that were handed out from storage.
func (g *generation) loadCodes(rows uint64) error {
	var loads errgroup.Group
	loads.SetLimit(runtime.GOMAXPROCS(0))
	for first := uint64(0); first < rows; first += codes.SegmentRows {
		loads.Go(func() error {
			return g.shard.View(func(r *storage.Reader) error {
				return r.Codes(first, min(first+codes.SegmentRows, rows), func(at uint64, words []uint64, _ []float32) error {
					g.writer.Fill(uint32(at), words)
					return nil
				})
			})
		})
	}
	return loads.Wait()
}

// close waits for the users and frees memory and file. The generation must no longer be the
// current one, or its collection closed.
func (g *generation) close() error {
	g.users.Wait()
	g.passes.Wait() // a search that was cancelled may have left its pass running
	return errors.Join(g.shard.Close(), g.writer.Release())
}

// renewed returns ErrRewriting while rows of an older version wait to be encoded again.
func (g *generation) renewed() error {
	if g.codec.state.legacy == nil {
		return nil
	}
	return fmt.Errorf("index: the collection was written by an older version and has not been encoded again yet: %w", ErrRewriting)
}

// apply makes ops durable and then visible.
func (g *generation) apply(ops []storage.Op) ([]storage.Applied, error) {
	if err := g.renewed(); err != nil {
		return nil, err
	}
	fresh := 0
	for i := range ops {
		if !ops[i].Delete {
			fresh++
		}
	}
	rows := uint64(g.writer.Rows()) + uint64(fresh)
	if rows > codes.MaxRows {
		return nil, fmt.Errorf("%d rows handed out, want at most %d: %w", rows, uint64(codes.MaxRows), ErrFull)
	}
	if err := g.writer.Grow(uint32(rows)); err != nil { // before anything is durable
		return nil, err
	}
	applied, err := g.shard.Commit(ops)
	if err != nil {
		return nil, err
	}
	g.columns.Add(g.writer.Rows(), stored(ops, applied))
	for i, a := range applied {
		if a.Slot != storage.NoSlot {
			g.writer.Add(ops[i].Code)
		}
		if a.Retired != storage.NoSlot {
			g.writer.Retire(uint32(a.Retired))
		}
	}
	g.view.Store(g.writer.Publish())
	return applied, nil
}

// learn makes the profile that suits the stored vectors. When ctx ends it returns at once, and what
// it has begun to fit is left to end by itself: it holds only its own memory.
func (g *generation) learn(ctx context.Context) (*encoder.Profile, error) {
	p := g.codec.profile
	sample, err := g.vectors(ctx, g.view.Load().Present().Spread(learn.SampleRows(p.Dims())))
	if err != nil {
		return nil, err
	}
	type learnt struct {
		profile *encoder.Profile
		err     error
	}
	done := make(chan learnt, 1)
	go func() {
		profile, err := learn.Profile(ctx, p.Shape(), sample)
		done <- learnt{profile, err}
	}()
	select {
	case l := <-done:
		return l.profile, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// record copies the requested parts of a row out of the reader.
func (g *generation) record(r *storage.Reader, slot uint64, id string, metadata []byte, opts ReadOptions) (record Record, err error) {
	record.ID = id
	if opts.WithMetadata {
		record.Metadata = slices.Clone(metadata)
	}
	if opts.WithCode {
		if record.Code, err = g.signs(r, slot); err != nil {
			return Record{}, err
		}
	}
	if opts.WithVector {
		stored, err := r.Vector(slot)
		if err != nil {
			return Record{}, err
		}
		record.Vector = make([]float32, g.codec.profile.Dims())
		g.codec.decode(record.Vector, stored)
	}
	return record, nil
}

// signs returns the signs of a row's vector, or the stored code if there is no vector.
func (g *generation) signs(r *storage.Reader, slot uint64) ([]uint64, error) {
	dims := g.codec.profile.Dims()
	words := make([]uint64, code.Words(dims))
	if g.codec.keepsVectors() {
		stored, err := r.Vector(slot)
		if err != nil {
			return nil, err
		}
		v := make([]float32, dims)
		g.codec.decode(v, stored)
		code.Signs(words, v)
		return words, nil
	}
	if kind := g.codec.profile.Kind(); kind != encoder.Signs {
		return nil, fmt.Errorf("the code of a vector that is not stored, under profile %v: %w", kind, ErrCodesOnly)
	}
	if v := g.view.Load(); slot < uint64(v.Rows()) {
		return v.Code(words[:0], uint32(slot), 0), nil
	}
	// It is durable and about to be visible.
	block := slot - slot%uint64(g.shard.Schema().BlockRows)
	err := r.Codes(block, slot+1, func(_ uint64, block []uint64, _ []float32) error {
		copy(words, block[len(block)-g.codec.profile.RowWords():])
		return nil
	})
	return words, err
}
