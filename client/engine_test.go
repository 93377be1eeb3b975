package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/server"
)

// engines are the embedded engine and a client of a server of it, which are to be told apart
// by nothing but the names of their collections.
func engines(t *testing.T) map[string]api.Engine {
	db, _, c := start(t, server.Options{})
	return map[string]api.Engine{"embedded": db, "served": c}
}

func TestEnginesFailAlike(t *testing.T) {
	for name, e := range engines(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if _, err := e.CreateCollection(ctx, api.Spec{Name: name, Dims: 3}); err != nil {
				t.Fatal(err)
			}
			cancelled, cancel := context.WithCancel(ctx)
			cancel()
			for _, tt := range []struct {
				what   string
				is     error
				fields []string // of an *api.InvalidError
				call   func() error
			}{
				{"a collection that is not there", api.ErrNotFound, nil, func() error { _, err := e.Count(ctx, "nope", ""); return err }},
				{"compacting one", api.ErrNotFound, nil, func() error { _, err := e.Compact(ctx, "nope"); return err }},
				{"an alias of one", api.ErrNotFound, nil, func() error { _, err := e.SetAlias(ctx, "x", "nope"); return err }},
				{"an alias with a collection's name", api.ErrExists, nil, func() error { _, err := e.SetAlias(ctx, name, name); return err }},
				{"a malformed alias", api.ErrInvalid, []string{"name"}, func() error { _, err := e.SetAlias(ctx, "?", name); return err }},
				{"an alias that is not there", api.ErrNotFound, nil, func() error { return e.DeleteAlias(ctx, "nope") }},
				{"renaming one", api.ErrNotFound, nil, func() error { _, err := e.RenameCollection(ctx, "nope", "x"); return err }},
				{"a new name that is taken", api.ErrExists, nil, func() error { _, err := e.RenameCollection(ctx, name, name); return err }},
				{"a malformed new name", api.ErrInvalid, []string{"new_name"}, func() error { _, err := e.RenameCollection(ctx, name, "?"); return err }},
				{"deleting a collection that has an alias", api.ErrAliased, nil, func() error {
					if _, err := e.SetAlias(ctx, "alias-"+name, name); err != nil {
						return err
					}
					return e.DeleteCollection(ctx, name)
				}},
				{"renaming an alias", api.ErrInvalid, []string{"name"}, func() error { _, err := e.RenameCollection(ctx, "alias-"+name, "x"); return err }},
				{"deleting a collection by an alias", api.ErrInvalid, []string{"name"}, func() error { return e.DeleteCollection(ctx, "alias-"+name) }},
				{"an ingest into one", api.ErrNotFound, nil, func() error { _, err := e.Ingest(ctx, "nope", api.IngestOptions{}); return err }},
				{"a name that is taken", api.ErrExists, nil, func() error { _, err := e.CreateCollection(ctx, api.Spec{Name: name, Dims: 3}); return err }},
				{"a spec with faults", api.ErrInvalid, []string{"name", "labels"}, func() error {
					_, err := e.CreateCollection(ctx, api.Spec{Name: "?", Dims: 3, Labels: map[string]string{"": ""}})
					return err
				}},
				{"a metric that is none", api.ErrInvalid, []string{"metric"}, func() error {
					_, err := e.CreateCollection(ctx, api.Spec{Name: "m", Dims: 3, Metric: 9})
					return err
				}},
				{"labels that are too long", api.ErrInvalid, []string{"labels"}, func() error { _, err := e.SetLabels(ctx, name, map[string]string{"": ""}); return err }},
				{"a profile that cannot be asked for", api.ErrInvalid, []string{"profile"}, func() error {
					_, err := e.UpdateCollection(ctx, name, api.Change{Profile: new(api.Exact)})
					return err
				}},
				{"a record of another size", api.ErrInvalid, []string{"vectors[1].vector"}, func() error {
					return e.Upsert(ctx, name, []api.Record{{ID: "a", Vector: []float32{1, 2, 3}}, {ID: "b", Vector: []float32{1}}})
				}},
				{"an id that is not UTF-8", api.ErrInvalid, []string{"vectors[0].id"}, func() error {
					return e.Upsert(ctx, name, []api.Record{{ID: "\xff", Vector: []float32{1, 2, 3}}})
				}},
				{"a page token that is none", api.ErrInvalid, []string{"page_token"}, func() error {
					_, _, err := e.ListPage(ctx, name, 0, "x", api.ReadOptions{})
					return err
				}},
				{"a page of a size below zero", api.ErrInvalid, []string{"page_size"}, func() error {
					_, _, err := e.ListPage(ctx, name, -1, "", api.ReadOptions{})
					return err
				}},
				{"no query", api.ErrInvalid, []string{"vector"}, func() error { _, err := e.Search(ctx, name, api.Query{K: 1}); return err }},
				{"two queries", api.ErrInvalid, []string{"vector"}, func() error {
					_, err := e.Search(ctx, name, api.Query{K: 1, ID: "a", Vector: []float32{1, 2, 3}})
					return err
				}},
				{"no hits wanted", api.ErrInvalid, []string{"k"}, func() error { _, err := e.Search(ctx, name, api.Query{Vector: []float32{1, 2, 3}}); return err }},
				{"candidates twice", api.ErrInvalid, []string{"oversampling"}, func() error {
					_, err := e.Search(ctx, name, api.Query{Vector: []float32{1, 2, 3}, K: 1, Candidates: 5, Oversampling: 2})
					return err
				}},
				{"a stored vector that is not there", api.ErrNotFound, nil, func() error { _, err := e.Search(ctx, name, api.Query{ID: "nope", K: 1}); return err }},
				{"a query of a batch", api.ErrInvalid, []string{"requests[1].k"}, func() error {
					_, err := e.BatchSearch(ctx, name, []api.Query{{Vector: []float32{1, 2, 3}, K: 1}, {Vector: []float32{1, 2, 3}}})
					return err
				}},
				{"measuring nothing", api.ErrEmpty, nil, func() error { _, err := e.Calibrate(ctx, name, api.CalibrateOptions{}); return err }},
				{"measuring too many hits", api.ErrInvalid, []string{"k"}, func() error {
					_, err := e.Calibrate(ctx, name, api.CalibrateOptions{K: 5000})
					return err
				}},
				{"a filter with a fault", api.ErrInvalid, []string{"filter"}, func() error {
					_, err := e.Search(ctx, name, api.Query{Vector: []float32{1, 2, 3}, K: 1, Filter: "n ="})
					return err
				}},
				{"a filter with a fault in a batch", api.ErrInvalid, []string{"requests[0].filter"}, func() error {
					_, err := e.BatchSearch(ctx, name, []api.Query{{Vector: []float32{1, 2, 3}, K: 1, Filter: "n ="}})
					return err
				}},
				{"counting by one", api.ErrInvalid, []string{"filter"}, func() error { _, err := e.Count(ctx, name, "n ="); return err }},
				{"listing by one", api.ErrInvalid, []string{"filter"}, func() error {
					_, _, err := e.ListPage(ctx, name, 0, "", api.ReadOptions{Filter: "n ="})
					return err
				}},
				{"deleting by one", api.ErrInvalid, []string{"filter"}, func() error { _, err := e.DeleteWhere(ctx, name, "n ="); return err }},
				{"deleting by none", api.ErrInvalid, []string{"filter"}, func() error { _, err := e.DeleteWhere(ctx, name, ""); return err }},
				{"deleting by blanks", api.ErrInvalid, []string{"filter"}, func() error { _, err := e.DeleteWhere(ctx, name, "  "); return err }},
				{"a filter that is not UTF-8", api.ErrInvalid, []string{"filter"}, func() error { _, err := e.Count(ctx, name, "\xff"); return err }},
				{"a filter beside ids", api.ErrInvalid, []string{"filter"}, func() error {
					_, _, err := e.Get(ctx, name, []string{"a"}, api.ReadOptions{Filter: "n = 1"})
					return err
				}},
				{"a context that has ended", context.Canceled, nil, func() error { return e.DeleteCollection(cancelled, name) }},
			} {
				err := tt.call()
				if !errors.Is(err, tt.is) {
					t.Errorf("%s: %v, want %v", tt.what, err, tt.is)
				}
				var invalid *api.InvalidError
				if errors.As(err, &invalid) != (tt.fields != nil) {
					t.Errorf("%s: %v, want an *api.InvalidError: %v", tt.what, err, tt.fields != nil)
					continue
				}
				if tt.fields == nil {
					continue
				}
				var fields []string
				for _, v := range invalid.Violations {
					fields = append(fields, v.Field)
				}
				if !reflect.DeepEqual(fields, tt.fields) {
					t.Errorf("%s: fields %q, want %q", tt.what, fields, tt.fields)
				}
			}
		})
	}
}

func TestAnIngestCountsWhatItReplacedItselfWhateverOthersWrite(t *testing.T) {
	for name, e := range engines(t) {
		ctx := t.Context()
		collection := "replaced-" + name
		if _, err := e.CreateCollection(ctx, api.Spec{Name: collection, Dims: 1}); err != nil {
			t.Fatal(err)
		}
		record := func(id string) api.Record { return api.Record{ID: id, Vector: []float32{1}} }
		if err := e.Upsert(ctx, collection, []api.Record{record("there")}); err != nil {
			t.Fatal(err)
		}
		in, err := e.Ingest(ctx, collection, api.IngestOptions{})
		if err != nil {
			t.Fatal(err)
		}
		submit := func(want int, ids ...string) {
			t.Helper()
			var records []api.Record
			for _, id := range ids {
				records = append(records, record(id))
			}
			pending, err := in.Submit(ctx, records)
			if err != nil {
				t.Fatal(err)
			}
			if settled, err := pending.Wait(ctx); err != nil || settled.Replaced != want {
				t.Errorf("%s: a batch of %q replaced %d (%v), want %d", name, ids, settled.Replaced, err, want)
			}
		}
		submit(0, "new")
		submit(3, "there", "twice", "twice", "new", "first", "") // the last is refused
		if err := e.Upsert(ctx, collection, []api.Record{record("first"), record("of another")}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Delete(ctx, collection, []string{"there"}); err != nil {
			t.Fatal(err)
		}
		submit(1, "of another", "there")
		result, err := in.Close()
		if err != nil || result.Stored != 8 || result.Replaced != 4 || result.Refused != 1 {
			t.Errorf("%s: %+v (%v), want 8 stored, 4 of which replaced another, and 1 refused", name, result, err)
		}
	}
}

func TestEnginesAnswerAlike(t *testing.T) {
	var answers []string
	for name, e := range engines(t) {
		ctx := t.Context()
		spec := api.Spec{Name: "docs-" + name, Dims: 70, Ladder: []int{64}, Metric: api.Dot, Profile: api.Signs, Labels: map[string]string{"a": "b"}}
		info, err := e.CreateCollection(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		records := randomRecords(250)
		for i := range records {
			records[i].Vector = records[i].Vector[:70]
		}
		in, err := e.Ingest(ctx, info.Name, api.IngestOptions{BatchVectors: 30, MaxInFlight: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range append(records, api.Record{ID: "bad", Vector: []float32{1}}) {
			if err := in.Add(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		pending, err := in.Submit(ctx, []api.Record{{Vector: []float32{1}}, {ID: "late", Vector: records[0].Vector}, {ID: "", Vector: records[0].Vector}})
		if err != nil {
			t.Fatal(err)
		}
		settled, err := pending.Wait(ctx)
		if err != nil || len(settled.Refused) != 2 || settled.Refused[0].Index != 0 || settled.Refused[1].Index != 2 {
			t.Errorf("%s: a batch: %+v, %v, want the first and the last refused", name, settled, err)
		}
		result, err := in.Close()
		if err != nil {
			t.Fatal(err)
		}
		again, err := in.Close()
		if err != nil || !reflect.DeepEqual(again, result) || in.Add(ctx, records[0]) == nil {
			t.Errorf("%s: after Close: %+v, %v, want the same again and nothing added", name, again, err)
		}
		var listed []api.Record
		for r, err := range api.List(ctx, e, info.Name, api.ReadOptions{WithVector: true, WithCode: true, WithMetadata: true}) {
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, r)
		}
		removed, err := e.Delete(ctx, info.Name, []string{"late", "nope"})
		if err != nil {
			t.Fatal(err)
		}
		found, missing, err := e.Get(ctx, info.Name, []string{"nope", "id-0003"}, api.ReadOptions{WithCode: true})
		if err != nil {
			t.Fatal(err)
		}
		text := `in(id, "id-0003", "id-0005", "id-0100") OR n = 7`
		few, err := e.Search(ctx, info.Name, api.Query{Vector: records[1].Vector, K: 5, Filter: text})
		if err != nil {
			t.Fatal(err)
		}
		count, err := e.Count(ctx, info.Name, text)
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range api.List(ctx, e, info.Name, api.ReadOptions{Filter: text}) {
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, r)
		}
		gone, err := e.DeleteWhere(ctx, info.Name, `id = "id-0003"`)
		if err != nil {
			t.Fatal(err)
		}
		few.Receipt.FilterTime, few.Receipt.Scan, few.Receipt.Refine, few.Receipt.RescoreTime, few.Receipt.Total = 0, 0, 0, 0, 0
		hits, err := e.Search(ctx, info.Name, api.Query{Code: found[0].Code, K: 5, WithVector: true, WithMetadata: true})
		if err != nil {
			t.Fatal(err)
		}
		batch, err := e.BatchSearch(ctx, info.Name, []api.Query{{Vector: records[1].Vector, K: 3}, {ID: "id-0007", K: 2, Exact: true}})
		if err != nil {
			t.Fatal(err)
		}
		begun, err := e.Compact(ctx, info.Name)
		if err != nil {
			t.Fatal(err)
		}
		stats, err := e.Stats(ctx, info.Name)
		for err == nil && stats.Rewrite != nil {
			stats, err = e.Stats(ctx, info.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
		alias, err := e.SetAlias(ctx, "prod-"+name, info.Name)
		if err != nil {
			t.Fatal(err)
		}
		renamed, err := e.RenameCollection(ctx, info.Name, "renamed-"+name)
		if err != nil {
			t.Fatal(err)
		}
		info, err = e.GetCollection(ctx, alias.Name)
		if err != nil || !reflect.DeepEqual(info, renamed) || info.Name != "renamed-"+name || alias.Collection != "docs-"+name {
			t.Errorf("%s: alias %+v leads to %+v (%v), want what was renamed to %+v", name, alias, info, err, renamed)
		}
		if listed := slices.Collect(maps.Keys(maps.Collect(e.Aliases(ctx)))); !slices.Contains(listed, api.Alias{Name: alias.Name, Collection: info.Name}) {
			t.Errorf("%s: aliases %+v", name, listed)
		}
		if err := e.DeleteAlias(ctx, alias.Name); err != nil {
			t.Error(err)
		}
		report, err := e.Check(ctx, info.Name)
		if err != nil {
			t.Fatal(err)
		}
		info.Name, info.Created = "", time.Time{}
		if count < 3 || gone != 1 || few.Receipt.AllowedRows != count {
			t.Errorf("%s: by filter %d are counted, %d deleted, %+v", name, count, gone, few.Receipt)
		}
		begun.Started, begun.Done = time.Time{}, 0
		answers = append(answers, fmt.Sprintf("%+v %d %+v %+v %+v %+v %d %+v %q %+v %+v %+v %d %d %d %+v", few, count, begun, info, result, listed, removed, found, missing,
			hits.Hits, batch[0].Hits, batch[1].Hits, stats.Vectors, stats.Retired, stats.Dropped, report))
	}
	if answers[0] != answers[1] {
		t.Errorf("one engine answers\n%.3000s\nand the other\n%.3000s", answers[0], answers[1])
	}
}
