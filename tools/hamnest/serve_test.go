package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestServerEndsInOrderOnSIGTERM(t *testing.T) {
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "serve", "--data", dir, "--listen", "127.0.0.1:0")
	stderr, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var log []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		log = append(log, lines.Text())
		if found := servingLine.FindStringSubmatch(lines.Text()); found != nil {
			must(t, "collection", "create", "c", "--dims", "8", "--server", found[1])
			if err := child.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err != nil || len(log) == 0 || !strings.Contains(log[len(log)-1], "msg=stopped") {
		t.Errorf("the server ended with %v and log %q, want a clean end", err, log)
	}
	if got := must(t, "collection", "list", "--data", dir); !strings.Contains(got, "\nc  ") {
		t.Errorf("after the end the directory has %q, want c", got)
	}
}

func TestServeRefusesWhatItCannotDo(t *testing.T) {
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	file := writeFile(t, "file", nil)
	for _, tt := range []struct {
		name string
		want string
		args []string
	}{
		{"no directory", "give --data DIR (or set HAMNEST_DATA)", nil},
		{"an address in use", "address already in use", []string{"--data", t.TempDir(), "--listen", taken.Addr().String()}},
		{"an address that is none", "address nonsense", []string{"--data", t.TempDir(), "--listen", "nonsense"}},
		{"more live queries than it can keep", "--live-queries is 10001, want 0 to 10000", []string{"--data", t.TempDir(), "--live-queries", "10001"}},
		{"fewer live queries than none", "--live-queries is -1, want 0 to 10000", []string{"--data", t.TempDir(), "--live-queries", "-1"}},
		{"a file as directory", file, []string{"--data", file, "--listen", "127.0.0.1:0"}},
		{"a server as directory", "unknown flag: --server; see hamnest serve --help", []string{"--server", "localhost:1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mustFail(t, tt.want, append([]string{"serve"}, tt.args...)...)
		})
	}
}
