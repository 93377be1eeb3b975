package measure

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/isa"
	scanbench "github.com/hamnest/hamnest/index/measure"
	"github.com/hamnest/hamnest/tools/hamnest/machine"
)

// ScanLine is one line of bench scan, in the order in which it is printed.
type ScanLine struct {
	Kernel           string  `json:"kernel"`
	QueryBits        int     `json:"query_bits"`
	Bits             int     `json:"bits"`
	Rows             int     `json:"rows"`
	Queries          int     `json:"queries"`
	Threads          int     `json:"threads"`
	MSPerQuery       float64 `json:"ms_per_query"`
	GBPerS           float64 `json:"gb_per_s"`
	BandwidthGBPerS  float64 `json:"bandwidth_gb_per_s"`
	PopcountGBPerS   float64 `json:"popcount_gb_per_s"`
	RatioToBandwidth float64 `json:"ratio_to_bandwidth"`
	RatioToPopcount  float64 `json:"ratio_to_popcount"`
}

// The buffer for measuring memory is as large as the codes, within these bounds: so large
// that caches hold little of it, and no larger than most machines can spare.
const (
	minReadBytes = 256 << 20
	maxReadBytes = 1 << 30
)

// scanQueryBits is how many bits a component of a query has in the scan, besides its sign.
const scanQueryBits = 4

// Scan says what to measure: scans of Rows codes of each number of Bits, with 1 and with
// Queries queries, on 1 and on Threads threads.
type Scan struct {
	Rows, Queries, Threads, Candidates int
	Bits                               []int
	// Time is the shortest time to measure each line.
	Time time.Duration
}

// rowBytes is what a row takes besides its code.
const rowBytes = 8

// Bytes is about the memory that Measure takes at most: the codes and the buffer to read.
func (f *Scan) Bytes() uint64 {
	return uint64(f.Rows)*uint64(8*code.Words(slices.Max(f.Bits))+rowBytes) + uint64(f.readBytes())
}

// readBytes is the size of the buffer to read.
func (f *Scan) readBytes() int {
	return min(max(f.Rows*slices.Max(f.Bits)/8, minReadBytes), maxReadBytes)
}

// Measure measures the kernel of this process.
func (f *Scan) Measure(ctx context.Context) (lines []ScanLine, err error) {
	memory, err := machine.NewMemory(f.readBytes())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	for _, bits := range f.Bits {
		more, err := f.linesOf(ctx, memory, bits)
		if err != nil {
			return nil, err
		}
		lines = append(lines, more...)
	}
	return lines, nil
}

// linesOf measures codes of one number of bits.
func (f *Scan) linesOf(ctx context.Context, memory *machine.Memory, bits int) (lines []ScanLine, err error) {
	codes, err := scanbench.NewScanBench(uint32(f.Rows), bits, 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, codes.Close()) }()
	kernel := isa.Active()
	counted, _ := machine.Count(kernel, 1)
	var turns turns
	bandwidth, popcount := make(map[int]*measurement), make(map[int]*measurement) // by threads
	threads := oneAnd(min(f.Threads, codes.MaxThreads()))
	for _, n := range threads {
		bandwidth[n] = turns.add(float64(memory.Bytes()), func() { memory.Read(n) })
		popcount[n] = turns.add(float64(n*counted), func() { machine.Count(kernel, n) })
	}
	var passes []*measurement
	for _, queries := range oneAnd(f.Queries) {
		for _, n := range threads {
			lines = append(lines, ScanLine{Kernel: kernel.String(), QueryBits: scanQueryBits, Bits: bits, Rows: f.Rows, Queries: queries, Threads: n})
			passes = append(passes, turns.add(float64(f.Rows)*float64(bits)/8*float64(queries), func() { codes.Run(ctx, queries, n, f.Candidates) }))
		}
	}
	if err := turns.take(ctx, f.Time); err != nil {
		return nil, err
	}
	for i := range lines {
		line := &lines[i]
		line.MSPerQuery = Milliseconds(passes[i].median()) / float64(line.Queries)
		line.GBPerS = passes[i].gbPerS()
		line.BandwidthGBPerS = bandwidth[line.Threads].gbPerS()
		line.PopcountGBPerS = popcount[line.Threads].gbPerS() / scanQueryBits
		line.RatioToBandwidth = line.GBPerS / line.BandwidthGBPerS
		line.RatioToPopcount = line.GBPerS / line.PopcountGBPerS
	}
	return lines, nil
}

// oneAnd returns 1 and n, which may be the same.
func oneAnd(n int) []int { return slices.Compact([]int{1, n}) }
