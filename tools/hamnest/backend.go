package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
)

// backend is what a command works on: a directory (local) or a server (remote),
// in the engine's own words. Errors are the engine's too: index.ErrNotFound and
// its siblings can be tested for whichever it is.
type backend interface {
	Create(ctx context.Context, spec index.Spec) (index.Info, error)
	// Collection describes one collection.
	Collection(ctx context.Context, name string) (index.Info, error)
	// Collections describes all, by name. Those that can be are described also when
	// it fails because others are damaged.
	Collections(ctx context.Context) ([]index.Info, error)
	// Update begins to change how a collection keeps its vectors; Stats says how far it is.
	Update(ctx context.Context, name string, change index.Change) (index.Info, error)
	// Drop deletes a collection and everything in it.
	Drop(ctx context.Context, name string) error
	Stats(ctx context.Context, name string) (index.Stats, error)
	// Calibrate measures what searches find and what they cost.
	Calibrate(ctx context.Context, name string, opts index.CalibrateOptions) (*index.Calibration, error)
	Check(ctx context.Context, name string) (index.CheckReport, error)

	// Ingest begins to store records in bulk.
	Ingest(ctx context.Context, name string) (ingester, error)
	Get(ctx context.Context, name string, ids []string, withVector bool) (found []index.Record, missing []string, err error)
	// Remove deletes vectors and returns how many were there.
	Remove(ctx context.Context, name string, ids []string) (int, error)
	// Records calls visit with each record in the order in which vectors were stored,
	// until it returns false.
	Records(ctx context.Context, name string, opts index.ReadOptions, visit func(rec index.Record) bool) error
	Search(ctx context.Context, name string, q index.Query) (*index.Result, error)

	Close() error
}

// ingester stores records in bulk, in the order in which they are added.
type ingester interface {
	// Add queues a record. It keeps nothing of rec.Vector and rec.Code.
	Add(ctx context.Context, rec index.Record) error
	// Close stores what is queued, unless ctx is done or an Add failed, and waits
	// for what is under way. It returns how many of the records are durable, also
	// when it fails.
	Close(ctx context.Context) (durable uint64, err error)
}

// removeBatch is how many ids one Remove call takes, and recordPage how many records
// one page has: both well within a server's default limits.
const (
	removeBatch = 1000
	recordPage  = 1000
)

const (
	envData   = "HAMNEST_DATA"
	envServer = "HAMNEST_SERVER"
)

// storeFlags are the flags that say what a command works on.
type storeFlags struct{ data, server string }

func (f *storeFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.data, "data", "", "`directory` of the collections, used without a server (default $"+envData+")")
	cmd.Flags().StringVar(&f.server, "server", "", "`host:port` of a running server (default $"+envServer+")")
}

// resolve returns the directory or the server to use, the other being empty.
func (f *storeFlags) resolve() (dir, server string, err error) {
	dir, server = f.data, f.server
	where := "--data and --server"
	if dir == "" && server == "" {
		dir, server = os.Getenv(envData), os.Getenv(envServer)
		where = envData + " and " + envServer
	}
	switch {
	case dir != "" && server != "":
		return "", "", fmt.Errorf("both %s are given (%s and %s), want one: a directory of this machine or a running server", where, dir, server)
	case dir == "" && server == "":
		return "", "", fmt.Errorf("nothing says where the collections are: give --data DIR for a directory of this machine or --server HOST:PORT for a running server (or set %s or %s)", envData, envServer)
	}
	return dir, server, nil
}

// withStore opens the backend that the flags name, runs use on it and closes it.
// create allows a directory that is not there yet.
func (f *storeFlags) withStore(cmd *cobra.Command, create bool, use func(ctx context.Context, b backend) error) (err error) {
	dir, server, err := f.resolve()
	if err != nil {
		return err
	}
	var b backend
	if server != "" {
		b, err = openRemote(server)
	} else {
		b, err = openLocal(dir, create, cmd.ErrOrStderr())
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return use(cmd.Context(), b)
}
