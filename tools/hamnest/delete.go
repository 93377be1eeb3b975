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
	var file string
	cmd := &cobra.Command{
		Use:   "delete NAME ID... | --ids FILE",
		Short: "Delete stored vectors by id",
		Long: `Delete removes vectors by id and says how many were there; a missing id is no error. Give
the ids as arguments, or as the lines of a file (.txt with one id a line, or .jsonl with
an "id" in every line). Deleted vectors take space on disk until a rewrite of the
collection drops them.`,
		Example: `  hamnest delete packages vim emacs --data ./vectors
  hamnest delete packages --ids old.txt --server localhost:7700`,
		Args: wantArgs(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids := args[1:]
			if (len(ids) > 0) == (file != "") {
				return errors.New("want ids as arguments or --ids FILE, one of the two")
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
	cmd.Flags().StringVar(&file, "ids", "", "`file` with the ids, .txt or .jsonl")
	return cmd
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
