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

// Rows describes vectors that are not stored yet.
type Rows struct {
	Count uint64
	// IDBytes and MetadataBytes are means for a vector.
	IDBytes, MetadataBytes int
}

// Footprint predicts the size of a collection once rows are stored in it and none of them was
// replaced or deleted. All sizes are bytes.
type Footprint struct {
	// Profile says how codes will be made.
	Profile encoder.Kind
	// Bits is the most bits a code has: Info.Bits.
	Bits int
	// RowBytes, of codes, and VectorBytes are for one row.
	RowBytes, VectorBytes int
	// Codes are the codes in memory and what is kept beside them: Stats.MemoryBytes.
	Codes uint64
	// Rounding is what the pages of the last segment hold beyond its rows.
	Rounding uint64
	// Retired is the size of the bitmaps when every segment has a replaced or deleted row;
	// before that they are smaller.
	Retired uint64
	// Threads is how many cores a search uses when it is alone on this machine.
	Threads int
	// Disk is the parts of Stats.DiskBytes.
	Disk storage.Footprint
}

// PlanFootprint predicts the size of a collection made from spec, whose Name it ignores.
// *InvalidError as for DB.Create, and with field rows.
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

// plannedState is the state of a collection of that many vectors. What a profile learns changes
// its size only by which blocks get the bits, so made-up vectors stand in.
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

// plannedSample is how many vectors plannedState makes up, and how many dimensions they have:
// more than the head of a code, so that every block has energy and the budget is spent. Further
// dimensions have no energy.
const plannedSample = 192

// commitRows is the mean number of rows in a busy writer's commits: groups end at commitBytes,
// or earlier when nothing waits.
func (e engineState) commitRows(rows Rows) uint64 {
	row := opBytes + e.Store.Bytes(e.Profile.Dims()) + 8*e.Profile.RowWords() + rows.IDBytes + rows.MetadataBytes
	return uint64(max(1, commitBytes/2/row))
}
