package storage

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// This file kills processes while they write, and looks at what they leave.

// crashRounds is how often: HAMNEST_CRASH_ROUNDS, or few.
func crashRounds(t *testing.T) int {
	t.Helper()
	if given := os.Getenv("HAMNEST_CRASH_ROUNDS"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		return 2
	}
	return 10
}

// killAtRandom runs a child job, kills it at a random moment after it has spoken
// for the first time, and returns the lines that it got out.
func killAtRandom(t *testing.T, rng *rand.Rand, job string, args ...string) []string {
	t.Helper()
	cmd := child(t, job, args...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	moment := time.Duration(rng.Int64N(int64(30 * time.Millisecond)))
	var lines []string
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		if len(lines) == 0 {
			time.AfterFunc(moment, func() { _ = cmd.Process.Kill() })
		}
		lines = append(lines, scanner.Text())
	}
	if err := cmd.Wait(); err == nil {
		t.Fatalf("the child ended by itself, after %q", lines)
	}
	if len(lines) == 0 {
		t.Fatal("the child said nothing")
	}
	return lines
}

// crashOps is what the n-th commit of the child does: both sides know it.
func crashOps(m *model, seed, n uint64) []Op {
	rng := rand.New(rand.NewPCG(seed, n))
	return m.randomOps(rng, 1+rng.IntN(3*m.schema.BlockRows))
}

// commitUntilKilled is the child: it commits, and says the number of each commit
// when it is acknowledged.
func commitUntilKilled(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	s, err := OpenShard(args[0])
	if err != nil {
		return err
	}
	m := newModel(s.schema)
	fmt.Println(s.state.Commits)
	for {
		n := s.state.Commits + 1
		if _, err := s.Commit(crashOps(m, seed, n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// What was acknowledged is there after kill -9, and nothing of half a commit is.
func TestAcknowledgedCommitsSurviveAKill(t *testing.T) {
	t.Parallel()
	seed := newSeed(t)
	rng := newRand(seed)
	path := filepath.Join(t.TempDir(), shardFile)
	m := newModel(tinySchema())
	if err := CreateShard(path, m.schema); err != nil {
		t.Fatal(err)
	}
	for round := range crashRounds(t) {
		lines := killAtRandom(t, rng, "commit", path, strconv.FormatUint(seed, 10))
		acknowledged, err := strconv.ParseUint(lines[len(lines)-1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s, err := OpenShard(path)
		if err != nil {
			t.Fatal(err)
		}
		there := s.state.Commits
		if there != acknowledged && there != acknowledged+1 {
			t.Errorf("round %d: %d commits are there, of %d acknowledged and at most one under way", round, there, acknowledged)
		}
		for m.commits < there {
			m.commit(crashOps(m, seed, m.commits+1))
		}
		m.mustHold(t, s)
		if found := problems(t, s); len(found) > 0 {
			t.Fatalf("round %d: %q", round, found)
		}
		mustClose(t, s)
	}
	t.Logf("%d commits", m.commits)
}

// catalogUntilKilled is the child: it makes, relabels and drops collections at
// random and says what it is about to do, and that it is done.
func catalogUntilKilled(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	rng := newRand(seed)
	c, err := OpenCatalog(args[0])
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		name, label := fmt.Sprint("c", rng.IntN(5)), fmt.Sprintf("%d.%d", seed, i)
		labels := map[string]string{"at": label}
		switch rng.IntN(3) {
		case 0:
			fmt.Println("try drop", name)
			err = c.Delete(name)
		case 1:
			fmt.Println("try label", name, label)
			_, err = c.SetLabels(name, labels)
		default:
			fmt.Println("try make", name, label)
			_, err = c.Create(name, labels, tinySchema())
		}
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrExists) {
			return err
		}
		fmt.Println("done")
	}
}

// A killed process leaves a directory with the collections that it acknowledged,
// whole, and no others; the one under way is as before or as after.
func TestAKillLeavesACatalogOfWholeCollections(t *testing.T) {
	t.Parallel()
	seed := newSeed(t)
	rng := newRand(seed)
	dir := t.TempDir()
	want := make(map[string]string) // the label of each collection
	for round := range crashRounds(t) {
		lines := killAtRandom(t, rng, "catalog", dir, strconv.FormatUint(seed+uint64(round), 10))
		before := maps.Clone(want)
		for i, line := range lines {
			if line == "done" {
				continue
			}
			before = maps.Clone(want)
			do(want, strings.Fields(line)[1:])
			if i+1 < len(lines) {
				before = want
			}
		}
		c := openCatalog(t, dir)
		entries, err := c.List()
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		for _, e := range entries {
			got[e.Name] = e.Labels["at"]
		}
		if !maps.Equal(got, want) && !maps.Equal(got, before) {
			t.Fatalf("round %d: collections are %v, want %v or, before the last, %v", round, got, want, before)
		}
		want = got
		mustList(t, c, entries)
		mustClose(t, c)
	}
}

// do does to a map what the child does to a catalog.
func do(labels map[string]string, words []string) {
	_, there := labels[words[1]]
	switch {
	case words[0] == "drop":
		delete(labels, words[1])
	case there == (words[0] == "label"):
		labels[words[1]] = words[2]
	}
}
