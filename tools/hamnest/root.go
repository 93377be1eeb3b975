package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// execute runs one command line and returns the exit code of the process: 0 if the command did
// everything it was asked to do, 1 otherwise. It prints an error on one line.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	// If even this cannot be printed, only the exit code is left.
	_, _ = fmt.Fprintln(stderr, "hamnest:", api.Plain(strings.Join(strings.FieldsFunc(err.Error(), isNewline), "; ")))
	return 1
}

func isNewline(r rune) bool { return r == '\n' || r == '\r' }

// interruptedError says how much a command had done when Ctrl-C ended it.
type interruptedError struct{ done string }

func (e *interruptedError) Error() string { return "interrupted: " + e.done }

func newRoot() *cobra.Command {
	format := show.Table
	root := &cobra.Command{
		Use:   "hamnest",
		Short: "Store vectors, search them by their binary codes, measure the result",
		Long: `Hamnest is a vector search engine that keeps one bit a dimension in memory, finds
candidates by comparing bits, and rescores the best of them with the stored vectors.

Every command works in one of two ways:

  --data DIR          on a directory of this machine, without a server
  --server HOST:PORT  on a running server (hamnest serve)

Without either, it uses HAMNEST_DATA or HAMNEST_SERVER from the environment. Results go
to standard output; progress and messages go to standard error. The exit code is 0 only
when the command did all that you asked for.`,
		Example: `  hamnest demo
  hamnest ingest packages base.npy --ids docs.jsonl --create --data ./vectors
  hamnest search packages --query queries.npy --row 0 -k 5 --data ./vectors`,
		PersistentPreRunE: func(*cobra.Command, []string) error { return isa.Err() },
		SilenceUsage:      true,
		SilenceErrors:     true,
	}
	root.PersistentFlags().Var(&format, "format", "how results are printed: table for people, json for programs (one object a line)")
	if err := root.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("hamnest: " + err.Error())
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		demoCommand(&format),
		serveCommand(),
		collectionCommand(&format),
		aliasCommand(&format),
		ingestCommand(&format),
		searchCommand(&format),
		getCommand(&format),
		exportCommand(&format),
		deleteCommand(&format),
		evalCommand(&format),
		calibrateCommand(&format),
		planCommand(&format),
		statsCommand(&format),
		checkCommand(&format),
		benchCommand(&format),
		versionCommand(&format),
	)
	return root
}

// wantArgs makes a command refuse fewer than least and more than most arguments.
func wantArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < least || n > most {
			return fmt.Errorf("found %d arguments, want: %s; see %s --help", n, cmd.UseLine(), cmd.CommandPath())
		}
		return nil
	}
}

// newOutput returns where a command prints its results.
func newOutput(cmd *cobra.Command, format *show.Format) show.Output {
	return show.NewOutput(cmd.OutOrStdout(), *format == show.JSON)
}
