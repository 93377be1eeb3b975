package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hamnest/hamnest/client"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// remote is a server, reached through package client.
type remote struct {
	target  string
	client  *client.Client
	ladders sync.Map // of collections that codes are exchanged with, by name
}

func openRemote(target string) (*remote, error) {
	c, err := client.New(target)
	if err != nil {
		return nil, fmt.Errorf("server %s: %w", target, err)
	}
	return &remote{target: target, client: c}, nil
}

func (r *remote) Close() error { return r.client.Close() }

// remoteError is what a server answered, as one of the engine's errors.
type remoteError struct {
	text         string
	kind, answer error // kind is nil when the engine has no such error
}

func (e *remoteError) Error() string { return e.text }

// Unwrap returns both.
func (e *remoteError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.answer}
	}
	return []error{e.kind, e.answer}
}

// explain turns an error of the client, which may be nil, into one that reads and
// tests like the engine's.
func (r *remote) explain(err error) error {
	var answer *client.Error
	if !errors.As(err, &answer) {
		return err
	}
	e := &remoteError{text: answer.Message, answer: err}
	for _, same := range []struct{ client, index error }{
		{client.ErrNotFound, index.ErrNotFound},
		{client.ErrExists, index.ErrExists},
		{client.ErrDataLoss, index.ErrCorrupt},
		{client.ErrNewerFormat, index.ErrVersion},
		{client.ErrRewriting, index.ErrRewriting},
		{client.ErrCalibrating, index.ErrCalibrating},
		{client.ErrEmpty, index.ErrEmpty},
		{client.ErrCodesOnly, index.ErrCodesOnly},
	} {
		if errors.Is(err, same.client) {
			e.kind = same.index
		}
	}
	if errors.Is(err, client.ErrUnavailable) {
		e.text = fmt.Sprintf("server %s cannot be reached: %s", r.target, answer.Message)
	}
	return e
}

func (r *remote) Create(ctx context.Context, spec index.Spec) (index.Info, error) {
	c, err := r.client.CreateCollection(ctx, client.Collection{
		Name:    spec.Name,
		Dims:    spec.Dims,
		Ladder:  spec.Ladder,
		Bits:    spec.Bits,
		Metric:  client.Metric(spec.Metric.String()),
		Profile: client.Profile(spec.Profile.String()),
		Store:   client.Precision(spec.Store.String()),
		Labels:  spec.Labels,
	})
	if err != nil {
		return index.Info{}, r.explain(err)
	}
	return infoFromClient(c)
}

func (r *remote) Collection(ctx context.Context, name string) (index.Info, error) {
	c, err := r.client.GetCollection(ctx, name)
	if err != nil {
		return index.Info{}, r.explain(err)
	}
	return infoFromClient(c)
}

func (r *remote) Collections(ctx context.Context) ([]index.Info, error) {
	var infos []index.Info
	var damaged []error
	for c, err := range r.client.Collections(ctx) {
		if err != nil {
			return infos, r.explain(err)
		}
		if c.Dims == 0 { // a name and no more
			damaged = append(damaged, fmt.Errorf("collection %q: the server cannot open its files", c.Name))
			continue
		}
		info, err := infoFromClient(c)
		if err != nil {
			return infos, err
		}
		infos = append(infos, info)
	}
	return infos, errors.Join(damaged...)
}

// infoFromClient fails for a metric or profile that only a newer program knows.
func infoFromClient(c client.Collection) (index.Info, error) {
	metric, err := floats.ParseMetric(string(c.Metric))
	if err != nil {
		return index.Info{}, fmt.Errorf("collection %q: %w", c.Name, err)
	}
	profile, err := code.ParseKind(string(c.Profile))
	if err != nil {
		return index.Info{}, fmt.Errorf("collection %q: %w", c.Name, err)
	}
	store, err := floats.ParsePrecision(string(c.Store))
	if err != nil {
		return index.Info{}, fmt.Errorf("collection %q: %w", c.Name, err)
	}
	inForce, err := code.ParseKind(string(c.ProfileInForce))
	if err != nil {
		return index.Info{}, fmt.Errorf("collection %q: %w", c.Name, err)
	}
	return index.Info{
		Spec: index.Spec{
			Name:    c.Name,
			Dims:    c.Dims,
			Ladder:  c.Ladder,
			Bits:    c.Bits,
			Metric:  metric,
			Profile: profile,
			Store:   store,
			Labels:  c.Labels,
		},
		ProfileInForce:     inForce,
		ProfileFingerprint: c.ProfileFingerprint,
		Created:            c.Created,
	}, nil
}

func (r *remote) Update(ctx context.Context, name string, change index.Change) (index.Info, error) {
	var wanted client.Change
	if change.Profile != nil {
		wanted.Profile = client.Profile(change.Profile.String())
	}
	if change.Store != nil {
		wanted.Store = client.Precision(change.Store.String())
	}
	c, err := r.client.UpdateCollection(ctx, name, wanted)
	if err != nil {
		return index.Info{}, r.explain(err)
	}
	return infoFromClient(c)
}

func (r *remote) Drop(ctx context.Context, name string) error {
	return r.explain(r.client.DeleteCollection(ctx, name))
}

func (r *remote) Stats(ctx context.Context, name string) (index.Stats, error) {
	stats, err := r.client.Stats(ctx, name)
	if err != nil {
		return index.Stats{}, r.explain(err)
	}
	var rewrite *index.RewriteStats
	if s := stats.Rewrite; s != nil {
		profile, err := code.ParseKind(string(s.Profile))
		if err != nil {
			return index.Stats{}, fmt.Errorf("rewrite: %w", err)
		}
		store, err := floats.ParsePrecision(string(s.Store))
		if err != nil {
			return index.Stats{}, fmt.Errorf("rewrite: %w", err)
		}
		rewrite = &index.RewriteStats{Profile: profile, Store: store, Started: s.Started, Done: s.Done, Total: s.Total}
	}
	return index.Stats{
		Vectors:              stats.Vectors,
		Retired:              stats.Retired,
		Sealed:               stats.Sealed,
		MemoryBytes:          stats.MemoryBytes,
		DiskBytes:            stats.DiskBytes,
		DiskFreeBytes:        stats.DiskFreeBytes,
		CodeBytesPerVector:   stats.CodeBytesPerVector,
		VectorBytesPerVector: stats.VectorBytesPerVector,
		Commits:              stats.Commits,
		Kernel:               stats.Kernel,
		ProfileFingerprint:   stats.ProfileFingerprint,
		Dropped:              stats.Dropped,
		DiskCodes:            stats.DiskCodes,
		DiskVectors:          stats.DiskVectors,
		DiskRows:             stats.DiskRows,
		Live:                 (*index.LiveStats)(stats.Live),
		Rewrite:              rewrite,
		RewriteError:         stats.RewriteError,
	}, nil
}

func (r *remote) Calibrate(ctx context.Context, name string, opts index.CalibrateOptions) (*index.Calibration, error) {
	c, err := r.client.Calibrate(ctx, name, client.CalibrateOptions(opts))
	if err != nil {
		return nil, r.explain(err)
	}
	profile, err := code.ParseKind(string(c.Profile))
	if err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	result := &index.Calibration{
		Rows:        c.Rows,
		Queries:     c.Queries,
		Source:      index.CalibrationSource(c.Source),
		K:           c.K,
		Profile:     profile,
		Fingerprint: c.ProfileFingerprint,
		Kernel:      c.Kernel,
	}
	for _, s := range c.Settings {
		result.Settings = append(result.Settings, index.Setting(s))
	}
	return result, nil
}

func (r *remote) Check(ctx context.Context, name string) (index.CheckReport, error) {
	report, err := r.client.Check(ctx, name)
	return index.CheckReport{Rows: report.Rows, Blocks: report.Blocks, Problems: report.Problems}, r.explain(err)
}

func (r *remote) Get(ctx context.Context, name string, ids []string, withVector bool) (found []index.Record, missing []string, err error) {
	records, missing, err := r.client.Get(ctx, name, ids, client.ReadOptions{WithVector: withVector, WithMetadata: true})
	for _, rec := range records {
		found = append(found, index.Record{ID: rec.ID, Vector: rec.Vector, Metadata: rec.Metadata})
	}
	return found, missing, r.explain(err)
}

func (r *remote) Remove(ctx context.Context, name string, ids []string) (int, error) {
	n, err := r.client.Delete(ctx, name, ids)
	return n, r.explain(err)
}

func (r *remote) Records(ctx context.Context, name string, opts index.ReadOptions, visit func(rec index.Record) bool) error {
	read := client.ReadOptions{WithVector: opts.WithVector, WithMetadata: opts.WithMetadata}
	dims := 0
	if opts.WithCode {
		ladder, err := r.ladder(ctx, name)
		if err != nil {
			return err
		}
		dims, read.WithCode = ladder[len(ladder)-1], wireDialect
	}
	for rec, err := range r.client.List(ctx, name, read) {
		if err != nil {
			return r.explain(err)
		}
		record := index.Record{ID: rec.ID, Vector: rec.Vector, Metadata: rec.Metadata}
		if rec.Code != nil {
			record.Code = make([]uint64, code.Words(dims))
			if err := code.Faiss.Unpack(record.Code, rec.Code.Packed, dims); err != nil {
				return fmt.Errorf("code of %q: %w", rec.ID, err)
			}
		}
		if !visit(record) {
			return nil
		}
	}
	return nil
}

// wireDialect is how codes are sent to the server and asked of it: code.Faiss, which
// is nearest to our own.
const wireDialect = client.Faiss

func (r *remote) Search(ctx context.Context, name string, q index.Query) (*index.Result, error) {
	return r.search(ctx, name, q, r.client.Search)
}

// streamed is a server to which searches go over a stream, which is the faster way for
// many.
type streamed struct {
	*remote
	stream *client.SearchStream
}

// overStream returns b, with a stream to search over if it is a server, and a function
// that ends the stream.
func overStream(ctx context.Context, b backend) (backend, func(), error) {
	r, ok := b.(*remote)
	if !ok {
		return b, func() {}, nil
	}
	stream, err := r.client.SearchStream(ctx)
	if err != nil {
		return nil, nil, r.explain(err)
	}
	return &streamed{r, stream}, stream.Close, nil
}

func (s *streamed) Search(ctx context.Context, name string, q index.Query) (*index.Result, error) {
	return s.search(ctx, name, q, s.stream.Search)
}

// clientSearch is a way to search: Client.Search or SearchStream.Search.
type clientSearch func(ctx context.Context, collection string, search client.SearchRequest) (*client.SearchResult, error)

// search searches by way of the given one.
func (r *remote) search(ctx context.Context, name string, q index.Query, way clientSearch) (*index.Result, error) {
	rescore := client.Rescore(q.Rescore.String())
	if q.Rescore == index.RescoreAuto {
		rescore = "" // on the wire, auto is not to say
	}
	packed, err := r.packed(ctx, name, q.Code)
	if err != nil {
		return nil, err
	}
	result, err := way(ctx, name, client.SearchRequest{
		Vector:       q.Vector,
		ID:           q.ID,
		Code:         packed,
		K:            q.K,
		Dims:         q.Dims,
		Candidates:   q.Candidates,
		Oversampling: q.Oversampling,
		TargetRecall: q.TargetRecall,
		Bound:        q.Bound,
		Rescore:      rescore,
		Exact:        q.Exact,
		MinScore:     q.MinScore,
		PageToken:    q.PageToken,
		WithVector:   q.WithVector,
		WithMetadata: q.WithMetadata,
	})
	if err != nil {
		return nil, r.explain(err)
	}
	hits := make([]index.Hit, len(result.Hits))
	for i, hit := range result.Hits {
		hits[i] = index.Hit(hit)
	}
	receipt, err := receiptFromClient(result.Receipt)
	return &index.Result{Hits: hits, NextPageToken: result.NextPageToken, Receipt: receipt}, err
}

// packed returns a code as it is sent, nil for none.
func (r *remote) packed(ctx context.Context, name string, words []uint64) (*client.Code, error) {
	if len(words) == 0 {
		return nil, nil
	}
	ladder, err := r.ladder(ctx, name)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(ladder, func(step int) bool { return code.Words(step) == len(words) })
	if at < 0 {
		return nil, fmt.Errorf("code of %d words, want those of a step of the ladder %s", len(words), show.Ints(ladder))
	}
	return &client.Code{Packed: code.Faiss.AppendPacked(nil, words, ladder[at]), Dialect: wireDialect}, nil
}

// ladder returns the ladder of a collection, which it asks for once.
func (r *remote) ladder(ctx context.Context, name string) ([]int, error) {
	if known, ok := r.ladders.Load(name); ok {
		return known.([]int), nil
	}
	c, err := r.client.GetCollection(ctx, name)
	if err != nil {
		return nil, r.explain(err)
	}
	r.ladders.Store(name, c.Ladder)
	return c.Ladder, nil
}

func receiptFromClient(r client.Receipt) (index.Receipt, error) {
	receipt := index.Receipt{
		Dims:               r.Dims,
		TargetRecall:       r.TargetRecall,
		Bound:              r.Bound,
		ExpectedRecall:     r.ExpectedRecall,
		Exact:              r.Exact,
		Kernel:             r.Kernel,
		ProfileFingerprint: r.ProfileFingerprint,
		RowsScanned:        r.RowsScanned,
		Passes:             r.Passes,
		CodeBytesRead:      r.CodeBytesRead,
		Candidates:         r.Candidates,
		Refined:            r.Refined,
		VectorsRead:        r.VectorsRead,
		VectorBytesRead:    r.VectorBytesRead,
		Scan:               r.Scan,
		Refine:             r.Refine,
		RescoreTime:        r.RescoreTime,
		Total:              r.Total,
	}
	if r.Rescore == "" {
		return receipt, nil
	}
	var err error
	receipt.Rescore, err = parseRescore(string(r.Rescore))
	return receipt, err
}

func (r *remote) Ingest(ctx context.Context, name string) (ingester, error) {
	// An interruption must not break the stream: what was sent will be stored, and
	// only the stream tells how much that was.
	stream, err := r.client.Ingest(context.WithoutCancel(ctx), name, client.IngestOptions{MaxRefusals: 1})
	if err != nil {
		return nil, r.explain(err)
	}
	return &remoteIngester{r, name, stream}, nil
}

// remoteIngester is an ingest stream.
type remoteIngester struct {
	remote *remote
	name   string
	stream *client.IngestStream
}

func (in *remoteIngester) Add(ctx context.Context, rec index.Record) error {
	packed, err := in.remote.packed(ctx, in.name, rec.Code)
	if err != nil {
		return err
	}
	return in.remote.explain(in.stream.Add(ctx, client.Record{ID: rec.ID, Vector: rec.Vector, Code: packed, Metadata: rec.Metadata}))
}

func (in *remoteIngester) Close(context.Context) (durable uint64, err error) {
	result, err := in.stream.Close()
	if err == nil && result.Refused > 0 {
		first := result.Refusals[0]
		err = fmt.Errorf("%d records were refused, the first with id %q: %s", result.Refused, first.ID, first.Reason)
	}
	return result.Stored, in.remote.explain(err)
}
