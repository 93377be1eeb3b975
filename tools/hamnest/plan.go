package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/machine"
)

// planFlags describe the collection that is planned.
type planFlags struct {
	spec    index.Spec
	profile string
	rows    uint64
	// 0 for ids: row numbers.
	metadataBytes, idBytes int
	query                  index.Query
	data                   string
	time                   time.Duration
}

// planTime is how long measuring takes when a machine is not busy.
const planTime = 5 * time.Second

// maxPlanTime bounds the memory and the disk that measuring takes.
const maxPlanTime = time.Minute

// effort is how much longer than that measuring may take.
func (f *planFlags) effort() float64 { return f.time.Seconds() / planTime.Seconds() }

func planCommand(format *outputFormat) *cobra.Command {
	var flags planFlags
	cmd := &cobra.Command{
		Use:   "plan --rows N --dims D",
		Short: "Predict memory, disk and speed of a collection before it is made",
		Long: `Plan predicts what a collection will take of memory and disk, how long it will take to
store the vectors, and how fast searches will be. It needs neither vectors nor a server.

Sizes are computed from the shape of the collection. Times come from this machine, in
some seconds: the scan is timed on random codes, as by hamnest bench scan; everything
else in a rehearsal, a small collection of vectors as hamnest bench data makes them, that
is stored, searched and removed again. The rehearsal is made in --data, so that its disk
is what is measured, or where temporary files go. Each number says what it was derived
from.

The search is the default one, for k results. It finds the stored vectors in the page
cache, which must have room for them: a search that has to read them from the disk waits
for up to as many reads as it reads vectors. How many that are depends on the vectors:
those that are made up for the rehearsal are about as hard as those of embedding models.
Other work on the machine makes all of it slower, also while it is measured.

The recall that a search is to have is set, by --target-recall, and not planned.`,
		Example: `  hamnest plan --rows 1000000 --dims 1024
  hamnest plan --rows 10000000 --dims 768 --bits 512 --store float16 --id-bytes 36 --metadata-bytes 400 --data ./vectors
  hamnest plan --rows 1000000 --dims 1024 --store none --format json`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if flags.spec.Profile, err = encoder.ParseKind(flags.profile); err != nil {
				return err
			}
			p, err := flags.plan(cmd)
			if err != nil {
				return err
			}
			return p.print(newOutput(cmd, format))
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&flags.rows, "rows", 0, "vectors to come (required)")
	f.IntVar(&flags.spec.Dims, "dims", 0, "dimensions a vector (required)")
	f.IntSliceVar(&flags.spec.Ladder, "ladder", nil, "prefix sizes in dimensions, ascending (default 64, 128, 256, 512, ... below dims, then dims)")
	f.IntVar(&flags.spec.Bits, "bits", 0, "budget of a learned code: the most bits a vector (default dims and 256 more)")
	f.TextVar(&flags.spec.Metric, "metric", encoder.Cosine, "`metric` that says what scores mean: cosine, dot or l2")
	f.StringVar(&flags.profile, "profile", encoder.Learned.String(), "`profile` that says how vectors become bits: learned or signs")
	f.TextVar(&flags.spec.Store, "store", encoder.Float32, "`precision` of the stored vectors: float32, float16, bfloat16, int8 or none")
	f.IntVarP(&flags.query.K, "k", "k", 10, "results a search")
	f.Float64Var(&flags.query.TargetRecall, "target-recall", 0, fmt.Sprintf("share of the right hits to find in the mean (default %v)", index.DefaultTargetRecall))
	f.IntVar(&flags.query.Candidates, "candidates", 0, "rows that the scan keeps at first, at least k (default 40 for each of k, 100 to 10000)")
	f.IntVar(&flags.metadataBytes, "metadata-bytes", 0, "bytes of metadata a vector, in the mean")
	f.IntVar(&flags.idBytes, "id-bytes", 0, "bytes of an id, in the mean (default: those of row numbers)")
	f.StringVar(&flags.data, "data", "", "`directory` on the disk that is meant, which need not be there (default $"+envData+", or that of temporary files)")
	f.DurationVar(&flags.time, "time", planTime, "about how long to measure; longer is steadier, and takes more memory and disk meanwhile")
	for _, name := range []string{"rows", "dims"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic("hamnest: " + err.Error())
		}
	}
	return cmd
}

// planned is a plan, as --format json prints it.
type planned struct {
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
	// Estimates are by name; those that are measurements are of this machine.
	Estimates map[string]estimate `json:"estimates"`
	Searches  []plannedSearch     `json:"searches"`

	order []string // of the estimates, for people
}

// estimate is a number and where it comes from.
type estimate struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // bytes, seconds, ms, per_s or gb_per_s
	From  string  `json:"from"`
}

// plannedSearch is the default search, which looks at the first Dims dimensions of codes.
type plannedSearch struct {
	Dims int `json:"dims"`
	// Medians of the rehearsal. CodeBytes is what a pass reads of a row's code, and Exact the
	// share of the searches that compare all vectors after all, which the times below leave
	// out.
	CodeBytes   float64 `json:"code_bytes"`
	Candidates  uint64  `json:"candidates"`
	Refined     uint64  `json:"refined"`
	Passes      uint64  `json:"passes"`
	VectorsRead uint64  `json:"vectors_read"`
	Exact       float64 `json:"exact"`
	// A search alone, on ScanThreads cores: the time to encode its query, for the scan and
	// for the rest, and their sum. Without codes, the scan is that of the vectors.
	ScanThreads int     `json:"scan_threads"`
	EncodeMS    float64 `json:"encode_ms"`
	ScanMS      float64 `json:"scan_ms"`
	RestMS      float64 `json:"rest_ms"`
	LatencyMS   float64 `json:"latency_ms"`
	// Of many searches that are under way at a time on all cores, each has this share of
	// the passes' time; QPS is how many searches a second there are then.
	ScanSharedMS float64 `json:"scan_shared_ms"`
	QPS          float64 `json:"qps"`
}

func (p *planned) add(name string, value float64, unit, from string, args ...any) {
	p.Estimates[name] = estimate{value, unit, fmt.Sprintf(from, args...)}
	p.order = append(p.order, name)
}

// bytes adds a size.
func (p *planned) bytes(name string, n uint64, from string, args ...any) {
	p.add(name, float64(n), "bytes", from, args...)
}

// plan computes and measures.
func (f *planFlags) plan(cmd *cobra.Command) (*planned, error) {
	if f.rows < 1 {
		return nil, errors.New("--rows is 0, want at least 1")
	}
	if f.time <= 0 || f.time > maxPlanTime {
		return nil, fmt.Errorf("--time is %v, want more than 0s and at most %v", f.time, maxPlanTime)
	}
	rows := index.Rows{Count: f.rows, IDBytes: f.idBytes, MetadataBytes: f.metadataBytes}
	if !cmd.Flags().Changed("id-bytes") {
		rows.IDBytes = len(strconv.FormatUint(f.rows-1, 10))
	}
	footprint, err := index.PlanFootprint(f.spec, rows)
	if err != nil {
		return nil, err
	}
	b := newProgress(cmd, "rehearsing", 2, false)
	defer b.done()
	data := cmp.Or(f.data, os.Getenv(envData), os.TempDir())
	r, err := f.rehearse(cmd.Context(), data, footprint.Profile, rows.IDBytes, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	b.add(1)
	b.describe("scanning")
	p := &planned{
		Rows: f.rows, Dims: f.spec.Dims, Metric: f.spec.Metric, Profile: f.profile, ProfilePlanned: footprint.Profile.String(), Store: f.spec.Store.String(),
		K: f.query.K, Kernel: isa.Active().String(), Ladder: r.Ladder, Bits: footprint.Bits, Estimates: make(map[string]estimate),
	}
	p.addMemory(footprint)
	p.addDisk(footprint, rows)
	p.addIngest(r)
	if err := p.addSearch(cmd.Context(), footprint, r, f.effort()); err != nil {
		return nil, err
	}
	b.add(1)
	return p, nil
}

const (
	// processBytes is what hamnest serve has beside the codes while 64 searches are under
	// way, and ingestBytes what it has more while vectors stream in: measured, see
	// docs/planning.md. Neither grows with the rows.
	processBytes = 30 << 20
	ingestBytes  = 200 << 20
)

func (p *planned) addMemory(f index.Footprint) {
	p.bytes("memory_codes", f.Codes, "%d rows of %d bytes of code and of the numbers beside it: profile %s, metric %v", p.Rows, f.RowBytes, p.ProfilePlanned, p.Metric)
	p.bytes("memory_rounding", f.Rounding, "pages of the last 65,536 rows that are begun and not filled")
	p.bytes("memory_process", processBytes, "hamnest serve with 64 searches under way, measured once: docs/planning.md")
	p.bytes("memory_resident", f.Codes+f.Rounding+processBytes, "the sum; stored vectors are in the page cache, which the system takes back when it must")
	p.bytes("memory_retired_max", f.Retired, "8 KiB for every 65,536 rows of which one was replaced or deleted; not in the sum")
	p.bytes("memory_ingest_max", ingestBytes, "more while vectors stream in, given back after; not in the sum")
}

func (p *planned) addDisk(f index.Footprint, rows index.Rows) {
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

func (p *planned) addIngest(r rehearsal) {
	perSecond := float64(r.Rows-r.First) / r.Ingest.Seconds()
	rehearsed := fmt.Sprintf("%d made-up vectors stored in %s in %.2f s, after %d", r.Rows-r.First, r.Dir, r.Ingest.Seconds(), r.First)
	p.add("ingest_first", r.Learn.Seconds(), "seconds", "the first %d, and what is learned from them", r.First)
	p.add("ingest_seconds", r.Learn.Seconds()+float64(p.Rows-min(p.Rows, uint64(r.First)))/perSecond, "seconds", "those, and the others of %d rows at the rate that follows", p.Rows)
	p.add("ingest_vectors", perSecond, "per_s", "%s", rehearsed)
	p.add("ingest_float32", perSecond*float64(4*p.Dims)/1e9, "gb_per_s", "the same, as float32")
	p.add("ingest_commit", milliseconds(r.Commit), "ms", "one vector, until it is durable, in the same place: median of %d", r.Times)
	p.add("machine_sync", milliseconds(r.Sync), "ms", "writing and syncing 4 KiB there: median of %d", r.Times)
	p.add("machine_encode", 1/r.Encode.Seconds(), "per_s", "vectors encoded by profile %s on one core: median of %d", p.ProfilePlanned, r.Times)
}

const (
	// planScanBytes of codes are scanned when the collection has more: far more than
	// caches hold, and made in a second. They and planScanTime grow with --time.
	planScanBytes = 256 << 20
	// planTogether searches share a pass, as many as may.
	planTogether = 64
	// planScanTime is how long each thing is measured at least.
	planScanTime = 150 * time.Millisecond
)

// addSearch times the scan.
func (p *planned) addSearch(ctx context.Context, f index.Footprint, r rehearsal, effort float64) (err error) {
	memory, err := machine.NewMemory(minReadBytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	var turns turns
	bandwidth := turns.add(float64(memory.Bytes()), func() { memory.Read(f.Lanes) })
	counted, _ := machine.Count(isa.Active(), 1)
	popcount := turns.add(float64(counted), func() { machine.Count(isa.Active(), 1) })
	s := plannedSearch{
		Dims: r.Search.Dims, CodeBytes: r.Search.RowBytes, Candidates: r.Search.Candidates, Refined: r.Search.Refined,
		Passes: r.Search.Passes, VectorsRead: r.Search.VectorsRead, Exact: r.Search.Exact, ScanThreads: f.Lanes,
		EncodeMS: milliseconds(r.Search.Encode), RestMS: milliseconds(r.Search.Rest),
	}
	least := time.Duration(float64(planScanTime) * effort)
	if r.Search.RowBytes == 0 {
		err = turns.take(ctx, least)
		scale := float64(p.Rows) / float64(r.Rows)
		s.ScanMS, s.VectorsRead = milliseconds(r.Search.Read)*scale, p.Rows
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
	p.add("machine_read", bandwidth.gbPerS(), "gb_per_s", "memory read by %d cores, those that one search uses", f.Lanes)
	p.add("machine_popcount", popcount.gbPerS(), "gb_per_s", "codes in the L1 cache compared by one core, bits counted as %s can", p.Kernel)
	p.Searches = []plannedSearch{s}
	return nil
}

// timeScan times passes over random codes for one search and for many, in turns with what
// is in turns, and sets what they take in s.
func (p *planned) timeScan(ctx context.Context, s *plannedSearch, turns turns, bandwidth *measurement, f index.Footprint, least time.Duration, effort float64) (err error) {
	// Random codes have a bit a dimension, as many in all as a pass reads of a row.
	bits := min(max(int(8*s.CodeBytes), 1), encoder.MaxDims)
	rows := min(p.Rows, max(uint64(8*planScanBytes*effort)/uint64(bits), 1))
	codes, err := index.NewScanBench(uint32(rows), bits, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, codes.Close()) }()
	cores, candidates := runtime.GOMAXPROCS(0), max(p.K, int(s.Candidates))
	alone, shared := min(f.Lanes, codes.MaxThreads()), min(cores, codes.MaxThreads())
	one := turns.add(0, func() { codes.Run(ctx, 1, alone, candidates) })
	together := turns.add(0, func() { codes.Run(ctx, planTogether, shared, candidates) })
	if err := turns.take(ctx, least); err != nil {
		return err
	}
	p.add("machine_scan", float64(rows), "rows", "random codes of %d bits that the scan below was timed on", bits)
	scale := float64(s.Passes) * float64(p.Rows) / float64(rows) * 8 * s.CodeBytes / float64(bits)
	s.ScanMS = milliseconds(one.median()) * scale
	s.ScanSharedMS = milliseconds(together.median()) * scale / planTogether * float64(shared) / float64(cores)
	if alone < f.Lanes { // codes so wide that few rows were timed: as fast as memory at most
		fastest := float64(s.Passes) * float64(p.Rows) * s.CodeBytes / (bandwidth.gbPerS() * 1e6)
		s.ScanMS = max(fastest, s.ScanMS*float64(alone)/float64(f.Lanes))
	}
	return nil
}

func (p *planned) print(out output) error {
	if out.json {
		return out.object(p)
	}
	err := out.printf("%d vectors of %d dimensions (ladder %s), metric %v, profile %s, stored as %s\n\n", p.Rows, p.Dims, joinInts(p.Ladder), p.Metric, p.profile(), p.Store)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, name := range p.order {
		e := p.Estimates[name]
		rows = append(rows, []string{name, e.String(), e.From})
	}
	if err := out.table([]string{"ESTIMATE", "VALUE", "DERIVED FROM"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, s := range p.Searches {
		ms := func(x float64) string { return fmt.Sprintf("%.3f", x) }
		count := func(n uint64) string { return strconv.FormatUint(n, 10) }
		rows = append(rows, []string{
			strconv.Itoa(s.Dims), mean(s.CodeBytes), count(s.Candidates), count(s.Refined), count(s.Passes), count(s.VectorsRead), fmt.Sprintf("%.3f", s.Exact), strconv.Itoa(s.ScanThreads),
			ms(s.EncodeMS), ms(s.ScanMS), ms(s.RestMS), ms(s.LatencyMS), ms(s.ScanSharedMS), fmt.Sprintf("%.0f", s.QPS),
		})
	}
	if err := out.printf("\n"); err != nil {
		return err
	}
	header := []string{"dims", "code_bytes", "candidates", "refined", "passes", "vectors_read", "exact", "scan_threads", "encode_ms", "scan_ms", "rest_ms", "latency_ms", "scan_shared_ms", "qps"}
	if err := out.numbers(header, rows); err != nil {
		return err
	}
	return out.printf(`
latency_ms is one search alone: encode_ms and rest_ms as in the rehearsal, scan_ms as its codes were
timed, in proportion to the rows. exact is the share of the rehearsed searches that compared all vectors
after all; the times are of the others. qps is with %d searches under way: scan_shared_ms is each one's share
of a pass on all %d cores, and the rest is shared out among them. Vectors are in the page cache.
`, planTogether, runtime.GOMAXPROCS(0))
}

// profile names the profile, and the one that will be in force.
func (p *planned) profile() string {
	if p.Profile == p.ProfilePlanned {
		return p.Profile
	}
	return fmt.Sprintf("%s (%s for so many)", p.Profile, p.ProfilePlanned)
}

func (e estimate) String() string {
	switch e.Unit {
	case "bytes":
		return byteCount(uint64(e.Value))
	case "seconds":
		return time.Duration(math.Round(e.Value*10) * 1e8).String()
	case "ms":
		return fmt.Sprintf("%.3f ms", e.Value)
	case "per_s":
		return fmt.Sprintf("%.0f/s", e.Value)
	case "gb_per_s":
		return fmt.Sprintf("%.2f GB/s", e.Value)
	default:
		return fmt.Sprintf("%.0f %s", e.Value, e.Unit)
	}
}
