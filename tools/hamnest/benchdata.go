package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/tools/hamnest/show"
	"github.com/hamnest/hamnest/tools/hamnest/synthetic"
)

func benchDataCommand(format *show.Format) *cobra.Command {
	var set synthetic.Set
	var dir string
	cmd := &cobra.Command{
		Use:   "data --rows N --dims D --out DIR",
		Short: "Make vectors, queries and exact answers of any size",
		Long: `Data makes up a set of vectors to ingest and measure with, for when no real set is large
enough. It writes three files to a directory:

  base.npy     rows x dims, float32 (float16 with --float16)
  queries.npy  queries x dims, float32; none of them is in base.npy
  truth.npy    queries x 100, int32: the rows of base.npy with the largest cosine to each
               query, best first, and the lower row first when they tie. It is computed
               in float64 from what base.npy holds

The same flags make the same bytes on every machine. Memory does not grow with --rows,
but time does: 1,000,000 x 1024 takes a minute on 4 cores, most of it for truth.npy.

A vector is the centre of a random cluster plus noise, scaled to length 1. Components get
smaller from first to last, like those of models trained for Matryoshka prefixes:

  --clusters  number of centres; all are equally likely
  --noise     how far vectors lie from their centre on average, as a multiple of the
              distance of centres from 0. Each vector has 0.25 to 1.75 times that, at
              random. More noise makes the nearest vectors harder to find by their codes
  --decay     component i has a standard deviation of 1 / (1 + i/decay) before scaling.
              With a smaller value, the first components hold more of a vector, and a
              whole code says less about it

With the defaults and 100,000 vectors of 1024 dimensions, the 400 best by plain signs
include 97 % of the 10 nearest.`,
		Example: `  hamnest bench data --rows 100000 --dims 1024 --out ./set
  hamnest bench data --rows 1000000 --dims 768 --seed 7 --float16 --out ./set --format json`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("clusters") {
				set.Clusters = synthetic.DefaultClusters(set.Rows)
			}
			summary, err := makeSet(cmd, set, dir)
			if err != nil {
				return err
			}
			return summary.print(newOutput(cmd, format))
		},
	}
	f := cmd.Flags()
	f.Var(countFlag[int]{&set.Rows}, "rows", "vectors to make (required)")
	f.IntVar(&set.Dims, "dims", 0, "dimensions of a vector (required)")
	f.StringVar(&dir, "out", "", "`directory` to write to (required)")
	f.IntVar(&set.Queries, "queries", 1000, "queries to make")
	f.Uint64Var(&set.Seed, "seed", 1, "another seed makes another set of the same kind")
	f.IntVar(&set.Clusters, "clusters", 0, "number of clusters (default the square root of --rows)")
	f.Float64Var(&set.Noise, "noise", synthetic.DefaultNoise, "spread of the vectors around their centre")
	f.Float64Var(&set.Decay, "decay", synthetic.DefaultDecay, "how slowly components get smaller")
	f.BoolVar(&set.Float16, "float16", false, "write base.npy with 2 bytes a component")
	addThreads(cmd)
	for _, name := range []string{"rows", "dims", "out"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic("hamnest: " + err.Error())
		}
	}
	return cmd
}

// setSummary is what bench data wrote.
type setSummary struct {
	Out       string  `json:"out"`
	Rows      int     `json:"rows"`
	Dims      int     `json:"dims"`
	Queries   int     `json:"queries"`
	Truth     int     `json:"truth"`
	Seed      uint64  `json:"seed"`
	Clusters  int     `json:"clusters"`
	Noise     float64 `json:"noise"`
	Decay     float64 `json:"decay"`
	BaseBytes int64   `json:"base_bytes"`
	Seconds   float64 `json:"seconds"`
}

func makeSet(cmd *cobra.Command, set synthetic.Set, dir string) (setSummary, error) {
	start := time.Now()
	if err := set.Check(); err != nil {
		return setSummary{}, err
	}
	p := show.NewProgress(cmd.ErrOrStderr(), "", 2*int64(set.Rows), false)
	defer p.Done()
	err := set.Write(cmd.Context(), dir, func(stage string, rows int) {
		p.Describe(stage)
		p.Add(rows)
	})
	if err != nil {
		return setSummary{}, err
	}
	base, err := os.Stat(filepath.Join(dir, synthetic.BaseName))
	if err != nil {
		return setSummary{}, err
	}
	return setSummary{dir, set.Rows, set.Dims, set.Queries, synthetic.TruthColumns, set.Seed, set.Clusters, set.Noise, set.Decay, base.Size(), time.Since(start).Seconds()}, nil
}

func (s setSummary) print(out show.Output) error {
	if out.JSON {
		return out.Object(s)
	}
	rows := func(n int, what string) string { return fmt.Sprintf("%d %s", n, what) }
	return out.Table(nil, [][]string{
		{filepath.Join(s.Out, synthetic.BaseName), rows(s.Rows, fmt.Sprintf("vectors of %d dimensions around %d centres, %s", s.Dims, s.Clusters, show.Bytes(uint64(s.BaseBytes))))},
		{filepath.Join(s.Out, synthetic.QueriesName), rows(s.Queries, "queries")},
		{filepath.Join(s.Out, synthetic.TruthName), rows(s.Truth, "exact answers a query")},
	})
}
