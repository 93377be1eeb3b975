package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/server"
)

// start serves a new database until the test ends, and returns it, its server and
// a client.
func start(t *testing.T, limits server.Options, opts ...Option) (*index.DB, *server.Server, *Client) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db, err := index.Open(t.TempDir(), index.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	limits.Logger = quiet
	s := server.New(db, limits)
	c := dial(t, s.Serve, opts...)
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down: %v", err)
		}
	})
	return db, s, c
}

// startFake serves services of the test's own until the test ends, and returns a
// client.
func startFake(t *testing.T, register func(*grpc.Server), opts ...grpc.ServerOption) *Client {
	t.Helper()
	s := grpc.NewServer(opts...)
	register(s)
	c := dial(t, s.Serve)
	t.Cleanup(s.Stop)
	return c
}

// dial starts serving on a bufconn, which whoever called stops, and returns a
// client of it.
func dial(t *testing.T, serve func(net.Listener) error, opts ...Option) *Client {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- serve(lis) }()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	opts = append(opts, WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) })))
	c, err := New("passthrough:///bufnet", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the client: %v", err)
		}
	})
	return c
}

// testDims are the dimensions of the collection that most tests use.
const testDims = 128

// docs makes a collection named docs.
func docs(t *testing.T, c *Client) {
	t.Helper()
	if _, err := c.CreateCollection(t.Context(), api.Spec{Name: "docs", Dims: testDims, Ladder: []int{64}, Profile: api.Signs}); err != nil {
		t.Fatal(err)
	}
}

// randomRecords returns n records, "id-0000" and on.
func randomRecords(n int) []api.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	records := make([]api.Record, n)
	for i := range records {
		v := make([]float32, testDims)
		for j := range v {
			v[j] = float32(rng.NormFloat64())
		}
		records[i] = api.Record{ID: fmt.Sprintf("id-%04d", i), Vector: v, Metadata: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	return records
}

func TestNewRefusesWhatGRPCCannotDial(t *testing.T) {
	if _, err := New("\x00://"); err == nil {
		t.Error("a target that is none was accepted")
	}
	if _, err := New("localhost:1", WithTransportCredentials(nil)); err == nil {
		t.Error("no credentials at all were accepted")
	}
	c, err := New("localhost:1", WithTransportCredentials(insecure.NewCredentials()), WithMaxMessageBytes(-1))
	if err != nil {
		t.Fatalf("a server that is not there: %v, want no error before the first call", err)
	}
	if c.maxMessageBytes != DefaultMaxMessageBytes {
		t.Errorf("messages of %d bytes, want the default", c.maxMessageBytes)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestCollections(t *testing.T) {
	_, _, c := start(t, server.Options{})
	ctx := t.Context()
	created, err := c.CreateCollection(ctx, api.Spec{Name: "docs", Dims: 768, Metric: api.L2, Bits: 900, Profile: api.Learned, Labels: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	want := api.Info{
		Spec: api.Spec{
			Name: "docs", Dims: 768, Ladder: []int{64, 128, 256, 512, 768}, Bits: 900, Metric: api.L2, Profile: api.Learned, Store: api.StoreFloat32, Labels: map[string]string{"a": "b"},
		},
		ProfileInForce: api.Exact, ProfileFingerprint: created.ProfileFingerprint, Created: created.Created,
	}
	if !reflect.DeepEqual(created, want) || len(created.ProfileFingerprint) != 16 || created.Created.IsZero() {
		t.Errorf("created %+v, want %+v", created, want)
	}
	if got, err := c.GetCollection(ctx, "docs"); err != nil || !reflect.DeepEqual(got, created) {
		t.Errorf("GetCollection: %+v, %v, want %+v", got, err, created)
	}
	labels := map[string]string{"owner": "me"}
	if got, err := c.SetLabels(ctx, "docs", labels); err != nil || !maps.Equal(got.Labels, labels) || got.Dims != 768 {
		t.Errorf("SetLabels: %+v, %v, want labels %v", got, err, labels)
	}
	if got, err := c.SetLabels(ctx, "docs", nil); err != nil || len(got.Labels) != 0 {
		t.Errorf("SetLabels of none: %+v, %v", got, err)
	}
	if got, err := c.UpdateCollection(ctx, "docs", api.Change{}); err != nil || got.Profile != api.Learned {
		t.Errorf("UpdateCollection of nothing: %+v, %v", got, err)
	}
	if got, err := c.UpdateCollection(ctx, "docs", api.Change{Profile: new(api.Learned), Store: new(api.StoreInt8)}); err != nil || got.Profile != api.Learned || got.Store != api.StoreInt8 {
		t.Errorf("UpdateCollection: %+v, %v", got, err)
	}
	for stats := (api.Stats{Rewrite: &api.RewriteStats{}}); stats.Rewrite != nil; {
		if stats, err = c.Stats(ctx, "docs"); err != nil || stats.RewriteError != "" {
			t.Fatalf("Stats: %+v, %v", stats, err)
		}
		if r := stats.Rewrite; r != nil && (r.Store != api.StoreInt8 || r.Profile != api.Learned || r.Started.IsZero()) {
			t.Errorf("the rewrite is %+v", *r)
		}
	}
	if _, err := c.UpdateCollection(ctx, "docs", api.Change{Store: new(api.StoreFloat32)}); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("raising the stored precision: %v, want ErrInvalid", err)
	}
	for _, bad := range []api.Change{{Profile: new(api.Profile(9))}, {Store: new(api.Precision(9))}, {Profile: new(api.Exact)}} {
		if _, err := c.UpdateCollection(ctx, "docs", bad); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", bad, err)
		}
	}
	if err := c.DeleteCollection(ctx, "docs"); err != nil {
		t.Error(err)
	}
	if _, err := c.GetCollection(ctx, "docs"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("after DeleteCollection: %v, want ErrNotFound", err)
	}
}

func TestCollectionsListsEveryPage(t *testing.T) {
	_, _, c := start(t, server.Options{})
	var want []string
	for i := range 103 { // a page has 100
		name := fmt.Sprintf("c%03d", i)
		want = append(want, name)
		if _, err := c.CreateCollection(t.Context(), api.Spec{Name: name, Dims: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for collection, err := range c.Collections(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, collection.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	for collection, err := range c.Collections(t.Context()) {
		if err != nil || collection.Name != "c000" {
			t.Errorf("went on to %s, %v, after a break", collection.Name, err)
		}
		break
	}
}

func TestVectors(t *testing.T) {
	_, _, c := start(t, server.Options{})
	ctx := t.Context()
	docs(t, c)
	records := randomRecords(250) // a page has 100
	records[3].Metadata = nil
	if err := c.Upsert(ctx, "docs", records); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count(ctx, "docs", ""); err != nil || n != 250 {
		t.Errorf("Count: %d, %v, want 250", n, err)
	}

	t.Run("Get returns what was stored and names what is missing", func(t *testing.T) {
		found, missing, err := c.Get(ctx, "docs", []string{"none", "id-0003", "id-0001"}, api.ReadOptions{WithVector: true, WithMetadata: true})
		if err != nil || !reflect.DeepEqual(found, []api.Record{records[3], records[1]}) || !slices.Equal(missing, []string{"none"}) {
			t.Errorf("found %v, missing %q, %v", found, missing, err)
		}
		found, _, err = c.Get(ctx, "docs", []string{"id-0003"}, api.ReadOptions{})
		if err != nil || !reflect.DeepEqual(found, []api.Record{{ID: "id-0003"}}) {
			t.Errorf("found %v, %v, want the id alone", found, err)
		}
	})
	t.Run("List returns everything, page after page", func(t *testing.T) {
		var got []api.Record
		for r, err := range api.List(ctx, c, "docs", api.ReadOptions{WithVector: true, WithMetadata: true}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if !reflect.DeepEqual(got, records) {
			t.Errorf("listed %d records, want the %d that were stored", len(got), len(records))
		}
	})
	t.Run("ListPage returns one page", func(t *testing.T) {
		page, next, err := c.ListPage(ctx, "docs", 7, "", api.ReadOptions{})
		if err != nil || len(page) != 7 || next == "" {
			t.Fatalf("a page of %d, next %q, %v", len(page), next, err)
		}
		page, next, err = c.ListPage(ctx, "docs", 1000, next, api.ReadOptions{})
		if err != nil || len(page) != 243 || page[0].ID != "id-0007" || next != "" {
			t.Errorf("then a page of %d, next %q, %v", len(page), next, err)
		}
	})
	t.Run("Delete counts what was there", func(t *testing.T) {
		if n, err := c.Delete(ctx, "docs", []string{"id-0000", "none"}); err != nil || n != 1 {
			t.Errorf("deleted %d, %v, want 1", n, err)
		}
	})
	t.Run("Stats and Check", func(t *testing.T) {
		stats, err := c.Stats(ctx, "docs")
		if err != nil || stats.Vectors != 249 || stats.Retired != 1 || stats.VectorBytesPerVector != 4*testDims || stats.CodeBytesPerVector < testDims/8 ||
			stats.MemoryBytes == 0 || stats.DiskBytes == 0 || stats.Commits == 0 || stats.Kernel == "" || stats.ProfileFingerprint == "" {
			t.Errorf("Stats: %+v, %v", stats, err)
		}
		report, err := c.Check(ctx, "docs")
		if err != nil || report.Rows != 250 || len(report.Problems) != 0 {
			t.Errorf("Check: %+v, %v, want 250 rows and no problem", report, err)
		}
	})
}

func TestSearch(t *testing.T) {
	db, _, c := start(t, server.Options{})
	ctx := t.Context()
	docs(t, c)
	records := randomRecords(100)
	if err := c.Upsert(ctx, "docs", records); err != nil {
		t.Fatal(err)
	}
	t.Run("by vector, with everything", func(t *testing.T) {
		got, err := c.Search(ctx, "docs", api.Query{Vector: records[5].Vector, K: 3, WithVector: true, WithMetadata: true})
		if err != nil {
			t.Fatal(err)
		}
		best := got.Hits[0]
		if len(got.Hits) != 3 || best.ID != records[5].ID || math.Abs(float64(best.Score)-1) > 1e-5 ||
			!slices.Equal(best.Vector, records[5].Vector) || !slices.Equal(best.Metadata, records[5].Metadata) {
			t.Errorf("best of %d is %+v", len(got.Hits), best)
		}
		r := got.Receipt
		if r.Dims != testDims || r.Rescore != api.RescoreVectors || r.Exact || r.RowsScanned != 100 || r.Candidates == 0 || r.VectorsRead == 0 ||
			r.CodeBytesRead == 0 || r.VectorBytesRead == 0 || r.Total <= 0 || r.Kernel == "" || r.ProfileFingerprint == "" {
			t.Errorf("receipt %+v", r)
		}
	})
	t.Run("by id, in pages", func(t *testing.T) {
		whole, err := c.Search(ctx, "docs", api.Query{ID: "id-0005", K: 99, Exact: true})
		if err != nil || len(whole.Hits) != 99 {
			t.Fatalf("%d hits, %v, want all others", len(whole.Hits), err)
		}
		req := api.Query{ID: "id-0005", K: 40, Exact: true}
		var got []api.Hit
		for {
			page, err := c.Search(ctx, "docs", req)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Hits...)
			if req.PageToken = page.NextPageToken; req.PageToken == "" {
				break
			}
		}
		if !reflect.DeepEqual(got, whole.Hits) {
			t.Errorf("pages give %v, want %v", got, whole.Hits)
		}
	})
	t.Run("settings are passed on", func(t *testing.T) {
		got, err := c.Search(ctx, "docs", api.Query{Vector: records[5].Vector[:64], K: 3, Oversampling: 5, Rescore: api.RescoreVectors})
		if err != nil || got.Receipt.Dims != 64 || got.Receipt.Candidates != 15 || got.Receipt.VectorsRead != 15 {
			t.Errorf("receipt %+v, %v, want 64 dims, and 15 candidates, all read", got.Receipt, err)
		}
		got, err = c.Search(ctx, "docs", api.Query{Vector: records[5].Vector, K: 3, Candidates: 20, Rescore: api.RescoreCodes})
		if err != nil || got.Receipt.Candidates < 20 || got.Receipt.Candidates == 100 || got.Receipt.Rescore != api.RescoreCodes {
			t.Errorf("receipt %+v, %v, want 20 candidates, those that tie with the last, and the codes", got.Receipt, err)
		}
		vectors := learned(t, db, c)
		got, err = c.Search(ctx, "learned", api.Query{Vector: vectors[5].Vector, K: 3, Dims: 64, TargetRecall: .9})
		if r := got.Receipt; err != nil || r.TargetRecall != .9 || r.Dims != 64 || r.ExpectedRecall < .9 || r.Passes < 1 || r.Refined == 0 || r.Exact {
			t.Errorf("receipt %+v, %v, want a target recall of 0.9 by 64 dims", got.Receipt, err)
		}
		got, err = c.Search(ctx, "learned", api.Query{Vector: vectors[5].Vector, K: 3, Bound: 1.5})
		if err != nil || got.Receipt.Bound != 1.5 || got.Receipt.TargetRecall != 0 {
			t.Errorf("receipt %+v, %v, want a bound of 1.5", got.Receipt, err)
		}
		least := float32(0.99)
		got, err = c.Search(ctx, "docs", api.Query{Vector: records[5].Vector, K: 3, MinScore: &least})
		if err != nil || len(got.Hits) != 1 {
			t.Errorf("hits %v, %v, want one above %v", got.Hits, err, least)
		}
	})
	t.Run("by code", func(t *testing.T) {
		words := make([]uint64, (testDims+63)/64)
		code.Signs(words, records[5].Vector)
		got, err := c.Search(ctx, "docs", api.Query{Code: words, K: 3})
		if err != nil || got.Hits[0].ID != records[5].ID || got.Hits[0].Score != 1 || got.Receipt.Rescore != api.RescoreCodes {
			t.Errorf("%+v, %v, want the vector that the code is of", got, err)
		}
	})
	t.Run("BatchSearch answers as Search does", func(t *testing.T) {
		searches := []api.Query{{ID: "id-0001", K: 2}, {Vector: records[2].Vector, K: 3}, {ID: "id-0003", K: 4, Rescore: api.RescoreNone}}
		got, err := c.BatchSearch(ctx, "docs", searches)
		if err != nil || len(got) != 3 {
			t.Fatalf("%d answers, %v", len(got), err)
		}
		for i, search := range searches {
			want, err := c.Search(ctx, "docs", search)
			if err != nil || !reflect.DeepEqual(got[i].Hits, want.Hits) {
				t.Errorf("answer %d: %v, want %v, %v", i, got[i].Hits, want.Hits, err)
			}
		}
	})
}

func TestCodesGoThereAndBack(t *testing.T) {
	_, _, c := start(t, server.Options{})
	ctx := t.Context()
	if _, err := c.CreateCollection(ctx, api.Spec{Name: "bits", Dims: 12, Store: api.StoreNone}); err != nil {
		t.Fatal(err)
	}
	words := func(dialect api.Dialect, packed ...byte) []uint64 {
		words := make([]uint64, 1)
		if err := dialect.Unpack(words, packed, 12); err != nil {
			t.Fatal(err)
		}
		return words
	}
	alone := api.Record{ID: "alone", Code: words(api.Numpy, 0b10110000, 0b01010000)}
	both := api.Record{
		ID: "both", Vector: []float32{1, -1, 1, 1, -1, -1, -1, -1, -1, 1, -1, 1},
		Code: words(api.Faiss, 0b00001101, 0b00001010),
	}
	if err := c.Upsert(ctx, "bits", []api.Record{alone, both}); err != nil {
		t.Fatal(err)
	}
	stream, err := c.Ingest(ctx, "bits", api.IngestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wrong := api.Record{ID: "wrong", Vector: both.Vector, Code: words(api.Faiss, 0b00001101, 0b00001011)}
	padding := api.Record{ID: "padding", Code: []uint64{1 << 12}}
	for _, r := range []api.Record{{ID: "streamed", Code: words(api.NumpySigned, 0x80^0b10110000, 0x80^0b01010000)}, wrong, padding} {
		if err := stream.Add(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	result, err := stream.Close()
	if err != nil || result.Stored != 1 || result.Refused != 2 || !strings.Contains(result.Refusals[0].Reason, "differs in 1 of 12 bits") || !strings.Contains(result.Refusals[1].Reason, "past dimension 11") {
		t.Errorf("ingest: %+v, %v, want one stored and two refused", result, err)
	}
	n := 0
	for r, err := range api.List(ctx, c, "bits", api.ReadOptions{WithCode: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.Code, both.Code) || r.Vector != nil {
			t.Errorf("%s comes back as %+v, want the code of all of them, %v", r.ID, r, both.Code)
		}
		n++
	}
	found, _, err := c.Get(ctx, "bits", []string{"both"}, api.ReadOptions{WithCode: true})
	if err != nil || n != 3 || !slices.Equal(found[0].Code, both.Code) {
		t.Errorf("%d listed, got %+v, %v, want three and the code as it was sent", n, found, err)
	}
}

func TestBatchSearchThatIsAnsweredInPartIsAnError(t *testing.T) {
	c := startFake(t, func(s *grpc.Server) { hamnestv1.RegisterSearchServiceServer(s, forgetfulSearch{}) })
	_, err := c.BatchSearch(t.Context(), "docs", []api.Query{{ID: "a", K: 1}, {ID: "b", K: 1}})
	if status.Code(err) != codes.Internal {
		t.Errorf("%v, want INTERNAL", err)
	}
}

// forgetfulSearch answers one search less than it is asked.
type forgetfulSearch struct {
	hamnestv1.UnimplementedSearchServiceServer
}

func (forgetfulSearch) BatchSearch(_ context.Context, req *hamnestv1.BatchSearchRequest) (*hamnestv1.BatchSearchResponse, error) {
	return &hamnestv1.BatchSearchResponse{Responses: make([]*hamnestv1.SearchResponse, len(req.GetRequests())-1)}, nil
}

// attempts counts the calls of each method, and fails those up to failures.
type attempts struct {
	failures int64
	count    atomic.Int64
}

func (a *attempts) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if a.count.Add(1) <= a.failures {
		return nil, status.Error(codes.Unavailable, "not now")
	}
	return handler(ctx, req)
}

func (a *attempts) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if a.count.Add(1) <= a.failures {
		return status.Error(codes.Unavailable, "not now")
	}
	return handler(srv, stream)
}

// unimplemented registers services that answer UNIMPLEMENTED to all calls.
func unimplemented(s *grpc.Server) {
	hamnestv1.RegisterCollectionServiceServer(s, hamnestv1.UnimplementedCollectionServiceServer{})
	hamnestv1.RegisterVectorServiceServer(s, hamnestv1.UnimplementedVectorServiceServer{})
	hamnestv1.RegisterSearchServiceServer(s, hamnestv1.UnimplementedSearchServiceServer{})
	hamnestv1.RegisterAdminServiceServer(s, hamnestv1.UnimplementedAdminServiceServer{})
}

func TestOnlyWhatIsSafeToRepeatIsRetried(t *testing.T) {
	vector := make([]float32, 100_000) // more than gRPC itself would keep for retries
	for _, tt := range []struct {
		method  string
		retried bool
		call    func(context.Context, *Client) error
	}{
		{"CreateCollection", false, func(ctx context.Context, c *Client) error {
			_, err := c.CreateCollection(ctx, api.Spec{Name: "docs", Dims: 3})
			return err
		}},
		{"SetLabels", false, func(ctx context.Context, c *Client) error {
			_, err := c.SetLabels(ctx, "docs", nil)
			return err
		}},
		{"UpdateCollection", false, func(ctx context.Context, c *Client) error {
			_, err := c.UpdateCollection(ctx, "docs", api.Change{Profile: new(api.Signs)})
			return err
		}},
		{"DeleteCollection", false, func(ctx context.Context, c *Client) error { return c.DeleteCollection(ctx, "docs") }},
		{"GetCollection", true, func(ctx context.Context, c *Client) error {
			_, err := c.GetCollection(ctx, "docs")
			return err
		}},
		{"Collections", true, func(ctx context.Context, c *Client) error {
			for _, err := range c.Collections(ctx) {
				return err
			}
			return nil
		}},
		{"Stats", true, func(ctx context.Context, c *Client) error {
			_, err := c.Stats(ctx, "docs")
			return err
		}},
		{"Upsert", true, func(ctx context.Context, c *Client) error {
			return c.Upsert(ctx, "docs", []api.Record{{ID: "a", Vector: vector}})
		}},
		{"Get", true, func(ctx context.Context, c *Client) error {
			_, _, err := c.Get(ctx, "docs", []string{"a"}, api.ReadOptions{})
			return err
		}},
		{"Delete", true, func(ctx context.Context, c *Client) error {
			_, err := c.Delete(ctx, "docs", []string{"a"})
			return err
		}},
		{"DeleteWhere", false, func(ctx context.Context, c *Client) error {
			_, err := c.DeleteWhere(ctx, "docs", "a = 1")
			return err
		}},
		{"List", true, func(ctx context.Context, c *Client) error {
			for _, err := range api.List(ctx, c, "docs", api.ReadOptions{}) {
				return err
			}
			return nil
		}},
		{"Count", true, func(ctx context.Context, c *Client) error {
			_, err := c.Count(ctx, "docs", "")
			return err
		}},
		{"Search", true, func(ctx context.Context, c *Client) error {
			_, err := c.Search(ctx, "docs", api.Query{Vector: vector, K: 1})
			return err
		}},
		{"BatchSearch", true, func(ctx context.Context, c *Client) error {
			_, err := c.BatchSearch(ctx, "docs", []api.Query{{ID: "a", K: 1}})
			return err
		}},
		{"Check", true, func(ctx context.Context, c *Client) error {
			_, err := c.Check(ctx, "docs")
			return err
		}},
	} {
		t.Run(tt.method, func(t *testing.T) {
			t.Parallel()
			calls := &attempts{failures: 2}
			c := startFake(t, unimplemented, grpc.UnaryInterceptor(calls.unary))
			err := tt.call(t.Context(), c)
			// A retried call gets through to the service, which does nothing.
			wantCode, wantCalls := codes.Unavailable, int64(1)
			if tt.retried {
				wantCode, wantCalls = codes.Unimplemented, 3
			}
			if status.Code(err) != wantCode || calls.count.Load() != wantCalls {
				t.Errorf("%v after %d calls, want %v after %d", err, calls.count.Load(), wantCode, wantCalls)
			}
		})
	}
	t.Run("Ingest", func(t *testing.T) {
		t.Parallel()
		calls := &attempts{failures: 2}
		c := startFake(t, func(s *grpc.Server) {
			hamnestv1.RegisterCollectionServiceServer(s, anyCollection{})
			hamnestv1.RegisterVectorServiceServer(s, hamnestv1.UnimplementedVectorServiceServer{})
		}, grpc.StreamInterceptor(calls.stream))
		stream, err := c.Ingest(t.Context(), "docs", api.IngestOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Close(); !errors.Is(err, api.ErrUnavailable) || calls.count.Load() != 1 {
			t.Errorf("%v after %d calls, want ErrUnavailable after 1", err, calls.count.Load())
		}
	})
	t.Run("until the deadline, and says why then", func(t *testing.T) {
		t.Parallel()
		calls := &attempts{failures: 100}
		c := startFake(t, unimplemented, grpc.UnaryInterceptor(calls.unary))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Count(ctx, "docs", ""); !errors.Is(err, api.ErrUnavailable) || calls.count.Load() < 2 {
			t.Errorf("%v after %d calls, want ErrUnavailable after some", err, calls.count.Load())
		}
	})
	t.Run("or until it is cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		c := startFake(t, unimplemented, grpc.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
			cancel()
			return nil, status.Error(codes.Unavailable, "not now")
		}))
		if _, err := c.Count(ctx, "docs", ""); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
	})
	t.Run("nor for anything but UNAVAILABLE", func(t *testing.T) {
		t.Parallel()
		calls := &attempts{}
		c := startFake(t, unimplemented, grpc.UnaryInterceptor(calls.unary))
		if _, err := c.Count(t.Context(), "docs", ""); status.Code(err) != codes.Unimplemented || calls.count.Load() != 1 {
			t.Errorf("%v after %d calls, want UNIMPLEMENTED after 1", err, calls.count.Load())
		}
	})
}

// anyCollection has a collection of every name.
type anyCollection struct {
	hamnestv1.UnimplementedCollectionServiceServer
}

func (anyCollection) GetCollection(_ context.Context, req *hamnestv1.GetCollectionRequest) (*hamnestv1.GetCollectionResponse, error) {
	return &hamnestv1.GetCollectionResponse{Collection: &hamnestv1.Collection{Name: req.GetName()}}, nil
}

func TestEveryMethodIsRetriedOrKnowinglyNot(t *testing.T) {
	found := map[string]bool{}
	once := []string{"CreateCollection", "UpdateCollection", "CompactCollection", "RenameCollection", "DeleteCollection", "SetAlias", "DeleteAlias", "Calibrate", "Ingest", "SearchStream"}
	for _, service := range []grpc.ServiceDesc{
		hamnestv1.CollectionService_ServiceDesc, hamnestv1.VectorService_ServiceDesc, hamnestv1.SearchService_ServiceDesc, hamnestv1.AliasService_ServiceDesc,
		hamnestv1.AdminService_ServiceDesc,
	} {
		var methods []string
		for _, m := range service.Methods {
			methods = append(methods, m.MethodName)
		}
		for _, s := range service.Streams {
			methods = append(methods, s.StreamName)
		}
		for _, m := range methods {
			full := "/" + service.ServiceName + "/" + m
			if found[full] = true; repeatable[full] == slices.Contains(once, m) {
				t.Errorf("%s/%s must be either among those tried again or among those tried once", service.ServiceName, m)
			}
		}
	}
	for m := range repeatable {
		if !found[m] {
			t.Errorf("there is no method %s", m)
		}
	}
}

func TestCallsOutlastARestartOfTheServer(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := lis.Addr().String()
	if err := lis.Close(); err != nil { // nobody is there
		t.Fatal(err)
	}
	failed := make(chan struct{})
	var once sync.Once
	c, err := New(address, WithDialOptions(grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, conn, opts...)
			if err != nil {
				once.Do(func() { close(failed) })
			}
			return err
		})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	found := make(chan error, 1)
	go func() {
		_, err := c.GetCollection(context.Background(), "docs")
		found <- err
	}()
	<-failed
	if lis, err = net.Listen("tcp", address); err != nil {
		t.Skipf("somebody else has taken %s: %v", address, err)
	}
	s := grpc.NewServer()
	hamnestv1.RegisterCollectionServiceServer(s, anyCollection{})
	go func() { _ = s.Serve(lis) }()
	defer s.Stop()
	if err := <-found; err != nil {
		t.Errorf("a call while the server restarts: %v, want its answer", err)
	}
}

func TestManyGoroutinesShareAClient(t *testing.T) {
	_, _, c := start(t, server.Options{})
	docs(t, c)
	records := randomRecords(64)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			mine := records[8*worker : 8*worker+8]
			if err := c.Upsert(t.Context(), "docs", mine); err != nil {
				t.Error(err)
				return
			}
			for _, r := range mine {
				got, err := c.Search(t.Context(), "docs", api.Query{Vector: r.Vector, K: 1})
				if err != nil || len(got.Hits) != 1 || got.Hits[0].ID != r.ID {
					t.Errorf("searching for %s: %+v, %v", r.ID, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestMessagesHaveALimitOfTheClientsOwn(t *testing.T) {
	_, _, c := start(t, server.Options{}, WithMaxMessageBytes(16<<10))
	docs(t, c)
	records := randomRecords(60)
	err := c.Upsert(t.Context(), "docs", records)
	if !errors.Is(err, api.ErrLimit) || !strings.Contains(err.Error(), fmt.Sprint(16<<10)) {
		t.Errorf("sending: %v, want ErrLimit and the limit's value", err)
	}
	for _, r := range records {
		if err := c.Upsert(t.Context(), "docs", []api.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.Search(t.Context(), "docs", api.Query{ID: "id-0000", K: 59, WithVector: true})
	if !errors.Is(err, api.ErrLimit) {
		t.Errorf("receiving: %v, want ErrLimit", err)
	}
}
