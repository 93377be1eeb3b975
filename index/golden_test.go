package index

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/scan"
)

// goldenToday is the directory that the format of today wrote; goldenDirs are all, and how many
// collections each has.
const goldenToday = "v3"

var goldenDirs = map[string]int{"c91eba9": 6, "134efe0": 11, "c02b6c0": 11, goldenToday: 11}

// goldenHits is, of each collection, the ids of the hits of each query.
type goldenHits map[string][][]string

const goldenQueries, goldenK = 8, 5

// goldenQuery is a vector that is stored, or between two.
func goldenQuery(i int) []float32 {
	v := goldenVector(11 * i)
	if i%2 == 1 {
		for j, x := range goldenVector(11*i + 1) {
			v[j] += x / 2
		}
	}
	return v
}

// copyGolden returns a copy of a golden directory: opening writes.
func copyGolden(t *testing.T, name string) string {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("bbolt files of the other byte order")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "golden", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The directories of every version there was, with every kind of code and every precision,
// open today, are sound, find what they are to find, and go on.
func TestGoldenDirectoriesFindWhatTheyHold(t *testing.T) {
	if *updateGolden {
		dir := filepath.Join("testdata", "golden", goldenToday)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		writeGolden(t, dir)
	}
	for name, collections := range goldenDirs {
		t.Run(name, func(t *testing.T) {
			dir := copyGolden(t, name)
			db := openWith(t, dir, Options{TrustOlderCodes: true})
			names := db.Names()
			if len(names) != collections {
				t.Fatalf("%d collections, want %d", len(names), collections)
			}
			got := make(goldenHits)
			for _, name := range names {
				t.Run(name, func(t *testing.T) { got[name] = goldenCollection(t, db, name) })
			}
			path := filepath.Join("testdata", "golden", name+".json")
			if *updateGolden {
				writeJSON(t, path, got)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want goldenHits
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			for name := range want {
				for i := range want[name] {
					if !slices.Equal(got[name][i], want[name][i]) {
						t.Errorf("%s: query %d finds %q, want %q", name, i, got[name][i], want[name][i])
					}
				}
			}

			// And go on, before and after opening again.
			for range 2 {
				for _, name := range names {
					c, err := db.Collection(name)
					if err != nil {
						t.Fatal(err)
					}
					settle(t, c)
					upsert(t, c, goldenRecord(goldenRows))
					if found, _, err := c.Get(t.Context(), []string{goldenRecord(goldenRows).ID}, ReadOptions{}); err != nil || len(found) != 1 {
						t.Errorf("%s: found %v (%v)", name, found, err)
					}
				}
				closeSound(t, db)
				db = openDB(t, dir) // whose codes need no trust by now
			}
		})
	}
}

func writeJSON(t *testing.T, path string, value any) {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "\t")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// goldenCollection reads and searches one collection of a golden directory.
func goldenCollection(t *testing.T, db *DB, name string) (hits [][]string) {
	t.Helper()
	c, err := db.Collection(name)
	if err != nil {
		t.Fatal(err)
	}
	_, precision, _ := strings.Cut(name, ".")
	if info := c.Info(); info.Store.String() != precision || info.Dims != goldenDims || c.Count() != goldenRows*9/10 {
		t.Errorf("%d vectors of %+v, want %d of %d dimensions in %s", c.Count(), info.Spec, goldenRows*9/10, goldenDims, precision)
	}
	for i := range goldenRows {
		record := goldenRecord(i)
		found, _, err := c.Get(t.Context(), []string{record.ID}, ReadOptions{WithMetadata: true, WithVector: precision != encoder.None.String()})
		if err != nil || (len(found) == 1) != goldenLive(i) {
			t.Fatalf("%q: found %v (%v)", record.ID, found, err)
		}
		if len(found) == 0 {
			continue
		}
		if string(found[0].Metadata) != string(record.Metadata) {
			t.Errorf("%q has metadata %s", record.ID, found[0].Metadata)
		}
		// As far apart as the precision may round.
		most := map[string]float32{"float32": 0, "float16": 1. / 2048, "bfloat16": 1. / 256, "int8": 1. / 100}[precision]
		for j, x := range found[0].Vector {
			if off := x - record.Vector[j]; max(off, -off) > most {
				t.Fatalf("%q has component %d %v, want %v", record.ID, j, x, record.Vector[j])
			}
		}
	}
	// What codes alone find is near: of the wrong meaning they would find one in twenty.
	least := map[string]float64{"float32": 1, "none": .4}[precision]
	if least == 0 {
		least = .9
	}
	shared := 0
	for i := range goldenQueries {
		q := goldenQuery(i)
		var ids []string
		for _, h := range ask(t, c, Query{Vector: q, K: goldenK}).Hits {
			ids = append(ids, h.ID)
		}
		hits = append(hits, ids)
		for _, id := range goldenTruth(q) {
			if slices.Contains(ids, id) {
				shared++
			}
		}
	}
	if recall := float64(shared) / (goldenQueries * goldenK); recall < least {
		t.Errorf("recall is %.2f, want at least %.2f", recall, least)
	}
	return hits
}

// goldenTruth returns the ids of the nearest by cosine, computed plainly.
func goldenTruth(q []float32) []string {
	type hit struct {
		id    string
		score float64
	}
	var all []hit
	scorer := scan.NewScorer(encoder.Cosine, encoder.Float32, q)
	for i := range goldenRows {
		if !goldenLive(i) {
			continue
		}
		v := goldenVector(i)
		all = append(all, hit{goldenRecord(i).ID, scorer.Score(v)})
	}
	slices.SortStableFunc(all, func(a, b hit) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	var ids []string
	for _, h := range all[:goldenK] {
		ids = append(ids, h.id)
	}
	return ids
}

// Commit 20b701e stored codes alone of another rotation, which nothing in the file tells: they
// are refused, and the file stays as it is.
func TestGoldenCodesOfAnUnknownRotationAreRefused(t *testing.T) {
	dir := copyGolden(t, "20b701e")
	db, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("nested.none"); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "TrustOlderCodes") {
		t.Errorf("error is %v, want ErrVersion and what to do", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
