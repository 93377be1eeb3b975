package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

// readVectors reads vectors of a set of real ones, float16 in an .npy file, and skips
// the test where the set is missing.
func readVectors(t testing.TB, set, file string, most int) [][]float32 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../shared/data", set, file))
	if err != nil {
		t.Skipf("no real vectors here: %v", err)
	}
	header := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	shape := regexp.MustCompile(`'<f2', 'fortran_order': False, 'shape': \((\d+), (\d+)\)`).FindSubmatch(b[:header])
	if !bytes.HasPrefix(b, []byte("\x93NUMPY")) || shape == nil {
		t.Fatalf("%s/%s is no matrix of float16: %q", set, file, b[:header])
	}
	rows, _ := strconv.Atoi(string(shape[1]))
	dims, _ := strconv.Atoi(string(shape[2]))
	vectors := make([][]float32, min(rows, most))
	for i := range vectors {
		vectors[i] = make([]float32, dims)
		encoder.Float16.Decode(vectors[i], b[header+2*dims*i:])
	}
	return vectors
}

// offset adds the same vector, of the given length, to all, and scales them to length 1
// again if asked to.
func offset(vectors [][]float32, length float64, unit bool) [][]float32 {
	r := rand.New(rand.NewPCG(7, 7))
	add := make([]float64, len(vectors[0]))
	var norm float64
	for i := range add {
		add[i] = r.NormFloat64()
		norm += add[i] * add[i]
	}
	moved := make([][]float32, len(vectors))
	for i, v := range vectors {
		moved[i] = make([]float32, len(v))
		var squares float64
		for j, x := range v {
			moved[i][j] = x + float32(add[j]*length/math.Sqrt(norm))
			squares += float64(moved[i][j]) * float64(moved[i][j])
		}
		if unit {
			for j := range moved[i] {
				moved[i][j] /= float32(math.Sqrt(squares))
			}
		}
	}
	return moved
}

// recallOf measures kind as chooseProfile does, but for given queries and over all dims.
func recallOf(t *testing.T, kind encoder.Kind, metric encoder.Metric, ladder []int, queries, rows [][]float32) []float64 {
	t.Helper()
	profile, err := encoder.FitProfile(kind, metric, len(rows[0]), ladder, rows)
	if err != nil {
		t.Fatal(err)
	}
	truth, err := nearestRows(t.Context(), queries, rows, metric)
	if err != nil {
		t.Fatal(err)
	}
	recall, err := measureProfile(t.Context(), newCodec(engineState{Metric: metric, Profile: profile}), queries, rows, []int{len(rows[0])}, truth)
	if err != nil {
		t.Fatal(err)
	}
	return recall
}

func choose(t *testing.T, sample [][]float32, metric encoder.Metric, ladder []int) encoder.Kind {
	t.Helper()
	kind, why, err := chooseProfile(t.Context(), sample, metric, len(sample[0]), ladder)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(why)
	if !strings.HasPrefix(why, kind.String()+":") {
		t.Errorf("%v was chosen because %q", kind, why)
	}
	return kind
}

func TestTheProfileOfRealVectorsIsOneThatPays(t *testing.T) {
	sample := readVectors(t, "debian", "base.npy", sampleRows)
	if kind := choose(t, sample, encoder.Cosine, nil); kind != encoder.Nested && kind != encoder.NestedCentred {
		t.Errorf("debian: %v, want a nested kind", kind)
	}
	if kind := choose(t, sample[:fitRows], encoder.Cosine, nil); kind != encoder.Nested && kind != encoder.NestedCentred {
		t.Errorf("the first %d of debian: %v, want a nested kind", fitRows, kind)
	}
}

func TestTheProfileOfAModelWithoutPrefixesIsNotWorseThanPlain(t *testing.T) {
	rows, queries := readVectors(t, "fiori", "base.npy", sampleRows), readVectors(t, "fiori", "queries.npy", 100)
	for _, ladder := range [][]int{nil, {384}} {
		kind := choose(t, rows, encoder.Cosine, ladder)
		loss, noise := compare(recallOf(t, encoder.Plain, encoder.Cosine, ladder, queries, rows), recallOf(t, kind, encoder.Cosine, ladder, queries, rows))
		t.Logf("plain finds %+.3f more than %v, noise %.3f", loss, kind, noise)
		if loss > noise {
			t.Errorf("ladder %v: plain finds %.3f more than %v, noise %.3f", ladder, loss, kind, noise)
		}
	}
}

// What every vector has in common says nothing of any, but a plain code of nothing else.
func TestALargeCommonOffsetIsCentredAway(t *testing.T) {
	sets := map[string][][]float32{}
	t.Run("debian", func(t *testing.T) {
		sets["debian"] = readVectors(t, "debian", "base.npy", chooseRows+100)
	})
	r := rand.New(rand.NewPCG(5, 5))
	var decaying [][]float32
	for range 2000 {
		decaying = append(decaying, spread(r, 320))
	}
	sets["made"] = decaying
	for name, set := range sets {
		for _, tt := range []struct {
			length float64
			unit   bool
			metric encoder.Metric
		}{{2, false, encoder.Cosine}, {2, true, encoder.Cosine}, {5, false, encoder.L2}, {5, false, encoder.Dot}} {
			t.Run(fmt.Sprintf("%s/%v/%v/unit %t", name, tt.metric, tt.length, tt.unit), func(t *testing.T) {
				moved := offset(set, tt.length, tt.unit)
				kind := choose(t, moved, tt.metric, []int{256})
				if !kind.Centres() {
					t.Errorf("%v, want a centred kind", kind)
				}
				plain, _ := compare(recallOf(t, encoder.Plain, tt.metric, []int{256}, moved[:100], moved[100:]), nil)
				chosen, _ := compare(recallOf(t, kind, tt.metric, []int{256}, moved[:100], moved[100:]), nil)
				t.Logf("plain finds %.3f, %v %.3f", plain, kind, chosen)
				if chosen < plain+0.1 {
					t.Errorf("%v finds %.3f of the top, plain %.3f: not worth a test", kind, chosen, plain)
				}
			})
		}
	}
}

// defaultRecall stores rows in a collection that chooses its profile, and returns what
// share of the true top 10 searches find that leave everything to their defaults.
func defaultRecall(t *testing.T, rows, queries [][]float32) float64 {
	t.Helper()
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: len(rows[0]), Profile: encoder.Auto})
	var records []Record
	for i, v := range rows {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: v})
	}
	upsert(t, c, records...)
	settle(t, c)
	t.Log(c.Info().ProfileReason)
	found, read := 0, uint64(0)
	for _, q := range queries {
		truth := make(map[string]bool)
		for _, h := range search(t, c, Query{Vector: q, K: 10, Exact: true}).Hits {
			truth[h.ID] = true
		}
		res := search(t, c, Query{Vector: q, K: 10})
		for _, h := range res.Hits {
			if truth[h.ID] {
				found++
			}
		}
		read += res.Receipt.VectorsRead
	}
	recall := float64(found) / float64(10*len(queries))
	t.Logf("recall %.4f, vectors read %.1f", recall, float64(read)/float64(len(queries)))
	return recall
}

func TestRecallRecoversFromALargeCommonOffset(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	rows, queries := readVectors(t, "debian", "base.npy", sampleRows), readVectors(t, "debian", "queries.npy", 200)
	want := defaultRecall(t, rows, queries)
	for _, unit := range []bool{false, true} {
		got := defaultRecall(t, offset(rows, 2, unit), offset(queries, 2, unit))
		if got < want-0.02 {
			t.Errorf("unit %t: recall %.4f, want at least %.4f - 0.02", unit, got, want)
		}
	}
}

// spread returns a vector of length 1 whose components decay.
func spread(r *rand.Rand, dims int) []float32 {
	v := decaying(r, nil, dims)
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(squares))
	}
	return v
}

func TestWhereNothingGainsTheProfileIsPlain(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 22))
		var sample [][]float32
		for range 1100 {
			v := make([]float32, 128)
			for i := range v {
				v[i] = float32(r.NormFloat64())
			}
			sample = append(sample, v)
		}
		if kind := choose(t, sample, encoder.Cosine, nil); kind != encoder.Plain {
			t.Errorf("seed %d: %v, want plain: random directions have none to turn to", seed, kind)
		}
	}
}

func TestTooFewVectorsToMeasureOnGivePlain(t *testing.T) {
	for n := range 14 {
		r := rand.New(rand.NewPCG(1, 23))
		var sample [][]float32
		for range n {
			sample = append(sample, whole(r, 64))
		}
		kind, why, err := chooseProfile(t.Context(), sample, encoder.Cosine, 64, nil)
		if err != nil || kind != encoder.Plain || why == "" {
			t.Errorf("%d vectors: %v, %q, %v, want plain and why", n, kind, why, err)
		}
	}
}

func TestSplitUsesEveryVectorOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 399, 400, 401, chooseRows, chooseRows + 1, 3 * chooseRows} {
		sample := make([][]float32, n)
		for i := range sample {
			sample[i] = []float32{float32(i)}
		}
		queries, rows := split(sample)
		if want := max(1, min(chooseQueries, n/4)); len(queries) != want && n <= chooseRows || len(queries)+len(rows) != min(n, chooseRows) {
			t.Errorf("%d vectors: %d queries and %d rows", n, len(queries), len(rows))
		}
		seen := make(map[float32]bool)
		for _, v := range append(queries, rows...) {
			if seen[v[0]] {
				t.Fatalf("%d vectors: %v twice", n, v)
			}
			seen[v[0]] = true
		}
	}
}

func TestANewCollectionFitsItsProfileWhenItHasVectors(t *testing.T) {
	for _, want := range []encoder.Kind{encoder.Centred, encoder.NestedCentred, encoder.FullCentred, encoder.Auto} {
		t.Run(want.String(), func(t *testing.T) {
			dir := t.TempDir()
			db := openDB(t, dir)
			c := create(t, db, Spec{Name: "c", Dims: 320, Ladder: []int{256}, Profile: want})
			r := rand.New(rand.NewPCG(1, 24))
			var vectors [][]float32
			for range fitRows {
				vectors = append(vectors, spread(r, 320))
			}
			vectors = offset(vectors, 2, false)
			var records []Record
			for i, v := range vectors {
				records = append(records, Record{ID: fmt.Sprint(i), Vector: v})
			}
			upsert(t, c, records[1:]...)
			settle(t, c)
			if info := c.Info(); info.Profile != want || info.ProfileInForce != encoder.Plain || info.ProfileReason != "" {
				t.Errorf("with %d vectors: %v in force for %v (%q), want plain until there are more", fitRows-1, info.ProfileInForce, info.Profile, info.ProfileReason)
			}
			closeSound(t, db)
			db = openDB(t, dir) // it has not forgotten
			c, err := db.Collection("c")
			if err != nil {
				t.Fatal(err)
			}
			upsert(t, c, records[0])
			settle(t, c)
			check := func(info Info) {
				if info.Profile != want || want != encoder.Auto && info.ProfileInForce != want || !info.ProfileInForce.Centres() || (info.ProfileReason != "") != (want == encoder.Auto) {
					t.Errorf("with %d vectors: %v in force for %v (%q)", fitRows, info.ProfileInForce, info.Profile, info.ProfileReason)
				}
			}
			check(c.Info())
			g := c.current.Load()
			upsert(t, c, records...) // which is no reason to do it again
			update(t, c, want)
			settle(t, c)
			if want != encoder.Auto && c.current.Load() != g {
				t.Error("it was rewritten once more")
			}
			closeSound(t, db)
			if c, err = openDB(t, dir).Collection("c"); err != nil {
				t.Fatal(err)
			}
			check(c.Info())
		})
	}
}

// heldWhileFitted returns a new collection whose first profile is about to be fitted and is
// held until release is called, and a write that came meanwhile.
func heldWhileFitted(t *testing.T, dir string) (db *DB, c *Collection, late *Pending, release func()) {
	t.Helper()
	s, reached, held := holdAt("rewrite begun")
	release = sync.OnceFunc(func() { close(held) })
	db = openWithStages(t, dir, s)
	t.Cleanup(release)
	c = create(t, db, Spec{Name: "c", Dims: 64, Profile: encoder.Centred})
	r := rand.New(rand.NewPCG(1, 27))
	upsert(t, c, randomRecords(r, 0, fitRows, 64)...)
	<-reached
	late, refused, err := c.Submit(t.Context(), randomRecords(r, fitRows, 1, 64))
	if err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	return db, c, late, release
}

func TestWritesWaitForTheFirstProfileAndAreStoredUnderItAtOnce(t *testing.T) {
	_, c, late, release := heldWhileFitted(t, t.TempDir())
	release()
	if err := late.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kind := late.codec.profile.Kind(); kind != encoder.Centred {
		t.Errorf("the write was stored under %v, want centred", kind)
	}
	settle(t, c)
	if n := c.Count(); n != fitRows+1 {
		t.Errorf("%d vectors, want %d", n, fitRows+1)
	}
}

func TestWritesDoNotWaitForTheFirstProfileForEver(t *testing.T) {
	_, c, late, release := heldWhileFitted(t, t.TempDir())
	if err := late.Wait(t.Context()); err != nil { // nobody has released it
		t.Fatal(err)
	}
	release()
	settle(t, c)
	if info := c.Info(); info.ProfileInForce != encoder.Centred || c.Count() != fitRows+1 {
		t.Errorf("%d vectors under %v, want %d under centred", c.Count(), info.ProfileInForce, fitRows+1)
	}
}

func TestAWriteThatWaitsForTheFirstProfileIsStoredWhenTheCollectionCloses(t *testing.T) {
	dir := t.TempDir()
	db, c, late, release := heldWhileFitted(t, dir)
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	for { // until it is closing, which stops the rewrite
		if _, _, err := c.Submit(t.Context(), nil); errors.Is(err, ErrClosed) {
			break
		}
		runtime.Gosched()
	}
	release()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := late.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := openDB(t, dir).Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	if n := c.Count(); n != fitRows+1 {
		t.Errorf("%d vectors, want %d", n, fitRows+1)
	}
}

func TestAnUpdateFitsToFewVectorsAndWaitsWhereThereAreFewer(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 64, Profile: encoder.Plain})
	r := rand.New(rand.NewPCG(1, 25))
	upsert(t, c, randomRecords(r, 0, updateRows-1, 64)...)
	update(t, c, encoder.Centred)
	settle(t, c)
	if info := c.Info(); info.Profile != encoder.Centred || info.ProfileInForce != encoder.Plain {
		t.Errorf("%v in force for %v, want plain until there are more", info.ProfileInForce, info.Profile)
	}
	update(t, c, encoder.Plain) // never mind
	settle(t, c)
	if info := c.Info(); info.Profile != encoder.Plain {
		t.Errorf("%v is wanted, want plain", info.Profile)
	}
	upsert(t, c, randomRecords(r, updateRows, 1, 64)...)
	update(t, c, encoder.Centred)
	settle(t, c)
	if info := c.Info(); info.Profile != encoder.Centred || info.ProfileInForce != encoder.Centred {
		t.Errorf("%v in force for %v, want centred", info.ProfileInForce, info.Profile)
	}
}

func TestASampleIsSpreadOverTheLiveRows(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 1, Metric: encoder.Dot, Profile: encoder.Plain})
	var records []Record
	var ids []string
	const rows = 2*sampleRows + 5000
	for i := range rows {
		records = append(records, Record{ID: fmt.Sprint(i), Vector: []float32{float32(i)}})
		if i < 5000 {
			ids = append(ids, records[i].ID)
		}
	}
	upsert(t, c, records...)
	if _, err := c.Remove(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	sample, err := c.current.Load().sample(t.Context())
	if err != nil || len(sample) != sampleRows {
		t.Fatalf("%d vectors (%v), want %d", len(sample), err, sampleRows)
	}
	for i, v := range sample {
		if want := float32(5000 + 2*i); v[0] != want {
			t.Fatalf("vector %d is that of row %v, want %v: every second one", i, v[0], want)
		}
	}
}

// A step of the ladder that searches were promised is not taken away.
func TestAProfileThatBreaksTheLadderIsNotChosen(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	var rows [][]float32
	for range 300 {
		rows = append(rows, spread(r, 512))
	}
	moved := offset(rows, 5, false)
	if kind := choose(t, moved, encoder.Cosine, []int{256}); kind == encoder.Plain {
		t.Fatal("plain is best here: the test shows nothing")
	}
	kind, why, err := chooseProfile(t.Context(), moved, encoder.Cosine, 512, []int{128, 256})
	if err != nil || kind != encoder.Plain || !strings.Contains(why, "128 dimensions, a step of the ladder") {
		t.Errorf("%v because %q (%v), want plain because of the step of 128", kind, why, err)
	}
}
