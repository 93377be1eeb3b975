package main

import (
	"strings"
	"testing"
)

func TestExactlyOneOfDirectoryAndServerIsWanted(t *testing.T) {
	for _, tt := range []struct {
		name         string
		data, server string // environment
		args         []string
		want         string
	}{
		{"neither", "", "", nil, "give --data DIR for a directory of this machine or --server HOST:PORT for a running server (or set HAMNEST_DATA or HAMNEST_SERVER)"},
		{"both flags", "", "", []string{"--data", "a", "--server", "b:1"}, "both --data and --server are given (a and b:1), want one"},
		{"both variables", "a", "b:1", nil, "both HAMNEST_DATA and HAMNEST_SERVER are given (a and b:1), want one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(envData, tt.data)
			t.Setenv(envServer, tt.server)
			for _, command := range [][]string{
				{"collection", "list"},
				{"collection", "create", "c", "--dims", "8"},
				{"collection", "describe", "c"},
				{"collection", "update", "c", "--profile", "signs"},
				{"collection", "delete", "c", "--yes"},
				{"search", "c", "--id", "a"},
				{"get", "c", "a"},
				{"delete", "c", "a"},
				{"stats", "c"},
				{"check", "c"},
			} {
				mustFail(t, tt.want, append(command, tt.args...)...)
			}
		})
	}
}

func TestFlagGoesBeforeTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(envServer, "127.0.0.1:1")
	must(t, "collection", "create", "c", "--dims", "8", "--data", dir)
	t.Setenv(envServer, "")
	t.Setenv(envData, dir)
	if got := must(t, "collection", "list"); !strings.Contains(got, "c     8 ") {
		t.Errorf("with %s set, collections are %q, want c of 8 dimensions", envData, got)
	}
}

func TestMistypedDirectoryIsNotMade(t *testing.T) {
	dir := t.TempDir() + "/missing"
	for _, command := range [][]string{
		{"collection", "list"},
		{"collection", "describe", "c"},
		{"search", "c", "--id", "a"},
		{"stats", "c"},
		{"check", "c"},
	} {
		mustFail(t, "there is no directory "+dir, append(command, "--data", dir)...)
	}
}

func TestDirectoryThatAServerHoldsIsRefusedWithAWayOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startServer(t, dir)
	mustFail(t, "another process has "+dir+" open; use --server", "collection", "list", "--data", dir)
	mustFail(t, "another process has "+dir+" open; use --server", "serve", "--data", dir, "--listen", "127.0.0.1:0")
	mustFail(t, "another process has "+dir+" open; use --server", "check", "c", "--data", dir)
}

func TestServerThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	mustFail(t, "server 127.0.0.1:1 cannot be reached", "stats", "c", "--server", "127.0.0.1:1")
}
