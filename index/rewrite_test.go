package index

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/storage"
)

// stages is a logger's handler that is called with every message: a test sees there
// how far a rewrite is, and can hold it.
type stages func(message string)

func (s stages) Enabled(context.Context, slog.Level) bool           { return true }
func (s stages) Handle(_ context.Context, record slog.Record) error { s(record.Message); return nil }
func (s stages) WithAttrs([]slog.Attr) slog.Handler                 { return s }
func (s stages) WithGroup(string) slog.Handler                      { return s }

func openWithStages(t *testing.T, dir string, s stages) *DB {
	t.Helper()
	db, err := Open(dir, Options{Logger: slog.New(s)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSound(t, db) })
	return db
}

// holdAt returns stages that say on reached when message comes, and wait for release.
func holdAt(message string) (s stages, reached, release chan struct{}) {
	reached, release = make(chan struct{}), make(chan struct{})
	var once sync.Once
	return func(m string) {
		if m == message {
			once.Do(func() {
				close(reached)
				<-release
			})
		}
	}, reached, release
}

func update(t *testing.T, c *Collection, kind encoder.Kind) {
	t.Helper()
	if err := c.Update(t.Context(), Change{Profile: &kind}); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, c *Collection) {
	t.Helper()
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func randomRecords(r *rand.Rand, first, n, dims int) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{ID: fmt.Sprintf("id-%05d", first+i), Vector: whole(r, dims)}
		if i%3 == 0 {
			records[i].Metadata = fmt.Appendf(nil, `{"n":%d}`, first+i)
		}
	}
	return records
}

// storedRow is all that storage has of a row.
type storedRow struct {
	id, metadata, vector string
	code                 string
}

// rowsOf reads the rows that are not retired, in the order of their slots.
func rowsOf(t *testing.T, c *Collection) []storedRow {
	t.Helper()
	var rows []storedRow
	g := c.current.Load()
	err := g.shard.View(func(r *storage.Reader) error {
		codes := make([]string, 0, r.State().Next)
		words := g.codec.profile.RowWords()
		err := r.Codes(0, r.State().Next, func(_ uint64, block []uint64, _ []float32) error {
			for len(block) > 0 {
				codes = append(codes, fmt.Sprintf("%x", block[:words]))
				block = block[words:]
			}
			return nil
		})
		if err != nil {
			return err
		}
		return r.Rows(0, func(slot uint64, id, metadata []byte) (bool, error) {
			row := storedRow{id: string(id), metadata: string(metadata), code: codes[slot]}
			if !g.codec.keepsVectors() {
				rows = append(rows, row)
				return true, nil
			}
			vector, err := r.Vector(slot)
			row.vector = string(vector)
			rows = append(rows, row)
			return true, err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestARewrittenCollectionIsOneMadeAfresh compares every byte that is kept of every row
// with a collection that had the other profile from the start.
func TestARewrittenCollectionIsOneMadeAfresh(t *testing.T) {
	const dims = 352 // so that the most rows have codes
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		for _, tt := range []struct{ from, to encoder.Kind }{
			{encoder.Signs, encoder.Learned},
			{encoder.Learned, encoder.Signs},
			{encoder.Learned, encoder.Learned},
		} {
			for _, rows := range []int{1, pauseRows, 3*pauseRows + 5} {
				t.Run(fmt.Sprintf("%v/%v to %v/%d rows", metric, tt.from, tt.to, rows), func(t *testing.T) {
					t.Parallel()
					r := rand.New(rand.NewPCG(uint64(rows), uint64(metric)))
					dir := t.TempDir()
					db := openDB(t, dir)
					c := create(t, db, Spec{Name: "c", Dims: dims, Ladder: []int{256}, Metric: metric, Profile: tt.from})
					records := randomRecords(r, 0, rows, dims)
					upsert(t, c, records...)
					settle(t, c)
					var replaced []Record
					for i := 1; i < min(rows, 300); i += 7 { // half are replaced, half deleted
						if i%2 == 0 {
							records[i].Vector = whole(r, dims)
							upsert(t, c, records[i])
							replaced = append(replaced, records[i])
						} else if n, err := c.Remove(t.Context(), []string{records[i].ID}); n != 1 || err != nil {
							t.Fatal(n, err)
						}
						records[i].ID = ""
					}
					records = append(slices.DeleteFunc(records, func(r Record) bool { return r.ID == "" }), replaced...)
					update(t, c, tt.to)
					settle(t, c)
					inForce := tt.to
					if tt.to == encoder.Learned && len(records)*dims <= codedFloats {
						inForce = encoder.Exact
					}
					if got := c.Info(); got.Profile != tt.to || got.ProfileInForce != inForce {
						t.Fatalf("the profile is %v, %v in force, want %v and %v", got.Profile, got.ProfileInForce, tt.to, inForce)
					}
					stats, err := c.Stats()
					gone := uint64(rows + len(replaced) - len(records))
					if err != nil || stats.Dropped != gone || stats.Retired != 0 || stats.Vectors != uint64(len(records)) || stats.Rewrite != nil || stats.RewriteError != "" {
						t.Errorf("stats are %+v (%v), want %d vectors, none retired and no rewrite", stats, err, len(records))
					}

					afresh := createWith(t, db, "afresh", metric, c.current.Load().codec.profile)
					upsert(t, afresh, records...)
					if got, want := rowsOf(t, c), rowsOf(t, afresh); !slices.Equal(got, want) {
						t.Errorf("%d rows differ from the %d of a collection made afresh", len(got), len(want))
					}
					q := Query{Vector: whole(r, dims), K: 20}
					if err := sameHits(ask(t, c, q).Hits, ask(t, afresh, q).Hits); err != nil {
						t.Error(err)
					}
					before := rowsOf(t, c)
					closeSound(t, db)
					if c, err = openDB(t, dir).Collection("c"); err != nil {
						t.Fatal(err)
					}
					if got := rowsOf(t, c); !slices.Equal(got, before) {
						t.Error("after reopening the rows differ")
					}
				})
			}
		}
	}
}

// TestNothingIsLostWhileACollectionIsRewritten rewrites over and over while writers,
// each with ids of its own, and searchers are at work.
func TestNothingIsLostWhileACollectionIsRewritten(t *testing.T) {
	const writers, ids, rounds, dims = 3, 40, 60, 64
	r := rand.New(rand.NewPCG(4, 4))
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: dims, Profile: encoder.Signs})
	others := randomRecords(r, 0, 4*pauseRows, dims) // so that there are rounds before the last
	upsert(t, c, others...)
	id := func(w, i int) string { return fmt.Sprintf("%d/%d", w, i) }
	vector := func(w, i int, version int64) []float32 {
		v := whole(rand.New(rand.NewPCG(uint64(w), uint64(i))), dims)
		v[0] = float32(version)
		return v
	}
	// versions[w][i] is what was acknowledged last, 0 when it is deleted, and -1 while
	// it changes.
	var versions [writers][ids]atomic.Int64
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for version := int64(1); version <= rounds; version++ {
				i := r.IntN(ids)
				versions[w][i].Store(-1)
				if r.IntN(4) == 0 {
					if _, err := c.Remove(t.Context(), []string{id(w, i)}); err != nil {
						t.Error(err)
					}
					versions[w][i].Store(0)
					continue
				}
				if err := c.Upsert(t.Context(), []Record{{ID: id(w, i), Vector: vector(w, i, version)}}); err != nil {
					t.Error(err)
				}
				versions[w][i].Store(version)
			}
		})
	}
	var rewrites int
	reading.Go(func() {
		kinds := []encoder.Kind{encoder.Learned, encoder.Signs}
		for {
			for _, kind := range kinds {
				if err := c.Update(t.Context(), Change{Profile: &kind}); err != nil {
					t.Error(err)
				}
				if err := c.Settle(t.Context()); err != nil {
					t.Error(err)
				}
				rewrites++
				select {
				case <-done:
					return
				default:
				}
			}
		}
	})
	for s := range 2 {
		reading.Go(func() {
			r := rand.New(rand.NewPCG(uint64(s), 6))
			for {
				select {
				case <-done:
					return
				default:
				}
				w, i := r.IntN(writers), r.IntN(ids)
				before := versions[w][i].Load()
				q := Query{Vector: vector(w, i, max(1, before)), K: 50, Candidates: 10_000, WithVector: true, Exact: r.IntN(2) == 0}
				if q.Exact {
					q.Candidates = 0
				}
				res, err := c.Search(t.Context(), q)
				found, _, getErr := c.Get(t.Context(), []string{id(w, i)}, ReadOptions{WithVector: true})
				after := versions[w][i].Load()
				if err != nil || getErr != nil {
					t.Error(err, getErr)
					return
				}
				if before != after || before < 0 {
					continue // it changed meanwhile: both answers are right
				}
				var got, stored int64
				for h, hit := range res.Hits {
					if hit.ID == id(w, i) {
						got = int64(hit.Vector[0])
					}
					if h > 0 && hit.ID == res.Hits[h-1].ID {
						t.Errorf("%s came twice in one answer", hit.ID)
					}
				}
				if len(found) > 0 {
					stored = int64(found[0].Vector[0])
				}
				if got != before || stored != before {
					t.Errorf("%s: search has version %d, get %d, want %d (0: deleted)", id(w, i), got, stored, before)
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	t.Logf("%d rewrites", rewrites)
	want := make(map[string]int64)
	for _, o := range others {
		want[o.ID] = int64(o.Vector[0])
	}
	for w := range writers {
		for i := range ids {
			if v := versions[w][i].Load(); v > 0 {
				want[id(w, i)] = v
			}
		}
	}
	if got := firstComponents(t, c); !maps.Equal(got, want) {
		t.Errorf("%d rows are listed, want %d: what was acknowledged", len(got), len(want))
	}
}

// firstComponents lists the collection: the first component of each vector.
func firstComponents(t *testing.T, c *Collection) map[string]int64 {
	t.Helper()
	got := make(map[string]int64)
	records, next, err := c.List(t.Context(), 1_000_000, "", ReadOptions{WithVector: true})
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	for _, r := range records {
		if _, twice := got[r.ID]; twice {
			t.Errorf("%s is there twice", r.ID)
		}
		got[r.ID] = int64(r.Vector[0])
	}
	return got
}

func TestWritesThatWaitedWhileTheProfileChangedAreEncodedAnew(t *testing.T) {
	const dims = 256
	s, reached, release := holdAt("rewrite in place") // the writer waits there, before the new codes are in force
	db := openWithStages(t, t.TempDir(), s)
	c := create(t, db, Spec{Name: "c", Dims: dims, Profile: encoder.Signs})
	r := rand.New(rand.NewPCG(1, 9))
	upsert(t, c, randomRecords(r, 0, 10, dims)...)
	update(t, c, encoder.Learned)
	<-reached
	p, refused, err := c.Submit(t.Context(), randomRecords(r, 10, 10, dims))
	if err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	if info := c.Info(); info.ProfileInForce != encoder.Signs || info.Profile != encoder.Learned {
		t.Fatal("the new codes are in force too early for this test")
	}
	close(release)
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	if n := c.Count(); n != 20 || c.Info().Profile != encoder.Learned {
		t.Errorf("%d vectors under %v, want 20 under learned", n, c.Info().Profile)
	}
	// That their codes are those of the new profile is proven by Check at the end.
}

func TestACallKeepsTheGenerationItBeganWith(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 256, Profile: encoder.Signs})
	r := rand.New(rand.NewPCG(1, 10))
	upsert(t, c, randomRecords(r, 0, 2000, 256)...)
	q := Query{Vector: whole(r, 256), K: 10, Rescore: RescoreNone}
	want := ask(t, c, q).Hits
	g, release, err := c.acquire()
	if err != nil {
		t.Fatal(err)
	}
	update(t, c, encoder.Learned)
	settle(t, c)
	if _, err := c.Remove(t.Context(), []string{want[0].ID}); err != nil {
		t.Fatal(err)
	}
	results, err := g.searchAll(t.Context(), []Query{q})
	if err != nil {
		t.Fatal(err)
	}
	if err := sameHits(results[0].Hits, want); err != nil {
		t.Errorf("a call that began before: %v", err)
	}
	if res := ask(t, c, q); res.Receipt.ProfileFingerprint == results[0].Receipt.ProfileFingerprint {
		t.Error("a call that begins after the rewrite has the old profile")
	}
	release()
	c.rewrites.Wait() // until the old generation is freed
	if err := g.shard.View(func(*storage.Reader) error { return nil }); err == nil {
		t.Error("the old file is still open when its last user has left")
	}
}

// What is written while a collection is rewritten has the same place after it as without:
// only the rows retired before are dropped.
func TestRowsKeepTheirOrderAndDistance(t *testing.T) {
	for _, rows := range []int{0, 5, 2 * pauseRows} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			s, reached, release := holdAt("rewrite begun")
			c := create(t, openWithStages(t, t.TempDir(), s), Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
			r := rand.New(rand.NewPCG(1, 26))
			remove := func(id string) {
				if n, err := c.Remove(t.Context(), []string{id}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			if rows > 0 {
				upsert(t, c, randomRecords(r, 0, rows, 64)...)
				remove("id-00001")
				upsert(t, c, randomRecords(r, 3, 1, 64)...)
			}
			updated := make(chan error)
			kind := encoder.Learned
			go func() { updated <- c.Update(t.Context(), Change{Profile: &kind}) }()
			<-reached
			before, err := c.Stats()
			if err != nil {
				t.Fatal(err)
			}
			upsert(t, c, randomRecords(r, 10_000, 20, 64)...)
			remove("id-10003")                               // written and deleted meanwhile,
			upsert(t, c, randomRecords(r, 10_005, 1, 64)...) // replaced,
			remove("id-10005")                               // and deleted again,
			upsert(t, c, randomRecords(r, 10_005, 1, 64)...) // and stored again
			given := before.Vectors + before.Retired + 22
			if rows > 0 {
				remove("id-00002")
			}
			slots := slotsOf(t, c)
			close(release)
			if err := <-updated; err != nil {
				t.Fatal(err)
			}
			settle(t, c)
			after, err := c.Stats()
			if err != nil || after.Dropped != before.Retired || after.Vectors+after.Retired+after.Dropped != given {
				t.Errorf("stats are %+v (%v), want %d rows dropped of %d given", after, err, before.Retired, given)
			}
			for id, slot := range slotsOf(t, c) {
				if id >= "id-10000" && slot+before.Retired != slots[id] {
					t.Errorf("%s moved from slot %d to %d, want %d lower", id, slots[id], slot, before.Retired)
				}
			}
		})
	}
}

// slotsOf returns the slot of every live row.
func slotsOf(t *testing.T, c *Collection) map[string]uint64 {
	t.Helper()
	slots := make(map[string]uint64)
	err := c.current.Load().shard.View(func(r *storage.Reader) error {
		return r.Rows(0, func(slot uint64, id, _ []byte) (bool, error) {
			slots[string(id)] = slot
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return slots
}

func TestAnUpdateDuringAnotherIsRefused(t *testing.T) {
	s, reached, release := holdAt("rewrite goes on")
	c := create(t, openWithStages(t, t.TempDir(), s), Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 11)), 0, 2*pauseRows, 64)...)
	update(t, c, encoder.Learned)
	<-reached
	kind := encoder.Learned
	if err := c.Update(t.Context(), Change{Profile: &kind}); !errors.Is(err, ErrRewriting) {
		t.Errorf("error %v, want ErrRewriting", err)
	}
	stats, err := c.Stats()
	if err != nil || stats.Rewrite == nil || stats.Rewrite.Profile != encoder.Learned || stats.Rewrite.Done != 2*pauseRows || stats.Rewrite.Total != 2*pauseRows {
		t.Errorf("stats tell of %+v (%v), want a rewrite to learned with all rows done", stats.Rewrite, err)
	}
	close(release)
	settle(t, c)
	update(t, c, kind)
	settle(t, c)
}

func TestARewriteThatIsClosedGoesOnWhenOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	s, reached, release := holdAt("rewrite goes on")
	db := openWithStages(t, dir, s)
	c := create(t, db, Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 12)), 0, 2*pauseRows, 64)...)
	update(t, c, encoder.Learned)
	<-reached
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	for c.Upsert(t.Context(), nil) == nil { // until it is being closed
	}
	close(release)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	c, err := openDB(t, dir).Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	if kind, n := c.Info().Profile, c.Count(); kind != encoder.Learned || n != 2*pauseRows {
		t.Errorf("%d vectors under %v, want %d under learned", n, kind, 2*pauseRows)
	}
}

func TestAnUpdateToWhatIsSoDoesNothing(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 21)), 0, 10, 64)...)
	g := c.current.Load()
	update(t, c, encoder.Signs)
	lower(t, c, encoder.Float32)
	if err := c.Update(t.Context(), Change{}); err != nil {
		t.Error(err)
	}
	settle(t, c)
	if c.current.Load() != g {
		t.Error("the collection was rewritten")
	}
}

func TestATokenOfAListOutlivesNoRewrite(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 13)), 0, 10, 64)...)
	_, token, err := c.List(t.Context(), 3, "", ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	update(t, c, encoder.Learned)
	settle(t, c)
	_, _, err = c.List(t.Context(), 3, token, ReadOptions{})
	if fieldOf(err) != "page_token" || !strings.Contains(err.Error(), "rewritten") {
		t.Errorf("error %v, want an InvalidError of page_token that tells of the rewrite", err)
	}
}

func TestPagesGoOnAfterARewriteUnlessTheyAreScoredByCodes(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 256, Profile: encoder.Signs})
	r := rand.New(rand.NewPCG(1, 14))
	upsert(t, c, randomRecords(r, 0, 100, 256)...)
	vector := whole(r, 256)
	for _, q := range []Query{{Exact: true}, {Candidates: 100}} {
		q.Vector, q.K = vector, 100
		want := ask(t, c, q).Hits
		q.K = 30
		var got []Hit
		for kind := encoder.Learned; len(got) < 100; kind = encoder.Signs - kind {
			page := ask(t, c, q)
			got, q.PageToken = append(got, page.Hits...), page.NextPageToken
			update(t, c, kind)
			settle(t, c)
		}
		if err := sameHits(got, want); err != nil {
			t.Errorf("exact %t: %v", q.Exact, err)
		}
	}
	q := Query{Vector: vector, K: 30, Rescore: RescoreCodes}
	q.PageToken = ask(t, c, q).NextPageToken
	update(t, c, encoder.Learned)
	settle(t, c)
	if _, err := c.Search(t.Context(), q); fieldOf(err) != "page_token" {
		t.Errorf("codes of another profile: error %v, want an InvalidError of page_token", err)
	}
}

// mustServe fails the test unless a rewrite that failed has left all as it was.
func mustServe(t *testing.T, dir string, c *Collection, rows uint64) {
	t.Helper()
	upsert(t, c, Record{ID: "after", Vector: whole(rand.New(rand.NewPCG(1, 1)), c.Info().Dims)})
	if n := c.Count(); n != rows+1 || c.Info().Profile != encoder.Signs {
		t.Errorf("%d vectors under %v, want %d under signs", n, c.Info().Profile, rows+1)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "shard-0000.db.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("the rewrite has left %v (%v)", left, err)
	}
}

func TestARewriteThatMeetsDamageIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 512, Profile: encoder.Signs})
	records := randomRecords(rand.New(rand.NewPCG(1, 15)), 0, 1024, 512)
	upsert(t, c, records...)
	closeSound(t, db)
	damage(t, dir, floats.Append(nil, records[500].Vector), 8)
	db, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if c, err = db.Collection("c"); err != nil {
		t.Fatal(err)
	}
	update(t, c, encoder.Learned)
	if err := c.Settle(t.Context()); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "slot 500") {
		t.Errorf("error %v, want ErrCorrupt that names slot 500", err)
	}
	unknown, same := encoder.Kind(77), encoder.Signs
	if err := c.Update(t.Context(), Change{Profile: &unknown}); fieldOf(err) != "profile" {
		t.Errorf("an unknown profile: error %v, want an InvalidError of profile", err)
	}
	if err := c.Update(t.Context(), Change{Profile: &same}); err != nil {
		t.Errorf("a change to what is so: %v", err)
	}
	if stats, err := c.Stats(); err != nil || !strings.Contains(stats.RewriteError, "slot 500") {
		t.Errorf("stats say %q (%v), want why the rewrite failed", stats.RewriteError, err)
	}
	mustServe(t, dir, c, 1024)
}

func TestAnUpdateThatCannotBeginChangesNothing(t *testing.T) {
	dir := t.TempDir()
	c := create(t, openDB(t, dir), Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 16)), 0, 10, 64)...)
	shards, err := filepath.Glob(filepath.Join(dir, "*", "shard-0000.db"))
	if err != nil || len(shards) != 1 {
		t.Fatal(shards, err)
	}
	obstacle := shards[0] + ".creating"
	if err := os.MkdirAll(filepath.Join(obstacle, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	kind := encoder.Learned
	if err := c.Update(t.Context(), Change{Profile: &kind}); err == nil {
		t.Error("the obstacle is none")
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	mustServe(t, dir, c, 10)
	update(t, c, kind)
	settle(t, c)
}

func TestWhatCrashesLeaveOfARewriteIsReadOrRemoved(t *testing.T) {
	for _, tt := range []struct {
		name, suffix string
		content      func(t *testing.T, c *Collection, path string)
		want         string // in the error
	}{
		{"half a file", ".creating", func(t *testing.T, _ *Collection, path string) {
			if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"a damaged file", ".rewriting", func(t *testing.T, _ *Collection, path string) {
			if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "corrupt"},
		{"a file of other vectors", ".rewriting", func(t *testing.T, _ *Collection, path string) {
			profile, err := encoder.NewSigns(encoder.Shape{Dims: 128})
			if err != nil {
				t.Fatal(err)
			}
			schema, err := engineState{Generation: 1, Profile: profile}.schema()
			if err != nil {
				t.Fatal(err)
			}
			if err := storage.CreateShard(path, schema); err != nil {
				t.Fatal(err)
			}
		}, "128 dims"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			db := openDB(t, dir)
			c := create(t, db, Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
			upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 17)), 0, 10, 64)...)
			path := c.current.Load().shard.Path() + tt.suffix
			closeSound(t, db)
			tt.content(t, c, path)
			c, err := openDB(t, dir).Collection("c")
			if err != nil {
				t.Fatal(err)
			}
			err = c.Settle(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			mustServe(t, dir, c, 10)
		})
	}
}

// childVariable names the job of a child process; the test binary without it runs
// tests.
const childVariable = "HAMNEST_INDEX_CHILD"

var childJobs = map[string]func(args []string) error{"rewrite": rewriteUntilKilled}

func TestMain(m *testing.M) {
	job := os.Getenv(childVariable)
	if job == "" {
		code := m.Run()
		if err := closeFixtures(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}
	if err := childJobs[job](os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

// child returns the command that runs a job in a process of its own.
func child(t *testing.T, job string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+job)
	cmd.Stderr = os.Stderr
	return cmd
}

// rewriteUntilKilled is the child: it writes and rewrites, to a profile or as a compaction, says what it is about to do
// and that it is done, and kills itself when it logs its n-th message.
func rewriteUntilKilled(args []string) error {
	dir := args[0]
	last, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	begin := func(c *Collection) error { _, err := c.Compact(context.Background()); return err }
	if args[2] != "compact" {
		kind, err := code.ParseKind(args[2])
		if err != nil {
			return err
		}
		begin = func(c *Collection) error { return c.Update(context.Background(), Change{Profile: &kind}) }
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	var messages atomic.Int64
	handler := stages(func(string) {
		if int(messages.Add(1)) == last {
			_ = self.Kill()
			select {} // until it is dead
		}
	})
	db, err := Open(dir, Options{Logger: slog.New(handler)})
	if err != nil {
		return err
	}
	c, err := db.Collection("c")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(last), uint64(w)))
			for version := 1; ctx.Err() == nil; version++ {
				id := fmt.Sprintf("%d/%d", w, r.IntN(5))
				if r.IntN(3) == 0 {
					version := 0
					fmt.Println("try", w, id, version)
					if _, err := c.Remove(context.Background(), []string{id}); err != nil {
						panic(err)
					}
				} else {
					fmt.Println("try", w, id, version)
					v := whole(r, c.dims())
					v[0] = float32(version)
					if err := c.Upsert(context.Background(), []Record{{ID: id, Vector: v}}); err != nil {
						panic(err)
					}
				}
				fmt.Println("done", w)
			}
		})
	}
	if err := begin(c); err != nil {
		return err
	}
	fmt.Println("begun")
	if err := c.Settle(context.Background()); err != nil {
		return err
	}
	cancel()
	writers.Wait()
	return db.Close()
}

// Wherever kill -9 hits a rewrite, what was acknowledged is there, the update
// included, and nothing else is.
func TestAKillDuringARewriteLosesNothingThatWasAcknowledged(t *testing.T) {
	kinds := []encoder.Kind{encoder.Signs, encoder.Learned}
	kind := encoder.Signs
	next := func(n int) encoder.Kind { return kinds[n%len(kinds)] }
	killAtEveryMessage(t, func(n int) string { return next(n).String() }, func(n int, c *Collection, begun bool) {
		if now := c.Info().Profile; now != next(n) && (begun || now != kind) {
			t.Fatalf("killed at message %d: profile %v, want %v, or %v unless it was acknowledged (%t)", n, now, next(n), kind, begun)
		}
		kind = c.Info().Profile
	})
}

func TestAKillDuringACompactionLosesNothingThatWasAcknowledged(t *testing.T) {
	generation := uint64(0)
	killAtEveryMessage(t, func(int) string { return "compact" }, func(n int, c *Collection, begun bool) {
		now := c.current.Load().codec.state.Generation
		if now != generation+1 && (begun || now != generation) {
			t.Fatalf("killed at message %d: generation %d, want %d, or %d unless it was acknowledged (%t)", n, now, generation+1, generation, begun)
		}
		generation = now
	})
}

// killAtEveryMessage has a child rewrite a collection to what to(n) says, and be killed at its
// n-th message, for every n until it comes to its end. Each time the collection must have what
// was acknowledged, and check sees it, and whether the rewrite was acknowledged.
func killAtEveryMessage(t *testing.T, to func(n int) string, check func(n int, c *Collection, begun bool)) {
	if testing.Short() {
		t.Skip("some seconds of children")
	}
	t.Parallel()
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	want := make(map[string]int64)
	records := randomRecords(rand.New(rand.NewPCG(3, 18)), 0, 2*pauseRows, 64)
	for _, r := range records {
		want[r.ID] = int64(r.Vector[0])
	}
	for range 2 { // the rows of the first time are retired
		upsert(t, c, records[:200]...)
	}
	upsert(t, c, records[200:]...)
	closeSound(t, db)
	for n, survived := 1, false; !survived; n++ {
		cmd := child(t, "rewrite", dir, strconv.Itoa(n), to(n))
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		trying := make(map[string][]string) // the last line of each writer, until it is done
		begun := false
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			words := strings.Fields(scanner.Text())
			switch words[0] {
			case "try":
				trying[words[1]] = words[2:]
			case "done":
				do(want, trying[words[1]])
				delete(trying, words[1])
			case "begun":
				begun = true
			}
		}
		survived = cmd.Wait() == nil
		if n > 100 {
			t.Fatal("the child does not come to its end")
		}
		db := openDB(t, dir)
		c, err := db.Collection("c")
		if err != nil {
			t.Fatal(err)
		}
		settle(t, c)
		got := firstComponents(t, c)
		for _, words := range trying { // done or not
			if v, there := got[words[0]]; fmt.Sprint(v) == words[1] && there == (words[1] != "0") {
				do(want, words)
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("killed at message %d: %d vectors are there, want %d: what was acknowledged", n, len(got), len(want))
		}
		check(n, c, begun)
		closeSound(t, db)
		if survived && n < 6 {
			t.Errorf("the child had but %d messages to be killed at", n)
		}
	}
}

// do does to a map what the child does to a collection.
func do(versions map[string]int64, words []string) {
	version, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		panic(err)
	}
	if versions[words[0]] = version; version == 0 {
		delete(versions, words[0])
	}
}

func TestADeletedCollectionStopsItsRewrite(t *testing.T) {
	dir := t.TempDir()
	s, reached, release := holdAt("rewrite goes on")
	db := openWithStages(t, dir, s)
	c := create(t, db, Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 19)), 0, 2*pauseRows, 64)...)
	update(t, c, encoder.Learned)
	<-reached
	deleted := make(chan error)
	go func() { deleted <- db.DeleteCollection(t.Context(), "c") }()
	for c.Upsert(t.Context(), nil) == nil { // until it is being deleted
	}
	close(release)
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	kind := encoder.Learned
	if err := c.Update(t.Context(), Change{Profile: &kind}); !errors.Is(err, ErrNotFound) {
		t.Errorf("update of a deleted collection: %v, want ErrNotFound", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "catalog.db")); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(left) > 0 && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the deleted collection has left %v (%v)", left, err)
	}
}
