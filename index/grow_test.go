package index

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

// growDims is how wide a collection of some thousand rows is that gets codes.
const growDims = 512

// growRows are just too few for codes.
const growRows = codedFloats / growDims

func TestACollectionGetsCodesWhenItIsLargeEnough(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: growDims})
	w := &twin{}
	for i := range growRows {
		w.rows = append(w.rows, Record{ID: fmt.Sprint(i), Vector: gaussian(r, growDims, .2)})
	}
	upsert(t, c, w.rows...)
	settle(t, c)
	if info := c.Info(); info.ProfileInForce != encoder.Exact || info.Profile != encoder.Learned {
		t.Fatalf("%d rows have profile %v in force, want exact", growRows, info.ProfileInForce)
	}
	last := Record{ID: "last", Vector: gaussian(r, growDims, .2)}
	w.rows = append(w.rows, last)
	upsert(t, c, last)
	settle(t, c)
	if info := c.Info(); info.ProfileInForce != encoder.Learned || info.Bits != growDims+256 {
		t.Fatalf("%d rows have profile %v in force, want learned", growRows+1, info.ProfileInForce)
	}
	stats, err := c.Stats()
	if err != nil || stats.CodeBytesPerVector == 0 || stats.MemoryBytes == 0 || stats.Vectors != growRows+1 {
		t.Errorf("stats are %+v (%v)", stats, err)
	}
	check := func(c *Collection) {
		t.Helper()
		for range 20 {
			q := Query{Vector: gaussian(r, growDims, .2), K: 10, Bound: 6}
			res := ask(t, c, q)
			want := w.exact(q.Vector, 10)
			for i, h := range res.Hits {
				if h.ID != want[i].ID {
					t.Fatalf("hit %d is %v, want %v", i, h, want[i])
				}
			}
		}
	}
	check(c)
	more := randomRecords(r, 0, 100, growDims)
	upsert(t, c, more...)
	w.rows = append(w.rows, more...)
	check(c)
	fingerprint := c.Info().ProfileFingerprint
	closeSound(t, db)
	if c, err = openDB(t, dir).Collection("c"); err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	if info := c.Info(); info.ProfileFingerprint != fingerprint {
		t.Errorf("after reopening the profile is %s, want %s", info.ProfileFingerprint, fingerprint)
	}
	check(c)
	if n, err := c.Remove(t.Context(), []string{"1", "last"}); n != 2 || err != nil {
		t.Error(n, err)
	}
	w.rows = slices.DeleteFunc(w.rows, func(r Record) bool { return r.ID == "1" || r.ID == "last" })
	check(c)
}

// Few dimensions are compared themselves, however many rows there are.
func TestFewDimensionsGetNoCodes(t *testing.T) {
	state, err := emptyState(&Spec{Name: "c", Dims: exactDims})
	if err != nil || state.due(1<<40) {
		t.Errorf("%d dims are to have codes (%v)", exactDims, err)
	}
	state, err = emptyState(&Spec{Name: "c", Dims: exactDims + 1})
	rows := uint64(codedFloats / (exactDims + 1))
	if err != nil || state.due(rows) || !state.due(rows+1) {
		t.Errorf("%d dims are to have codes: %t of %d rows, %t of one more (%v)", exactDims+1, state.due(rows), rows, state.due(rows+1), err)
	}
}

// Until the codes are there searches are exact, and what is written meanwhile gets codes too.
func TestSearchesAndWritesGoOnWhileCodesAreLearnt(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 2))
	s, reached, release := holdAt("rewrite begun")
	c := create(t, openWithStages(t, t.TempDir(), s), Spec{Name: "c", Dims: growDims})
	upsert(t, c, randomRecords(r, 0, growRows, growDims)...)
	pending, _, err := c.Submit(t.Context(), randomRecords(r, growRows, 5, growDims))
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	if res := ask(t, c, Query{Vector: whole(r, growDims), K: 5}); len(res.Hits) != 5 || !res.Receipt.Exact {
		t.Errorf("%d hits meanwhile, exact %t", len(res.Hits), res.Receipt.Exact)
	}
	close(release)
	if err := pending.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	upsert(t, c, randomRecords(r, growRows+5, 5, growDims)...)
	if n := c.Count(); n != growRows+10 || c.Info().ProfileInForce != encoder.Learned {
		t.Errorf("%d rows under %v, want %d under learned", n, c.Info().ProfileInForce, growRows+10)
	}
}

func init() { childJobs["grow"] = growUntilKilled }

// growUntilKilled is the child: it makes the collection just too large to have no codes while
// others write, says what it is about to do and that it is done, and kills itself when it logs
// its n-th message.
func growUntilKilled(args []string) error {
	last, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	var messages atomic.Int64
	db, err := Open(args[0], Options{Logger: slog.New(stages(func(string) {
		if int(messages.Add(1)) == last {
			_ = self.Kill()
			select {} // until it is dead
		}
	}))})
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
				id := fmt.Sprintf("%d/%d", w, r.IntN(20))
				fmt.Println("try", w, id, version)
				v := whole(r, growDims)
				v[0] = float32(version)
				if err := c.Upsert(context.Background(), []Record{{ID: id, Vector: v}}); err != nil {
					panic(err)
				}
				fmt.Println("done", w)
			}
		})
	}
	for c.Info().ProfileInForce != encoder.Learned {
		if err := c.Settle(context.Background()); err != nil {
			return err
		}
	}
	cancel()
	writers.Wait()
	return db.Close()
}

// Wherever kill -9 hits while a collection gets its first codes, what was acknowledged is
// there, and nothing else is.
func TestAKillWhileCodesAreLearntLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of children")
	}
	t.Parallel()
	base := t.TempDir()
	db := openDB(t, base)
	c := create(t, db, Spec{Name: "c", Dims: growDims})
	records := randomRecords(rand.New(rand.NewPCG(11, 3)), 0, growRows, growDims)
	upsert(t, c, records...)
	closeSound(t, db)
	killWhileLearning(t, base, records)
}

// Nor does it when an older collection is encoded anew.
func TestAKillWhileAnOlderCollectionIsEncodedLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of children")
	}
	t.Parallel()
	base := t.TempDir()
	records := randomRecords(rand.New(rand.NewPCG(11, 4)), 0, growRows*4/3, growDims)
	killWhileLearning(t, base, older(t, base, "nested", encoder.Cosine, encoder.Float32, 2, records))
}

// killWhileLearning kills children that work on copies of base, which has records.
func killWhileLearning(t *testing.T, base string, records []Record) {
	t.Helper()
	before := make(map[string]int64)
	for _, r := range records {
		before[r.ID] = int64(r.Vector[0])
	}
	for n, survived := 1, false; !survived; n++ {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
			t.Fatal(err)
		}
		cmd := child(t, "grow", dir, strconv.Itoa(n))
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(before)
		trying := make(map[string][]string)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			switch words := strings.Fields(scanner.Text()); words[0] {
			case "try":
				trying[words[1]] = words[2:]
			case "done":
				do(want, trying[words[1]])
				delete(trying, words[1])
			}
		}
		survived = cmd.Wait() == nil
		if n > 50 {
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
			if fmt.Sprint(got[words[0]]) == words[1] {
				do(want, words)
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("killed at message %d: %d vectors are there, want %d: what was acknowledged", n, len(got), len(want))
		}
		if kind := c.Info().ProfileInForce; kind != encoder.Learned {
			t.Fatalf("killed at message %d: profile %v is in force at last, want learned", n, kind)
		}
		closeSound(t, db)
		if survived && n < 4 {
			t.Errorf("the child had but %d messages to be killed at", n)
		}
	}
}
