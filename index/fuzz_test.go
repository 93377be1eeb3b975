package index

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
)

// Page tokens come from strangers: one is refused, or goes on within what there is.
func FuzzPageTokens(f *testing.F) {
	db, err := Open(f.TempDir(), Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := db.Close(); err != nil {
			f.Error(err)
		}
	})
	c, err := db.Create(f.Context(), Spec{Name: "c", Dims: 8})
	if err != nil {
		f.Fatal(err)
	}
	records := randomRecords(rand.New(rand.NewPCG(6, 1)), 0, 20, 8)
	if err := c.Upsert(f.Context(), records); err != nil {
		f.Fatal(err)
	}
	q := Query{Vector: records[0].Vector, K: 3}
	first, err := c.Search(f.Context(), q)
	if err != nil {
		f.Fatal(err)
	}
	_, list, err := c.List(f.Context(), 3, "", ReadOptions{})
	if err != nil {
		f.Fatal(err)
	}
	for _, token := range []string{"", first.NextPageToken, list, "A", "%"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		q := q
		q.PageToken = token
		if result, err := c.Search(t.Context(), q); err == nil && len(result.Hits) > q.K || err != nil && fieldOf(err) != "page_token" {
			t.Errorf("token %q: %v, want a page or a violation of page_token", token, err)
		}
		if page, _, err := c.List(t.Context(), 3, token, ReadOptions{}); err == nil && len(page) > 3 || err != nil && fieldOf(err) != "page_token" {
			t.Errorf("token %q of a list: %v, want a page or a violation of page_token", token, err)
		}
	})
}
