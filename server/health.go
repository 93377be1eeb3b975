package server

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/hamnest/hamnest/index/api"
)

// The services that grpc.health.v1 is asked about, beside those of hamnest.v1:
//
//   - "" is all there is: NOT_SERVING when anything is wrong with any collection.
//   - "hamnest.v1.SearchService" and the others answer calls, for the collections that can be
//     used. A damaged collection does not turn them off, so that load balancers and clients that
//     ask about them still reach the sound ones.
//   - "collections/NAME" is one collection: NOT_SERVING when it cannot be opened, or when its
//     writes are refused because its file is gone, say.
const collectionHealth = "collections/"

// healthInterval is how often the engine is looked at while nobody asks.
const healthInterval = time.Second

// healthService answers grpc.health.v1 by what the engine says of its collections. Check and
// List look at the engine; Watch is told what others have seen, at the latest an interval later.
type healthService struct {
	healthpb.UnimplementedHealthServer
	engine   api.Engine
	logger   *slog.Logger
	services []string // of hamnest.v1
	stopping <-chan struct{}

	background sync.WaitGroup // keepLooking
	looking    sync.Mutex     // held while the engine is looked at

	mu      sync.Mutex
	faults  map[string]string // by collection: what is wrong, empty for nothing; never changed
	changed chan struct{}     // closed when faults are replaced
}

func newHealthService(engine api.Engine, logger *slog.Logger, stopping <-chan struct{}) *healthService {
	return &healthService{engine: engine, logger: logger, stopping: stopping, changed: make(chan struct{})}
}

// keepLooking looks at the engine until the server stops.
func (h *healthService) keepLooking() {
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	for !isClosed(h.stopping) {
		// What keeps it from looking, a panic of the engine even, is told to whoever asks.
		_ = recovered(func() error { return h.look(context.Background()) })
		select {
		case <-ticker.C:
		case <-h.stopping:
		}
	}
}

// look asks the engine what is wrong with its collections, and logs a line for each of which
// that has changed.
func (h *healthService) look(ctx context.Context) error {
	h.looking.Lock()
	defer h.looking.Unlock()
	faults := make(map[string]string)
	for info, err := range h.engine.Collections(ctx) {
		if err != nil {
			return err
		}
		fault, is, err := h.fault(ctx, info.Name)
		if err != nil {
			return err
		}
		if is {
			faults[info.Name] = fault
		}
	}
	h.mu.Lock()
	before := h.faults
	if before != nil && maps.Equal(before, faults) {
		h.mu.Unlock()
		return nil
	}
	h.faults = faults
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		switch fault := faults[name]; fault {
		case before[name]:
		case "":
			h.logger.Info("collection is well again", "collection", name)
		default:
			h.logger.Error("collection cannot be used as it should", "collection", name, "error", fault)
		}
	}
	return nil
}

// fault returns what is wrong with a collection; is is false when there is no such collection
// any more. The error is that ctx has ended.
func (h *healthService) fault(ctx context.Context, name string) (fault string, is bool, err error) {
	stats, err := h.engine.Stats(ctx, name)
	switch {
	case err == nil:
		return stats.Fault, true, nil
	case ctx.Err() != nil:
		return "", false, ctx.Err()
	case errors.Is(err, api.ErrNotFound):
		return "", false, nil
	}
	return err.Error(), true, nil
}

// statuses returns the status of every service, and what is closed when it may have changed.
func (h *healthService) statuses() (map[string]healthpb.HealthCheckResponse_ServingStatus, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	const well, ill = healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING
	all := map[string]healthpb.HealthCheckResponse_ServingStatus{"": well}
	for _, service := range h.services {
		all[service] = well
	}
	for name, fault := range h.faults {
		all[collectionHealth+name] = well
		if fault != "" {
			all[collectionHealth+name], all[""] = ill, ill
		}
	}
	if isClosed(h.stopping) {
		for service := range all {
			all[service] = ill
		}
	}
	return all, h.changed
}

// Check says whether one service serves.
func (h *healthService) Check(ctx context.Context, req *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if err := h.lookUnlessStopping(ctx); err != nil {
		return nil, err
	}
	all, _ := h.statuses()
	serving, known := all[req.GetService()]
	if !known {
		if name, is := strings.CutPrefix(req.GetService(), collectionHealth); is {
			return nil, status.Errorf(codes.NotFound, "there is no collection %q", clip(name, maxFieldText))
		}
		return nil, status.Errorf(codes.NotFound, "there is no service %q", clip(req.GetService(), maxFieldText))
	}
	return &healthpb.HealthCheckResponse{Status: serving}, nil
}

// List says of every service whether it serves.
func (h *healthService) List(ctx context.Context, _ *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	if err := h.lookUnlessStopping(ctx); err != nil {
		return nil, err
	}
	all, _ := h.statuses()
	list := &healthpb.HealthListResponse{Statuses: make(map[string]*healthpb.HealthCheckResponse, len(all))}
	for service, serving := range all {
		list.Statuses[service] = &healthpb.HealthCheckResponse{Status: serving}
	}
	return list, nil
}

// lookUnlessStopping looks at the engine, which may be closed once the server has stopped.
func (h *healthService) lookUnlessStopping(ctx context.Context) error {
	if isClosed(h.stopping) {
		return nil
	}
	return h.look(ctx)
}

// Watch says whether one service serves, and again whenever that changes. One that is not there
// is SERVICE_UNKNOWN until it is.
func (h *healthService) Watch(req *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	if err := h.lookUnlessStopping(stream.Context()); err != nil {
		return err
	}
	told := healthpb.HealthCheckResponse_UNKNOWN
	for {
		all, changed := h.statuses()
		serving, known := all[req.GetService()]
		if !known {
			serving = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		}
		if serving != told {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: serving}); err != nil {
				return err
			}
			told = serving
		}
		if isClosed(h.stopping) {
			return errStopping
		}
		select {
		case <-changed:
		case <-h.stopping:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
