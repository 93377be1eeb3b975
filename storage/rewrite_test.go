package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// newEntry makes a catalog with one collection.
func newEntry(t *testing.T) (string, *Catalog, Entry) {
	t.Helper()
	dir := t.TempDir()
	c := openCatalog(t, dir)
	e, err := c.Create("c", nil, tinySchema())
	if err != nil {
		t.Fatal(err)
	}
	return dir, c, e
}

func mustBegin(t *testing.T, c *Catalog, e Entry, schema Schema) *Shard {
	t.Helper()
	s, err := c.BeginRewrite(e, schema)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAShardThatReplacesAnotherIsThereFromThenOn(t *testing.T) {
	_, c, e := newEntry(t)
	rng := newRand(1)
	old := openSound(t, c.ShardPath(e))
	before, after := newModel(tinySchema()), newModel(Schema{Dims: 3, VectorBytes: 1, BlockRows: 4, ChunkRows: 2, Engine: tinySchema().Engine})
	ops := before.randomOps(rng, 30)
	mustCommit(t, old, ops...)
	before.commit(ops)

	next := mustBegin(t, c, e, after.schema)
	ops = after.randomOps(rng, 30)
	mustCommit(t, next, ops...)
	after.commit(ops)
	before.mustHold(t, old)
	if err := next.Replace(old); err != nil {
		t.Fatal(err)
	}
	before.mustHold(t, old) // for those who still read it
	if _, err := old.Commit(before.randomOps(rng, 1)); !errors.Is(err, errReplaced) {
		t.Errorf("a commit to the shard that was replaced: %v, want errReplaced", err)
	}
	if err := next.Replace(old); !errors.Is(err, errReplaced) {
		t.Errorf("replacing it twice: %v, want errReplaced", err)
	}
	mustClose(t, old)
	ops = after.randomOps(rng, 10)
	mustCommit(t, next, ops...)
	after.commit(ops)
	after.mustHold(t, next)
	if next.Path() != c.ShardPath(e) {
		t.Errorf("its path is %s, want %s", next.Path(), c.ShardPath(e))
	}
	if bytes, _, err := next.Size(); err != nil || bytes <= 0 {
		t.Errorf("its size is %d (%v)", bytes, err)
	}
	mustClose(t, next)
	after.mustHold(t, openShard(t, c.ShardPath(e)))
	if _, err := c.UnfinishedRewrite(e); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a finished rewrite is unfinished: %v, want ErrNotExist", err)
	}
}

func TestARewriteThatWasBegunIsFoundAfterACrash(t *testing.T) {
	dir, c, e := newEntry(t)
	schema := tinySchema()
	schema.Scalars = 3
	mustClose(t, mustBegin(t, c, e, tinySchema()))
	mustClose(t, mustBegin(t, c, e, schema)) // in the place of the first
	creating := c.ShardPath(e) + suffixCreating
	if err := os.WriteFile(creating, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustClose(t, c)
	c = openCatalog(t, dir)
	if _, err := os.Stat(creating); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a file is still there: %v", err)
	}
	found, err := c.UnfinishedRewrite(e)
	if err != nil || found.Scalars != 3 {
		t.Errorf("found schema %+v (%v), want the one begun last", found, err)
	}
	if err := c.AbandonRewrite(e); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UnfinishedRewrite(e); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("abandoned: %v, want ErrNotExist", err)
	}
	if left, err := os.ReadDir(filepath.Dir(c.ShardPath(e))); err != nil || len(left) != 1 {
		t.Errorf("left are %v (%v), want the shard alone", left, err)
	}
	if err := c.AbandonRewrite(e); err != nil {
		t.Errorf("abandoning nothing: %v", err)
	}
}

// What a collection holds is counted on over a rewrite: what is copied is no change.
func TestARewriteGoesOnCountingChanges(t *testing.T) {
	_, c, e := newEntry(t)
	old := openSound(t, c.ShardPath(e))
	m := newModel(tinySchema())
	rng := newRand(newSeed(t))
	mustCommit(t, old, m.randomOps(rng, 20)...)
	mustCommit(t, old, m.randomOps(rng, 3)...)
	next := mustBegin(t, c, e, tinySchema())
	mustCommit(t, next, m.randomOps(rng, 7)...)
	if err := next.Replace(old); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, next, m.randomOps(rng, 2)...)
	mustClose(t, next)
	if got := openShard(t, next.Path()).state.Applied; got != 25 {
		t.Errorf("%d changes are applied, want 25", got)
	}
}

func TestADamagedRewriteSaysSo(t *testing.T) {
	_, c, e := newEntry(t)
	if err := os.WriteFile(c.rewritePath(e), make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UnfinishedRewrite(e); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v, want ErrCorrupt", err)
	}
}

// Where the new shard cannot be put in place, the old goes on.
func TestAShardThatCannotBeReplacedGoesOn(t *testing.T) {
	_, c, e := newEntry(t)
	old := openSound(t, c.ShardPath(e))
	next := mustBegin(t, c, e, tinySchema())
	if err := os.Remove(next.Path()); err != nil {
		t.Fatal(err)
	}
	if err := next.Replace(old); !errors.Is(err, ErrGone) {
		t.Errorf("error %v, want ErrGone", err)
	}
	mustClose(t, next)
	m := newModel(tinySchema())
	ops := m.randomOps(newRand(2), 10)
	mustCommit(t, old, ops...)
	m.commit(ops)
	m.mustHold(t, old)
}

// A shard of which a commit broke off cannot be copied for sure.
func TestABrokenShardIsNotReplaced(t *testing.T) {
	_, c, e := newEntry(t)
	old := openShard(t, c.ShardPath(e))
	interpose(t, old.db, failing(1, true))
	if _, err := old.Commit(newModel(tinySchema()).randomOps(newRand(3), 10)); err == nil || old.broken == nil {
		t.Fatalf("error %v: a commit that breaks off should be known", err)
	}
	next := mustBegin(t, c, e, tinySchema())
	if err := next.Replace(old); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want the disk's", err)
	}
	mustClose(t, next)
}
