package index

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/hamnest/hamnest/encoder"
)

// This file writes golden directories; testdata/golden/README.md says which and how.

var updateGolden = flag.Bool("update", false, "write the golden directory of today again, for a format that is not released yet, and the hits of all; "+
	"the directories of released versions are never written again: they are what users have on disk")

const (
	goldenRows = 100
	goldenDims = 64
)

// goldenVector is by arithmetic alone: a random generator may change.
func goldenVector(i int) []float32 {
	v := make([]float32, goldenDims)
	for j := range v {
		v[j] = float32((i*i*31+j*17+(i+1)*(j+3)*j*7)%101-45) / 64
	}
	return v
}

func goldenRecord(i int) Record {
	return Record{ID: fmt.Sprintf("row-%03d", i), Vector: goldenVector(i), Metadata: fmt.Appendf(nil, `{"n":%d}`, i)}
}

// goldenLive reports whether row i was not deleted again.
func goldenLive(i int) bool { return i%10 != 3 }

// writeGolden makes a directory with a collection of every kind of code and precision of
// today, each with a profile that is learnt from all rows where it is learned.
func writeGolden(t *testing.T, dir string) {
	t.Helper()
	db, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []encoder.Kind{encoder.Signs, encoder.Exact, encoder.Learned} {
		for _, store := range []encoder.Precision{encoder.Float32, encoder.Float16, encoder.BFloat16, encoder.Int8, encoder.None} {
			if kind == encoder.Exact && store == encoder.None || kind == encoder.Signs && store != encoder.Float32 && store != encoder.None {
				continue
			}
			spec := Spec{Name: fmt.Sprintf("%v.%v", kind, store), Dims: goldenDims, Store: store}
			if kind == encoder.Signs {
				spec.Profile = kind
			} else if store == encoder.None {
				spec.Store = encoder.Float32
			}
			c, err := db.Create(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			fillGolden(t, c)
			if kind == encoder.Learned {
				learnGolden(t, c, store)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	trimGolden(t, dir)
}

func fillGolden(t *testing.T, c *Collection) {
	t.Helper()
	var records []Record
	var gone []string
	for i := range goldenRows {
		records = append(records, goldenRecord(i))
		if !goldenLive(i) {
			gone = append(gone, records[i].ID)
		}
	}
	for _, part := range [][]Record{records[:70], records[70:]} {
		if err := c.Upsert(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Remove(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
}

// learnGolden gives c codes though it is smaller than collections are that have some.
func learnGolden(t *testing.T, c *Collection, store encoder.Precision) {
	t.Helper()
	g := c.current.Load()
	state := g.codec.state
	state.Generation++
	state.Store = store
	var err error
	if state.Profile, err = g.learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, ctx, err := c.reserve(false)
	if err != nil {
		t.Fatal(err)
	}
	next, err := c.begin(r, state)
	if err != nil {
		t.Fatal(err)
	}
	c.rewrite(ctx, r, g, next)
	if err := c.Settle(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// trimGolden cuts off what is past the last pages: bbolt lets a file grow by 64 MiB.
func trimGolden(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, filepath.Join(dir, "catalog.db")) {
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		var size int64
		err = db.View(func(tx *bolt.Tx) error {
			size = tx.Size()
			return nil
		})
		if err := errors.Join(err, db.Close(), os.Truncate(path, size)); err != nil {
			t.Fatal(err)
		}
	}
}
