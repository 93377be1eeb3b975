package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/hamming"
	"github.com/hamnest/hamnest/server"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	data            string
	listen          string
	shutdownTimeout time.Duration
	limits          server.Options
	trustOlderCodes bool
	liveQueries     int
	liveChecks      float64
	compactAt       float64
}

func serveCommand() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer gRPC requests on a directory of collections",
		Long: `Serve opens a directory of collections, or makes it, and answers the gRPC services of
hamnest.v1 on an address. Meanwhile no other process can use the directory. Health checks
and server reflection are on. Serve logs to standard error, one line for each event.

On SIGTERM or Ctrl-C the server stops in order: it accepts no new calls, lets running
ones finish within --shutdown-timeout, and closes the files. A second signal kills it.
Acknowledged writes are durable even then.

A request above a limit is refused; the error gives the name and the value of the limit.

With --live-queries and --live-checks, a server measures its own searches. Hamnest stats
shows the results, which are kept in memory until the server stops.`,
		Example: `  hamnest serve --data ./vectors
  hamnest serve --data /var/lib/hamnest --listen 0.0.0.0:7700 --max-k 1000`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if flags.data, err = dataDir(flags.data); err != nil {
				return err
			}
			if flags.liveQueries < 0 || flags.liveQueries > index.MaxLiveQueries {
				return fmt.Errorf("--live-queries is %d, want 0 to %d", flags.liveQueries, index.MaxLiveQueries)
			}
			logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return flags.serve(cmd.Context(), logger)
		},
	}
	f := cmd.Flags()
	addData(cmd, &flags.data)
	f.StringVar(&flags.listen, "listen", "127.0.0.1:7700", "`address` to listen on; with port 0, a free port that the log names")
	f.DurationVar(&flags.shutdownTimeout, "shutdown-timeout", 30*time.Second, "how long running calls may take to finish when the server stops")
	f.IntVar(&flags.limits.MaxMessageBytes, "max-message-bytes", 64<<20, "largest message to receive or send, in bytes")
	f.IntVar(&flags.limits.MaxK, "max-k", 10_000, "most results that one search may ask for")
	f.IntVar(&flags.limits.MaxCandidates, "max-candidates", 100_000, "most candidates that one search may ask for")
	f.IntVar(&flags.limits.MaxBatchSearches, "max-batch-searches", 1000, "most searches in one batch")
	f.IntVar(&flags.limits.MaxStreamSearches, "max-stream-searches", 256, "most searches that run at a time on one search stream; more wait in the client")
	f.IntVar(&flags.limits.MaxBatchVectors, "max-batch-vectors", 10_000, "most vectors, or ids, in one request")
	f.IntVar(&flags.limits.MaxDims, "max-dims", 65_536, "most dimensions that a new collection may have")
	f.IntVar(&flags.limits.MaxConcurrentStreams, "max-concurrent-streams", 1000, "most calls that one connection may have open")
	f.IntVar(&flags.liveQueries, "live-queries", 0, fmt.Sprintf("number of recent queries to remember for each collection, at most %d, for hamnest calibrate --live", index.MaxLiveQueries))
	addTrustOlderCodes(cmd, &flags.trustOlderCodes)
	f.Float64Var(&flags.liveChecks, "live-checks", 0, "share of searches, 0 to 1, to repeat exactly in the background, one at a time, to measure their recall")
	f.Float64Var(&flags.compactAt, "compact-at", 0, "share of a collection's rows, up to 1 for never, that are replaced or deleted when it is compacted by itself (default a third)")
	addThreads(cmd)
	return cmd
}

// serve answers requests until ctx ends, then finishes running calls and closes the
// files.
func (f *serveFlags) serve(ctx context.Context, logger *slog.Logger) (err error) {
	db, err := openDB(f.data, index.Options{Logger: logger, TrustOlderCodes: f.trustOlderCodes, LiveQueries: f.liveQueries, LiveChecks: f.liveChecks, CompactAt: f.compactAt})
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, db.Close()); err == nil {
			logger.Info("stopped")
		}
	}()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", f.listen)
	if err != nil {
		return err
	}
	f.limits.Logger = logger
	s := server.New(db, f.limits)
	defer runtime.KeepAlive(make([]byte, untouchedBytes))
	go giveBackMemory(ctx)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	logger.Info("serving", "address", listener.Addr().String(), "data", f.data, "kernel", hamming.Kernel(), "collections", len(db.Names()))

	select {
	case err := <-served:
		return errors.Join(err, f.stop(context.WithoutCancel(ctx), s))
	case <-ctx.Done():
	}
	logger.Info("stopping", "timeout", f.shutdownTimeout)
	// The signal that ended ctx asks to stop. It must not interrupt the stopping itself.
	err = f.stop(context.WithoutCancel(ctx), s)
	return errors.Join(err, <-served)
}

// stop shuts the server down. It returns an error if it had to cancel calls.
func (f *serveFlags) stop(ctx context.Context, s *server.Server) error {
	ctx, cancel := context.WithTimeout(ctx, f.shutdownTimeout)
	defer cancel()
	err := s.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("calls were still running after --shutdown-timeout %v and were cancelled", f.shutdownTimeout)
	}
	return err
}
