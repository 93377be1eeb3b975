package client

import (
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

var _ api.Engine = (*Client)(nil)

// Client is a connection to a server. It implements api.Engine and is safe for concurrent use.
type Client struct {
	conn            *grpc.ClientConn
	collections     hamnestv1.CollectionServiceClient
	vectors         hamnestv1.VectorServiceClient
	searches        hamnestv1.SearchServiceClient
	aliases         hamnestv1.AliasServiceClient
	admin           hamnestv1.AdminServiceClient
	maxMessageBytes int
}

// Option changes what New makes.
type Option func(*options)

type options struct {
	credentials     credentials.TransportCredentials
	maxMessageBytes int
	retryTime       time.Duration
	dial            []grpc.DialOption
}

// DefaultMaxMessageBytes is the largest message that a client sends and accepts by default; a
// server has the same default.
const DefaultMaxMessageBytes = 64 << 20

// WithTransportCredentials secures the connection, for instance with
// credentials.NewTLS. Without it everything travels in the clear.
func WithTransportCredentials(creds credentials.TransportCredentials) Option {
	return func(o *options) { o.credentials = creds }
}

// WithMaxMessageBytes sets the largest message to send and accept; zero or less means
// DefaultMaxMessageBytes. The server has a limit of its own.
func WithMaxMessageBytes(n int) Option {
	return func(o *options) { o.maxMessageBytes = n }
}

// WithRetryTime sets how long a call whose context has no deadline is tried again while the
// server cannot be reached; zero or less is not at all. See the package's section on retries.
func WithRetryTime(d time.Duration) Option {
	return func(o *options) { o.retryTime = d }
}

// WithDialOptions adds gRPC's own options after the client's: interceptors, dialers, keepalive,
// per-call credentials.
func WithDialOptions(dial ...grpc.DialOption) Option {
	return func(o *options) { o.dial = append(o.dial, dial...) }
}

// New returns a client of the server at target: host:port, or any name that gRPC
// resolves. It connects at the first call, so an unreachable server is not an
// error here. Close it when done.
func New(target string, opts ...Option) (*Client, error) {
	o := options{credentials: insecure.NewCredentials(), retryTime: DefaultRetryTime}
	for _, opt := range opts {
		opt(&o)
	}
	if o.maxMessageBytes <= 0 {
		o.maxMessageBytes = DefaultMaxMessageBytes
	}
	dial := append([]grpc.DialOption{
		grpc.WithTransportCredentials(o.credentials),
		grpc.WithChainUnaryInterceptor(retrier(o.retryTime).retry),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: connectTimeout}),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(o.maxMessageBytes),
			grpc.MaxCallSendMsgSize(o.maxMessageBytes),
		),
	}, o.dial...)
	conn, err := grpc.NewClient(target, dial...)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &Client{
		conn:            conn,
		collections:     hamnestv1.NewCollectionServiceClient(conn),
		vectors:         hamnestv1.NewVectorServiceClient(conn),
		searches:        hamnestv1.NewSearchServiceClient(conn),
		aliases:         hamnestv1.NewAliasServiceClient(conn),
		admin:           hamnestv1.NewAdminServiceClient(conn),
		maxMessageBytes: o.maxMessageBytes,
	}, nil
}

// Close ends the connection. Calls under way fail.
func (c *Client) Close() error {
	return c.conn.Close()
}
