package index

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

// A setting of a calibration is what searches for the same queries find and read.
func TestACalibrationMeasuresWhatSearchesDo(t *testing.T) {
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.L2} {
		if testing.Short() && metric != encoder.Cosine {
			continue
		}
		f := learned(t, metric, 2)
		queries := f.queries[:15]
		got, err := f.c.Calibrate(t.Context(), CalibrateOptions{Queries: queries, K: 5})
		if err != nil {
			t.Fatal(err)
		}
		if got.Rows != f.c.Count() || got.Queries != 15 || got.Source != SourceGiven || got.K != 5 || got.Profile != encoder.Learned || got.Fingerprint != f.c.Info().ProfileFingerprint || got.Kernel == "" {
			t.Errorf("calibration is %+v", got)
		}
		type key struct {
			dims   int
			target float64
		}
		var keys []key
		for _, s := range got.Settings {
			keys = append(keys, key{s.Dims, s.TargetRecall})
			var recall, prefix, read, bytes float64
			for _, v := range queries {
				q := Query{Vector: v[:s.Dims], K: 5, TargetRecall: s.TargetRecall}
				res := ask(t, f.c, q)
				whole, right := exactly(t, f.c, Query{Vector: v, K: 5}), exactly(t, f.c, q)
				recall += sameIDs(res.Hits, whole) / 15
				prefix += recallOf(res.Hits, right) / 15
				read += float64(res.Receipt.VectorsRead) / 15
				bytes += float64(res.Receipt.CodeBytesRead+res.Receipt.VectorBytesRead) / 15
			}
			if s.Dims == fixtureDims {
				recall = prefix
			}
			if math.Abs(s.Recall-recall) > 1e-9 || math.Abs(s.PrefixRecall-prefix) > 1e-9 || math.Abs(s.VectorsRead-read) > 1e-6 || math.Abs(s.Bytes-bytes) > 1e-3 || s.Microseconds <= 0 {
				t.Errorf("setting %+v, want recall %v and %v, %v vectors and %v bytes read", s, recall, prefix, read, bytes)
			}
		}
		if want := []key{{64, .995}, {128, .995}, {200, .9}, {200, .95}, {200, .99}, {200, .995}}; !slices.Equal(keys, want) {
			t.Errorf("settings are %v, want %v", keys, want)
		}
	}
}

func TestStoredVectorsStandInForQueries(t *testing.T) {
	f := learned(t, encoder.Cosine, 2)
	got, err := f.c.Calibrate(t.Context(), CalibrateOptions{Sample: 20})
	if err != nil || got.Queries != 20 || got.Source != SourceStored || got.K != DefaultCalibrationK {
		t.Errorf("calibration is %+v (%v)", got, err)
	}
	small := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 100, Profile: encoder.Signs})
	upsert(t, small, randomRecords(rand.New(rand.NewPCG(1, 9)), 0, 30, 100)...)
	got, err = small.Calibrate(t.Context(), CalibrateOptions{})
	if err != nil || got.Queries != 30 || len(got.Settings) != 2 || got.Settings[0].TargetRecall != 0 || got.Settings[1].Recall < 1-1e-9 {
		t.Errorf("calibration of plain signs is %+v (%v), want all 30 and no target", got, err)
	}
}

func TestWhatCannotBeCalibrated(t *testing.T) {
	db := openDB(t, t.TempDir())
	c := create(t, db, Spec{Name: "c", Dims: 64})
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("of nothing: %v", err)
	}
	one := func(dims int) []float32 { return append([]float32{1}, make([]float32, dims-1)...) }
	upsert(t, c, Record{ID: "a", Vector: one(64)})
	for field, opts := range map[string]CalibrateOptions{
		"queries[1]": {Queries: [][]float32{one(64), one(63)}},
		"queries[0]": {Queries: [][]float32{make([]float32, 64)}},
		"sample":     {Sample: -1},
		"k":          {K: MaxCalibrationK + 1},
		"live":       {Live: true},
	} {
		if _, err := c.Calibrate(t.Context(), opts); fieldOf(err) != field {
			t.Errorf("%v, want an InvalidError of %q", err, field)
		}
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Queries: [][]float32{one(64)}, Sample: 1}); fieldOf(err) != "sample" {
		t.Errorf("queries and a sample: %v", err)
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{}); err != nil {
		t.Errorf("of a single vector: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Calibrate(ended, CalibrateOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("of a context that has ended: %v", err)
	}
	c.measuring.Store(true)
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{}); !errors.Is(err, ErrCalibrating) {
		t.Errorf("while another is under way: %v", err)
	}
	c.measuring.Store(false)
	none := create(t, db, Spec{Name: "none", Dims: 64, Store: encoder.None})
	if _, err := none.Calibrate(t.Context(), CalibrateOptions{}); !errors.Is(err, ErrCodesOnly) {
		t.Errorf("of codes alone: %v", err)
	}
}
