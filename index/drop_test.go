package index

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/storage"
)

// isDropped reports whether err says that collection c was dropped.
func isDropped(err error) bool {
	return errors.Is(err, ErrNotFound) && strings.Contains(err.Error(), `collection "c" was dropped`)
}

func TestADropBreaksOffACalibration(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	db := openDB(t, t.TempDir())
	c := create(t, db, Spec{Name: "c", Dims: 256})
	upsert(t, c, randomRecords(r, 0, 4000, 256)...)
	var queries [][]float32
	for range 2000 { // which take minutes
		queries = append(queries, gaussian(r, 256, 0))
	}
	failed := make(chan error)
	go func() {
		_, err := db.Calibrate(context.Background(), "c", CalibrateOptions{Queries: queries})
		failed <- err
	}()
	for !c.measuring.Load() {
		runtime.Gosched()
	}
	if err := db.DeleteCollection(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !isDropped(err) {
		t.Errorf("calibration: %v, want to be told of the drop", err)
	}
}

func TestADropBreaksOffEveryCallAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: 8})
	records := randomRecords(rand.New(rand.NewPCG(5, 2)), 0, 2, 8)
	upsert(t, c, records...)

	under, failed := make(chan struct{}), make(chan error)
	go func() {
		failed <- c.use(context.Background(), func(ctx context.Context, _ *generation) error {
			close(under)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-under
	holding, release := make(chan struct{}), make(chan struct{})
	c.handover <- func() { // the writer has no time
		close(holding)
		<-release
	}
	<-holding
	queued, err := c.enqueue(t.Context(), change{rows: recordOps(t, c, records)})
	if err != nil {
		t.Fatal(err)
	}

	deleted := make(chan error)
	go func() { deleted <- db.DeleteCollection(context.Background(), "c") }()
	if err := <-failed; !isDropped(err) {
		t.Errorf("a call under way: %v, want to be told of the drop", err)
	}
	close(release)
	if err := queued.Wait(t.Context()); !isDropped(err) {
		t.Errorf("a write that waits: %v, want to be told of the drop", err)
	}
	if err := <-deleted; err != nil {
		t.Error(err)
	}
	if _, err := c.Search(t.Context(), Query{Vector: records[0].Vector, K: 1}); !isDropped(err) {
		t.Errorf("a later call: %v, want to be told of the drop", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("the drop leaves %v (%v)", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "catalog.db")); err != nil {
		t.Error(err)
	}
}

// recordOps returns records as the writer takes them.
func recordOps(t *testing.T, c *Collection, records []Record) []storage.Op {
	t.Helper()
	ops, refused := c.current.Load().codec.ops(records)
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	return ops
}

func TestTheCallersContextIsNotADrop(t *testing.T) {
	c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 8})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Search(ctx, Query{Vector: make([]float32, 8), K: 1, Exact: true}); isDropped(err) {
		t.Errorf("a cancelled search: %v", err)
	}
	err := c.use(ctx, func(ctx context.Context, _ *generation) error { return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v, want context.Canceled", err)
	}
}
