package server

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// searchFor is a search of docs for the vector v.
func searchFor(v []float32) *hamnestv1.SearchRequest {
	return &hamnestv1.SearchRequest{Collection: "docs", K: 3, Query: &hamnestv1.SearchRequest_Vector{Vector: packed(v...)}}
}

// searchStream sends requests, closes the sending side and returns all answers by id,
// with the error that ended them if it was not the end.
func (h *harness) searchStream(t *testing.T, requests ...*hamnestv1.SearchStreamRequest) (map[uint64]*hamnestv1.SearchStreamResponse, error) {
	t.Helper()
	stream, err := h.searches.SearchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() { // or both sides could wait for each other
		for _, r := range requests {
			if stream.Send(r) != nil {
				return // Recv says why
			}
		}
		_ = stream.CloseSend()
	}()
	answers := make(map[uint64]*hamnestv1.SearchStreamResponse)
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return answers, nil
		}
		if err != nil {
			return answers, err
		}
		if answers[answer.GetId()] != nil {
			t.Errorf("id %d was answered twice", answer.GetId())
		}
		answers[answer.GetId()] = answer
	}
}

// failure is the error of an answer, nil if it has none.
func failure(answer *hamnestv1.SearchStreamResponse) error {
	e := answer.GetError()
	if e == nil {
		return nil
	}
	return status.ErrorProto(&spb.Status{Code: e.GetCode(), Message: e.GetMessage(), Details: e.GetDetails()})
}

func TestSearchStreamFindsWhatSearchFinds(t *testing.T) {
	for name, limit := range map[string]int{"one under way": 1, "two": 2, "the default": 0} {
		t.Run(name, func(t *testing.T) {
			h := start(t, Options{MaxStreamSearches: limit})
			records := h.filled(t, 60)
			var requests []*hamnestv1.SearchStreamRequest
			for i := range 200 {
				id := uint64(i) * 0x9e3779b97f4a7c15 // ids are the client's own
				requests = append(requests, &hamnestv1.SearchStreamRequest{Id: id, Request: searchFor(records[i%60].Vector)})
			}
			answers, err := h.searchStream(t, requests...)
			if err != nil {
				t.Fatal(err)
			}
			if len(answers) != len(requests) {
				t.Fatalf("%d answers, want %d", len(answers), len(requests))
			}
			for _, r := range requests {
				want, err := h.searches.Search(t.Context(), r.GetRequest())
				if err != nil {
					t.Fatal(err)
				}
				if got := hitIDs(answers[r.GetId()].GetResponse()); !slices.Equal(got, hitIDs(want)) {
					t.Errorf("id %d: hits %q, want %q", r.GetId(), got, hitIDs(want))
				}
			}
		})
	}
}

func TestASearchThatFailsEndsOnlyItself(t *testing.T) {
	h := start(t, Options{MaxK: 20})
	records := h.filled(t, 60)
	good := func() *hamnestv1.SearchRequest { return searchFor(records[9].Vector) }
	with := func(change func(*hamnestv1.SearchRequest)) *hamnestv1.SearchRequest {
		r := good()
		change(r)
		return r
	}
	bad := []struct {
		name    string
		request *hamnestv1.SearchStreamRequest
		code    codes.Code
		field   string // that a violation names
	}{
		{"nothing", &hamnestv1.SearchStreamRequest{}, codes.InvalidArgument, "request"},
		{"no collection", &hamnestv1.SearchStreamRequest{Request: &hamnestv1.SearchRequest{}}, codes.InvalidArgument, "collection"},
		{"a collection that is not there", &hamnestv1.SearchStreamRequest{Request: with(func(r *hamnestv1.SearchRequest) { r.Collection = "none" })}, codes.NotFound, ""},
		{"a vector that is not there", &hamnestv1.SearchStreamRequest{Request: with(func(r *hamnestv1.SearchRequest) { r.Query = &hamnestv1.SearchRequest_Id{Id: "none"} })}, codes.NotFound, ""},
		{"no results", &hamnestv1.SearchStreamRequest{Request: with(func(r *hamnestv1.SearchRequest) { r.K = 0 })}, codes.InvalidArgument, "k"},
		{"too many results", &hamnestv1.SearchStreamRequest{Request: with(func(r *hamnestv1.SearchRequest) { r.K = 21 })}, codes.ResourceExhausted, ""},
		{"no time", &hamnestv1.SearchStreamRequest{Request: good(), Timeout: &durationpb.Duration{}}, codes.InvalidArgument, "timeout"},
		{"a time that is none", &hamnestv1.SearchStreamRequest{Request: good(), Timeout: &durationpb.Duration{Seconds: 1, Nanos: -1}}, codes.InvalidArgument, "timeout"},
		{"too little time", &hamnestv1.SearchStreamRequest{Request: good(), Timeout: durationpb.New(1)}, codes.DeadlineExceeded, ""},
	}
	var requests []*hamnestv1.SearchStreamRequest
	for i, tt := range bad {
		tt.request.Id = uint64(2 * i)
		requests = append(requests, tt.request, &hamnestv1.SearchStreamRequest{Id: uint64(2*i + 1), Request: good(), Timeout: durationpb.New(time.Hour)})
	}
	answers, err := h.searchStream(t, requests...)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range bad {
		t.Run(tt.name, func(t *testing.T) {
			st := wantCode(t, failure(answers[uint64(2*i)]), tt.code)
			if tt.field != "" {
				violations := detail[*errdetails.BadRequest](t, st).GetFieldViolations()
				if violations[0].GetField() != tt.field {
					t.Errorf("violations %v, want one of %s", violations, tt.field)
				}
			}
			next := answers[uint64(2*i+1)]
			if got := hitIDs(next.GetResponse()); len(got) != 3 || got[0] != records[9].ID {
				t.Errorf("the good search beside it got %v", next)
			}
		})
	}
	if logs := h.logs.String(); logs != "" {
		t.Errorf("logged %q, want nothing", logs)
	}
}

func TestAnAnswerAboveTheMessageLimitFailsOnlyItsSearch(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 60)
	large := searchFor(records[9].Vector)
	large.K, large.WithVector, large.WithMetadata = 10, true, true
	whole, err := h.searches.Search(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	// The hits alone are below the limit, and the receipt takes more than is left.
	most := proto.Size(&hamnestv1.SearchResponse{Hits: whole.GetHits()}) + 20
	answers, err := serveOver(t, h.db, Options{MaxMessageBytes: most}).searchStream(
		t,
		&hamnestv1.SearchStreamRequest{Id: 1, Request: large},
		&hamnestv1.SearchStreamRequest{Id: 2, Request: searchFor(records[9].Vector)},
	)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, failure(answers[1]), codes.ResourceExhausted)
	if answers[2].GetResponse() == nil {
		t.Errorf("the small search got %v", answers[2])
	}
}

func TestAMessageAboveTheLimitEndsTheStream(t *testing.T) {
	h := start(t, Options{MaxMessageBytes: 2000})
	h.filled(t, 3)
	_, err := h.searchStream(t, &hamnestv1.SearchStreamRequest{Request: searchFor(make([]float32, 1000))})
	wantCode(t, err, codes.ResourceExhausted)
}

func TestBytesThatAreNoSearchEndTheStream(t *testing.T) {
	h := start(t, Options{})
	stream, err := h.conn.NewStream(t.Context(), &hamnestv1.SearchService_ServiceDesc.Streams[0], hamnestv1.SearchService_SearchStream_FullMethodName, grpc.ForceCodec(rawCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg([]byte{0x12, 0x7f}); err != nil { // a request of more bytes than there are
		t.Fatal(err)
	}
	wantCode(t, stream.RecvMsg(nil), codes.Internal)
	if logs := h.logs.String(); logs != "" {
		t.Errorf("logged %q, want nothing", logs)
	}
}

func TestAPanicFailsOnlyItsSearch(t *testing.T) {
	h := serveOver(t, nil, Options{}) // every use of a nil database panics
	answers, err := h.searchStream(
		t,
		&hamnestv1.SearchStreamRequest{Id: 1, Request: searchFor(nil)},
		&hamnestv1.SearchStreamRequest{Id: 2, Request: searchFor(nil)},
	)
	if err != nil {
		t.Fatal(err)
	}
	for id := uint64(1); id <= 2; id++ {
		wantCode(t, failure(answers[id]), codes.Internal)
	}
	for _, want := range []string{hamnestv1.SearchService_SearchStream_FullMethodName, "level=ERROR", "nil pointer", "stack="} {
		if logs := h.logs.String(); !strings.Contains(logs, want) {
			t.Errorf("log %q, want %q in it", logs, want)
		}
	}
}

func TestSearchStreamEndsWithItsClient(t *testing.T) {
	h := start(t, Options{MaxStreamSearches: 4})
	records := h.filled(t, 60)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := h.searches.SearchStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	large := searchFor(records[9].Vector)
	large.K, large.WithVector = 60, true
	for i := range 20 { // more than the window holds of answers that nobody reads
		if err := stream.Send(&hamnestv1.SearchStreamRequest{Id: uint64(i), Request: large}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for err == nil { // some answers may have come
		_, err = stream.Recv()
	}
	wantCode(t, err, codes.Canceled)
	// It waits for the handler, which has answers left to send.
	if err := h.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// fakeSearches is a search stream whose client is the test.
type fakeSearches struct {
	grpc.ServerStream
	ctx      context.Context
	requests chan *hamnestv1.SearchStreamRequest  // closed: the client has closed its side
	sending  chan *hamnestv1.SearchStreamResponse // an answer that Send has been given
	sent     chan struct{}                        // lets a Send return
	broken   chan error                           // breaks a Send

	mu    sync.Mutex
	recvs int // calls of Recv
}

func newFakeSearches(ctx context.Context) *fakeSearches {
	return &fakeSearches{
		ctx:      ctx,
		requests: make(chan *hamnestv1.SearchStreamRequest),
		sending:  make(chan *hamnestv1.SearchStreamResponse),
		sent:     make(chan struct{}),
		broken:   make(chan error),
	}
}

func (f *fakeSearches) Context() context.Context { return f.ctx }

func (f *fakeSearches) Recv() (*hamnestv1.SearchStreamRequest, error) {
	f.mu.Lock()
	f.recvs++
	f.mu.Unlock()
	select {
	case r, more := <-f.requests:
		if !more {
			return nil, io.EOF
		}
		return r, nil
	case <-f.ctx.Done():
		return nil, f.ctx.Err()
	}
}

func (f *fakeSearches) Send(answer *hamnestv1.SearchStreamResponse) error {
	f.sending <- answer
	select {
	case <-f.sent:
		return nil
	case err := <-f.broken:
		return err
	}
}

// received is how often Recv was called.
func (f *fakeSearches) received() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recvs
}

// answerFake runs the handler for a fake stream. What it returns comes from the channel,
// when all its goroutines have ended.
func answerFake(h *harness, f *fakeSearches, limit int, stopping chan struct{}) <-chan error {
	var streams sync.WaitGroup
	s := &searchService{service: service{engine: h.db, opts: Options{MaxStreamSearches: limit}.withDefaults()}, stopping: stopping, streams: &streams, fail: h.server.fail}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(f.ctx)
	f.ctx = ctx
	go func() {
		err := s.SearchStream(f)
		cancel() // as gRPC does when a handler returns
		streams.Wait()
		ended <- err
	}()
	return ended
}

func TestSearchStreamReadsNoFurtherThanItsLimit(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 10)
	request := &hamnestv1.SearchStreamRequest{Request: searchFor(records[0].Vector)}
	const limit = 3
	f := newFakeSearches(t.Context())
	ended := answerFake(h, f, limit, nil)

	for range limit {
		f.requests <- request
	}
	<-f.sending // and two wait for their turn to send, which is to be under way, too
	if got := f.received(); got != limit {
		t.Errorf("%d requests were asked for while %d are under way, want %d", got, limit, limit)
	}
	f.sent <- struct{}{} // one is done: the next is received
	f.requests <- request
	for range limit {
		<-f.sending
		f.sent <- struct{}{}
	}
	close(f.requests)
	if err := <-ended; err != nil {
		t.Errorf("ended with %v, want nil", err)
	}
}

func TestShutdownAnswersTheSearchesUnderWay(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 10)
	f, stopping := newFakeSearches(t.Context()), make(chan struct{})
	ended := answerFake(h, f, 4, stopping)
	f.requests <- &hamnestv1.SearchStreamRequest{Id: 7, Request: searchFor(records[0].Vector)}
	for f.received() < 2 { // until another waits for the next one, this one is not under way
		runtime.Gosched()
	}
	close(stopping)
	if answer := <-f.sending; answer.GetId() != 7 || answer.GetResponse() == nil {
		t.Errorf("answered %v, want the hits of 7", answer)
	}
	select {
	case err := <-ended:
		t.Errorf("ended with %v before the answer was sent", err)
	default:
	}
	f.sent <- struct{}{}
	if err := <-ended; !errors.Is(err, errStopping) {
		t.Errorf("ended with %v, want errStopping", err)
	}
}

func TestSearchesUnderWayEndWithTheStream(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 10)
	ctx, cancel := context.WithCancel(t.Context())
	f := newFakeSearches(ctx)
	ended := answerFake(h, f, 4, nil)
	f.requests <- &hamnestv1.SearchStreamRequest{Request: searchFor(records[0].Vector)}
	<-f.sending
	cancel()
	f.broken <- errors.New("no client")
	if err := <-ended; !errors.Is(err, context.Canceled) && err.Error() != "no client" {
		t.Errorf("ended with %v, want the context's error or the broken stream's", err)
	}

	s := &answering{searchService: &searchService{service: service{engine: h.db, opts: Options{}.withDefaults()}, fail: h.server.fail}, stream: f}
	answer := s.answer(&hamnestv1.SearchStreamRequest{Request: searchFor(records[0].Vector)})
	wantCode(t, failure(answer), codes.Canceled)
}

func TestABrokenSendEndsTheStream(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 10)
	f := newFakeSearches(t.Context())
	ended := answerFake(h, f, 4, nil)
	f.requests <- &hamnestv1.SearchStreamRequest{Request: searchFor(records[0].Vector)}
	<-f.sending
	broken := errors.New("no way out")
	f.broken <- broken
	if err := <-ended; !errors.Is(err, broken) {
		t.Errorf("ended with %v, want %v", err, broken)
	}
}
