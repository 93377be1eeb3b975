package storage

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

var updateGolden = flag.Bool("update", false, "write testdata again, for a format that is not released yet; "+
	"the files of a released version are never written again: they are what users have on disk")

// goldenVersion is the one written today; goldenVersions are all there were.
const goldenVersion = "v3"

var goldenVersions = []string{"v1", "v2", goldenVersion}

// goldenSchema has padding wherever the format has it.
var goldenSchema = Schema{Dims: 100, Scalars: 2, VectorBytes: 20, BlockRows: 8, ChunkRows: 4, Engine: json.RawMessage(`{"golden":true}`)}

// goldenCommits are the commits of the golden shard, by arithmetic alone: a random
// generator may change.
func goldenCommits() [][]Op {
	op := func(i int) Op {
		o := Op{
			ID:       fmt.Sprintf("row-%02d", i%20),
			Code:     []uint64{0x9e3779b97f4a7c15 * uint64(i+1), uint64(i) << 30},
			Scalars:  []float32{float32(i) / 4, -float32(i)},
			Metadata: []byte(fmt.Sprintf(`{"n":%d}`, i)),
		}
		o.Code[1] &= 1<<36 - 1
		for j := range 5 {
			o.Vector = binary.LittleEndian.AppendUint32(o.Vector, math.Float32bits(float32(i*5+j)))
		}
		return o
	}
	var first, second []Op
	for i := range 20 {
		first = append(first, op(i))
	}
	for i := 20; i < 27; i += 2 { // replaces rows 0, 2, 4 and 6
		second = append(second, op(i))
	}
	second[0].Metadata = nil
	second[1].ID = "\xff日本" // a new one: row 2 stays
	return [][]Op{first, second, {{ID: "row-19", Delete: true}, {ID: "not there", Delete: true}}, nil}
}

// goldenModel is what the shard of a version holds.
func goldenModel(version string) *model {
	m := newModel(goldenSchema)
	for _, ops := range goldenCommits() {
		m.commit(ops)
	}
	if version != goldenVersion { // changes were not counted: each row is one
		m.applied = uint64(len(m.rows))
	}
	return m
}

// goldenShard returns the path of a copy of the golden shard of a version.
func goldenShard(t testing.TB, version string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", version, "*", shardFile))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), shardFile)
	for _, from := range found {
		copyFile(t, path, from, 1<<20)
		s := openShard(t, path)
		mustClose(t, s)
		if s.schema.Dims == goldenSchema.Dims {
			return path
		}
	}
	t.Fatalf("no golden shard among %q", found)
	return ""
}

var goldenLabels = map[string]string{"team": "search", "": "é"}

var goldenCalibration = []byte(`{"golden":1}`)

// writeGolden makes the files. bbolt lets a file grow by 64 MiB; what is past its
// last page is left out.
func writeGolden(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	c := openCatalog(t, dir)
	e, err := c.Create("golden", goldenLabels, goldenSchema)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetCalibration(e, goldenCalibration); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, c, "empty", nil)
	s := openShard(t, c.ShardPath(e))
	for _, ops := range goldenCommits() {
		mustCommit(t, s, ops...)
	}
	mustClose(t, s)
	mustClose(t, c)
	files, err := filepath.Glob(filepath.Join(dir, "*", shardFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, filepath.Join(dir, catalogFile)) {
		var size int64
		tamper(t, path, func(tx *bolt.Tx) error {
			size = tx.Size()
			return nil
		})
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
}

// Files of every version there was open today and hold what they held then.
func TestTheGoldenFilesHoldWhatTheyDid(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("a bbolt file of the other byte order")
	}
	if *updateGolden {
		writeGolden(t, filepath.Join("testdata", goldenVersion))
	}
	for _, version := range goldenVersions {
		t.Run(version, func(t *testing.T) { mustHoldGolden(t, version) })
	}
}

func mustHoldGolden(t *testing.T, version string) {
	dir := t.TempDir() // opening writes
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", version))); err != nil {
		t.Fatal(err)
	}
	c := openCatalog(t, dir)
	entries, err := c.List()
	if err != nil || len(entries) != 2 {
		t.Fatalf("entries are %+v (%v), want 2", entries, err)
	}
	mustList(t, c, entries)
	if got := entries[1]; got.Name != "golden" || got.Created.Year() < 2026 || fmt.Sprint(got.Labels) != fmt.Sprint(goldenLabels) {
		t.Errorf("entry is %+v", got)
	}

	mustHaveCalibration(t, c, entries[1], goldenCalibration)
	mustHaveCalibration(t, c, entries[0], nil)

	s := openSound(t, c.ShardPath(entries[1]))
	schema := goldenSchema
	if version == goldenVersion {
		schema.Collection = "golden"
	}
	if got, want := fmt.Sprintf("%+v", s.Schema()), fmt.Sprintf("%+v", schema); got != want {
		t.Errorf("schema is %s, want %s", got, want)
	}
	m := goldenModel(version)
	m.mustHold(t, s)
	if found := problems(t, s); len(found) > 0 { // before a commit brings it to the version of today
		t.Errorf("problems are %q", found)
	}
	if want := (State{Next: 24, Live: 20, Commits: 4, Applied: m.applied}); m.state() != want || m.applied < 24 {
		t.Errorf("the golden rows are in state %+v, want %+v", m.state(), want)
	}
	// And go on from there.
	more := m.randomOps(newRand(1), 30)
	mustCommit(t, s, more...)
	m.commit(more)
	m.mustHold(t, s)

	empty := openSound(t, c.ShardPath(entries[0]))
	newModel(tinySchema()).mustHold(t, empty)
}
