package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/server"
)

// learned makes a collection named learned, just large enough to have learned codes, and
// returns its records.
func learned(t *testing.T, db *index.DB, c *Client) []api.Record {
	t.Helper()
	const dims, rows = 1024, 1100
	if _, err := c.CreateCollection(t.Context(), api.Spec{Name: "learned", Dims: dims, Ladder: []int{64, 256}}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	records := make([]api.Record, rows)
	for i := range records {
		v := make([]float32, dims)
		for d := range v {
			v[d] = float32(r.NormFloat64() / float64(1+d))
		}
		records[i] = api.Record{ID: fmt.Sprint(i), Vector: v}
	}
	if err := c.Upsert(t.Context(), "learned", records); err != nil {
		t.Fatal(err)
	}
	collection, err := db.Collection("learned")
	if err != nil {
		t.Fatal(err)
	}
	if err := collection.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return records
}

func TestACalibrationIsWhatTheEngineMeasured(t *testing.T) {
	db, _, c := start(t, server.Options{MaxBatchVectors: 1100})
	ctx := t.Context()
	records := learned(t, db, c)
	queries := [][]float32{records[1].Vector, records[2].Vector, records[3].Vector}
	got, err := c.Calibrate(ctx, "learned", api.CalibrateOptions{Queries: queries, K: 5})
	if err != nil {
		t.Fatal(err)
	}
	collection, err := db.Collection("learned")
	if err != nil {
		t.Fatal(err)
	}
	want, err := collection.Calibrate(ctx, index.CalibrateOptions{Queries: queries, K: 5})
	if err != nil {
		t.Fatal(err)
	}
	if got.Rows != 1100 || got.Queries != 3 || got.Source != api.SourceGiven || got.K != 5 || got.Profile != api.Learned || got.Fingerprint != want.Fingerprint || got.Kernel != want.Kernel {
		t.Errorf("calibration is %+v, want %+v", got, want)
	}
	if len(got.Settings) != len(want.Settings) || len(got.Settings) < 4 {
		t.Fatalf("%d settings, want %d", len(got.Settings), len(want.Settings))
	}
	for i, s := range got.Settings {
		w := want.Settings[i]
		if s.Microseconds <= 0 {
			t.Errorf("setting %d takes no time: %+v", i, s)
		}
		if s.Microseconds = w.Microseconds; s != w {
			t.Errorf("setting %d is %+v, want %+v", i, s, w)
		}
	}
}

func TestCalibrationsThatCannotBe(t *testing.T) {
	_, _, c := start(t, server.Options{MaxBatchVectors: 100})
	ctx := t.Context()
	docs(t, c)
	if _, err := c.Calibrate(ctx, "docs", api.CalibrateOptions{}); !errors.Is(err, api.ErrEmpty) {
		t.Errorf("nothing to measure: %v, want %v", err, api.ErrEmpty)
	}
	records := randomRecords(3)
	if err := c.Upsert(ctx, "docs", records); err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]api.CalibrateOptions{
		"a short query":  {Queries: [][]float32{{1}}},
		"k":              {K: 1001},
		"both":           {Queries: [][]float32{records[1].Vector}, Sample: 2},
		"less than none": {Sample: -1},
		"no live ones":   {Live: true},
	} {
		if _, err := c.Calibrate(ctx, "docs", opts); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%s: %v, want %v", name, err, api.ErrInvalid)
		}
	}
	if _, err := c.Calibrate(ctx, "docs", api.CalibrateOptions{Sample: 101}); !errors.Is(err, api.ErrLimit) {
		t.Errorf("a sample above the limit: %v, want %v", err, api.ErrLimit)
	}
	if _, err := c.Calibrate(ctx, "none", api.CalibrateOptions{}); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("no collection: %v, want %v", err, api.ErrNotFound)
	}
}
