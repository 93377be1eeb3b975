package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/hamnest/hamnest/server"
)

var sentinels = []error{
	ErrNotFound, ErrExists, ErrInvalid, ErrLimit, ErrNoSpace, ErrNewerFormat, ErrDataLoss, ErrUnavailable,
	context.Canceled, context.DeadlineExceeded,
}

func info(domain, reason string, metadata map[string]string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Domain: domain, Reason: reason, Metadata: metadata}
}

func TestErrorsComeFromCodeAndDetails(t *testing.T) {
	limit := map[string]string{"limit": "max_k", "field": "k", "max": "10", "found": "11"}
	for _, tt := range []struct {
		name    string
		code    codes.Code
		details []protoadapt.MessageV1
		is      error // the only one
		want    Error // Code and Message are filled in
	}{
		{
			"INVALID_ARGUMENT with its violations", codes.InvalidArgument,
			[]protoadapt.MessageV1{&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
				{Field: "k", Description: "is 0"}, {Field: "dims", Description: "is 3"},
			}}},
			ErrInvalid,
			Error{Violations: []Violation{{"k", "is 0"}, {"dims", "is 3"}}},
		},
		{
			"NOT_FOUND with the resource", codes.NotFound,
			[]protoadapt.MessageV1{&errdetails.ResourceInfo{ResourceType: "hamnest.v1.Collection", ResourceName: "docs"}},
			ErrNotFound,
			Error{Resource: &Resource{"hamnest.v1.Collection", "docs"}},
		},
		{"ALREADY_EXISTS", codes.AlreadyExists, nil, ErrExists, Error{}},
		{
			"RESOURCE_EXHAUSTED by a limit", codes.ResourceExhausted,
			[]protoadapt.MessageV1{info("hamnest", "LIMIT_EXCEEDED", limit)},
			ErrLimit,
			Error{Reason: "LIMIT_EXCEEDED", Limit: &Limit{Name: "max_k", Field: "k", Max: 10, Found: 11}},
		},
		{
			"RESOURCE_EXHAUSTED by a limit with numbers that are none", codes.ResourceExhausted,
			[]protoadapt.MessageV1{info("hamnest", "LIMIT_EXCEEDED", map[string]string{"limit": "max_k", "max": "ten"})},
			ErrLimit,
			Error{Reason: "LIMIT_EXCEEDED"},
		},
		{"RESOURCE_EXHAUSTED by gRPC itself", codes.ResourceExhausted, nil, ErrLimit, Error{}},
		{
			"RESOURCE_EXHAUSTED by a full disk", codes.ResourceExhausted,
			[]protoadapt.MessageV1{info("hamnest", "NO_SPACE", nil)},
			ErrNoSpace,
			Error{Reason: "NO_SPACE"},
		},
		{
			"RESOURCE_EXHAUSTED by a full collection", codes.ResourceExhausted,
			[]protoadapt.MessageV1{info("hamnest", "COLLECTION_FULL", nil)},
			ErrNoSpace,
			Error{Reason: "COLLECTION_FULL"},
		},
		{
			"FAILED_PRECONDITION by files of a newer program", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "NEWER_FORMAT", nil)},
			ErrNewerFormat,
			Error{Reason: "NEWER_FORMAT"},
		},
		{
			"FAILED_PRECONDITION by a rewrite under way", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "REWRITING", nil)},
			ErrRewriting,
			Error{Reason: "REWRITING"},
		},
		{
			"FAILED_PRECONDITION by a collection without vectors", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "EMPTY", nil)},
			ErrEmpty,
			Error{Reason: "EMPTY"},
		},
		{
			"FAILED_PRECONDITION by a calibration under way", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "CALIBRATING", nil)},
			ErrCalibrating,
			Error{Reason: "CALIBRATING"},
		},
		{
			"FAILED_PRECONDITION for want of vectors", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "CODES_ONLY", nil)},
			ErrCodesOnly,
			Error{Reason: "CODES_ONLY"},
		},
		{
			"reasons of another domain mean nothing", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("example.com", "NEWER_FORMAT", nil)},
			nil,
			Error{},
		},
		{"DATA_LOSS", codes.DataLoss, nil, ErrDataLoss, Error{}},
		{"UNAVAILABLE", codes.Unavailable, nil, ErrUnavailable, Error{}},
		{"CANCELED", codes.Canceled, nil, context.Canceled, Error{}},
		{"DEADLINE_EXCEEDED", codes.DeadlineExceeded, nil, context.DeadlineExceeded, Error{}},
		{"INTERNAL", codes.Internal, nil, nil, Error{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st, err := status.New(tt.code, "what happened").WithDetails(tt.details...)
			if err != nil {
				t.Fatal(err)
			}
			got := fromGRPC(st.Err())
			for _, sentinel := range sentinels {
				if is := errors.Is(got, sentinel); is != errors.Is(tt.is, sentinel) {
					t.Errorf("is %q: %v", sentinel, is)
				}
			}
			var e *Error
			if !errors.As(fmt.Errorf("wrapped: %w", got), &e) {
				t.Fatalf("%v is no *Error", got)
			}
			want := tt.want
			want.Code, want.Message, want.status = tt.code, "what happened", e.status
			if !reflect.DeepEqual(*e, want) {
				t.Errorf("got %+v, want %+v", *e, want)
			}
			if back := status.Convert(got); back.Code() != tt.code || len(back.Details()) != len(tt.details) {
				t.Errorf("its status is %v, want %v", back, st)
			}
			if wantText := "client: " + tt.code.String() + ": what happened"; got.Error() != wantText {
				t.Errorf("text %q, want %q", got, wantText)
			}
		})
	}
	if err := fromGRPC(nil); err != nil {
		t.Errorf("no error becomes %v", err)
	}
	if err := fromGRPC(context.DeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context's error becomes %v", err)
	}
	if err := fromGRPC(io.ErrUnexpectedEOF); status.Code(err) != codes.Unknown {
		t.Errorf("an error that is not of gRPC becomes %v", err)
	}
}

func TestErrorsOfAServer(t *testing.T) {
	_, s, c := start(t, server.Options{MaxK: 10})
	ctx := t.Context()
	docs(t, c)
	errorOf := func(err error) *Error {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%v is no *Error", err)
		}
		return e
	}

	_, err := c.GetCollection(ctx, "none")
	if e := errorOf(err); !errors.Is(err, ErrNotFound) || *e.Resource != (Resource{"hamnest.v1.Collection", "none"}) {
		t.Errorf("no such collection: %+v", e)
	}
	_, err = c.Search(ctx, "docs", SearchRequest{ID: "none", K: 1})
	if e := errorOf(err); !errors.Is(err, ErrNotFound) || *e.Resource != (Resource{"hamnest.v1.VectorRecord", "none"}) {
		t.Errorf("no such vector: %+v", e)
	}
	_, err = c.CreateCollection(ctx, Collection{Name: "docs", Dims: 3})
	if e := errorOf(err); !errors.Is(err, ErrExists) || e.Resource.Name != "docs" {
		t.Errorf("the name is taken: %+v", e)
	}
	err = c.Upsert(ctx, "docs", []Record{{ID: "a", Vector: make([]float32, 3)}})
	if e := errorOf(err); !errors.Is(err, ErrInvalid) || len(e.Violations) != 1 || e.Violations[0].Field != "vectors[0].vector" {
		t.Errorf("a vector of the wrong size: %+v", e)
	}
	_, err = c.Search(ctx, "docs", SearchRequest{ID: "a", K: 11})
	if e := errorOf(err); !errors.Is(err, ErrLimit) || *e.Limit != (Limit{Name: "max_k", Field: "k", Max: 10, Found: 11}) {
		t.Errorf("too large a k: %+v", e)
	}

	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Count(ended, "docs"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
	late, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
	defer cancel()
	if _, err := c.Count(late, "docs"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call after its deadline: %v", err)
	}

	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteCollection(ctx, "docs"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a server that is gone: %v", err)
	}
}

func TestWhatHasNoFormOnTheWireIsInvalid(t *testing.T) {
	_, _, c := start(t, server.Options{})
	ctx := t.Context()
	docs(t, c)
	const bad = "\xff"
	vector := make([]float32, testDims)
	search := func(s SearchRequest) func() error {
		return func() error {
			_, err := c.Search(ctx, "docs", s)
			return err
		}
	}
	for _, tt := range []struct {
		name   string
		call   func() error
		fields []string
	}{
		{"a collection's name", func() error {
			_, err := c.CreateCollection(ctx, Collection{Name: bad, Dims: 3})
			return err
		}, []string{"collection.name"}},
		{"dims, bits and ladder below zero, names that mean nothing", func() error {
			_, err := c.CreateCollection(ctx, Collection{Name: "x", Dims: -1, Bits: -3, Ladder: []int{64, -2}, Metric: "hamming", Profile: "SIGNS"})
			return err
		}, []string{"collection.dims", "collection.bits", "collection.metric", "collection.profile", "collection.ladder[1]"}},
		{"a metric that is unspecified, said aloud", func() error {
			_, err := c.CreateCollection(ctx, Collection{Name: "x", Dims: 1, Metric: "unspecified"})
			return err
		}, []string{"collection.metric"}},
		{"labels", func() error {
			_, err := c.SetLabels(ctx, "docs", map[string]string{bad: bad})
			return err
		}, []string{"collection.labels", "collection.labels"}},
		{"a name to get", func() error {
			_, err := c.GetCollection(ctx, bad)
			return err
		}, []string{"name"}},
		{"a name to delete", func() error { return c.DeleteCollection(ctx, bad) }, []string{"name"}},
		{"a name to measure", func() error {
			_, err := c.Stats(ctx, bad)
			return err
		}, []string{"name"}},
		{"a name to check", func() error {
			_, err := c.Check(ctx, bad)
			return err
		}, []string{"collection"}},
		{"a name to count", func() error {
			_, err := c.Count(ctx, bad)
			return err
		}, []string{"collection"}},
		{"an id and metadata to store", func() error {
			return c.Upsert(ctx, "docs", []Record{{ID: "a", Vector: vector}, {ID: bad}, {ID: "b", Metadata: []byte(bad)}})
		}, []string{"vectors[1].id", "vectors[2].metadata"}},
		{"ids to get", func() error {
			_, _, err := c.Get(ctx, "docs", []string{"a", bad}, ReadOptions{})
			return err
		}, []string{"ids"}},
		{"ids to delete", func() error {
			_, err := c.Delete(ctx, "docs", []string{bad})
			return err
		}, []string{"ids"}},
		{"a page", func() error {
			_, _, err := c.ListPage(ctx, "docs", -1, bad, ReadOptions{})
			return err
		}, []string{"page_size", "page_token"}},
		{
			"numbers of a search", search(SearchRequest{ID: "a", K: -1, Dims: -2, Candidates: -3, Rescore: "never"}),
			[]string{"k", "dims", "rescore", "candidates"},
		},
		{"a k above 32 bits", search(SearchRequest{ID: "a", K: math.MaxUint32 + 1}), []string{"k"}},
		{"two queries at once", search(SearchRequest{ID: "a", Vector: vector, K: 1}), []string{"query"}},
		{"candidates and oversampling", search(SearchRequest{ID: "a", K: 1, Candidates: 2, Oversampling: 2}), []string{"first_stage"}},
		{"an id to search for", search(SearchRequest{ID: bad, K: 1, PageToken: bad}), []string{"page_token", "id"}},
		{"one of several searches", func() error {
			_, err := c.BatchSearch(ctx, "docs", []SearchRequest{{ID: "a", K: 1}, {ID: "b", K: -1}})
			return err
		}, []string{"requests[1].k"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call()
			var e *Error
			if !errors.Is(err, ErrInvalid) || !errors.As(err, &e) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
			var fields []string
			for _, v := range e.Violations {
				fields = append(fields, v.Field)
			}
			if !slices.Equal(fields, tt.fields) {
				t.Errorf("violations %v, want of %q", e.Violations, tt.fields)
			}
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("its status is %v, want INVALID_ARGUMENT", status.Code(err))
			}
		})
	}
	t.Run("no query at all is the server's to refuse", func(t *testing.T) {
		for _, s := range []SearchRequest{{K: 1}, {K: 1, Vector: []float32{}}} {
			if _, err := c.Search(ctx, "docs", s); !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
		}
	})
}

func TestListsEndWithTheirError(t *testing.T) {
	_, _, c := start(t, server.Options{})
	n := 0
	for r, err := range c.List(t.Context(), "none", ReadOptions{}) {
		n++
		if !errors.Is(err, ErrNotFound) || r.ID != "" {
			t.Errorf("pair %d: %v, %v, want ErrNotFound alone", n, r, err)
		}
	}
	if n != 1 {
		t.Errorf("%d pairs, want 1", n)
	}
}
