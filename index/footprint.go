package index

import (
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/scan"
	"github.com/hamnest/hamnest/storage"
)

// Rows describes vectors that are still to come.
type Rows struct {
	Count uint64
	// IDBytes and MetadataBytes are the means of a vector.
	IDBytes, MetadataBytes int
}

// Footprint is what a collection is expected to take when rows have been stored in
// it and none of them was replaced or deleted. All sizes are bytes.
type Footprint struct {
	// Profile is how codes will be made.
	Profile encoder.Kind
	// Bits is how many bits a code has at most: Info.Bits.
	Bits int
	// RowBytes of codes and VectorBytes are of one row.
	RowBytes, VectorBytes int
	// Codes are in memory, with what stands beside them: Stats.MemoryBytes.
	Codes uint64
	// Rounding is what the last segment's pages have beyond its rows.
	Rounding uint64
	// Retired is what the bitmaps take when there is a row in every segment that was
	// replaced or deleted; before that, less.
	Retired uint64
	// Threads is how many cores a search uses that is alone on this machine.
	Threads int
	// Disk is the parts of Stats.DiskBytes.
	Disk storage.Footprint
}

// PlanFootprint predicts what a collection made from spec takes, whose Name is not
// looked at. *InvalidError as for DB.Create, and with field rows.
func PlanFootprint(spec Spec, rows Rows) (Footprint, error) {
	state, err := plannedState(spec, rows.Count)
	if err != nil {
		return Footprint{}, err
	}
	switch {
	case rows.Count > codes.MaxRows:
		return Footprint{}, invalid("rows", "%d, want at most %d", rows.Count, uint64(codes.MaxRows))
	case rows.IDBytes < 1 || rows.IDBytes > storage.MaxIDBytes:
		return Footprint{}, invalid("rows", "ids of %d bytes, want 1 to %d", rows.IDBytes, storage.MaxIDBytes)
	case rows.MetadataBytes < 0 || rows.MetadataBytes > storage.MaxMetadataBytes:
		return Footprint{}, invalid("rows", "metadata of %d bytes, want 0 to %d", rows.MetadataBytes, storage.MaxMetadataBytes)
	}
	schema, err := state.geometry()
	if err != nil {
		return Footprint{}, err
	}
	layout := codes.NewLayout(state.Profile)
	groups := (rows.Count + hamming.Lanes - 1) / hamming.Lanes
	segments := (rows.Count + codes.SegmentRows - 1) / codes.SegmentRows
	f := Footprint{
		Profile:     state.Profile.Kind(),
		Bits:        state.Profile.Bits(),
		RowBytes:    state.Profile.RowBytes(),
		VectorBytes: schema.VectorBytes,
		Codes:       groups * uint64(layout.Bytes(hamming.Lanes)),
		Rounding:    layout.Rounding(rows.Count),
		Retired:     segments * codes.SegmentRows / 8,
		Threads:     min(runtime.GOMAXPROCS(0), scan.CodeThreads(uint32(rows.Count)), max(1, int(segments))),
		Disk: schema.Footprint(storage.Rows{
			Count: rows.Count, IDBytes: rows.IDBytes, MetadataBytes: rows.MetadataBytes,
			CommitRows: state.commitRows(rows),
		}),
	}
	return f, nil
}

// plannedState is the state of a collection of so many vectors. What a profile learns makes
// no difference to what it takes but for which blocks get the bits: made-up vectors stand in.
func plannedState(s Spec, vectors uint64) (engineState, error) {
	s.Name = "planned"
	state, err := emptyState(&s)
	if err != nil || !state.due(vectors) {
		return state, err
	}
	random := rand.New(rand.NewPCG(1, 0))
	made := make([][]float32, plannedSample)
	for i := range made {
		made[i] = make([]float32, min(s.Dims, plannedSample))
		for j := range made[i] {
			made[i][j] = float32(random.NormFloat64() / float64(1+j))
		}
	}
	if state.Profile, err = encoder.Plan(state.Profile.Shape(), made); err != nil {
		return state, fmt.Errorf("index: %w", err)
	}
	return state, nil
}

// plannedSample is how many vectors plannedState makes up, and of how many dimensions: more
// than the head of a code has, so that every block has energy and the budget is spent. What
// more dimensions there are has none.
const plannedSample = 192

// commitRows is how many rows a busy writer's commits have in the mean: groups end at
// commitBytes, or earlier when nothing waits.
func (e engineState) commitRows(rows Rows) uint64 {
	row := opBytes + e.Store.Bytes(e.Profile.Dims()) + 8*e.Profile.RowWords() + rows.IDBytes + rows.MetadataBytes
	return uint64(max(1, commitBytes/2/row))
}
