package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
)

func statsCommand(format *outputFormat) *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "stats NAME",
		Short: "Show what a collection holds and what it costs",
		Long: `Stats measures a collection: vectors that can be found, rows of replaced and deleted
vectors (retired) that hold space until compaction, rows packed in blocks (sealed), and
bytes in memory and on disk.`,
		Example: `  hamnest stats packages --data ./vectors
  hamnest stats packages --format json --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.withStore(cmd, false, func(ctx context.Context, b backend) error {
				stats, err := b.Stats(ctx, args[0])
				if err != nil {
					return err
				}
				return printStats(newOutput(cmd, format), stats)
			})
		},
	}
	store.register(cmd)
	return cmd
}

// statsJSON is what a collection holds as --format json prints it.
type statsJSON struct {
	Vectors              uint64 `json:"vectors"`
	Retired              uint64 `json:"retired"`
	Sealed               uint64 `json:"sealed"`
	MemoryBytes          uint64 `json:"memory_bytes"`
	DiskBytes            uint64 `json:"disk_bytes"`
	DiskFreeBytes        uint64 `json:"disk_free_bytes"`
	CodeBytesPerVector   uint64 `json:"code_bytes_per_vector"`
	VectorBytesPerVector uint64 `json:"vector_bytes_per_vector"`
	Commits              uint64 `json:"commits"`
	Kernel               string `json:"kernel"`
	ProfileFingerprint   string `json:"profile_fingerprint"`
}

func printStats(out output, s index.Stats) error {
	if out.json {
		return out.object(statsJSON(s))
	}
	count := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return out.table(nil, [][]string{
		{"vectors", count(s.Vectors)},
		{"retired", count(s.Retired)},
		{"sealed", count(s.Sealed)},
		{"memory", byteCount(s.MemoryBytes)},
		{"disk", byteCount(s.DiskBytes)},
		{"disk, free", byteCount(s.DiskFreeBytes)},
		{"code, a vector", byteCount(s.CodeBytesPerVector)},
		{"vector, a vector", byteCount(s.VectorBytesPerVector)},
		{"commits", count(s.Commits)},
		{"kernel", s.Kernel},
		{"profile fingerprint", s.ProfileFingerprint},
	})
}
