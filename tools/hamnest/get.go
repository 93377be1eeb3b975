package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func getCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var withVector bool
	cmd := &cobra.Command{
		Use:   "get NAME ID...",
		Short: "Show stored vectors by id",
		Long: `Get shows the metadata of stored vectors, and with --with-vector the vectors, in the
order asked for. Ids that are not there are named on standard error, and the exit code
is then 1.`,
		Example: `  hamnest get packages vim emacs --data ./vectors
  hamnest get packages vim --with-vector --format json --server localhost:7700`,
		Args: wantArgs(2, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args[1:]...); err != nil {
				return err
			}
			return store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
				ids := args[1:]
				found, missing, err := b.Get(ctx, args[0], ids, api.ReadOptions{WithVector: withVector, WithMetadata: true})
				if err != nil {
					return err
				}
				if err := printRecords(newOutput(cmd, format), found, withVector); err != nil {
					return err
				}
				for _, id := range missing {
					cmd.PrintErrln("not there:", show.Printable(id))
				}
				if len(missing) > 0 {
					return fmt.Errorf("%d of %d ids are not in collection %q", len(missing), len(ids), args[0])
				}
				return nil
			})
		},
	}
	store.register(cmd)
	cmd.Flags().BoolVar(&withVector, "with-vector", false, "show the vectors too (whole with --format json, their start in a table)")
	return cmd
}

// recordJSON is a stored vector as --format json prints it.
type recordJSON struct {
	ID       string          `json:"id"`
	Vector   []float32       `json:"vector,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

func printRecords(out show.Output, records []index.Record, withVector bool) error {
	if out.JSON {
		for _, rec := range records {
			if err := out.Object(recordJSON{rec.ID, rec.Vector, rec.Metadata}); err != nil {
				return err
			}
		}
		return nil
	}
	header := []string{"ID", "METADATA"}
	if withVector {
		header = []string{"ID", "VECTOR", "METADATA"}
	}
	var rows [][]string
	for _, rec := range records {
		row := []string{show.Printable(rec.ID), show.PrintableJSON(rec.Metadata)}
		if withVector {
			row = []string{show.Printable(rec.ID), vectorStart(rec.Vector), show.PrintableJSON(rec.Metadata)}
		}
		rows = append(rows, row)
	}
	return out.Table(header, rows)
}
