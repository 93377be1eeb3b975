package client

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// gRPC's own retries, those of a service config, stop after five attempts, long before a server
// has been restarted. So this is done here.

// DefaultRetryTime is how long a call without a deadline is tried again, unless WithRetryTime says
// otherwise.
const DefaultRetryTime = 30 * time.Second

// The waits between two attempts: the first, then each twice the one before, up to the last, and
// each within a fifth, so that clients do not come back together.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 2 * time.Second
	jitter    = .2
)

// reconnect is how often gRPC connects anew: as often as calls are tried again, or they would find
// the connection still down when the server is back.
var reconnect = backoff.Config{BaseDelay: firstWait, Multiplier: 1.6, Jitter: jitter, MaxDelay: lastWait}

// connectTimeout is how long one attempt to connect may take, at least.
const connectTimeout = 5 * time.Second

// repeatable are the methods that may be tried again: those that change nothing, and those that
// done twice are as done once.
var repeatable = map[string]bool{
	hamnestv1.CollectionService_GetCollection_FullMethodName:      true,
	hamnestv1.CollectionService_ListCollections_FullMethodName:    true,
	hamnestv1.CollectionService_GetCollectionStats_FullMethodName: true,
	hamnestv1.VectorService_UpsertVectors_FullMethodName:          true,
	hamnestv1.VectorService_GetVectors_FullMethodName:             true,
	hamnestv1.VectorService_DeleteVectors_FullMethodName:          true,
	hamnestv1.VectorService_ListVectors_FullMethodName:            true,
	hamnestv1.VectorService_CountVectors_FullMethodName:           true,
	hamnestv1.SearchService_Search_FullMethodName:                 true,
	hamnestv1.SearchService_BatchSearch_FullMethodName:            true,
	hamnestv1.AliasService_ListAliases_FullMethodName:             true,
	hamnestv1.AdminService_Check_FullMethodName:                   true,
}

// retrier is an interceptor, retry, with how long calls without a deadline are tried again.
type retrier time.Duration

// retry tries a call again while the server cannot be reached. When time runs out it returns the
// last failure, which says more than that it did.
func (r retrier) retry(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, request, reply, conn, opts...)
	if status.Code(err) != codes.Unavailable || !repeatable[method] || deletesByFilter(request) {
		return err
	}
	end, limited := ctx.Deadline()
	if !limited {
		end = time.Now().Add(time.Duration(r))
	}
	for wait := firstWait; status.Code(err) == codes.Unavailable; wait = min(2*wait, lastWait) {
		pause := time.Duration(float64(wait) * (1 + jitter*(2*rand.Float64()-1)))
		if time.Until(end) <= pause {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		err = invoke(ctx, method, request, reply, conn, opts...)
	}
	return err
}

// deletesByFilter reports whether a request would, done again, also delete what was stored since it
// was done first.
func deletesByFilter(request any) bool {
	r, is := request.(*hamnestv1.DeleteVectorsRequest)
	return is && r.GetFilter() != ""
}
