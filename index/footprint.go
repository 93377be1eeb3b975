package index

import (
	"fmt"
	"runtime"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/hamming"
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
	// Profile is the one planned for. Which one encoder.Auto leads to is not known: the
	// largest that it can.
	Profile encoder.Kind
	// Words of 8 bytes, Scalars of 4 and VectorBytes are of one row.
	Words, Scalars, VectorBytes int
	// Codes and CodeScalars are in memory: together Stats.MemoryBytes.
	Codes, CodeScalars uint64
	// Rounding is what the last segment's pages have beyond its rows.
	Rounding uint64
	// Retired is what the bitmaps take when there is a row in every segment that was
	// replaced or deleted; before that, less.
	Retired uint64
	// Lanes is how many cores a search uses that is alone on this machine.
	Lanes int
	// Disk is the parts of Stats.DiskBytes.
	Disk storage.Footprint
}

// PlanFootprint predicts what a collection made from spec takes, whose Name is not
// looked at. *InvalidError as for DB.Create, and with field rows.
func PlanFootprint(spec Spec, rows Rows) (Footprint, error) {
	state, err := spec.plannedState()
	if err != nil {
		return Footprint{}, err
	}
	switch {
	case rows.Count > maxRows:
		return Footprint{}, invalid("rows", "%d, want at most %d", rows.Count, uint64(maxRows))
	case rows.IDBytes < 1 || rows.IDBytes > storage.MaxIDBytes:
		return Footprint{}, invalid("rows", "ids of %d bytes, want 1 to %d", rows.IDBytes, storage.MaxIDBytes)
	case rows.MetadataBytes < 0 || rows.MetadataBytes > storage.MaxMetadataBytes:
		return Footprint{}, invalid("rows", "metadata of %d bytes, want 0 to %d", rows.MetadataBytes, storage.MaxMetadataBytes)
	}
	schema, err := state.schema()
	if err != nil {
		return Footprint{}, err
	}
	codec := newCodec(state)
	layout := codec.layout()
	groups := (rows.Count + hamming.Lanes - 1) / hamming.Lanes
	segments := (rows.Count + segmentRows - 1) / segmentRows
	f := Footprint{
		Profile:     state.Profile.Kind(),
		Words:       layout.words,
		Scalars:     layout.scalars,
		VectorBytes: schema.VectorBytes,
		Codes:       groups * hamming.Lanes * uint64(8*layout.words),
		CodeScalars: groups * hamming.Lanes * uint64(4*layout.scalars),
		Rounding:    layout.rounding(rows.Count),
		Retired:     segments * segmentRows / 8,
		Lanes:       min(runtime.GOMAXPROCS(0), wantLanes(uint32(rows.Count)), max(1, int(segments))),
		Disk: schema.Footprint(storage.Rows{
			Count: rows.Count, IDBytes: rows.IDBytes, MetadataBytes: rows.MetadataBytes,
			CommitRows: commitRows(codec, rows),
		}),
	}
	return f, nil
}

// plannedState is the state of the collection when its profile is settled. A mean is
// made up, for its values make no difference.
func (s Spec) plannedState() (engineState, error) {
	s.Name = "planned"
	state, err := s.state()
	if err != nil || !state.waits() {
		return state, err
	}
	kind := s.Profile
	if kind == encoder.Auto {
		kind = kindsByCost[len(kindsByCost)-1]
	}
	ones := make([]float32, s.Dims)
	for i := range ones {
		ones[i] = 1
	}
	state.Want = ""
	state.Profile, err = encoder.FitProfile(kind, s.Metric, s.Dims, s.Ladder, [][]float32{ones})
	if err != nil {
		return state, fmt.Errorf("index: %w", err)
	}
	return state, nil
}

// commitRows is how many rows a busy writer's commits have in the mean: groups end at
// commitBytes, or earlier when nothing waits.
func commitRows(c *codec, rows Rows) uint64 {
	dims := c.profile.Dims()
	row := opBytes + c.store.Bytes(dims) + 8*code.Words(dims) + 4*c.scalars() + rows.IDBytes + rows.MetadataBytes
	return uint64(max(1, commitBytes/2/row))
}

// rounding is what the last of the segments of rows has in pages that its rows only
// begin: large ones, unless it is the first. See newSegment.
func (l layout) rounding(rows uint64) uint64 {
	const smallPage, largePage = 4 << 10, 2 << 20
	page, used := uint64(largePage), rows%segmentRows
	if used == 0 { // full, or none
		return 0
	}
	if rows < segmentRows {
		page = smallPage
	}
	begun := func(rowBytes int) uint64 {
		n := used * uint64(rowBytes)
		whole := (n + page - 1) &^ (page - 1)
		return min(whole, segmentRows*uint64(rowBytes)) - n
	}
	var n uint64
	for _, w := range l.width {
		n += begun(8 * w)
	}
	return n + uint64(l.scalars)*begun(4)
}
