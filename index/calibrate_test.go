package index

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

// gaussian returns a vector of normal components, the first ones larger, around an offset.
func gaussian(r *rand.Rand, dims int, offset float64) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32((r.NormFloat64() + offset) / (1 + float64(i)/50))
	}
	return v
}

// populated returns a collection of rows gaussian vectors, a few of them replaced and deleted.
func populated(t *testing.T, r *rand.Rand, kind encoder.Kind, metric encoder.Metric, dims, rows int) *Collection {
	t.Helper()
	var sample [][]float32
	for range 100 {
		sample = append(sample, gaussian(r, dims, .3))
	}
	profile, err := encoder.FitProfile(kind, metric, dims, nil, sample)
	if err != nil {
		t.Fatal(err)
	}
	c := createWith(t, openDB(t, t.TempDir()), "c", metric, profile)
	var records []Record
	for i := range rows {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: gaussian(r, dims, .3)})
	}
	upsert(t, c, records...)
	upsert(t, c, Record{ID: "7", Vector: records[9].Vector}, Record{ID: "8", Vector: gaussian(r, dims, 0)}) // 7 and 9 are alike
	if _, err := c.Remove(t.Context(), []string{"3", "500"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// newTrial returns a trial of c, ready to be run.
func newTrial(t *testing.T, c *Collection, k int, opts CalibrateOptions) *trial {
	t.Helper()
	g := c.current.Load()
	trial := &trial{g: g, codec: g.codec, view: g.view.Load(), k: k}
	if err := trial.choose(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if err := trial.findRight(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	trial.plan()
	return trial
}

// tried returns what a trial finds of one query.
func tried(t *testing.T, trial *trial, q *trialQuery) []formTally {
	t.Helper()
	w := &trialWorker{trial: trial, tallies: trial.newTallies()}
	if err := w.try(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	return w.tallies
}

// someSetting returns settings that were tried, and what they gave.
func someSetting(r *rand.Rand, trial *trial, tallies []formTally) (Query, tally) {
	f, at := r.IntN(len(trial.forms)), r.IntN(len(trial.counts))
	q := Query{K: trial.k, Dims: trial.forms[f].dims, ScanBits: trial.forms[f].bits, Candidates: trial.counts[at], Bound: math.Inf(1)}
	if len(trial.bounds) > 0 && r.IntN(2) == 0 {
		b := r.IntN(len(trial.bounds))
		q.Bound = trial.bounds[b]
		return q, tallies[f].bounded[at][b]
	}
	m := r.IntN(at + 1)
	if m < at {
		q.RescoreCandidates = trial.counts[m]
	}
	return q, tallies[f].capped[at][m]
}

// searched returns what a search for vector finds of the answers of an exact one.
func searched(t *testing.T, c *Collection, q Query, vector []float32) tally {
	t.Helper()
	q.Vector = vector
	right := search(t, c, Query{Vector: vector, K: q.K, Exact: true}).Hits
	got := search(t, c, q)
	sum := tally{read: got.Receipt.VectorsRead}
	for _, hit := range got.Hits {
		if hit.Score >= right[len(right)-1].Score {
			sum.right++
		}
	}
	return sum
}

var trialShapes = []struct {
	kind   encoder.Kind
	metric encoder.Metric
	dims   int
	rows   int
	k      int
}{
	{encoder.Plain, encoder.Cosine, 192, 1500, 10},
	{encoder.Plain, encoder.L2, 512, 800, 3},
	{encoder.Centred, encoder.Dot, 512, 800, 10},
	{encoder.Nested, encoder.Cosine, 512, 3000, 10},
	{encoder.NestedCentred, encoder.Cosine, 768, 1200, 25},
	{encoder.NestedCentred, encoder.L2, 512, 1200, 1},
	{encoder.Full, encoder.Dot, 300, 1200, 10},
	{encoder.Nested, encoder.Cosine, 512, 10, 10}, // fewer than are wanted
}

func TestATrialCountsWhatSearchesFindAndRead(t *testing.T) {
	for i, shape := range trialShapes {
		t.Run(fmt.Sprintf("%v/%v/rows=%d/k=%d", shape.kind, shape.metric, shape.rows, shape.k), func(t *testing.T) {
			seed := uint64(i)
			r := rand.New(rand.NewPCG(seed, 4))
			c := populated(t, r, shape.kind, shape.metric, shape.dims, shape.rows)
			var opts CalibrateOptions
			for range 4 {
				opts.Queries = append(opts.Queries, gaussian(r, shape.dims, .3))
			}
			trial := newTrial(t, c, shape.k, opts)
			for _, q := range trial.queries {
				tallies := tried(t, trial, q)
				for range 25 {
					setting, want := someSetting(r, trial, tallies)
					if got := searched(t, c, setting, q.vector); got != want {
						t.Fatalf("seed %d: a search with %+v gives %+v, the trial said %+v", seed, setting, got, want)
					}
				}
			}
		})
	}
}

func TestAStoredQueryIsTriedAsIfItWereNotStored(t *testing.T) {
	for i, shape := range trialShapes {
		seed := uint64(i)
		r := rand.New(rand.NewPCG(seed, 5))
		c := populated(t, r, shape.kind, shape.metric, shape.dims, shape.rows)
		trial := newTrial(t, c, shape.k, CalibrateOptions{Sample: 5})
		q := trial.queries[2]
		tallies := tried(t, trial, q)
		var id string
		records, _, err := c.List(t.Context(), shape.rows, "", ReadOptions{WithVector: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if slices.Equal(record.Vector, q.vector) {
				id = record.ID
			}
		}
		if n, err := c.Remove(t.Context(), []string{id}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for range 25 {
			setting, want := someSetting(r, trial, tallies)
			if got := searched(t, c, setting, q.vector); got != want {
				t.Fatalf("seed %d: without the vector a search with %+v gives %+v, the trial said %+v", seed, setting, got, want)
			}
		}
	}
}

func TestTheReceiptOfATargetRecallHasTheSettingsOfTheCalibration(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	c := populated(t, r, encoder.Nested, encoder.Cosine, 512, 1500)
	calibration, err := c.Calibrate(t.Context(), CalibrateOptions{Sample: 40})
	if err != nil {
		t.Fatal(err)
	}
	if calibration.Rows != 1498 || calibration.Queries != 40 || calibration.Source != SourceStored || calibration.K != 10 || calibration.Profile != "nested" || calibration.Fingerprint != c.Info().ProfileFingerprint {
		t.Errorf("calibration is %+v", calibration)
	}
	for _, dims := range []int{0, 256, 512} {
		for _, target := range []float64{.01, .5, .9, .99} {
			want, err := calibration.pick(target, dims)
			if err != nil {
				t.Fatal(err)
			}
			if want.Recall < target+margin(target) {
				t.Errorf("%d dims: %+v was picked for %v", dims, want, target)
			}
			for _, k := range []int{3, 10, 25} {
				q := Query{Vector: gaussian(r, 512, .3), K: k, Dims: dims, TargetRecall: target}
				times := max(1, float64(k)/10)
				res := search(t, c, q)
				got := res.Receipt
				if got.Dims != want.Dims || got.ScanBits != want.ScanBits || got.Bound != want.Bound || got.Candidates != min(1498, int(math.Ceil(times*float64(want.Candidates)))) ||
					want.RescoreCandidates > 0 && got.RescoreCandidates != int(math.Ceil(times*float64(want.RescoreCandidates))) {
					t.Errorf("k = %d, target %v: receipt is %+v, want the settings %+v", k, target, got, want)
				}
				// A page ranks the hits of those before as well, and so keeps more.
				q.PageToken = res.NextPageToken
				if next := search(t, c, q); len(next.Hits) == 0 || next.Hits[0].Score > res.Hits[k-1].Score || 2*k > 10 && got.Candidates < 1498 && next.Receipt.Candidates <= got.Candidates {
					t.Errorf("k = %d, target %v: the next page is %v after %v", k, target, next.Hits, res.Hits[k-1])
				}
			}
		}
	}
}

func TestWhatATargetRecallDoesNotGoWith(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	c := populated(t, r, encoder.Nested, encoder.Cosine, 512, 600)
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Sample: 10}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		bend func(q *Query)
		ok   bool
	}{
		{"nothing else", func(*Query) {}, true},
		{"dims", func(q *Query) { q.Dims = 256 }, true},
		{"a stored vector", func(q *Query) { q.Vector, q.ID = nil, "1" }, true},
		{"scores from vectors", func(q *Query) { q.Rescore = RescoreVectors }, true},
		{"a minimal score", func(q *Query) { q.MinScore = new(float32) }, true},
		{"all", func(q *Query) { q.TargetRecall = 1 }, true},
		{"more than all", func(q *Query) { q.TargetRecall = 1.01 }, false},
		{"less than none", func(q *Query) { q.TargetRecall = -.1 }, false},
		{"no number", func(q *Query) { q.TargetRecall = math.NaN() }, false},
		{"exact", func(q *Query) { q.Exact = true }, false},
		{"candidates", func(q *Query) { q.Candidates = 100 }, false},
		{"oversampling", func(q *Query) { q.Oversampling = 2 }, false},
		{"rescore candidates", func(q *Query) { q.RescoreCandidates = 100 }, false},
		{"rescore oversampling", func(q *Query) { q.RescoreOversampling = 2 }, false},
		{"scan bits", func(q *Query) { q.ScanBits = 4 }, false},
		{"refine bits", func(q *Query) { q.RefineBits = 4 }, false},
		{"a bound", func(q *Query) { q.Bound = 1 }, false},
		{"scores from codes", func(q *Query) { q.Rescore = RescoreCodes }, false},
		{"no rescoring", func(q *Query) { q.Rescore = RescoreNone }, false},
		{"a prefix of a vector", func(q *Query) { q.Vector = q.Vector[:256] }, false},
		{"a code", func(q *Query) { q.Vector, q.Code = nil, make([]uint64, 8) }, false},
	} {
		q := Query{Vector: gaussian(r, 512, .3), K: 10, TargetRecall: .9}
		tt.bend(&q)
		_, err := c.Search(t.Context(), q)
		if tt.ok && err != nil || !tt.ok && fieldOf(err) != "target_recall" {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func mustSay(t *testing.T, err error, is error, says ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("error is %v, want %v", err, is)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error is %q, want it to say %q", err, s)
		}
	}
}

func TestATargetRecallIsNotGuessed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	c := populated(t, r, encoder.Plain, encoder.Cosine, 512, 2500)
	q := Query{Vector: gaussian(r, 512, .3), K: 10, TargetRecall: .9}
	_, err := c.Search(t.Context(), q)
	mustSay(t, err, ErrUncalibrated, "hamnest calibrate")
	calibration, err := c.Calibrate(t.Context(), CalibrateOptions{Sample: 50})
	if err != nil {
		t.Fatal(err)
	}
	search(t, c, q)

	q.Dims = 320 // a prefix, but not a step of the ladder
	_, err = c.Search(t.Context(), q)
	mustSay(t, err, ErrUncalibrated, "320", "[256 512]")
	q.Dims = 0

	beyond := *calibration
	beyond.Settings = slices.DeleteFunc(slices.Clone(beyond.Settings), func(s Setting) bool { return s.Recall > .95 })
	c.calibrations.stored.Store(&storedCalibration{calibration: &beyond})
	q.TargetRecall = .97
	_, err = c.Search(t.Context(), q)
	best := slices.MaxFunc(beyond.Settings, func(a, b Setting) int { return int(1e6 * (a.Recall - b.Recall)) })
	mustSay(t, err, ErrUncalibrated, "0.97", fmt.Sprint(best.Candidates))
	q.TargetRecall = .9

	kind := encoder.Nested
	c.calibrations.stored.Store(&storedCalibration{calibration: calibration})
	if err := c.Update(t.Context(), Change{Profile: &kind}); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = c.Search(t.Context(), q)
	mustSay(t, err, ErrUncalibrated, "plain", "nested", calibration.Fingerprint, c.Info().ProfileFingerprint)
	if _, err := c.BatchSearch(t.Context(), []Query{{Vector: q.Vector, K: 1}, q}); !errors.Is(err, ErrUncalibrated) || !strings.Contains(err.Error(), "requests[1]") {
		t.Errorf("in a batch: %v", err)
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Sample: 20}); err != nil {
		t.Fatal(err)
	}
	search(t, c, q)

	lower(t, c, encoder.None) // recall was measured with the vectors
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = c.Search(t.Context(), q)
	mustSay(t, err, ErrCodesOnly, "target recall")
}

func TestACalibrationSurvivesReopeningAndItsDamageIsNoSilence(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 64})
	r := rand.New(rand.NewPCG(1, 9))
	for i := range 50 {
		upsert(t, c, Record{ID: fmt.Sprint(i), Vector: gaussian(r, 64, 0)})
	}
	want, err := c.Calibrate(t.Context(), CalibrateOptions{K: 3})
	if err != nil {
		t.Fatal(err)
	}
	reopen := func() {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if db, err = Open(dir, Options{}); err != nil {
			t.Fatal(err)
		}
		if c, err = db.Collection("c"); err != nil {
			t.Fatal(err)
		}
	}
	reopen()
	got, err := c.Calibration()
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("read back %+v (%v), want %+v", got, err, want)
	}
	for _, text := range []string{"", "{", `{"k":3}`, `{"k":3,"fingerprint":"x","settings":[{"dims":64,"scan_bits":1,"candidates":2,"recall":0.5}]}`} {
		if err := c.catalog.SetCalibration(*c.entry.Load(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		reopen()
		if _, err := c.Calibration(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q: %v, want %v", text, err, ErrCorrupt)
		}
		if report, err := c.Check(t.Context()); err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "calibration") {
			t.Errorf("%q: check found %q (%v), want the calibration", text, report.Problems, err)
		}
		q := Query{Vector: gaussian(r, 64, 0), K: 3, TargetRecall: .5}
		_, err := c.Search(t.Context(), q)
		mustSay(t, err, ErrUncalibrated, "calibrate again")
		q.TargetRecall = 0
		search(t, c, q)
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{K: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Calibration(); err != nil {
		t.Error(err)
	}
	closeSound(t, db)
}

func TestWhatCannotBeCalibrated(t *testing.T) {
	db := openDB(t, t.TempDir())
	c := create(t, db, Spec{Name: "c", Dims: 64})
	_, err := c.Calibrate(t.Context(), CalibrateOptions{})
	mustSay(t, err, ErrUncalibrated, "no vectors")
	upsert(t, c, Record{ID: "a", Vector: make1(64)})
	for field, opts := range map[string]CalibrateOptions{
		"queries[1]":  {Queries: [][]float32{make1(64), make1(63)}},
		"queries[0]":  {Queries: [][]float32{make([]float32, 64)}},
		"sample":      {Sample: -1},
		"k":           {K: MaxCalibrationK + 1},
		"profiles[0]": {Profiles: []encoder.Kind{encoder.Auto}},
	} {
		if _, err := c.Calibrate(t.Context(), opts); fieldOf(err) != field {
			t.Errorf("%v, want an InvalidError of %q", err, field)
		}
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{Queries: [][]float32{make1(64)}, Sample: 1}); fieldOf(err) != "sample" {
		t.Errorf("queries and a sample: %v", err)
	}
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{}); err != nil {
		t.Errorf("of a single vector: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	before, _ := c.Calibration()
	cancel()
	if _, err := c.Calibrate(ended, CalibrateOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("of a context that has ended: %v", err)
	}
	if after, _ := c.Calibration(); after != before {
		t.Error("a calibration that was ended has replaced the one before")
	}
	c.calibrations.running.Store(true)
	if _, err := c.Calibrate(t.Context(), CalibrateOptions{}); !errors.Is(err, ErrCalibrating) {
		t.Errorf("while another is under way: %v", err)
	}
	none := create(t, db, Spec{Name: "none", Dims: 64, Store: encoder.None})
	if _, err := none.Calibrate(t.Context(), CalibrateOptions{}); !errors.Is(err, ErrCodesOnly) {
		t.Errorf("of codes alone: %v", err)
	}
}

func make1(dims int) []float32 {
	v := make([]float32, dims)
	v[0] = 1
	return v
}

func TestProfilesAreMeasuredOnTheSameQueries(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 10))
	c := populated(t, r, encoder.Plain, encoder.Cosine, 512, 1500)
	got, err := c.Calibrate(t.Context(), CalibrateOptions{Sample: 60, Profiles: []encoder.Kind{encoder.Plain, encoder.NestedCentred}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Compared) != 2 || got.Compared[0].Profile != encoder.Plain || got.Compared[1].Profile != encoder.NestedCentred || fmt.Sprint(got.Compared[0].Settings) != fmt.Sprint(got.Settings) {
		t.Fatalf("compared %+v", got.Compared)
	}
	// With an offset, what subtracts it finds more with as many candidates.
	bestOf := func(settings []Setting) (recall float64) {
		for _, s := range settings {
			if s.Candidates <= 40 {
				recall = max(recall, s.Recall)
			}
		}
		return recall
	}
	if plain, centred := bestOf(got.Settings), bestOf(got.Compared[1].Settings); centred <= plain {
		t.Errorf("nested+centred reaches %v with 40 candidates, plain %v", centred, plain)
	}
}

func TestTheFrontHasNoSettingThatIsDearerForLess(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 11))
	var all []Setting
	for range 3000 {
		cost := r.Float64()
		all = append(all, Setting{Dims: 64, Microseconds: cost, Recall: min(1, math.Sqrt(cost)*(.5+r.Float64()/2))})
	}
	kept := front(all)
	most := slices.MaxFunc(all, func(a, b Setting) int { return int(1e9 * (a.Recall - b.Recall)) })
	if last := kept[len(kept)-1]; last.Recall != most.Recall {
		t.Errorf("the last has recall %v, want the most there is, %v", last.Recall, most.Recall)
	}
	for i, s := range kept {
		if i > 0 && (s.Microseconds <= kept[i-1].Microseconds || s.Recall <= kept[i-1].Recall) {
			t.Errorf("%+v follows %+v", s, kept[i-1])
		}
		for _, o := range all {
			if o.Microseconds < s.Microseconds && o.Recall >= s.Recall {
				t.Errorf("%+v is kept, and %+v is cheaper", s, o)
			}
		}
	}
	if len(kept) < 10 || len(kept) > 400 {
		t.Errorf("%d are kept of %d", len(kept), len(all))
	}
}

func TestStatsSayWhenToCalibrateAgain(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 512})
	r := rand.New(rand.NewPCG(1, 12))
	stored := 0
	store := func(rows int) {
		for ; stored < rows; stored++ {
			upsert(t, c, Record{ID: fmt.Sprint(stored), Vector: gaussian(r, 512, 0)})
		}
	}
	state := func() *CalibrationStats {
		stats, err := c.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return stats.Calibration
	}
	store(20)
	if got := state(); got != nil {
		t.Errorf("before any calibration: %+v", got)
	}
	m, err := c.Calibrate(t.Context(), CalibrateOptions{K: 2})
	if err != nil {
		t.Fatal(err)
	}
	store(29)
	if got, want := *state(), (CalibrationStats{m.Created, 20, 20, SourceStored, 2, "plain", m.Fingerprint, ""}); got != want {
		t.Errorf("with 29 vectors: %+v, want %+v", got, want)
	}
	store(30)
	if got := state().Recalibrate; !strings.Contains(got, "20 vectors have become 30") {
		t.Errorf("with 30 vectors: %q", got)
	}
	var ids []string
	for i := range 20 {
		ids = append(ids, fmt.Sprint(i))
	}
	if _, err := c.Remove(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if got := state().Recalibrate; !strings.Contains(got, "20 vectors have become 10") {
		t.Errorf("with 10 vectors: %q", got)
	}
	kind := encoder.Nested
	if err := errors.Join(c.Update(t.Context(), Change{Profile: &kind}), c.Settle(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := state().Recalibrate; !strings.Contains(got, "nested") {
		t.Errorf("under another profile: %q", got)
	}
}

func TestTheCheapestSettingThatReachesATargetIsPicked(t *testing.T) {
	m := &Calibration{K: 10}
	for i, recall := range []float64{.5, .95, .951, .9525, .9795, .98, .982, .984, .99, .9925, .9945, .9991} {
		m.Settings = append(m.Settings, Setting{Dims: 64, Candidates: 10 + i, Microseconds: float64(i), Recall: recall})
	}
	m.Settings = append(m.Settings, Setting{Dims: 128, Candidates: 10, Microseconds: 1.5, Recall: .97})
	for _, tt := range []struct {
		target float64
		dims   int
		want   float64
	}{
		{.4, 0, .5},
		{.9, 0, .95},
		{.95, 64, .9525},
		{.95, 0, .97}, // over another prefix, and cheaper
		{.955, 64, .9795},
		{.955, 128, .97},
		{.98, 0, .984},
		{.99, 0, .9945},
		{.999, 0, .9991}, // there is no more
		{.9991, 0, .9991},
	} {
		if got, err := m.pick(tt.target, tt.dims); err != nil || got.Recall != tt.want {
			t.Errorf("for %v over %d dims %v was picked (%v), want %v", tt.target, tt.dims, got.Recall, err, tt.want)
		}
	}
	for _, dims := range []int{0, 128} {
		if got, err := m.pick(.9992, dims); !errors.Is(err, ErrUncalibrated) {
			t.Errorf("beyond the best over %d dims: %+v, %v", dims, got, err)
		}
	}
}

// On queries that the calibration has not seen, the recall asked for is reached, and not
// passed by much, with few vectors read. Costs are given, not measured, so that the same
// settings are picked everywhere: those of a machine that counts bits, microseconds.
func TestATargetRecallIsReachedOnOtherQueries(t *testing.T) {
	if testing.Short() {
		t.Skip("computes the exact answers to 1,000 queries")
	}
	set := sharedSet(t, "debian")
	var seen, unseen [][]float32
	var truth [][]int
	for i, q := range set.queries {
		if i%2 == 0 {
			seen = append(seen, q)
		} else {
			unseen, truth = append(unseen, q), append(truth, set.truth[i])
		}
	}
	for _, kind := range []encoder.Kind{encoder.Nested, encoder.NestedCentred} {
		profile, err := encoder.FitProfile(kind, encoder.Cosine, 768, nil, set.base[:5000])
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		c := createWith(t, openDB(t, filepath.Join(dir, "db")), "debian", encoder.Cosine, profile)
		for part := range slices.Chunk(set.base, 4096) {
			var records []Record
			for _, v := range part {
				records = append(records, Record{ID: fmt.Sprintf("%06d", len(records)+int(c.Count())), Vector: v})
			}
			upsert(t, c, records...)
		}
		trial := newTrial(t, c, 10, CalibrateOptions{Queries: seen})
		tallies, err := trial.count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		cost := trialCost{refine: .15, read: 1}
		for _, form := range trial.forms {
			cost.scan = append(cost.scan, .03*float64(form.dims*form.bits))
			cost.keep = append(cost.keep, .05)
		}
		calibration := &Calibration{K: trial.k, Fingerprint: trial.codec.fingerprint, Settings: trial.settings(tallies, cost)}
		c.calibrations.stored.Store(&storedCalibration{calibration: calibration})
		for _, dims := range []int{256, 768, 0} {
			for _, target := range []float64{.9, .95, .99} {
				picked, err := calibration.pick(target, dims)
				if err != nil {
					t.Fatal(err)
				}
				found, read := 0, uint64(0)
				var receipt Receipt
				for i, q := range unseen {
					res := search(t, c, Query{Vector: q, K: 10, Dims: dims, TargetRecall: target})
					for _, hit := range res.Hits {
						var row int
						if _, err := fmt.Sscan(strings.TrimLeft(hit.ID[:5], "0")+hit.ID[5:], &row); err != nil {
							t.Fatal(err)
						}
						if slices.Contains(truth[i][:10], row) {
							found++
						}
					}
					read += res.Receipt.VectorsRead
					receipt = res.Receipt
				}
				recall, mean := float64(found)/float64(10*len(unseen)), float64(read)/float64(len(unseen))
				t.Logf("%v, dims %d, target %v: recall %.4f (%.4f measured) with %.1f vectors read; %d dims, %d bits, %d candidates, %d rescored, bound %v",
					kind, dims, target, recall, picked.Recall, mean, receipt.Dims, receipt.ScanBits, receipt.Candidates, receipt.RescoreCandidates, receipt.Bound)
				if math.Abs(recall-target) > .01 || math.Abs(recall-picked.Recall) > .01 {
					t.Errorf("%v, dims %d, target %v: recall %.4f, want it and the %.4f that was measured within 0.01", kind, dims, target, recall, picked.Recall)
				}
				if target == .99 && (recall < .99 || mean > 100) {
					t.Errorf("%v, dims %d, target %v: recall %.4f with %.1f vectors read a query, want at least the target with at most 100", kind, dims, target, recall, mean)
				}
			}
		}
	}
}

func TestTheMarginOfATargetGrowsToWhereHardlyAnyHitIsMissed(t *testing.T) {
	for target, want := range map[float64]float64{.01: 0, .9: 0, .945: .002, .99: .004, .999: .0004, 1: 0} {
		if got := margin(target); math.Abs(got-want) > 1e-9 {
			t.Errorf("for %v it is %v, want %v", target, got, want)
		}
	}
}
