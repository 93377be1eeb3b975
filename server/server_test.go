package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// harness is a server of a database in a temporary directory, and clients of it.
type harness struct {
	db     *index.DB
	server *Server
	conn   *grpc.ClientConn
	logs   *logBuffer

	collections hamnestv1.CollectionServiceClient
	vectors     hamnestv1.VectorServiceClient
	searches    hamnestv1.SearchServiceClient
	aliases     hamnestv1.AliasServiceClient
	admin       hamnestv1.AdminServiceClient
}

// start serves a new database over bufconn until the test ends.
func start(t *testing.T, opts Options) *harness {
	t.Helper()
	return startDir(t, t.TempDir(), opts)
}

func startDir(t *testing.T, dir string, opts Options) *harness {
	t.Helper()
	db, err := index.Open(dir, index.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return serveOver(t, db, opts)
}

// serveOver serves db over bufconn until the test ends.
func serveOver(t *testing.T, db *index.DB, opts Options) *harness {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) })
	return serve(t, db, lis, "passthrough:///bufnet", opts, dial)
}

// serve serves db on lis until the test ends.
func serve(t *testing.T, db *index.DB, lis net.Listener, target string, opts Options, dial ...grpc.DialOption) *harness {
	t.Helper()
	h := &harness{db: db, logs: &logBuffer{}}
	opts.Logger = slog.New(slog.NewTextHandler(h.logs, nil))
	h.server = New(db, opts)
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(lis) }()
	t.Cleanup(func() {
		if err := h.server.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	dial = append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	var err error
	if h.conn, err = grpc.NewClient(target, dial...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.conn.Close(); err != nil {
			t.Errorf("close the connection: %v", err)
		}
	})
	h.collections = hamnestv1.NewCollectionServiceClient(h.conn)
	h.vectors = hamnestv1.NewVectorServiceClient(h.conn)
	h.searches = hamnestv1.NewSearchServiceClient(h.conn)
	h.aliases = hamnestv1.NewAliasServiceClient(h.conn)
	h.admin = hamnestv1.NewAdminServiceClient(h.conn)
	return h
}

// logBuffer holds what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// testDims are the dimensions of the collection that most tests use: two words,
// and a ladder step at the first.
const testDims = 128

// collection makes a collection of testDims dimensions.
func (h *harness) collection(t *testing.T, name string) *index.Collection {
	t.Helper()
	return h.collectionOf(t, name, encoder.Signs)
}

func (h *harness) collectionOf(t *testing.T, name string, profile encoder.Kind) *index.Collection {
	t.Helper()
	c, err := h.db.Create(t.Context(), index.Spec{Name: name, Dims: testDims, Ladder: []int{64, testDims}, Profile: profile})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// learnedDims and learnedRows make a collection that has learned codes, just.
const learnedDims, learnedRows = 1024, 1100

// learned makes a collection with codes that were learned from its vectors, which it
// returns.
func (h *harness) learned(t *testing.T, name string) []index.Record {
	t.Helper()
	c, err := h.db.Create(t.Context(), index.Spec{Name: name, Dims: learnedDims})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(2, 0))
	records := make([]index.Record, learnedRows)
	for i := range records {
		records[i] = index.Record{ID: fmt.Sprintf("id-%04d", i), Vector: make([]float32, learnedDims)}
		for j := range records[i].Vector { // the first components have most of the energy
			records[i].Vector[j] = float32(rng.NormFloat64() / float64(1+j))
		}
	}
	if err := c.Upsert(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kind := c.Info().ProfileInForce; kind != encoder.Learned {
		t.Fatalf("profile %v is in force with %d vectors of %d dims", kind, learnedRows, learnedDims)
	}
	return records
}

// filled makes the collection docs with n vectors, "id-0000" and on, and returns them.
func (h *harness) filled(t *testing.T, n int) []index.Record {
	t.Helper()
	c := h.collection(t, "docs")
	records := randomRecords(n)
	if err := c.Upsert(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	return records
}

func randomRecords(n int) []index.Record {
	rng := rand.New(rand.NewPCG(1, 0))
	records := make([]index.Record, n)
	for i := range records {
		records[i] = index.Record{
			ID:       fmt.Sprintf("id-%04d", i),
			Vector:   randomVector(rng),
			Metadata: fmt.Appendf(nil, `{"n":%d}`, i),
		}
	}
	return records
}

func randomVector(rng *rand.Rand) []float32 {
	v := make([]float32, testDims)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// packed returns v as it goes on the wire.
func packed(v ...float32) *hamnestv1.Vector {
	return &hamnestv1.Vector{Float32Le: floats.Append(nil, v)}
}

// wantCode returns the status of err, which must have the code.
func wantCode(t *testing.T, err error, code codes.Code) *status.Status {
	t.Helper()
	st, _ := status.FromError(err)
	if st.Code() != code {
		t.Fatalf("got %v: %v, want %v", st.Code(), err, code)
	}
	return st
}

// detail returns the only detail of a status, which must be a T.
func detail[T any](t *testing.T, st *status.Status) T {
	t.Helper()
	if len(st.Details()) != 1 {
		t.Fatalf("status %v has %d details, want 1", st, len(st.Details()))
	}
	d, ok := st.Details()[0].(T)
	if !ok {
		t.Fatalf("status %v has a detail %T, want %T", st, st.Details()[0], d)
	}
	return d
}

func TestOptions(t *testing.T) {
	defaults := Options{}.withDefaults()
	want := Options{
		MaxMessageBytes: 64 << 20, MaxK: 10_000, MaxCandidates: 100_000, MaxBatchSearches: 1000,
		MaxStreamSearches: 256, MaxBatchVectors: 10_000, MaxDims: 65536, MaxConcurrentStreams: 1000, Logger: slog.Default(),
	}
	if !reflect.DeepEqual(defaults, want) {
		t.Errorf("zero Options become %+v, want %+v", defaults, want)
	}
	given := Options{MaxK: 7, MaxDims: -1}.withDefaults()
	if given.MaxK != 7 || given.MaxDims != 65536 {
		t.Errorf("MaxK 7 and MaxDims -1 become %d and %d, want 7 and the default 65536", given.MaxK, given.MaxDims)
	}
}

func TestServesOverTCP(t *testing.T) {
	db, err := index.Open(t.TempDir(), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := serve(t, db, lis, lis.Addr().String(), Options{})
	records := h.filled(t, 20)
	resp, err := h.searches.Search(t.Context(), &hamnestv1.SearchRequest{
		Collection: "docs", Query: &hamnestv1.SearchRequest_Vector{Vector: packed(records[7].Vector...)}, K: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.GetHits()) != 1 || resp.GetHits()[0].GetId() != records[7].ID {
		t.Errorf("hits %v, want %s alone", resp.GetHits(), records[7].ID)
	}
}

var serviceNames = []string{
	"hamnest.v1.AdminService", "hamnest.v1.AliasService", "hamnest.v1.CollectionService", "hamnest.v1.SearchService", "hamnest.v1.VectorService",
}

func TestHealth(t *testing.T) {
	h := start(t, Options{})
	client := healthpb.NewHealthClient(h.conn)
	for _, service := range append([]string{""}, serviceNames...) {
		resp, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("service %q: %v, %v, want SERVING", service, resp.GetStatus(), err)
		}
	}
	_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "hamnest.v1.NoSuchService"})
	wantCode(t, err, codes.NotFound)
}

func TestReflectionListsTheServices(t *testing.T) {
	h := start(t, Options{})
	stream, err := reflectionpb.NewServerReflectionClient(h.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range resp.GetListServicesResponse().GetService() {
		got = append(got, s.GetName())
	}
	// Some versions of grpcurl speak v1alpha only.
	want := append([]string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}, serviceNames...)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("services %q, want %q", got, want)
	}
}

func TestShutdownTurnsHealthOffAndRefusesNewCalls(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	if err := h.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	resp, err := h.server.health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "hamnest.v1.SearchService"})
	if err != nil || resp.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health is %v, %v, want NOT_SERVING", resp.GetStatus(), err)
	}
	_, err = h.vectors.CountVectors(t.Context(), &hamnestv1.CountVectorsRequest{Collection: "docs"})
	wantCode(t, err, codes.Unavailable)
	if _, err := h.db.Collection("docs"); err != nil {
		t.Errorf("the database after Shutdown: %v, want it open", err)
	}
}

func TestServeAfterShutdownReturnsAtOnce(t *testing.T) {
	s := New(nil, Options{})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	lis := bufconn.Listen(1)
	if err := s.Serve(lis); err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
	if _, err := lis.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}

func TestShutdownEndsStreamsThatWouldGoOnForEver(t *testing.T) {
	h := start(t, Options{})
	watch, err := healthpb.NewHealthClient(h.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	reflection, err := reflectionpb.NewServerReflectionClient(h.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := reflection.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := reflection.Recv(); err != nil {
		t.Fatal(err)
	}
	silent, err := h.vectors.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	searches, err := h.searches.SearchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if err := h.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for err == nil { // NOT_SERVING may come first
		_, err = watch.Recv()
	}
	wantCode(t, err, codes.Unavailable)
	_, err = reflection.Recv()
	wantCode(t, err, codes.Unavailable)
	_, err = silent.Recv()
	wantCode(t, err, codes.Unavailable)
	_, err = searches.Recv()
	wantCode(t, err, codes.Unavailable)
}

func TestShutdownIsHardWhenItsContextEnds(t *testing.T) {
	entered, cancelled := make(chan struct{}), make(chan struct{})
	// A call that ends only when it is cancelled stands in for a very long search.
	s := New(nil, Options{})
	s.grpc = grpc.NewServer(grpc.WaitForHandlers(true))
	hamnestv1.RegisterVectorServiceServer(s.grpc, &stuckService{entered: entered, cancelled: cancelled})
	lis := bufconn.Listen(1 << 10)
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///stuck", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan error, 1)
	go func() {
		_, err := hamnestv1.NewVectorServiceClient(conn).CountVectors(context.Background(), &hamnestv1.CountVectorsRequest{})
		called <- err
	}()
	<-entered

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown returned %v, want the context's error", err)
	}
	select {
	case <-cancelled:
	default:
		t.Error("Shutdown returned before the handler had")
	}
	wantCode(t, <-called, codes.Unavailable)
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

type stuckService struct {
	hamnestv1.UnimplementedVectorServiceServer
	entered, cancelled chan struct{}
}

func (s *stuckService) CountVectors(ctx context.Context, _ *hamnestv1.CountVectorsRequest) (*hamnestv1.CountVectorsResponse, error) {
	close(s.entered)
	<-ctx.Done()
	close(s.cancelled)
	return nil, ctx.Err()
}

func TestPanicInHandlerIsInternalAndLoggedWithItsStack(t *testing.T) {
	h := serveOver(t, nil, Options{}) // every use of a nil database panics

	for _, tt := range []struct {
		name, method string
		call         func() error
	}{
		{"unary", "/hamnest.v1.CollectionService/GetCollection", func() error {
			_, err := h.collections.GetCollection(t.Context(), &hamnestv1.GetCollectionRequest{Name: "docs"})
			return err
		}},
		{"stream", "/hamnest.v1.VectorService/Ingest", func() error {
			stream, err := h.vectors.Ingest(t.Context())
			if err != nil {
				return err
			}
			if err := stream.Send(ingestStart("docs")); err != nil {
				return err
			}
			_, err = stream.Recv()
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := wantCode(t, tt.call(), codes.Internal)
			if strings.Contains(st.Message(), "nil pointer") {
				t.Errorf("the client is told %q, want no innards", st.Message())
			}
			logs := h.logs.String()
			for _, want := range []string{tt.method, "level=ERROR", "nil pointer", "stack=", "collection.go"} {
				if !strings.Contains(logs, want) {
					t.Errorf("log %q, want %q in it", logs, want)
				}
			}
		})
	}
}

func TestOnlyTheServersFaultsAreLogged(t *testing.T) {
	dir := t.TempDir()
	first := startDir(t, dir, Options{})
	first.filled(t, 3)
	if err := first.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.db.Close(); err != nil {
		t.Fatal(err)
	}
	breakFiles(t, dir)

	h := startDir(t, dir, Options{})
	h.collection(t, "sound")
	if _, err := h.collections.GetCollection(t.Context(), &hamnestv1.GetCollectionRequest{Name: "sound"}); err != nil {
		t.Fatal(err)
	}
	_, err := h.collections.GetCollection(t.Context(), &hamnestv1.GetCollectionRequest{Name: "missing"})
	wantCode(t, err, codes.NotFound)
	if logs := h.logs.String(); strings.Contains(logs, "call failed") {
		t.Errorf("a good call and a client's mistake logged %q, want nothing of calls", logs)
	}

	_, err = h.collections.GetCollection(t.Context(), &hamnestv1.GetCollectionRequest{Name: "docs"})
	wantCode(t, err, codes.DataLoss)
	logs := h.logs.String()
	for _, want := range []string{"/hamnest.v1.CollectionService/GetCollection", "code=DataLoss", "level=ERROR"} {
		if !strings.Contains(logs, want) {
			t.Errorf("log %q, want %q in it", logs, want)
		}
	}

	t.Run("and a damaged collection is listed with the others", func(t *testing.T) {
		resp, err := h.collections.ListCollections(t.Context(), &hamnestv1.ListCollectionsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.GetCollections()) != 2 || resp.GetCollections()[0].GetName() != "docs" || resp.GetCollections()[1].GetDims() != testDims {
			t.Errorf("listed %v, want docs by name and sound whole", resp.GetCollections())
		}
	})
}

// breakFiles damages every shard below dir.
func breakFiles(t *testing.T, dir string) {
	t.Helper()
	broken := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(path) == dir {
			return err
		}
		broken++
		return os.WriteFile(path, bytes.Repeat([]byte("damaged "), 8<<10), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if broken == 0 {
		t.Fatal("found no file of a collection to damage")
	}
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (rawCodec) Unmarshal([]byte, any) error   { return nil }
func (rawCodec) Name() string                  { return "proto" }

func TestBytesThatAreNoMessageAreTheClientsFault(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	for name, garbage := range map[string][]byte{
		"no message":                  bytes.Repeat([]byte{0xff}, 100),
		"a length past the end":       {0x0a, 0x7f, 'd'},
		"a string that is not UTF-8":  {0x0a, 0x01, 0xff},
		"a field of the wrong type":   {0x0d, 1, 2, 3, 4, 0x0a},
		"a varint that does not stop": bytes.Repeat([]byte{0x88}, 11),
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"CountVectors", "ListVectors", "UpsertVectors"} {
				err := h.conn.Invoke(t.Context(), "/hamnest.v1.VectorService/"+method, garbage, nil, grpc.ForceCodec(rawCodec{}))
				wantCode(t, err, codes.Internal)
			}
			stream, err := h.conn.NewStream(t.Context(), &hamnestv1.VectorService_ServiceDesc.Streams[0], "/hamnest.v1.VectorService/Ingest", grpc.ForceCodec(rawCodec{}))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.SendMsg(garbage); err != nil {
				t.Fatal(err)
			}
			wantCode(t, stream.RecvMsg(nil), codes.Internal)
		})
	}
	if logs := h.logs.String(); logs != "" {
		t.Errorf("logged %q, want nothing", logs)
	}
	if _, err := h.vectors.CountVectors(t.Context(), &hamnestv1.CountVectorsRequest{Collection: "docs"}); err != nil {
		t.Errorf("the next good call: %v", err)
	}
}

func TestSearchesAndWritesAtOnce(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 200)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 9))
			for i := range 30 {
				id := fmt.Sprintf("new-%d-%d", worker, i)
				v := randomVector(rng)
				_, err := h.vectors.UpsertVectors(t.Context(), &hamnestv1.UpsertVectorsRequest{
					Collection: "docs", Vectors: []*hamnestv1.VectorRecord{{Id: id, Vector: packed(v...)}},
				})
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := h.searches.Search(t.Context(), &hamnestv1.SearchRequest{
					Collection: "docs", Query: &hamnestv1.SearchRequest_Vector{Vector: packed(v...)}, K: 3,
				})
				if err != nil {
					t.Error(err)
					return
				}
				if len(resp.GetHits()) != 3 || resp.GetHits()[0].GetId() != id {
					t.Errorf("worker %d: searching for what was just stored as %s found %v", worker, id, resp.GetHits())
				}
			}
		})
		wg.Go(func() {
			for i := range 30 {
				want := records[(worker*31+i*7)%len(records)].ID
				resp, err := h.vectors.GetVectors(t.Context(), &hamnestv1.GetVectorsRequest{Collection: "docs", Ids: []string{want}})
				if err != nil || len(resp.GetVectors()) != 1 || resp.GetVectors()[0].GetId() != want {
					t.Errorf("get %s: %v, %v", want, resp, err)
				}
			}
		})
	}
	wg.Wait()
	resp, err := h.vectors.CountVectors(t.Context(), &hamnestv1.CountVectorsRequest{Collection: "docs"})
	if err != nil || resp.GetCount() != 200+4*30 {
		t.Errorf("count %d, %v, want %d", resp.GetCount(), err, 200+4*30)
	}
}
