package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

func ingestStart(collection string) *hamnestv1.IngestRequest {
	return &hamnestv1.IngestRequest{Message: &hamnestv1.IngestRequest_Start{Start: &hamnestv1.IngestStart{Collection: collection}}}
}

func ingestBatch(sequence uint64, vectors ...*hamnestv1.VectorRecord) *hamnestv1.IngestRequest {
	return &hamnestv1.IngestRequest{Message: &hamnestv1.IngestRequest_Batch{Batch: &hamnestv1.IngestBatch{Sequence: sequence, Vectors: vectors}}}
}

// goodBatch holds n vectors with ids that start with name.
func goodBatch(sequence uint64, name string, n int) *hamnestv1.IngestRequest {
	var vectors []*hamnestv1.VectorRecord
	for i := range n {
		vectors = append(vectors, &hamnestv1.VectorRecord{Id: fmt.Sprintf("%s-%d-%d", name, sequence, i), Vector: packed(vectorOf(float32(i + 1))...)})
	}
	return ingestBatch(sequence, vectors...)
}

// ingest sends messages, closes the sending side and returns all answers, with
// the error that ended them if it was not the end.
func (h *harness) ingest(t *testing.T, messages ...*hamnestv1.IngestRequest) ([]*hamnestv1.IngestResponse, error) {
	t.Helper()
	stream, err := h.vectors.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := stream.Send(m); err != nil {
			break // Recv says why
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return drain(stream)
}

// drain returns what a stream still receives, and the error that ended it if it
// was not the end.
func drain(stream hamnestv1.VectorService_IngestClient) ([]*hamnestv1.IngestResponse, error) {
	var answers []*hamnestv1.IngestResponse
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return answers, nil
		}
		if err != nil {
			return answers, err
		}
		answers = append(answers, answer)
	}
}

func TestIngestAcknowledgesEveryBatchInOrder(t *testing.T) {
	h := start(t, Options{})
	c := h.collection(t, "docs")
	messages := []*hamnestv1.IngestRequest{ingestStart("docs")}
	position := uint64(0)
	var want []*hamnestv1.IngestResponse
	for i := range 40 {
		n := 1 + i%5
		position += uint64(n)
		messages = append(messages, goodBatch(uint64(i+1), "v", n))
		want = append(want, &hamnestv1.IngestResponse{Sequence: uint64(i + 1), StoredCount: uint32(n), Position: position})
	}
	answers, err := h.ingest(t, messages...)
	if err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(want) {
		t.Fatalf("%d answers, want %d", len(answers), len(want))
	}
	for i, got := range answers {
		if !proto.Equal(got, want[i]) {
			t.Errorf("answer %d is %v, want %v", i, got, want[i])
		}
	}
	if n := c.Count(); n != position {
		t.Errorf("%d vectors stored, want %d", n, position)
	}
}

func TestIngestRefusesBadVectorsOneByOne(t *testing.T) {
	h := start(t, Options{})
	c := h.collection(t, "docs")
	nan := vectorOf(1)
	nan[3] = float32(math.NaN())
	answers, err := h.ingest(
		t, ingestStart("docs"),
		ingestBatch(
			1,
			&hamnestv1.VectorRecord{Id: "a", Vector: packed(vectorOf(1)...)},
			&hamnestv1.VectorRecord{Id: "half", Vector: &hamnestv1.Vector{Float32Le: make([]byte, 7)}},
			&hamnestv1.VectorRecord{Id: "nan", Vector: packed(nan...)},
			&hamnestv1.VectorRecord{Id: "b", Vector: &hamnestv1.Vector{Values: vectorOf(2)}},
			&hamnestv1.VectorRecord{Id: "metadata", Vector: packed(vectorOf(1)...), Metadata: "7"},
			&hamnestv1.VectorRecord{Id: "none"},
			&hamnestv1.VectorRecord{Vector: packed(vectorOf(1)...)},
		),
		ingestBatch(2, &hamnestv1.VectorRecord{}, nil), // nothing good in it
		goodBatch(3, "v", 2),
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(answers) != 3 {
		t.Fatalf("%d answers, want 3", len(answers))
	}
	type refusal struct {
		index  uint32
		id     string
		reason string
	}
	for i, want := range []struct {
		stored   uint32
		position uint64
		errors   []refusal
	}{
		{2, 7, []refusal{
			{1, "half", "vector float32_le has 7 bytes, want 4 a component"},
			{2, "nan", "vector component 3 is NaN"},
			{4, "metadata", "metadata "},
			{5, "none", "vector is missing"},
			{6, "", "id "},
		}},
		{0, 9, []refusal{{0, "", "vector is missing"}, {1, "", "vector is missing"}}},
		{2, 11, nil},
	} {
		got := answers[i]
		if got.GetSequence() != uint64(i+1) || got.GetStoredCount() != want.stored || got.GetPosition() != want.position || len(got.GetErrors()) != len(want.errors) {
			t.Errorf("answer %d is %v, want %+v", i, got, want)
			continue
		}
		for j, e := range got.GetErrors() {
			w := want.errors[j]
			if e.GetIndex() != w.index || e.GetId() != w.id || !strings.HasPrefix(e.GetReason(), w.reason) {
				t.Errorf("answer %d: refusal %d is %v, want %+v", i, j, e, w)
			}
		}
	}
	if n := c.Count(); n != 4 {
		t.Errorf("%d vectors stored, want 4", n)
	}
}

func TestIngestStreamsThatBreakARule(t *testing.T) {
	h := start(t, Options{MaxBatchVectors: 3})
	good := goodBatch(1, "good", 2)
	for _, tt := range []struct {
		name     string
		messages []*hamnestv1.IngestRequest
		answers  int // batches acknowledged before
		field    string
	}{
		{"that ends before it starts", nil, 0, "start"},
		{"that starts with a batch", []*hamnestv1.IngestRequest{good}, 0, "start"},
		{"that starts with nothing", []*hamnestv1.IngestRequest{{}}, 0, "start"},
		{"that starts with a start that is nil", []*hamnestv1.IngestRequest{{Message: &hamnestv1.IngestRequest_Start{}}}, 0, "start.collection"},
		{"that starts twice", []*hamnestv1.IngestRequest{ingestStart("docs"), good, ingestStart("docs")}, 1, "start"},
		{"with a message that is nothing", []*hamnestv1.IngestRequest{ingestStart("docs"), good, {}}, 1, "batch"},
		{"that counts from 0", []*hamnestv1.IngestRequest{ingestStart("docs"), goodBatch(0, "x", 1)}, 0, "batch.sequence"},
		{"that leaves a number out", []*hamnestv1.IngestRequest{ingestStart("docs"), good, goodBatch(3, "x", 1)}, 1, "batch.sequence"},
		{"that repeats a number", []*hamnestv1.IngestRequest{ingestStart("docs"), good, good}, 1, "batch.sequence"},
		{"with an empty batch", []*hamnestv1.IngestRequest{ingestStart("docs"), good, ingestBatch(2)}, 1, "batch.vectors"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := h.db.Collection("docs"); err == nil {
				if err := h.db.DeleteCollection(t.Context(), "docs"); err != nil {
					t.Fatal(err)
				}
			}
			c := h.collection(t, "docs")
			answers, err := h.ingest(t, tt.messages...)
			wantFields(t, err, tt.field)
			if len(answers) != tt.answers {
				t.Errorf("%d batches acknowledged, want %d", len(answers), tt.answers)
			}
			if n := c.Count(); n != uint64(2*tt.answers) {
				t.Errorf("%d vectors stored, want the %d that were acknowledged", n, 2*tt.answers)
			}
		})
	}
}

func TestIngestEndsWhenItsCollectionIsDeleted(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	stream, err := h.vectors.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*hamnestv1.IngestRequest{ingestStart("docs"), goodBatch(1, "v", 1)} {
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := h.db.DeleteCollection(t.Context(), "docs"); err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(goodBatch(2, "v", 1)); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantCode(t, err, codes.NotFound)
}

// Over the wire, with nothing to say how far the server has come: whatever it has
// stored when it stops, it has acknowledged.
func TestShutdownAcknowledgesWhatIngestHasStored(t *testing.T) {
	h := start(t, Options{})
	c := h.collection(t, "docs")
	stream, err := h.vectors.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(ingestStart("docs")); err != nil {
		t.Fatal(err)
	}
	go func() {
		for sequence := uint64(1); stream.Send(goodBatch(sequence, "v", 10)) == nil; sequence++ {
		}
	}()
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	down := make(chan error, 1)
	go func() { down <- h.server.Shutdown(t.Context()) }()
	answers, err := drain(stream)
	wantCode(t, err, codes.Unavailable)
	if err := <-down; err != nil {
		t.Fatal(err)
	}
	last := append([]*hamnestv1.IngestResponse{first}, answers...)[len(answers)]
	if n := c.Count(); n != last.GetPosition() {
		t.Errorf("%d vectors stored, and acknowledged up to position %d", n, last.GetPosition())
	}
}

// fakeStream is a stream whose other end is the test.
type fakeStream struct {
	grpc.ServerStream // of which only Context is used
	ctx               context.Context
	receiving         chan struct{} // gets a value for each call of Recv
	requests          chan *hamnestv1.IngestRequest
	send              func(*hamnestv1.IngestResponse) error
}

func (s *fakeStream) Context() context.Context { return s.ctx }

func (s *fakeStream) Recv() (*hamnestv1.IngestRequest, error) {
	s.receiving <- struct{}{}
	select {
	case r := <-s.requests:
		return r, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

func (s *fakeStream) Send(r *hamnestv1.IngestResponse) error { return s.send(r) }

// fakeIngest runs Ingest on a fake stream, and returns what ends it.
func fakeIngest(t *testing.T, db *index.DB, send func(*hamnestv1.IngestResponse) error) (stream *fakeStream, stop func(), ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stopping := make(chan struct{})
	var streams sync.WaitGroup
	service := &vectorService{service: service{engine: db, opts: Options{}.withDefaults()}, stopping: stopping, streams: &streams}
	stream = &fakeStream{ctx: ctx, receiving: make(chan struct{}, 100), requests: make(chan *hamnestv1.IngestRequest), send: send}
	end := make(chan error, 1)
	go func() { end <- service.Ingest(stream) }()
	t.Cleanup(func() {
		cancel() // as gRPC does when the handler returns
		streams.Wait()
	})
	return stream, func() { close(stopping) }, end
}

func TestShutdownFinishesTheBatchInFlight(t *testing.T) {
	h := start(t, Options{})
	c := h.collection(t, "docs")
	answers := make(chan *hamnestv1.IngestResponse, 10)
	stream, stop, ended := fakeIngest(t, h.db, func(r *hamnestv1.IngestResponse) error {
		answers <- r
		return nil
	})
	stream.requests <- ingestStart("docs")
	stream.requests <- goodBatch(1, "v", 5)
	for range 3 { // at the third Recv the batch has been handed over
		<-stream.receiving
	}
	stop()
	if err := <-ended; !errors.Is(err, errStopping) {
		t.Errorf("Ingest ended with %v, want %v", err, errStopping)
	}
	close(answers)
	want := &hamnestv1.IngestResponse{Sequence: 1, StoredCount: 5, Position: 5}
	if got := <-answers; !proto.Equal(got, want) {
		t.Errorf("answer %v, want %v", got, want)
	}
	if n := c.Count(); n != 5 {
		t.Errorf("%d vectors stored, want 5", n)
	}
}

func TestIngestEndsWhenItCannotAnswer(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	broken := errors.New("broken pipe")
	stream, _, ended := fakeIngest(t, h.db, func(*hamnestv1.IngestResponse) error { return broken })
	stream.requests <- ingestStart("docs")
	stream.requests <- goodBatch(1, "v", 1)
	if err := <-ended; !errors.Is(err, broken) {
		t.Errorf("Ingest ended with %v, want %v", err, broken)
	}
}

func TestIngestThatPanicsWhileItAnswersIsAnError(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	stream, _, ended := fakeIngest(t, h.db, func(*hamnestv1.IngestResponse) error { panic("boom") })
	stream.requests <- ingestStart("docs")
	stream.requests <- goodBatch(1, "v", 1)
	err := <-ended
	if _, is := asError[*panicError](err); !is {
		t.Errorf("Ingest ended with %v, want the panic", err)
	}
}

func TestIngestHoldsTheClientBackWhenAcknowledgementsStall(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	release := make(chan struct{})
	stream, _, ended := fakeIngest(t, h.db, func(*hamnestv1.IngestResponse) error {
		<-release
		return nil
	})
	stream.requests <- ingestStart("docs")
	// One being answered, ingestInFlight waiting, one in the hands of the submitter
	// and one in those of the receiver: no more is taken while the first is stuck.
	const taken = 1 + ingestInFlight + 1 + 1
	sequence := uint64(0)
	for range taken {
		sequence++
		stream.requests <- goodBatch(sequence, "v", 1)
	}
	select {
	case stream.requests <- goodBatch(sequence+1, "v", 1):
		t.Errorf("batch %d was taken while none of those before was acknowledged", sequence+1)
	default:
	}
	close(release)
	stream.requests <- ingestStart("docs") // ends the stream
	if err := <-ended; !errors.Is(err, api.ErrInvalid) {
		t.Errorf("Ingest ended with %v, want the second start refused", err)
	}
}

func TestCancelledIngestStreamsLeaveNothingBehind(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	for i := range 50 {
		stream, err := h.vectors.Ingest(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*hamnestv1.IngestRequest{ingestStart("docs"), goodBatch(1, fmt.Sprint(i), 2)} {
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // the others are silent
			clients.Go(func() {
				for sequence := uint64(2); stream.Send(goodBatch(sequence, fmt.Sprint(i), 3)) == nil; sequence++ {
				}
			})
		}
	}
	cancel()
	clients.Wait()
	// Without Shutdown's help: each stream counts its goroutines here, and its
	// handler ends with them.
	h.server.streams.Wait()
}

func TestManyIngestStreamsAtOnce(t *testing.T) {
	h := start(t, Options{})
	c := h.collection(t, "docs")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			messages := []*hamnestv1.IngestRequest{ingestStart("docs")}
			for sequence := range 10 {
				messages = append(messages, goodBatch(uint64(sequence+1), fmt.Sprint(i), 7))
			}
			if answers, err := h.ingest(t, messages...); err != nil || len(answers) != 10 || answers[9].GetPosition() != 70 {
				t.Errorf("stream %d: %v, %v", i, answers, err)
			}
		})
	}
	wg.Wait()
	if n := c.Count(); n != 8*70 {
		t.Errorf("%d vectors stored, want %d", n, 8*70)
	}
}
