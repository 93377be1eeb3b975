package main

import (
	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func benchCommand(format *show.Format) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine, and make data to measure with",
		Long: `Bench measures how fast the scan of codes is beside what this machine could do at
most, and makes sets of vectors, with queries and their exact answers, of any size.`,
		// Without these cobra would take a mistyped subcommand for a call for help.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(benchScanCommand(format), benchDataCommand(format))
	return cmd
}
