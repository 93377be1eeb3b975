package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// envDies makes a child process, which hamnest check starts from its own binary,
// crash at once when that binary is the test's.
const envDies = "HAMNEST_TEST_DIES"

// TestMain makes the test binary act as the command when it is started like it:
// go test starts it, also as a fuzzing worker, with flags of the testing package.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		if os.Getenv(envDies) != "" {
			panic("a page that cannot be read")
		}
		main()
	}
	for _, name := range []string{envData, envServer} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	var err error
	if shared, err = os.MkdirTemp("", "hamnest-test-"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(shared); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// shared is a folder for what several tests copy.
var shared string

// allSets says that tests are to run at length too, as .ci/run does.
var allSets = os.Getenv("HAMNEST_SETS") == "all"

// ran is what one command line did.
type ran struct {
	stdout, stderr string
	code           int
}

// hamnest runs a command line in this process.
func hamnest(t testing.TB, args ...string) ran {
	t.Helper()
	return hamnestWithInput(t, "", args...)
}

func hamnestWithInput(t testing.TB, stdin string, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return ran{stdout.String(), stderr.String(), code}
}

// must runs a command line that has to succeed and returns its standard output.
func must(t testing.TB, args ...string) string {
	t.Helper()
	r := hamnest(t, args...)
	if r.code != 0 {
		t.Fatalf("hamnest %s: exit code %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// mustFail runs a command line that has to fail, with nothing on standard output
// and want in an error of one line.
func mustFail(t testing.TB, want string, args ...string) {
	t.Helper()
	r := hamnest(t, args...)
	if r.code == 0 {
		t.Errorf("hamnest %s: exit code 0, want a failure that says %q", strings.Join(args, " "), want)
		return
	}
	if !strings.Contains(r.stderr, want) {
		t.Errorf("hamnest %s: error %q, want it to say %q", strings.Join(args, " "), r.stderr, want)
	}
	if lines := strings.Count(r.stderr, "hamnest: "); lines != 1 || !strings.HasSuffix(r.stderr, "\n") {
		t.Errorf("hamnest %s: error %q, want one line", strings.Join(args, " "), r.stderr)
	}
	if r.stdout != "" {
		t.Errorf("hamnest %s: standard output %q after a failure, want none", strings.Join(args, " "), r.stdout)
	}
}

// decode reads the JSON objects that a command printed, one a line.
func decode[T any](t testing.TB, stdout string) []T {
	t.Helper()
	var values []T
	for line := range strings.Lines(stdout) {
		var v T
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("output %q: %v", line, err)
		}
		values = append(values, v)
	}
	return values
}

// eachTarget runs a test on an empty directory, and again on a server of one.
// target is what its command lines end with.
func eachTarget(t *testing.T, test func(t *testing.T, target []string)) {
	t.Helper()
	eachOf(t, func(t testing.TB) string { return t.TempDir() }, test)
}

// eachLearned is eachTarget for directories that have the collection of learnedDir.
func eachLearned(t *testing.T, test func(t *testing.T, target []string)) {
	t.Helper()
	eachOf(t, learnedDir, test)
}

func eachOf(t *testing.T, dir func(testing.TB) string, test func(t *testing.T, target []string)) {
	t.Helper()
	t.Run("on a directory", func(t *testing.T) {
		test(t, []string{"--data", dir(t)})
	})
	t.Run("on a server", func(t *testing.T) {
		test(t, []string{"--server", startServer(t, dir(t))})
	})
}

var servingLine = regexp.MustCompile(`msg=serving address=(\S+) .*kernel=\S+ collections=\d+`)

// startServer runs hamnest serve until the end of the test and returns its address.
func startServer(t testing.TB, dir string, flags ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	messages, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		args := append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, flags...)
		code <- execute(ctx, args, strings.NewReader(""), io.Discard, w)
		_ = w.Close() // an io.Pipe never fails to close
	}()
	lines := bufio.NewScanner(messages)
	address := ""
	for address == "" && lines.Scan() {
		if found := servingLine.FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
	}
	if address == "" {
		stop()
		t.Fatalf("the server ended with code %d before it served", <-code)
	}
	drained := make(chan string, 1)
	go func() {
		var last string
		for lines.Scan() {
			last = lines.Text()
		}
		drained <- last
	}()
	t.Cleanup(func() {
		stop()
		if c := <-code; c != 0 {
			t.Errorf("the server ended with code %d, want 0", c)
		}
		if last := <-drained; !strings.Contains(last, "msg=stopped") {
			t.Errorf("the server's last line is %q, want it to say that it stopped", last)
		}
	})
	return address
}

// on appends the target of a test to a command line.
func on(target []string, args ...string) []string {
	return append(args, target...)
}

// writeFile writes a file into the test's own directory and returns its path.
func writeFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// npyFile writes a .npy file. data is a slice of numbers.
func npyFile(t testing.TB, name, descr, shape string, data any) string {
	t.Helper()
	return writeFile(t, name, npyBytes(t, descr, "False", shape, data))
}

func npyBytes(t testing.TB, descr, fortran, shape string, data any) []byte {
	t.Helper()
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr, fortran, shape)
	dict += strings.Repeat(" ", 117-len(dict)) + "\n" // as NumPy pads it, to 128 bytes in all
	b := append([]byte("\x93NUMPY\x01\x00"), 118, 0)
	b, err := binary.Append(append(b, dict...), binary.LittleEndian, data)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// matrix is rows of vectors, back to back.
type matrix struct {
	rows, cols int
	data       []float32
}

// randomMatrix returns rows of normally distributed components.
func randomMatrix(seed uint64, rows, cols int) matrix {
	rng := rand.New(rand.NewPCG(seed, 0))
	m := matrix{rows, cols, make([]float32, rows*cols)}
	for i := range m.data {
		m.data[i] = float32(rng.NormFloat64())
	}
	return m
}

// spectralMatrix returns rows of normally distributed components that get smaller from
// first to last, as those of models for Matryoshka prefixes do.
func spectralMatrix(seed uint64, rows, cols int) matrix {
	m := randomMatrix(seed, rows, cols)
	for row := range rows {
		for i := range m.row(row) {
			m.row(row)[i] /= float32(1 + i)
		}
	}
	return m
}

// learnedVectors are just enough for a collection to have learned codes.
var learnedVectors = sync.OnceValue(func() matrix { return spectralMatrix(51, 1100, 1024) })

// makeLearned makes the directory that learnedDir copies, once.
var makeLearned sync.Once

// learnedDir returns a directory of the test's own that has a collection l of learnedVectors, with
// learned codes. Its ladder is 64,256,1024.
func learnedDir(t testing.TB) string {
	t.Helper()
	made := filepath.Join(shared, "learned")
	makeLearned.Do(func() {
		must(t, "ingest", "l", learnedVectors().file(t, "base.npy"), "--create", "--ladder", "64,256", "--data", made)
	})
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	info := decode[collectionJSON](t, must(t, "collection", "describe", "l", "--data", dir, "--format", "json"))[0]
	if info.ProfileInForce != "learned" {
		t.Fatalf("the collection has profile %s, want learned", info.ProfileInForce)
	}
	return dir
}

func (m matrix) row(i int) []float32 { return m.data[i*m.cols:][:m.cols] }

func (m matrix) shape() string { return fmt.Sprintf("(%d, %d)", m.rows, m.cols) }

// file writes the matrix as float32.
func (m matrix) file(t testing.TB, name string) string {
	t.Helper()
	return npyFile(t, name, "<f4", m.shape(), m.data)
}

// idLines returns ids, one a line: prefix0, prefix1, ...
func idLines(prefix string, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "%s%d\n", prefix, i)
	}
	return b.Bytes()
}

// snapshot returns what every collection holds and how often it was written to.
func snapshot(t testing.TB, target []string) string {
	t.Helper()
	list := must(t, on(target, "collection", "list", "--format", "json")...)
	all := list
	for _, c := range decode[collectionJSON](t, list) {
		stats := decode[statsJSON](t, must(t, on(target, "stats", c.Name, "--format", "json")...))[0]
		all += fmt.Sprintf("%s: %d vectors, %d retired, %d commits\n", c.Name, stats.Vectors, stats.Retired, stats.Commits)
	}
	return all
}

// dataFolder returns the folder of a data set that is kept beside the repository,
// or skips the test.
func dataFolder(t *testing.T, set string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skip("no go.mod above the test: the data sets are found beside the repository")
		}
		dir = parent
	}
	folder := filepath.Join(dir, "..", "shared", "data", set)
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("the data set %s is not beside the repository: %v", set, err)
	}
	return folder
}
