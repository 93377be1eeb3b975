package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// interceptUnary turns what a handler returns, or panics with, into a status.
func (s *Server) interceptUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	err = recovered(func() (err error) {
		resp, err = handler(ctx, req)
		return err
	})
	if err != nil {
		return nil, s.fail(ctx, info.FullMethod, err)
	}
	return resp, nil
}

// interceptStream does the same for streams. Streams of reflection never end by themselves, and
// end with Shutdown; our own and health watches know better when to end.
func (s *Server) interceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	run := func() error { return handler(srv, stream) }
	var err error
	if strings.HasPrefix(info.FullMethod, "/hamnest.") || info.FullMethod == healthpb.Health_Watch_FullMethodName {
		err = recovered(run)
	} else {
		ended := make(chan error, 1)
		s.streams.Go(func() { ended <- recovered(run) })
		select {
		case err = <-ended:
		case <-s.stopping:
			err = errStopping
		}
	}
	if err != nil {
		return s.fail(stream.Context(), info.FullMethod, err)
	}
	return nil
}

// fail returns err as a status error, and logs it if it is the server's fault. It is not if
// gRPC cannot decode what a client sent, which is INTERNAL too.
func (s *Server) fail(ctx context.Context, method string, err error) error {
	st := toStatus(err)
	_, ofGRPC := status.FromError(err)
	full := errors.Is(err, syscall.ENOSPC) // the operator's to mend, not the caller's
	if code := st.Code(); !ofGRPC && (code == codes.Internal || code == codes.DataLoss || full) {
		attrs := []slog.Attr{slog.String("method", method), slog.String("code", code.String()), slog.String("error", err.Error())}
		if p, ok := asError[*panicError](err); ok {
			attrs = append(attrs, slog.String("stack", string(p.stack)))
		}
		s.logger.LogAttrs(ctx, slog.LevelError, "call failed", attrs...)
	}
	return st.Err()
}

// panicError is a panic caught on its way out of a handler.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// recovered returns what f returns, or a panicError if f panics: one broken call
// must not take the others with it.
func recovered(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value, debug.Stack()}
		}
	}()
	return f()
}
