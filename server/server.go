// Package server answers the gRPC services of hamnest.v1 from an [api.Engine].
//
// A handler converts the request, makes one call of the engine and converts the answer. Around
// the handlers, limits.go refuses requests above a limit before they cost anything, and
// errors.go turns errors into gRPC statuses. Package convert, which the client shares, converts
// between wire and engine. The standard health service, which also tells of each
// collection (health.go), and server reflection are on.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// Options configures New. The zero value is ready to use; a number that is zero or less means
// its default. A request above a limit is refused with RESOURCE_EXHAUSTED, the limit's name,
// its value and the value found.
type Options struct {
	// MaxMessageBytes is the largest message received or sent. It bounds the
	// memory that one request can claim. Default 64 MiB.
	MaxMessageBytes int
	// MaxK is how many results one search may ask for. Default 10000.
	MaxK int
	// MaxCandidates is how many candidates one search may ask any stage to keep, as a count or
	// by oversampling. If a search does not ask, the engine may keep as many as it wants.
	// Default 100000.
	MaxCandidates int
	// MaxBatchSearches is how many searches one BatchSearch may hold. Default 1000.
	MaxBatchSearches int
	// MaxStreamSearches is how many searches one SearchStream may have under way; at that
	// number the server stops reading. Default 256.
	MaxStreamSearches int
	// MaxBatchVectors is how many vectors one UpsertVectors or one batch of
	// Ingest may hold, and how many ids one GetVectors or DeleteVectors.
	// Default 10000.
	MaxBatchVectors int
	// MaxDims is how many dimensions a new collection may have. Default 65536,
	// the most that a collection can have.
	MaxDims int
	// MaxConcurrentStreams is how many calls one connection may have open; more
	// wait in the client. Default 1000.
	MaxConcurrentStreams int
	// Credentials secure the connections, for instance credentials.NewTLS. Nil: everything
	// travels in the clear.
	Credentials credentials.TransportCredentials
	// UnaryInterceptors and StreamInterceptors wrap every call, the first outermost. They see
	// the status that a call ends with, and what they return is sent unchanged. The searches of
	// one SearchStream are one call to them.
	UnaryInterceptors  []grpc.UnaryServerInterceptor
	StreamInterceptors []grpc.StreamServerInterceptor
	// HTTP answers requests on the listeners of ServeHTTP. Nil: there are none.
	HTTP http.Handler
	// Logger gets a line for each call that fails with INTERNAL or DATA_LOSS, and for no other,
	// and one when something is wrong with a collection. Default slog.Default().
	Logger *slog.Logger
}

// withDefaults returns o with every unset field set.
func (o Options) withDefaults() Options {
	for _, number := range []struct {
		field *int
		value int
	}{
		{&o.MaxMessageBytes, 64 << 20},
		{&o.MaxK, 10_000},
		{&o.MaxCandidates, 100_000},
		{&o.MaxBatchSearches, 1000},
		{&o.MaxStreamSearches, 256},
		{&o.MaxBatchVectors, 10_000},
		{&o.MaxDims, api.MaxDims},
		{&o.MaxConcurrentStreams, 1000},
	} {
		if *number.field <= 0 {
			*number.field = number.value
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// A connection that has been silent for keepaliveTime is pinged, and closed keepaliveTimeout
// later, so that a client that lost power does not hold an ingest stream for ever. Clients may
// ping as often as keepaliveMinTime: gRPC's own five minutes outlast the idle timeouts of
// common load balancers.
const (
	keepaliveTime    = time.Minute
	keepaliveTimeout = 20 * time.Second
	keepaliveMinTime = 10 * time.Second
)

// Server is a gRPC server of one engine. Its methods are safe for concurrent use.
type Server struct {
	logger *slog.Logger
	grpc   *grpc.Server
	http   *http.Server
	health *healthService
	// look begins to look at the engine's health, when the first Serve does.
	look sync.Once
	// stopping is closed when Shutdown begins; streams that could go on for ever end then.
	stopping chan struct{}
	stopOnce sync.Once
	// streams counts the goroutines that outlive their handler for a moment.
	streams sync.WaitGroup
}

// service is what the handlers of every service share.
type service struct {
	engine api.Engine
	opts   Options
}

// New returns a server of an engine. The caller keeps the engine open until Shutdown has
// returned, and closes it afterwards.
func New(engine api.Engine, opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{
		logger:   opts.Logger,
		stopping: make(chan struct{}),
		http: &http.Server{
			Handler:           opts.HTTP,
			ReadHeaderTimeout: keepaliveTimeout,
			ErrorLog:          slog.NewLogLogger(opts.Logger.Handler(), slog.LevelWarn),
		},
	}
	s.grpc = grpc.NewServer(
		grpc.MaxRecvMsgSize(opts.MaxMessageBytes),
		grpc.MaxSendMsgSize(opts.MaxMessageBytes),
		grpc.MaxConcurrentStreams(uint32(min(opts.MaxConcurrentStreams, 1<<31-1))),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMinTime, PermitWithoutStream: true}),
		grpc.Creds(opts.Credentials),
		grpc.ChainUnaryInterceptor(append(slices.Clone(opts.UnaryInterceptors), s.interceptUnary)...),
		grpc.ChainStreamInterceptor(append(slices.Clone(opts.StreamInterceptors), s.interceptStream)...),
		// Without this a hard stop would return while handlers still use the database that the
		// caller is about to close.
		grpc.WaitForHandlers(true),
	)

	shared := service{engine: engine, opts: opts}
	hamnestv1.RegisterCollectionServiceServer(s.grpc, &collectionService{service: shared})
	hamnestv1.RegisterVectorServiceServer(s.grpc, &vectorService{service: shared, stopping: s.stopping, streams: &s.streams})
	hamnestv1.RegisterSearchServiceServer(s.grpc, &searchService{service: shared, stopping: s.stopping, streams: &s.streams, fail: s.fail})
	hamnestv1.RegisterAliasServiceServer(s.grpc, &aliasService{service: shared})
	hamnestv1.RegisterAdminServiceServer(s.grpc, &adminService{service: shared})
	s.health = newHealthService(engine, opts.Logger, s.stopping)
	for service := range s.grpc.GetServiceInfo() {
		s.health.services = append(s.health.services, service)
	}
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s
}

// Serve accepts connections on lis and answers them until Shutdown, then returns nil; it
// returns at once if Shutdown came first. It closes lis. Several listeners can be served at
// once.
func (s *Server) Serve(lis net.Listener) error {
	s.look.Do(func() { s.health.background.Go(s.health.keepLooking) })
	if err := s.grpc.Serve(lis); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// ServeHTTP accepts connections on lis for Options.HTTP until Shutdown, as Serve does for gRPC.
// It fails without Options.HTTP. Each of the two has its own listener, because gRPC is faster
// on its own transport, and nothing has to guess what a connection speaks. Options.Credentials
// do not cover lis: use tls.NewListener.
func (s *Server) ServeHTTP(lis net.Listener) error {
	if s.http.Handler == nil {
		return errors.Join(errors.New("server: ServeHTTP without Options.HTTP"), lis.Close())
	}
	if err := s.http.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops the server: health turns to NOT_SERVING, no new call is accepted, and running
// calls, including HTTP requests, finish. An ingest stream acknowledges every batch it has
// received, a search stream answers every search, and both end with UNAVAILABLE. If ctx ends
// first, the remaining calls are cancelled, and the error is that of the context. Once Shutdown
// has returned, nothing uses the database any more; Shutdown does not close it.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopOnce.Do(func() {
		close(s.stopping)
	})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.grpc.GracefulStop()
	}()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	select {
	case <-finished:
	case <-ctx.Done():
		err = ctx.Err()
		s.grpc.Stop()
		<-finished
	}
	s.streams.Wait()
	s.health.background.Wait()
	return err
}
