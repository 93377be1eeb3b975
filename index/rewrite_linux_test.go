package index

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os/signal"
	"syscall"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

func init() { childJobs["full"] = rewriteOnAFullDisk }

// A disk that is full before a rewrite is through leaves the collection as it was.
func TestARewriteThatFillsTheDiskIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 150 MB")
	}
	t.Parallel()
	const dims, rows = 4096, 4800 // 75 MB, more than a file's first growth
	dir := t.TempDir()
	db := openDB(t, dir)
	c := create(t, db, Spec{Name: "c", Dims: dims, Profile: encoder.Signs})
	r := rand.New(rand.NewPCG(1, 20))
	for first := 0; first < rows; first += 100 {
		upsert(t, c, randomRecords(r, first, 100, dims)...)
	}
	closeSound(t, db)
	if out, err := child(t, "full", dir).Output(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c, err := openDB(t, dir).Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	settle(t, c)
	mustServe(t, dir, c, rows)
}

// rewriteOnAFullDisk is the child: its files may grow once, but not twice.
func rewriteOnAFullDisk(args []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 100 << 20, Max: 100 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	db, err := Open(args[0], Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	c, err := db.Collection("c")
	if err != nil {
		return err
	}
	kind := encoder.Learned
	if err := c.Update(context.Background(), Change{Profile: &kind}); err != nil {
		return fmt.Errorf("update, which has room to begin: %w", err)
	}
	if err := c.Settle(context.Background()); err == nil {
		return fmt.Errorf("the rewrite found room for %d vectors", c.Count())
	}
	if n := c.Count(); n != 4800 {
		return fmt.Errorf("%d vectors are left", n)
	}
	return db.Close()
}
