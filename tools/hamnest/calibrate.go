package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index"
)

// calibrateFlags are the flags of calibrate.
type calibrateFlags struct {
	queries                   string
	queriesSkip, queriesLimit int
	profiles                  []string
	plot                      string
	opts                      index.CalibrateOptions
}

func calibrateCommand(format *outputFormat) *cobra.Command {
	var store storeFlags
	var flags calibrateFlags
	cmd := &cobra.Command{
		Use:   "calibrate NAME",
		Short: "Measure which settings of a search reach which recall, for --target-recall",
		Long: `Calibrate searches for many queries, compares the answers with exact ones, and prints the
settings for which none that is cheaper reaches as much:

  dims           leading dimensions that the scan looks at
  scan_bits      form of the query in the scan
  candidates     how many the scan keeps
  rescore        how many the whole codes let through to the stored vectors at most
  bound          when the reading of vectors stops
  recall         share of the right answers found
  vectors_read   stored vectors read a query
  microseconds   of one search that has the machine to itself and the vectors in memory,
                 without the look-up of ids
  bytes          of codes and vectors read a query

The result is stored with the collection, in the place of the one before, and
--target-recall of search and eval picks from it. Each line of the table misses a fifth
fewer of the right answers than the one before; --format json has all, prefix by prefix.

What to search for are the rows of --queries; without it stored vectors, each left out of
its own answer. Queries of another kind, questions say, may be harder to answer: give
real ones where there are any, a few hundred or more. With 1000 of them a recall of 0.99
is uncertain by 0.002.

The stored vectors are read once and compared with every query, on half of the cores.
Searches and writes go on; when calibrate is interrupted nothing has changed.

--profiles measures other profiles on the same queries too. They are printed for
comparison; hamnest collection update changes the profile.`,
		Example: `  hamnest calibrate packages --queries queries.npy --data ./vectors
  hamnest calibrate packages --sample 500 -k 20 --server localhost:7700
  hamnest calibrate packages --queries queries.npy --profiles all --plot recall.html --data ./vectors`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.complete(); err != nil {
				return err
			}
			return store.withStore(cmd, false, func(ctx context.Context, b backend) error {
				calibration, err := b.Calibrate(ctx, args[0], flags.opts)
				if err != nil {
					return err
				}
				if flags.plot != "" {
					if err := plotCalibration(flags.plot, args[0], calibration); err != nil {
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
	f.StringSliceVar(&flags.profiles, "profiles", nil, "`profiles` to measure beside the collection's own: all, or some of "+strings.Join(profileNames(), ", "))
	f.StringVar(&flags.plot, "plot", "", "write a picture of recall against microseconds and bytes to this `file`, .svg or .html")
	cmd.MarkFlagsMutuallyExclusive("queries", "sample", "live")
	return cmd
}

// measurable are the profiles that a calibration can compare.
var measurable = []encoder.Kind{encoder.Plain, encoder.Centred, encoder.Nested, encoder.NestedCentred, encoder.Full, encoder.FullCentred}

func profileNames() []string {
	names := make([]string, len(measurable))
	for i, kind := range measurable {
		names[i] = kind.String()
	}
	return names
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
	if _, err := plotFormat(f.plot); err != nil {
		return err
	}
	for _, name := range f.profiles {
		if name == "all" {
			f.opts.Profiles = measurable
			break
		}
		kind, err := encoder.ParseKind(name)
		if err != nil || kind == encoder.Auto {
			return fmt.Errorf("--profiles has %q, want all or some of %s", name, strings.Join(profileNames(), ", "))
		}
		f.opts.Profiles = append(f.opts.Profiles, kind)
	}
	if f.queries == "" {
		return nil
	}
	limit := 0
	if f.queriesLimit > 0 {
		limit = f.queriesSkip + f.queriesLimit
	}
	queries, rows, err := readQueries(openDisk, f.queries, limit)
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
	Created            time.Time             `json:"created"`
	Rows               uint64                `json:"rows"`
	Queries            int                   `json:"queries"`
	Source             string                `json:"source"`
	K                  int                   `json:"k"`
	Profile            string                `json:"profile"`
	ProfileFingerprint string                `json:"profile_fingerprint"`
	Kernel             string                `json:"kernel"`
	Settings           []index.Setting       `json:"settings"`
	Compared           []profileSettingsJSON `json:"compared,omitempty"`
}

type profileSettingsJSON struct {
	Profile  string          `json:"profile"`
	Settings []index.Setting `json:"settings"`
}

func printCalibration(out output, c *index.Calibration) error {
	if out.json {
		j := calibrationJSON{c.Created, c.Rows, c.Queries, string(c.Source), c.K, c.Profile, c.Fingerprint, c.Kernel, c.Settings, nil}
		for _, p := range c.Compared {
			j.Compared = append(j.Compared, profileSettingsJSON{p.Profile.String(), p.Settings})
		}
		return out.object(j)
	}
	if err := out.printf("%d %s queries of %d vectors, recall@%d, profile %s, kernel %s\n", c.Queries, c.Source, c.Rows, c.K, c.Profile, c.Kernel); err != nil {
		return err
	}
	for _, p := range profilesOf(c) {
		front := (&index.Calibration{Settings: p.Settings}).Front()
		if len(c.Compared) > 0 {
			if err := out.printf("\n%s\n", p.Profile); err != nil {
				return err
			}
		}
		if err := out.numbers(settingHeader, settingRows(front)); err != nil {
			return err
		}
	}
	return nil
}

// profilesOf returns what was measured of the collection's own profile, and of the others
// that it was compared with.
func profilesOf(c *index.Calibration) []profileSettingsJSON {
	all := []profileSettingsJSON{{c.Profile, c.Settings}}
	for _, p := range c.Compared {
		if p.Profile.String() != c.Profile {
			all = append(all, profileSettingsJSON{p.Profile.String(), p.Settings})
		}
	}
	return all
}

var settingHeader = []string{"dims", "scan_bits", "candidates", "rescore", "bound", "recall", "vectors_read", "microseconds", "bytes"}

// A table of settings begins at this recall, and each line misses so many of the right
// hits that the one before misses: more than a person reads would follow otherwise.
const (
	leastShown = 0.7
	shownStep  = 0.8
)

func settingRows(front []index.Setting) [][]string {
	var rows [][]string
	missed := 1 - leastShown
	for i, s := range front {
		if 1-s.Recall > missed && i < len(front)-1 {
			continue
		}
		missed = shownStep * (1 - s.Recall)
		rows = append(rows, settingCells(s))
	}
	return rows
}

func settingCells(s index.Setting) []string {
	rescore, bound := "all", "off"
	if s.RescoreCandidates > 0 {
		rescore = strconv.Itoa(s.RescoreCandidates)
	}
	if s.Bound > 0 {
		bound = strconv.FormatFloat(s.Bound, 'g', -1, 64)
	}
	return []string{
		strconv.Itoa(s.Dims), strconv.Itoa(s.ScanBits), strconv.Itoa(s.Candidates), rescore, bound,
		fmt.Sprintf("%.4f", s.Recall), mean(s.VectorsRead), mean(s.Microseconds), fmt.Sprintf("%.0f", s.Bytes),
	}
}
