package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func statsCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "stats NAME",
		Short: "Show what a collection holds and what it costs",
		Long: `Stats shows what a collection holds: the vectors that searches can find; the rows of
replaced and deleted vectors, which take space (retired) until a rewrite drops them
(dropped, since the collection was made); the rows packed in blocks (sealed); and the
bytes in memory, where the codes are, and on disk. While a rewrite is under way, because
the profile or the stored precision changes or the collection is compacted, stats shows
its progress. If writes are refused, for example because the file was removed, it shows
why.`,
		Example: `  hamnest stats packages --data ./vectors
  hamnest stats packages --format json --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
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
	Dropped              uint64 `json:"dropped"`
	Sealed               uint64 `json:"sealed"`
	MemoryBytes          uint64 `json:"memory_bytes"`
	FilterBytes          uint64 `json:"filter_bytes"`
	DiskBytes            uint64 `json:"disk_bytes"`
	DiskFreeBytes        uint64 `json:"disk_free_bytes"`
	CodeBytesPerVector   uint64 `json:"code_bytes_per_vector"`
	VectorBytesPerVector uint64 `json:"vector_bytes_per_vector"`
	Commits              uint64 `json:"commits"`
	Kernel               string `json:"kernel"`
	ProfileFingerprint   string `json:"profile_fingerprint"`
	DiskCodes            uint64 `json:"disk_codes"`
	DiskVectors          uint64 `json:"disk_vectors"`
	DiskRows             uint64 `json:"disk_rows"`
	// Live is left out when nothing is to be learnt from searches.
	Live *liveJSON `json:"live,omitempty"`
	// Rewrite is left out when none is under way, RewriteError when the last went well.
	Rewrite      *rewriteJSON `json:"rewrite,omitempty"`
	RewriteError string       `json:"rewrite_error,omitempty"`
	// Fault is left out when nothing is known against writes.
	Fault string `json:"fault,omitempty"`
}

type liveJSON struct {
	Queries int     `json:"queries"`
	Checks  int     `json:"checks"`
	Recall  float64 `json:"recall"`
	Target  float64 `json:"target"`
	Short   string  `json:"short"` // why recall is too low; empty: it is not
}

type rewriteJSON struct {
	Profile string    `json:"profile"`
	Store   string    `json:"store"`
	Started time.Time `json:"started"`
	Done    uint64    `json:"done"`
	Total   uint64    `json:"total"`
}

func statsToJSON(s index.Stats) statsJSON {
	j := statsJSON{
		Vectors:              s.Vectors,
		Retired:              s.Retired,
		Sealed:               s.Sealed,
		MemoryBytes:          s.MemoryBytes,
		FilterBytes:          s.FilterBytes,
		DiskBytes:            s.DiskBytes,
		DiskFreeBytes:        s.DiskFreeBytes,
		CodeBytesPerVector:   s.CodeBytesPerVector,
		VectorBytesPerVector: s.VectorBytesPerVector,
		Commits:              s.Commits,
		Kernel:               s.Kernel,
		ProfileFingerprint:   s.ProfileFingerprint,
		Dropped:              s.Dropped,
		DiskCodes:            s.DiskCodes,
		DiskVectors:          s.DiskVectors,
		DiskRows:             s.DiskRows,
		RewriteError:         s.RewriteError,
		Fault:                s.Fault,
	}
	j.Live = (*liveJSON)(s.Live)
	if r := s.Rewrite; r != nil {
		j.Rewrite = &rewriteJSON{r.Profile.String(), r.Store.String(), r.Started, r.Done, r.Total}
	}
	return j
}

func printStats(out show.Output, s index.Stats) error {
	if out.JSON {
		return out.Object(statsToJSON(s))
	}
	count := func(n uint64) string { return strconv.FormatUint(n, 10) }
	rows := [][]string{
		{"vectors", count(s.Vectors)},
		{"retired", count(s.Retired)},
		{"dropped", count(s.Dropped)},
		{"sealed", count(s.Sealed)},
		{"memory", show.Bytes(s.MemoryBytes)},
		{"memory, filters", show.Bytes(s.FilterBytes)},
		{"disk", show.Bytes(s.DiskBytes)},
		{"disk, codes", show.Bytes(s.DiskCodes)},
		{"disk, vectors", show.Bytes(s.DiskVectors)},
		{"disk, ids, metadata", show.Bytes(s.DiskRows)},
		{"disk, free", show.Bytes(s.DiskFreeBytes)},
		{"code, a vector", show.Bytes(s.CodeBytesPerVector)},
		{"vector, a vector", show.Bytes(s.VectorBytesPerVector)},
		{"commits", count(s.Commits)},
		{"kernel", s.Kernel},
		{"profile fingerprint", s.ProfileFingerprint},
	}
	if l := s.Live; l != nil {
		rows = append(rows, []string{"live queries", strconv.Itoa(l.Queries) + " remembered"})
		if l.Checks > 0 {
			rows = append(rows, []string{"live recall", fmt.Sprintf("%.4f in the last %d searches that were checked, which asked for %.4f", l.Recall, l.Checks, l.Target)})
		}
		if l.Short != "" {
			rows = append(rows, []string{"live recall is short", l.Short})
		}
	}
	if r := s.Rewrite; r != nil {
		rows = append(rows, []string{"rewriting", fmt.Sprintf("to profile %v, stored as %v: %d of %d vectors since %s", r.Profile, r.Store, r.Done, r.Total, r.Started.Format(time.DateTime))})
	}
	if s.RewriteError != "" {
		rows = append(rows, []string{"rewrite failed", api.Plain(s.RewriteError)})
	}
	if s.Fault != "" {
		rows = append(rows, []string{"writes are refused", api.Plain(s.Fault)})
	}
	return out.Table(nil, rows)
}
