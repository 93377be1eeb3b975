package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// SearchStream carries the searches of many goroutines over one gRPC call, which takes less
// time than one call for each search. It is safe for concurrent use.
//
// Two goroutines work behind it: one sends what Search asks, the other receives the answers and
// hands each to the caller that waits for it.
type SearchStream struct {
	stream          hamnestv1.SearchService_SearchStreamClient
	ctx             context.Context // of the stream
	cancel          context.CancelFunc
	maxMessageBytes int
	outgoing        chan *hamnestv1.SearchStreamRequest
	last            atomic.Uint64 // id given

	mu      sync.Mutex
	waiting map[uint64]chan<- *hamnestv1.SearchStreamResponse // by id
	closed  bool                                              // by Close

	// done is closed when the stream has ended. Until then only the receiver uses err;
	// afterwards anyone may read it.
	done chan struct{}
	err  error
}

// SearchStream opens a stream for searches of any collections. The caller must close it. It
// breaks when ctx ends, the connection is lost or the server stops: every later Search fails
// with the reason, which is api.ErrUnavailable for the latter two. Open a new stream to go on.
func (c *Client) SearchStream(ctx context.Context) (*SearchStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.searches.SearchStream(ctx)
	if err != nil {
		cancel()
		return nil, fromGRPC(err)
	}
	s := &SearchStream{
		stream:          stream,
		ctx:             ctx,
		cancel:          cancel,
		maxMessageBytes: c.maxMessageBytes,
		outgoing:        make(chan *hamnestv1.SearchStreamRequest),
		waiting:         make(map[uint64]chan<- *hamnestv1.SearchStreamResponse),
		done:            make(chan struct{}),
	}
	sent := make(chan error, 1)
	go func() { sent <- s.send() }()
	go s.receive(sent)
	return s, nil
}

// Search finds the K vectors of a collection most like the query, as Client.Search does, but is
// not tried again. It waits while the server already works on as many searches of the stream as
// it takes at a time. When ctx ends, the wait and this search end, and nothing else; a deadline
// is sent to the server.
func (s *SearchStream) Search(ctx context.Context, collection string, q api.Query) (*api.Result, error) {
	var bad convert.Violations
	message := &hamnestv1.SearchStreamRequest{Id: s.last.Add(1), Request: convert.QueryToProto(&bad, "", q)}
	message.Request.Collection = bad.Text("collection", collection)
	if err := refused(bad); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fromGRPC(err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		message.Timeout = durationpb.New(max(time.Until(deadline), 1))
	}
	// gRPC would end the stream over it.
	if size := proto.Size(message); size > s.maxMessageBytes {
		return nil, &Error{
			Code:    codes.ResourceExhausted,
			Message: fmt.Sprintf("the search has %d bytes, and a message of this client has room for %d", size, s.maxMessageBytes),
		}
	}
	answer := make(chan *hamnestv1.SearchStreamResponse, 1)
	s.mu.Lock()
	s.waiting[message.Id] = answer
	s.mu.Unlock()
	defer s.forget(message.Id)

	select {
	case s.outgoing <- message:
	case <-s.done:
		return nil, s.err
	case <-ctx.Done():
		return nil, fromGRPC(ctx.Err())
	}
	select {
	case resp := <-answer:
		return resultOf(resp)
	case <-ctx.Done():
		return nil, fromGRPC(ctx.Err())
	case <-s.done:
	}
	// The answer may have come just before the end.
	select {
	case resp := <-answer:
		return resultOf(resp)
	default:
		return nil, s.err
	}
}

// resultOf returns what the server answered.
func resultOf(resp *hamnestv1.SearchStreamResponse) (*api.Result, error) {
	switch answer := resp.GetAnswer().(type) {
	case *hamnestv1.SearchStreamResponse_Response:
		return convert.ResultFromProto(answer.Response), nil
	case *hamnestv1.SearchStreamResponse_Error:
		failure := answer.Error
		if failure.GetCode() != int32(codes.OK) {
			return nil, fromGRPC(status.ErrorProto(&spb.Status{Code: failure.GetCode(), Message: failure.GetMessage(), Details: failure.GetDetails()}))
		}
	}
	return nil, &Error{Code: codes.Internal, Message: "the server's answer has neither hits nor an error"}
}

// Close ends the stream. The searches under way fail with context.Canceled. It returns when the
// stream's goroutines have ended.
func (s *SearchStream) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	<-s.done
}

// forget drops a search, answered or not.
func (s *SearchStream) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
}

// send sends searches until the stream ends. It returns an error only if that error, and not
// the stream's end, stops it from sending more.
func (s *SearchStream) send() error {
	for {
		select {
		case message := <-s.outgoing:
			err := s.stream.Send(message)
			switch {
			case err == nil:
			case errors.Is(err, io.EOF): // the receiver has yet to read why
				return nil
			default:
				s.cancel()
				return err
			}
		case <-s.ctx.Done():
			return nil
		}
	}
}

// receive hands answers to those who wait for them until the stream ends. sent gets what send
// returns.
func (s *SearchStream) receive(sent <-chan error) {
	defer close(s.done)
	for {
		resp, err := s.stream.Recv()
		if err != nil {
			s.cancel()
			// Whatever broke sending also broke receiving, so it is the cause.
			s.err = s.reason(cmp.Or(<-sent, err))
			return
		}
		s.mu.Lock()
		answer := s.waiting[resp.GetId()]
		delete(s.waiting, resp.GetId())
		s.mu.Unlock()
		if answer != nil { // or its caller has given up
			answer <- resp
		}
	}
}

// reason is the error of searches after err has ended the stream.
func (s *SearchStream) reason(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return &Error{Code: codes.Canceled, Message: "the search stream was closed"}
	case errors.Is(err, io.EOF):
		return &Error{Code: codes.Internal, Message: "the server ended the search stream before the client did"}
	}
	return fromGRPC(err)
}
