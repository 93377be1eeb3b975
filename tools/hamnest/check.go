package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// childFlag makes check do its work in this process and print a childReport.
const childFlag = "child"

func checkCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	var child bool
	cmd := &cobra.Command{
		Use:   "check NAME",
		Short: "Check that a collection's files are sound",
		Long: `Check reads everything that a collection has on disk and tests it against every rule of
the file format, checksums first. If all is well it prints "sound". Otherwise it prints
the first 100 problems, one on each line, and exits with 1.

With --data it also checks the structure of the file's pages, in a second process,
because reading damaged pages can crash a process. Check reports such a crash as a
problem. A server checks only what the pages hold, and answers requests meanwhile.`,
		Example: `  hamnest check packages --data ./vectors
  hamnest check packages --format json --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			dir, server, err := store.resolve()
			if err != nil {
				return err
			}
			if child {
				return printChildReport(cmd, dir, name)
			}
			var report index.CheckReport
			if server == "" {
				report, err = checkInChild(cmd.Context(), dir, name)
			} else {
				err = store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
					report, err = b.Check(ctx, name)
					return err
				})
			}
			if err != nil {
				return err
			}
			return printCheck(newOutput(cmd, format), name, report)
		},
	}
	store.register(cmd)
	cmd.Flags().BoolVar(&child, childFlag, false, "check in this process")
	if err := cmd.Flags().MarkHidden(childFlag); err != nil {
		panic("hamnest: " + err.Error())
	}
	return cmd
}

// childReport is what the child process prints: a report, or the error that prevented the
// check.
type childReport struct {
	Report index.CheckReport
	Error  string
}

// printChildReport checks a collection in this process. Files that are too damaged to open
// are a problem to report, not a failure of the check.
func printChildReport(cmd *cobra.Command, dir, name string) error {
	report, err := checkHere(cmd, dir, name)
	result := childReport{Report: report}
	if err != nil {
		if errors.Is(err, index.ErrCorrupt) {
			result.Report.Problems = append(result.Report.Problems, err.Error())
		} else {
			result.Error = err.Error()
		}
	}
	return show.Output{W: cmd.OutOrStdout()}.Object(result)
}

func checkHere(cmd *cobra.Command, dir, name string) (report index.CheckReport, err error) {
	b, err := openLocal(dir, index.Options{ReadOnly: true}, cmd.ErrOrStderr())
	if err != nil {
		return index.CheckReport{}, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	c, err := b.Collection(name)
	if err != nil {
		return index.CheckReport{}, err
	}
	// Check would walk damaged pages and crash.
	if damaged, err := c.CheckPages(); err != nil || len(damaged) > 0 {
		return index.CheckReport{Problems: damaged}, err
	}
	return c.Check(cmd.Context())
}

// checkInChild checks a collection in a child process. If the child dies, that is a problem
// of the files.
func checkInChild(ctx context.Context, dir, name string) (index.CheckReport, error) {
	self, err := os.Executable()
	if err != nil {
		return index.CheckReport{}, fmt.Errorf("check cannot start a second process: %w", err)
	}
	var stdout, stderr bytes.Buffer
	child := exec.CommandContext(ctx, self, "check", "--"+childFlag, "--data", dir, "--", name)
	child.Stdout, child.Stderr = &stdout, &stderr
	err = child.Run()
	if ctx.Err() != nil {
		return index.CheckReport{}, ctx.Err()
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return index.CheckReport{}, fmt.Errorf("check cannot start a second process: %w", err)
	}
	var result childReport
	switch {
	case err != nil || json.Unmarshal(stdout.Bytes(), &result) != nil:
		problem := fmt.Sprintf("the process that opened %s died: %v", dir, child.ProcessState)
		if line := firstLine(stderr.String()); line != "" {
			problem += ": " + line
		}
		return index.CheckReport{Problems: []string{problem}}, nil
	case result.Error != "":
		return index.CheckReport{}, errors.New(result.Error)
	}
	return result.Report, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// checkJSON is a report as --format json prints it.
type checkJSON struct {
	Collection string   `json:"collection"`
	Sound      bool     `json:"sound"`
	Rows       uint64   `json:"rows"`
	Blocks     uint64   `json:"blocks"`
	Problems   []string `json:"problems"`
}

// printCheck prints a report. It returns an error if the report has problems.
func printCheck(out show.Output, name string, r index.CheckReport) error {
	var err error
	switch {
	case out.JSON:
		problems := r.Problems
		if problems == nil {
			problems = []string{} // in JSON an empty list, not null
		}
		err = out.Object(checkJSON{name, len(r.Problems) == 0, r.Rows, r.Blocks, problems})
	case len(r.Problems) == 0:
		err = out.Printf("sound: %d rows and %d blocks read\n", r.Rows, r.Blocks)
	default:
		for _, problem := range r.Problems {
			err = errors.Join(err, out.Printf("%s\n", show.Printable(api.Plain(problem))))
		}
	}
	if err != nil {
		return err
	}
	if n := len(r.Problems); n > 0 {
		return fmt.Errorf("collection %q is damaged: %d problems", name, n)
	}
	return nil
}
