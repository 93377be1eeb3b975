package convert

import (
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// SpecToProto returns a new collection; fields of violations are those of api.Spec.
func SpecToProto(bad *Violations, s api.Spec) *hamnestv1.Collection {
	c := &hamnestv1.Collection{
		Name:    bad.Text("name", s.Name),
		Dims:    bad.Uint32("dims", s.Dims),
		Bits:    bad.Uint32("bits", s.Bits),
		Metric:  toNumber(bad, "metric", metrics, s.Metric),
		Profile: toNumber(bad, "profile", profiles, s.Profile),
		Store:   toNumber(bad, "store", precisions, s.Store),
		Labels:  bad.labels(s.Labels),
	}
	for i, step := range s.Ladder {
		c.Ladder = append(c.Ladder, bad.Uint32(fmt.Sprintf("ladder[%d]", i), step))
	}
	return c
}

// SpecFromProto returns the Spec of a collection. Fields of violations are path and those of
// the message.
func SpecFromProto(bad *Violations, path string, c *hamnestv1.Collection) api.Spec {
	return api.Spec{
		Name:    c.GetName(),
		Dims:    int(c.GetDims()),
		Ladder:  mapSlice(c.GetLadder(), func(step uint32) int { return int(step) }),
		Bits:    int(c.GetBits()),
		Metric:  fromNumber(bad, path+"metric", metrics, c.GetMetric()),
		Profile: fromNumber(bad, path+"profile", profiles, c.GetProfile()),
		Store:   fromNumber(bad, path+"store", precisions, c.GetStore()),
		Labels:  c.GetLabels(),
	}
}

// InfoToProto returns a collection as it is. An Info with only a name stays so.
func InfoToProto(info api.Info) *hamnestv1.Collection {
	if info.Dims == 0 {
		return &hamnestv1.Collection{Name: info.Name}
	}
	var none Violations // an engine describes only what exists
	c := SpecToProto(&none, info.Spec)
	c.LadderGiven = info.LadderGiven
	c.ProfileInForce = toNumber(&none, "", profiles, info.ProfileInForce)
	c.ProfileFingerprint = info.ProfileFingerprint
	c.CreateTime = timestamppb.New(info.Created)
	return c
}

// InfoFromProto fails for values that only a newer server knows.
func InfoFromProto(c *hamnestv1.Collection) (api.Info, error) {
	var bad Violations
	info := api.Info{
		Spec:               SpecFromProto(&bad, "", c),
		LadderGiven:        c.GetLadderGiven(),
		ProfileInForce:     fromNumber(&bad, "profile_in_force", profiles, c.GetProfileInForce()),
		ProfileFingerprint: c.GetProfileFingerprint(),
	}
	if t := c.GetCreateTime(); t != nil {
		info.Created = t.AsTime()
	}
	if err := answered("collection "+c.GetName(), bad); err != nil {
		return api.Info{}, err
	}
	return info, nil
}

// ChangeToProto returns what change replaces: a collection with its fields, and their paths in
// an update mask.
func ChangeToProto(bad *Violations, name string, change api.Change) (c *hamnestv1.Collection, paths []string) {
	c = &hamnestv1.Collection{Name: bad.Text("name", name)}
	if change.Profile != nil {
		c.Profile = toNumber(bad, "profile", profiles, *change.Profile)
		paths = append(paths, "profile")
	}
	if change.Store != nil {
		c.Store = toNumber(bad, "store", precisions, *change.Store)
		paths = append(paths, "store")
	}
	return c, paths
}

// ChangeFromProto returns which of the fields that rewrite a collection c replaces. An
// unspecified field means the default, as in a new collection.
func ChangeFromProto(bad *Violations, c *hamnestv1.Collection, paths []string) api.Change {
	var change api.Change
	for _, path := range paths {
		switch path {
		case "profile":
			profile := fromNumber(bad, "collection.profile", profiles, c.GetProfile())
			change.Profile = &profile
		case "store":
			store := fromNumber(bad, "collection.store", precisions, c.GetStore())
			change.Store = &store
		}
	}
	return change
}

// LabelsToProto returns a collection with labels that replace the existing ones.
func LabelsToProto(bad *Violations, name string, labels map[string]string) *hamnestv1.Collection {
	return &hamnestv1.Collection{Name: bad.Text("name", name), Labels: bad.labels(labels)}
}

// StatsToProto returns what a collection holds.
func StatsToProto(s api.Stats) *hamnestv1.CollectionStats {
	stats := &hamnestv1.CollectionStats{
		Vectors:              s.Vectors,
		Retired:              s.Retired,
		Sealed:               s.Sealed,
		Dropped:              s.Dropped,
		MemoryBytes:          s.MemoryBytes,
		FilterBytes:          s.FilterBytes,
		DiskBytes:            s.DiskBytes,
		DiskFreeBytes:        s.DiskFreeBytes,
		CodeBytesPerVector:   s.CodeBytesPerVector,
		VectorBytesPerVector: s.VectorBytesPerVector,
		DiskCodes:            s.DiskCodes,
		DiskVectors:          s.DiskVectors,
		DiskRows:             s.DiskRows,
		Commits:              s.Commits,
		Kernel:               s.Kernel,
		ProfileFingerprint:   s.ProfileFingerprint,
		RewriteError:         api.Plain(s.RewriteError),
		Fault:                api.Plain(s.Fault),
	}
	if l := s.Live; l != nil {
		stats.Live = &hamnestv1.LiveState{
			Queries:   uint32(l.Queries),
			Checks:    uint32(l.Checks),
			Recall:    l.Recall,
			Target:    l.Target,
			Shortfall: l.Short,
		}
	}
	if s.Rewrite != nil {
		stats.Rewrite = RewriteToProto(*s.Rewrite)
	}
	return stats
}

// RewriteToProto returns how far a rewrite is.
func RewriteToProto(r api.RewriteStats) *hamnestv1.Rewrite {
	var none Violations // an engine describes what there is
	return &hamnestv1.Rewrite{
		Profile:   toNumber(&none, "", profiles, r.Profile),
		Store:     toNumber(&none, "", precisions, r.Store),
		StartTime: timestamppb.New(r.Started),
		Done:      r.Done,
		Total:     r.Total,
	}
}

// StatsFromProto fails for values that only a newer server knows.
func StatsFromProto(s *hamnestv1.CollectionStats) (api.Stats, error) {
	stats := api.Stats{
		Vectors:              s.GetVectors(),
		Retired:              s.GetRetired(),
		Sealed:               s.GetSealed(),
		Dropped:              s.GetDropped(),
		MemoryBytes:          s.GetMemoryBytes(),
		FilterBytes:          s.GetFilterBytes(),
		DiskBytes:            s.GetDiskBytes(),
		DiskFreeBytes:        s.GetDiskFreeBytes(),
		CodeBytesPerVector:   s.GetCodeBytesPerVector(),
		VectorBytesPerVector: s.GetVectorBytesPerVector(),
		DiskCodes:            s.GetDiskCodes(),
		DiskVectors:          s.GetDiskVectors(),
		DiskRows:             s.GetDiskRows(),
		Commits:              s.GetCommits(),
		Kernel:               s.GetKernel(),
		ProfileFingerprint:   s.GetProfileFingerprint(),
		RewriteError:         s.GetRewriteError(),
		Fault:                s.GetFault(),
	}
	if l := s.GetLive(); l != nil {
		stats.Live = &api.LiveStats{
			Queries: int(l.GetQueries()),
			Checks:  int(l.GetChecks()),
			Recall:  l.GetRecall(),
			Target:  l.GetTarget(),
			Short:   l.GetShortfall(),
		}
	}
	if r := s.GetRewrite(); r != nil {
		rewrite, err := RewriteFromProto(r)
		if err != nil {
			return api.Stats{}, err
		}
		stats.Rewrite = &rewrite
	}
	return stats, nil
}

// RewriteFromProto fails for values that only a newer server knows.
func RewriteFromProto(r *hamnestv1.Rewrite) (api.RewriteStats, error) {
	var bad Violations
	rewrite := api.RewriteStats{
		Profile: fromNumber(&bad, "profile", profiles, r.GetProfile()),
		Store:   fromNumber(&bad, "store", precisions, r.GetStore()),
		Started: r.GetStartTime().AsTime(),
		Done:    r.GetDone(),
		Total:   r.GetTotal(),
	}
	if err := answered("rewrite", bad); err != nil {
		return api.RewriteStats{}, err
	}
	return rewrite, nil
}

// CheckToProto returns what a check found.
func CheckToProto(r api.CheckReport) *hamnestv1.CheckResponse {
	return &hamnestv1.CheckResponse{Rows: r.Rows, Blocks: r.Blocks, Problems: mapSlice(r.Problems, api.Plain)}
}

// CheckFromProto returns what a check found.
func CheckFromProto(r *hamnestv1.CheckResponse) api.CheckReport {
	return api.CheckReport{Rows: r.GetRows(), Blocks: r.GetBlocks(), Problems: r.GetProblems()}
}

// answered returns an error for an answer with values that have no meaning here.
func answered(what string, bad Violations) error {
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("the server's answer: %s: %s %s: is it newer than this client?", what, bad[0].Field, bad[0].Reason)
}

// mapSlice returns f of each element.
func mapSlice[S, T any](in []S, f func(S) T) []T {
	if len(in) == 0 {
		return nil
	}
	out := make([]T, len(in))
	for i, element := range in {
		out[i] = f(element)
	}
	return out
}
