package index

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/storage"
)

// countedID and hashID are ids as they come: ascending, and in no order.
func countedID(_ *rand.Rand, row int) string { return strconv.Itoa(row) }

func hashID(r *rand.Rand, _ int) string {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return hex.EncodeToString(b[:])
}

// A plan needs no basis of as many dimensions: these numbers are those of learning one.
func TestAFootprintOfManyDimsIsThatOfALearntProfile(t *testing.T) {
	f, err := PlanFootprint(Spec{Dims: encoder.MaxDims}, Rows{Count: 1000, IDBytes: 8})
	if err != nil || f.Profile != encoder.Learned || f.RowBytes != 8254 || f.Bits != 65792 || f.Codes != 8452096 {
		t.Errorf("%+v (%v), want rows of 8254 bytes and 65792 bits and codes of 8452096 bytes", f, err)
	}
}

func TestInfoSaysHowManyBitsACodeHas(t *testing.T) {
	db := openDB(t, t.TempDir())
	for want, spec := range map[int]Spec{
		100: {Name: "signs", Dims: 100, Profile: encoder.Signs}, 101: {Name: "codes", Dims: 101, Store: encoder.None},
		102: {Name: "given", Dims: 102, Bits: 102, Profile: encoder.Signs}, 356: {Name: "learned", Dims: 100}, 80: {Name: "few", Dims: 20}, 384: {Name: "small", Dims: 768, Bits: 384},
	} {
		if info := create(t, db, spec).Info(); info.Bits != want {
			t.Errorf("%+v has %d bits, want %d", spec, info.Bits, want)
		}
	}
}

func TestAFootprintIsWhatTheCollectionThenTakes(t *testing.T) {
	if testing.Short() {
		t.Skip("stores a hundred MB")
	}
	t.Parallel()
	const seed = 1
	for _, tt := range []struct {
		rows     int
		spec     Spec
		hashed   bool
		metadata int
		large    bool
	}{
		{rows: 20_000, spec: Spec{Dims: 256}, hashed: true},
		{rows: 20_000, spec: Spec{Dims: 256, Metric: encoder.L2, Store: encoder.Float16}},
		{rows: 5000, spec: Spec{Dims: 256, Metric: encoder.Dot, Store: encoder.BFloat16, Profile: encoder.Signs}, metadata: 300},
		{rows: 20_000, spec: Spec{Dims: 256, Bits: 192, Store: encoder.Int8}, hashed: true, metadata: 40},
		{rows: 70_000, spec: Spec{Dims: 64, Store: encoder.None}, hashed: true}, // more than a segment
		{rows: 3_000, spec: Spec{Dims: 100}},
		{rows: 5000, spec: Spec{Dims: 16, Metric: encoder.L2}},
		{rows: 0, spec: Spec{Dims: 256}},
		{rows: 20_000, spec: Spec{Dims: 256}, large: true},
		{rows: 20_000, spec: Spec{Dims: 256, Metric: encoder.Dot, Store: encoder.BFloat16, Profile: encoder.Signs}, metadata: 300, large: true},
		{rows: 20_000, spec: Spec{Dims: 256, Store: encoder.None}, large: true},
		{rows: 70_000, spec: Spec{Dims: 256, Store: encoder.None}, hashed: true, large: true},
		{rows: 20_000, spec: Spec{Dims: 16, Metric: encoder.L2}, large: true},
		{rows: 20_000, spec: Spec{Dims: 600, Ladder: []int{256, 512}, Store: encoder.Float16}, hashed: true, large: true},
		{rows: 70_000, spec: Spec{Dims: 100, Metric: encoder.Dot}, large: true},
	} {
		if tt.large && os.Getenv("HAMNEST_SETS") != "all" {
			continue
		}
		name := fmt.Sprintf("%dx%d %v %v %v hashed=%v metadata=%d", tt.rows, tt.spec.Dims, tt.spec.Metric, tt.spec.Profile, tt.spec.Store, tt.hashed, tt.metadata)
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			id, idBytes := countedID, len(strconv.Itoa(max(1, tt.rows-1)))
			if tt.hashed {
				id, idBytes = hashID, 32
			}
			want, err := PlanFootprint(tt.spec, Rows{Count: uint64(tt.rows), IDBytes: idBytes, MetadataBytes: tt.metadata})
			if err != nil {
				t.Fatal(err)
			}
			c := filled(t, tt.spec, tt.rows, tt.metadata, func(row int) string { return id(r, row) })
			stats, err := c.Stats()
			if err != nil {
				t.Fatal(err)
			}
			if got := stats.MemoryBytes; got != want.Codes {
				t.Errorf("codes take %d bytes of memory, want %d", got, want.Codes)
			}
			if want.Bits != c.Info().Bits || want.Profile == encoder.Learned && want.RowBytes > want.Bits/8+2*encoder.MaxBlocks+4+4*len(c.Info().Ladder) {
				t.Errorf("rows of %d bytes and %d bits are planned, and the collection says %d", want.RowBytes, want.Bits, c.Info().Bits)
			}
			if stats.CodeBytesPerVector != uint64(want.RowBytes) || stats.VectorBytesPerVector != uint64(want.VectorBytes) {
				t.Errorf("%d and %d bytes of code and vector a row, want %d and %d", stats.CodeBytesPerVector, stats.VectorBytesPerVector, want.RowBytes, want.VectorBytes)
			}
			if want.Profile != c.Info().ProfileInForce {
				t.Errorf("profile %v is in force, want %v", c.Info().ProfileInForce, want.Profile)
			}
			t.Logf("disk %d of which %d free; planned %+v", stats.DiskBytes, stats.DiskFreeBytes, want.Disk)
			within(t, "bytes of disk in use", stats.DiskBytes-stats.DiskFreeBytes, want.Disk.Total()-want.Disk.Spare, 0.05)
			// What is free depends on where the last commits ended: in the mean it is Spare.
			if most := 2*want.Disk.Spare + fewPages; stats.DiskFreeBytes > most {
				t.Errorf("%d bytes of disk are free, want at most %d, twice what was predicted", stats.DiskFreeBytes, most)
			}
			if stats.DiskBytes > 40<<20 {
				within(t, "bytes of disk", stats.DiskBytes, want.Disk.Total(), 0.05)
			}
		})
	}
}

// fewPages is what a small file may differ by.
const fewPages = 32 << 10

// within fails the test unless want is as near to got as that share of got, or some
// pages of bbolt's.
func within(t *testing.T, what string, got, want uint64, share float64) {
	t.Helper()
	if off := math.Abs(float64(want) - float64(got)); off > max(share*float64(got), fewPages) {
		t.Errorf("%s: %d, predicted %d: %.1f %% off", what, got, want, 100*off/float64(got))
	}
}

// filled stores rows random vectors, falling as those of models do, in a new collection, as many in a commit as a
// steady stream of writes leads to in the mean (but always, so that a test finds the
// same pages free each time), and waits until its profile is settled.
func filled(t *testing.T, spec Spec, rows, metadata int, id func(row int) string) *Collection {
	t.Helper()
	db, err := Open(t.TempDir(), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	spec.Name = "planned"
	c, err := db.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 0))
	var object []byte
	if metadata > 0 {
		object = []byte(`{"a":"` + strings.Repeat("x", metadata-8) + `"}`)
	}
	for first := 0; first < rows; {
		var records []Record
		for size := 0; first < rows && size < commitBytes/2; first++ {
			v := make([]float32, spec.Dims)
			for i := range v {
				v[i] = float32(r.NormFloat64() / math.Sqrt(1+float64(i)/8))
			}
			records = append(records, Record{ID: id(first), Vector: v, Metadata: object})
			size += opBytes + spec.Store.Bytes(spec.Dims) + len(object)
		}
		if err := c.Upsert(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAFootprintOfNothingKnownIsRefused(t *testing.T) {
	for _, tt := range []struct {
		want string
		spec Spec
		rows Rows
	}{
		{"dims: 0, want 1 to 65536", Spec{}, Rows{IDBytes: 1}},
		{"bits: encoder: 1 bits", Spec{Dims: 64, Bits: 1}, Rows{IDBytes: 1}},
		{"rows: 4294967296, want at most 4294967295", Spec{Dims: 64}, Rows{Count: codes.MaxRows + 1, IDBytes: 1}},
		{"rows: ids of 0 bytes, want 1 to 512", Spec{Dims: 64}, Rows{}},
		{"rows: metadata of 65537 bytes, want 0 to 65536", Spec{Dims: 64}, Rows{IDBytes: 1, MetadataBytes: storage.MaxMetadataBytes + 1}},
	} {
		if _, err := PlanFootprint(tt.spec, tt.rows); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v of %+v: error %v, want %q", tt.rows, tt.spec, err, tt.want)
		}
	}
}
