package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/measure"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// planFlags describe the collection that is planned.
type planFlags struct {
	shape shapeFlags
	rows  uint64
	// 0 for ids: row numbers.
	metadataBytes, idBytes int
	query                  index.Query
	data                   string
	time                   time.Duration
}

// maxPlanTime bounds the memory and the disk that measuring takes.
const maxPlanTime = time.Minute

func planCommand(format *show.Format) *cobra.Command {
	var flags planFlags
	cmd := &cobra.Command{
		Use:   "plan --rows N --dims D",
		Short: "Predict memory, disk and speed of a collection before it is made",
		Long: `Plan predicts how much memory and disk a collection needs, how long it takes to store the
vectors, and how fast searches are. It needs neither vectors nor a server.

Sizes are computed from the shape of the collection. Times are measured on this machine,
in a few seconds. The scan is timed on random codes, as hamnest bench scan does. The rest
is timed in a rehearsal: plan makes up vectors as hamnest bench data does, stores them in
a small collection, searches it and removes it. It does so in --data, to measure that
disk, or where temporary files go. Each number says where it comes from.

The search is the default one, for k results. It finds the stored vectors in the page
cache, which must have room for them. A search that reads them from disk waits for up to
one read for each vector. How many vectors it reads depends on the data; those of the
rehearsal are about as hard as those of embedding models. Other work on the machine slows
all of this down, and the measurements too.

You set the recall with --target-recall; plan does not predict it. Unless you say
otherwise, the collection has the shape that hamnest collection create gives it.`,
		Example: `  hamnest plan --rows 1000000 --dims 1024
  hamnest plan --rows 10000000 --dims 768 --bits 512 --store float16 --id-bytes 36 --metadata-bytes 400 --data ./vectors
  hamnest plan --rows 1000000 --dims 1024 --store none --format json`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.shape.parse(); err != nil {
				return err
			}
			p, err := flags.plan(cmd)
			if err != nil {
				return err
			}
			return printPlan(newOutput(cmd, format), p)
		},
	}
	f := cmd.Flags()
	f.Var(countFlag[uint64]{&flags.rows}, "rows", "vectors to come, such as 1000000, 1e6, 1M or 250k (required)")
	f.IntVar(&flags.shape.spec.Dims, "dims", 0, "dimensions of a vector (required)")
	flags.shape.register(cmd, "")
	f.IntVarP(&flags.query.K, "k", "k", 10, "results of a search")
	f.Float64Var(&flags.query.TargetRecall, "target-recall", 0, fmt.Sprintf("mean share of the right hits to find (default %v)", index.DefaultTargetRecall))
	f.IntVar(&flags.query.Candidates, "candidates", 0, "rows that the scan keeps at first, k or more (default 40 k, but from 100 to 10000)")
	f.IntVar(&flags.metadataBytes, "metadata-bytes", 0, "mean bytes of metadata of a vector")
	f.IntVar(&flags.idBytes, "id-bytes", 0, "mean bytes of an id (default: those of row numbers)")
	f.StringVar(&flags.data, "data", "", "`directory` on the disk to measure, which need not exist (default $"+envData+", or where temporary files go)")
	f.DurationVar(&flags.time, "time", measure.PlanTime, "roughly how long to measure; more time gives steadier numbers, but takes more memory and disk")
	addThreads(cmd)
	for _, name := range []string{"rows", "dims"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic("hamnest: " + err.Error())
		}
	}
	return cmd
}

// plan computes and measures.
func (f *planFlags) plan(cmd *cobra.Command) (*measure.Plan, error) {
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
	bar := show.NewProgress(cmd.ErrOrStderr(), "rehearsing", 2, false)
	defer bar.Done()
	planned := measure.Planned{
		Spec: f.shape.spec, Rows: rows, Query: f.query, Time: f.time,
		Dir:    cmp.Or(f.data, os.Getenv(envData), os.TempDir()),
		Logger: warnings(cmd.ErrOrStderr()),
	}
	return planned.Plan(cmd.Context(), func(stage string) {
		bar.Describe(stage)
		bar.Add(1)
	})
}

func printPlan(out show.Output, p *measure.Plan) error {
	if out.JSON {
		return out.Object(p)
	}
	err := out.Printf("%d vectors of %d dimensions (ladder %s), metric %v, profile %s, stored as %s\n\n", p.Rows, p.Dims, show.Ints(p.Ladder), p.Metric, plannedProfile(p), p.Store)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, name := range p.Order {
		e := p.Estimates[name]
		rows = append(rows, []string{name, estimated(e), e.From})
	}
	if err := out.Table([]string{"ESTIMATE", "VALUE", "DERIVED FROM"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, s := range p.Searches {
		ms := func(x float64) string { return fmt.Sprintf("%.3f", x) }
		count := func(n uint64) string { return strconv.FormatUint(n, 10) }
		rows = append(rows, []string{
			strconv.Itoa(s.Dims), show.Mean(s.CodeBytes), count(s.Candidates), count(s.Refined), count(s.Passes), count(s.VectorsRead), fmt.Sprintf("%.3f", s.Exact), strconv.Itoa(s.ScanThreads),
			ms(s.EncodeMS), ms(s.ScanMS), ms(s.RestMS), ms(s.LatencyMS), ms(s.ScanSharedMS), fmt.Sprintf("%.0f", s.QPS),
		})
	}
	if err := out.Printf("\n"); err != nil {
		return err
	}
	header := []string{"dims", "code_bytes", "candidates", "refined", "passes", "vectors_read", "exact", "scan_threads", "encode_ms", "scan_ms", "rest_ms", "latency_ms", "scan_shared_ms", "qps"}
	if err := out.Numbers(header, rows); err != nil {
		return err
	}
	return out.Printf(`
latency_ms is one search alone: encode_ms and rest_ms from the rehearsal, scan_ms from timing its codes,
scaled to the number of rows. exact is the share of rehearsed searches that ended up comparing all vectors;
the times are those of the others. qps is with %d searches at a time: scan_shared_ms is the part of a pass
that each one pays for on all %d cores. The stored vectors are in the page cache.
`, measure.PlanTogether, runtime.GOMAXPROCS(0))
}

// estimated shows an estimate with its unit.
func estimated(e measure.Estimate) string {
	switch e.Unit {
	case "bytes":
		return show.Bytes(uint64(e.Value))
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

// plannedProfile names the profile, and the one that will be in force.
func plannedProfile(p *measure.Plan) string {
	if p.Profile == p.ProfilePlanned {
		return p.Profile
	}
	return fmt.Sprintf("%s (%s at this size)", p.Profile, p.ProfilePlanned)
}
