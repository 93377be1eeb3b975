package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/storage"
)

func compact(t *testing.T, c *Collection) {
	t.Helper()
	if _, err := c.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, c)
}

// openAt opens a directory that compacts at a share.
func openAt(t *testing.T, dir string, share float64) *DB {
	t.Helper()
	db, err := Open(dir, Options{CompactAt: share})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSound(t, db) })
	return db
}

func TestACompactionDropsWhatIsRetiredAndNothingElse(t *testing.T) {
	for _, spec := range []Spec{
		{Name: "vectors", Dims: 64, Profile: encoder.Signs},
		{Name: "exact", Dims: 64},
		{Name: "learned", Dims: 1024, Store: encoder.Int8},
		{Name: "codes", Dims: 100, Store: encoder.None},
	} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db := openAt(t, dir, 1)
			c := create(t, db, spec)
			r := rand.New(rand.NewPCG(1, 40))
			records := randomRecords(r, 0, 1100, spec.Dims)
			upsert(t, c, records...)
			settle(t, c)
			upsert(t, c, randomRecords(r, 100, 300, spec.Dims)...)
			if n, err := c.Remove(t.Context(), []string{"id-00001", "id-00099", "id-01099"}); n != 3 || err != nil {
				t.Fatal(n, err)
			}
			before, hits := rowsOf(t, c), ask(t, c, Query{Vector: records[5].Vector, K: 50}).Hits
			info := c.Info()
			compact(t, c)
			if got := rowsOf(t, c); !slices.Equal(got, before) {
				t.Errorf("%d rows differ from the %d before", len(got), len(before))
			}
			if err := sameHits(ask(t, c, Query{Vector: records[5].Vector, K: 50}).Hits, hits); err != nil {
				t.Error(err)
			}
			stats, err := c.Stats()
			if err != nil || stats.Retired != 0 || stats.Dropped != 303 || stats.Vectors != 1097 || stats.Rewrite != nil || stats.RewriteError != "" {
				t.Errorf("stats are %+v (%v), want 1097 vectors, 303 dropped and none retired", stats, err)
			}
			if now := c.Info(); now.ProfileFingerprint != info.ProfileFingerprint || now.Profile != info.Profile || now.Store != info.Store || !now.Created.Equal(info.Created) {
				t.Errorf("the collection is %+v, was %+v", now, info)
			}
			closeSound(t, db)
			if c, err = openDB(t, dir).Collection(spec.Name); err != nil {
				t.Fatal(err)
			}
			if got := rowsOf(t, c); !slices.Equal(got, before) {
				t.Error("after reopening the rows differ")
			}
		})
	}
}

func TestACollectionIsCompactedByItselfWhenItIsWorthIt(t *testing.T) {
	const dims = 16
	for _, tt := range []struct {
		name            string
		share           float64
		stored, retired int
		want            bool
	}{
		{"one row less than matters", 0, 2000, compactRows - 1, false},
		{"as many as matter", 0, 2000, compactRows, true},
		{"less than a third", 0, 3100, compactRows, false},
		{"a smaller share that was asked for", .25, 3100, compactRows, true},
		{"never", 1, 2000, 2000, false},
		{"all of them", 0, 1500, 1500, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := create(t, openAt(t, t.TempDir(), tt.share), Spec{Name: "c", Dims: dims})
			records := randomRecords(rand.New(rand.NewPCG(1, 41)), 0, tt.stored, dims)
			upsert(t, c, records...)
			ids := make([]string, tt.retired)
			for i := range ids {
				ids[i] = records[i].ID
			}
			if _, err := c.Remove(t.Context(), ids); err != nil {
				t.Fatal(err)
			}
			settle(t, c)
			stats, err := c.Stats()
			if err != nil || (stats.Dropped > 0) != tt.want || stats.Vectors != uint64(tt.stored-tt.retired) {
				t.Errorf("%d rows were dropped of %d retired, %d are left (%v), want a compaction: %t", stats.Dropped, tt.retired, stats.Vectors, err, tt.want)
			}
		})
	}
}

func TestWhatIsDueWhenADirectoryIsOpenedIsCompacted(t *testing.T) {
	dir := t.TempDir()
	db := openAt(t, dir, 1)
	c := create(t, db, Spec{Name: "c", Dims: 16})
	r := rand.New(rand.NewPCG(1, 42))
	for range 2 {
		upsert(t, c, randomRecords(r, 0, 2000, 16)...)
	}
	closeSound(t, db)
	c, err := openAt(t, dir, 0).Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	if stats, err := c.Stats(); err != nil || stats.Dropped != 2000 || stats.Vectors != 2000 {
		t.Errorf("stats are %+v (%v), want 2000 rows dropped and 2000 left", stats, err)
	}
}

// Nightly reloads: every vector is stored again, with another value, in the batches of an ingest.
func TestReloadsEndBelowThreeTimesTheSizeOfOne(t *testing.T) {
	t.Parallel()
	const rows, batch, dims = 5000, 500, 8
	nights := 40
	if testing.Short() {
		nights = 8
	}
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: dims})
	r := rand.New(rand.NewPCG(1, 43))
	reload := func() uint64 {
		for first := 0; first < rows; first += batch {
			upsert(t, c, randomRecords(r, first, batch, dims)...)
		}
		settle(t, c)
		stats, err := c.Stats()
		if err != nil || stats.Vectors != rows || stats.RewriteError != "" {
			t.Fatalf("stats are %+v (%v), want %d vectors", stats, err, rows)
		}
		return stats.DiskBytes
	}
	one, last := reload(), uint64(0)
	for range nights - 1 {
		last = reload()
	}
	if last >= 3*one {
		t.Errorf("after %d reloads it takes %d bytes, want less than 3 times the %d of one", nights, last, one)
	}
}

func TestACompactionWithoutRoomIsRefusedWithTheNumbers(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, Options{CompactAt: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSound(t, db) })
	c := create(t, db, Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	r := rand.New(rand.NewPCG(1, 44))
	for range 2 {
		upsert(t, c, randomRecords(r, 0, 2000, 64)...)
	}
	c.space = func(*storage.Shard) (uint64, error) { return 1_000_001, nil }
	_, err = c.Compact(t.Context())
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "1000001 bytes free, want") {
		t.Errorf("error %v, want ENOSPC with both numbers", err)
	}
	kind := encoder.Learned
	if err := c.Update(t.Context(), Change{Profile: &kind}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("an update: error %v, want ENOSPC", err)
	}
	if stats, err := c.Stats(); err != nil || stats.RewriteError != "" || stats.Retired != 2000 {
		t.Errorf("stats are %+v (%v), want 2000 retired and nothing that failed", stats, err)
	}
	mustServe(t, dir, c, 2000)
	c.space = (*storage.Shard).FreeSpace
	compact(t, c)
	if stats, err := c.Stats(); err != nil || stats.Retired != 0 {
		t.Errorf("%d rows are retired (%v), want none when there is room", stats.Retired, err)
	}
}

// One that fails by itself is not tried again at every write.
func TestACompactionThatFailedIsPutOffUntilTwiceAsMuchIsRetired(t *testing.T) {
	db, err := Open(t.TempDir(), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSound(t, db) })
	c := create(t, db, Spec{Name: "c", Dims: 16})
	asked := 0
	c.space = func(*storage.Shard) (uint64, error) { asked++; return 0, nil }
	r := rand.New(rand.NewPCG(1, 45))
	retire := func(n int) error {
		upsert(t, c, randomRecords(r, 0, n, 16)...)
		return c.Settle(t.Context())
	}
	upsert(t, c, randomRecords(r, 0, 1500, 16)...)
	for i, tt := range []struct {
		retired int
		asked   int
	}{{1200, 1}, {100, 1}, {1099, 1}, {1, 2}} {
		if err := retire(tt.retired); !errors.Is(err, syscall.ENOSPC) || asked != tt.asked {
			t.Errorf("step %d: error %v, tried %d times, want ENOSPC and %d", i, err, asked, tt.asked)
		}
	}
	c.space = (*storage.Shard).FreeSpace
	compact(t, c)
	if err := retire(1500); err != nil {
		t.Errorf("when there is room: %v", err)
	}
	if stats, err := c.Stats(); err != nil || stats.Retired != 0 {
		t.Errorf("%d rows are retired (%v), want none when there is room", stats.Retired, err)
	}
}

func TestACompactionSaysHowFarItIs(t *testing.T) {
	s, reached, release := holdAt("rewrite goes on")
	c := create(t, openWithStages(t, t.TempDir(), s), Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	upsert(t, c, randomRecords(rand.New(rand.NewPCG(1, 46)), 0, 2*pauseRows, 64)...)
	begun, err := c.Compact(t.Context())
	if err != nil || begun.Total != 2*pauseRows || begun.Profile != encoder.Signs || begun.Store != encoder.Float32 || begun.Started.IsZero() {
		t.Errorf("it began as %+v (%v), want %d rows to copy", begun, err, 2*pauseRows)
	}
	<-reached
	if again, err := c.Compact(t.Context()); err != nil || !again.Started.Equal(begun.Started) {
		t.Errorf("asked again it is %+v (%v), want the one that is under way", again, err)
	}
	stats, err := c.Stats()
	if err != nil || stats.Rewrite == nil || stats.Rewrite.Done == 0 || stats.Rewrite.Total != 2*pauseRows {
		t.Errorf("stats tell of %+v (%v), want a rewrite that has begun", stats.Rewrite, err)
	}
	close(release)
	settle(t, c)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Compact(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
}

func TestACompactionGivesWayToAnUpdateAndNotTheReverse(t *testing.T) {
	s, reached, release := holdAt("rewrite goes on")
	dir := t.TempDir()
	c := create(t, openWithStages(t, dir, s), Spec{Name: "c", Dims: 64, Profile: encoder.Signs})
	r := rand.New(rand.NewPCG(1, 47))
	upsert(t, c, randomRecords(r, 0, 2*pauseRows, 64)...)
	upsert(t, c, randomRecords(r, 0, 100, 64)...)
	if _, err := c.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-reached
	kind, updated := encoder.Learned, make(chan error)
	go func() { updated <- c.Update(t.Context(), Change{Profile: &kind}) }()
	for c.idle() == nil { // until it has driven the compaction out
		runtime.Gosched()
	}
	if _, err := c.Compact(t.Context()); !errors.Is(err, ErrRewriting) {
		t.Errorf("a compaction during an update: %v, want ErrRewriting", err)
	}
	close(release)
	if err := <-updated; err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	stats, err := c.Stats()
	if err != nil || c.Info().Profile != encoder.Learned || stats.Vectors != 2*pauseRows || stats.Retired != 0 || stats.Dropped != 100 {
		t.Errorf("stats are %+v (%v) under %v, want %d vectors under learned", stats, err, c.Info().Profile, 2*pauseRows)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "shard-0000.db.*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v (%v), want nothing", left, err)
	}
}

func TestSharesThatAreNoneAreRefused(t *testing.T) {
	for _, share := range []float64{-.1, 1.1} {
		if _, err := Open(t.TempDir(), Options{CompactAt: share}); err == nil || !strings.Contains(err.Error(), fmt.Sprint(share)) {
			t.Errorf("a share of %v: error %v, want one that says it", share, err)
		}
	}
}

// The time is synctest's: it goes on when everybody waits, and only then.
func TestACompactionRestsFourTimesAsLongAsItWorksWhileThereAreSearches(t *testing.T) {
	const worked = 50 * time.Millisecond
	for _, tt := range []struct {
		name     string
		searches func(l *load)
		want     time.Duration
	}{
		{"no search", func(*load) {}, 0},
		{"one that is under way all the time", func(l *load) { l.begun.Add(1) }, restShare * worked},
		{"one after the other", func(l *load) {
			l.begun.Add(1)
			for range 1000 {
				l.ended.Add(1)
				l.begun.Add(1)
				time.Sleep(time.Millisecond)
			}
		}, restShare * worked},
		{"one that ends while it works", func(l *load) { l.begun.Add(1); l.ended.Add(1) }, restSlice},
		{"one that ends while it rests", func(l *load) {
			l.begun.Add(1)
			time.Sleep(worked + 3*restSlice/2)
			l.ended.Add(1)
		}, 2 * restSlice},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l load
				p := newPace(&l)
				var searching sync.WaitGroup
				searching.Go(func() { tt.searches(&l) })
				defer searching.Wait()
				time.Sleep(worked)
				before := time.Now()
				p.rest(t.Context())
				if rested := time.Since(before); rested != tt.want {
					t.Errorf("it rests %v, want %v", rested, tt.want)
				}
			})
		})
	}
	t.Run("closing ends the rest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var l load
			l.begun.Add(1)
			p := newPace(&l)
			ctx, cancel := context.WithTimeout(t.Context(), worked+time.Millisecond)
			defer cancel()
			time.Sleep(worked)
			before := time.Now()
			p.rest(ctx)
			if rested := time.Since(before); rested != time.Millisecond {
				t.Errorf("it rests %v, want 1ms", rested)
			}
		})
	})
}
