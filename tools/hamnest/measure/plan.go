package measure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/index"
	scanbench "github.com/hamnest/hamnest/index/measure"
	"github.com/hamnest/hamnest/tools/hamnest/machine"
)

// Planned is the collection to plan.
type Planned struct {
	Spec index.Spec
	Rows index.Rows
	// Query has the settings of the search. What it searches for is not set.
	Query index.Query
	// Dir is a directory on the disk to measure. It need not exist.
	Dir string
	// Time is roughly how long to measure, above 0.
	Time time.Duration
	// Logger is told about problems outside any call.
	Logger *slog.Logger
}

// PlanTime is how long measuring takes by default, on an idle machine.
const PlanTime = 5 * time.Second

// effort is Time as a multiple of PlanTime.
func (f *Planned) effort() float64 { return f.Time.Seconds() / PlanTime.Seconds() }

// Plan computes and measures. step is called before each of the two stages.
func (f *Planned) Plan(ctx context.Context, step func(stage string)) (*Plan, error) {
	footprint, err := index.PlanFootprint(f.Spec, f.Rows)
	if err != nil {
		return nil, err
	}
	step("rehearsing")
	r, err := f.rehearse(ctx, footprint.Profile)
	if err != nil {
		return nil, err
	}
	step("scanning")
	p := &Plan{
		Rows: f.Rows.Count, Dims: f.Spec.Dims, Metric: f.Spec.Metric, Profile: f.Spec.Profile.String(), ProfilePlanned: footprint.Profile.String(), Store: f.Spec.Store.String(),
		K: f.Query.K, Kernel: isa.Active().String(), Ladder: r.Ladder, Bits: footprint.Bits, Estimates: make(map[string]Estimate),
	}
	p.addMemory(footprint)
	p.addDisk(footprint, f.Rows)
	p.addIngest(r)
	if err := p.addSearch(ctx, footprint, r, f.effort()); err != nil {
		return nil, err
	}
	return p, nil
}

// Plan is what was predicted, as --format json prints it.
type Plan struct {
	Rows           uint64         `json:"rows"`
	Dims           int            `json:"dims"`
	Ladder         []int          `json:"ladder"`
	Bits           int            `json:"bits"` // of a code at most
	Metric         encoder.Metric `json:"metric"`
	Profile        string         `json:"profile"`
	ProfilePlanned string         `json:"profile_planned"`
	Store          string         `json:"store"`
	K              int            `json:"k"`
	Kernel         string         `json:"kernel"`
	// Estimates are by name. Measured ones are of this machine.
	Estimates map[string]Estimate `json:"estimates"`
	Searches  []PlannedSearch     `json:"searches"`

	// Order is that of the estimates, for people.
	Order []string `json:"-"`
}

// Estimate is a number and where it comes from.
type Estimate struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // bytes, seconds, ms, per_s or gb_per_s
	From  string  `json:"from"`
}

// PlannedSearch is the default search, which looks at the first Dims dimensions of codes.
type PlannedSearch struct {
	Dims int `json:"dims"`
	// Medians of the rehearsal. CodeBytes is how many bytes of a row's code a pass reads. Exact
	// is the share of searches that ended up comparing all vectors; the times below exclude
	// them.
	CodeBytes   float64 `json:"code_bytes"`
	Candidates  uint64  `json:"candidates"`
	Refined     uint64  `json:"refined"`
	Passes      uint64  `json:"passes"`
	VectorsRead uint64  `json:"vectors_read"`
	Exact       float64 `json:"exact"`
	// One search alone, on ScanThreads cores: the times to encode its query, for the scan and
	// for the rest, and their sum. Without codes the scan reads the vectors.
	ScanThreads int     `json:"scan_threads"`
	EncodeMS    float64 `json:"encode_ms"`
	ScanMS      float64 `json:"scan_ms"`
	RestMS      float64 `json:"rest_ms"`
	LatencyMS   float64 `json:"latency_ms"`
	// When many searches run at a time on all cores, ScanSharedMS is the part of the passes'
	// time that each one takes, and QPS is the number of searches a second.
	ScanSharedMS float64 `json:"scan_shared_ms"`
	QPS          float64 `json:"qps"`
}

func (p *Plan) add(name string, value float64, unit, from string, args ...any) {
	p.Estimates[name] = Estimate{value, unit, fmt.Sprintf(from, args...)}
	p.Order = append(p.Order, name)
}

// bytes adds a size.
func (p *Plan) bytes(name string, n uint64, from string, args ...any) {
	p.add(name, float64(n), "bytes", from, args...)
}

const (
	// processBytes is what hamnest serve needs besides the codes while 64 searches run, and
	// ingestBytes what it needs in addition while vectors stream in. Both are measured, see
	// docs/planning.md, and do not grow with the rows.
	processBytes = 30 << 20
	ingestBytes  = 200 << 20
)

func (p *Plan) addMemory(f index.Footprint) {
	p.bytes("memory_codes", f.Codes, "%d rows of %d bytes of code and of the numbers beside it: profile %s, metric %v", p.Rows, f.RowBytes, p.ProfilePlanned, p.Metric)
	p.bytes("memory_rounding", f.Rounding, "pages of the last 65,536 rows that are begun and not filled")
	p.bytes("memory_process", processBytes, "hamnest serve with 64 searches under way, measured once: docs/planning.md")
	p.bytes("memory_resident", f.Codes+f.Rounding+processBytes, "the sum; stored vectors are in the page cache, which the system takes back when it must")
	p.bytes("memory_retired_max", f.Retired, "8 KiB for every 65,536 rows of which one was replaced or deleted; not in the sum")
	p.bytes("memory_ingest_max", ingestBytes, "more while vectors stream in, given back after; not in the sum")
}

func (p *Plan) addDisk(f index.Footprint, rows index.Rows) {
	d := f.Disk
	p.bytes("disk_codes", d.Codes, "blocks of rows of %d bytes and what fills their last word, in pages of 4 KiB", f.RowBytes)
	p.bytes("disk_vectors", d.Vectors, "blocks of rows of %d bytes of %s and 8 of checksum, in pages", f.VectorBytes, p.Store)
	p.bytes("disk_tail", d.Tail, "rows that fill no block yet")
	p.bytes("disk_rows", d.Rows, "%d bytes of id and %d of metadata a row, and 30 that find them", rows.IDBytes, rows.MetadataBytes)
	p.bytes("disk_ids", d.IDs, "16 bytes that lead from an id to its row, and the unused part of pages")
	p.bytes("disk_file", d.File, "a file without rows")
	p.bytes("disk_spare", d.Spare, "what commits wrote anew and later ones will use: nothing to twice as much")
	p.bytes("disk_total", d.Total(), "the sum")
}

func (p *Plan) addIngest(r rehearsal) {
	perSecond := float64(r.Rows-r.First) / r.Ingest.Seconds()
	rehearsed := fmt.Sprintf("%d made-up vectors stored in %s in %.2f s, after %d", r.Rows-r.First, r.Dir, r.Ingest.Seconds(), r.First)
	p.add("ingest_first", r.Learn.Seconds(), "seconds", "the first %d, and what is learned from them", r.First)
	p.add("ingest_seconds", r.Learn.Seconds()+float64(p.Rows-min(p.Rows, uint64(r.First)))/perSecond, "seconds", "those, and the others of %d rows at the rate that follows", p.Rows)
	p.add("ingest_vectors", perSecond, "per_s", "%s", rehearsed)
	p.add("ingest_float32", perSecond*float64(4*p.Dims)/1e9, "gb_per_s", "the same, as float32")
	p.add("ingest_commit", Milliseconds(r.Commit), "ms", "one vector, until it is durable, in the same place: median of %d", r.Times)
	p.add("machine_sync", Milliseconds(r.Sync), "ms", "writing and syncing 4 KiB there: median of %d", r.Times)
	p.add("machine_encode", 1/r.Encode.Seconds(), "per_s", "vectors encoded by profile %s on one core: median of %d", p.ProfilePlanned, r.Times)
}

const (
	// planScanBytes is how many bytes of codes are scanned at most: far more than caches hold,
	// and made in a second. It and planScanTime grow with --time.
	planScanBytes = 256 << 20
	// PlanTogether is how many searches share a pass, the most that can.
	PlanTogether = 64
	// planScanTime is the shortest time to measure each thing.
	planScanTime = 150 * time.Millisecond
)

// addSearch times the scan.
func (p *Plan) addSearch(ctx context.Context, f index.Footprint, r rehearsal, effort float64) (err error) {
	memory, err := machine.NewMemory(minReadBytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	var turns turns
	bandwidth := turns.add(float64(memory.Bytes()), func() { memory.Read(f.Threads) })
	counted, _ := machine.Count(isa.Active(), 1)
	popcount := turns.add(float64(counted), func() { machine.Count(isa.Active(), 1) })
	s := PlannedSearch{
		Dims: r.Search.Dims, CodeBytes: r.Search.RowBytes, Candidates: r.Search.Candidates, Refined: r.Search.Refined,
		Passes: r.Search.Passes, VectorsRead: r.Search.VectorsRead, Exact: r.Search.Exact, ScanThreads: f.Threads,
		EncodeMS: Milliseconds(r.Search.Encode), RestMS: Milliseconds(r.Search.Rest),
	}
	least := time.Duration(float64(planScanTime) * effort)
	if r.Search.RowBytes == 0 {
		err = turns.take(ctx, least)
		scale := float64(p.Rows) / float64(r.Rows)
		s.ScanMS, s.VectorsRead = Milliseconds(r.Search.Read)*scale, p.Rows
		s.ScanSharedMS = s.ScanMS
	} else {
		err = p.timeScan(ctx, &s, turns, bandwidth, f, least, effort)
	}
	if err != nil {
		return err
	}
	cores := float64(runtime.GOMAXPROCS(0))
	s.LatencyMS = s.EncodeMS + s.ScanMS + s.RestMS
	s.QPS = 1e3 / (s.ScanSharedMS + (s.EncodeMS+s.RestMS)/cores)
	p.add("machine_read", bandwidth.gbPerS(), "gb_per_s", "memory read by %d cores, those that one search uses", f.Threads)
	p.add("machine_popcount", popcount.gbPerS(), "gb_per_s", "codes in the L1 cache compared by one core, bits counted as %s can", p.Kernel)
	p.Searches = []PlannedSearch{s}
	return nil
}

// timeScan times passes over random codes, for one search and for many, in turns with the other
// measurements, and sets the times of s.
func (p *Plan) timeScan(ctx context.Context, s *PlannedSearch, turns turns, bandwidth *measurement, f index.Footprint, least time.Duration, effort float64) (err error) {
	// Random codes have one bit a dimension. They are as long as what a pass reads of a row.
	bits := min(max(int(8*s.CodeBytes), 1), encoder.MaxDims)
	rows := min(p.Rows, max(uint64(8*planScanBytes*effort)/uint64(bits), 1))
	codes, err := scanbench.NewScanBench(uint32(rows), bits, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, codes.Close()) }()
	cores, candidates := runtime.GOMAXPROCS(0), max(p.K, int(s.Candidates))
	alone, shared := min(f.Threads, codes.MaxThreads()), min(cores, codes.MaxThreads())
	one := turns.add(0, func() { codes.Run(ctx, 1, alone, candidates) })
	together := turns.add(0, func() { codes.Run(ctx, PlanTogether, shared, candidates) })
	if err := turns.take(ctx, least); err != nil {
		return err
	}
	p.add("machine_scan", float64(rows), "rows", "random codes of %d bits that the scan below was timed on", bits)
	scale := float64(s.Passes) * float64(p.Rows) / float64(rows) * 8 * s.CodeBytes / float64(bits)
	s.ScanMS = Milliseconds(one.median()) * scale
	s.ScanSharedMS = Milliseconds(together.median()) * scale / PlanTogether * float64(shared) / float64(cores)
	if alone < f.Threads { // few rows of wide codes were timed: scale up, but not past the speed of memory
		fastest := float64(s.Passes) * float64(p.Rows) * s.CodeBytes / (bandwidth.gbPerS() * 1e6)
		s.ScanMS = max(fastest, s.ScanMS*float64(alone)/float64(f.Threads))
	}
	return nil
}
