package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/measure"
	"github.com/hamnest/hamnest/storage"
)

// Calibrate measures what searches for the queries find and cost, at every step of the ladder
// and for several target recalls. At each step it computes the exact answers by passes over the
// stored vectors. Searches and writes go on meanwhile.
//
// ErrCalibrating when a calibration is under way, ErrCodesOnly when there are no vectors to
// compute exact answers from, ErrEmpty when the collection is empty; *InvalidError with fields
// queries[i], sample, live, k.
func (c *Collection) Calibrate(ctx context.Context, opts CalibrateOptions) (*Calibration, error) {
	var result *Calibration
	err := c.use(ctx, func(ctx context.Context, g *generation) (err error) {
		result, err = c.calibrate(ctx, g, opts)
		return err
	})
	return result, err
}

func (c *Collection) calibrate(ctx context.Context, g *generation, opts CalibrateOptions) (*Calibration, error) {
	if err := checkCalibration(&opts, g.codec); err != nil {
		return nil, err
	}
	if err := g.codec.needVectors("calibration"); err != nil {
		return nil, err
	}
	if !c.measuring.CompareAndSwap(false, true) {
		return nil, ErrCalibrating
	}
	defer c.measuring.Store(false)
	view := g.view.Load()
	if view.Present().Len() == 0 {
		return nil, ErrEmpty
	}
	result := &Calibration{
		Rows: view.Present().Len(), Source: SourceGiven, K: cmp.Or(opts.K, DefaultCalibrationK),
		Profile: g.codec.profile.Kind(), Fingerprint: g.codec.fingerprint, Kernel: hamming.Kernel(),
	}
	var err error
	vectors := opts.Queries
	switch {
	case opts.Live:
		result.Source = SourceLive
		vectors, err = c.live.Recent(g.codec.profile.Dims())
	case len(vectors) == 0:
		result.Source = SourceStored
		vectors, err = g.vectors(ctx, view.Present().Spread(cmp.Or(opts.Sample, DefaultCalibrationQueries)))
	}
	if err != nil {
		return nil, err
	}
	result.Queries = len(vectors)
	subject := measure.Collection{
		Ladder: g.codec.profile.Ladder(), Metric: g.codec.metric, Promises: g.codec.promises(), SayDims: !g.codec.state.ladderGiven(), Search: g.searchAll,
	}
	result.Settings, err = subject.Settings(ctx, vectors, result.K)
	return result, err
}

// checkCalibration returns what is malformed in o for a collection of codec c.
func checkCalibration(o *CalibrateOptions, c *codec) error {
	var e InvalidError
	add := func(field, format string, args ...any) {
		e.Violations = append(e.Violations, Violation{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	for i, q := range o.Queries {
		if err := floats.Validate(q, c.profile.Dims(), c.metric); err != nil {
			add(fmt.Sprintf("queries[%d]", i), "%v", err)
		}
	}
	if o.Sample < 0 {
		add("sample", "%d, want at least 1", o.Sample)
	}
	if o.Sample != 0 && len(o.Queries) > 0 {
		add("sample", "set together with queries")
	}
	if o.Live && (o.Sample != 0 || len(o.Queries) > 0) {
		add("live", "set together with queries or sample")
	}
	if o.K < 0 || o.K > MaxCalibrationK {
		add("k", "%d, want 1 to %d", o.K, MaxCalibrationK)
	}
	if len(e.Violations) > 0 {
		return &e
	}
	return nil
}

// readTogether is how many vectors are read in one transaction.
const readTogether = 1024

// vectors reads the stored vectors of rows.
func (g *generation) vectors(ctx context.Context, rows []uint32) ([][]float32, error) {
	vectors := make([][]float32, 0, len(rows))
	for part := range slices.Chunk(rows, readTogether) {
		err := g.shard.View(func(r *storage.Reader) error {
			for _, row := range part {
				stored, err := r.Vector(uint64(row))
				if err != nil {
					return err
				}
				v := make([]float32, g.codec.profile.Dims())
				g.codec.decode(v, stored)
				vectors = append(vectors, v)
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return vectors, nil
}
