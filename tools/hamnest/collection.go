package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func collectionCommand(format *show.Format) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "collection",
		Short: "Make, list, describe, change and delete collections",
		Long: `A collection holds vectors of one size, compared by one metric. Its shape is fixed
when it is made; hamnest ingest --create makes one in the shape of a file.`,
		// Without these, cobra prints the help for a mistyped subcommand and exits with 0.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		collectionCreateCommand(format),
		collectionListCommand(format),
		collectionDescribeCommand(format),
		collectionUpdateCommand(format),
		collectionCompactCommand(format),
		collectionRenameCommand(format),
		collectionDeleteCommand(),
		collectionAdoptCommand(format),
	)
	return cmd
}

func collectionCreateCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var shape shapeFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an empty collection",
		Long: `Create makes an empty collection. Its name has 1 to 128 characters of A-Z a-z 0-9 . _ -
and starts with a letter or digit. You can change only the profile and the stored
precision later; see hamnest collection update.

The ladder lists the sizes to which vectors can be cut. A query may have the size of any
step; the answer is then about that prefix. Use the sizes that the embedding model was
trained for (its Matryoshka dimensions). Every step except the last is a multiple of 64.
Without --ladder there is a default one. A shorter query must then say that it is a
prefix, with --dims, or with --prefix of hamnest eval.

The profile says how vectors become bits:

  learned  hamnest learns from the first vectors: it removes their mean, and gives more
           bits to their principal components than to the rest. Scores estimated from
           such codes are unbiased and their errors are known, so a search knows when it
           can stop. --bits limits the size of a code: with fewer bits, codes take less
           memory and searches read more vectors
  signs    bit i is 1 when component i is above 0, as in codes that other programs make.
           Their errors are not known, so hamnest cannot promise a recall

Hamnest makes codes in the background once the collection has more than 1,048,576
components (vectors times dimensions). Until then, and always for 16 dimensions or fewer,
searches compare all vectors, which is cheaper; the profile in force is called exact. If
no vectors are stored (--store none), codes are plain signs.`,
		Example: `  hamnest collection create packages --dims 768 --data ./vectors
  hamnest collection create packages --dims 768 --bits 512 --data ./vectors
  hamnest collection create packages --dims 768 --ladder 128,256,512 --label model=static-mrl-768 --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := shape.parse(); err != nil {
				return err
			}
			shape.spec.Name = args[0]
			return store.withStore(cmd, true, func(ctx context.Context, b api.Engine) error {
				info, err := b.CreateCollection(ctx, shape.spec)
				if err != nil {
					return err
				}
				return describe(newOutput(cmd, format), info)
			})
		},
	}
	store.register(cmd)
	cmd.Flags().IntVar(&shape.spec.Dims, "dims", 0, "dimensions of a vector, 1 to 65536 (required)")
	shape.register(cmd, "")
	cmd.Flags().StringToStringVar(&shape.spec.Labels, "label", nil, "label as `key=value`; repeat it for several labels")
	cmd.Flags().Lookup("label").DefValue = "" // an empty map would be shown as []
	if err := cmd.MarkFlagRequired("dims"); err != nil {
		panic("hamnest: " + err.Error())
	}
	return cmd
}

func collectionListCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all collections by name",
		Long:  `List shows the shape of every collection. To see what one holds, use hamnest stats.`,
		Example: `  hamnest collection list --data ./vectors
  hamnest collection list --format json --server localhost:7700`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
				var infos []api.Info
				var damaged []error
				for info, err := range b.Collections(ctx) {
					if err == nil && info.Dims == 0 { // a name and no more
						_, err = b.GetCollection(ctx, info.Name)
					}
					if err != nil {
						damaged = append(damaged, err)
						continue
					}
					infos = append(infos, info)
				}
				return errors.Join(append(damaged, listCollections(newOutput(cmd, format), infos))...)
			})
		},
	}
	store.register(cmd)
	return cmd
}

func listCollections(out show.Output, infos []index.Info) error {
	if out.JSON {
		for _, info := range infos {
			if err := out.Object(infoToJSON(info)); err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]string
	for _, info := range infos {
		rows = append(rows, []string{
			info.Name, strconv.Itoa(info.Dims), show.Ints(info.Ladder), info.Metric.String(), info.Profile.String(),
			info.Created.Format(time.RFC3339),
		})
	}
	return out.Table([]string{"NAME", "DIMS", "LADDER", "METRIC", "PROFILE", "CREATED"}, rows)
}

func collectionDescribeCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show the shape and the labels of one collection",
		Long: `Describe shows the shape and the labels of one collection. To see what it holds, use
hamnest stats.`,
		Example: `  hamnest collection describe packages --data ./vectors`,
		Args:    wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
				info, err := b.GetCollection(ctx, args[0])
				if err != nil {
					return err
				}
				return describe(newOutput(cmd, format), info)
			})
		},
	}
	store.register(cmd)
	return cmd
}

// collectionJSON is a collection as --format json prints it.
type collectionJSON struct {
	Name               string            `json:"name"`
	Dims               int               `json:"dims"`
	Ladder             []int             `json:"ladder"`
	LadderGiven        bool              `json:"ladder_given"`
	Bits               int               `json:"bits"` // of a code at most
	Metric             encoder.Metric    `json:"metric"`
	Profile            string            `json:"profile"`
	ProfileInForce     string            `json:"profile_in_force"`
	ProfileFingerprint string            `json:"profile_fingerprint"`
	Store              encoder.Precision `json:"store"`
	Labels             map[string]string `json:"labels,omitempty"`
	Created            time.Time         `json:"created"`
}

func infoToJSON(info index.Info) collectionJSON {
	return collectionJSON{
		Name:               info.Name,
		Dims:               info.Dims,
		Ladder:             info.Ladder,
		LadderGiven:        info.LadderGiven,
		Bits:               info.Bits,
		Metric:             info.Metric,
		Profile:            info.Profile.String(),
		ProfileInForce:     info.ProfileInForce.String(),
		ProfileFingerprint: info.ProfileFingerprint,
		Store:              info.Store,
		Labels:             info.Labels,
		Created:            info.Created,
	}
}

// ladderText is the ladder, and whether it is the default.
func ladderText(info index.Info) string {
	if info.LadderGiven {
		return show.Ints(info.Ladder)
	}
	return show.Ints(info.Ladder) + " (default)"
}

// describe prints one collection.
func describe(out show.Output, info index.Info) error {
	if out.JSON {
		return out.Object(infoToJSON(info))
	}
	rows := [][]string{
		{"name", info.Name},
		{"dims", strconv.Itoa(info.Dims)},
		{"ladder", ladderText(info)},
		{"bits", strconv.Itoa(info.Bits)},
		{"metric", info.Metric.String()},
		{"profile", info.Profile.String()},
		{"profile in force", info.ProfileInForce.String()},
		{"profile fingerprint", info.ProfileFingerprint},
		{"store", info.Store.String()},
		{"created", info.Created.Format(time.RFC3339)},
	}
	for _, key := range slices.Sorted(maps.Keys(info.Labels)) {
		rows = append(rows, []string{"label " + show.Printable(key), show.Printable(info.Labels[key])})
	}
	return out.Table(nil, rows)
}

func collectionUpdateCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var profile, precision string
	var trustOlderCodes, wait bool
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Change how a collection keeps its vectors",
		Long: `Update changes how a collection keeps its vectors. It encodes all stored vectors again
into a second file, which then replaces the first. Searches and writes continue
meanwhile. Update also frees the space of replaced and deleted vectors.

The profile says how vectors become bits; see hamnest collection create. With profile
learned, hamnest learns again from the vectors that are there now. The stored precision
can only be lowered, in the order float32, float16, bfloat16, int8, none, because
rounding cannot be undone.

A server makes the change in the background, and continues after a crash; hamnest stats
shows the progress, and --wait waits for the end. With --data the command always waits.

With --trust-older-codes, update needs neither: it brings codes of an older version up to
date that hamnest otherwise refuses, because their file does not say how they were made.`,
		Example: `  hamnest collection update packages --profile learned --data ./vectors
  hamnest collection update packages --store int8 --wait --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var change index.Change
			if cmd.Flags().Changed("profile") {
				kind, err := code.ParseKind(profile)
				if err != nil {
					return err
				}
				change.Profile = &kind
			}
			if cmd.Flags().Changed("store") {
				precision, err := floats.ParsePrecision(precision)
				if err != nil {
					return err
				}
				change.Store = &precision
			}
			if change == (index.Change{}) && !trustOlderCodes {
				return errors.New("found nothing to change, want --profile or --store")
			}
			if _, server, err := store.resolve(); err == nil && server != "" && trustOlderCodes {
				return errors.New("--trust-older-codes goes with --data only; a server takes it when it starts: hamnest serve --trust-older-codes")
			}
			return store.with(cmd, index.Options{MustExist: true, TrustOlderCodes: trustOlderCodes}, func(ctx context.Context, b api.Engine) error {
				info, err := b.GetCollection(ctx, args[0])
				if err == nil && change != (index.Change{}) {
					info, err = b.UpdateCollection(ctx, args[0], change)
				}
				if err != nil {
					return err
				}
				if _, embedded := b.(*index.DB); embedded || wait {
					if err := waitForRewrite(ctx, cmd, b, args[0]); err != nil {
						return err
					}
					if info, err = b.GetCollection(ctx, args[0]); err != nil {
						return err
					}
				}
				return describe(newOutput(cmd, format), info)
			})
		},
	}
	store.register(cmd)
	addThreads(cmd)
	cmd.Flags().StringVar(&profile, "profile", "", "`profile` that says how vectors become bits: learned, which is learnt anew, or signs")
	cmd.Flags().StringVar(&precision, "store", "", "`precision` in which vectors are stored, lower than now: float16, bfloat16, int8 or none")
	completeFrom(cmd, "profile", encoder.Learned.String(), encoder.Signs.String())
	completeFrom(cmd, "store", "float16", "bfloat16", "int8", "none")
	addTrustOlderCodes(cmd, &trustOlderCodes)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the change is complete")
	return cmd
}

func collectionCompactCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var wait bool
	cmd := &cobra.Command{
		Use:   "compact NAME",
		Short: "Free the space of replaced and deleted vectors",
		Long: `Compact frees the memory and the disk space of replaced and deleted vectors: it copies
the collection without them, and the copy replaces the collection. Searches and writes
continue meanwhile. The disk must have room for the copy.

Hamnest compacts a collection by itself when a third of its rows are replaced or deleted;
hamnest serve --compact-at sets another share.

A server compacts in the background, and continues after a crash; hamnest stats shows the
progress, and --wait waits for the end. With --data the command always waits. It then
shows what the collection holds.`,
		Example: `  hamnest collection compact packages --data ./vectors
  hamnest collection compact packages --wait --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
				if _, err := b.Compact(ctx, args[0]); err != nil {
					return err
				}
				if _, embedded := b.(*index.DB); embedded || wait {
					if err := waitForRewrite(ctx, cmd, b, args[0]); err != nil {
						return err
					}
				}
				stats, err := b.Stats(ctx, args[0])
				if err != nil {
					return err
				}
				return printStats(newOutput(cmd, format), stats)
			})
		},
	}
	store.register(cmd)
	addThreads(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the collection is compacted")
	return cmd
}

func collectionRenameCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "rename NAME NEW",
		Short: "Give a collection another name",
		Long: `Rename gives a collection another name, in one step. Its aliases stay, and running
searches finish. The old name no longer finds anything; for names that can be switched
between collections, see hamnest alias.`,
		Example: `  hamnest collection rename packages packages-2026 --data ./vectors
  hamnest collection rename packages packages-2026 --server localhost:7700`,
		Args: wantArgs(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
				info, err := b.RenameCollection(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return describe(newOutput(cmd, format), info)
			})
		},
	}
	store.register(cmd)
	return cmd
}

// waitForRewrite waits until no rewrite of the collection is running. It fails if the last
// rewrite failed.
func waitForRewrite(ctx context.Context, cmd *cobra.Command, b api.Engine, name string) error {
	var shown *show.Progress
	done := uint64(0)
	for {
		stats, err := b.Stats(ctx, name)
		if err != nil {
			return err
		}
		r := stats.Rewrite
		if r == nil {
			if shown != nil {
				shown.Done()
			}
			if stats.RewriteError != "" {
				return fmt.Errorf("collection %q is unchanged: %s", name, stats.RewriteError)
			}
			return nil
		}
		if shown == nil {
			shown = show.NewProgress(cmd.ErrOrStderr(), "rewriting", int64(stats.Vectors), false)
		}
		shown.Add(int(r.Done - min(done, r.Done)))
		done = r.Done
		select {
		case <-time.After(show.Interval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func collectionDeleteCommand() *cobra.Command {
	var store storeFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a collection and everything in it",
		Long: `Delete removes a collection with all its vectors and files. This cannot be undone. On a
terminal it asks first; elsewhere it needs --yes.`,
		Example: `  hamnest collection delete packages --data ./vectors
  hamnest collection delete packages --yes --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
				if !yes {
					if err := confirmDelete(ctx, cmd, b, args[0]); err != nil {
						return err
					}
				}
				return b.DeleteCollection(ctx, args[0])
			})
		},
	}
	store.register(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func collectionAdoptCommand(format *show.Format) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Enter collections into a catalog that has lost them",
		Long: `Adopt finds the folders of collections that the catalog of a directory does not list, and
enters them. It makes the catalog if that is gone. Until then hamnest does not open such
a directory: it cannot tell a collection that was lost from one that was deleted.

Each collection gets the name that it had when its file was made, or that of its folder
if the file does not say or the name is taken. Labels are lost with the catalog. Adopt
prints the names. If a folder is damaged it enters none; move that folder away first.`,
		Example: `  hamnest collection adopt --data ./vectors`,
		Args:    wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := dataDir(data)
			if err != nil {
				return err
			}
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no directory %s", dir)
			}
			names, err := index.Adopt(dir)
			if err != nil {
				return err
			}
			return printAdopted(newOutput(cmd, format), names)
		},
	}
	addData(cmd, &data)
	return cmd
}

// adoptedJSON is an adopted collection as --format json prints it.
type adoptedJSON struct {
	Name string `json:"name"`
}

func printAdopted(out show.Output, names []string) error {
	if out.JSON {
		for _, name := range names {
			if err := out.Object(adoptedJSON{name}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(names) == 0 {
		return out.Printf("the catalog lists every collection\n")
	}
	for _, name := range names {
		if err := out.Printf("adopted %s\n", show.Printable(name)); err != nil {
			return err
		}
	}
	return nil
}

// confirmDelete returns nil if the person at the terminal says yes.
func confirmDelete(ctx context.Context, cmd *cobra.Command, b api.Engine, name string) error {
	if !show.IsTerminal(cmd.InOrStdin()) {
		return fmt.Errorf("deleting collection %q cannot be undone, and there is no terminal to ask: want --yes", name)
	}
	stats, err := b.Stats(ctx, name)
	if err != nil {
		return err
	}
	cmd.PrintErrf("Delete collection %q with %d vectors? [y/N] ", name, stats.Vectors)
	answer, err := readAnswer(ctx, cmd)
	if err != nil {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was deleted")
	}
	return nil
}

// readAnswer reads a line, or returns when ctx ends. A read from a terminal cannot be
// interrupted, so its goroutine then stays behind.
func readAnswer(ctx context.Context, cmd *cobra.Command) (string, error) {
	answers := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if err != nil {
			line = "" // no answer is no
		}
		answers <- line
	}()
	select {
	case line := <-answers:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
