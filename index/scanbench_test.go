package index

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/topk"
)

// row returns the whole code of a row, word by word.
func (b *ScanBench) row(row uint32) []uint64 {
	seg, at := b.view.segments[row/segmentRows], int(row%segmentRows)
	var words []uint64
	for c, column := range seg.columns {
		width := b.view.layout.width[c]
		for w := range width {
			words = append(words, column[(at/hamming.Lanes*width+w)*hamming.Lanes+at%hamming.Lanes])
		}
	}
	return words
}

// nearest ranks all rows by the definition.
func (b *ScanBench) nearest(candidates int, distance func(row []uint64) int) []topk.Hit {
	hits := make([]topk.Hit, b.view.rows)
	for row := range b.view.rows {
		hits[row] = topk.Hit{Row: row, Distance: uint32(distance(b.row(row)))}
	}
	return topk.Nearest(hits, candidates, 0)
}

// weighted is the sum of a query's magnitudes where row differs from its signs.
func weighted(signs []uint64, planes [][]uint64, row []uint64) int {
	d := 0
	for j, p := range planes {
		for w, x := range p {
			d += bits.OnesCount64(x&(signs[w]^row[w])) << j
		}
	}
	return d
}

func TestScanBenchFindsTheNearestRows(t *testing.T) {
	for _, tt := range []struct {
		rows   uint32
		ladder []int
		dims   int
	}{
		{1, []int{64}, 64},
		{1023, []int{256, 300}, 300},
		{1024, []int{256, 512}, 256},
		{1037, []int{64, 128, 200}, 128},
		{2*segmentRows + 13, []int{64, 128}, 128},
	} {
		b, err := NewScanBench(tt.rows, tt.ladder, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("rows=%d/dims=%d/threads=%d", tt.rows, tt.dims, threads), func(t *testing.T) {
				const queries, candidates = 5, 20
				got := b.Run(t.Context(), queries, tt.dims, threads, candidates)
				for q, query := range b.codes(queries, tt.dims) {
					want := b.nearest(candidates, func(row []uint64) int { return code.Distance(query, row[:len(query)]) })
					if !slices.Equal(got[q], want) {
						t.Errorf("query %d: hits %v, want %v", q, got[q], want)
					}
				}
				got = b.RunPlanes(t.Context(), queries, tt.dims, threads, candidates)
				all := b.codes(queries*planesCodes, tt.dims)
				for q := range queries {
					query := all[q*planesCodes:][:planesCodes]
					want := b.nearest(candidates, func(row []uint64) int { return weighted(query[0], query[1:], row) })
					if !slices.Equal(got[q], want) {
						t.Errorf("query %d of 4 bits: hits %v, want %v", q, got[q], want)
					}
				}
			})
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestScanBenchTakesMoreQueriesThanAPass(t *testing.T) {
	b, err := NewScanBench(100, []int{100}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	one := b.Run(t.Context(), 1, 100, 1, 3)
	many := b.Run(t.Context(), maxPassJobs+1, 100, 1, 3)
	if len(many) != maxPassJobs+1 || !slices.Equal(one[0], many[0]) {
		t.Errorf("%d answers, the first %v, want %d and %v", len(many), many[0], maxPassJobs+1, one[0])
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
	b, err := NewScanBench(1000, []int{64}, 1)
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
	if hits := b.Run(ctx, 1, 64, 1, 3)[0]; len(hits) != 0 {
		t.Errorf("%d hits after the end, want none", len(hits))
	}
	if hits := b.RunPlanes(ctx, 1, 64, 1, 3)[0]; len(hits) != 0 {
		t.Errorf("%d hits of 4 bits after the end, want none", len(hits))
	}
}

func BenchmarkPass(b *testing.B) {
	const rows, dims = 1 << 20, 1024
	s, err := NewScanBench(rows, []int{256, 512, dims}, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	for _, bits := range []int{256, dims} {
		for _, queries := range []int{1, 64} {
			run := func(form string, pass func(ctx context.Context, queries, dims, threads, candidates int) [][]topk.Hit) {
				b.Run(fmt.Sprintf("kernel=%s/bits=%d/form=%s/queries=%d", hamming.Kernel(), bits, form, queries), func(b *testing.B) {
					b.SetBytes(int64(rows) * int64(bits) / 8 * int64(queries))
					b.ReportAllocs()
					for b.Loop() {
						pass(b.Context(), queries, bits, 1, 400)
					}
				})
			}
			run("1bit", s.Run)
			run("4bit", s.RunPlanes)
		}
	}
}
