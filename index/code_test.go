package index

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/storage"
)

func TestCodesAreReadAsTheProfileMakesThem(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, kind := range []encoder.Kind{encoder.Signs, encoder.Learned} {
		for _, store := range []encoder.Precision{encoder.Float32, encoder.Int8, encoder.None} {
			c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 300, Ladder: []int{64, 256}, Profile: kind, Store: store})
			g := c.current.Load()
			before := g.view.Load()
			var records []Record
			for i := range 1100 { // a sealed block and a tail
				records = append(records, Record{ID: fmt.Sprint(i), Vector: whole(r, 300)})
			}
			upsert(t, c, records...)
			all, _, err := c.List(t.Context(), 2000, "", ReadOptions{WithCode: true})
			if err != nil || len(all) != 1100 {
				t.Fatalf("%d records, %v", len(all), err)
			}
			for i, rec := range all {
				if want := signsOf(records[i].Vector); !slices.Equal(rec.Code, want) || rec.Vector != nil || rec.Metadata != nil {
					t.Fatalf("%v, %v: record %d is %+v, want code %x alone", kind, store, i, rec, want)
				}
			}
			some, _, err := c.Get(t.Context(), []string{"1023", "1024", "0"}, ReadOptions{WithCode: true})
			if err != nil || len(some) != 3 || !slices.Equal(some[0].Code, all[1023].Code) || !slices.Equal(some[1].Code, all[1024].Code) || !slices.Equal(some[2].Code, all[0].Code) {
				t.Errorf("%v, %v: got %+v, %v, want the codes that List gives", kind, store, some, err)
			}
			// A reader may see rows that the view does not have yet.
			now := g.view.Load()
			g.view.Store(before)
			err = g.shard.View(func(r *storage.Reader) error {
				for _, slot := range []uint64{0, 1023, 1024, 1099} {
					if got, err := g.signs(r, slot); err != nil || !slices.Equal(got, all[slot].Code) {
						t.Errorf("code %d from storage is %x, %v, want %x", slot, got, err, all[slot].Code)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			g.view.Store(now)
		}
	}
}

func signsOf(v []float32) []uint64 {
	words := make([]uint64, code.Words(len(v)))
	code.Signs(words, v)
	return words
}

func TestACodeGivenWithItsVectorMustBeThatVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	for _, kind := range []encoder.Kind{encoder.Signs, encoder.Learned} {
		for _, store := range []encoder.Precision{encoder.Float32, encoder.None} {
			c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 100, Profile: kind, Store: store})
			record := func(i int) Record {
				v := whole(r, 100)
				return Record{ID: fmt.Sprint(i), Vector: v, Code: signsOf(v)}
			}
			good, bad, last := record(0), record(1), record(2)
			bad.Code[0] ^= 0b1011
			pending, refused, err := c.Submit(t.Context(), []Record{good, bad, last})
			if err != nil {
				t.Fatal(err)
			}
			if err := pending.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			const want = "differs in 3 of 100 bits from the signs of the vector"
			if len(refused) != 1 || refused[0] != (RecordError{Index: 1, ID: "1", Field: "code", Reason: want}) {
				t.Errorf("%v, %v: refused %+v, want record 1 for 3 bits", kind, store, refused)
			}
			found, missing, err := c.Get(t.Context(), []string{"0", "1", "2"}, ReadOptions{WithCode: true, WithVector: store == encoder.Float32})
			if err != nil || len(found) != 2 || len(missing) != 1 || !slices.Equal(found[1].Code, last.Code) || store == encoder.Float32 && !slices.Equal(found[1].Vector, last.Vector) {
				t.Errorf("%v, %v: found %+v, missing %q, %v, want 0 and 2 as they were", kind, store, found, missing, err)
			}
			if err := c.Upsert(t.Context(), []Record{bad}); fieldOf(err) != "vectors[0].code" {
				t.Errorf("%v, %v: upsert: %v, want vectors[0].code", kind, store, err)
			}
		}
	}
}

func TestACodeAloneIsStoredWhereNothingElseIs(t *testing.T) {
	db := openDB(t, t.TempDir())
	c := create(t, db, Spec{Name: "c", Dims: 100, Store: encoder.None})
	r := rand.New(rand.NewPCG(4, 6))
	var records []Record
	for i := range 50 {
		words := make([]uint64, 2)
		code.Signs(words, whole(r, 100))
		records = append(records, Record{ID: fmt.Sprint(i), Code: words, Metadata: []byte(`{}`)})
	}
	records = append(records, Record{ID: "zero", Code: []uint64{0, 0}}) // a code like any other
	upsert(t, c, records...)
	res := ask(t, c, Query{Code: records[9].Code, K: 1, WithMetadata: true})
	if res.Hits[0].ID != "9" || res.Hits[0].Score != 1 || string(res.Hits[0].Metadata) != "{}" {
		t.Errorf("code 9 finds %+v, want itself", res.Hits[0])
	}
	if res := ask(t, c, Query{Code: []uint64{0, 0}, K: 1}); res.Hits[0].ID != "zero" {
		t.Errorf("no bits find %+v, want zero", res.Hits[0])
	}
	// A vector may be searched for, too, and stored.
	v := whole(r, 100)
	upsert(t, c, Record{ID: "v", Vector: v})
	if res := ask(t, c, Query{Vector: v, K: 1}); res.Hits[0].ID != "v" {
		t.Errorf("the vector finds %+v, want itself", res.Hits[0])
	}
}

func TestACodeThatCannotBeStoredIsRefused(t *testing.T) {
	db := openDB(t, t.TempDir())
	for i, tt := range []struct {
		name, field, want string
		spec              Spec
		record            Record
	}{
		{"alone where vectors are stored", "code", "comes without a vector, and the collection stores vectors (float16)", Spec{Store: encoder.Float16}, Record{Code: []uint64{1, 1}}},
		{"alone where lengths are needed", "code", "under profile signs and metric dot a row needs more", Spec{Store: encoder.None, Metric: encoder.Dot}, Record{Code: []uint64{1, 1}}},
		{"too short", "code", "has 1 words of 64 bits, want 2 for 100 dimensions", Spec{Store: encoder.None}, Record{Code: []uint64{1}}},
		{"empty", "code", "has 0 words", Spec{Store: encoder.None}, Record{Code: []uint64{}}},
		{"padding", "code", "has bits set past dimension 99", Spec{Store: encoder.None}, Record{Code: []uint64{0, 1 << 36}}},
		{"padding beside a vector", "code", "has bits set past dimension 99", Spec{}, Record{Code: []uint64{0, 1 << 36}, Vector: make([]float32, 100)}},
		{"beside a bad vector", "vector", "", Spec{}, Record{Code: []uint64{0, 0}, Vector: make([]float32, 3)}},
		{"neither code nor vector", "vector", "", Spec{Store: encoder.None}, Record{}},
	} {
		tt.spec.Name, tt.spec.Dims, tt.record.ID = fmt.Sprint("c", i), 100, "a"
		c := create(t, db, tt.spec)
		err := c.Upsert(t.Context(), []Record{tt.record})
		if fieldOf(err) != "vectors[0]."+tt.field || !strings.Contains(err.Error(), tt.want) || c.Count() != 0 {
			t.Errorf("%s: %v, %d stored, want %s refused with %q", tt.name, err, c.Count(), tt.field, tt.want)
		}
	}
}

func TestACodeIsSearchedWithoutReadingVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	for _, store := range []encoder.Precision{encoder.Float32, encoder.None} {
		c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 300, Ladder: []int{256}, Profile: encoder.Signs, Store: store})
		var records []Record
		for i := range 50 {
			records = append(records, Record{ID: fmt.Sprint(i), Vector: whole(r, 300)})
		}
		upsert(t, c, records...)
		words := signsOf(records[7].Vector)
		for _, n := range []int{256, 300} {
			res := ask(t, c, Query{Code: words[:code.Words(n)], K: 5})
			got := res.Receipt
			if res.Hits[0].ID != "7" || res.Hits[0].Score < .9 || got.Dims != n || got.Rescore != RescoreCodes || got.VectorsRead != 0 || got.Bound != 0 || got.TargetRecall != 0 || got.ExpectedRecall != 0 {
				t.Errorf("%v: %d bits of a stored code find %+v with receipt %+v, want the code itself by codes alone", store, n, res.Hits[0], got)
			}
		}
		for i := range words { // the opposite of everything
			words[i] = ^words[i]
		}
		words[4] &= 1<<44 - 1
		res := ask(t, c, Query{Code: words, K: 50})
		if last := res.Hits[49]; last.ID != "7" || last.Score > -.9 {
			t.Errorf("%v: farthest from the opposite of code 7 is %+v, want 7", store, last)
		}
	}
}

// A code query ranks rows by the bits that differ, however many there are, and pages through them.
func TestACodeRanksByTheBitsThatDiffer(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 2))
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 300, Ladder: []int{128}, Store: encoder.None})
	w := &twin{}
	for i := range 700 {
		w.rows = append(w.rows, Record{ID: fmt.Sprint(i), Vector: whole(r, 300)})
	}
	upsert(t, c, w.rows...)
	w.rows = slices.Clone(w.rows)
	w.retireSome(t, r, c, func(r *rand.Rand) []float32 { return whole(r, 300) })
	for _, dims := range []int{128, 300} {
		query := signsOf(whole(r, 300)[:dims])
		want := w.search(len(w.rows), func(row int) float32 {
			return -float32(code.Distance(query, signsOf(w.rows[row].Vector[:dims])))
		})
		q := Query{Code: query, K: 9, Candidates: 700}
		var got []Hit
		for {
			page := ask(t, c, q)
			got = append(got, page.Hits...)
			if q.PageToken = page.NextPageToken; q.PageToken == "" {
				break
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d hits, want %d", len(got), len(want))
		}
		for i, h := range got {
			score := math.Cos(math.Pi * float64(-want[i].Score) / float64(dims))
			if h.ID != want[i].ID || math.Abs(float64(h.Score)-score) > 1e-5 {
				t.Errorf("%d dims: hit %d is %+v, want %q at %v", dims, i, h, want[i].ID, score)
			}
		}
	}
	for name, bad := range map[string]Query{
		"code":           {Code: make([]uint64, 6)},
		"code ":          {Code: make([]uint64, 3)},
		"code  ":         {Code: []uint64{0, 0, 0, 0, 1 << 44}},
		"dims":           {Code: make([]uint64, 2), Dims: 192},
		"code   ":        {Code: make([]uint64, 5), Rescore: RescoreVectors},
		"code    ":       {Code: make([]uint64, 5), Exact: true},
		"target_recall":  {Code: make([]uint64, 5), Bound: 2},
		"target_recall ": {Code: make([]uint64, 5), TargetRecall: .9},
	} {
		bad.K = 1
		if _, err := c.Search(t.Context(), bad); fieldOf(err) != strings.TrimSpace(name) {
			t.Errorf("%+v: error %v, want an InvalidError of %s", bad, err, name)
		}
	}
}
