package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func deleteCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var file, filter string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "delete NAME ID... | --ids FILE | --filter EXPR",
		Short: "Delete stored vectors by id, or those that match a filter",
		Long: `Delete removes vectors by id and says how many were there; a missing id is no error. Give
the ids as arguments, or as the lines of a file (.txt with one id a line, or .jsonl with
an "id" in every line). With --filter it deletes all vectors whose metadata matches, and
with --dry-run says how many those are and deletes none. Deleted vectors take space on
disk until a rewrite of the collection drops them.`,
		Example: `  hamnest delete packages vim emacs --data ./vectors
  hamnest delete packages --filter 'section = "games"' --dry-run --data ./vectors
  hamnest delete packages --ids old.txt --server localhost:7700`,
		Args: wantArgs(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids := args[1:]
			given := 0
			for _, is := range []bool{len(ids) > 0, file != "", cmd.Flags().Changed("filter")} {
				if is {
					given++
				}
			}
			if given != 1 {
				return errors.New("want ids as arguments, --ids FILE or --filter EXPR, one of the three")
			}
			if cmd.Flags().Changed("filter") {
				return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
					return deleteWhere(ctx, newOutput(cmd, format), b, args[0], filter, dryRun)
				})
			}
			if dryRun {
				return errors.New("--dry-run counts what --filter EXPR would delete, want --filter with it")
			}
			if err := checkIDs(ids...); err != nil {
				return err
			}
			if file != "" {
				var err error
				if ids, err = files.ReadIDs(files.Disk, file, math.MaxInt); err != nil {
					return err
				}
			}
			return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
				result := deleteSummary{Collection: args[0], IDs: len(ids)}
				for batch := range slices.Chunk(ids, removeBatch) {
					n, err := b.Delete(ctx, args[0], batch)
					if err != nil {
						return fmt.Errorf("%w (%d vectors were deleted before)", err, result.Deleted)
					}
					result.Deleted += n
				}
				return result.print(newOutput(cmd, format))
			})
		},
	}
	store.register(cmd)
	addFilterFlag(cmd, &filter, "delete the vectors")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "with --filter: say how many vectors match, and delete none")
	cmd.Flags().StringVar(&file, "ids", "", "`file` with the ids, .txt or .jsonl")
	return cmd
}

// deleteWhere deletes what matches a filter, or with dryRun counts it.
func deleteWhere(ctx context.Context, out show.Output, b api.Engine, name, filter string, dryRun bool) error {
	result := deleteWhereSummary{Collection: name, Filter: filter, DryRun: dryRun}
	if dryRun {
		n, err := b.Count(ctx, name, filter)
		if err != nil {
			return err
		}
		result.Matching = n
		return result.print(out)
	}
	n, err := b.DeleteWhere(ctx, name, filter)
	switch {
	case err != nil && n > 0:
		return fmt.Errorf("%w (%d vectors were deleted before)", err, n)
	case err != nil:
		return err
	}
	result.Matching, result.Deleted = uint64(n), uint64(n)
	return result.print(out)
}

// deleteWhereSummary is the result of a delete by filter.
type deleteWhereSummary struct {
	Collection string `json:"collection"`
	Filter     string `json:"filter"`
	DryRun     bool   `json:"dry_run"`
	Matching   uint64 `json:"matching"`
	Deleted    uint64 `json:"deleted"`
}

func (s deleteWhereSummary) print(out show.Output) error {
	switch {
	case out.JSON:
		return out.Object(s)
	case s.DryRun:
		return out.Printf("%d vectors of %q match and would be deleted\n", s.Matching, s.Collection)
	}
	return out.Printf("%d vectors of %q matched and are deleted\n", s.Deleted, s.Collection)
}

// deleteSummary is the result of a delete.
type deleteSummary struct {
	Collection string `json:"collection"`
	IDs        int    `json:"ids"`
	Deleted    int    `json:"deleted"`
}

func (s deleteSummary) print(out show.Output) error {
	if out.JSON {
		return out.Object(s)
	}
	return out.Printf("%d of %d ids were in %q and are deleted\n", s.Deleted, s.IDs, s.Collection)
}
