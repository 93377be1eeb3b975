package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/picture"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// calibrateFlags are the flags of calibrate.
type calibrateFlags struct {
	queries                   string
	queriesSkip, queriesLimit int
	plot                      string
	opts                      index.CalibrateOptions
}

func calibrateCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var flags calibrateFlags
	cmd := &cobra.Command{
		Use:   "calibrate NAME",
		Short: "Measure what searches find and cost, for each prefix and target recall",
		Long: `Calibrate runs many queries at every step of the ladder and for several target recalls,
compares the answers with exact ones, and prints a line for each setting:

  dims           dimensions of the queries. With fewer than the collection has, a search
                 is about that prefix
  target_recall  the recall that was asked for
  recall         share found of the right answers for whole vectors
  prefix_recall  share found of the right answers for the prefix. This is what the target
                 promises; an answer that ties with the last right one is right too
  vectors_read   stored vectors read for each query
  microseconds   time of a search that runs alone
  bytes          bytes of codes and vectors read for each query

It shows what you gain with shorter queries and lower targets on these vectors. Nothing
is stored: hamnest search --target-recall needs no calibration.

The queries are the rows of --queries, or else stored vectors. Real queries may be harder
than stored vectors, for instance when they are questions. So use real ones if you can, a
few hundred or more: with 1000 of them, a recall of 0.99 is uncertain by 0.002.

Calibrate reads the stored vectors once for each step of the ladder and compares them
with every query. Searches and writes go on in the meantime.`,
		Example: `  hamnest calibrate packages --queries queries.npy --data ./vectors
  hamnest calibrate packages --sample 500 -k 20 --server localhost:7700
  hamnest calibrate packages --queries queries.npy --plot recall.html --data ./vectors`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.complete(); err != nil {
				return err
			}
			return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
				calibration, err := b.Calibrate(ctx, args[0], flags.opts)
				if err != nil {
					return err
				}
				if flags.plot != "" {
					if err := picture.Calibration(flags.plot, args[0], calibration, settingTable(calibration)); err != nil {
						return err
					}
				}
				return printCalibration(newOutput(cmd, format), calibration)
			})
		},
	}
	store.register(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.queries, "queries", "", "`file` of queries, .npy with one a row (default: stored vectors)")
	f.IntVar(&flags.queriesSkip, "queries-skip", 0, "number of queries to skip at the start of the file, for instance to evaluate on them later")
	f.IntVar(&flags.queriesLimit, "queries-limit", 0, "most queries to use (default all)")
	f.IntVar(&flags.opts.Sample, "sample", 0, fmt.Sprintf("number of stored vectors to use as queries (default %d)", index.DefaultCalibrationQueries))
	f.BoolVar(&flags.opts.Live, "live", false, "use the latest queries that the server has answered; needs hamnest serve --live-queries")
	f.IntVarP(&flags.opts.K, "k", "k", index.DefaultCalibrationK, "number of hits that recall is measured over")
	f.StringVar(&flags.plot, "plot", "", "write a picture of recall against cost to this `file`, .svg or .html")
	addThreads(cmd)
	cmd.MarkFlagsMutuallyExclusive("queries", "sample", "live")
	return cmd
}

// complete checks the flags and reads the queries.
func (f *calibrateFlags) complete() error {
	switch {
	case f.queriesSkip < 0 || f.queriesLimit < 0:
		return fmt.Errorf("--queries-skip is %d and --queries-limit %d, want 0 or more", f.queriesSkip, f.queriesLimit)
	case f.queries == "" && (f.queriesSkip > 0 || f.queriesLimit > 0):
		return errors.New("--queries-skip and --queries-limit choose rows of --queries, want it with them")
	case f.opts.K < 1:
		return fmt.Errorf("-k is %d, want at least 1", f.opts.K)
	}
	if _, err := picture.Format(f.plot); err != nil {
		return err
	}
	if f.queries == "" {
		return nil
	}
	limit := 0
	if f.queriesLimit > 0 {
		limit = f.queriesSkip + f.queriesLimit
	}
	queries, rows, err := files.ReadQueries(files.Disk, f.queries, limit)
	if err != nil {
		return err
	}
	if f.queriesSkip >= rows {
		return fmt.Errorf("%s: --queries-skip %d, and there are %d rows: none is left", f.queries, f.queriesSkip, rows)
	}
	f.opts.Queries = queries[f.queriesSkip:]
	return nil
}

// calibrationJSON is a calibration as --format json prints it.
type calibrationJSON struct {
	Rows               uint64        `json:"rows"`
	Queries            int           `json:"queries"`
	Source             string        `json:"source"`
	K                  int           `json:"k"`
	Profile            string        `json:"profile"`
	ProfileFingerprint string        `json:"profile_fingerprint"`
	Kernel             string        `json:"kernel"`
	Settings           []settingJSON `json:"settings"`
}

// settingJSON is index.Setting.
type settingJSON struct {
	Dims         int     `json:"dims"`
	TargetRecall float64 `json:"target_recall"` // 0: none
	Recall       float64 `json:"recall"`
	PrefixRecall float64 `json:"prefix_recall"`
	VectorsRead  float64 `json:"vectors_read"`
	Microseconds float64 `json:"microseconds"`
	Bytes        float64 `json:"bytes"`
}

func printCalibration(out show.Output, c *index.Calibration) error {
	if out.JSON {
		j := calibrationJSON{c.Rows, c.Queries, string(c.Source), c.K, c.Profile.String(), c.Fingerprint, c.Kernel, nil}
		for _, s := range c.Settings {
			j.Settings = append(j.Settings, settingJSON(s))
		}
		return out.Object(j)
	}
	if err := out.Printf("%d %s queries of %d vectors, recall@%d, profile %v, kernel %s\n", c.Queries, c.Source, c.Rows, c.K, c.Profile, c.Kernel); err != nil {
		return err
	}
	return out.Numbers(settingHeader, settingTable(c))
}

var settingHeader = []string{"dims", "target_recall", "recall", "prefix_recall", "vectors_read", "microseconds", "bytes"}

func settingTable(c *index.Calibration) [][]string {
	var rows [][]string
	for _, s := range c.Settings {
		rows = append(rows, settingCells(s))
	}
	return rows
}

func settingCells(s index.Setting) []string {
	return []string{
		strconv.Itoa(s.Dims), show.OrNone(s.TargetRecall), fmt.Sprintf("%.4f", s.Recall), fmt.Sprintf("%.4f", s.PrefixRecall),
		show.Mean(s.VectorsRead), show.Mean(s.Microseconds), fmt.Sprintf("%.0f", s.Bytes),
	}
}
