package client

import (
	"encoding/json"
	"fmt"

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

// WithDialOptions adds gRPC's own options after the client's: interceptors, dialers, keepalive,
// per-call credentials.
func WithDialOptions(dial ...grpc.DialOption) Option {
	return func(o *options) { o.dial = append(o.dial, dial...) }
}

// New returns a client of the server at target: host:port, or any name that gRPC
// resolves. It connects at the first call, so an unreachable server is not an
// error here. Close it when done.
func New(target string, opts ...Option) (*Client, error) {
	o := options{credentials: insecure.NewCredentials()}
	for _, opt := range opts {
		opt(&o)
	}
	if o.maxMessageBytes <= 0 {
		o.maxMessageBytes = DefaultMaxMessageBytes
	}
	dial := append([]grpc.DialOption{
		grpc.WithTransportCredentials(o.credentials),
		grpc.WithDefaultServiceConfig(serviceConfig()),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(o.maxMessageBytes),
			grpc.MaxCallSendMsgSize(o.maxMessageBytes),
			// gRPC does not retry a call that does not fit into this buffer, and its default of
			// 256 KiB holds no sizeable upsert.
			grpc.MaxRetryRPCBufferSize(o.maxMessageBytes),
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

// retried lists the methods that may be tried again: those that change nothing, and those that
// have the same effect when done twice.
var retried = map[string][]string{
	hamnestv1.CollectionService_ServiceDesc.ServiceName: {"GetCollection", "ListCollections", "GetCollectionStats"},
	hamnestv1.VectorService_ServiceDesc.ServiceName:     {"UpsertVectors", "GetVectors", "DeleteVectors", "ListVectors", "CountVectors"},
	hamnestv1.SearchService_ServiceDesc.ServiceName:     {"Search", "BatchSearch"},
	hamnestv1.AliasService_ServiceDesc.ServiceName:      {"ListAliases"},
	hamnestv1.AdminService_ServiceDesc.ServiceName:      {"Check"},
}

// serviceConfig is the gRPC service config that asks for retries, as JSON: see
// gRFC A6. The waits are 0.1, 0.2 and 0.4 s, each within a fifth.
func serviceConfig() string {
	type name struct {
		Service string `json:"service"`
		Method  string `json:"method"`
	}
	type retryPolicy struct {
		MaxAttempts          int      `json:"maxAttempts"`
		InitialBackoff       string   `json:"initialBackoff"`
		MaxBackoff           string   `json:"maxBackoff"`
		BackoffMultiplier    float64  `json:"backoffMultiplier"`
		RetryableStatusCodes []string `json:"retryableStatusCodes"`
	}
	type methodConfig struct {
		Name        []name      `json:"name"`
		RetryPolicy retryPolicy `json:"retryPolicy"`
	}
	methods := methodConfig{RetryPolicy: retryPolicy{
		MaxAttempts:          4,
		InitialBackoff:       "0.1s",
		MaxBackoff:           "2s",
		BackoffMultiplier:    2,
		RetryableStatusCodes: []string{"UNAVAILABLE"},
	}}
	for service, names := range retried {
		for _, method := range names {
			methods.Name = append(methods.Name, name{service, method})
		}
	}
	config, err := json.Marshal(map[string]any{"methodConfig": []methodConfig{methods}})
	if err != nil {
		panic("client: the service config does not marshal: " + err.Error())
	}
	return string(config)
}
