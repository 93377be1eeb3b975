package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/server"
)

var sentinels = []error{
	api.ErrNotFound, api.ErrExists, api.ErrInvalid, api.ErrLimit, api.ErrFull, syscall.ENOSPC, api.ErrRewriting, api.ErrEmpty, api.ErrCalibrating, api.ErrCodesOnly, api.ErrVersion, api.ErrCorrupt, api.ErrUnavailable,
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
			api.ErrInvalid,
			Error{Violations: []api.Violation{{Field: "k", Reason: "is 0"}, {Field: "dims", Reason: "is 3"}}},
		},
		{
			"NOT_FOUND with the resource", codes.NotFound,
			[]protoadapt.MessageV1{&errdetails.ResourceInfo{ResourceType: "hamnest.v1.Collection", ResourceName: "docs"}},
			api.ErrNotFound,
			Error{Resource: &Resource{"hamnest.v1.Collection", "docs"}},
		},
		{"ALREADY_EXISTS", codes.AlreadyExists, nil, api.ErrExists, Error{}},
		{
			"RESOURCE_EXHAUSTED by a limit", codes.ResourceExhausted,
			[]protoadapt.MessageV1{info("hamnest", "LIMIT_EXCEEDED", limit)},
			api.ErrLimit,
			Error{Reason: "LIMIT_EXCEEDED", Limit: &api.LimitError{Limit: "max_k", Field: "k", Max: 10, Found: 11}},
		},
		{
			"RESOURCE_EXHAUSTED by a limit with numbers that are none", codes.ResourceExhausted,
			[]protoadapt.MessageV1{info("hamnest", "LIMIT_EXCEEDED", map[string]string{"limit": "max_k", "max": "ten"})},
			api.ErrLimit,
			Error{Reason: "LIMIT_EXCEEDED"},
		},
		{"RESOURCE_EXHAUSTED by gRPC itself", codes.ResourceExhausted, nil, api.ErrLimit, Error{}},
		{
			"RESOURCE_EXHAUSTED by a full disk", codes.ResourceExhausted,
			[]protoadapt.MessageV1{info("hamnest", "NO_SPACE", nil)},
			syscall.ENOSPC,
			Error{Reason: "NO_SPACE"},
		},
		{
			"RESOURCE_EXHAUSTED by a full collection", codes.ResourceExhausted,
			[]protoadapt.MessageV1{info("hamnest", "COLLECTION_FULL", nil)},
			api.ErrFull,
			Error{Reason: "COLLECTION_FULL"},
		},
		{
			"FAILED_PRECONDITION by files of a newer program", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "NEWER_FORMAT", nil)},
			api.ErrVersion,
			Error{Reason: "NEWER_FORMAT"},
		},
		{
			"FAILED_PRECONDITION by a rewrite under way", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "REWRITING", nil)},
			api.ErrRewriting,
			Error{Reason: "REWRITING"},
		},
		{
			"FAILED_PRECONDITION by a collection without vectors", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "EMPTY", nil)},
			api.ErrEmpty,
			Error{Reason: "EMPTY"},
		},
		{
			"FAILED_PRECONDITION by a calibration under way", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "CALIBRATING", nil)},
			api.ErrCalibrating,
			Error{Reason: "CALIBRATING"},
		},
		{
			"FAILED_PRECONDITION for want of vectors", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("hamnest", "CODES_ONLY", nil)},
			api.ErrCodesOnly,
			Error{Reason: "CODES_ONLY"},
		},
		{
			"reasons of another domain mean nothing", codes.FailedPrecondition,
			[]protoadapt.MessageV1{info("example.com", "NEWER_FORMAT", nil)},
			nil,
			Error{},
		},
		{"DATA_LOSS", codes.DataLoss, nil, api.ErrCorrupt, Error{}},
		{"UNAVAILABLE", codes.Unavailable, nil, api.ErrUnavailable, Error{}},
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
			wantText := "what happened"
			if tt.is == nil {
				wantText = "client: " + tt.code.String() + ": what happened"
			}
			if got.Error() != wantText {
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
	if e := errorOf(err); !errors.Is(err, api.ErrNotFound) || *e.Resource != (Resource{"hamnest.v1.Collection", "none"}) {
		t.Errorf("no such collection: %+v", e)
	}
	_, err = c.Search(ctx, "docs", api.Query{ID: "none", K: 1})
	if e := errorOf(err); !errors.Is(err, api.ErrNotFound) || *e.Resource != (Resource{"hamnest.v1.VectorRecord", "none"}) {
		t.Errorf("no such vector: %+v", e)
	}
	_, err = c.CreateCollection(ctx, api.Spec{Name: "docs", Dims: 3})
	if e := errorOf(err); !errors.Is(err, api.ErrExists) || e.Resource.Name != "docs" {
		t.Errorf("the name is taken: %+v", e)
	}
	err = c.Upsert(ctx, "docs", []api.Record{{ID: "a", Vector: make([]float32, 3)}})
	if e := errorOf(err); !errors.Is(err, api.ErrInvalid) || len(e.Violations) != 1 || e.Violations[0].Field != "vectors[0].vector" {
		t.Errorf("a vector of the wrong size: %+v", e)
	}
	_, err = c.Search(ctx, "docs", api.Query{ID: "a", K: 11})
	if e := errorOf(err); !errors.Is(err, api.ErrLimit) || *e.Limit != (api.LimitError{Limit: "max_k", Field: "k", Max: 10, Found: 11}) {
		t.Errorf("too large a k: %+v", e)
	}

	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Count(ended, "docs", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
	late, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
	defer cancel()
	if _, err := c.Count(late, "docs", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call after its deadline: %v", err)
	}

	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteCollection(ctx, "docs"); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("a server that is gone: %v", err)
	}
}

func TestWhatHasNoFormOnTheWireIsInvalid(t *testing.T) {
	_, _, c := start(t, server.Options{})
	ctx := t.Context()
	docs(t, c)
	const bad = "\xff"
	vector := make([]float32, testDims)
	search := func(s api.Query) func() error {
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
			_, err := c.CreateCollection(ctx, api.Spec{Name: bad, Dims: 3})
			return err
		}, []string{"name"}},
		{"dims, bits and ladder below zero, names that mean nothing", func() error {
			_, err := c.CreateCollection(ctx, api.Spec{Name: "x", Dims: -1, Bits: -3, Ladder: []int{64, -2}, Metric: 9, Profile: 9})
			return err
		}, []string{"dims", "bits", "metric", "profile", "ladder[1]"}},
		{"labels", func() error {
			_, err := c.SetLabels(ctx, "docs", map[string]string{bad: bad})
			return err
		}, []string{"labels", "labels"}},
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
			_, err := c.Count(ctx, bad, "")
			return err
		}, []string{"collection"}},
		{"an id and metadata to store", func() error {
			return c.Upsert(ctx, "docs", []api.Record{{ID: "a", Vector: vector}, {ID: bad}, {ID: "b", Metadata: []byte(bad)}})
		}, []string{"vectors[1].id", "vectors[2].metadata"}},
		{"ids to get", func() error {
			_, _, err := c.Get(ctx, "docs", []string{"a", bad}, api.ReadOptions{})
			return err
		}, []string{"ids"}},
		{"ids to delete", func() error {
			_, err := c.Delete(ctx, "docs", []string{bad})
			return err
		}, []string{"ids"}},
		{"a page", func() error {
			_, _, err := c.ListPage(ctx, "docs", -1, bad, api.ReadOptions{})
			return err
		}, []string{"page_size", "page_token"}},
		{
			"numbers of a search", search(api.Query{ID: "a", K: -1, Dims: -2, Candidates: -3, Rescore: 9}),
			[]string{"k", "dims", "rescore", "candidates"},
		},
		{"a k above 32 bits", search(api.Query{ID: "a", K: math.MaxUint32 + 1}), []string{"k"}},
		{"two queries at once", search(api.Query{ID: "a", Vector: vector, K: 1}), []string{"vector"}},
		{"candidates and oversampling", search(api.Query{ID: "a", K: 1, Candidates: 2, Oversampling: 2}), []string{"oversampling"}},
		{"an id to search for", search(api.Query{ID: bad, K: 1, PageToken: bad}), []string{"page_token", "id"}},
		{"one of several searches", func() error {
			_, err := c.BatchSearch(ctx, "docs", []api.Query{{ID: "a", K: 1}, {ID: "b", K: -1}})
			return err
		}, []string{"requests[1].k"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call()
			var e *Error
			if !errors.Is(err, api.ErrInvalid) || !errors.As(err, &e) {
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
	t.Run("no query at all is refused", func(t *testing.T) {
		for _, s := range []api.Query{{K: 1}, {K: 1, Vector: []float32{}}} {
			if _, err := c.Search(ctx, "docs", s); !errors.Is(err, api.ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
		}
	})
}

func TestListsEndWithTheirError(t *testing.T) {
	_, _, c := start(t, server.Options{})
	n := 0
	for r, err := range api.List(t.Context(), c, "none", api.ReadOptions{}) {
		n++
		if !errors.Is(err, api.ErrNotFound) || r.ID != "" {
			t.Errorf("pair %d: %v, %v, want ErrNotFound alone", n, r, err)
		}
	}
	if n != 1 {
		t.Errorf("%d pairs, want 1", n)
	}
}
