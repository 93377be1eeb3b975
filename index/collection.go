package index

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/index/measure"
	"github.com/hamnest/hamnest/storage"
)

// Collection is one set of vectors. It is safe for concurrent use.
type Collection struct {
	catalog     *storage.Catalog
	log         *slog.Logger
	readOnly    bool
	filterBytes int64 // Options.FilterBytes

	entry   atomic.Pointer[storage.Entry]
	entryMu sync.Mutex // held while entry changes

	// life is held while current or closed changes, and while a call joins the users
	// of the one in force.
	life    sync.RWMutex
	closed  bool
	current atomic.Pointer[generation]

	dropped context.Context // ends when the collection is dropped
	drop    context.CancelFunc

	queue    chan *Pending
	room     *semaphore.Weighted // bytes that the queue may still take
	handover chan func()         // what the writer is to do between two commits
	held     <-chan struct{}     // the writer's: unless nil, what it waits for before it commits more,
	lapse    <-chan time.Time    // until this at the latest
	written  chan struct{}       // closed when the writer has ended

	measuring atomic.Bool
	live      *measure.Live

	rewriteMu  sync.Mutex // held while these change
	rewriting  *rewrite   // nil: none
	rewriteErr error      // of the last
	rewrites   sync.WaitGroup
	learnAt    atomic.Uint64 // vectors below which a profile is not learnt: an attempt failed

	compactAt   float64       // see Options
	compactFrom atomic.Uint64 // retired rows below which nothing is compacted: an attempt failed
	load        load
	space       func(*storage.Shard) (uint64, error) // left on the disk
}

// openCollection opens the shard of e and loads its codes.
func openCollection(catalog *storage.Catalog, e storage.Entry, opts Options) (*Collection, error) {
	g, err := openGeneration(catalog, e, opts.FilterBytes)
	if err != nil {
		return nil, err
	}
	if err := g.codec.state.refuseOlder(opts); err != nil {
		return nil, errors.Join(err, g.close())
	}
	if err := g.shard.Doubt(); err != nil {
		opts.Logger.Error("the last commit to a collection may be missing", "collection", e.Name, "error", err)
	}
	c := &Collection{
		catalog:     catalog,
		log:         opts.Logger,
		readOnly:    opts.ReadOnly,
		filterBytes: opts.FilterBytes,
		queue:       make(chan *Pending, queueLength),
		room:        semaphore.NewWeighted(queueBytes),
		handover:    make(chan func()),
		written:     make(chan struct{}),

		compactAt: cmp.Or(opts.CompactAt, defaultCompactAt),
		space:     (*storage.Shard).FreeSpace,
	}
	c.dropped, c.drop = context.WithCancel(context.Background())
	c.entry.Store(&e)
	c.current.Store(g)
	c.live = measure.NewLive(opts.LiveQueries, opts.LiveChecks, c.searchAgain, c.cannotCheck)
	if c.readOnly {
		go c.write() // it ends when the collection is closed
		return c, nil
	}
	c.resume()
	if g.codec.state.legacy != nil && c.rewriting == nil {
		c.renew()
	}
	go c.write()
	if g.codec.state.legacy != nil && !g.codec.keepsVectors() { // there is nothing to search meanwhile
		if err := c.Settle(context.Background()); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	c.learnWhenDue()
	c.compactWhenDue()
	return c, nil
}

// Health returns why writes would be refused: ErrGone when the file of the collection, or the
// catalog, was removed or replaced since it was opened, or the error of a commit that broke off.
// Nil when nothing is known against them. It waits for the commit under way.
func (c *Collection) Health() error {
	g, release, err := c.acquire()
	if err != nil {
		return err
	}
	defer release()
	return cmp.Or(g.shard.Health(), c.catalog.Health())
}

// acquire returns the generation in force, which stays whole until the returned
// function is called.
func (c *Collection) acquire() (g *generation, release func(), err error) {
	c.life.RLock()
	defer c.life.RUnlock()
	if c.closed {
		return nil, nil, c.closedError()
	}
	g = c.current.Load()
	g.users.Add(1)
	return g, g.users.Done, nil
}

// use runs do with the generation in force, which stays whole until do returns. The context of do
// ends with ctx, and when the collection is dropped: then use returns an ErrNotFound that says so.
func (c *Collection) use(ctx context.Context, do func(ctx context.Context, g *generation) error) error {
	g, release, err := c.acquire()
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.dropped, cancel)()
	if err = do(ctx, g); errors.Is(err, context.Canceled) && c.dropped.Err() != nil {
		return c.closedError()
	}
	return err
}

// closedError is what uses of the collection fail with once it is closed: ErrClosed, or
// ErrNotFound when it was dropped.
func (c *Collection) closedError() error {
	if c.dropped.Err() == nil {
		return ErrClosed
	}
	return fmt.Errorf("collection %q was dropped: %w", c.entry.Load().Name, ErrNotFound)
}

// close stops a rewrite, waits for the calls under way and for what they have queued to
// be durable, and then frees memory and file. After drop calls end early, and what is queued
// is refused.
func (c *Collection) close() error {
	c.life.Lock()
	if c.closed {
		c.life.Unlock()
		return nil
	}
	c.closed = true
	c.life.Unlock()
	c.rewriteMu.Lock()
	if c.rewriting != nil {
		c.rewriting.cancel(nil)
	}
	c.rewriteMu.Unlock()
	c.rewrites.Wait()
	c.live.Close()
	g := c.current.Load()
	g.users.Wait() // or they would write to a closed queue
	close(c.queue)
	<-c.written
	return g.close()
}

// changeEntry makes a change to the entry durable and then visible.
func (c *Collection) changeEntry(change func(storage.Entry) (storage.Entry, error)) error {
	c.entryMu.Lock()
	defer c.entryMu.Unlock()
	e, err := change(*c.entry.Load())
	if err == nil {
		c.entry.Store(&e)
	}
	return err
}

// dims is the number of dimensions, which never changes.
func (c *Collection) dims() int { return c.current.Load().codec.profile.Dims() }

// Info describes the collection.
func (c *Collection) Info() Info {
	e, codec := c.entry.Load(), c.current.Load().codec
	wanted := codec.state
	if target := c.target(); target != nil {
		wanted = *target
	}
	return Info{
		Spec: Spec{
			Name:    e.Name,
			Dims:    codec.profile.Dims(),
			Ladder:  codec.profile.Ladder(),
			Metric:  codec.metric,
			Bits:    wanted.Profile.Bits(),
			Profile: wanted.wanted(),
			Store:   wanted.Store,
			Labels:  maps.Clone(e.Labels),
		},
		LadderGiven:        codec.state.ladderGiven(),
		ProfileInForce:     codec.profile.Kind(),
		ProfileFingerprint: codec.fingerprint,
		Created:            e.Created,
	}
}

// Count returns the number of vectors that a search can return.
func (c *Collection) Count() uint64 { return c.current.Load().view.Load().Present().Len() }

// Get reads records by id: found in the order of ids, and the ids missing.
func (c *Collection) Get(ctx context.Context, ids []string, opts ReadOptions) (found []Record, missing []string, err error) {
	if opts.Filter != "" {
		return nil, nil, invalid("filter", "set for records that are read by id, want a list")
	}
	err = c.use(ctx, func(ctx context.Context, g *generation) error {
		found, missing, err = g.get(ctx, ids, opts)
		return err
	})
	return found, missing, err
}

func (g *generation) get(ctx context.Context, ids []string, opts ReadOptions) (found []Record, missing []string, err error) {
	if opts.WithVector {
		if err := g.codec.needVectors("reading vectors"); err != nil {
			return nil, nil, err
		}
	}
	err = g.shard.View(func(r *storage.Reader) error {
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			slot, err := r.Slot(id)
			if err != nil {
				return err
			}
			if slot == storage.NoSlot {
				missing = append(missing, id)
				continue
			}
			_, metadata, err := r.Row(slot)
			if err != nil {
				return err
			}
			record, err := g.record(r, slot, id, metadata, opts)
			if err != nil {
				return err
			}
			found = append(found, record)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return found, missing, nil
}

// List returns up to n >= 1 records in the order in which they were stored, and
// the token with which the next page continues, empty at the end. The first page
// has no token. A record that does not change while one pages is listed exactly
// once. *InvalidError with field filter, and with page_token, also when the filter is another or
// the collection was rewritten between two pages: the listing starts anew then.
func (c *Collection) List(ctx context.Context, n int, token string, opts ReadOptions) (page []Record, next string, err error) {
	err = c.use(ctx, func(ctx context.Context, g *generation) error {
		page, next, err = c.list(ctx, g, n, token, opts)
		return err
	})
	return page, next, err
}

func (c *Collection) list(ctx context.Context, g *generation, n int, token string, opts ReadOptions) ([]Record, string, error) {
	if opts.WithVector {
		if err := g.codec.needVectors("reading vectors"); err != nil {
			return nil, "", err
		}
	}
	if opts.Filter != "" {
		return c.listWhere(ctx, g, n, token, opts)
	}
	from, err := c.parseListToken(g, token, nil)
	if err != nil {
		return nil, "", err
	}
	var records []Record
	next := ""
	err = g.shard.View(func(r *storage.Reader) error {
		return r.Rows(from, func(slot uint64, id, metadata []byte) (bool, error) {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if len(records) == n {
				next = c.listToken(g, slot, nil)
				return false, nil
			}
			record, err := g.record(r, slot, string(id), metadata, opts)
			records = append(records, record)
			return true, err
		})
	})
	if err != nil {
		return nil, "", err
	}
	return records, next, nil
}

// A list token is version, hash of the collection's id, generation, the row to go on from, and a
// hash of the filter if there is one: the rows of another generation have other numbers, and those
// of another collection, to which an alias was switched between two pages, are others.
const (
	listTokenVersion = 3
	listTokenBytes   = 1 + 8 + 8 + 8
)

// idHash tells the collection from others of its name.
func (c *Collection) idHash() uint64 { return crc64.Checksum([]byte(c.entry.Load().ID), hashTable) }

func (c *Collection) listToken(g *generation, slot uint64, filterHash []byte) string {
	b := binary.BigEndian.AppendUint64([]byte{listTokenVersion}, c.idHash())
	b = binary.BigEndian.AppendUint64(b, g.codec.state.Generation)
	b = binary.BigEndian.AppendUint64(b, slot)
	return base64.RawURLEncoding.EncodeToString(append(b, filterHash...))
}

func (c *Collection) parseListToken(g *generation, token string, filterHash []byte) (uint64, error) {
	if token == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < listTokenBytes || b[0] != listTokenVersion {
		return 0, invalid("page_token", "%.50q is not a token that a list has returned", token)
	}
	if !bytes.Equal(b[listTokenBytes:], filterHash) {
		return 0, invalid("page_token", "belongs to a list with another filter")
	}
	if binary.BigEndian.Uint64(b[1:]) != c.idHash() {
		return 0, invalid("page_token", "belongs to another collection, which had this name when the page before was listed: list from the start")
	}
	if binary.BigEndian.Uint64(b[9:]) != g.codec.state.Generation {
		return 0, invalid("page_token", "the collection was rewritten since the page before: list from the start")
	}
	return binary.BigEndian.Uint64(b[17:]), nil
}

// Stats measures the collection.
func (c *Collection) Stats() (Stats, error) {
	rewriting, rewriteError := c.rewriteStats() // first, so that what a rewrite that is over did is seen
	g, release, err := c.acquire()
	if err != nil {
		return Stats{}, err
	}
	defer release()
	var state storage.State
	err = g.shard.View(func(r *storage.Reader) error {
		state = r.State()
		return nil
	})
	if err != nil {
		return Stats{}, err
	}
	fault := ""
	if err := c.Health(); err != nil {
		fault = err.Error()
	}
	size, free, err := g.shard.Size()
	if err != nil && fault == "" { // a file that is gone has no size
		return Stats{}, err
	}
	schema := g.shard.Schema()
	parts := schema.Parts(state.Next)
	return Stats{
		Vectors:              state.Live,
		Retired:              state.Next - state.Live,
		Dropped:              g.codec.state.Dropped,
		Sealed:               state.Next - state.Next%uint64(schema.BlockRows),
		MemoryBytes:          g.view.Load().MemoryBytes(),
		FilterBytes:          g.columns.Bytes(),
		DiskBytes:            uint64(size),
		DiskFreeBytes:        uint64(free),
		CodeBytesPerVector:   uint64(g.codec.profile.RowBytes()),
		VectorBytesPerVector: uint64(schema.VectorBytes),
		DiskCodes:            parts.Codes,
		DiskVectors:          parts.Vectors,
		DiskRows:             uint64(max(0, size-free-int64(parts.Codes+parts.Vectors))),
		Commits:              state.Commits,
		Kernel:               hamming.Kernel(),
		ProfileFingerprint:   g.codec.fingerprint,
		Live:                 c.live.Stats(),
		Rewrite:              rewriting,
		RewriteError:         rewriteError,
		Fault:                fault,
	}, nil
}

// Check reads everything on disk and proves every rule of storage/FORMAT.md, and
// that every vector is one that could have been stored and has the code that the
// profile gives it. Searches and writes go on meanwhile. Damage is in the report;
// the error is for what kept Check from reading.
func (c *Collection) Check(ctx context.Context) (CheckReport, error) {
	var report CheckReport
	err := c.use(ctx, func(ctx context.Context, g *generation) error {
		found, err := g.shard.Check(ctx, g.codec.check())
		report = CheckReport(found)
		if fault := c.Health(); fault != nil {
			report.Problems = append(report.Problems, fault.Error())
		}
		return err
	})
	return report, err
}

// CheckPages proves the structure of the file's pages, which Check takes for
// granted, and returns what is wrong with it, a line each. Writes wait meanwhile. A
// damaged page can end the process: this is for one that does nothing else.
func (c *Collection) CheckPages() ([]string, error) {
	g, release, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	return g.shard.CheckPages(), nil
}
