package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/client"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
)

// removeBatch is how many ids one Delete call takes, well within a server's default limits.
const removeBatch = 1000

// serverWait is how long a command waits for a server that cannot be reached: long enough for one
// that is being restarted, and short enough for whoever has mistyped its address.
const serverWait = 4 * time.Second

const (
	envData   = "HAMNEST_DATA"
	envServer = "HAMNEST_SERVER"
)

// addData adds the flag of a command that works on a directory only.
func addData(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "data", "", "`directory` of the collections (default $"+envData+")")
}

// dataDir returns the directory that addData's flag names, or the environment.
func dataDir(flag string) (string, error) {
	dir := cmp.Or(flag, os.Getenv(envData))
	if dir == "" {
		return "", fmt.Errorf("found no directory of collections: give --data DIR (or set %s)", envData)
	}
	return dir, nil
}

// storeFlags are the flags that say what a command works on.
type storeFlags struct{ data, server string }

func (f *storeFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.data, "data", "", "`directory` of the collections, used without a server (default $"+envData+")")
	cmd.Flags().StringVar(&f.server, "server", "", "`host:port` of a running server, or unix:PATH; port "+defaultPort+" when none is given (default $"+envServer+")")
	completeNames(cmd, f)
}

// resolve returns the directory or the server to use; the other one is empty.
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
		return "", "", fmt.Errorf("found neither a directory of collections nor a server: give --data DIR for a directory of this machine or --server HOST:PORT for a running server (or set %s or %s)", envData, envServer)
	}
	if server != "" {
		server, err = serverAddress(server)
	}
	return dir, server, err
}

// withStore opens what the flags name, calls use and closes it again. With create, the directory
// need not exist.
func (f *storeFlags) withStore(cmd *cobra.Command, create bool, use func(ctx context.Context, e api.Engine) error) error {
	return f.with(cmd, index.Options{MustExist: !create}, use)
}

// withReader is withStore for a command that changes nothing. The directory may be read-only, and
// other processes may read it meanwhile.
func (f *storeFlags) withReader(cmd *cobra.Command, use func(ctx context.Context, e api.Engine) error) error {
	return f.with(cmd, index.Options{ReadOnly: true}, use)
}

func (f *storeFlags) with(cmd *cobra.Command, opts index.Options, use func(ctx context.Context, e api.Engine) error) (err error) {
	dir, target, err := f.resolve()
	if err != nil {
		return err
	}
	var e api.Engine
	if target != "" {
		e, err = client.New(target, client.WithRetryTime(serverWait))
	} else {
		e, err = openLocal(dir, opts, cmd.ErrOrStderr())
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	err = use(cmd.Context(), e)
	if errors.Is(err, api.ErrUnavailable) {
		return fmt.Errorf("server %s cannot be reached: %w", target, err)
	}
	return err
}

// openLocal opens a directory. Problems outside any call are logged to messages.
func openLocal(dir string, opts index.Options, messages io.Writer) (*index.DB, error) {
	opts.Logger = warnings(messages)
	return openDB(dir, opts)
}

// warnings returns a logger of warnings and errors.
func warnings(messages io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(messages, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// openDB opens a directory, or says what to do instead.
func openDB(dir string, opts index.Options) (*index.DB, error) {
	db, err := index.Open(dir, opts)
	switch {
	case errors.Is(err, index.ErrLocked):
		return nil, fmt.Errorf("another process has %s open; use --server HOST:PORT to reach it (%w)", dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no directory %s; hamnest collection create and hamnest ingest --create make one", dir)
	case err != nil:
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	return db, nil
}

// streamed is a server to which searches go over a stream, which is faster for many searches.
type streamed struct {
	api.Engine
	stream *client.SearchStream
}

// Search searches over the stream.
func (s streamed) Search(ctx context.Context, name string, q api.Query) (*api.Result, error) {
	return s.stream.Search(ctx, name, q)
}

// overStream returns e, which searches over a stream if it is a server, and a function that ends
// the stream.
func overStream(ctx context.Context, e api.Engine) (api.Engine, func(), error) {
	c, ok := e.(*client.Client)
	if !ok {
		return e, func() {}, nil
	}
	stream, err := c.SearchStream(ctx)
	if err != nil {
		return nil, nil, err
	}
	return streamed{e, stream}, stream.Close, nil
}
