package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/server"
)

func TestIngestStoresEverything(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts api.IngestOptions
		n    int
	}{
		{"nothing", api.IngestOptions{}, 0},
		{"one record", api.IngestOptions{}, 1},
		{"a batch each", api.IngestOptions{BatchVectors: 1, MaxInFlight: 1}, 5},
		{"one less than a batch", api.IngestOptions{BatchVectors: 10}, 9},
		{"a batch", api.IngestOptions{BatchVectors: 10}, 10},
		{"one more than a batch", api.IngestOptions{BatchVectors: 10}, 11},
		{"batches by bytes", api.IngestOptions{BatchBytes: 3000, MaxInFlight: 2}, 300},
		{"batches that no record fits into", api.IngestOptions{BatchBytes: 10}, 20},
		{"default batches", api.IngestOptions{}, 5000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, c := start(t, server.Options{})
			docs(t, c)
			stream, err := c.Ingest(t.Context(), "docs", tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			records := randomRecords(tt.n)
			for _, r := range records {
				if err := stream.Add(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			got, err := stream.Close()
			want := api.IngestResult{Stored: uint64(tt.n), Position: uint64(tt.n)}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("result %+v, %v, want %+v", got, err, want)
			}
			if again, err := stream.Close(); err != nil || !reflect.DeepEqual(again, want) {
				t.Errorf("closed again: %+v, %v, want the same", again, err)
			}
			if err := stream.Add(t.Context(), api.Record{ID: "late"}); err == nil {
				t.Error("a closed stream took a record")
			}
			if n, err := c.Count(t.Context(), "docs", ""); err != nil || n != uint64(tt.n) {
				t.Errorf("%d vectors stored, %v, want %d", n, err, tt.n)
			}
		})
	}
}

func TestIngestTakesCopies(t *testing.T) {
	_, _, c := start(t, server.Options{})
	docs(t, c)
	stream, err := c.Ingest(t.Context(), "docs", api.IngestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := randomRecords(20)
	reused := api.Record{Vector: make([]float32, testDims), Metadata: make([]byte, 0, 100)}
	for _, r := range want {
		reused.ID = r.ID
		copy(reused.Vector, r.Vector)
		reused.Metadata = append(reused.Metadata[:0], r.Metadata...)
		if err := stream.Add(t.Context(), reused); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	var got []api.Record
	for r, err := range api.List(t.Context(), c, "docs", api.ReadOptions{WithVector: true, WithMetadata: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("what is stored is not what was added")
	}
}

func TestIngestReportsRefusals(t *testing.T) {
	_, _, c := start(t, server.Options{}, WithMaxMessageBytes(256<<10))
	docs(t, c)
	var told []api.IngestRefusal
	stream, err := c.Ingest(t.Context(), "docs", api.IngestOptions{
		BatchVectors: 7, MaxRefusals: 3,
		OnRefused: func(r api.IngestRefusal) { told = append(told, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	records := randomRecords(40)
	nan := slices.Clone(records[0].Vector)
	nan[7] = float32(math.NaN())
	records[3].Vector = nan
	records[8].ID = "not \xff UTF-8"
	records[13].Metadata = []byte("\xff")
	records[14].Vector = make([]float32, 64<<10) // as large as a message
	records[15].ID = ""
	records[39].Vector = nil
	for _, r := range records {
		if err := stream.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	result, err := stream.Close()
	if err != nil {
		t.Fatal(err)
	}
	if result.Stored != 34 || result.Refused != 6 || result.Position != 40 {
		t.Errorf("result %+v, want 34 stored and 6 refused of 40", result)
	}
	want := []api.IngestRefusal{
		{Index: 3, ID: "id-0003", Reason: "vector component 7 is NaN"},
		{Index: 8, ID: "not \xff UTF-8", Reason: `id "not \xff UTF-8" is not UTF-8`},
		{Index: 13, ID: "id-0013", Reason: `metadata "\xff" is not UTF-8`},
		{Index: 14, ID: "id-0014", Reason: "has 262"},
		{Index: 15, ID: "", Reason: "id "},
		{Index: 39, ID: "id-0039", Reason: "vector is missing"},
	}
	if len(told) != len(want) {
		t.Fatalf("told of %v, want %v", told, want)
	}
	for i, got := range told {
		if got.Index != want[i].Index || got.ID != want[i].ID || !strings.HasPrefix(got.Reason, want[i].Reason) {
			t.Errorf("refusal %d is %+v, want %+v", i, got, want[i])
		}
	}
	if !slices.Equal(result.Refusals, told[:3]) {
		t.Errorf("kept %v, want the first 3", result.Refusals)
	}
	if n, err := c.Count(t.Context(), "docs", ""); err != nil || n != 34 {
		t.Errorf("%d vectors stored, %v, want 34", n, err)
	}
}

func TestIngestIntoNothing(t *testing.T) {
	_, _, c := start(t, server.Options{})
	if _, err := c.Ingest(t.Context(), "none", api.IngestOptions{}); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Ingest(ctx, "none", api.IngestOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestIngestThatBreaksSaysWhatIsDurable(t *testing.T) {
	db, s, c := start(t, server.Options{})
	docs(t, c)
	stream, err := c.Ingest(t.Context(), "docs", api.IngestOptions{BatchVectors: 10})
	if err != nil {
		t.Fatal(err)
	}
	r := randomRecords(1)[0]
	added := 0
	add := func() error {
		r.ID = fmt.Sprint(added)
		err := stream.Add(t.Context(), r)
		if err == nil {
			added++
		}
		return err
	}
	for range 100 {
		if err := add(); err != nil {
			t.Fatal(err)
		}
	}
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	for err == nil {
		err = add()
	}
	if err := <-down; err != nil {
		t.Fatal(err)
	}
	var broke *api.IngestError
	if !errors.Is(err, api.ErrUnavailable) || !errors.As(err, &broke) {
		t.Fatalf("Add: %v, want an IngestError that is ErrUnavailable", err)
	}
	result, closeErr := stream.Close()
	if closeErr == nil || closeErr.Error() != err.Error() {
		t.Errorf("Close: %v, want the same as from Add", closeErr)
	}
	collection, err := db.Collection("docs")
	if err != nil {
		t.Fatal(err)
	}
	if n := collection.Count(); n != result.Position || n != result.Stored || n != broke.Result.Position || int(n) > added {
		t.Errorf("%d vectors stored of %d added, and the result is %+v, the error's %+v", n, added, result, broke.Result)
	}
	if want := fmt.Sprintf("first %d records", result.Position); !strings.Contains(closeErr.Error(), want) {
		t.Errorf("error %q, want %q in it", closeErr, want)
	}
}

func TestIngestAboveALimitOfTheServer(t *testing.T) {
	_, _, c := start(t, server.Options{MaxBatchVectors: 10})
	docs(t, c)
	stream, err := c.Ingest(t.Context(), "docs", api.IngestOptions{BatchVectors: 11})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range randomRecords(11) {
		if err := stream.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	result, err := stream.Close()
	var e *Error
	if !errors.Is(err, api.ErrLimit) || !errors.As(err, &e) || e.Limit == nil || e.Limit.Limit != "max_batch_vectors" || result.Position != 0 {
		t.Errorf("result %+v, %v, want ErrLimit of max_batch_vectors", result, err)
	}
}

// scriptedIngest is a server that does with a stream what the test says.
type scriptedIngest struct {
	hamnestv1.UnimplementedVectorServiceServer
	script func(grpc.BidiStreamingServer[hamnestv1.IngestRequest, hamnestv1.IngestResponse]) error
}

func (s scriptedIngest) Ingest(stream grpc.BidiStreamingServer[hamnestv1.IngestRequest, hamnestv1.IngestResponse]) error {
	return s.script(stream)
}

type serverStream = grpc.BidiStreamingServer[hamnestv1.IngestRequest, hamnestv1.IngestResponse]

// scripted returns a stream of batches of one record to a server that follows the
// script.
func scripted(ctx context.Context, t *testing.T, opts api.IngestOptions, script func(serverStream) error) api.Ingest {
	t.Helper()
	c := startFake(t, func(s *grpc.Server) {
		hamnestv1.RegisterCollectionServiceServer(s, anyCollection{})
		hamnestv1.RegisterVectorServiceServer(s, scriptedIngest{script: script})
	})
	opts.BatchVectors = 1
	stream, err := c.Ingest(ctx, "docs", opts)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func TestAddWaitsWhileTooMuchIsUnacknowledged(t *testing.T) {
	release := make(chan struct{})
	stream := scripted(t.Context(), t, api.IngestOptions{MaxInFlight: 3}, func(s serverStream) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		<-release
		for sequence := uint64(1); ; sequence++ {
			if _, err := s.Recv(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := s.Send(&hamnestv1.IngestResponse{Sequence: sequence, StoredCount: 1, Position: sequence}); err != nil {
				return err
			}
		}
	})
	r := api.Record{ID: "a", Vector: []float32{1}}
	for range 4 { // three in flight, one being filled
		if err := stream.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := stream.Add(ended, r); !errors.Is(err, context.Canceled) {
		t.Errorf("Add of a fifth: %v, want it to wait until its context ends", err)
	}
	close(release)
	if err := stream.Add(t.Context(), r); err != nil {
		t.Errorf("Add after acknowledgements: %v, want the stream to go on", err)
	}
	// The record whose Add was given up is not there.
	if result, err := stream.Close(); err != nil || result.Stored != 5 || result.Position != 5 {
		t.Errorf("result %+v, %v, want 5 stored", result, err)
	}
}

func TestIngestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stream := scripted(ctx, t, api.IngestOptions{MaxInFlight: 1}, func(s serverStream) error {
		<-s.Context().Done()
		return s.Context().Err()
	})
	r := api.Record{ID: "a", Vector: []float32{1}}
	for range 2 {
		if err := stream.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if err := stream.Add(context.Background(), r); !errors.Is(err, context.Canceled) {
			t.Errorf("Add that waits: %v, want the end of the stream's context", err)
		}
	})
	cancel()
	waiting.Wait()
	if result, err := stream.Close(); !errors.Is(err, context.Canceled) || result.Position != 0 {
		t.Errorf("Close: %+v, %v, want the end of the stream's context", result, err)
	}
}

func TestIngestServersThatBreakTheContract(t *testing.T) {
	ack := func(sequence, position uint64, stored uint32, refused ...uint32) *hamnestv1.IngestResponse {
		r := &hamnestv1.IngestResponse{Sequence: sequence, Position: position, StoredCount: stored}
		for _, i := range refused {
			r.Errors = append(r.Errors, &hamnestv1.IngestError{Index: i})
		}
		return r
	}
	for _, tt := range []struct {
		name    string
		answers []*hamnestv1.IngestResponse // one a batch, then the end
		settled uint64
	}{
		{"that end before all is acknowledged", []*hamnestv1.IngestResponse{ack(1, 1, 1)}, 1},
		{"that skip a batch", []*hamnestv1.IngestResponse{ack(2, 2, 1)}, 0},
		{"that acknowledge a batch twice", []*hamnestv1.IngestResponse{ack(1, 1, 1), ack(1, 1, 1)}, 1},
		{"that miscount what is stored", []*hamnestv1.IngestResponse{ack(1, 1, 2)}, 0},
		{"that miscount what is refused", []*hamnestv1.IngestResponse{ack(1, 1, 1, 0)}, 0},
		{"that are ahead of the client", []*hamnestv1.IngestResponse{ack(1, 2, 1)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream := scripted(t.Context(), t, api.IngestOptions{}, func(s serverStream) error {
				if _, err := s.Recv(); err != nil {
					return err
				}
				for _, answer := range tt.answers {
					if _, err := s.Recv(); err != nil {
						return err
					}
					if err := s.Send(answer); err != nil {
						return err
					}
				}
				return nil
			})
			var err error
			for range 3 {
				if err = stream.Add(t.Context(), api.Record{ID: "a", Vector: []float32{1}}); err != nil {
					break
				}
			}
			result, closeErr := stream.Close()
			if status.Code(closeErr) != codes.Internal || result.Position != tt.settled {
				t.Errorf("result %+v, %v, want INTERNAL after %d", result, closeErr, tt.settled)
			}
			if err != nil && status.Code(err) != codes.Internal {
				t.Errorf("Add: %v, want INTERNAL", err)
			}
		})
	}
	t.Run("that acknowledge what was not sent", func(t *testing.T) {
		stream := scripted(t.Context(), t, api.IngestOptions{}, func(s serverStream) error { return s.Send(ack(1, 1, 1)) })
		if _, err := stream.Close(); status.Code(err) != codes.Internal {
			t.Errorf("Close: %v, want INTERNAL", err)
		}
	})
}

func TestFlushDoesNotOutwaitTheStream(t *testing.T) {
	broken := errors.New("broken")
	done := make(chan struct{})
	close(done)
	s := &ingestStream{
		unacknowledged: make(chan *ingestBatch, 1),
		outgoing:       make(chan *ingestBatch), // nobody sends any more
		done:           done,
		err:            broken,
	}
	s.newBatch()
	if err := s.flush(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want why the stream ended", err)
	}
}

func TestManyIngestStreamsShareAClient(t *testing.T) {
	_, _, c := start(t, server.Options{})
	docs(t, c)
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			stream, err := c.Ingest(t.Context(), "docs", api.IngestOptions{BatchVectors: 17, MaxInFlight: 3})
			if err != nil {
				t.Error(err)
				return
			}
			for _, r := range randomRecords(200) {
				r.ID = fmt.Sprintf("%d-%s", worker, r.ID)
				if err := stream.Add(t.Context(), r); err != nil {
					t.Error(err)
					break
				}
			}
			if result, err := stream.Close(); err != nil || result.Stored != 200 {
				t.Errorf("stream %d: %+v, %v", worker, result, err)
			}
		})
	}
	wg.Wait()
	if n, err := c.Count(t.Context(), "docs", ""); err != nil || n != 1200 {
		t.Errorf("%d vectors stored, %v, want 1200", n, err)
	}
}
