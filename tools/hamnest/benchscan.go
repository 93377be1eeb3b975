package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/tools/hamnest/machine"
	"github.com/hamnest/hamnest/tools/hamnest/measure"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

// benchScanFlags are the flags of bench scan.
type benchScanFlags struct {
	rows, queries, threads, candidates int
	// Every combination of these is measured, with 1 and queries queries on 1 and
	// threads threads.
	kernels []string
	bits    []int
	// time is the shortest time to measure each line.
	time time.Duration
}

func benchScanCommand(format *show.Format) *cobra.Command {
	var flags benchScanFlags
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Measure the scan beside this machine's memory and arithmetic",
		Long: `Scan fills memory with random codes, laid out as a collection of that many rows keeps
them, and runs the engine's passes over them: blocks of rows against tiles of queries,
where each query keeps its nearest --candidates. In between, in the same process, it
measures how fast this machine reads memory and counts bits. It prints a line for each
kernel, code size, number of queries and number of threads:

  kernel              generic (pure Go), avx2 or avx512, each in a process of its own
  query_bits          bits of each component of a query, besides its sign: 4
  bits                bits of a code that are scanned, one for each dimension
  rows                number of codes
  queries             queries compared together; one pass serves at most 64
  threads             threads used. Each takes 4,096 rows at a time, so a few rows use
                      fewer threads
  ms_per_query        time of a pass, divided by its queries
  gb_per_s            bytes of codes compared a second, counted once for each query
  bandwidth_gb_per_s  the machine's read bandwidth: the same number of threads read a
                      buffer as large as the codes (256 MiB at least, so that caches
                      hold little of it, and 1 GiB at most) with the widest loads
  popcount_gb_per_s   how fast this instruction set can count bits: 4 queries against
                      codes in the L1 cache, with nothing but load, exclusive or, count
                      and add. It is divided by 4, since a query of 4 bits needs 4
                      counts. A kernel that looks up sums instead can be faster
  ratio_to_bandwidth, ratio_to_popcount
                      gb_per_s divided by these two. Several queries share each read, so
                      the first can be above 1, as it can when codes fit into a cache

Each number is the median of at least 5 passes, and of as many as --time has room for,
spread over the whole run. A GB is 10^9 bytes. One million codes of 1,024 bits take one
to two minutes and 400 MB of memory.`,
		Example: `  hamnest bench scan --rows 1000000 --bits 1024
  hamnest bench scan --rows 1000000 --bits 1024 --kernel avx512 --threads 2 --format json`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			return flags.measure(cmd, newOutput(cmd, format))
		},
	}
	f := cmd.Flags()
	flags.rows = 1_000_000
	f.Var(countFlag[int]{&flags.rows}, "rows", "codes to scan")
	f.IntSliceVar(&flags.bits, "bits", []int{1024}, "bits a code")
	f.IntVar(&flags.queries, "queries", 64, "queries to measure together; one alone is measured too")
	f.IntVar(&flags.threads, "threads", 0, "threads to measure on; one is measured too (default all cores)")
	f.IntVar(&flags.candidates, "candidates", 400, "rows that each query keeps")
	f.StringSliceVar(&flags.kernels, "kernel", nil, "kernels to measure (default $"+isa.Variable+", or all that this machine can run)")
	f.DurationVar(&flags.time, "time", 500*time.Millisecond, "shortest time to measure each line")
	completeFrom(cmd, "kernel", usableKernels()...)
	return cmd
}

// check fills in the defaults of the flags, and returns what is wrong with them.
func (f *benchScanFlags) check() error {
	for _, n := range []struct {
		flag               string
		value, least, most int
	}{
		{"--rows", f.rows, 1, math.MaxInt32},
		{"--queries", f.queries, 1, maxBenchQueries},
		{"--threads", f.threads, 0, runtime.GOMAXPROCS(0)},
		{"--candidates", f.candidates, 1, math.MaxInt32},
	} {
		if n.value < n.least || n.value > n.most {
			return fmt.Errorf("%s is %d, want %d to %d", n.flag, n.value, max(n.least, 1), n.most)
		}
	}
	if f.threads == 0 {
		f.threads = runtime.GOMAXPROCS(0)
	}
	if f.time <= 0 || f.time > time.Hour {
		return fmt.Errorf("--time is %v, want more than 0s and at most 1h", f.time)
	}
	for _, n := range f.bits {
		if n < 1 || n > encoder.MaxDims {
			return fmt.Errorf("--bits has %d, want 1 to %d", n, encoder.MaxDims)
		}
	}
	if free, known := machine.FreeBytes(); known {
		if want := f.scan().Bytes(); want > free {
			return fmt.Errorf("--rows %d of --bits %d take %s of memory, and %s are free: want fewer or shorter codes", f.rows, slices.Max(f.bits), show.Bytes(want), show.Bytes(free))
		}
	}
	usable := usableKernels()
	if len(f.kernels) == 0 {
		f.kernels = usable
		if name := os.Getenv(isa.Variable); name != "" {
			f.kernels = []string{name}
		}
	}
	for _, name := range f.kernels {
		if !slices.Contains(usable, name) {
			return fmt.Errorf("--kernel has %q, want those that this machine can run: %v", name, usable)
		}
	}
	return nil
}

// scan is what to measure of each kernel.
func (f *benchScanFlags) scan() *measure.Scan {
	return &measure.Scan{Rows: f.rows, Queries: f.queries, Threads: f.threads, Candidates: f.candidates, Bits: f.bits, Time: f.time}
}

// maxBenchQueries bounds the memory that queries take.
const maxBenchQueries = 1 << 16

func usableKernels() []string {
	var names []string
	for _, set := range isa.Usable() {
		names = append(names, set.String())
	}
	return names
}

var scanHeader = []string{
	"kernel", "query_bits", "bits", "rows", "queries", "threads", "ms_per_query", "gb_per_s",
	"bandwidth_gb_per_s", "popcount_gb_per_s", "ratio_to_bandwidth", "ratio_to_popcount",
}

func scanCells(l measure.ScanLine) []string {
	return []string{
		l.Kernel, strconv.Itoa(l.QueryBits), strconv.Itoa(l.Bits), strconv.Itoa(l.Rows), strconv.Itoa(l.Queries), strconv.Itoa(l.Threads),
		fmt.Sprintf("%.4f", l.MSPerQuery), fmt.Sprintf("%.2f", l.GBPerS), fmt.Sprintf("%.2f", l.BandwidthGBPerS), fmt.Sprintf("%.2f", l.PopcountGBPerS),
		fmt.Sprintf("%.3f", l.RatioToBandwidth), fmt.Sprintf("%.3f", l.RatioToPopcount),
	}
}

// measure measures every kernel and prints its lines: each one at once for programs, all together
// in a table for people.
func (f *benchScanFlags) measure(cmd *cobra.Command, out show.Output) error {
	p := show.NewProgress(cmd.ErrOrStderr(), "measuring", int64(len(f.kernels)), false)
	defer p.Done()
	var rows [][]string
	most := 0 // threads
	for _, kernel := range f.kernels {
		p.Describe("measuring " + kernel)
		lines, err := f.lines(cmd.Context(), kernel)
		if err != nil {
			return fmt.Errorf("kernel %s: %w", kernel, err)
		}
		for _, line := range lines {
			most = max(most, line.Threads)
			if !out.JSON {
				rows = append(rows, scanCells(line))
			} else if err := out.Object(line); err != nil {
				return err
			}
		}
		p.Add(1)
	}
	if cmd.Flags().Changed("threads") && most < f.threads {
		cmd.PrintErrf("%d rows are enough work for %d threads, not for %d\n", f.rows, most, f.threads)
	}
	if out.JSON {
		return nil
	}
	return out.Numbers(scanHeader, rows)
}

// lines measures one kernel. If it is not the kernel of this process it does so in a child process,
// because a process chooses its kernel when it starts.
func (f *benchScanFlags) lines(ctx context.Context, kernel string) ([]measure.ScanLine, error) {
	if kernel == isa.Active().String() && len(f.kernels) == 1 {
		return f.scan().Measure(ctx)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot start a second process: %w", err)
	}
	var stdout, stderr bytes.Buffer
	child := exec.CommandContext(ctx, self, "bench", "scan", "--format", "json", "--kernel", kernel,
		"--rows", strconv.Itoa(f.rows), "--bits", show.Ints(f.bits), "--queries", strconv.Itoa(f.queries), "--threads", strconv.Itoa(f.threads),
		"--candidates", strconv.Itoa(f.candidates), "--time", f.time.String())
	child.Env = append(os.Environ(), isa.Variable+"="+kernel)
	child.Stdout, child.Stderr = &stdout, &stderr
	err = child.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("the process that measured it: %w: %s", err, firstLine(stderr.String()))
	}
	var lines []measure.ScanLine
	for dec := json.NewDecoder(&stdout); ; {
		var line measure.ScanLine
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil:
			return nil, fmt.Errorf("the process that measured it: %w", err)
		}
		lines = append(lines, line)
	}
}
