package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/storage"
)

// MaxLiveQueries bounds Options.LiveQueries. Measuring recall needs fewer, and so many take 40 MB of
// memory for each collection of 1024 dimensions.
const MaxLiveQueries = 10_000

// Options configures Open. The zero value is ready to use.
type Options struct {
	// Logger is told what happens outside any call. Nil means slog.Default().
	Logger *slog.Logger
	// MustExist makes Open fail with fs.ErrNotExist for a directory in which no DB has been
	// opened before. Without it Open starts one there.
	MustExist bool
	// ReadOnly opens an existing directory for reading. Nothing in it is changed, and every
	// call that would change it returns ErrReadOnly. Any number of processes can read it at a
	// time, and none can write meanwhile. What a crash left unfinished stays so.
	ReadOnly bool
	// TrustOlderCodes opens collections of codes without vectors that older versions rotated,
	// although the files do not say how: programs before commit d4867b2 rotated differently. If
	// such a program made the codes, searches find nearly nothing. A collection needs this only
	// until it has once been opened for writing.
	TrustOlderCodes bool
	// LiveQueries is how many recent query vectors each collection remembers for
	// CalibrateOptions.Live, in memory, until it is closed. At most MaxLiveQueries; 0: none.
	LiveQueries int
	// LiveChecks is the share of searches, 0 to 1, that are answered again exactly, in the
	// background and one at a time, so that Stats can report their recall. Each check reads all
	// vectors of the collection. 0: none.
	LiveChecks float64
	// CompactAt is the share of a collection's rows, 0 to 1, that were replaced or deleted when it
	// is compacted by itself: see Collection.Compact. Files grow to 1/(1-CompactAt) of what the
	// vectors that are left take, and while one is compacted there is a second one. 0: a third. 1:
	// never.
	CompactAt float64
	// FilterBytes is how much memory each collection may take, beside its codes, for what answers
	// filters: the values of the fields that filters have named, and the rows that they let
	// through. What was used least recently goes first. Filters of fields that do not fit are
	// answered by reading all rows every time. 0: DefaultFilterBytes.
	FilterBytes int64
}

// DB is a directory of collections. While it is open no other process can use the directory,
// unless all of them opened it for reading. It is safe for concurrent use.
type DB struct {
	catalog *storage.Catalog
	log     *slog.Logger
	opts    Options

	create  sync.Mutex     // held while the set of collections or their names change
	deletes sync.WaitGroup // under way

	mu          sync.RWMutex
	closed      bool
	collections map[string]*Collection
	broken      map[string]error  // those that could not be opened, and why
	aliases     map[string]string // the collections that they are names of
}

// Open opens the directory dir and loads the codes of its collections, in parallel. ErrLocked
// when another process has it open, with its process number if the system tells; ErrOrphans
// when there are collections that the catalog does not have, see Adopt. A collection whose
// files are damaged does not keep the others from opening: the damage is logged, and using the
// collection returns the error. Open fails when HAMNEST_KERNEL names an instruction set that
// this machine does not have.
func Open(dir string, opts Options) (*DB, error) {
	if err := isa.Err(); err != nil {
		return nil, err
	}
	if opts.LiveQueries < 0 || opts.LiveQueries > MaxLiveQueries {
		return nil, fmt.Errorf("index: options ask to remember %d live queries, want 0 to %d", opts.LiveQueries, MaxLiveQueries)
	}
	if !(opts.LiveChecks >= 0 && opts.LiveChecks <= 1) { // not: NaN too
		return nil, fmt.Errorf("index: options ask to check a share of %v of the searches, want 0 to 1", opts.LiveChecks)
	}
	if !(opts.CompactAt >= 0 && opts.CompactAt <= 1) {
		return nil, fmt.Errorf("index: options ask to compact at a share of %v, want 0 to 1", opts.CompactAt)
	}
	if opts.FilterBytes < 0 {
		return nil, fmt.Errorf("index: options give filters %d bytes, want at least 0", opts.FilterBytes)
	}
	opts.FilterBytes = cmp.Or(opts.FilterBytes, DefaultFilterBytes)
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	catalog, err := openCatalog(dir, opts)
	if err != nil {
		return nil, err
	}
	if err := catalog.Doubt(); err != nil {
		opts.Logger.Error("the last change to the catalog may be missing", "error", err)
	}
	db := &DB{
		catalog:     catalog,
		log:         opts.Logger,
		opts:        opts,
		collections: make(map[string]*Collection),
		broken:      make(map[string]error),
		aliases:     make(map[string]string),
	}
	entries, err := catalog.List()
	if err == nil {
		err = db.readAliases(entries)
	}
	if err != nil {
		return nil, errors.Join(err, catalog.Close())
	}
	for _, e := range entries {
		c, err := openCollection(catalog, e, db.opts)
		if err != nil {
			db.log.Error("collection cannot be opened", "collection", e.Name, "error", err)
			db.broken[e.Name] = err
			continue
		}
		db.collections[e.Name] = c
	}
	return db, nil
}

func openCatalog(dir string, opts Options) (*storage.Catalog, error) {
	if opts.ReadOnly {
		return storage.ReadCatalog(dir)
	}
	if opts.MustExist {
		if err := storage.FindCatalog(dir); err != nil {
			return nil, err
		}
	}
	return storage.OpenCatalog(dir)
}

// NamesIn returns the names of the collections of the directory dir, ascending, without loading any
// of them. It reads only the catalog, and fails as Open with ReadOnly does.
func NamesIn(dir string) ([]string, error) {
	catalog, err := storage.ReadCatalog(dir)
	if err != nil {
		return nil, err
	}
	entries, err := catalog.List()
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names, errors.Join(err, catalog.Close())
}

// Adopt enters collections of dir that its catalog does not have, which Open refuses with
// ErrOrphans. If the catalog is lost it makes a new one. It returns the collections' names:
// those from when their files were made, or those of their folders if the files do not say or
// the name is taken.
func Adopt(dir string) ([]string, error) {
	entries, err := storage.Adopt(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names, err
}

// Health returns why the set of collections cannot be changed: ErrGone when the catalog was
// removed or replaced since it was opened. Nil when no problem is known. For the health of one
// collection see Collection.Health.
func (db *DB) Health() error { return db.catalog.Health() }

// Close waits for the calls under way, closes all collections and releases the directory. Later
// uses return ErrClosed.
func (db *DB) Close() error {
	db.create.Lock()
	defer db.create.Unlock()
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	db.mu.Unlock()
	var g errgroup.Group
	for _, c := range db.collections {
		g.Go(c.close)
	}
	err := g.Wait()
	db.deletes.Wait()
	return errors.Join(err, db.catalog.Close())
}

// Create makes an empty collection, durably. ErrExists when a collection or an alias has the name;
// *InvalidError with fields name, dims, ladder, metric, profile, labels.
func (db *DB) Create(ctx context.Context, spec Spec) (*Collection, error) {
	state, err := emptyState(&spec)
	if err != nil {
		return nil, err
	}
	schema, err := state.schema()
	if err != nil {
		return nil, err
	}
	if db.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	db.create.Lock()
	defer db.create.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := db.Collection(spec.Name); !errors.Is(err, ErrNotFound) {
		if errors.Is(err, ErrClosed) {
			return nil, err
		}
		return nil, fmt.Errorf("collection %q: %w", spec.Name, ErrExists)
	}
	entry, err := db.catalog.Create(spec.Name, maps.Clone(spec.Labels), schema)
	if errors.Is(err, storage.ErrExists) { // it is being deleted
		return nil, fmt.Errorf("collection %q: %w", spec.Name, ErrExists)
	}
	if err != nil {
		return nil, err
	}
	c, err := openCollection(db.catalog, entry, db.opts)
	db.mu.Lock()
	defer db.mu.Unlock()
	if err != nil {
		db.broken[spec.Name] = err
		return nil, err
	}
	db.collections[spec.Name] = c
	return c, nil
}

// Collection returns the collection of that name or alias. ErrNotFound when there is none; the
// reason when its files could not be opened.
func (db *DB) Collection(name string) (*Collection, error) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return nil, ErrClosed
	}
	real := db.resolve(name)
	if c, ok := db.collections[real]; ok {
		return c, nil
	}
	if err, ok := db.broken[real]; ok {
		return nil, fmt.Errorf("collection %q: %w", name, err)
	}
	return nil, fmt.Errorf("collection %q: %w", name, ErrNotFound)
}

// Names returns the names of all collections, ascending, including those that could not be
// opened.
func (db *DB) Names() []string {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return slices.Sorted(func(yield func(string) bool) {
		for name := range db.collections {
			if !yield(name) {
				return
			}
		}
		for name := range db.broken {
			if !yield(name) {
				return
			}
		}
	})
}

// DeleteCollection drops a collection, opened or damaged, and its files. Calls under way on it
// are broken off, within the time of one block of rows or of one commit. They and later ones
// return an ErrNotFound that says that the collection was dropped. Once it has begun, the end of
// ctx does not stop it. If it fails, using the collection returns why, and DeleteCollection can be
// tried again. ErrNotFound when there is no such collection, ErrAliased while it has aliases;
// *InvalidError with field name if that is an alias.
func (db *DB) DeleteCollection(ctx context.Context, name string) error {
	c, err := db.takeOut(ctx, name)
	if err != nil {
		return err
	}
	defer db.deletes.Done()
	if c != nil {
		c.drop()
		if err := c.close(); err != nil {
			db.log.Error("collection being deleted does not close", "collection", name, "error", err)
		}
	}
	err = db.catalog.Delete(name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		db.mu.Lock()
		defer db.mu.Unlock()
		db.broken[name] = fmt.Errorf("half deleted: %w", err)
	}
	return err
}

// takeOut removes a collection from the set, and returns it unless it is damaged. The caller
// ends one of db.deletes.
func (db *DB) takeOut(ctx context.Context, name string) (*Collection, error) {
	if db.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	db.create.Lock()
	defer db.create.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := db.Collection(name)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrClosed) {
		return nil, err
	}
	if err := errors.Join(db.refuseAlias(name), db.refuseAliased(name)); err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.collections, name)
	delete(db.broken, name)
	db.deletes.Add(1)
	return c, nil
}
