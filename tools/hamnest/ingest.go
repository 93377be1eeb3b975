package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// ingestFlags are the flags of ingest that say where to begin, and those that shape a new
// collection.
type ingestFlags struct {
	resume bool
	// skipBad names a file for the vectors that cannot be stored; empty for none.
	skipBad string
	create  bool
	dims    int
	shape   shapeFlags

	dialect    string
	codesAlone bool
}

func ingestCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var flags ingestFlags
	in := files.Input{Open: files.Disk}
	cmd := &cobra.Command{
		Use:   "ingest NAME FILE...",
		Short: "Store the vectors of .npy and .jsonl files",
		Long: `Ingest stores the vectors of files in a collection, as fast as the disk takes them.
It reads every file twice: first to check all of it, then to store it. So a truncated
file, a NaN in row 3 or a broken line 17 is an error that names the place, and nothing
is stored. With --skip-bad FILE the good vectors are stored all the same, and FILE says
which were not, and why: one JSON object a line.

A vector whose id is already there replaces the old one, so you can run an interrupted
ingest again. With --resume it continues at the first vector whose id is not there yet.

Vectors come from

  .npy    a matrix of float16, float32 or float64, little-endian, in C order, as
          numpy.save writes it: one vector a row
  .jsonl  one object a line: {"id": "a", "vector": [0.1, ...], "metadata": {...}}.
          The id is a string or a whole number. Without "metadata", the other fields
          of the line are the metadata.

The rows of .npy files get their ids and metadata from two more files. Line i, from the
first, belongs to row i of all .npy files together:

  --ids FILE.txt         the line is the id
  --ids FILE.jsonl       the line's "id" is the id. The rest of the object is the
                         metadata, or its "metadata" when there is nothing else. With
                         --metadata, the rest is ignored
  --metadata FILE.jsonl  the line is the metadata, just as it is

Without --ids, the id of a row is its number over all files, from 0.

With --dialect, the .npy files have packed codes that were made elsewhere, of uint8 or
int8, instead of vectors. They go into a collection that stores no vectors (--store
none), under metric cosine and profile signs; --create makes one. With --codes FILE.npy
too, that file has the codes, row i that of vector i over all files, and a code that is
not the signs of its vector is refused.`,
		Example: `  hamnest ingest packages base.npy --ids docs.jsonl --create --data ./vectors
  hamnest ingest packages base.npy --ids docs.jsonl --metadata docs.jsonl --server localhost:7700
  hamnest ingest packages base.npy --ids docs.jsonl --resume --data ./vectors
  hamnest ingest notes more.jsonl --format json --data ./vectors
  hamnest ingest bits ubinary.npy --dialect numpy --create --data ./vectors`,
		Args: wantArgs(2, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Files = args[1:]
			if flags.dialect != "" || in.CodeFile != "" {
				var err error
				if in.Dialect, err = parseDialect("--codes", flags.dialect); err != nil {
					return err
				}
				in.Codes = in.CodeFile == ""
				flags.codesAlone = in.Codes
			}
			layout, err := in.Layout()
			if err != nil {
				return err
			}
			return store.withStore(cmd, flags.create, func(ctx context.Context, b api.Engine) error {
				info, create, err := flags.collection(ctx, cmd, b, args[0], layout)
				if err != nil {
					return err
				}
				if in.CodeDims = info.Dims; in.Codes && (info.Store != encoder.None || info.Metric != encoder.Cosine || info.Profile != encoder.Signs) {
					return fmt.Errorf("collection %q has metric %v, profile %v and stored precision %v, want cosine, signs and none: others keep more of a vector than its code tells",
						info.Name, info.Metric, info.Profile, info.Store)
				}
				report, err := checkInput(ctx, cmd, &in, info.Spec, layout, flags.skipBad)
				if err != nil {
					return err
				}
				if create {
					if _, err := b.CreateCollection(ctx, info.Spec); err != nil {
						return err
					}
				}
				skip := uint64(0)
				if flags.resume && !create {
					if skip, err = stored(ctx, &in, report, b, args[0]); err != nil {
						return err
					}
				}
				summary, err := storeInput(ctx, &in, report, b, info.Spec, skip, show.NewProgress(cmd.ErrOrStderr(), "storing", layout.Bytes, true))
				if err != nil {
					return err
				}
				summary.refusals = flags.skipBad
				if err := summary.print(newOutput(cmd, format)); err != nil {
					return err
				}
				if _, embedded := b.(*index.DB); embedded { // there may be a profile to learn, and nobody else to do it
					return waitForRewrite(ctx, cmd, b, args[0])
				}
				return nil
			})
		},
	}
	store.register(cmd)
	addDialectFlag(cmd, &flags.dialect, "take packed codes")
	cmd.Flags().StringVar(&in.CodeFile, "codes", "", "`file` with the codes of the vectors, .npy of uint8 or int8 with one a row")
	cmd.Flags().StringVar(&in.IDs, "ids", "", "`file` with the ids of the rows, .txt or .jsonl")
	cmd.Flags().StringVar(&in.Metadata, "metadata", "", "`file` with the metadata of the rows, .jsonl")
	cmd.Flags().StringVar(&flags.skipBad, "skip-bad", "", "store the good vectors although some are bad, and write the bad ones and what is wrong with them to this `file`, an object a line")
	cmd.Flags().BoolVar(&flags.resume, "resume", false, "skip the vectors before the first whose id is not there yet")
	cmd.Flags().BoolVar(&flags.create, "create", false, "make the collection when it is not there")
	cmd.Flags().IntVar(&flags.dims, "dims", 0, "with --create: dimensions a vector (default those of the first file)")
	flags.shape.register(cmd, "with --create: ")
	for flag, value := range map[string]string{"profile": "learned, or signs for codes", "store": "float32, or none for codes alone"} {
		cmd.Flags().Lookup(flag).DefValue = value
	}
	addThreads(cmd)
	return cmd
}

// collection describes the collection to store into, and says whether it must be made first.
func (f *ingestFlags) collection(ctx context.Context, cmd *cobra.Command, b api.Engine, name string, l files.Layout) (info index.Info, create bool, err error) {
	given := cmd.Flags().Changed
	if !f.create && (given("dims") || given("ladder") || given("bits") || given("metric") || given("profile") || given("store")) {
		return index.Info{}, false, errors.New("--dims, --ladder, --bits, --metric, --profile and --store shape a new collection, want --create with them")
	}
	if err := f.shape.parse(); err != nil {
		return index.Info{}, false, err
	}
	spec := f.shape.spec
	if f.dialect != "" && !given("profile") {
		spec.Profile = encoder.Signs
	}
	if f.codesAlone && !given("store") {
		spec.Store = encoder.None
	}
	info, err = b.GetCollection(ctx, name)
	if errors.Is(err, index.ErrNotFound) {
		if !f.create {
			return index.Info{}, false, fmt.Errorf("%w; --create makes it", err)
		}
		dims := f.dims
		if dims == 0 {
			dims = l.Dims
		}
		if dims < 0 || dims > encoder.MaxDims {
			return index.Info{}, false, fmt.Errorf("found %d dimensions, want 1 to %d", dims, encoder.MaxDims)
		}
		if dims == 0 {
			return index.Info{}, false, fmt.Errorf("%s: no vector tells the dimensions of the new collection, want --dims", strings.Join(cmd.Flags().Args()[1:], ", "))
		}
		spec.Name, spec.Dims = name, dims
		return index.Info{Spec: spec}, true, nil
	}
	if err != nil {
		return index.Info{}, false, err
	}
	// --create may be given again, but cannot change the shape of an existing collection.
	if given("dims") && f.dims != info.Dims {
		return index.Info{}, false, fmt.Errorf("collection %q already exists with %d dimensions, and --dims asks for %d", name, info.Dims, f.dims)
	}
	if given("metric") && spec.Metric != info.Metric {
		return index.Info{}, false, fmt.Errorf("collection %q already exists with metric %v, and --metric asks for %v", name, info.Metric, spec.Metric)
	}
	if given("ladder") && !sameLadder(spec.Ladder, info.Ladder) {
		return index.Info{}, false, fmt.Errorf("collection %q already exists with ladder %s, and --ladder asks for %s", name, show.Ints(info.Ladder), show.Ints(spec.Ladder))
	}
	if given("bits") && spec.Bits != info.Bits {
		return index.Info{}, false, fmt.Errorf("collection %q already exists with at most %d bits a code, and --bits asks for %d", name, info.Bits, spec.Bits)
	}
	if given("profile") && spec.Profile != info.Profile {
		return index.Info{}, false, fmt.Errorf("collection %q already exists with profile %v, and --profile asks for %v (hamnest collection update changes it)", name, info.Profile, spec.Profile)
	}
	if given("store") && spec.Store != info.Store {
		return index.Info{}, false, fmt.Errorf("collection %q already exists with stored precision %v, and --store asks for %v (hamnest collection update lowers it)", name, info.Store, spec.Store)
	}
	return info, false, nil
}

// sameLadder reports whether given is ladder. given may leave out the last step.
func sameLadder(given, ladder []int) bool {
	return slices.Equal(given, ladder) || slices.Equal(given, ladder[:len(ladder)-1])
}

// checkInput reads the whole input. If a collection of that shape would refuse records, it returns
// an error that names them, or writes them to the new file skipBad if that is set.
func checkInput(ctx context.Context, cmd *cobra.Command, in *files.Input, spec index.Spec, layout files.Layout, skipBad string) (*files.Report, error) {
	p := show.NewProgress(cmd.ErrOrStderr(), "checking", layout.Bytes, true)
	defer p.Done()
	if skipBad == "" {
		report, err := in.Check(ctx, spec, nil, p.Add)
		if n := len(report.Refused); n > 0 && ctx.Err() == nil {
			err = errors.Join(report.Err(), err, fmt.Errorf("nothing was stored; --skip-bad FILE stores all but %s and writes the reasons to FILE", count(n, "bad vector")))
		}
		return report, err
	}
	var report *files.Report
	err := newFile(skipBad, func(file *os.File) (err error) {
		w := bufio.NewWriter(file)
		report, err = in.Check(ctx, spec, func(id string, at files.Place, reason error) error {
			return files.WriteRefusal(w, id, at, reason)
		}, p.Add)
		return errors.Join(err, w.Flush())
	})
	return report, err
}

// count returns "1 row" or "2 rows".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// resumeBatch is how many ids are looked up at a time to find where to resume. It is well below a
// server's default limits.
const resumeBatch = 1000

// stored returns how many records the input has before the first one whose id is not in the
// collection. Ingest stores records in order, so an interrupted one stopped there.
func stored(ctx context.Context, in *files.Input, report *files.Report, b api.Engine, name string) (uint64, error) {
	var n uint64
	ids := make([]string, 0, resumeBatch)
	lookUp := func() error {
		_, missing, err := b.Get(ctx, name, ids, api.ReadOptions{})
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			n += uint64(slices.Index(ids, missing[0]))
			return files.ErrStop
		}
		n += uint64(len(ids))
		ids = ids[:0]
		return nil
	}
	err := in.EachBut(report, func(rec index.Record, _ files.Place) error {
		if ids = append(ids, rec.ID); len(ids) == resumeBatch {
			return lookUp()
		}
		return nil
	})
	if err == nil && len(ids) > 0 {
		err = lookUp()
	}
	if err != nil && !errors.Is(err, files.ErrStop) {
		return 0, err
	}
	return n, nil
}

// describeEvery is how many records pass between two looks at the clock.
const describeEvery = 1024

// storeInput stores the input except its first skip records. If it is interrupted, the error says
// how many records are durable.
func storeInput(ctx context.Context, in *files.Input, report *files.Report, b api.Engine, spec index.Spec, skip uint64, p *show.Progress) (ingestSummary, error) {
	defer p.Done()
	start := time.Now()
	// An interruption must not break off the ingest: what was sent will be stored, and only the
	// ingest knows how much that is.
	ing, err := b.Ingest(context.WithoutCancel(ctx), spec.Name, api.IngestOptions{MaxRefusals: 1})
	if err != nil {
		return ingestSummary{}, err
	}
	var added, passed uint64
	err = in.EachBut(report, func(rec index.Record, at files.Place) error {
		if passed < skip {
			passed++
			p.Add(at.Bytes)
			return ctx.Err()
		}
		if err := ing.Add(ctx, rec); err != nil {
			return err
		}
		added++
		p.Add(at.Bytes)
		if added%describeEvery == 0 {
			p.Describe(fmt.Sprintf("storing, %.0f vectors/s", float64(added)/time.Since(start).Seconds()))
		}
		return ctx.Err()
	})
	result, closeErr := ing.Close()
	durable := result.Stored
	var broken *api.IngestError
	switch {
	case errors.As(closeErr, &broken): // it says no more than what follows
		closeErr = broken.Err
	case closeErr == nil && result.Refused > 0:
		first := result.Refusals[0]
		closeErr = fmt.Errorf("%d records were refused, the first with id %q: %s", result.Refused, first.ID, first.Reason)
	}
	complete := err == nil && closeErr == nil && durable == added
	switch {
	case complete:
	case ctx.Err() != nil:
		return ingestSummary{}, &interruptedError{fmt.Sprintf("%d vectors are stored and durable; run the same command again with --resume to store the others", durable)}
	case err != nil || closeErr != nil:
		if closeErr != nil { // what made adding fail, and maybe more
			err = closeErr
		}
		return ingestSummary{}, fmt.Errorf("%w (%d vectors are stored and durable)", err, durable)
	default:
		return ingestSummary{}, fmt.Errorf("%d of %d vectors are stored and durable", durable, added)
	}
	seconds := max(time.Since(start), time.Microsecond).Seconds() // a rate must be finite
	what, rowBytes := "float32", 4*spec.Dims
	if in.Codes {
		what, rowBytes = "codes", code.Bytes(spec.Dims)
	}
	return ingestSummary{
		Collection:       spec.Name,
		Vectors:          durable - result.Replaced,
		Replaced:         result.Replaced,
		Refused:          len(report.Refused),
		Skipped:          skip,
		Seconds:          seconds,
		VectorsPerSecond: float64(durable) / seconds,
		MBPerSecond:      float64(durable) * float64(rowBytes) / seconds / 1e6,
		what:             what,
	}, nil
}

// ingestSummary is the result of an ingest.
type ingestSummary struct {
	Collection       string  `json:"collection"`
	Vectors          uint64  `json:"vectors"`  // whose ids were not there
	Replaced         uint64  `json:"replaced"` // whose ids were there, or came earlier in the input
	Refused          int     `json:"refused"`  // by --skip-bad
	Skipped          uint64  `json:"skipped"`  // by --resume
	Seconds          float64 `json:"seconds"`
	VectorsPerSecond float64 `json:"vectors_per_second"`
	// MBPerSecond is the rate in 10^6 bytes of float32, whatever the files held, or of
	// codes when they were alone.
	MBPerSecond float64 `json:"mb_per_second"`
	what        string  // of which MBPerSecond are
	refusals    string  // the file that names those refused
}

func (s ingestSummary) print(out show.Output) error {
	if out.JSON {
		return out.Object(s)
	}
	if s.Skipped > 0 {
		if err := out.Printf("%d vectors were there already\n", s.Skipped); err != nil {
			return err
		}
	}
	err := out.Printf("%d vectors stored and %d replaced in %q in %.2f s: %.0f vectors/s, %.0f MB/s of %s\n",
		s.Vectors, s.Replaced, s.Collection, s.Seconds, s.VectorsPerSecond, s.MBPerSecond, s.what)
	if s.Refused == 0 || err != nil {
		return err
	}
	return out.Printf("%s refused: see %s\n", count(s.Refused, "vector"), s.refusals)
}
