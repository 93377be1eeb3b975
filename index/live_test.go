package index

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
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
	vectors := gaussians(r, 1200, 512, 0)
	c := createWith(t, db, "c", encoder.Cosine, learntFrom(t, encoder.Shape{Dims: 512, Ladder: []int{256}}, vectors[:300]))
	var records []Record
	for i, v := range vectors {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: v})
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
			ask(t, c, Query{Vector: q, K: 3})
		} else if _, err := c.BatchSearch(t.Context(), []Query{{Vector: q, K: 3}}); err != nil {
			t.Fatal(err)
		}
		asked = append(asked, slices.Clone(q))
		clear(q) // what is remembered is not the caller's
	}
	// None of these is a query of users, or one of whole vectors.
	ask(t, c, Query{ID: "1", K: 3})
	ask(t, c, Query{Vector: gaussian(r, 512, 0), K: 3, Exact: true})
	ask(t, c, Query{Vector: gaussian(r, 256, 0), K: 3})
	got, err := c.live.Recent(512)
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
	ask(t, c, Query{Vector: gaussian(r, 512, 0), K: 3})
	if s := liveStats(t, c); s != nil {
		t.Errorf("stats are %+v", s)
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Live: true}); fieldOf(err) != "live" {
		t.Errorf("without live queries: %v", err)
	}
	for _, opts := range []Options{{LiveQueries: -1}, {LiveQueries: MaxLiveQueries + 1}, {LiveChecks: 1.5}, {LiveChecks: -.5}} {
		if _, err := Open(t.TempDir(), opts); err == nil || !strings.Contains(err.Error(), "options ask to") {
			t.Errorf("options %+v: %v", opts, err)
		}
	}
}

// checked searches, and waits until the search has been checked.
func checked(t *testing.T, c *Collection, q Query) *Result {
	t.Helper()
	res := ask(t, c, q)
	c.live.Wait()
	return res
}

func TestACheckFindsTheRecallThatASearchHad(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	c, _ := liveCollection(t, r, Options{LiveChecks: 1})
	var total, targets float64
	const searches = 30
	for i := range searches {
		q := Query{Vector: gaussian(r, 512, 0), K: 10, TargetRecall: .3 + .02*float64(i)}
		res := checked(t, c, q)
		right := ask(t, c, Query{Vector: q.Vector, K: 10, Exact: true})
		total += recallOf(res.Hits, right.Hits)
		targets += q.TargetRecall
	}
	s := liveStats(t, c)
	if s.Checks != searches || math.Abs(s.Recall-total/searches) > 1e-9 || math.Abs(s.Target-targets/searches) > 1e-9 || s.Short != "" {
		t.Errorf("stats are %+v, want %d checks, recall %v and target %v", s, searches, total/searches, targets/searches)
	}
	low := float32(-1)
	for _, q := range []Query{{MinScore: &low}, {Rescore: RescoreCodes}, {Exact: true}, {TargetRecall: 1}} {
		q.Vector, q.K = gaussian(r, 512, 0), 10
		checked(t, c, q)
	}
	if s := liveStats(t, c); s.Checks != searches {
		t.Errorf("%d checks, want none of searches that are not for the nearest, or are exact", s.Checks)
	}
}

func TestClosingEndsACheck(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 5))
	c, db := liveCollection(t, r, Options{LiveChecks: 1})
	for range 20 {
		ask(t, c, Query{Vector: gaussian(r, 512, 0), K: 10})
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
