package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/server"
)

// searchStream opens a search stream, which the end of the test closes.
func searchStream(t *testing.T, c *Client) *SearchStream {
	t.Helper()
	s, err := c.SearchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestSearchStreamGivesEveryCallerItsOwnAnswer(t *testing.T) {
	// With fewer under way than callers, some wait.
	_, _, c := start(t, server.Options{MaxStreamSearches: 5})
	docs(t, c)
	records := randomRecords(200)
	if err := c.Upsert(t.Context(), "docs", records); err != nil {
		t.Fatal(err)
	}
	s := searchStream(t, c)
	var wg sync.WaitGroup
	for caller := range 16 {
		wg.Go(func() {
			for i := range 50 {
				want := records[(caller*53+i*7)%len(records)]
				switch i % 5 {
				case 3: // a bad one does the others no harm
					if _, err := s.Search(t.Context(), "docs", api.Query{ID: "none", K: 1}); !errors.Is(err, api.ErrNotFound) {
						t.Errorf("a vector that is not there: %v, want ErrNotFound", err)
					}
				default:
					got, err := s.Search(t.Context(), "docs", api.Query{Vector: want.Vector, K: 2, WithMetadata: true})
					if err != nil {
						t.Error(err)
						return
					}
					if len(got.Hits) != 2 || got.Hits[0].ID != want.ID || string(got.Hits[0].Metadata) != string(want.Metadata) || got.Receipt.Total <= 0 {
						t.Errorf("caller %d found %+v, want %s first of two", caller, got, want.ID)
					}
				}
			}
		})
	}
	wg.Wait()
	if len(s.waiting) != 0 {
		t.Errorf("%d searches are still waited for", len(s.waiting))
	}
}

func TestASearchOfAStreamFailsAsSearchDoes(t *testing.T) {
	_, _, c := start(t, server.Options{MaxK: 20}, WithMaxMessageBytes(64<<10))
	docs(t, c)
	records := randomRecords(5)
	if err := c.Upsert(t.Context(), "docs", records); err != nil {
		t.Fatal(err)
	}
	s := searchStream(t, c)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, tt := range []struct {
		name       string
		ctx        context.Context
		collection string
		search     api.Query
		want       error
	}{
		{"no such collection", t.Context(), "none", api.Query{ID: "a", K: 1}, api.ErrNotFound},
		{"no such vector", t.Context(), "docs", api.Query{ID: "none", K: 1}, api.ErrNotFound},
		{"no k", t.Context(), "docs", api.Query{Vector: records[0].Vector}, api.ErrInvalid},
		{"a k that the wire cannot hold", t.Context(), "docs", api.Query{Vector: records[0].Vector, K: -1}, api.ErrInvalid},
		{"a name that the wire cannot hold", t.Context(), "\xff", api.Query{Vector: records[0].Vector, K: 1}, api.ErrInvalid},
		{"more than the server gives", t.Context(), "docs", api.Query{Vector: records[0].Vector, K: 21}, api.ErrLimit},
		{"more than a message holds", t.Context(), "docs", api.Query{Vector: make([]float32, 20_000), K: 1}, api.ErrLimit},
		{"a context that has ended", ended, "docs", api.Query{Vector: records[0].Vector, K: 1}, context.Canceled},
		{"a deadline that has passed", late, "docs", api.Query{Vector: records[0].Vector, K: 1}, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Search(tt.ctx, tt.collection, tt.search)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			_, alone := c.Search(tt.ctx, tt.collection, tt.search)
			var e, same *Error
			if !errors.As(err, &e) || !errors.As(alone, &same) || e.Code != same.Code || e.Reason != same.Reason || len(e.Violations) != len(same.Violations) ||
				(e.Limit == nil) != (same.Limit == nil) || (e.Resource == nil) != (same.Resource == nil) {
				t.Errorf("got %+v, and of Client.Search %+v", e, same)
			}
			if got, err := s.Search(t.Context(), "docs", api.Query{Vector: records[0].Vector, K: 1}); err != nil || got.Hits[0].ID != records[0].ID {
				t.Errorf("the next good search: %+v, %v", got, err)
			}
		})
	}
}

// fakeSearches answers a stream as the test says.
type fakeSearches struct {
	hamnestv1.UnimplementedSearchServiceServer
	stream func(fakeSearchStream) error
}

type fakeSearchStream = grpc.BidiStreamingServer[hamnestv1.SearchStreamRequest, hamnestv1.SearchStreamResponse]

func (f *fakeSearches) SearchStream(stream fakeSearchStream) error { return f.stream(stream) }

func startFakeSearches(t *testing.T, stream func(fakeSearchStream) error) *Client {
	t.Helper()
	return startFake(t, func(s *grpc.Server) { hamnestv1.RegisterSearchServiceServer(s, &fakeSearches{stream: stream}) })
}

// hit is the answer to id with one hit.
func hit(id uint64, name string) *hamnestv1.SearchStreamResponse {
	return &hamnestv1.SearchStreamResponse{Id: id, Answer: &hamnestv1.SearchStreamResponse_Response{
		Response: &hamnestv1.SearchResponse{Hits: []*hamnestv1.Hit{{Id: name}}},
	}}
}

func TestWhoGivesUpDoesNotHoldUpTheOthers(t *testing.T) {
	abandoned, given := make(chan struct{}), make(chan struct{})
	c := startFakeSearches(t, func(stream fakeSearchStream) error {
		first, err := stream.Recv()
		if err != nil {
			return err
		}
		if first.GetTimeout().AsDuration() <= 0 || first.GetTimeout().AsDuration() > time.Hour {
			t.Errorf("timeout %v, want what is left of an hour", first.GetTimeout().AsDuration())
		}
		close(abandoned)
		<-given
		second, err := stream.Recv()
		if err != nil {
			return err
		}
		// Out of order, and one to nobody.
		for _, answer := range []*hamnestv1.SearchStreamResponse{hit(1<<60, "nobody's"), hit(first.GetId(), "late"), hit(second.GetId(), "right")} {
			if err := stream.Send(answer); err != nil {
				return err
			}
		}
		_, err = stream.Recv()
		return err
	})
	s := searchStream(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	go func() {
		<-abandoned
		cancel()
	}()
	if _, err := s.Search(ctx, "docs", api.Query{ID: "a", K: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	close(given)
	if got, err := s.Search(t.Context(), "docs", api.Query{ID: "b", K: 1}); err != nil || got.Hits[0].ID != "right" {
		t.Errorf("got %+v, %v, want the second answer", got, err)
	}
}

func TestABrokenStreamFailsEverySearch(t *testing.T) {
	const callers = 8
	for _, tt := range []struct {
		name  string
		end   func(fakeSearchStream) error
		close bool
		want  error
		code  codes.Code
	}{
		{"the server stops", func(fakeSearchStream) error { return status.Error(codes.Unavailable, "bye") }, false, api.ErrUnavailable, codes.Unavailable},
		{"the server ends it for no reason", func(fakeSearchStream) error { return nil }, false, nil, codes.Internal},
		{"it is closed", func(s fakeSearchStream) error { <-s.Context().Done(); return nil }, true, context.Canceled, codes.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := make(chan struct{})
			c := startFakeSearches(t, func(stream fakeSearchStream) error {
				for range callers {
					if _, err := stream.Recv(); err != nil {
						return err
					}
				}
				close(all)
				return tt.end(stream)
			})
			s := searchStream(t, c)
			failed := make(chan error)
			for range callers {
				go func() {
					_, err := s.Search(t.Context(), "docs", api.Query{ID: "a", K: 1})
					failed <- err
				}()
			}
			<-all
			if tt.close {
				s.Close()
			}
			for range callers {
				wantStreamError(t, <-failed, tt.want, tt.code)
			}
			_, err := s.Search(t.Context(), "docs", api.Query{ID: "a", K: 1})
			wantStreamError(t, err, tt.want, tt.code)
			s.Close() // again, or after the end
			if len(s.waiting) != 0 {
				t.Errorf("%d searches are still waited for", len(s.waiting))
			}
		})
	}
}

func wantStreamError(t *testing.T, err, want error, code codes.Code) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || want != nil && !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, code)
	}
}

func TestAStreamEndsWithItsContextAndItsServer(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(cancel func(), s *server.Server) error
		want error
	}{
		{"context", func(cancel func(), _ *server.Server) error { cancel(); return nil }, context.Canceled},
		{"server", func(_ func(), s *server.Server) error { return s.Shutdown(context.Background()) }, api.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, s, c := start(t, server.Options{})
			docs(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream, err := c.SearchStream(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Search(t.Context(), "none", api.Query{ID: "a", K: 1}); !errors.Is(err, api.ErrNotFound) {
				t.Errorf("before the end: %v, want ErrNotFound", err)
			}
			if err := tt.end(cancel, s); err != nil {
				t.Fatal(err)
			}
			<-stream.done
			if _, err := stream.Search(t.Context(), "docs", api.Query{ID: "a", K: 1}); !errors.Is(err, tt.want) {
				t.Errorf("after the end: %v, want %v", err, tt.want)
			}
			stream.Close()
		})
	}
}

func TestASearchThatCannotBeSentEndsWithItsContext(t *testing.T) {
	// A server that reads nothing, and more than the windows hold.
	c := startFakeSearches(t, func(stream fakeSearchStream) error {
		<-stream.Context().Done()
		return nil
	})
	s := searchStream(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var begun, ended sync.WaitGroup
	for range 50 {
		begun.Add(1)
		ended.Go(func() {
			begun.Done()
			if _, err := s.Search(ctx, "docs", api.Query{Vector: make([]float32, 16<<10), K: 1}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the context's error", err)
			}
		})
	}
	begun.Wait()
	cancel()
	ended.Wait()
	s.Close()
}

func TestAnswersThatSayNothingAreErrors(t *testing.T) {
	c := startFakeSearches(t, func(stream fakeSearchStream) error {
		for _, empty := range []*hamnestv1.SearchStreamResponse{
			{}, {Answer: &hamnestv1.SearchStreamResponse_Error{Error: &hamnestv1.SearchError{}}},
		} {
			request, err := stream.Recv()
			if err != nil {
				return err
			}
			if err := stream.Send(&hamnestv1.SearchStreamResponse{Id: request.GetId(), Answer: empty.GetAnswer()}); err != nil {
				return err
			}
		}
		_, err := stream.Recv()
		return err
	})
	s := searchStream(t, c)
	for i := range 2 {
		_, err := s.Search(t.Context(), "docs", api.Query{ID: fmt.Sprint(i), K: 1})
		wantStreamError(t, err, nil, codes.Internal)
	}
}

func TestAStreamEndsWithItsClient(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(nil, server.Options{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	c, err := New(lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := c.SearchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-stream.done
	_, err = stream.Search(t.Context(), "docs", api.Query{ID: "a", K: 1})
	wantStreamError(t, err, context.Canceled, codes.Canceled)
	if err := errors.Join(s.Shutdown(t.Context()), <-served); err != nil {
		t.Error(err)
	}
}

func TestAStreamToNobodyIsUnavailable(t *testing.T) {
	c, err := New("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := c.SearchStream(t.Context())
	if err == nil {
		defer s.Close()
		_, err = s.Search(t.Context(), "docs", api.Query{ID: "a", K: 1})
	}
	if !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
