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
		Long: `Calibrate searches for many queries, at every step of the ladder and for several target
recalls, compares the answers with exact ones, and prints a line for each:

  dims           dimensions of the queries: with fewer than the collection's, searches
                 are for that prefix
  target_recall  what was asked for
  recall         share of the right answers, those of the whole vectors, that were found
  prefix_recall  share of the right answers of the prefix, which is what the target is
                 about; one that scores as the last of them does is right too
  vectors_read   stored vectors read a query
  microseconds   of one search at a time, all of it
  bytes          of codes and vectors read a query

It shows what shorter queries and lower targets are worth on these vectors. Nothing
depends on it and nothing is stored: --target-recall of hamnest search holds without.

What to search for are the rows of --queries; without it stored vectors. Queries of
another kind, questions say, may take more work: give real ones where there are any, a
few hundred or more. With 1000 of them a recall of 0.99 is uncertain by 0.002.

The stored vectors are read once for each step of the ladder and compared with every
query. Searches and writes go on meanwhile.`,
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
	f.IntVar(&flags.queriesSkip, "queries-skip", 0, "leave out the first so many queries, to evaluate on them later")
	f.IntVar(&flags.queriesLimit, "queries-limit", 0, "take so many queries at most (default all)")
	f.IntVar(&flags.opts.Sample, "sample", 0, fmt.Sprintf("how many stored vectors stand in for queries (default %d)", index.DefaultCalibrationQueries))
	f.BoolVar(&flags.opts.Live, "live", false, "take the queries that were searched for last, where hamnest serve --live-queries remembers them")
	f.IntVarP(&flags.opts.K, "k", "k", index.DefaultCalibrationK, "how many hits recall is measured over")
	f.StringVar(&flags.plot, "plot", "", "write a picture of dims and target recalls, by what they find and cost, to this `file`, .svg or .html")
	addThreads(cmd)
	cmd.MarkFlagsMutuallyExclusive("queries", "sample", "live")
	return cmd
}

// complete checks the flags and reads the queries.
func (f *calibrateFlags) complete() error {
	switch {
	case f.queriesSkip < 0 || f.queriesLimit < 0:
		return fmt.Errorf("--queries-skip is %d and --queries-limit %d, want neither below 0", f.queriesSkip, f.queriesLimit)
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
