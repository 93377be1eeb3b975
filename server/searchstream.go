package server

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// The goroutines of a search stream take turns. One waits for the next request; when it comes,
// another takes over, and the first answers the request itself. So a search is never handed
// from goroutine to goroutine. They are made when needed and live as long as the stream, so
// that their stacks grow once. When Options.MaxStreamSearches of them are answering, nobody
// receives, and HTTP/2 flow control makes the client wait. The handler's own goroutine only
// waits for the end.

type searchStream = grpc.BidiStreamingServer[hamnestv1.SearchStreamRequest, hamnestv1.SearchStreamResponse]

// answering is a search stream under way.
type answering struct {
	*searchService
	stream searchStream

	receiving sync.Mutex // held by whoever waits for a request
	sending   sync.Mutex // held by whoever sends an answer

	ended chan struct{} // closed when no more requests are taken

	mu      sync.Mutex
	err     error // why the stream ended; io.EOF when the client closed its side
	workers int   // goroutines
	idle    int   // of those, the ones that do not answer a request
	under   sync.WaitGroup
}

// SearchStream answers searches until the client closes its side. However the stream ends,
// requests that were received are answered first, unless the stream itself is broken.
func (s *searchService) SearchStream(stream searchStream) error {
	a := &answering{searchService: s, stream: stream, ended: make(chan struct{}), workers: 1, idle: 1}
	s.streams.Go(a.work)
	select {
	case <-a.ended:
	case <-s.stopping:
		a.end(errStopping)
	}
	a.under.Wait()
	if errors.Is(a.err, io.EOF) {
		return nil
	}
	return a.err
}

// end stops new requests. The first reason counts.
func (a *answering) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
		close(a.ended)
	}
}

func (a *answering) hasEnded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err != nil
}

// work receives requests and answers them until the stream has ended.
func (a *answering) work() {
	for {
		a.receiving.Lock()
		request, more := a.receive()
		a.receiving.Unlock()
		if !more {
			return
		}
		a.send(a.answer(request))
		a.done()
	}
}

// receive returns the next request, which is then under way, and makes sure that somebody waits
// for the one after it. It returns false when the stream has ended. The caller holds
// a.receiving.
func (a *answering) receive() (*hamnestv1.SearchStreamRequest, bool) {
	if a.hasEnded() {
		return nil, false
	}
	request, err := a.stream.Recv()
	if err != nil {
		a.end(err)
		return nil, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return nil, false // it came too late; the end of the stream tells the client
	}
	a.under.Add(1)
	a.idle--
	if a.idle == 0 && a.workers < a.opts.MaxStreamSearches {
		a.workers++
		a.idle++
		a.streams.Go(a.work)
	}
	return request, true
}

// done says that a request is no longer under way.
func (a *answering) done() {
	a.mu.Lock()
	a.idle++
	a.mu.Unlock()
	a.under.Done()
}

// answer searches. If the stream ends badly, the search ends too.
func (a *answering) answer(request *hamnestv1.SearchStreamRequest) *hamnestv1.SearchStreamResponse {
	ctx := a.stream.Context()
	var response *hamnestv1.SearchResponse
	err := recovered(func() (err error) {
		if request.GetRequest() == nil {
			return invalid("request", "is missing")
		}
		if timeout := request.GetTimeout(); timeout != nil {
			if timeout.CheckValid() != nil || timeout.AsDuration() <= 0 {
				return invalid("timeout", "is %d s and %d ns, want more than 0", timeout.GetSeconds(), timeout.GetNanos())
			}
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout.AsDuration())
			defer cancel()
		}
		response, err = a.Search(ctx, request.GetRequest())
		return err
	})
	answer := &hamnestv1.SearchStreamResponse{Id: request.GetId()}
	if err == nil {
		answer.Answer = &hamnestv1.SearchStreamResponse_Response{Response: response}
		// gRPC would end the stream over it.
		err = a.checkAnswer("k", uint64(proto.Size(answer)))
	}
	if err != nil {
		failure := status.Convert(a.fail(ctx, hamnestv1.SearchService_SearchStream_FullMethodName, err)).Proto()
		answer.Answer = &hamnestv1.SearchStreamResponse_Error{Error: &hamnestv1.SearchError{
			Code: failure.GetCode(), Message: failure.GetMessage(), Details: failure.GetDetails(),
		}}
	}
	return answer
}

// send sends an answer. If that fails the stream is broken, and receiving fails too.
func (a *answering) send(answer *hamnestv1.SearchStreamResponse) {
	a.sending.Lock()
	defer a.sending.Unlock()
	if err := a.stream.Send(answer); err != nil {
		a.end(err)
	}
}
