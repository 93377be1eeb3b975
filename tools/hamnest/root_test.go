package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// eachCommand calls visit with every command but cobra's own.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		if sub.Name() != "completion" && sub.Name() != "help" {
			eachCommand(sub, visit)
		}
	}
}

func TestHelpOfEveryCommandTeaches(t *testing.T) {
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || cmd.Long == "" {
				t.Error("no description")
			}
			if !cmd.HasSubCommands() && cmd.Example == "" {
				t.Error("no example")
			}
			for line := range strings.Lines(cmd.Long) {
				if len([]rune(line)) > 90 {
					t.Errorf("line %q is wider than a terminal likes", line)
				}
			}
			help := must(t, append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
			if !strings.HasPrefix(help, cmd.Long) {
				t.Errorf("--help prints %q, want the description first", help)
			}
		})
	})
}

func TestExamplesParse(t *testing.T) {
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			_, command, found := strings.Cut(strings.TrimSpace(line), "hamnest ")
			if !found {
				t.Errorf("example %q does not call hamnest", line)
				continue
			}
			checkParses(t, command)
		}
	})
	for line := range strings.Lines(demoNext) {
		if command, found := strings.CutPrefix(strings.TrimSpace(line), "hamnest "); found {
			command, _, _ = strings.Cut(command, "   ") // a remark follows
			command = strings.TrimSuffix(command, " tells the rest.")
			checkParses(t, command)
		}
	}
}

// shellFields cuts a command line as a shell does that knows spaces and ' alone.
func shellFields(command string) []string {
	quoted := false
	fields := strings.FieldsFunc(command, func(r rune) bool {
		if r == '\'' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for i := range fields {
		fields[i] = strings.ReplaceAll(fields[i], "'", "")
	}
	return fields
}

func checkParses(t *testing.T, command string) {
	t.Helper()
	cmd, args, err := newRoot().Find(shellFields(command))
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err == nil && !cmd.Flags().Changed("help") {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err == nil {
		err = cmd.ValidateRequiredFlags()
	}
	if err != nil && !strings.Contains(err.Error(), "help requested") {
		t.Errorf("hamnest %s: %v", command, err)
	}
}

func TestMistypedCommandIsRefused(t *testing.T) {
	mustFail(t, `unknown command "serach" for "hamnest"`, "serach")
	mustFail(t, "unknown flag: --dat; see hamnest search --help", "search", "c", "--dat", "x")
	mustFail(t, "found 0 arguments, want: hamnest stats NAME", "stats")
}

func TestVersionTellsWhatItWasBuiltFrom(t *testing.T) {
	got := decode[versionJSON](t, must(t, "version", "--format", "json"))[0]
	if got.Version == "" || !strings.HasPrefix(got.Go, "go1.") || !strings.Contains(got.Platform, "/") || got.Kernel == "" {
		t.Errorf("version is %+v", got)
	}
	if table := must(t, "version"); !strings.Contains(table, "kernel    "+got.Kernel) {
		t.Errorf("version prints %q", table)
	}
}
