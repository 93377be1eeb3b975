package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// This file is what the other tests stand on: children of the test binary, seeds,
// and shards that are proven sound when their test ends.

// long asks for the exhaustive forms of tests that take a sample otherwise: HAMNEST_LONG.
var long = os.Getenv("HAMNEST_LONG") != ""

// childVariable names the job of a child process; the test binary without it runs
// tests.
const childVariable = "HAMNEST_STORAGE_CHILD"

var childJobs = map[string]func(args []string) error{
	"commit":  commitUntilKilled,
	"catalog": catalogUntilKilled,
	"flip":    flipBytes,
}

func TestMain(m *testing.M) {
	job := os.Getenv(childVariable)
	if job == "" {
		os.Exit(m.Run())
	}
	if err := childJobs[job](os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

// child returns the command that runs a job in a process of its own.
func child(t *testing.T, job string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+job)
	return cmd
}

// seedVariable brings a failure back.
const seedVariable = "HAMNEST_SEED"

// newSeed returns a fresh seed, or the one asked for, and logs how to ask for it.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("to repeat: %s=%d go test -run '^%s$' ./storage", seedVariable, seed, t.Name())
	return seed
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// tinySchema is awkward on purpose: codes with padding, two scalars, vectors with
// padding, and so few rows to a block that a handful crosses its edges.
func tinySchema() Schema {
	return Schema{Dims: 70, Scalars: 2, VectorBytes: 13, BlockRows: 8, ChunkRows: 4, Engine: json.RawMessage(`{"metric":"cosine"}`)}
}

// newShard makes and opens a shard, which must be sound when the test ends.
func newShard(t testing.TB, schema Schema) *Shard {
	t.Helper()
	path := filepath.Join(t.TempDir(), shardFile)
	if err := CreateShard(path, schema); err != nil {
		t.Fatal(err)
	}
	return openSound(t, path)
}

// openSound opens a shard, which must be sound when the test ends.
func openSound(t testing.TB, path string) *Shard {
	t.Helper()
	t.Cleanup(func() { // after the Close that openShard registers
		if !t.Failed() {
			mustBeSound(t, path)
		}
	})
	return openShard(t, path)
}

// openShard opens a shard that is closed when the test ends. It does not sync:
// no test but those that kill the process can tell, and they do not use it.
func openShard(t testing.TB, path string) *Shard {
	t.Helper()
	s, err := OpenShard(path)
	if err != nil {
		t.Fatal(err)
	}
	s.db.NoSync = true
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !s.stuck && !errors.Is(err, berrors.ErrDatabaseNotOpen) {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func mustClose(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// mustBeSound opens a closed file and fails the test for every problem in it.
func mustBeSound(t testing.TB, path string) {
	t.Helper()
	s, err := OpenShard(path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	for _, problem := range problems(t, s) {
		t.Errorf("%s: %s", path, problem)
	}
	mustClose(t, s)
}

// problems returns what Check finds.
func problems(t testing.TB, s *Shard) []string {
	t.Helper()
	if found := s.CheckPages(); len(found) > 0 {
		return found
	}
	// A test's own context is over when its cleanups run.
	report, err := s.Check(context.WithoutCancel(t.Context()), nil)
	if err != nil {
		t.Errorf("check: %v", err)
	}
	return report.Problems
}

func mustCommit(t testing.TB, s *Shard, ops ...Op) []Applied {
	t.Helper()
	applied, err := s.Commit(ops)
	if err != nil {
		t.Fatalf("commit of %d ops: %v", len(ops), err)
	}
	return applied
}

// copyWhileOpen copies the file of an open shard as a backup program would that
// knows nothing of it: what a crash leaves.
func copyWhileOpen(t testing.TB, s *Shard) string {
	t.Helper()
	var used int64 // past it the file is one hole, of 64 MiB at first
	err := s.db.View(func(tx *bolt.Tx) error {
		used = tx.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), shardFile)
	copyFile(t, path, s.path, used)
	info, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()); err != nil {
		t.Fatal(err)
	}
	return path
}

// copyFile copies the first size bytes of a file, or as many as there are.
func copyFile(t testing.TB, to, from string, size int64) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, src)
	dst, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, io.LimitReader(src, size)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, dst)
}

// tamper changes a closed file through bbolt, behind the package's back.
func tamper(t testing.TB, path string, change func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(change); err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)
}

// mentions reports whether one of lines has want in it.
func mentions(lines []string, want string) bool {
	for _, line := range lines {
		if strings.Contains(line, want) {
			return true
		}
	}
	return false
}
