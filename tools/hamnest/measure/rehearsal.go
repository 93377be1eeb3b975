package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/machine"
	"github.com/hamnest/hamnest/tools/hamnest/synthetic"
)

// rehearsal has the times of a small collection of the planned kind, which is filled with
// made-up vectors and searched in this process. They are what a plan cannot compute.
type rehearsal struct {
	Ladder []int
	// Rows is how many vectors were stored, in Dir's file system. The first First of them took
	// Learn, including learning the profile if there is one, and the rest took Ingest.
	Rows, First   int
	Dir           string
	Times         int // how often each small thing was measured
	Learn, Ingest time.Duration
	// Encode is the time that one core takes to make the code of a vector, Sync the time to
	// write and sync 4 KiB, and Commit the time until one vector is durable.
	Encode, Sync, Commit time.Duration
	Search               rehearsedSearch
}

// rehearsedSearch has the medians of the default search. If the planned collection is larger
// than the rehearsed one, the processor's caches are cleared before each search, because
// they could not hold the planned one.
type rehearsedSearch struct {
	Dims int // of the codes that the scan compared
	// RowBytes is how many bytes of a row's code a pass read, 0 without codes.
	RowBytes                                 float64
	Candidates, Refined, Passes, VectorsRead uint64
	// Exact is the share of searches that compared all vectors because that was cheaper.
	Exact float64
	// Encode is the time to prepare the query, and Rest that of everything after the scan.
	// Without codes, Read is the pass over the vectors, which Rest excludes.
	Encode, Rest, Read time.Duration
}

const (
	// rehearsalBytes of float32 make several commits and take a second or two to store. They
	// and rehearsalTimes, how often a small thing is measured, grow with --time.
	rehearsalBytes = 128 << 20
	rehearsalTimes = 40
	// minRehearsalTimes is what a median needs.
	minRehearsalTimes = 5
	// More rows than a segment has would add nothing.
	minRehearsalRows = 1280
	maxRehearsalRows = 65_536
	// codedFloats is the most components that a collection can have without codes.
	codedFloats = 1 << 20
)

// rehearse measures a collection of the planned kind in a temporary folder, in Dir or the
// nearest folder above it that exists.
func (f *Planned) rehearse(ctx context.Context, kind encoder.Kind) (r rehearsal, err error) {
	dir := f.Dir
	for {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	r.Dir, r.Times = dir, max(minRehearsalTimes, int(rehearsalTimes*f.effort()))
	own, err := os.MkdirTemp(dir, "hamnest-plan-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(own)) }()
	if r.Sync, err = timeSync(filepath.Join(own, "sync"), r.Times); err != nil {
		return r, err
	}
	db, err := index.Open(filepath.Join(own, "data"), index.Options{Logger: f.Logger})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	spec := f.Spec
	spec.Name = "rehearsal"
	c, err := db.Create(ctx, spec)
	if err != nil {
		return r, err
	}
	r.Ladder = c.Info().Ladder
	r.Rows, r.First = f.rehearsalRows(kind)
	records, queries := f.rehearsalRecords(r.Rows+r.Times, r.Times, f.Rows.IDBytes)
	records, single := records[:r.Rows], records[r.Rows:]
	if r.Learn, err = timeStore(ctx, db, spec.Name, records[:r.First]); err != nil {
		return r, err
	}
	start := time.Now()
	if err := c.Settle(ctx); err != nil {
		return r, err
	}
	r.Learn += time.Since(start)
	if r.Ingest, err = timeStore(ctx, db, spec.Name, records[r.First:]); err != nil {
		return r, err
	}
	profile, err := f.rehearsalProfile(kind, records)
	if err != nil {
		return r, err
	}
	together := records[:min(len(records), encodeTogether)]
	rows, vectors := make([][]uint64, len(together)), make([][]float32, len(together))
	for i, rec := range together {
		rows[i], vectors[i] = make([]uint64, profile.RowWords()), rec.Vector
	}
	r.Encode = medianOf(r.Times, func(int) { profile.Encode(rows, vectors) }) / time.Duration(len(together))
	if err := r.searches(ctx, c, f.Query, queries, f.Rows.Count > uint64(r.Rows)); err != nil {
		return r, err
	}
	if kind != encoder.Exact {
		r.Search.Encode = medianOf(len(queries), func(i int) { profile.Query(queries[i]) })
	}
	var failed error
	r.Commit = medianOf(len(single), func(i int) { failed = errors.Join(failed, c.Upsert(ctx, single[i:i+1])) })
	return r, failed
}

// encodeTogether is how many vectors are encoded at a time, as an ingest does.
const encodeTogether = 64

// rehearsalRows returns how many rows to store, and how many of them come first, untimed by
// Ingest. There are enough for the collection to learn codes if the planned one does, and few
// enough for it to have none if the planned one has none.
func (f *Planned) rehearsalRows(kind encoder.Kind) (rows, first int) {
	rows = min(max(int(rehearsalBytes*f.effort())/(4*f.Spec.Dims), minRehearsalRows), maxRehearsalRows)
	switch {
	case kind == encoder.Learned:
		rows = max(rows, 2*(codedFloats/f.Spec.Dims+1))
	case kind == encoder.Exact && f.Rows.Count*uint64(f.Spec.Dims) <= codedFloats:
		rows = max(min(rows, codedFloats/f.Spec.Dims), 2)
	}
	return rows, rows / 2
}

// rehearsalRecords makes up n records and the given number of queries. Their vectors resemble
// those of embedding models.
func (f *Planned) rehearsalRecords(n, queries, idBytes int) (records []index.Record, searched [][]float32) {
	set := synthetic.Set{
		Rows: n, Queries: queries, Dims: f.Spec.Dims, Seed: 1,
		Clusters: synthetic.DefaultClusters(n), Noise: synthetic.DefaultNoise, Decay: synthetic.DefaultDecay,
	}
	records, searched = make([]index.Record, n), make([][]float32, queries)
	metadata := planMetadata(f.Rows.MetadataBytes)
	set.Vectors(func(base bool, row int, v []float32) {
		if !base {
			searched[row] = slices.Clone(v)
			return
		}
		records[row] = index.Record{ID: planID(row, idBytes), Vector: slices.Clone(v), Metadata: metadata}
	})
	return records, searched
}

// rehearsalProfile makes a profile of the planned collection's kind.
func (f *Planned) rehearsalProfile(kind encoder.Kind, records []index.Record) (*encoder.Profile, error) {
	shape := encoder.Shape{Metric: f.Spec.Metric, Dims: f.Spec.Dims, Ladder: f.Spec.Ladder, Bits: f.Spec.Bits}
	switch kind {
	case encoder.Exact:
		return encoder.NewExact(shape)
	case encoder.Signs:
		return encoder.NewSigns(shape)
	}
	sample := make([][]float32, min(len(records), profileSample))
	for i := range sample {
		sample[i] = records[i].Vector
	}
	return encoder.Learn(shape, sample)
}

// profileSample is how many vectors rehearsalProfile learns from: few, since only the speed of
// the profile matters.
const profileSample = 256

// timeStore stores records as hamnest ingest does, and returns the time it took.
func timeStore(ctx context.Context, e api.Engine, name string, records []index.Record) (time.Duration, error) {
	start := time.Now()
	in, err := e.Ingest(ctx, name, api.IngestOptions{})
	if err != nil {
		return 0, err
	}
	for _, rec := range records {
		if err = in.Add(ctx, rec); err != nil {
			break // Close says why
		}
	}
	result, err := in.Close()
	if err == nil && result.Stored != uint64(len(records)) {
		err = fmt.Errorf("%d of %d made-up vectors were stored", result.Stored, len(records))
	}
	return time.Since(start), err
}

// searches rehearses the default search.
func (r *rehearsal) searches(ctx context.Context, c *index.Collection, q index.Query, queries [][]float32, larger bool) (err error) {
	clearCaches := func() {}
	if larger {
		memory, err := machine.NewMemory(minReadBytes)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, memory.Close()) }()
		clearCaches = func() { memory.Read(runtime.GOMAXPROCS(0)) }
	}
	var rest, read []time.Duration
	var receipts []index.Receipt
	exact := 0
	for _, v := range queries {
		clearCaches()
		q.Vector = v
		result, err := c.Search(ctx, q)
		if err != nil {
			return err
		}
		receipt := result.Receipt
		after := receipt.Total - receipt.Scan
		switch {
		case receipt.Passes == 0: // there are no codes
			read = append(read, receipt.RescoreTime)
			after -= receipt.RescoreTime
		case receipt.Exact:
			exact++
		}
		receipts, rest = append(receipts, receipt), append(rest, after)
	}
	median := func(of func(r *index.Receipt) uint64) uint64 {
		slices.SortFunc(receipts, func(a, b index.Receipt) int { return cmp.Compare(of(&a), of(&b)) })
		return of(&receipts[len(receipts)/2])
	}
	s := &r.Search
	s.Dims = receipts[0].Dims
	s.Exact = float64(exact) / float64(len(queries))
	s.Candidates = median(func(r *index.Receipt) uint64 { return uint64(r.Candidates) })
	s.Refined = median(func(r *index.Receipt) uint64 { return uint64(r.Refined) })
	s.Passes = median(func(r *index.Receipt) uint64 { return uint64(r.Passes) })
	s.VectorsRead = median(func(r *index.Receipt) uint64 { return r.VectorsRead })
	if s.Passes > 0 {
		s.RowBytes = float64(median(func(r *index.Receipt) uint64 { return r.CodeBytesRead })) / float64(s.Passes) / float64(receipts[0].RowsScanned)
	}
	slices.Sort(rest)
	s.Rest = Percentile(rest, 0.5)
	if len(read) > 0 {
		slices.Sort(read)
		s.Read = Percentile(read, 0.5)
	}
	return nil
}

// timeSync returns the median time to append 4 KiB to a file and sync it.
func timeSync(path string, times int) (time.Duration, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	page := make([]byte, 4096)
	var failed error
	took := medianOf(times, func(int) {
		_, err := f.Write(page)
		failed = cmp.Or(failed, err, f.Sync())
	})
	return took, errors.Join(failed, f.Close())
}

// medianOf calls do with 0 to n-1 and returns the median time it takes.
func medianOf(n int, do func(i int)) time.Duration {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		do(i)
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return Percentile(took, 0.5)
}

// planID returns an id of that many bytes, or of a few more if it takes them to be unique. Ids
// are not in the order of rows.
func planID(row, bytes int) string {
	id := strconv.FormatUint(uint64(uint32(row)*0x9e3779b1), 36) // times an odd number: unique
	for len(id) < bytes {
		id += "-"
	}
	return id
}

// planMetadata returns a JSON object of about that many bytes, nil for 0.
func planMetadata(bytes int) []byte {
	const frame = `{"m":""}`
	if bytes == 0 {
		return nil
	}
	object := []byte(frame[:len(frame)-2])
	for len(object) < bytes-2 {
		object = append(object, 'x')
	}
	return append(object, frame[len(frame)-2:]...)
}
