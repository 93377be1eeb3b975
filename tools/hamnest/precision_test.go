package main

import (
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/dense"
	"github.com/hamnest/hamnest/tools/hamnest/files"
)

// lossy are the precisions that round, with how they lie in memory and the recall@10
// that they must have of what float32 finds.
var lossy = []struct {
	encoder.Precision
	dense.Format
	recall float64
}{
	{encoder.Float16, dense.Float16, 0.995},
	{encoder.BFloat16, dense.BFloat16, 0.99},
	{encoder.Int8, dense.Int8, 0.99},
}

func TestStoredPrecisionsKeepTheRecallOfFloat32(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		set     string
		files   func(t *testing.T) (open files.Opener, folder string)
		queries int
	}{
		{"the bundled sample", func(*testing.T) (files.Opener, string) { return openDemo, "" }, 100},
		{"debian", func(t *testing.T) (files.Opener, string) {
			if !allSets {
				t.Skip("38,333 rows: set HAMNEST_SETS=all")
			}
			return files.Disk, dataFolder(t, "debian")
		}, 500},
	} {
		t.Run(tt.set, func(t *testing.T) {
			open, folder := tt.files(t)
			base, _, err := files.ReadQueries(open, filepath.Join(folder, "base.npy"), 0)
			if err != nil {
				t.Fatal(err)
			}
			queries, _, err := files.ReadQueries(open, filepath.Join(folder, "queries.npy"), tt.queries)
			if err != nil {
				t.Fatal(err)
			}
			// The files have float16s, which Float16 keeps as they are. Scaled to length 1
			// again they are float32s.
			for i, v := range base {
				base[i] = floats.Prefix(v, len(v), encoder.Cosine)
			}
			stored := make([][][]byte, len(lossy))
			for i, p := range lossy {
				for _, v := range base {
					if err := p.Check(v, encoder.Cosine); err != nil {
						t.Fatal(err)
					}
					stored[i] = append(stored[i], p.Append(nil, v))
				}
			}
			recalls := make([][]float64, len(queries))
			var g errgroup.Group
			g.SetLimit(runtime.GOMAXPROCS(0))
			for q, query := range queries {
				g.Go(func() error {
					recalls[q] = recallOfLossy(query, base, stored)
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			for i, p := range lossy {
				var sum float64
				for _, r := range recalls {
					sum += r[i]
				}
				recall := sum / float64(len(queries))
				t.Logf("%v: recall@10 %.4f", p.Precision, recall)
				if recall < p.recall {
					t.Errorf("%v: recall@10 is %.4f, want at least %.4f", p.Precision, recall, p.recall)
				}
			}
		})
	}
}

// recallOfLossy returns for each of lossy which part of the best 10 rows, by what is
// stored of them, are among the best 10 by float32 or tie with the last of those.
func recallOfLossy(query []float32, base [][]float32, stored [][][]byte) []float64 {
	const k = 10
	exact := make([]float64, len(base))
	for row, v := range base {
		product, squares := dense.DotSquares(query, v)
		exact[row] = product / math.Sqrt(squares)
	}
	last := exact[best(exact, k)[k-1]]
	recalls, scores := make([]float64, len(lossy)), make([]float64, len(base))
	for i, p := range lossy {
		for row, v := range stored[i] {
			product, squares := p.DotSquares(query, v)
			scores[row] = product / math.Sqrt(squares)
		}
		for _, row := range best(scores, k) {
			if exact[row] >= last {
				recalls[i] += 1. / k
			}
		}
	}
	return recalls
}

// best returns the k rows of the largest scores, best first, ties to the lower row.
func best(scores []float64, k int) []int {
	var rows []int
	for row, score := range scores {
		if len(rows) == k && score <= scores[rows[k-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(rows, score, func(r int, s float64) int {
			if scores[r] >= s {
				return -1
			}
			return 1
		})
		rows = slices.Insert(rows, at, row)[:min(k, len(rows)+1)]
	}
	return rows
}
