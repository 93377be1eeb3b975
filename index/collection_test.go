package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/storage"
)

func TestWhatWasStoredComesBackAfterReopening(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	r := rand.New(rand.NewPCG(1, 1))
	c := create(t, db, Spec{Name: "c", Dims: 70, Metric: encoder.Dot, Labels: map[string]string{"model": "m"}})
	var records []Record
	for i := range 1500 {
		records = append(records, Record{ID: fmt.Sprintf("id-%04d", i), Vector: whole(r, 70), Metadata: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	upsert(t, c, records...)
	if n, err := c.Remove(t.Context(), []string{"id-0007", "nobody", "id-0008"}); n != 2 || err != nil {
		t.Fatalf("removed %d, %v, want 2", n, err)
	}
	info := c.Info()
	closeSound(t, db)

	db = openDB(t, dir)
	c, err := db.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Info(); got.Name != info.Name || !got.Created.Equal(info.Created) || got.Metric != encoder.Dot || !slices.Equal(got.Ladder, info.Ladder) ||
		!maps.Equal(got.Labels, info.Labels) || got.ProfileFingerprint != info.ProfileFingerprint {
		t.Errorf("info is %+v, want %+v", got, info)
	}
	if c.Count() != 1498 {
		t.Errorf("count is %d, want 1498", c.Count())
	}
	found, missing, err := c.Get(t.Context(), []string{"id-1499", "id-0007", "id-0000"}, ReadOptions{WithVector: true, WithMetadata: true})
	if err != nil || len(found) != 2 || !slices.Equal(missing, []string{"id-0007"}) {
		t.Fatalf("got %v, missing %v, %v", found, missing, err)
	}
	for i, want := range []Record{records[1499], records[0]} {
		if found[i].ID != want.ID || !slices.Equal(found[i].Vector, want.Vector) || string(found[i].Metadata) != string(want.Metadata) {
			t.Errorf("got %v, want %v", found[i], want)
		}
	}
	res := ask(t, c, Query{Vector: records[1499].Vector, K: 1, WithVector: true, WithMetadata: true})
	if h := res.Hits[0]; h.ID != "id-1499" || string(h.Metadata) != `{"n":1499}` || !slices.Equal(h.Vector, records[1499].Vector) {
		t.Errorf("found %+v, want id-1499 itself", h)
	}
	stats, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if stats.Vectors != 1498 || stats.Retired != 2 || stats.Commits != 2 || stats.CodeBytesPerVector != 0 || stats.VectorBytesPerVector != 280 ||
		stats.MemoryBytes != codes.SegmentRows/8 || stats.DiskBytes < 1500*280 {
		t.Errorf("stats are %+v", stats)
	}
}

func TestListingHasEveryVectorOnceInTheOrderStored(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 3})
	var want []string
	for i := range 25 {
		upsert(t, c, Record{ID: fmt.Sprint(i), Vector: []float32{1, 2, 3}})
		want = append(want, fmt.Sprint(i))
	}
	upsert(t, c, Record{ID: "4", Vector: []float32{3, 2, 1}}) // moves to the end
	want = append(slices.Delete(want, 4, 5), "4")
	if _, err := c.Remove(t.Context(), []string{"0"}); err != nil {
		t.Fatal(err)
	}
	want = want[1:]
	for _, n := range []int{1, 2, 7, 24, 25, 100} {
		var got []string
		token := ""
		for {
			page, next, err := c.List(t.Context(), n, token, ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				got = append(got, r.ID)
			}
			if token = next; token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", n, got, want)
		}
	}
	for _, token := range []string{"x", "AAAA", strings.Repeat("A", 40)} {
		if _, _, err := c.List(t.Context(), 1, token, ReadOptions{}); fieldOf(err) != "page_token" {
			t.Errorf("token %q: %v, want an InvalidError of page_token", token, err)
		}
	}
}

func fieldOf(err error) string {
	var e *InvalidError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Violations[0].Field
}

func TestPagesOfASearchAreOneLongAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 64})
	var records []Record
	for i := range 400 {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: whole(r, 64)})
		if i%5 == 0 && i > 0 {
			records[i].Vector = records[i-1].Vector // ties to page through
		}
	}
	upsert(t, c, records...)
	low := float32(0.05)
	for _, tt := range []struct {
		name string
		q    Query
	}{
		{"exact", Query{Exact: true}},
		{"exact above a score", Query{Exact: true, MinScore: &low}},
		{"like a stored vector", Query{ID: "5", Exact: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := tt.q
			if q.ID == "" {
				q.Vector = whole(r, 64)
			}
			q.K = 400
			all := ask(t, c, q).Hits
			if q.MinScore != nil && (len(all) == 400 || len(all) == 0) {
				t.Fatalf("the score cuts nothing or all: %d hits", len(all))
			}
			q.K = 7
			var got []Hit
			for {
				page := ask(t, c, q)
				got = append(got, page.Hits...)
				if q.PageToken = page.NextPageToken; q.PageToken == "" {
					break
				}
				if len(page.Hits) != 7 {
					t.Fatalf("a page of %d hits is followed by another", len(page.Hits))
				}
			}
			if err := sameHits(got, all); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAMalformedQueryIsRefusedByField(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 300, Ladder: []int{128}})
	upsert(t, c, Record{ID: "a", Vector: whole(r, 300)}, Record{ID: "b", Vector: whole(r, 300)})
	good := func(change func(*Query)) Query {
		q := Query{Vector: whole(rand.New(rand.NewPCG(3, 4)), 300), K: 1}
		change(&q)
		return q
	}
	token := ask(t, c, good(func(*Query) {})).NextPageToken
	if token == "" {
		t.Fatal("no token for a second page")
	}
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name, field string
		q           Query
	}{
		{"k is 0", "k", good(func(q *Query) { q.K = 0 })},
		{"k is negative", "k", good(func(q *Query) { q.K = -1 })},
		{"neither vector nor id nor code", "vector", Query{K: 1}},
		{"both vector and id", "vector", good(func(q *Query) { q.ID = "a" })},
		{"query longer than the collection", "vector", good(func(q *Query) { q.Vector = make([]float32, 301) })},
		{"query of a size off the ladder", "vector", good(func(q *Query) { q.Vector = q.Vector[:64] })},
		{"NaN in the query", "vector", good(func(q *Query) { q.Vector[7] = nan })},
		{"all-zero query", "vector", good(func(q *Query) { clear(q.Vector) })},
		{"both vector and code", "vector", good(func(q *Query) { q.Code = make([]uint64, 5) })},
		{"both id and code", "vector", Query{K: 1, ID: "a", Code: make([]uint64, 5)}},
		{"code where there are none", "code", Query{K: 1, Code: make([]uint64, 5)}},
		{"k beyond what there can be", "k", good(func(q *Query) { q.K = 1 << 33 })},
		{"a target above 1", "target_recall", good(func(q *Query) { q.TargetRecall = 1.01 })},
		{"a target below 0", "target_recall", good(func(q *Query) { q.TargetRecall = -.1 })},
		{"a target that is NaN", "target_recall", good(func(q *Query) { q.TargetRecall = math.NaN() })},
		{"a bound below 0", "bound", good(func(q *Query) { q.Bound = -1 })},
		{"a bound that is NaN", "bound", good(func(q *Query) { q.Bound = math.NaN() })},
		{"a bound and a target", "bound", good(func(q *Query) { q.Bound, q.TargetRecall = 2, .9 })},
		{"exact with a target", "exact", good(func(q *Query) { q.Exact, q.TargetRecall = true, .9 })},
		{"exact with a bound", "exact", good(func(q *Query) { q.Exact, q.Bound = true, 2 })},
		{"exact with rescore", "exact", good(func(q *Query) { q.Exact, q.Rescore = true, RescoreCodes })},
		{"dims off the grid", "dims", good(func(q *Query) { q.Dims = 100 })},
		{"negative dims", "dims", good(func(q *Query) { q.Dims = -64 })},
		{"dims above the collection's", "dims", good(func(q *Query) { q.Dims = 320 })},
		{"dims above the query's", "dims", good(func(q *Query) { q.Vector, q.Dims = q.Vector[:128], 192 })},
		{"fewer candidates than k", "candidates", good(func(q *Query) { q.K, q.Candidates = 5, 4 })},
		{"oversampling below 1", "oversampling", good(func(q *Query) { q.Oversampling = 0.5 })},
		{"oversampling is NaN", "oversampling", good(func(q *Query) { q.Oversampling = math.NaN() })},
		{"oversampling and candidates", "oversampling", good(func(q *Query) { q.Oversampling, q.Candidates = 2, 2 })},
		{"oversampling without end", "oversampling", good(func(q *Query) { q.Oversampling = math.Inf(1) })},
		{"unknown rescore", "rescore", good(func(q *Query) { q.Rescore = 9 })},
		{"exact with candidates", "exact", good(func(q *Query) { q.Exact, q.Candidates = true, 9 })},
		{"min score is NaN", "min_score", good(func(q *Query) { q.MinScore = &nan })},
		{"token of nothing", "page_token", good(func(q *Query) { q.PageToken = "zz" })},
		{"token of another query", "page_token", good(func(q *Query) { q.PageToken, q.Vector[0] = token, 5 })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.Search(t.Context(), tt.q); fieldOf(err) != tt.field {
				t.Errorf("error %v, want an InvalidError of %s", err, tt.field)
			}
			_, err := c.BatchSearch(t.Context(), []Query{good(func(*Query) {}), tt.q})
			if want := "requests[1]." + tt.field; fieldOf(err) != want {
				t.Errorf("in a batch: error %v, want an InvalidError of %s", err, want)
			}
		})
	}
	if _, err := c.Search(t.Context(), Query{ID: "nobody", K: 1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("search by an id that is not there: %v, want ErrNotFound", err)
	}
}

func TestAMalformedRecordIsRefusedByFieldAndNothingIsStored(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2})
	fine := Record{ID: "fine", Vector: []float32{1, 2}}
	for _, tt := range []struct {
		name, field string
		bad         Record
	}{
		{"empty id", "id", Record{Vector: []float32{1, 2}}},
		{"long id", "id", Record{ID: strings.Repeat("x", 513), Vector: []float32{1, 2}}},
		{"id not UTF-8", "id", Record{ID: "\xff", Vector: []float32{1, 2}}},
		{"short vector", "vector", Record{ID: "a", Vector: []float32{1}}},
		{"no vector", "vector", Record{ID: "a"}},
		{"NaN", "vector", Record{ID: "a", Vector: []float32{1, float32(math.NaN())}}},
		{"infinity", "vector", Record{ID: "a", Vector: []float32{1, float32(math.Inf(-1))}}},
		{"all zero", "vector", Record{ID: "a", Vector: []float32{0, 0}}},
		{"metadata not JSON", "metadata", Record{ID: "a", Vector: []float32{1, 2}, Metadata: []byte("{")}},
		{"metadata not an object", "metadata", Record{ID: "a", Vector: []float32{1, 2}, Metadata: []byte(" [1]")}},
		{"metadata of white space", "metadata", Record{ID: "a", Vector: []float32{1, 2}, Metadata: []byte("  ")}},
		{"metadata too large", "metadata", Record{ID: "a", Vector: []float32{1, 2}, Metadata: fmt.Appendf(nil, `{"x":"%s"}`, strings.Repeat("x", 1<<16))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := c.Upsert(t.Context(), []Record{fine, tt.bad})
			if want := "vectors[1]." + tt.field; fieldOf(err) != want {
				t.Errorf("error %v, want an InvalidError of %s", err, want)
			}
			if c.Count() != 0 {
				t.Fatal("something was stored")
			}
		})
	}
	p, refused, err := c.Submit(t.Context(), []Record{{ID: "a", Vector: []float32{1}}, fine, {ID: "", Vector: []float32{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.Count() != 1 || len(refused) != 2 || refused[0].Index != 0 || refused[0].ID != "a" || refused[0].Field != "vector" || refused[1].Index != 2 || refused[1].Field != "id" {
		t.Errorf("stored %d, refused %+v, want 1 stored and records 0 and 2 refused", c.Count(), refused)
	}
	if _, err := c.Remove(t.Context(), []string{"x", ""}); fieldOf(err) != "ids[1]" {
		t.Errorf("removing an empty id: %v, want an InvalidError of ids[1]", err)
	}
}

// A large batch is encoded by several cores.
func TestALargeBatchIsEncodedAsRecordByRecord(t *testing.T) {
	const dims, n = 256, 4*parallelFloats/256 + 3
	r := rand.New(rand.NewPCG(4, 4))
	codec := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: dims, Metric: encoder.Dot, Profile: encoder.Signs}).current.Load().codec
	var records []Record
	for i := range n {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: whole(r, dims)})
	}
	bad := []int{0, 1, n / 2, n - 1}
	for _, i := range bad {
		records[i].ID = ""
	}
	ops, refused := codec.ops(records)
	want, wantRefused := codec.opsOf(records)
	if !reflect.DeepEqual(ops, want) || !slices.Equal(refused, wantRefused) || len(refused) != len(bad) {
		t.Errorf("%d ops and refused %v, want %d and %v", len(ops), refused, len(want), wantRefused)
	}
}

func TestSubmitsAreAppliedInTheirOrder(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 1})
	var last *Pending
	record := []Record{{ID: "a", Vector: []float32{0}}}
	for i := range 200 {
		record[0].Vector[0] = float32(i + 1) // reused: Submit has copied it
		p, _, err := c.Submit(t.Context(), record)
		if err != nil {
			t.Fatal(err)
		}
		last = p
	}
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, _, err := c.Get(t.Context(), []string{"a"}, ReadOptions{WithVector: true})
	if err != nil || found[0].Vector[0] != 200 {
		t.Errorf("the last of 200 is %v, %v", found, err)
	}
	if stats, err := c.Stats(); err != nil || stats.Commits >= 200 {
		t.Errorf("200 waiting writes took %d commits (%v): they do not share them", stats.Commits, err)
	}
}

// TestSearchesDuringWritesSeeWhatWasAcknowledged runs writers, each with ids of its
// own, against searchers that know what had been acknowledged when they began.
func TestSearchesDuringWritesSeeWhatWasAcknowledged(t *testing.T) {
	const writers, ids, rounds, dims = 4, 30, 40, 64
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: dims})
	// versions[w][i] is 2*version+1 while that version of the id is being
	// written, 2*version when it is acknowledged; deleted versions are negative.
	var versions [writers][ids]atomic.Int64
	vector := func(w, i int, version int64) []float32 {
		v := whole(rand.New(rand.NewPCG(uint64(w), uint64(i))), dims)
		v[0] = float32(version)
		return v
	}
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 77))
			for round := range int64(rounds) {
				i := r.IntN(ids)
				version := round + 1
				versions[w][i].Store(2*version + 1)
				id := fmt.Sprintf("%d/%d", w, i)
				if r.IntN(4) == 0 {
					if _, err := c.Remove(t.Context(), []string{id}); err != nil {
						t.Error(err)
					}
					versions[w][i].Store(-2 * version)
					continue
				}
				if err := c.Upsert(t.Context(), []Record{{ID: id, Vector: vector(w, i, version)}}); err != nil {
					t.Error(err)
				}
				versions[w][i].Store(2 * version)
			}
		})
	}
	for s := range 3 {
		reading.Go(func() {
			r := rand.New(rand.NewPCG(uint64(s), 99))
			for {
				select {
				case <-done:
					return
				default:
				}
				w, i := r.IntN(writers), r.IntN(ids)
				before := versions[w][i].Load()
				res, err := c.Search(t.Context(), Query{Vector: vector(w, i, max(1, before/2)), K: writers * ids, WithVector: true})
				after := versions[w][i].Load()
				if err != nil {
					t.Error(err)
					return
				}
				var got int64
				seen := make(map[string]bool)
				for _, h := range res.Hits {
					if seen[h.ID] {
						t.Errorf("%s came twice in one answer", h.ID)
					}
					seen[h.ID] = true
					if h.ID == fmt.Sprintf("%d/%d", w, i) {
						got = int64(h.Vector[0])
					}
				}
				if before != after || before%2 != 0 {
					continue // it changed meanwhile: both answers are right
				}
				if want := max(0, before/2); got != want {
					t.Errorf("%d/%d: version %d came back, want %d (0: deleted)", w, i, got, want)
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
}

func TestADatabaseKeepsItsCollectionsApart(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	a, b := create(t, db, Spec{Name: "a", Dims: 2}), create(t, db, Spec{Name: "b", Dims: 3})
	upsert(t, a, Record{ID: "x", Vector: []float32{1, 2}})
	if b.Count() != 0 {
		t.Error("b has what was stored in a")
	}
	if _, err := db.Create(t.Context(), Spec{Name: "a", Dims: 2}); !errors.Is(err, ErrExists) {
		t.Errorf("second create: %v, want ErrExists", err)
	}
	if _, err := db.Collection("c"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown collection: %v, want ErrNotFound", err)
	}
	if err := db.DeleteCollection(t.Context(), "c"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleting an unknown collection: %v, want ErrNotFound", err)
	}
	if err := b.SetLabels(t.Context(), map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	if err := b.SetLabels(t.Context(), map[string]string{"": "v"}); fieldOf(err) != "labels" {
		t.Errorf("an empty label key: %v, want an InvalidError of labels", err)
	}
	if err := db.DeleteCollection(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Search(t.Context(), Query{Vector: []float32{1, 2}, K: 1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("search of a deleted collection: %v, want ErrNotFound", err)
	}
	if err := a.Upsert(t.Context(), []Record{{ID: "x", Vector: []float32{1, 2}}}); !errors.Is(err, ErrNotFound) {
		t.Errorf("upsert to a deleted collection: %v, want ErrNotFound", err)
	}
	closeSound(t, db)
	if _, err := db.Collection("b"); !errors.Is(err, ErrClosed) {
		t.Errorf("collection of a closed database: %v, want ErrClosed", err)
	}
	db = openDB(t, dir)
	if got := db.Names(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("after reopening there are %v, want b", got)
	}
	b, err := db.Collection("b")
	if err != nil || b.Info().Labels["k"] != "v" {
		t.Errorf("labels are %v (%v), want k=v", b.Info().Labels, err)
	}
}

func TestAMalformedSpecIsRefusedByField(t *testing.T) {
	db := openDB(t, t.TempDir())
	for _, tt := range []struct {
		name, field string
		spec        Spec
	}{
		{"no name", "name", Spec{Dims: 1}},
		{"a name with a slash", "name", Spec{Name: "a/b", Dims: 1}},
		{"a name that starts with a dot", "name", Spec{Name: ".a", Dims: 1}},
		{"a long name", "name", Spec{Name: strings.Repeat("a", 129), Dims: 1}},
		{"no dims", "dims", Spec{Name: "a"}},
		{"too many dims", "dims", Spec{Name: "a", Dims: 65537}},
		{"a ladder step off the grid", "ladder", Spec{Name: "a", Dims: 300, Ladder: []int{100}}},
		{"an unknown metric", "metric", Spec{Name: "a", Dims: 1, Metric: 9}},
		{"an unknown profile", "profile", Spec{Name: "a", Dims: 1, Profile: 9}},
		{"a profile that is no wish", "profile", Spec{Name: "a", Dims: 1, Profile: encoder.Exact}},
		{"an unknown precision", "store", Spec{Name: "a", Dims: 1, Store: 9}},
		{"too small a budget", "bits", Spec{Name: "a", Dims: 100, Bits: 99}},
		{"too large a budget", "bits", Spec{Name: "a", Dims: 100, Bits: 401}},
		{"a budget of plain signs", "bits", Spec{Name: "a", Dims: 100, Bits: 200, Profile: encoder.Signs}},
		{"a budget without vectors", "bits", Spec{Name: "a", Dims: 100, Bits: 200, Store: encoder.None}},
		{"a long label", "labels", Spec{Name: "a", Dims: 1, Labels: map[string]string{"a": strings.Repeat("x", 256)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := db.Create(t.Context(), tt.spec); fieldOf(err) != tt.field {
				t.Errorf("error %v, want an InvalidError of %s", err, tt.field)
			}
			if len(db.Names()) != 0 {
				t.Error("a collection was made")
			}
		})
	}
}

func TestOpenRefusesADirectoryThatMustExist(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "typo")
	if _, err := Open(dir, Options{MustExist: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made")
	}
	other := t.TempDir()
	if _, err := Open(other, Options{MustExist: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory of something else: error %v, want ErrNotExist", err)
	}
	if files, err := os.ReadDir(other); err != nil || len(files) > 0 {
		t.Errorf("it now holds %v (%v)", files, err)
	}
}

// damage changes one byte that follows the first marker in the only shard of dir.
func damage(t *testing.T, dir string, marker []byte, offset int) {
	t.Helper()
	shards, err := filepath.Glob(filepath.Join(dir, "*", "shard-0000.db"))
	if err != nil || len(shards) != 1 {
		t.Fatal(shards, err)
	}
	b, err := os.ReadFile(shards[0])
	if err != nil {
		t.Fatal(err)
	}
	// The last copy: bbolt's older pages may hold the same bytes.
	at := strings.LastIndex(string(b), string(marker))
	if at < 0 {
		t.Fatalf("no %q in the file", marker)
	}
	for i := at; i >= 0; i = strings.LastIndex(string(b[:i]), string(marker)) {
		b[i+offset] ^= 1
	}
	if err := os.WriteFile(shards[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedVectorIsNamedAndNeverAnAnswer(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 512})
	r := rand.New(rand.NewPCG(5, 5))
	var records []Record
	for i := range 1024 { // one sealed block
		records = append(records, Record{ID: fmt.Sprint(i), Vector: whole(r, 512)})
	}
	upsert(t, c, records...)
	closeSound(t, db)
	damage(t, dir, floats.Append(nil, records[500].Vector), 8)

	db, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if c, err = db.Collection("c"); err != nil {
		t.Fatal(err)
	}
	for _, q := range []Query{{K: 1}, {K: 1, Exact: true}} {
		q.Vector = records[500].Vector
		if _, err := c.Search(t.Context(), q); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "slot 500") {
			t.Errorf("error %v, want ErrCorrupt that names slot 500", err)
		}
	}
	if _, _, err := c.Get(t.Context(), []string{"500"}, ReadOptions{WithVector: true}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("get: %v, want ErrCorrupt", err)
	}
	report, err := c.Check(t.Context())
	if err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "slot 500") {
		t.Errorf("check found %q (%v), want one problem that names slot 500", report.Problems, err)
	}
}

func TestADamagedCollectionDoesNotHideTheOthers(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "bad", Dims: 512, Profile: encoder.Signs})
	r := rand.New(rand.NewPCG(6, 6))
	var records []Record
	for i := range 1024 {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: whole(r, 512)})
	}
	upsert(t, c, records...)
	closeSound(t, db)
	damage(t, dir, []byte("HNC1"), 64)

	db, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("bad"); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "codes from slot 0") {
		t.Errorf("error %v, want ErrCorrupt that names the block", err)
	}
	if _, err := db.Create(t.Context(), Spec{Name: "bad", Dims: 512}); !errors.Is(err, ErrExists) {
		t.Errorf("create over a damaged collection: %v, want ErrExists", err)
	}
	good := create(t, db, Spec{Name: "good", Dims: 1})
	upsert(t, good, Record{ID: "x", Vector: []float32{1}})
	if got := db.Names(); !slices.Equal(got, []string{"bad", "good"}) {
		t.Errorf("names are %v", got)
	}
	if err := db.DeleteCollection(t.Context(), "bad"); err != nil {
		t.Errorf("a damaged collection cannot be deleted: %v", err)
	}
	closeSound(t, db)
}

func TestACancelledSearchEnds(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 64})
	upsert(t, c, Record{ID: "a", Vector: whole(rand.New(rand.NewPCG(1, 1)), 64)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, q := range []Query{{}, {Exact: true}} {
		q.Vector, q.K = whole(rand.New(rand.NewPCG(1, 2)), 64), 1
		if _, err := c.Search(ctx, q); !errors.Is(err, context.Canceled) {
			t.Errorf("exact %t: %v, want Canceled", q.Exact, err)
		}
	}
}

func TestScoresBearEveryLength(t *testing.T) {
	for i, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2, encoder.Cosine, encoder.Dot, encoder.L2} {
		kind, huge := encoder.Learned, float32(3e38) // compared exactly
		if i >= 3 {
			kind, huge = encoder.Signs, 1e18 // their scores are products of float32s
		}
		c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2, Metric: metric, Profile: kind})
		upsert(t, c, Record{ID: "tiny", Vector: []float32{1e-38, 0}}, Record{ID: "tilted", Vector: []float32{3e-8, 4e-8}}, Record{ID: "huge", Vector: []float32{huge, 0}},
			Record{ID: "away", Vector: []float32{-huge, 0}})
		for _, length := range []float32{1e-38, 1e-20, 1, 1e18, huge} {
			for _, q := range []Query{{Exact: true}, {}, {Rescore: RescoreNone}, {Rescore: RescoreCodes}, {Rescore: RescoreCodes, Vector: []float32{length, length}}} {
				if q.K = 4; q.Vector == nil {
					q.Vector = []float32{length, 0}
				}
				hits := ask(t, c, q).Hits
				if len(hits) != 4 {
					t.Errorf("%v, %v, query of length %v: %d hits, want 4", kind, metric, length, len(hits))
				}
				for _, h := range hits {
					if math.IsNaN(float64(h.Score)) || math.IsInf(float64(h.Score), 0) {
						t.Errorf("%v, query of length %v, exact %t: %s scores %v", metric, length, q.Exact, h.ID, h.Score)
					}
					want := map[string]float64{"tiny": 1, "tilted": 0.6, "huge": 1, "away": -1}[h.ID]
					if metric == encoder.Cosine && q.Exact && math.Abs(float64(h.Score)-want) > 1e-6 {
						t.Errorf("query of length %v: %s scores %v, want %v", length, h.ID, h.Score, want)
					}
				}
			}
		}
	}
}

func TestPagesEndAtADepth(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 1})
	upsert(t, c, Record{ID: "a", Vector: []float32{1}})
	q := Query{Vector: []float32{1}, K: 10}
	for seen, want := range map[int]string{MaxPageDepth - 10: "", MaxPageDepth - 9: "page_token"} {
		q.PageToken = page{hash: c.current.Load().codec.requestHash(q), seen: seen - 10}.next(q, 1, "a")
		if _, err := c.Search(t.Context(), q); fieldOf(err) != want {
			t.Errorf("%d seen: %v, want an InvalidError of %q", seen, err, want)
		}
	}
}

func TestABudgetBoundsAllAnswersThatShareIt(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 1})
	for i := range 10 {
		upsert(t, c, Record{ID: fmt.Sprint(i), Vector: []float32{1}, Metadata: []byte(`{"ten":1234}`)})
	}
	// A hit takes 1 of id, 12 of metadata and 4 of vector.
	q := Query{Vector: []float32{1}, K: 10, WithMetadata: true, WithVector: true}
	for bytes, want := range map[int64]error{170: nil, 169: ErrTooLarge} {
		q.Budget = NewBudget(bytes)
		if _, err := c.Search(t.Context(), q); !errors.Is(err, want) {
			t.Errorf("170 bytes under a budget of %d: %v, want %v", bytes, err, want)
		}
	}
	q.Budget = NewBudget(339)
	if _, err := c.BatchSearch(t.Context(), []Query{q, q}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("two of 170 under one of 339: %v, want ErrTooLarge", err)
	}
}

func TestADeletionThatFailsCanBeTriedAgain(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	create(t, db, Spec{Name: "c", Dims: 1})
	folders, err := filepath.Glob(filepath.Join(dir, "*", "shard-0000.db"))
	if err != nil || len(folders) != 1 {
		t.Fatal(folders, err)
	}
	obstacle := filepath.Dir(folders[0]) + ".deleting"
	if err := os.MkdirAll(filepath.Join(obstacle, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteCollection(t.Context(), "c"); err == nil {
		t.Fatal("the obstacle is none")
	}
	if _, err := db.Collection("c"); err == nil || errors.Is(err, ErrNotFound) || !slices.Equal(db.Names(), []string{"c"}) {
		t.Errorf("half deleted: %v, names %v", err, db.Names())
	}
	if _, err := db.Create(t.Context(), Spec{Name: "c", Dims: 1}); !errors.Is(err, ErrExists) {
		t.Errorf("create over it: %v, want ErrExists", err)
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteCollection(t.Context(), "c"); err != nil {
		t.Errorf("deleting again: %v", err)
	}
	create(t, db, Spec{Name: "c", Dims: 2})
}

// Groups of rows without any that can be found are neither read nor counted.
func TestAReceiptCountsTheRowsThatWereCompared(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	r := rand.New(rand.NewPCG(3, 27))
	records := randomRecords(r, 0, 1000, 64)
	upsert(t, c, records...)
	all := ask(t, c, Query{Vector: records[0].Vector, K: 3}).Receipt
	var ids []string
	for _, record := range records[100:900] {
		ids = append(ids, record.ID)
	}
	if _, err := c.Remove(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	const compared = 1000 - (896 - 128) // whole groups of 64 rows
	some := ask(t, c, Query{Vector: records[0].Vector, K: 3}).Receipt
	if all.RowsScanned != 1000 || some.RowsScanned != compared {
		t.Errorf("%d of 1,000 rows were compared before and %d after 800 were deleted, want all and %d", all.RowsScanned, some.RowsScanned, compared)
	}
	read := func(r Receipt) uint64 { return r.CodeBytesRead / r.RowsScanned }
	if read(all) != read(some) {
		t.Errorf("%d bytes of codes were read for %d rows, and %d for %d", all.CodeBytesRead, all.RowsScanned, some.CodeBytesRead, some.RowsScanned)
	}
}

// Rows, labels and settings are changes of one queue: each sees those before it.
func TestChangesOfEveryKindAreAppliedInTheirOrder(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 20})
	half := encoder.Float16
	stored, _ := c.current.Load().codec.ops([]Record{{ID: "a", Vector: normal(rand.New(rand.NewPCG(3, 28)), 20)}})
	var pending []*Pending
	for _, ch := range []change{
		{rows: stored, codec: c.current.Load().codec},
		{labels: map[string]string{"k": "1"}},
		{rows: []storage.Op{{ID: "a", Delete: true}}},
		{labels: map[string]string{"k": "2"}},
		{settings: &Change{Store: &half}},
		{settings: &Change{Store: &half}},
	} {
		p, err := c.enqueue(t.Context(), ch)
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	for i, p := range pending {
		if err := p.Wait(t.Context()); err != nil && (i != 5 || !errors.Is(err, ErrRewriting)) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	settle(t, c)
	if info := c.Info(); c.Count() != 0 || info.Labels["k"] != "2" || info.Store != half {
		t.Errorf("%d vectors in %+v, want none, label 2 and %v", c.Count(), info, half)
	}
}
