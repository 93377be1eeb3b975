package index

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/index/attr"
	"github.com/hamnest/hamnest/index/filter"
)

// filteredSample is the sample, whose metadata is its lines, stored under row numbers as ids.
func filteredSample(t *testing.T) (*Collection, realSet) {
	t.Helper()
	sample := sampleSet(t)
	lines, err := os.ReadFile(filepath.Join("..", "tools", "hamnest", "demodata", "docs.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "sample", Dims: 768})
	records := make([]Record, 0, len(sample.base))
	for line := range strings.Lines(string(lines)) {
		i := len(records)
		// What the lines do not have: numbers that keep a share of the rows, spread by chance.
		spread := fmt.Sprintf(`, "spread": %d}`, uint32(i)*2654435761>>8%10_000)
		metadata := strings.TrimSuffix(strings.TrimSpace(line), "}") + spread
		records = append(records, Record{ID: fmt.Sprintf("%06d", i), Vector: sample.base[i], Metadata: []byte(metadata)})
	}
	upsert(t, c, records...)
	settle(t, c)
	if kind := c.Info().ProfileInForce; kind != encoder.Learned {
		t.Fatalf("the sample has profile %v, want %v", kind, encoder.Learned)
	}
	return c, sample
}

// countOf is CountWhere.
func countOf(t *testing.T, c *Collection, text string) int {
	t.Helper()
	n, err := c.CountWhere(t.Context(), text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return int(n)
}

func TestFilteredSearchesFindTheBestOfWhatMatches(t *testing.T) {
	t.Parallel()
	c, sample := filteredSample(t)
	for _, tt := range []struct {
		filter      string
		least, most int // rows that match
		plan        Plan
		recall      float64
	}{
		{"spread < 5000", 2000, 3000, PlanScan, .99},
		{"NOT spread < 5000", 2000, 3000, PlanScan, .99},
		{"spread < 2500", 1001, 1500, PlanScan, .99},
		{"size_kb < 1000 AND NOT essential", 1001, 4999, PlanScan, .99},
		{"spread < 500", 100, 400, PlanGather, 1},
		{"spread < 50", 11, 50, PlanGather, 1},
		{`section = "games"`, 11, 1000, PlanGather, 1},
		{`in(id, "000003", "000500", "000501", "004000", "004999", "nope")`, 5, 5, PlanGather, 1},
		{`section = "no such section"`, 0, 0, PlanGather, 1},
	} {
		n := countOf(t, c, tt.filter)
		if n < tt.least || n > tt.most {
			t.Errorf("%s matches %d rows, want %d to %d", tt.filter, n, tt.least, tt.most)
			continue
		}
		found, wanted := 0, 0
		for _, q := range sample.queries[:100] {
			right := ask(t, c, Query{Vector: q, K: 10, Filter: tt.filter, Exact: true, WithMetadata: true})
			got := ask(t, c, Query{Vector: q, K: 10, Filter: tt.filter})
			if len(got.Hits) != min(10, n) || len(right.Hits) != min(10, n) {
				t.Fatalf("%s: %d hits and %d of an exact search, want %d of %d", tt.filter, len(got.Hits), len(right.Hits), min(10, n), n)
			}
			r := got.Receipt
			if r.Plan != tt.plan || int(r.AllowedRows) != n || int(right.Receipt.AllowedRows) != n || r.FilterTime <= 0 {
				t.Fatalf("%s: plan %v over %d rows in %v, want %v over %d", tt.filter, r.Plan, r.AllowedRows, r.FilterTime, tt.plan, n)
			}
			if tt.plan == PlanGather && (r.ExpectedRecall != 1 || int(r.VectorsRead) != n || int(r.RowsScanned) != n) {
				t.Fatalf("%s: a receipt of a gather of %d rows: %+v", tt.filter, n, r)
			}
			if tt.plan == PlanScan && (r.ExpectedRecall < .99 || int(r.VectorsRead) > n/2) {
				t.Fatalf("%s: a receipt of a scan of %d rows: %+v", tt.filter, n, r)
			}
			e, _ := filter.Parse(tt.filter)
			ids := map[string]bool{}
			for _, hit := range right.Hits {
				ids[hit.ID] = true
				if ok, err := e.Match(nil, hit.ID, hit.Metadata); err != nil || !ok {
					t.Fatalf("%s finds %s", tt.filter, hit.Metadata)
				}
			}
			for _, hit := range got.Hits {
				if wanted++; ids[hit.ID] {
					found++
				}
			}
		}
		if recall := float64(found) / float64(max(1, wanted)); wanted > 0 && recall < tt.recall {
			t.Errorf("%s (%d rows): recall %.4f, want %v", tt.filter, n, recall, tt.recall)
		}
	}
}

// What a filter selects decides, not how it says so.
func TestEqualSetsGiveThePlanAndTheHitsOfEachOther(t *testing.T) {
	t.Parallel()
	c, sample := filteredSample(t)
	var few []string
	for i := range 20 {
		few = append(few, fmt.Sprintf("%06d", 7*i))
	}
	oneByOne := make([]filter.Expr, len(few))
	for i, id := range few {
		oneByOne[i] = filter.Field("id").Eq(id)
	}
	for _, same := range [][]string{
		{`spread <= 2000`, `spread < 2000 OR spread = 2000`, `NOT spread > 2000`, `spread:* AND NOT spread > 2000.0`},
		{`section = "games" AND essential = false`, `NOT (essential OR NOT section = "games")`, `section = ("games") NOT essential`},
		{filter.In("id", few...).String(), filter.Or(oneByOne...).String(), filter.In("id", slices.Concat(few, few)...).String()},
		{``, `id:*`, `NOT in(id)`, `spread >= 0`},
	} {
		for i, q := range sample.queries[:10] {
			for _, way := range []Query{{K: 10}, {K: 30, Exact: true}, {K: 5, Rescore: RescoreCodes}, {K: 5, Rescore: RescoreNone}, {K: 7, TargetRecall: .9}} {
				var want string
				for _, text := range same {
					way.Vector, way.Filter = q, text
					got := ask(t, c, way)
					r := got.Receipt
					r.FilterTime, r.Scan, r.Refine, r.RescoreTime, r.Total = 0, 0, 0, 0, 0
					if said := fmt.Sprintf("%+v %+v", r, got.Hits); want == "" {
						want = said
					} else if said != want {
						t.Fatalf("query %d: %s answers\n%s\nand %s\n%s", i, text, said, same[0], want)
					}
				}
			}
		}
	}
}

// A history of writes, searches, lists, counts and deletes by filter does what a map of records
// does, also after the collection is closed and opened, and rewritten.
func TestFiltersSeeWhatIsStored(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 4})
	model := map[string]Record{}
	texts := []string{
		`n < 5`, `n >= 5 AND kind = "a"`, `NOT kind:*`, `kind = ("a" OR "b") AND NOT n = 3`, `tags:"x" OR n > 8`, `m.deep != 1`, `id = "1*"`, `in(id, "3", "4", "50")`, `at < timestamp("2026-05-02T00:00:00Z")`, `essential`,
	}
	record := func(id string) Record {
		metadata := [...]string{
			``, `{}`, fmt.Sprintf(`{"n":%d,"kind":%q}`, random.IntN(10), string("abc"[random.IntN(3)])),
			fmt.Sprintf(`{"tags":["x",%d],"essential":%t,"kind":null}`, random.IntN(3), random.IntN(2) == 0),
			fmt.Sprintf(`{"m":{"deep":%d},"n":%d.5,"at":"2026-05-0%dT12:00:00+02:00"}`, random.IntN(3), random.IntN(10), 1+random.IntN(3)),
		}[random.IntN(5)]
		return Record{ID: id, Vector: whole(random, 4), Metadata: []byte(metadata)}
	}
	matching := func(text string) []string {
		e, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range model {
			ok, err := e.Match(nil, r.ID, r.Metadata)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				ids = append(ids, r.ID)
			}
		}
		slices.Sort(ids)
		return ids
	}
	for step := range 200 {
		text := texts[random.IntN(len(texts))]
		switch random.IntN(8) {
		case 0, 1:
			var records []Record
			for range 1 + random.IntN(30) {
				records = append(records, record(fmt.Sprint(random.IntN(120))))
			}
			upsert(t, c, records...)
			for _, r := range records {
				model[r.ID] = r
			}
		case 2:
			id := fmt.Sprint(random.IntN(120))
			if _, err := c.Remove(t.Context(), []string{id}); err != nil {
				t.Fatal(err)
			}
			delete(model, id)
		case 3:
			if random.IntN(3) > 0 {
				break
			}
			want := matching(text)
			n, err := c.RemoveWhere(t.Context(), text)
			if err != nil || n != len(want) {
				t.Fatalf("step %d: a delete of %s removes %d, %v, want %d", step, text, n, err, len(want))
			}
			for _, id := range want {
				delete(model, id)
			}
		case 4:
			switch random.IntN(6) {
			case 0:
				closeSound(t, db)
				db = openDB(t, dir)
				var err error
				if c, err = db.Collection("c"); err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := c.Update(t.Context(), Change{Profile: new(encoder.Learned)}); err != nil {
					t.Fatal(err)
				}
				settle(t, c)
			}
		}
		want := matching(text)
		if n := countOf(t, c, text); n != len(want) {
			t.Fatalf("step %d: %s matches %d, want %d", step, text, n, len(want))
		}
		var listed []string
		for token, more := "", true; more; more = token != "" {
			page, next, err := c.List(t.Context(), 1+random.IntN(20), token, ReadOptions{Filter: text})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				listed = append(listed, r.ID)
			}
			token = next
		}
		if slices.Sort(listed); !slices.Equal(listed, want) {
			t.Fatalf("step %d: %s lists %q, want %q", step, text, listed, want)
		}
		result := ask(t, c, Query{Vector: whole(random, 4), K: len(model) + 1, Filter: text})
		var found []string
		for _, hit := range result.Hits {
			found = append(found, hit.ID)
		}
		if slices.Sort(found); !slices.Equal(found, want) {
			t.Fatalf("step %d: a search among %s finds %q, want %q", step, text, found, want)
		}
	}
	stats, err := c.Stats()
	if err != nil || stats.FilterBytes == 0 {
		t.Errorf("filters take %d bytes, %v, want some", stats.FilterBytes, err)
	}
	if n := int(c.Count()); n != len(model) {
		t.Errorf("%d vectors are there, want %d", n, len(model))
	}
}

func TestABadFilterSaysWhereAndWhy(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2})
	upsert(t, c, Record{ID: "a", Vector: []float32{1, 2}, Metadata: []byte(`{"n":1}`)})
	for _, tt := range []struct{ filter, reason string }{
		{`n = `, "column 5: found the end, want a value"},
		{`n = 1 AND size <`, "column 17: found the end"},
		{`n = games`, `column 5: found games, want a value; write "games"`},
		{`id < 5`, "column 1: found 5 for the field id, want a value of type string"},
		{"n = \"\xff\"", "column 6: found the byte 0xff, want UTF-8"},
		{strings.Repeat("(", 40) + "n", "column 33: found more than 32 nested parentheses"},
	} {
		for what, call := range map[string]func() error{
			"search": func() error {
				_, err := c.Search(t.Context(), Query{Vector: []float32{1, 2}, K: 1, Filter: tt.filter})
				return err
			},
			"batch": func() error {
				_, err := c.BatchSearch(t.Context(), []Query{{Vector: []float32{1, 2}, K: 1, Filter: tt.filter}})
				return err
			},
			"count": func() error { _, err := c.CountWhere(t.Context(), tt.filter); return err },
			"list": func() error {
				_, _, err := c.List(t.Context(), 1, "", ReadOptions{Filter: tt.filter})
				return err
			},
			"delete": func() error { _, err := c.RemoveWhere(t.Context(), tt.filter); return err },
		} {
			err := call()
			var bad *InvalidError
			if !errors.As(err, &bad) || !strings.HasSuffix(bad.Violations[0].Field, "filter") || !strings.HasPrefix(bad.Violations[0].Reason, tt.reason) {
				t.Errorf("%s by %q: %v, want field filter and %q", what, tt.filter, err, tt.reason)
			}
		}
	}
	for _, text := range []string{"", "  "} {
		if n, err := c.RemoveWhere(t.Context(), text); !errors.Is(err, api.ErrInvalid) || n != 0 {
			t.Errorf("a delete by the filter %q removes %d, %v, want a refusal", text, n, err)
		}
	}
	if _, _, err := c.Get(t.Context(), []string{"a"}, ReadOptions{Filter: "n = 1"}); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("a filter for what is read by id: %v, want a refusal", err)
	}
	if c.Count() != 1 {
		t.Error("a bad filter has removed something")
	}
}

func TestMetadataThatNoFilterCouldReadIsRefused(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2})
	for _, tt := range []struct{ metadata, reason string }{
		{`{"a":1,"a":2}`, "a: found a member of this name again"},
		{`{"m":{"n":9223372036854775808}}`, "m.n: found 9223372036854775808, want an integer from -2^63"},
		{`{"s":"` + strings.Repeat("x", attr.MaxValueBytes+1) + `"}`, "s: found a string of 32769 bytes"},
		{`[1]`, "found a JSON [, want an object"},
		{`{"a":`, "found the end too early"},
	} {
		err := c.Upsert(t.Context(), []Record{{ID: "a", Vector: []float32{1, 2}, Metadata: []byte(tt.metadata)}})
		var bad *InvalidError
		if !errors.As(err, &bad) || bad.Violations[0].Field != "vectors[0].metadata" || !strings.HasPrefix(bad.Violations[0].Reason, tt.reason) {
			t.Errorf("%.40s: %v, want %q", tt.metadata, err, tt.reason)
		}
	}
}

// pauseWriter keeps the writer of c from going on until the returned function is called.
func pauseWriter(t *testing.T, c *Collection) (goOn func()) {
	t.Helper()
	release, paused := make(chan struct{}), make(chan struct{})
	go func() {
		c.handover <- func() {
			close(paused)
			<-release
		}
	}()
	<-paused
	return sync.OnceFunc(func() { close(release) })
}

func TestADeleteByFilterLeavesWhatIsWrittenLater(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2})
	old := []byte(`{"old":true}`)
	upsert(t, c, Record{ID: "a", Vector: []float32{1, 2}, Metadata: old}, Record{ID: "b", Vector: []float32{2, 1}, Metadata: old}, Record{ID: "c", Vector: []float32{1, 1}})
	goOn := pauseWriter(t, c)
	defer goOn()
	// It waits in the queue when the rows to delete are chosen, and is applied before they are.
	replaced, _, err := c.Submit(t.Context(), []Record{{ID: "a", Vector: []float32{3, 1}, Metadata: old}, {ID: "d", Vector: []float32{3, 1}, Metadata: old}})
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		n   int
		err error
	}
	done := make(chan outcome)
	waiting := len(c.queue)
	go func() {
		n, err := c.RemoveWhere(context.Background(), "old")
		done <- outcome{n, err}
	}()
	for len(c.queue) == waiting { // until the delete has its place behind it
		select {
		case got := <-done:
			t.Fatalf("the delete ends before its turn: %+v", got)
		default:
		}
	}
	goOn()
	if err := replaced.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || got.n != 1 {
		t.Errorf("the delete removes %d, %v, want 1", got.n, got.err)
	}
	found, missing, err := c.Get(t.Context(), []string{"a", "b", "c", "d"}, ReadOptions{})
	if err != nil || len(found) != 3 || !slices.Equal(missing, []string{"b"}) {
		t.Errorf("found %+v, missing %q, %v, want only b gone", found, missing, err)
	}
}

func TestADeleteByFilterOfManyIsSeveralChanges(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 1})
	const many = commitBytes/opBytes + 10
	records := make([]Record, many)
	for i := range records {
		records[i] = Record{ID: fmt.Sprint(i), Vector: []float32{1}, Metadata: []byte(`{"gone":true}`)}
	}
	records[5].Metadata = nil
	upsert(t, c, records...)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := c.RemoveWhere(ended, "gone"); !errors.Is(err, context.Canceled) || n != 0 {
		t.Errorf("a delete whose context has ended removes %d, %v", n, err)
	}
	before, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.RemoveWhere(t.Context(), "gone"); err != nil || n != many-1 {
		t.Fatalf("removes %d, %v, want %d", n, err, many-1)
	}
	after, err := c.Stats()
	if err != nil || after.Commits != before.Commits+2 {
		t.Errorf("%d commits, %v, want 2", after.Commits-before.Commits, err)
	}
	closeSound(t, db)
	again, err := openDB(t, dir).Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	if n := again.Count(); n != 1 {
		t.Errorf("after it is opened again %d are left, want 1", n)
	}
}

func TestADeleteByFilterFollowsItsRowsThroughARewrite(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2})
	v := []float32{1, 2}
	upsert(t, c, Record{ID: "gone", Vector: v}, Record{ID: "b", Vector: v}, Record{ID: "c", Vector: v}, Record{ID: "d", Vector: v}, Record{ID: "e", Vector: v})
	if _, err := c.Remove(t.Context(), []string{"gone"}); err != nil {
		t.Fatal(err)
	}
	g, release, err := c.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	rewrite := func(store encoder.Precision) {
		if err := c.Update(t.Context(), Change{Store: &store}); err != nil {
			t.Fatal(err)
		}
		settle(t, c)
	}
	upsert(t, c, Record{ID: "b", Vector: v}) // before the rewrite
	rewrite(encoder.Float16)
	upsert(t, c, Record{ID: "c", Vector: v}, Record{ID: "f", Vector: v}) // after it
	if n, err := c.removeRows(t.Context(), g, []uint32{1, 2, 3}); err != nil || n != 1 {
		t.Errorf("of b, c and d %d are removed, %v, want d alone", n, err)
	}
	found, missing, err := c.Get(t.Context(), []string{"b", "c", "d", "e", "f"}, ReadOptions{})
	if err != nil || len(found) != 4 || !slices.Equal(missing, []string{"d"}) {
		t.Errorf("found %+v, missing %q, %v, want d gone", found, missing, err)
	}
	rewrite(encoder.Int8)
	if n, err := c.removeRows(t.Context(), g, []uint32{4}); !errors.Is(err, ErrRewriting) || n != 0 {
		t.Errorf("after two rewrites %d are removed, %v, want ErrRewriting", n, err)
	}
}

func TestAPageBelongsToItsFilter(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 2})
	for i := range 30 {
		upsert(t, c, Record{ID: fmt.Sprint(i), Vector: []float32{1, float32(i)}, Metadata: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	first := ask(t, c, Query{Vector: []float32{1, 2}, K: 5, Filter: "n < 20 AND NOT n = 3"})
	ids := map[string]bool{}
	add := func(hits []Hit) {
		for _, hit := range hits {
			ids[hit.ID] = true
		}
	}
	add(first.Hits)
	for token := first.NextPageToken; token != ""; {
		page := ask(t, c, Query{Vector: []float32{1, 2}, K: 5, Filter: "NOT n = 3.0 AND n < 20", PageToken: token}) // the same
		add(page.Hits)
		token = page.NextPageToken
	}
	if len(ids) != 19 || ids["3"] || ids["20"] {
		t.Errorf("the pages have %v, want 19", slices.Sorted(maps.Keys(ids)))
	}
	for _, other := range []string{"", "n < 19 AND NOT n = 3"} {
		_, err := c.Search(t.Context(), Query{Vector: []float32{1, 2}, K: 5, Filter: other, PageToken: first.NextPageToken})
		wantField(t, err, "page_token")
	}
	_, token, err := c.List(t.Context(), 5, "", ReadOptions{Filter: "n < 20"})
	if err != nil {
		t.Fatal(err)
	}
	if page, _, err := c.List(t.Context(), 50, token, ReadOptions{Filter: "n < 20.0"}); err != nil || len(page) != 15 {
		t.Errorf("the next page has %d, %v, want 15", len(page), err)
	}
	for _, other := range []string{"", "n < 19"} {
		_, _, err := c.List(t.Context(), 5, token, ReadOptions{Filter: other})
		wantField(t, err, "page_token")
	}
}

// wantField reports an error that is not about a field of an argument.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var bad *InvalidError
	if !errors.As(err, &bad) || bad.Violations[0].Field != field {
		t.Errorf("%v, want an error about %s", err, field)
	}
}

func TestFiltersBesideWrites(t *testing.T) {
	c := create(t, openWith(t, t.TempDir(), Options{FilterBytes: 64 << 10}), Spec{Name: "c", Dims: 2})
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 2 {
		writers.Go(func() {
			for i := range 60 {
				r := Record{ID: fmt.Sprint(w, i%20), Vector: []float32{1, float32(i)}, Metadata: fmt.Appendf(nil, `{"n":%d,"w":%d}`, i, w)}
				if err := c.Upsert(context.Background(), []Record{r}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, text := range []string{"w = 0", "n < 30", "w = 1 AND n >= 10", `id:*`} {
		e, _ := filter.Parse(text)
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				result, err := c.Search(context.Background(), Query{Vector: []float32{1, 1}, K: 50, Filter: text, WithMetadata: true})
				if err != nil {
					t.Error(err)
					return
				}
				for _, hit := range result.Hits {
					if ok, err := e.Match(nil, hit.ID, hit.Metadata); err != nil || !ok {
						t.Errorf("%s finds %s, %v", text, hit.Metadata, err)
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if n := countOf(t, c, "w = 0"); n != 20 {
		t.Errorf("%d of the first writer, want 20", n)
	}
}

func TestLiveChecksCompareAmongWhatMatches(t *testing.T) {
	t.Parallel()
	c, sample := filteredSample(t)
	for _, text := range []string{"spread < 5000", "spread < 50"} {
		found, right, _, err := c.searchAgain(t.Context(), Query{Vector: sample.queries[0], K: 10, Filter: text})
		if err != nil {
			t.Fatal(err)
		}
		if want := ask(t, c, Query{Vector: sample.queries[0], K: 10, Filter: text, Exact: true}).Hits; !slices.EqualFunc(right, want, func(a, b Hit) bool { return a.ID == b.ID && a.Score == b.Score }) {
			t.Errorf("%s: right are %v, want %v", text, right, want)
		}
		if len(found) != 10 {
			t.Errorf("%s: %d hits, want 10", text, len(found))
		}
	}
}

func TestOptionsOfFiltersAreChecked(t *testing.T) {
	if _, err := Open(t.TempDir(), Options{FilterBytes: -1}); err == nil {
		t.Error("-1 bytes for filters are accepted")
	}
}
