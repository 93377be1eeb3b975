package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hamnest/hamnest/server"
)

func TestACalibrationIsWhatTheEngineStored(t *testing.T) {
	db, _, c := start(t, server.Options{MaxBatchVectors: 400})
	ctx := t.Context()
	if _, err := c.CreateCollection(ctx, Collection{Name: "c", Dims: 512, Profile: Nested}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var records []Record
	for i := range 400 {
		v := make([]float32, 512)
		for d := range v {
			v[d] = float32(r.NormFloat64())
		}
		records = append(records, Record{ID: fmt.Sprint(i), Vector: v})
	}
	if err := c.Upsert(ctx, "c", records); err != nil {
		t.Fatal(err)
	}
	search := SearchRequest{Vector: records[0].Vector, K: 5, TargetRecall: .9}
	if _, err := c.Search(ctx, "c", search); !errors.Is(err, ErrUncalibrated) {
		t.Errorf("a target recall before any calibration: %v, want %v", err, ErrUncalibrated)
	}

	got, err := c.Calibrate(ctx, "c", CalibrateOptions{Queries: [][]float32{records[1].Vector, records[2].Vector, records[3].Vector}, K: 5, Profiles: []Profile{Plain, Nested}})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := db.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	want, err := stored.Calibration()
	if err != nil {
		t.Fatal(err)
	}
	if !got.Created.Equal(want.Created) || got.Rows != 400 || got.Queries != 3 || got.Source != SourceGiven || got.K != 5 || got.Profile != Nested || got.ProfileFingerprint != want.Fingerprint || got.Kernel != want.Kernel {
		t.Errorf("calibration is %+v, want %+v", got, want)
	}
	if len(got.Settings) != len(want.Settings) {
		t.Fatalf("%d settings, want %d", len(got.Settings), len(want.Settings))
	}
	for i, s := range got.Settings {
		w := want.Settings[i]
		if s != (Setting{w.Dims, w.ScanBits, w.Candidates, w.RescoreCandidates, w.Bound, w.Recall, w.VectorsRead, w.Microseconds, w.Bytes}) {
			t.Errorf("setting %d is %+v, want %+v", i, s, w)
		}
	}
	if len(got.Compared) != 2 || got.Compared[0].Profile != Plain || len(got.Compared[0].Settings) == 0 || got.Compared[1].Profile != Nested {
		t.Errorf("compared %+v", got.Compared)
	}

	answer, err := c.Search(ctx, "c", search)
	if err != nil || len(answer.Hits) != 5 {
		t.Errorf("%v (%v), want 5 hits", answer, err)
	}
	stats, err := c.Stats(ctx, "c")
	if err != nil {
		t.Fatal(err)
	}
	if state := stats.Calibration; state == nil || *state != got.CalibrationState {
		t.Errorf("state is %+v, want %+v", state, got.CalibrationState)
	}

	for name, opts := range map[string]CalibrateOptions{
		"a short query":   {Queries: [][]float32{{1}}},
		"k":               {K: 1001},
		"auto":            {Profiles: []Profile{Auto}},
		"no such profile": {Profiles: []Profile{"bent"}},
		"both":            {Queries: [][]float32{records[1].Vector}, Sample: 2},
		"less than none":  {Sample: -1},
	} {
		if _, err := c.Calibrate(ctx, "c", opts); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want %v", name, err, ErrInvalid)
		}
	}
	if _, err := c.Calibrate(ctx, "c", CalibrateOptions{Sample: 401}); !errors.Is(err, ErrLimit) {
		t.Errorf("a sample above the limit: %v, want %v", err, ErrLimit)
	}
	if _, err := c.Calibrate(ctx, "none", CalibrateOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no collection: %v, want %v", err, ErrNotFound)
	}
	search.TargetRecall = 1.5
	if _, err := c.Search(ctx, "c", search); !errors.Is(err, ErrInvalid) {
		t.Errorf("more than all: %v, want %v", err, ErrInvalid)
	}
}
