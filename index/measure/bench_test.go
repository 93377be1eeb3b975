package measure

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/scan"
	"github.com/hamnest/hamnest/index/topk"
)

// row returns the whole code of a row, word by word.
func (b *ScanBench) row(row uint32) []uint64 {
	return b.view.Code(nil, row, 0)
}

// nearest ranks all rows by the sum of the magnitudes where they differ from the query's signs.
func (b *ScanBench) nearest(q hamming.Query, candidates int) []topk.Hit {
	hits := make([]topk.Hit, b.view.Rows())
	for row := range b.view.Rows() {
		words, first := b.row(row), 0
		var s float32
		for _, term := range q.Terms {
			d := 0
			for i, m := range term.Magnitudes {
				if bit := words[first+i/code.WordBits] >> (i % code.WordBits) & 1; m > 0 && bit == 0 || m < 0 && bit == 1 {
					d += max(int(m), -int(m))
				}
			}
			first += len(term.Magnitudes) / code.WordBits
			s -= float32(d)
		}
		hits[row] = topk.Hit{Row: row, Distance: scan.RankOf(s)}
	}
	return topk.Nearest(hits, candidates)
}

func TestScanBenchFindsTheNearestRows(t *testing.T) {
	for _, tt := range []struct {
		rows uint32
		dims int
	}{{1, 64}, {1023, 300}, {1024, 256}, {1037, 200}, {codes.SegmentRows + 13, 128}, {100, 5000}} {
		b, err := NewScanBench(tt.rows, tt.dims, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2, 5} {
			const queries, candidates = 5, 20
			got := b.Run(t.Context(), queries, threads, candidates)
			for q, query := range b.queries[:queries] {
				if want := b.nearest(query, candidates); !slices.Equal(got[q], want) {
					t.Errorf("%d rows of %d bits, %d threads: query %d: hits %v, want %v", tt.rows, tt.dims, threads, q, got[q], want)
				}
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestScanBenchTakesMoreQueriesThanAPass(t *testing.T) {
	b, err := NewScanBench(100, 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	one := b.Run(t.Context(), 1, 1, 3)
	many := b.Run(t.Context(), scan.MaxPassJobs+1, 1, 3)
	if len(many) != scan.MaxPassJobs+1 || !slices.Equal(one[0], many[0]) {
		t.Errorf("%d answers, the first %v, want %d and %v", len(many), many[0], scan.MaxPassJobs+1, one[0])
	}
	if b.MaxThreads() != 1 {
		t.Errorf("100 rows for %d threads, want 1", b.MaxThreads())
	}
	for row := range uint32(100) {
		if !code.Padded(b.row(row), 100) {
			t.Fatalf("row %d has bits past the last dimension", row)
		}
	}
}

func TestScanBenchStopsWhenItsContextEnds(t *testing.T) {
	b, err := NewScanBench(1000, 64, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if hits := b.Run(ctx, 1, 1, 3)[0]; len(hits) != 0 {
		t.Errorf("%d hits after the end, want none", len(hits))
	}
}

func BenchmarkPass(b *testing.B) {
	const rows = 1 << 20
	for _, bits := range []int{128, 512} {
		s, err := NewScanBench(rows, bits, 1)
		if err != nil {
			b.Fatal(err)
		}
		for _, queries := range []int{1, 64} {
			b.Run(fmt.Sprintf("kernel=%s/bits=%d/queries=%d", hamming.Kernel(), bits, queries), func(b *testing.B) {
				b.SetBytes(int64(rows) * int64(bits) / 8 * int64(queries))
				b.ReportAllocs()
				for b.Loop() {
					s.Run(b.Context(), queries, 1, 400)
				}
			})
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}
