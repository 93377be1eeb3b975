package main

import (
	"context"
	"encoding/json"
	"errors"
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
	var filter string
	var limit int
	cmd := &cobra.Command{
		Use:   "get NAME ID... | --filter EXPR",
		Short: "Show stored vectors by id, or those that match a filter",
		Long: `Get shows the metadata of stored vectors, and with --with-vector the vectors too, in the
order of the ids. If an id is missing, get names it on standard error and exits with 1.

With --filter it shows the vectors whose metadata matches, in the order in which they
were stored, and --limit of them at most. If there are more, it says how many on standard
error.`,
		Example: `  hamnest get packages vim emacs --data ./vectors
  hamnest get packages --filter 'section = "games" AND size_kb < 500' --limit 20 --data ./vectors
  hamnest get packages vim --with-vector --format json --server localhost:7700`,
		Args: wantArgs(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := api.ReadOptions{WithVector: withVector, WithMetadata: true, Filter: filter}
			switch {
			case (len(args) > 1) == (filter != ""):
				return errors.New("want ids as arguments or --filter EXPR, one of the two")
			case limit < 1:
				return fmt.Errorf("--limit is %d, want at least 1", limit)
			case filter != "":
				return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
					return getWhere(ctx, cmd, newOutput(cmd, format), b, args[0], limit, opts)
				})
			}
			if err := checkIDs(args[1:]...); err != nil {
				return err
			}
			return store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
				ids := args[1:]
				found, missing, err := b.Get(ctx, args[0], ids, opts)
				if err != nil {
					return err
				}
				if err := printRecords(newOutput(cmd, format), found, withVector); err != nil {
					return err
				}
				for _, id := range missing {
					cmd.PrintErrln("not found:", show.Printable(id))
				}
				if len(missing) > 0 {
					return fmt.Errorf("%d of %d ids are not in collection %q", len(missing), len(ids), args[0])
				}
				return nil
			})
		},
	}
	store.register(cmd)
	addFilterFlag(cmd, &filter, "show the vectors")
	cmd.Flags().IntVar(&limit, "limit", 100, "with --filter: most vectors to show")
	cmd.Flags().BoolVar(&withVector, "with-vector", false, "show the vectors too (a table shows only their first components)")
	return cmd
}

// getWhere shows the first records that match a filter.
func getWhere(ctx context.Context, cmd *cobra.Command, out show.Output, b api.Engine, name string, limit int, opts api.ReadOptions) error {
	count, err := b.Count(ctx, name, opts.Filter)
	if err != nil {
		return err
	}
	var found []index.Record
	for record, err := range api.List(ctx, b, name, opts) {
		if err != nil {
			return err
		}
		if found = append(found, record); len(found) == limit {
			break
		}
	}
	if err := printRecords(out, found, opts.WithVector); err != nil {
		return err
	}
	if count > uint64(len(found)) {
		cmd.PrintErrf("the first %d of %d vectors that match: --limit shows more\n", len(found), count)
	}
	return nil
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
