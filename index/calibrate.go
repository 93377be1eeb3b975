package index

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/storage"
)

// Defaults of CalibrateOptions.
const (
	// DefaultCalibrationQueries leave the measured recall uncertain by 0.002 around 0.99.
	DefaultCalibrationQueries = 1000
	DefaultCalibrationK       = 10
)

// MaxCalibrationK is the largest CalibrateOptions.K.
const MaxCalibrationK = 1000

// CalibrateOptions says what to measure with. The zero value is ready to use.
type CalibrateOptions struct {
	// Queries, each of the collection's dims, are searched for. Nil: stored vectors are,
	// each left out of its own answer. Queries of another kind, questions say, may be
	// harder to answer, and less of the right hits then found than was measured: give
	// queries where there are any.
	Queries [][]float32
	// Sample is how many stored vectors, spread over the collection, stand in for
	// queries. 0: DefaultCalibrationQueries. Not with Queries.
	Sample int
	// Live takes the queries that were searched for last instead, as many as are
	// remembered: see Options.LiveQueries. Not with Queries or Sample.
	Live bool
	// K is how many hits recall is measured over, 1 to MaxCalibrationK. 0:
	// DefaultCalibrationK.
	K int
	// Profiles are measured beside the collection's own, for comparison. Each in turn
	// takes as much memory as codes under it do.
	Profiles []encoder.Kind
}

// Calibration is what was measured of a collection: the settings of a search that
// are worth having, with the recall that each reaches and what it costs.
type Calibration struct {
	Created time.Time `json:"created"`
	// Rows are the vectors there were, Queries how many were searched for, and Source
	// says what those were.
	Rows    uint64            `json:"rows"`
	Queries int               `json:"queries"`
	Source  CalibrationSource `json:"source"`
	// K is how many hits recall was measured over.
	K int `json:"k"`
	// Profile and Fingerprint name the codes that were measured. The calibration says
	// nothing about others.
	Profile     string `json:"profile"`
	Fingerprint string `json:"fingerprint"`
	// Kernel scanned.
	Kernel string `json:"kernel"`
	// Settings are, for each prefix that the scan can stop at, those for which none
	// that is cheaper reaches as much: by Dims and then by Microseconds, both ascending.
	Settings []Setting `json:"settings"`
	// Compared is what was measured of CalibrateOptions.Profiles; it is not stored.
	Compared []ProfileSettings `json:"-"`
}

// ProfileSettings are the Settings of one profile.
type ProfileSettings struct {
	Profile  encoder.Kind
	Settings []Setting
}

// CalibrationSource is where the queries of a calibration came from.
type CalibrationSource string

// The sources.
const (
	SourceGiven  CalibrationSource = "given"  // CalibrateOptions.Queries
	SourceStored CalibrationSource = "stored" // vectors of the collection
	SourceLive   CalibrationSource = "live"   // CalibrateOptions.Live
)

// Setting is one way to search, and what it was measured to give: means over the
// queries.
type Setting struct {
	// As in Query; RescoreCandidates 0 for all, Bound 0 for none.
	Dims              int     `json:"dims"`
	ScanBits          int     `json:"scan_bits"`
	Candidates        int     `json:"candidates"`
	RescoreCandidates int     `json:"rescore_candidates,omitempty"`
	Bound             float64 `json:"bound,omitempty"`
	// Recall is the share of the K right hits that were found; a hit that scores as
	// the K-th does is right.
	Recall float64 `json:"recall"`
	// VectorsRead of the stored vectors.
	VectorsRead float64 `json:"vectors_read"`
	// Microseconds of one search that has the machine to itself and the vectors in
	// memory: the scan, the refinement of its candidates and the reading of vectors,
	// each as measured in the same run, without the look-up of ids and metadata.
	Microseconds float64 `json:"microseconds"`
	// Bytes of codes and of stored vectors that were read.
	Bytes float64 `json:"bytes"`
}

// Front returns the settings for which none that is cheaper reaches as much, over all
// prefixes, by Microseconds ascending.
func (c *Calibration) Front() []Setting { return front(c.Settings) }

// Calibrate measures which settings of a search give which recall at which cost, and
// stores the result, durably, in the place of the one before; Query.TargetRecall picks
// from it. It computes the exact answers to the queries by one pass over the stored
// vectors, on half of the cores; searches and writes go on meanwhile, and what is
// written is no part of it. When it fails or ctx ends, nothing has changed.
//
// ErrCalibrating when a calibration is under way, ErrCodesOnly when there are no vectors
// to compute exact answers from, ErrUncalibrated when the collection is empty or its
// profile changes meanwhile; *InvalidError with fields queries[i], sample, live, k,
// profiles[i].
func (c *Collection) Calibrate(ctx context.Context, opts CalibrateOptions) (*Calibration, error) {
	g, release, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := opts.check(g.codec); err != nil {
		return nil, err
	}
	if err := g.codec.needVectors("calibration"); err != nil {
		return nil, err
	}
	if !c.calibrations.running.CompareAndSwap(false, true) {
		return nil, ErrCalibrating
	}
	defer c.calibrations.running.Store(false)
	source := SourceStored
	if len(opts.Queries) > 0 {
		source = SourceGiven
	}
	if opts.Live {
		if opts.Queries, err = c.live.recent(g.codec.profile.Dims()); err != nil {
			return nil, err
		}
		source = SourceLive
	}
	result, err := g.calibrate(ctx, opts, source)
	if err != nil {
		return nil, err
	}
	if now := c.current.Load().codec.fingerprint; now != result.Fingerprint {
		return nil, fmt.Errorf("%w: the profile changed from %s to %s meanwhile: calibrate again", ErrUncalibrated, result.Fingerprint, now)
	}
	text, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("index: calibration: %w", err)
	}
	if err := c.catalog.SetCalibration(*c.entry.Load(), text); err != nil {
		return nil, err
	}
	c.calibrations.stored.Store(&storedCalibration{calibration: result})
	c.live.forget()
	return result, nil
}

func (o *CalibrateOptions) check(c *codec) error {
	var e InvalidError
	add := func(field, format string, args ...any) {
		e.Violations = append(e.Violations, Violation{field, fmt.Sprintf(format, args...)})
	}
	for i, q := range o.Queries {
		if err := encoder.Validate(q, c.profile.Dims(), c.metric); err != nil {
			add(fmt.Sprintf("queries[%d]", i), "%v", err)
		}
	}
	if o.Sample < 0 {
		add("sample", "%d, want at least 1", o.Sample)
	}
	if o.Sample != 0 && len(o.Queries) > 0 {
		add("sample", "set together with queries")
	}
	if o.Live && (o.Sample != 0 || len(o.Queries) > 0) {
		add("live", "set together with queries or sample")
	}
	if o.K < 0 || o.K > MaxCalibrationK {
		add("k", "%d, want 1 to %d", o.K, MaxCalibrationK)
	}
	for i, kind := range o.Profiles {
		if _, err := encoder.ParseKind(kind.String()); err != nil || kind == encoder.Auto {
			add(fmt.Sprintf("profiles[%d]", i), "%v, want a profile that can be measured", kind)
		}
	}
	if len(e.Violations) > 0 {
		return &e
	}
	return nil
}

// calibrations is what a collection knows of its calibrations.
type calibrations struct {
	stored  atomic.Pointer[storedCalibration]
	running atomic.Bool
}

// storedCalibration is the calibration in force, nil when there is none, or why it cannot
// be read.
type storedCalibration struct {
	calibration *Calibration
	err         error
}

// readCalibration reads the calibration of e. Damage keeps nobody from anything but
// using it.
func readCalibration(catalog *storage.Catalog, e storage.Entry) *storedCalibration {
	text, err := catalog.Calibration(e)
	s := &storedCalibration{err: err}
	if err == nil && text != nil {
		s.calibration, s.err = parseCalibration(text)
	}
	return s
}

func parseCalibration(text []byte) (*Calibration, error) {
	c := new(Calibration)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("index: calibration: %w: %w", err, ErrCorrupt)
	}
	if c.K < 1 || c.Fingerprint == "" || len(c.Settings) == 0 {
		return nil, fmt.Errorf("index: calibration for k = %d, profile %q, of %d settings: %w", c.K, c.Fingerprint, len(c.Settings), ErrCorrupt)
	}
	for _, s := range c.Settings {
		if s.Dims < 1 || s.Candidates < c.K || s.RescoreCandidates < 0 || s.RescoreCandidates > s.Candidates || !(s.Bound >= 0) || !(s.Recall >= 0 && s.Recall <= 1) {
			return nil, fmt.Errorf("index: calibration has a setting %+v: %w", s, ErrCorrupt)
		}
	}
	return c, nil
}

// Calibration returns the calibration in force, nil when there is none. It is void,
// and no search uses it, when its Fingerprint is not the collection's. ErrCorrupt when
// it is damaged: another Calibrate replaces it.
func (c *Collection) Calibration() (*Calibration, error) {
	s := c.calibrations.stored.Load()
	return s.calibration, s.err
}

// CalibrationStats is what there is to know of a calibration without its settings.
type CalibrationStats struct {
	// As in Calibration; zero when it is damaged.
	Created     time.Time
	Rows        uint64
	Queries     int
	Source      CalibrationSource
	K           int
	Profile     string
	Fingerprint string
	// Recalibrate says why the collection should be calibrated again; empty: it need not.
	Recalibrate string
}

// calibrationStats returns what Stats says of the calibration, of a collection of rows
// vectors; drift is why its live searches call for another, empty for not at all.
func (c *Collection) calibrationStats(g *generation, rows uint64, drift string) *CalibrationStats {
	stored := c.calibrations.stored.Load()
	if stored.err != nil {
		return &CalibrationStats{Recalibrate: "damaged: " + stored.err.Error()}
	}
	if stored.calibration == nil {
		return nil
	}
	m := stored.calibration
	s := &CalibrationStats{Created: m.Created, Rows: m.Rows, Queries: m.Queries, Source: m.Source, K: m.K, Profile: m.Profile, Fingerprint: m.Fingerprint}
	switch {
	case m.Fingerprint != g.codec.fingerprint:
		s.Recalibrate = fmt.Sprintf("the profile is %v (%s) now: target recalls are refused", g.codec.profile.Kind(), g.codec.fingerprint)
	case drift != "":
		s.Recalibrate = drift
	case 2*rows >= 3*m.Rows:
		s.Recalibrate = fmt.Sprintf("%d vectors have become %d: the recall that was measured may not be reached", m.Rows, rows)
	case 2*rows <= m.Rows:
		s.Recalibrate = fmt.Sprintf("%d vectors have become %d: less work may reach the recall that was measured", m.Rows, rows)
	}
	return s
}

// calibrate measures g.
func (g *generation) calibrate(ctx context.Context, opts CalibrateOptions, source CalibrationSource) (*Calibration, error) {
	t := &trial{g: g, codec: g.codec, view: g.view.Load(), k: cmp.Or(opts.K, DefaultCalibrationK)}
	if t.view.live == 0 {
		return nil, fmt.Errorf("%w: the collection has no vectors", ErrUncalibrated)
	}
	if err := t.choose(ctx, opts); err != nil {
		return nil, err
	}
	if err := t.findRight(ctx, half()); err != nil {
		return nil, err
	}
	settings, err := t.run(ctx)
	if err != nil {
		return nil, err
	}
	result := &Calibration{
		Created:     time.Now().UTC().Truncate(time.Second),
		Rows:        t.view.live,
		Queries:     len(t.queries),
		Source:      source,
		K:           t.k,
		Profile:     g.codec.profile.Kind().String(),
		Fingerprint: g.codec.fingerprint,
		Kernel:      hamming.Kernel(),
		Settings:    settings,
	}
	for _, kind := range opts.Profiles {
		settings := result.Settings
		if kind != g.codec.profile.Kind() {
			if settings, err = t.under(ctx, kind); err != nil {
				return nil, err
			}
		}
		result.Compared = append(result.Compared, ProfileSettings{kind, settings})
	}
	return result, nil
}

// choose sets the queries of t.
func (t *trial) choose(ctx context.Context, opts CalibrateOptions) error {
	for _, q := range opts.Queries {
		t.queries = append(t.queries, &trialQuery{vector: q})
	}
	if len(t.queries) > 0 {
		return nil
	}
	rows := t.view.spread(cmp.Or(opts.Sample, DefaultCalibrationQueries))
	for part := range slices.Chunk(rows, exactRows) {
		err := t.g.shard.View(func(r *storage.Reader) error {
			for _, row := range part {
				stored, err := r.Vector(uint64(row))
				if err != nil {
					return err
				}
				q := &trialQuery{vector: make([]float32, t.codec.profile.Dims()), stored: true, self: row}
				t.codec.decode(q.vector, stored)
				t.queries = append(t.queries, q)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// spread returns n rows that are not retired, or all of them, spread evenly.
func (v *view) spread(n int) []uint32 {
	want := min(uint64(n), v.live)
	rows := make([]uint32, 0, want)
	var live uint64
	for row := uint32(0); uint64(len(rows)) < want; row++ {
		if v.isRetired(row) {
			continue
		}
		if live++; live-1 >= uint64(len(rows))*v.live/want {
			rows = append(rows, row)
		}
	}
	return rows
}

// front returns the settings for which none that is cheaper reaches as much, by cost.
// Between two that it keeps the share of hits missed falls by a fiftieth or more, so
// that a target is passed by little and the list stays short.
func front(settings []Setting) []Setting {
	sorted := slices.SortedFunc(slices.Values(settings), func(a, b Setting) int {
		return cmp.Or(cmp.Compare(a.Microseconds, b.Microseconds), cmp.Compare(b.Recall, a.Recall), cmp.Compare(a.Dims, b.Dims))
	})
	var kept []Setting
	var last Setting // the best so far
	for _, s := range sorted {
		if len(kept) > 0 && s.Recall <= last.Recall {
			continue
		}
		last = s
		if len(kept) == 0 || 1-s.Recall <= frontStep*(1-kept[len(kept)-1].Recall) {
			kept = append(kept, s)
		}
	}
	if n := len(kept); n > 0 && kept[n-1] != last {
		kept = append(kept, last)
	}
	return kept
}

const frontStep = 0.98

// margin is how far above the recall asked for what was measured must be, since other
// queries may be harder. Up to .9 nothing: they may be easier as well. From there it
// grows to .004 at .99, where hardly any hit is to be missed, and then keeps to four
// tenths of what is left to miss.
func margin(target float64) float64 {
	return max(0, min(.004*(target-.9)/.09, .4*(1-target)))
}

// pick returns the cheapest setting that reaches the target, with a margin if any does,
// over the first dims dimensions, or over any that were measured when dims is 0.
func (c *Calibration) pick(target float64, dims int) (Setting, error) {
	var most Setting
	measured := make(map[int]bool)
	for _, s := range c.Settings {
		measured[s.Dims] = true
		if (dims == 0 || s.Dims == dims) && s.Recall > most.Recall {
			most = s
		}
	}
	best, goal := most, min(target+margin(target), most.Recall)
	for _, s := range c.Settings {
		if (dims == 0 || s.Dims == dims) && s.Recall >= goal && s.Microseconds < best.Microseconds {
			best = s
		}
	}
	switch {
	case most.Dims != 0 && most.Recall >= target:
		return best, nil
	case most.Dims == 0:
		return best, fmt.Errorf("%w: no recall was measured at %d dims, only at %v: ask for one of these, or for none",
			ErrUncalibrated, dims, slices.Sorted(maps.Keys(measured)))
	}
	return best, fmt.Errorf("%w: a recall of %v is more than was measured: %.4f is the most, at %d dims with %d candidates and %.0f vectors read; ask for no more, or for an exact search",
		ErrUncalibrated, target, math.Floor(most.Recall*1e4)/1e4, most.Dims, most.Candidates, most.VectorsRead)
}

// maxTargetCandidates is the most candidates that a target recall is worth: with more of
// them an exact search costs little more.
const maxTargetCandidates = 100_000

// targeted returns q with the settings, in place of its target recall, that were
// measured to reach it. seen hits were on the pages before.
func (s *storedCalibration) targeted(c *codec, q Query, seen int) (Query, error) {
	switch {
	case !(q.TargetRecall > 0 && q.TargetRecall <= 1): // not: NaN too
		return q, invalid("target_recall", "%v, want more than 0 and at most 1", q.TargetRecall)
	case q.Exact || q.Candidates != 0 || q.Oversampling != 0 || q.RescoreCandidates != 0 || q.RescoreOversampling != 0 || q.ScanBits != 0 || q.RefineBits != 0 || q.Bound != 0:
		return q, invalid("target_recall", "set together with exact, candidates, oversampling, rescore_candidates, rescore_oversampling, scan_bits, refine_bits or bound, which it chooses")
	case q.Rescore != RescoreAuto && q.Rescore != RescoreVectors:
		return q, invalid("target_recall", "set together with rescore = %v: recall is measured with the stored vectors", q.Rescore)
	case q.ID == "" && len(q.Vector) != c.profile.Dims():
		return q, invalid("target_recall", "set for a query of %d dims, want all %d, which recall is measured with; dims says how many to scan", len(q.Vector), c.profile.Dims())
	case s.err != nil:
		return q, fmt.Errorf("%w: %w: calibrate again (hamnest calibrate)", ErrUncalibrated, s.err)
	case s.calibration == nil:
		return q, fmt.Errorf("%w: a target recall is chosen for from measured recall, and none was measured: calibrate the collection first (hamnest calibrate)", ErrUncalibrated)
	case s.calibration.Fingerprint != c.fingerprint:
		return q, fmt.Errorf("%w: recall was measured under profile %s (%s), and the collection now has %v (%s): calibrate again (hamnest calibrate)",
			ErrUncalibrated, s.calibration.Profile, s.calibration.Fingerprint, c.profile.Kind(), c.fingerprint)
	}
	if err := c.needVectors("a target recall"); err != nil {
		return q, err
	}
	setting, err := s.calibration.pick(q.TargetRecall, q.Dims)
	if err != nil {
		return q, err
	}
	// As many times more for more hits; but for fewer not less, because then each
	// counts for more.
	scaled := func(n int) int {
		return int(min(math.Ceil(float64(n)*max(1, float64(q.K+seen)/float64(s.calibration.K))), maxRows))
	}
	q.Dims, q.ScanBits = setting.Dims, setting.ScanBits
	if q.Candidates = scaled(setting.Candidates); q.Candidates > maxTargetCandidates {
		return q, fmt.Errorf("%w: recall was measured over %d hits, and %d would take %d candidates, more than %d: calibrate with a larger k",
			ErrUncalibrated, s.calibration.K, q.K+seen, q.Candidates, maxTargetCandidates)
	}
	q.RescoreCandidates = scaled(setting.RescoreCandidates)
	if q.Bound = setting.Bound; q.Bound == 0 {
		q.Bound = math.Inf(1)
	}
	return q, nil
}
