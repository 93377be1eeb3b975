package index

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

// liveCollection returns a collection of 1,200 vectors in a database of those options.
func liveCollection(t *testing.T, r *rand.Rand, opts Options) (*Collection, *DB) {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	db, err := Open(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSound(t, db) })
	c := create(t, db, Spec{Name: "c", Dims: 512, Profile: encoder.Nested})
	var records []Record
	for i := range 1200 {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: gaussian(r, 512, 0)})
	}
	upsert(t, c, records...)
	return c, db
}

func liveStats(t *testing.T, c *Collection) *LiveStats {
	t.Helper()
	stats, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return stats.Live
}

func TestTheLastLiveQueriesAreRemembered(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	c, _ := liveCollection(t, r, Options{LiveQueries: 10})
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Live: true}); fieldOf(err) != "live" {
		t.Errorf("before any query: %v", err)
	}
	var asked [][]float32
	for i := range 24 {
		q := gaussian(r, 512, 0)
		if i%2 == 0 {
			search(t, c, Query{Vector: q, K: 3})
		} else if _, err := c.BatchSearch(t.Context(), []Query{{Vector: q, K: 3}}); err != nil {
			t.Fatal(err)
		}
		asked = append(asked, slices.Clone(q))
		clear(q) // what is remembered is not the caller's
	}
	// None of these is a query of users, or one of whole vectors.
	search(t, c, Query{ID: "1", K: 3})
	search(t, c, Query{Vector: gaussian(r, 512, 0), K: 3, Exact: true})
	search(t, c, Query{Vector: gaussian(r, 256, 0), K: 3})
	search(t, c, Query{Code: make([]uint64, 8), K: 3})
	got, err := c.live.recent(512)
	if err != nil || len(got) != 10 {
		t.Fatalf("%d are remembered (%v), want 10", len(got), err)
	}
	for _, q := range got {
		if !slices.ContainsFunc(asked[14:], func(a []float32) bool { return slices.Equal(a, q) }) {
			t.Errorf("%v is none of the last ten", q[:4])
		}
	}
	if s := liveStats(t, c); *s != (LiveStats{Queries: 10}) {
		t.Errorf("stats are %+v", s)
	}
	calibration, err := c.Calibrate(t.Context(), CalibrateOptions{Live: true})
	if err != nil || calibration.Queries != 10 || calibration.Source != SourceLive {
		t.Errorf("calibration is %+v (%v)", calibration, err)
	}
	for _, opts := range []CalibrateOptions{{Live: true, Sample: 3}, {Live: true, Queries: asked[:1]}} {
		if _, err := c.Calibrate(t.Context(), opts); fieldOf(err) == "" {
			t.Errorf("live and others: %v", err)
		}
	}
}

func TestNothingIsLearntUnlessAskedFor(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	c, _ := liveCollection(t, r, Options{})
	search(t, c, Query{Vector: gaussian(r, 512, 0), K: 3})
	if s := liveStats(t, c); s != nil {
		t.Errorf("stats are %+v", s)
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Live: true}); fieldOf(err) != "live" {
		t.Errorf("without live queries: %v", err)
	}
	for _, opts := range []Options{{LiveQueries: -1}, {LiveChecks: 1.5}, {LiveChecks: -.5}} {
		if _, err := Open(t.TempDir(), opts); err == nil || !strings.Contains(err.Error(), "live") {
			t.Errorf("options %+v: %v", opts, err)
		}
	}
}

func TestACheckFindsTheRecallThatASearchHad(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	c, _ := liveCollection(t, r, Options{LiveChecks: 1})
	var total float64
	const searches = 30
	for i := range searches {
		q := Query{Vector: gaussian(r, 512, 0), K: 10, Candidates: 12 + i}
		search(t, c, q)
		for c.live.checking.Load() { // the next would not be checked
			runtime.Gosched()
		}
		total += float64(searched(t, c, q, q.Vector).right) / 10
		for c.live.checking.Load() { // that was one more search
			runtime.Gosched()
		}
	}
	s := liveStats(t, c)
	if s.Checks != 2*searches || s.Recall < total/searches-1e-9 || s.Recall > total/searches+1e-9 || s.Targeted != 0 {
		t.Errorf("stats are %+v, want %d checks and recall %v", s, 2*searches, total/searches)
	}
	low := float32(-1)
	search(t, c, Query{Vector: gaussian(r, 512, 0), K: 10, MinScore: &low})
	search(t, c, Query{Vector: gaussian(r, 512, 0), K: 10, Rescore: RescoreCodes})
	if s := liveStats(t, c); s.Checks != 2*searches {
		t.Errorf("%d checks, want none of searches that are not for the nearest", s.Checks)
	}
}

func TestLiveRecallBelowTheTargetCallsForACalibration(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	c, _ := liveCollection(t, r, Options{LiveChecks: 1e-9})
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Sample: 20}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		checks         int
		recall, target float64
		want           string
	}{
		{"reached", 100, .95, .95, ""},
		{"nearly reached", 100, .945, .95, ""},
		{"missed, but seldom looked at", 49, .90, .95, ""},
		{"missed", 50, .90, .95, "found 0.900 where 0.950 was asked for"},
		{"missed, but nothing was asked for", 100, .90, 0, ""},
		{"missed by the last 200", 1000, .90, .99, "the last 200 live searches"},
	} {
		c.live.forget()
		c.live.mu.Lock()
		for range tt.checks {
			c.live.checks.add(liveCheck{tt.recall, tt.target}, liveChecks)
		}
		c.live.mu.Unlock()
		stats, err := c.Stats()
		if err != nil {
			t.Fatal(err)
		}
		got := stats.Calibration.Recalibrate
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want it to say %q", tt.name, got, tt.want)
		}
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Sample: 20}); err != nil {
		t.Fatal(err)
	}
	if s := liveStats(t, c); s.Checks != 0 {
		t.Errorf("%d checks of the settings before a calibration still count", s.Checks)
	}
}

func TestClosingEndsACheck(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 5))
	c, db := liveCollection(t, r, Options{LiveChecks: 1})
	for range 20 {
		search(t, c, Query{Vector: gaussian(r, 512, 0), K: 10})
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
