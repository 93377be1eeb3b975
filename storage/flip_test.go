package storage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// This file flips bits of sound files, one at a time, in children: bbolt walks
// pages in goroutines of its own, and there a damaged page ends the process.

// flipFiles are the files whose bits are flipped, made alike in parent and child.
var flipFiles = map[string]func() (*model, [][]Op){
	// With all kinds of pages but branches.
	"small": func() (*model, [][]Op) {
		m, rng := newModel(tinySchema()), newRand(1)
		return m, [][]Op{m.randomOps(rng, 20), m.randomOps(rng, 12)}
	},
	// With branch pages in rows and hashes.
	"with branches": func() (*model, [][]Op) {
		m, rng := newModel(tinySchema()), newRand(2)
		var ops []Op
		for i := range 280 {
			op := m.randomOp(rng, fmt.Sprintf("%s-%03d", strings.Repeat("id", 8), i))
			op.Metadata = randomBytes(rng, 20)
			ops = append(ops, op)
		}
		return m, [][]Op{ops, {ops[3], {ID: ops[70].ID, Delete: true}}}
	},
}

// makeFlipFile makes such a file at path and returns how many of its bytes count.
func makeFlipFile(t *testing.T, name, path string) int64 {
	t.Helper()
	m, commits := flipFiles[name]()
	if err := CreateShard(path, m.schema); err != nil {
		t.Fatal(err)
	}
	s := openSound(t, path)
	for _, ops := range commits {
		mustCommit(t, s, ops...)
		m.commit(ops)
	}
	m.mustHold(t, s)
	mustClose(t, s)
	s = openShard(t, path) // closing wrote the freelist
	size := int64(len(snapshot(t, s)))
	mustClose(t, s)
	if err := os.Truncate(path, size); err != nil { // what follows is a hole
		t.Fatal(err)
	}
	return size
}

// A flipped bit leaves a file with the right answers, or it is found: by opening,
// by the reader that meets it, and by Check or CheckPages.
//
// HAMNEST_LONG=1 flips a bit of every byte of the small file, and HAMNEST_LONG=all of both.
func TestAFlippedBitNeverGivesAWrongAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of flipping")
	}
	t.Parallel()
	seed := newSeed(t)
	for name := range flipFiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), shardFile)
			size := makeFlipFile(t, name, path)
			offsets := flipOffsets(name, size, seed)
			const chunk = 500 // its child collects no garbage, and each file not opened may leave 64 GiB of address space
			var running sync.WaitGroup
			var mu sync.Mutex
			total := make(map[string]int)
			free := make(chan struct{}, 2)
			for from := 0; from < len(offsets); from += chunk {
				free <- struct{}{}
				running.Go(func() {
					defer func() { <-free }()
					counts := flipInChildren(t, name, path, seed, from, min(from+chunk, len(offsets)))
					mu.Lock()
					defer mu.Unlock()
					for what, n := range counts {
						total[what] += n
					}
				})
			}
			running.Wait()
			t.Logf("%d flips in %d bytes: %v", len(offsets), size, total)
			if total["right"] == 0 || total["refused"] == 0 || total["not opened"] == 0 {
				t.Error("want some of each: right answers, refused ones, and files not opened")
			}
		})
	}
}

// flipOffsets returns the bits to flip, as offset*8+bit: one of every byte, or of
// every byte that tells bbolt what a page is and of some of the others.
func flipOffsets(name string, size int64, seed uint64) []int64 {
	rng := newRand(seed)
	every, structure := int64(16), int64(64)
	switch {
	case long && (name == "small" || os.Getenv("HAMNEST_LONG") == "all"):
		every = 1
	case raceEnabled:
		every, structure = 32, 0
	case name != "small" && !long:
		every = 64
	}
	const page = 4096
	var offsets []int64
	for at := range size {
		bit := int64(rng.IntN(8))
		if rng.Int64N(every) == 0 || at%page < structure {
			offsets = append(offsets, at*8+bit)
		}
	}
	return offsets
}

// flipInChildren has the flips from..to-1 done, by as many children as they kill,
// and returns how often came what.
func flipInChildren(t *testing.T, name, path string, seed uint64, from, to int) map[string]int {
	counts := make(map[string]int)
	for from < to {
		cmd := child(t, "flip", name, path, strconv.FormatUint(seed, 10), strconv.Itoa(from), strconv.Itoa(to))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Error(err)
			return counts
		}
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return counts
		}
		at, doing := from, "start"
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			verb, rest, _ := strings.Cut(lines.Text(), " ")
			switch verb {
			case "flip":
				if at, err = strconv.Atoi(rest); err != nil {
					t.Error(err)
				}
				doing = "open"
			case "doing":
				doing = rest
			case "wrong":
				t.Errorf("flip %d: %s", at, rest)
			case "count":
				counts[rest]++
			}
		}
		err = cmd.Wait()
		if err == nil {
			return counts
		}
		counts[mayEnd(t, at, doing, stderr.String())]++
		from = at + 1
	}
	return counts
}

// mayEnd names the end of a child that was killed, which must be one that nothing
// in that process can catch: in bbolt's own check, which walks damaged pages in a
// goroutine of its own.
func mayEnd(t *testing.T, at int, doing, stderr string) string {
	if doing == "pages" && (strings.Contains(stderr, "bbolt.(*Tx).check") || strings.Contains(stderr, outOfMemory)) {
		return "killed in bbolt's check"
	}
	if raceEnabled && strings.Contains(stderr, "fatal error: checkptr") {
		return "killed by the race detector" // which also watches pointers, to the last byte
	}
	t.Errorf("flip %d killed its process in %s:\n%.3000s", at, doing, stderr)
	return "killed"
}

// flipBytes is the child: it flips bits of a copy of the file and tells its parent
// what came of each, before and after whatever could be its end.
func flipBytes(args []string) error {
	debug.SetMaxStack(8 << 20) // pages in a ring are an endless recursion: end it soon
	// bbolt copies a small bucket to the heap when it is not aligned, and follows a
	// damaged offset out of the copy: into an earlier one, perhaps, whose values are
	// whole. As long as nothing is collected, they stay so while they are compared.
	debug.SetGCPercent(-1)
	go watchMemory()
	name, path := args[0], args[1]
	seed, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return err
	}
	from, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	to, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	m, commits := flipFiles[name]()
	for _, ops := range commits {
		m.commit(ops)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	work := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(work, content, 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(work, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for i, offset := range flipOffsets(name, int64(len(content)), seed)[from:to] {
		fmt.Println("flip", from+i)
		at := offset / 8
		if _, err := f.WriteAt([]byte{content[at] ^ 1<<(offset%8)}, at); err != nil {
			return err
		}
		what := judge(m, work)
		if strings.HasPrefix(what, "wrong") {
			fmt.Printf("%s (bit %d of byte %d)\n", strings.ReplaceAll(what, "\n", "; "), offset%8, at)
		} else {
			fmt.Println("count", what)
		}
		if _, err := f.WriteAt(content[at:at+1], at); err != nil {
			return err
		}
	}
	return errors.Join(f.Close(), os.Remove(work))
}

// watchMemory ends the process before it ends the machine, where it can see how
// much it has. Only bbolt's own check may use as much: it notes what a page claims.
func watchMemory() {
	for range time.Tick(5 * time.Millisecond) {
		var all, resident int64
		if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
			_, _ = fmt.Sscan(string(statm), &all, &resident)
		}
		if resident*int64(os.Getpagesize()) > 1<<30 {
			fmt.Fprintln(os.Stderr, outOfMemory)
			os.Exit(1)
		}
	}
}

const outOfMemory = "the process grows and grows"

// judge says what comes of a damaged file of m's contents.
func judge(m *model, path string) (what string) {
	s, err := OpenShard(path)
	if err != nil {
		return "not opened"
	}
	defer func() {
		fmt.Println("doing close")
		if err := s.Close(); err != nil {
			what = fmt.Sprintf("wrong close: %v", err)
		}
	}()
	fmt.Println("doing read")
	v := m.read(s)
	if len(v.wrong) > 0 {
		return fmt.Sprintf("wrong answers %.500q", v.wrong)
	}
	for _, err := range v.errs {
		if !errors.Is(err, ErrCorrupt) {
			return fmt.Sprintf("wrong error %v", err)
		}
	}
	what = "right"
	if len(v.errs) > 0 {
		what = "refused"
	}
	if what != "right" { // then Check finds it, or bbolt in its pages
		fmt.Println("doing check")
		report, err := s.Check(context.Background(), nil)
		if err != nil {
			return fmt.Sprintf("wrong: check: %v", err)
		}
		fmt.Println("doing pages")
		if found := s.CheckPages(); len(report.Problems)+len(found) == 0 {
			return fmt.Sprintf("wrong: %s, and no check finds a thing", what)
		}
	}
	return what
}
