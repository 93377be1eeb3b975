package index

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hamnest/hamnest/storage"
)

// A compaction is a rewrite to what is so already: all that it does is to leave retired rows
// behind. One begins by itself when they are a share of all rows that is worth it, so that a
// collection which is written anew every night does not grow for ever. It takes its time while
// there are searches.
const (
	// defaultCompactAt is Options.CompactAt where that is zero. Each row that is retired makes two
	// be copied at most, and files grow to half as much again.
	defaultCompactAt = 1. / 3
	// compactRows is how many rows must be retired, of however few: below a block of codes there is
	// nothing worth two syncs.
	compactRows = 1024
	// compactBytes is how much is copied between two rests: some ten milliseconds of work.
	compactBytes = 4 << 20
	// restShare is how long a compaction rests while there are searches, in times of what it
	// worked: it takes a fifth of the time, on half of the cores. What that costs searches has
	// not been measured on a quiet machine.
	restShare = 4
	// restSlice is how often it looks up from its rest.
	restSlice = 5 * time.Millisecond
)

// Compact makes a copy of the collection without the rows that were replaced or deleted, in the
// background, while searches and writes go on, and then puts it in the place of the
// collection: what those rows took of memory and disk comes back, and pages of the file that are
// free too. When it returns nil that is durably begun, as with Update: a crash does not stop it
// for good, Stats tells how far it is, and Settle waits for it. It describes what was begun.
// While searches are under way it works for a fifth of the time. Meanwhile there are two sets of
// codes in memory and two files on disk. A compaction that is under way already, or was due by
// itself, is taken for the one that is asked for; one under way gives way to an Update.
//
// ErrRewriting when another rewrite is under way; syscall.ENOSPC when the disk has no room for the
// copy.
func (c *Collection) Compact(ctx context.Context) (RewriteStats, error) {
	if err := ctx.Err(); err != nil {
		return RewriteStats{}, err
	}
	r, background, err := c.reserve(true)
	if err != nil {
		if under, _ := c.rewriteStats(); under != nil && c.idle() == nil {
			return *under, nil
		}
		return RewriteStats{}, err
	}
	g := c.current.Load() // and stays so: there is no other rewrite
	next, err := c.beginCompaction(r, g)
	if err != nil {
		c.withdraw(r)
		return RewriteStats{}, err
	}
	begun := r.stats()
	go c.rewrite(background, r, g, next)
	return begun, nil
}

// compactWhenDue begins a compaction when enough rows are retired.
func (c *Collection) compactWhenDue() {
	g := c.current.Load()
	if !c.compactionDue(g) {
		return
	}
	r, ctx, err := c.reserve(true)
	if err != nil { // closing, or a rewrite is under way, which will ask again
		return
	}
	if c.current.Load() != g {
		c.withdraw(r)
		return
	}
	go func() {
		next, err := c.beginCompaction(r, g)
		if err != nil {
			c.giveUp(ctx, r, err)
			return
		}
		c.rewrite(ctx, r, g, next)
	}()
}

// compactionDue reports whether enough rows of g, which is in force, are retired.
func (c *Collection) compactionDue(g *generation) bool {
	v := g.view.Load()
	retired := v.Retired()
	return retired >= max(compactRows, c.compactFrom.Load()) && c.compactAt < 1 &&
		float64(retired) >= c.compactAt*float64(v.Rows()) && g.codec.state.legacy == nil
}

// beginCompaction returns the generation that a compaction of g fills.
func (c *Collection) beginCompaction(r *rewrite, g *generation) (*generation, error) {
	if err := g.renewed(); err != nil {
		return nil, err
	}
	target := g.codec.state
	target.Generation++
	return c.begin(r, target)
}

// checkSpace returns syscall.ENOSPC when the disk has no room for what next, which is empty, will
// take when it has the rows of old.
func (c *Collection) checkSpace(old *generation, next *storage.Shard) error {
	size, unused, err := old.shard.Size()
	if err != nil {
		return err
	}
	free, err := c.space(old.shard)
	if err != nil {
		return err
	}
	v := old.view.Load()
	live, rows := v.Present().Len(), uint64(v.Rows())
	before, after := old.shard.Schema().Parts(rows).Total(), next.Schema().Parts(live).Total()
	rest := max(0, size-unused-int64(before)) // ids, metadata, and what finds them
	// Commits write pages anew before they free the old ones.
	needed := after + uint64(float64(rest)*float64(live)/float64(max(1, rows))) + 2*compactBytes
	if free < needed {
		return fmt.Errorf("index: the disk of %s has %d bytes free, want %d for a copy of %d rows: %w", old.shard.Path(), free, needed, live, syscall.ENOSPC)
	}
	return nil
}

// load counts the searches of a collection.
type load struct{ begun, ended atomic.Uint64 }

// pace makes work in the background rest in proportion to what it worked while there are
// searches.
type pace struct {
	load  *load
	seen  uint64    // searches that had begun when it was looked last
	since time.Time // when the work began
}

func newPace(l *load) *pace { return &pace{l, l.begun.Load(), time.Now()} }

// busy reports whether a search is under way, or was since this was asked last.
func (p *pace) busy() bool {
	begun := p.load.begun.Load()
	busy := begun != p.seen || begun != p.load.ended.Load()
	p.seen = begun
	return busy
}

// rest ends a piece of work: it returns at once while there are no searches, as soon as they
// have ceased, or when ctx ends.
func (p *pace) rest(ctx context.Context) {
	for owed := restShare * time.Since(p.since); owed > 0 && p.busy(); owed -= restSlice {
		select {
		case <-time.After(min(owed, restSlice)):
		case <-ctx.Done():
			return
		}
	}
	p.since = time.Now()
}
