package index

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/storage"
)

// older writes a collection in dir as versions before learned codes did: records with their
// signs, which stand for whatever codes those were, and scalars beside them. Every tenth is
// deleted again. It returns the others.
func older(t *testing.T, dir, profile string, metric encoder.Metric, store encoder.Precision, scalars int, records []Record) (kept []Record) {
	t.Helper()
	dims := len(records[0].Vector)
	catalog, err := storage.OpenCatalog(dir)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := catalog.Create("c", nil, storage.Schema{
		Dims: dims, Scalars: scalars, VectorBytes: store.Bytes(dims),
		Engine: fmt.Appendf(nil, `{"metric":%q,"store":%q,"profile":{"version":1,"kind":%q,"dims":%d,"ladder":[%d]}}`, metric, store, profile, dims, dims),
	})
	if err != nil {
		t.Fatal(err)
	}
	shard, err := storage.OpenShard(catalog.ShardPath(entry))
	if err != nil {
		t.Fatal(err)
	}
	var ops, gone []storage.Op
	for i, r := range records {
		op := storage.Op{ID: r.ID, Code: signsOf(r.Vector), Scalars: make([]float32, scalars), Vector: store.Append(nil, r.Vector), Metadata: r.Metadata}
		if scalars > 0 {
			op.Scalars[scalars-1] = float32(length(r.Vector))
		}
		ops = append(ops, op)
		if i%10 == 3 {
			gone = append(gone, storage.Op{ID: r.ID, Delete: true})
		} else {
			kept = append(kept, r)
		}
	}
	for _, part := range [][]storage.Op{ops, gone} {
		if _, err := shard.Commit(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(shard.Close(), catalog.Close()); err != nil {
		t.Fatal(err)
	}
	return kept
}

func length(v []float32) float64 {
	s := newScorer(encoder.Dot, v)
	return s.norm
}

func TestAnOlderCollectionIsEncodedAnew(t *testing.T) {
	for _, tt := range []struct {
		profile string
		metric  encoder.Metric
		store   encoder.Precision
		scalars int
		rows    int
		dims    int
		want    encoder.Kind
	}{
		{"plain", encoder.Cosine, encoder.Float32, 0, 1, 100, encoder.Exact},
		{"nested+centred", encoder.Dot, encoder.Float16, 3, 2500, 100, encoder.Exact},
		{"full", encoder.L2, encoder.Float32, 2, 300, 16, encoder.Exact},
		{"full+centred", encoder.Cosine, encoder.Float32, 2, 2500, 512, encoder.Learned},
	} {
		t.Run(fmt.Sprintf("%s/%v/%d rows of %d", tt.profile, tt.metric, tt.rows, tt.dims), func(t *testing.T) {
			r := rand.New(rand.NewPCG(12, uint64(tt.rows)))
			dir := t.TempDir()
			w := &twin{metric: tt.metric, rows: older(t, dir, tt.profile, tt.metric, tt.store, tt.scalars, randomRecords(r, 0, tt.rows, tt.dims))}
			db := openDB(t, dir)
			c, err := db.Collection("c")
			if err != nil {
				t.Fatal(err)
			}
			check := func() {
				t.Helper()
				q := Query{Vector: whole(r, tt.dims), K: 10, Bound: 6}
				res := ask(t, c, q)
				want := w.exact(q.Vector, 10)
				if len(res.Hits) != len(want) {
					t.Fatalf("%d hits, want %d", len(res.Hits), len(want))
				}
				for i, h := range res.Hits {
					if h.ID != want[i].ID {
						t.Errorf("hit %d is %v, want %v", i, h, want[i])
					}
				}
			}
			check() // whether it is encoded yet or not
			more := randomRecords(r, tt.rows, 20, tt.dims)
			upsert(t, c, more...) // waits for it
			w.rows = append(w.rows, more...)
			settle(t, c)
			if info := c.Info(); info.ProfileInForce != tt.want || info.Profile != encoder.Learned || info.Store != tt.store || c.Count() != uint64(len(w.rows)) {
				t.Errorf("%d rows have profile %v in force under %+v, want %d and %v", c.Count(), info.ProfileInForce, info.Spec, len(w.rows), tt.want)
			}
			for range 10 {
				check()
			}
			closeSound(t, db)
			if c, err = openDB(t, dir).Collection("c"); err != nil {
				t.Fatal(err)
			}
			check()
		})
	}
}

func TestOlderCodesAloneStayAsTheyAre(t *testing.T) {
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		r := rand.New(rand.NewPCG(12, 77))
		dir := t.TempDir()
		scalars := 0
		if metric != encoder.Cosine {
			scalars = 1
		}
		kept := older(t, dir, "plain", metric, encoder.None, scalars, randomRecords(r, 0, 1500, 100))
		c, err := openDB(t, dir).Collection("c")
		if err != nil {
			t.Fatal(err)
		}
		if info := c.Info(); info.ProfileInForce != encoder.Signs || c.Count() != uint64(len(kept)) {
			t.Fatalf("%d codes under %v, want %d under signs", c.Count(), info.ProfileInForce, len(kept))
		}
		afresh := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 100, Metric: metric, Store: encoder.None})
		upsert(t, afresh, kept...)
		for range 20 {
			q := Query{Vector: whole(r, 100), K: 30}
			got, want := ask(t, c, q).Hits, ask(t, afresh, q).Hits
			for i, h := range got { // lengths were kept as float32
				if math.Abs(float64(h.Score-want[i].Score)) > 1e-6*math.Abs(float64(h.Score)) {
					t.Errorf("%v: hit %d of %d is %v, want %v", metric, i, len(want), h, want[i])
				}
			}
		}
		record := kept[17]
		found, _, err := c.Get(t.Context(), []string{record.ID}, ReadOptions{WithCode: true, WithMetadata: true})
		if err != nil || len(found) != 1 || code.Distance(found[0].Code, signsOf(record.Vector)) != 0 || string(found[0].Metadata) != string(record.Metadata) {
			t.Errorf("%v: %q is read as %+v (%v)", metric, record.ID, found, err)
		}
	}
}

func TestAnOlderCollectionThatCannotBeServedSaysWhy(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 78))
	for _, tt := range []struct {
		profile string
		scalars int
		is      error
		says    string
	}{
		{"nested", 2, ErrVersion, `codes alone under profile "nested"`},
		{"centred", 0, ErrVersion, "store the vectors again"},
	} {
		dir := t.TempDir()
		older(t, dir, tt.profile, encoder.Cosine, encoder.None, tt.scalars, randomRecords(r, 0, 5, 64))
		db, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Collection("c"); !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("error %v, want %v that says %q", err, tt.is, tt.says)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, engine := range []string{
		`{"metric":"cosine","store":"float32","profile":{"version":1,"kind":"plain","dims":65,"ladder":[65]}}`,
		`{"metric":"cosine","store":"float16","profile":{"version":1,"kind":"plain","dims":64,"ladder":[64]}}`,
		`{"metric":"cosine","store":"float32"}`, `{"metric":"cosine","store":"float32","profile":{"version":2,"kind":"signs","metric":"cosine","dims":64}}`, `[]`,
	} {
		if _, err := readSchema(storage.Schema{Dims: 64, VectorBytes: 256, Engine: []byte(engine)}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error %v, want ErrCorrupt", engine, err)
		}
	}
}
