package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/hamnest/hamnest/client"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// listen returns a listener on a free port.
func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// served is a server of a new database on a free port until the test ends.
func served(t *testing.T, opts Options) (s *Server, address string) {
	t.Helper()
	db, err := index.Open(t.TempDir(), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lis, ended := listen(t), make(chan error, 1)
	s = New(db, opts)
	go func() { ended <- s.Serve(lis) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-ended, db.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, lis.Addr().String()
}

// count asks the server for the vectors of a collection that is not there.
func count(t *testing.T, address string, opts ...client.Option) error {
	t.Helper()
	c, err := client.New(address, opts...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Count(t.Context(), "nope", "")
	return errors.Join(err, c.Close())
}

func TestCredentialsAreAskedOfEveryConnection(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	_, address := served(t, Options{Credentials: credentials.NewServerTLSFromCert(&web.TLS.Certificates[0])})
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	trusting := client.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "example.com"))
	if err := count(t, address, trusting); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("over TLS: %v, want an answer", err)
	}
	once := client.WithRetryTime(0)
	if err := count(t, address, once); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("in the clear: %v, want no answer", err)
	}
	stranger := client.WithTransportCredentials(credentials.NewClientTLSFromCert(x509.NewCertPool(), "example.com"))
	if err := count(t, address, stranger, once); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("without trust in the certificate: %v, want no answer", err)
	}
}

func TestInterceptorsGoAroundEveryCallAndSeeItsStatus(t *testing.T) {
	var saw []string
	note := func(who, method string, err error) {
		saw = append(saw, fmt.Sprint(who, " ", method, " ", status.Code(err)))
	}
	unary := func(who string) grpc.UnaryServerInterceptor {
		return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			resp, err := handler(ctx, req)
			note(who, info.FullMethod, err)
			return resp, err
		}
	}
	h := start(t, Options{
		UnaryInterceptors: []grpc.UnaryServerInterceptor{unary("outer"), unary("inner")},
		StreamInterceptors: []grpc.StreamServerInterceptor{func(_ any, _ grpc.ServerStream, info *grpc.StreamServerInfo, _ grpc.StreamHandler) error {
			err := status.Error(codes.PermissionDenied, "no streams today")
			note("stream", info.FullMethod, err)
			return err
		}},
	})
	_, err := h.vectors.CountVectors(t.Context(), &hamnestv1.CountVectorsRequest{Collection: "nope"})
	wantCode(t, err, codes.NotFound)
	stream, err := h.searches.SearchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantCode(t, err, codes.PermissionDenied)
	want := []string{
		"inner /hamnest.v1.VectorService/CountVectors NotFound", "outer /hamnest.v1.VectorService/CountVectors NotFound",
		"stream /hamnest.v1.SearchService/SearchStream PermissionDenied",
	}
	if !slices.Equal(saw, want) {
		t.Errorf("interceptors saw %q, want %q", saw, want)
	}
}

func TestAnHTTPHandlerIsServedBesideGRPCAndFinishesWithIt(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	s, address := served(t, Options{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		_, _ = io.WriteString(w, "hello "+r.URL.Path)
	})})
	lis, ended := listen(t), make(chan error, 1)
	go func() { ended <- s.ServeHTTP(lis) }()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + lis.Addr().String() + "/there")
		if err != nil {
			answer <- err.Error()
			return
		}
		body, err := io.ReadAll(resp.Body)
		answer <- fmt.Sprint(string(body), errors.Join(err, resp.Body.Close()))
	}()
	<-begun
	if err := count(t, address); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("gRPC meanwhile: %v, want an answer", err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if err := <-ended; err != nil { // it accepts no more
		t.Errorf("ServeHTTP: %v", err)
	}
	select {
	case err := <-stopped:
		t.Errorf("Shutdown returned %v before the request was answered", err)
	default:
	}
	close(release)
	if got := <-answer; got != "hello /there<nil>" {
		t.Errorf("the request under way was answered %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestServeHTTPWithoutAHandlerFails(t *testing.T) {
	lis := listen(t)
	if err := New(nil, Options{}).ServeHTTP(lis); err == nil {
		t.Error("no handler was served")
	}
	if _, err := lis.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is left open: %v", err)
	}
}

// A server's engine may itself be the client of another server: nothing but the interface
// counts, and errors stay what they are.
func TestAServerAnswersFromAnyEngine(t *testing.T) {
	_, behind := served(t, Options{MaxK: 5})
	engine, err := client.New(behind)
	if err != nil {
		t.Fatal(err)
	}
	lis, ended := listen(t), make(chan error, 1)
	front := New(engine, Options{})
	go func() { ended <- front.Serve(lis) }()
	c, err := client.New(lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(c.Close(), front.Shutdown(context.Background()), <-ended, engine.Close()); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	if _, err := c.Count(ctx, "docs", ""); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a collection that is not there: %v", err)
	}
	if _, err := c.CreateCollection(ctx, api.Spec{Name: "docs", Dims: 3}); err != nil {
		t.Fatal(err)
	}
	in, err := c.Ingest(ctx, "docs", api.IngestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []api.Record{{ID: "a", Vector: []float32{1, 0, 0}}, {ID: "b", Vector: []float32{1}}, {ID: "c", Vector: []float32{0, 1, 0}}} {
		if err := in.Add(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	result, err := in.Close()
	if err != nil || result.Stored != 2 || result.Refused != 1 || result.Refusals[0].ID != "b" {
		t.Errorf("ingest: %+v, %v, want two stored and b refused", result, err)
	}
	found, err := c.Search(ctx, "docs", api.Query{Vector: []float32{0, 1, 0}, K: 1})
	if err != nil || len(found.Hits) != 1 || found.Hits[0].ID != "c" {
		t.Errorf("search: %+v, %v, want c", found, err)
	}
	var limit *api.LimitError
	if _, err := c.Search(ctx, "docs", api.Query{ID: "a", K: 6}); !errors.As(err, &limit) || limit.Limit != "max_k" || limit.Max != 5 {
		t.Errorf("a limit of the server behind: %v", err)
	}
}
