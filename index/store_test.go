package index

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

func lower(t *testing.T, c *Collection, store encoder.Precision) {
	t.Helper()
	if err := c.Update(t.Context(), Change{Store: &store}); err != nil {
		t.Fatal(err)
	}
}

// normal returns a vector that every precision but float32 rounds.
func normal(r *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// TestVectorsLoweredAreVectorsStoredLow compares every byte that is kept with a
// collection that had the precision from the start, and its answers with those of one
// that has what is read back as float32.
func TestVectorsLoweredAreVectorsStoredLow(t *testing.T) {
	const dims = 520 // so that there are codes
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		for _, store := range []encoder.Precision{encoder.Float16, encoder.BFloat16, encoder.Int8, encoder.None} {
			for _, kind := range []encoder.Kind{encoder.Signs, encoder.Learned} {
				t.Run(fmt.Sprintf("%v/%v/%v", metric, store, kind), func(t *testing.T) {
					t.Parallel()
					r := rand.New(rand.NewPCG(uint64(store), uint64(metric)))
					db := openDB(t, t.TempDir())
					spec := Spec{Name: "lowered", Dims: dims, Ladder: []int{256}, Metric: metric, Profile: kind}
					if testing.Short() && kind == encoder.Learned && metric != encoder.Dot {
						t.Skip("-short: learns for each")
					}
					lowered := create(t, db, spec)
					records := randomRecords(r, 0, 2*pauseRows, dims)
					for i := range records {
						records[i].Vector = normal(r, dims)
					}
					upsert(t, lowered, records...)
					settle(t, lowered)
					lower(t, lowered, store)
					settle(t, lowered)
					if got := lowered.Info().Store; got != store {
						t.Fatalf("stored precision is %v, want %v", got, store)
					}
					profile := lowered.current.Load().codec.profile
					if want := kind; profile.Kind() != want {
						t.Fatalf("profile %v is in force, want %v", profile.Kind(), want)
					}
					low := createAs(t, db, "low", engineState{Metric: metric, Store: store, Profile: profile})
					upsert(t, low, records...)
					if !slices.Equal(rowsOf(t, lowered), rowsOf(t, low)) {
						t.Error("the rows differ from those of a collection made with the precision")
					}
					if store == encoder.None {
						return
					}
					full := createAs(t, db, "read-back", engineState{Metric: metric, Profile: profile})
					back, _, err := low.List(t.Context(), len(records), "", ReadOptions{WithVector: true, WithMetadata: true})
					if err != nil {
						t.Fatal(err)
					}
					upsert(t, full, back...)
					for _, q := range []Query{{Exact: true}, {}, {Rescore: RescoreCodes}, {ID: "id-00007"}, {Dims: 256, Exact: true}} {
						q.K = 20
						if q.ID == "" {
							q.Vector = normal(r, dims)
						}
						got := ask(t, lowered, q)
						if err := sameHits(got.Hits, ask(t, full, q).Hits); err != nil {
							t.Errorf("exact %t, by id %t: %v", q.Exact, q.ID != "", err)
						}
						dims := dims
						if got.Receipt.Exact {
							dims = got.Receipt.Dims
						}
						if want := got.Receipt.VectorsRead * uint64(store.Bytes(dims)); got.Receipt.VectorBytesRead != want {
							t.Errorf("%d vector bytes were read, want %d", got.Receipt.VectorBytesRead, want)
						}
					}
				})
			}
		}
	}
}

func TestWhatNeedsVectorsIsRefusedWhereThereAreNone(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 256, Store: encoder.None})
	r := rand.New(rand.NewPCG(1, 30))
	upsert(t, c, randomRecords(r, 0, 300, 256)...)
	vector := whole(r, 256)
	for name, do := range map[string]func() error{
		"exact": func() error { _, err := c.Search(t.Context(), Query{Vector: vector, K: 1, Exact: true}); return err },
		"rescored": func() error {
			_, err := c.Search(t.Context(), Query{Vector: vector, K: 1, Rescore: RescoreVectors})
			return err
		},
		"by id": func() error { _, err := c.Search(t.Context(), Query{ID: "id-00001", K: 1}); return err },
		"with vectors": func() error {
			_, err := c.Search(t.Context(), Query{Vector: vector, K: 1, WithVector: true})
			return err
		},
		"in a batch": func() error {
			_, err := c.BatchSearch(t.Context(), []Query{{Vector: vector, K: 1, Exact: true}})
			return err
		},
		"get": func() error {
			_, _, err := c.Get(t.Context(), []string{"id-00001"}, ReadOptions{WithVector: true})
			return err
		},
		"list":    func() error { _, _, err := c.List(t.Context(), 1, "", ReadOptions{WithVector: true}); return err },
		"profile": func() error { kind := encoder.Learned; return c.Update(t.Context(), Change{Profile: &kind}) },
	} {
		if err := do(); !errors.Is(err, ErrCodesOnly) {
			t.Errorf("%s: %v, want ErrCodesOnly", name, err)
		}
	}
	res := ask(t, c, Query{Vector: vector, K: 10})
	if res.Receipt.Rescore != RescoreCodes || len(res.Hits) != 10 || res.Receipt.VectorsRead != 0 {
		t.Errorf("%d hits rescored by %v with %d vectors read, want 10 by codes", len(res.Hits), res.Receipt.Rescore, res.Receipt.VectorsRead)
	}
	found, _, err := c.Get(t.Context(), []string{"id-00003"}, ReadOptions{WithMetadata: true})
	if err != nil || len(found) != 1 || string(found[0].Metadata) != `{"n":3}` {
		t.Errorf("got %v (%v), want the metadata", found, err)
	}
	if kind := encoder.Signs; c.Update(t.Context(), Change{Profile: &kind}) != nil || c.Info().Profile != kind {
		t.Errorf("a collection of codes alone has profile %v, and cannot be asked for it", c.Info().Profile)
	}
}

func TestAChangeOfPrecisionThatCannotBeIsRefused(t *testing.T) {
	db := openDB(t, t.TempDir())
	for i, tt := range []struct {
		name      string
		spec      Spec
		change    Change
		wantField string
	}{
		{"raised", Spec{Store: encoder.Int8}, Change{Store: new(encoder.Float16)}, "store"},
		{"unknown", Spec{}, Change{Store: new(encoder.Precision(9))}, "store"},
		{"unknown profile", Spec{}, Change{Profile: new(encoder.Kind(77))}, "profile"},
		{"no codes at all", Spec{}, Change{Profile: new(encoder.Exact)}, "profile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Name, tt.spec.Dims = fmt.Sprint("c", i), 64
			c := create(t, db, tt.spec)
			if err := c.Update(t.Context(), tt.change); fieldOf(err) != tt.wantField {
				t.Errorf("error %v, want an InvalidError of %s", err, tt.wantField)
			}
			settle(t, c)
			if got := c.Info(); got.Store != tt.spec.Store || got.Profile != tt.spec.Profile {
				t.Errorf("it has become %v and %v", got.Store, got.Profile)
			}
		})
	}
	if _, err := db.Create(t.Context(), Spec{Name: "new", Dims: 64, Store: 9}); fieldOf(err) != "store" {
		t.Errorf("created with an unknown precision: error %v, want an InvalidError of store", err)
	}
	if got := create(t, db, Spec{Name: "none", Dims: 64, Store: encoder.None}).Info(); got.Profile != encoder.Signs {
		t.Errorf("a collection without vectors to learn from has profile %v, want signs", got.Profile)
	}
}

func TestAVectorBeyondThePrecisionIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 2, Metric: encoder.Dot, Profile: encoder.Signs})
	large := Record{ID: "large", Vector: []float32{1, 70_000}}
	upsert(t, c, large)
	lower(t, c, encoder.Float16)
	if err := c.Settle(t.Context()); err == nil || !strings.Contains(err.Error(), `"large"`) || !strings.Contains(err.Error(), "65504") {
		t.Errorf("error %v, want one that names the vector and the limit", err)
	}
	mustServe(t, dir, c, 1)
	half := create(t, db, Spec{Name: "half", Dims: 2, Metric: encoder.Dot, Store: encoder.Float16, Profile: encoder.Signs})
	if err := half.Upsert(t.Context(), []Record{large}); fieldOf(err) != "vectors[0].vector" {
		t.Errorf("error %v, want an InvalidError of the vector", err)
	}
}

// A write that was accepted for float32 may come too late for it.
func TestAWriteThatWaitedUntilItsVectorDoesNotFitFailsAlone(t *testing.T) {
	s, reached, release := holdAt("rewrite in place")
	c := create(t, openWithStages(t, t.TempDir(), s), Spec{Name: "c", Dims: 2, Metric: encoder.Dot, Profile: encoder.Signs})
	upsert(t, c, Record{ID: "a", Vector: []float32{1, 2}})
	lower(t, c, encoder.Float16)
	<-reached
	var waiting []*Pending
	for _, r := range []Record{{ID: "b", Vector: []float32{3, 4}}, {ID: "large", Vector: []float32{1, 70_000}}, {ID: "c", Vector: []float32{5, 6}}} {
		p, _, err := c.Submit(t.Context(), []Record{r})
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, p)
	}
	close(release)
	for i, p := range waiting {
		if err := p.Wait(t.Context()); (fieldOf(err) == "vectors") != (i == 1) || err != nil && i != 1 {
			t.Errorf("write %d: %v", i, err)
		}
	}
	settle(t, c)
	if n := c.Count(); n != 3 {
		t.Errorf("%d vectors, want 3", n)
	}
}

func TestLoweringGivesSpaceBack(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 512, Profile: encoder.Signs})
	const rows = 4 * pauseRows
	upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 31)), 0, rows, 512)...)
	var last Stats
	for i, store := range []encoder.Precision{encoder.Float32, encoder.Float16, encoder.Int8, encoder.None} {
		lower(t, c, store)
		settle(t, c)
		stats, err := c.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if stats.DiskCodes != rows*(64+8) || stats.DiskVectors != rows*uint64((store.Bytes(512)+7)/8*8+8) ||
			stats.DiskCodes+stats.DiskVectors+stats.DiskRows+stats.DiskFreeBytes != stats.DiskBytes || stats.VectorBytesPerVector != uint64(store.Bytes(512)) {
			t.Errorf("%v: stats are %+v", store, stats)
		}
		if i > 0 && stats.DiskBytes >= last.DiskBytes {
			t.Errorf("%v takes %d bytes of the disk, the precision before %d", store, stats.DiskBytes, last.DiskBytes)
		}
		last = stats
	}
}
