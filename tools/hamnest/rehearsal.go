package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/machine"
)

// rehearsal is a small collection of the planned kind, of random vectors, stored and
// searched in this process. What it measures is what a plan cannot compute.
type rehearsal struct {
	Ladder []int
	// Rows were stored in Dir's file system, in Ingest.
	Rows   int
	Dir    string
	Times  int // that small things were done
	Ingest time.Duration
	// Encode is what one core needs to make the code of a vector, Sync what the disk needs
	// for 4 KiB, and Commit a writer who waits for each vector until it is durable.
	Encode, Sync, Commit time.Duration
	Steps                []rehearsedStep
}

// rehearsedStep is the searches over the first Dims dimensions, without the scan:
// medians. Nothing in random vectors is near the query, so that these searches read
// all the vectors that they may. When the planned collection is larger than this one,
// each finds the processor's caches without any of it, as it would there.
type rehearsedStep struct {
	Dims, ScanBits int
	// Candidates are of each search, VectorsRead the most that one read.
	Candidates  int
	VectorsRead uint64
	// Encode makes the query's forms; Rest is all that follows the scan.
	Encode, Rest time.Duration
}

const (
	// rehearsalBytes of float32 are several commits, and stored within a second or two.
	// They, and how often a small thing is done, grow with --time.
	rehearsalBytes = 128 << 20
	rehearsalTimes = 40
	// minRehearsalTimes is what a median needs.
	minRehearsalTimes = 5
	// A profile that is fitted wants 1,024 rows; more than a segment tells nothing new.
	minRehearsalRows = 1280
	maxRehearsalRows = 65_536
)

// rehearse measures a collection of spec in a folder of its own, which it removes,
// in dir or the nearest folder above it that exists.
func (f *planFlags) rehearse(ctx context.Context, dir string, spec index.Spec, idBytes int, messages io.Writer) (r rehearsal, err error) {
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
	store, err := openLocal(filepath.Join(own, "data"), true, messages)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	spec.Name = "rehearsal"
	c, err := store.db.Create(ctx, spec)
	if err != nil {
		return r, err
	}
	r.Rows = min(max(int(rehearsalBytes*f.effort())/(4*spec.Dims), minRehearsalRows), maxRehearsalRows)
	random := rand.New(rand.NewPCG(1, 0))
	records := make([]index.Record, r.Rows+2*r.Times)
	metadata := planMetadata(f.metadataBytes)
	for i := range records {
		records[i] = index.Record{ID: planID(i, idBytes), Vector: randomVector(random, spec.Dims), Metadata: metadata}
	}
	records, queries, single := records[:r.Rows], records[r.Rows:r.Rows+r.Times], records[r.Rows+r.Times:]
	if err := r.store(ctx, store, spec.Name, records); err != nil {
		return r, err
	}
	if err := c.Settle(ctx); err != nil {
		return r, err
	}
	profile, err := encoder.FitProfile(spec.Profile, spec.Metric, spec.Dims, spec.Ladder, [][]float32{records[0].Vector})
	if err != nil {
		return r, err
	}
	words, scalars := make([]uint64, code.Words(spec.Dims)), make([]float32, profile.Scalars())
	r.Encode = medianOf(r.Times, func(i int) { profile.Encode(words, scalars, records[i].Vector) })
	r.Ladder = profile.Ladder()
	if err := r.searches(ctx, c, profile, f.query, queries, f.rows > uint64(r.Rows)); err != nil {
		return r, err
	}
	var failed error
	r.Commit = medianOf(len(single), func(i int) { failed = errors.Join(failed, c.Upsert(ctx, single[i:i+1])) })
	return r, failed
}

// store ingests records as hamnest ingest does.
func (r *rehearsal) store(ctx context.Context, store *local, name string, records []index.Record) error {
	start := time.Now()
	in, err := store.Ingest(ctx, name)
	if err != nil {
		return err
	}
	for _, rec := range records {
		if err = in.Add(ctx, rec); err != nil {
			break
		}
	}
	durable, closeErr := in.Close(ctx)
	if err := errors.Join(err, closeErr); err != nil {
		return err
	}
	if durable != uint64(len(records)) {
		return fmt.Errorf("%d of %d random vectors were stored", durable, len(records))
	}
	r.Ingest = time.Since(start)
	return nil
}

// searches rehearses the searches over each prefix that can be searched.
func (r *rehearsal) searches(ctx context.Context, c *index.Collection, profile *encoder.Profile, q index.Query, queries []index.Record, larger bool) (err error) {
	clearCaches := func() {}
	if larger {
		memory, err := machine.NewMemory(minReadBytes)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, memory.Close()) }()
		clearCaches = func() { memory.Read(runtime.GOMAXPROCS(0)) }
	}
	// search returns the median of the time after the scan, and a receipt, in which
	// VectorsRead is the most of any.
	search := func(q index.Query) (time.Duration, index.Receipt, error) {
		var rest []time.Duration
		var receipt index.Receipt
		most := uint64(0)
		for _, record := range queries {
			clearCaches()
			q.Vector = record.Vector
			result, err := c.Search(ctx, q)
			if err != nil {
				return 0, receipt, err
			}
			receipt = result.Receipt
			most = max(most, receipt.VectorsRead)
			rest = append(rest, receipt.Total-receipt.Scan)
		}
		receipt.VectorsRead = most
		slices.Sort(rest)
		return percentile(rest, 0.5), receipt, nil
	}
	for _, dims := range profile.Ladder() {
		if profile.CheckPrefix(dims) != nil {
			continue
		}
		q.Dims = dims
		rest, receipt, err := search(q)
		if err != nil {
			return err
		}
		step := rehearsedStep{Dims: dims, ScanBits: receipt.ScanBits, Candidates: receipt.Candidates, VectorsRead: receipt.VectorsRead, Rest: rest}
		if few, some := max(q.K, step.Candidates/16), step.Candidates/4; larger && few < some {
			if step.Rest, err = extrapolate(search, q, few, some, step.Candidates); err != nil {
				return err
			}
		}
		step.Encode = medianOf(len(queries), func(i int) { profile.Query(queries[i].Vector) })
		r.Steps = append(r.Steps, step)
	}
	return nil
}

// extrapolate returns what q takes after the scan with all candidates, from what it
// takes with few and with some. Of all, many would share a block of vectors in the
// rehearsal, and be cheaper than those of a large collection, which lie far apart.
func extrapolate(search func(index.Query) (time.Duration, index.Receipt, error), q index.Query, few, some, all int) (time.Duration, error) {
	q.Candidates = few
	atFew, _, err := search(q)
	if err != nil {
		return 0, err
	}
	q.Candidates = some
	atSome, _, err := search(q)
	if err != nil {
		return 0, err
	}
	return atSome + max(0, atSome-atFew)*time.Duration(all-some)/time.Duration(some-few), nil
}

// timeSync is the median time to write 4 KiB to a new file and sync it.
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
	return percentile(took, 0.5)
}

func randomVector(r *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = r.Float32() - 0.5
	}
	return v
}

// planID is an id of that many bytes, or of as few more as it takes to be another for
// every row; rows do not come in the order of their ids.
func planID(row, bytes int) string {
	id := strconv.FormatUint(uint64(uint32(row)*0x9e3779b1), 36) // odd: no two are the same
	for len(id) < bytes {
		id += "-"
	}
	return id
}

// planMetadata is a JSON object of about that many bytes; none for 0.
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
