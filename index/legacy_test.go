package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index/dense"
	"github.com/hamnest/hamnest/index/scan"
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
	return math.Sqrt(dense.Dot(v, v))
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

// olderRows are rows that the last version before learned codes wrote: of each profile and
// metric its state, and the first codes and scalars of the vectors of olderVector.
type olderRows struct {
	Name   string          `json:"name"`
	Engine json.RawMessage `json:"engine"`
	Rows   []struct {
		Code    []uint64  `json:"code"`
		Scalars []float32 `json:"scalars"`
	} `json:"rows"`
}

// schema is that of their file.
func (o *olderRows) schema() storage.Schema {
	return storage.Schema{Dims: olderDims, Scalars: len(o.Rows[0].Scalars), Engine: o.Engine}
}

const olderDims = 576

func olderVector(i int) []float32 {
	v := make([]float32, olderDims)
	for j := range v {
		v[j] = float32((i*i*31+j*17+(i+1)*(j+3)*j*7)%101-45) / 64
		if i == 3 {
			v[j] *= 4
		}
	}
	return v
}

func readOlderRows(t *testing.T) []olderRows {
	t.Helper()
	text, err := os.ReadFile("testdata/older.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []olderRows
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 18 {
		t.Fatalf("%d profiles and metrics, want 6 times 3", len(all))
	}
	return all
}

// store makes a collection of the rows, as their version would have.
func (o *olderRows) store(t *testing.T, dir string) {
	t.Helper()
	catalog, err := storage.OpenCatalog(dir)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := catalog.Create("c", nil, o.schema())
	if err != nil {
		t.Fatal(err)
	}
	shard, err := storage.OpenShard(catalog.ShardPath(entry))
	if err != nil {
		t.Fatal(err)
	}
	var ops []storage.Op
	for i, r := range o.Rows {
		ops = append(ops, storage.Op{ID: fmt.Sprint(i), Code: r.Code, Scalars: r.Scalars})
	}
	if _, err := shard.Commit(ops); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(shard.Close(), catalog.Close()); err != nil {
		t.Fatal(err)
	}
}

// The encoder of that version is gone from this one but for what new vectors go through: they
// get the rows that it gave them, to the bit.
func TestNewVectorsAreEncodedAsTheOlderVersionDid(t *testing.T) {
	for _, o := range readOlderRows(t) {
		state, err := readSchema(o.schema())
		if err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		codec := newCodec(state)
		for i, r := range o.Rows {
			want, err := codec.codeAlone(r.Code, r.Scalars)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]uint64, codec.profile.RowWords())
			codec.profile.Encode([][]uint64{got}, [][]float32{olderVector(i)})
			if o.Name == "l2-plain" { // |x|^2 is that of a length that was rounded to a float32
				got, want = got[:len(r.Code)], want[:len(r.Code)]
			}
			if !slices.Equal(got, want) || !slices.Equal(want[:len(r.Code)], r.Code) {
				t.Errorf("%s: vector %d is encoded as %x, want %x", o.Name, i, got, want)
			}
		}
	}
}

// mustNotOpen fails the test unless collection c is refused with the error want, which says
// what is the matter.
func mustNotOpen(t *testing.T, dir string, opts Options, want error, says string) {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	db, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("c"); !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
		t.Errorf("error is %v, want %v and %q", err, want, says)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestOlderCodesAloneOfEveryProfileAreServed(t *testing.T) {
	for _, o := range readOlderRows(t) {
		t.Run(o.Name, func(t *testing.T) {
			dir := t.TempDir()
			o.store(t, dir)
			rotates := strings.Contains(o.Name, "nested")
			mustNotOpen(t, dir, Options{ReadOnly: true}, ErrReadOnly, "open the directory for writing once")
			if rotates {
				mustNotOpen(t, dir, Options{}, ErrVersion, "rotated 256 dimensions at a time")
			}
			db := openWith(t, dir, Options{TrustOlderCodes: rotates})
			c, err := db.Collection("c")
			if err != nil {
				t.Fatal(err)
			}
			metric := c.Info().Metric
			plain := strings.HasSuffix(o.Name, "plain")
			ladder := map[string][]int{"plain": {64, 128, 256, 512, 576}, "centred": {256, 512, 576}, "nested": {256, 512, 576}, "full": {576}}
			kind := strings.Split(o.Name, "-")[1]
			if info := c.Info(); info.ProfileInForce != encoder.Signs || info.Store != encoder.None || c.Count() != uint64(len(o.Rows)) || !slices.Equal(info.Ladder, ladder[kind]) {
				t.Fatalf("%d rows under %+v, want %d of the ladder %v", c.Count(), info, len(o.Rows), ladder[kind])
			}
			// Each vector finds itself, also at every prefix that the old profile allowed.
			finds := func(c *Collection) {
				t.Helper()
				for i, r := range o.Rows {
					for _, size := range c.Info().Ladder {
						if plain && metric != encoder.Cosine && size < olderDims {
							continue // nothing is known of the length of a prefix
						}
						v := olderVector(i)[:size]
						scorer := scan.NewScorer(metric, encoder.Float32, v)
						best := float64(scorer.Score(v))
						hits := ask(t, c, Query{Vector: v, Dims: size, K: 1}).Hits
						if metric == encoder.Dot && i != 3 {
							continue // the longest is the nearest
						}
						off := math.Abs(float64(hits[0].Score) - best)
						if most := length(v) * length(v); hits[0].ID != fmt.Sprint(i) || off > .35*most && metric != encoder.Cosine || off > .35 && metric == encoder.Cosine {
							t.Errorf("the first %d dims of vector %d find %q with score %v, want themselves and about %v", size, i, hits[0].ID, hits[0].Score, best)
						}
					}
					found, _, err := c.Get(t.Context(), []string{fmt.Sprint(i)}, ReadOptions{WithCode: true})
					if err != nil || len(found) != 1 || !slices.Equal(found[0].Code, r.Code) {
						t.Errorf("code %d is %v (%v), want %v", i, found, err, r.Code)
					}
					if hits := ask(t, c, Query{Code: r.Code, K: 1}).Hits; metric == encoder.Cosine && hits[0].ID != fmt.Sprint(i) {
						t.Errorf("code %d finds %v", i, hits)
					}
				}
			}
			finds(c)
			if _, err := c.Search(t.Context(), Query{Vector: olderVector(0)[:320], K: 1}); err == nil {
				t.Error("a prefix is searched that is no step of the ladder")
			}
			again := Record{ID: "again", Vector: olderVector(1)}
			upsert(t, c, again)
			hits := ask(t, c, Query{Vector: olderVector(1), K: 6}).Hits
			at := slices.IndexFunc(hits, func(h Hit) bool { return h.ID == "1" })
			if at < 0 || at+1 >= len(hits) || hits[at+1].ID != "again" || hits[at].Score != hits[at+1].Score {
				t.Errorf("a vector that is stored once more is found as %v", hits)
			}
			err = c.Upsert(t.Context(), []Record{{ID: "code", Code: o.Rows[0].Code}})
			switch says := "older version"; {
			case plain && metric == encoder.Cosine && err != nil:
				t.Errorf("a code alone: %v", err)
			case !plain && (err == nil || !strings.Contains(err.Error(), says)):
				t.Errorf("a code alone: error %v, want one that says %q", err, says)
			}
			if _, err := c.Remove(t.Context(), []string{"again", "code"}); err != nil {
				t.Fatal(err)
			}
			closeSound(t, db)
			if c, err = openDB(t, dir).Collection("c"); err != nil {
				t.Fatal(err)
			}
			finds(c)
		})
	}
}

func TestAnOlderStateThatCannotBeIsRefused(t *testing.T) {
	for _, o := range readOlderRows(t) {
		schema := o.schema()
		schema.Scalars++
		if _, err := readSchema(schema); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s with a scalar more: error %v, want ErrCorrupt", o.Name, err)
		}
		alone := newCodec(must(readSchema(o.schema())))
		for at := range o.Rows[0].Scalars {
			scalars := slices.Clone(o.Rows[0].Scalars)
			scalars[at] = float32(math.Inf(1))
			if _, err := alone.codeAlone(o.Rows[0].Code, scalars); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s with scalars %v: error %v, want ErrCorrupt", o.Name, scalars, err)
			}
		}
	}
	state := func(profile string) string { return `{"metric":"cosine","store":"none","profile":` + profile + `}` }
	for _, engine := range []string{
		`{"metric":"cosine","store":"float32","profile":{"version":1,"kind":"plain","dims":65,"ladder":[65]}}`,
		`{"metric":"cosine","store":"float16","profile":{"version":1,"kind":"plain","dims":64,"ladder":[64]}}`,
		`{"metric":"cosine","store":"float32"}`, `{"metric":"cosine","store":"float32","profile":{"version":2,"kind":"signs","metric":"cosine","dims":64}}`, `[]`,
		state(`{"version":1,"kind":"odd","dims":64,"ladder":[64]}`),
		state(`{"version":1,"kind":"plain","dims":64,"ladder":[64],"seed":1}`),
		state(`{"version":1,"kind":"plain","dims":64,"ladder":[64],"unit":true}`),
		state(`{"version":1,"kind":"nested","dims":64,"ladder":[64],"unit":true}`),
		state(`{"version":1,"kind":"nested","dims":64,"ladder":[64],"seed":1}`),
		state(`{"version":1,"kind":"nested","dims":64,"ladder":[128,64],"unit":true,"seed":1}`),
		state(`{"version":1,"kind":"full","dims":-64,"ladder":[64],"unit":true,"seed":1}`),
		state(`{"version":1,"kind":"full","dims":9223372036854775807,"ladder":[64],"unit":true,"seed":1}`),
		state(`{"version":1,"kind":"centred","dims":64,"ladder":[64],"unit":true}`),
		state(`{"version":1,"kind":"centred","dims":64,"ladder":[64],"unit":true,"mean":"AAAA"}`),
		state(`{"version":1,"kind":"full+centred","dims":64,"ladder":[64],"unit":true,"seed":1,"mean":"AAAA"}`),
		state(`{"version":1,"kind":"nested+centred","dims":1,"ladder":[1],"unit":true,"seed":1,"mean":"AADAfw=="}`),
	} {
		for _, bytes := range []int{0, 256} {
			if _, err := readSchema(storage.Schema{Dims: 64, Scalars: 1, VectorBytes: bytes, Engine: []byte(engine)}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: error %v, want ErrCorrupt", engine, err)
			}
		}
	}
}

func must(state engineState, err error) engineState {
	if err != nil {
		panic(err)
	}
	return state
}
