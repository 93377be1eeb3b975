package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
)

func TestToStatus(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		code   codes.Code
		detail proto.Message
	}{
		{"a cancelled context is CANCELED", context.Canceled, codes.Canceled, nil},
		{"a passed deadline is DEADLINE_EXCEEDED", context.DeadlineExceeded, codes.DeadlineExceeded, nil},
		{
			"a context's end comes before what it caused",
			errors.Join(index.ErrCorrupt, context.Canceled), codes.Canceled, nil,
		},
		{
			"a violation is INVALID_ARGUMENT with the field",
			&index.InvalidError{Violations: []index.Violation{{Field: "k", Reason: "is 0, want at least 1"}}}, codes.InvalidArgument,
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "k", Description: "is 0, want at least 1"}}},
		},
		{
			"a limit is RESOURCE_EXHAUSTED with the limit, its value and the value found",
			&api.LimitError{Limit: "max_k", Field: "requests[3].k", Max: 10, Found: 11, What: "is"}, codes.ResourceExhausted,
			&errdetails.ErrorInfo{Reason: "LIMIT_EXCEEDED", Domain: "hamnest", Metadata: map[string]string{
				"limit": "max_k", "max": "10", "found": "11", "field": "requests[3].k",
			}},
		},
		{
			"what is not found is NOT_FOUND with the resource",
			about(index.ErrNotFound, vectorResource, "a"), codes.NotFound,
			&errdetails.ResourceInfo{ResourceType: "hamnest.v1.VectorRecord", ResourceName: "a"},
		},
		{
			"what exists is ALREADY_EXISTS with the resource",
			about(index.ErrExists, collectionResource, "docs"), codes.AlreadyExists,
			&errdetails.ResourceInfo{ResourceType: "hamnest.v1.Collection", ResourceName: "docs"},
		},
		{"not found of nothing in particular has no detail", index.ErrNotFound, codes.NotFound, nil},
		{
			"a full collection is RESOURCE_EXHAUSTED", index.ErrFull, codes.ResourceExhausted,
			&errdetails.ErrorInfo{Reason: "COLLECTION_FULL", Domain: "hamnest"},
		},
		{
			"a full disk is RESOURCE_EXHAUSTED", syscall.ENOSPC, codes.ResourceExhausted,
			&errdetails.ErrorInfo{Reason: "NO_SPACE", Domain: "hamnest"},
		},
		{"damage is DATA_LOSS", index.ErrCorrupt, codes.DataLoss, nil},
		{
			"a newer format is FAILED_PRECONDITION", index.ErrVersion, codes.FailedPrecondition,
			&errdetails.ErrorInfo{Reason: "NEWER_FORMAT", Domain: "hamnest"},
		},
		{
			"a collection without vectors is FAILED_PRECONDITION", index.ErrEmpty, codes.FailedPrecondition,
			&errdetails.ErrorInfo{Reason: "EMPTY", Domain: "hamnest"},
		},
		{
			"a calibration under way is FAILED_PRECONDITION", index.ErrCalibrating, codes.FailedPrecondition,
			&errdetails.ErrorInfo{Reason: "CALIBRATING", Domain: "hamnest"},
		},
		{
			"a rewrite under way is FAILED_PRECONDITION", index.ErrRewriting, codes.FailedPrecondition,
			&errdetails.ErrorInfo{Reason: "REWRITING", Domain: "hamnest"},
		},
		{
			"a collection without vectors is FAILED_PRECONDITION", index.ErrCodesOnly, codes.FailedPrecondition,
			&errdetails.ErrorInfo{Reason: "CODES_ONLY", Domain: "hamnest"},
		},
		{"a closed database is UNAVAILABLE", index.ErrClosed, codes.Unavailable, nil},
		{"a server that stops is UNAVAILABLE", errStopping, codes.Unavailable, nil},
		{"gRPC's own status stays as it is", status.Error(codes.ResourceExhausted, "too large"), codes.ResourceExhausted, nil},
		{"anything else is INTERNAL", errors.New("disk on fire"), codes.Internal, nil},
		{"a panic is INTERNAL", &panicError{value: "secret"}, codes.Internal, nil},
	} {
		for _, wrapped := range []struct {
			how string
			err error
		}{
			{"", tt.err},
			{", wrapped", fmt.Errorf("reading block 7: %w", tt.err)},
		} {
			t.Run(tt.name+wrapped.how, func(t *testing.T) {
				st := toStatus(wrapped.err)
				if st.Code() != tt.code {
					t.Fatalf("code %v, want %v", st.Code(), tt.code)
				}
				if tt.detail == nil {
					if len(st.Details()) != 0 {
						t.Errorf("details %v, want none", st.Details())
					}
					return
				}
				if got := detail[proto.Message](t, st); !proto.Equal(got, tt.detail) {
					t.Errorf("detail %v, want %v", got, tt.detail)
				}
			})
		}
	}
}

func TestStatusMessage(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"an error's own text without the names of packages", fmt.Errorf("block 7: %w", index.ErrCorrupt), "block 7: corrupt"},
		{"of a violation too", invalid("ladder", "encoder: step 3"), "ladder: step 3"},
		{"a field that is called as a package", invalid("code", "is empty"), "code: is empty"},
		{"a limit's field, value and limit", checkMax("k", "is", limitK, 11, 10), "k: is 11, above this server's limit max_k of 10"},
		{"one violation", invalid("k", "is 0"), "k: is 0"},
		{
			"the first violation and how many more",
			&index.InvalidError{Violations: []index.Violation{{Field: "k", Reason: "is 0"}, {Field: "dims", Reason: "is 3"}, {Field: "id", Reason: "is empty"}}},
			"k: is 0 (and 2 more)",
		},
		{"of a panic nothing", &panicError{value: "secret"}, "internal error, logged by the server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := toStatus(tt.err).Message(); got != tt.want {
				t.Errorf("message %q, want %q", got, tt.want)
			}
		})
	}
}

// smallestTrailers is what the pickiest clients take, in bytes, less some room for
// the trailers that every answer has.
const smallestTrailers = 8<<10 - 512

func TestStatusStaysSmall(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	many := &index.InvalidError{}
	for i := range 10_000 {
		many.Violations = append(many.Violations, index.Violation{Field: fmt.Sprintf("vectors[%d].vector", i), Reason: "has 3 dimensions, want 128"})
	}
	short := &index.InvalidError{}
	for range 150 {
		short.Violations = append(short.Violations, index.Violation{Field: "f", Reason: "r"})
	}
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"a long name", about(fmt.Errorf("collection %s: %w", long, index.ErrNotFound), collectionResource, long)},
		{"a long reason", invalid("id", "%s", long)},
		{"ten thousand violations", many},
		{"many short violations", short},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := toStatus(tt.err)
			if !utf8.ValidString(st.Message()) {
				t.Errorf("message %.40q... is not UTF-8", st.Message())
			}
			// The status in base64, and its message once more in percent-encoding.
			size := base64.RawStdEncoding.EncodedLen(proto.Size(st.Proto())) + len(url.PathEscape(st.Message()))
			if size > smallestTrailers {
				t.Errorf("status takes %d bytes of trailers, want at most %d", size, smallestTrailers)
			}
		})
	}

	t.Run("and the message says how many violations there are", func(t *testing.T) {
		st := toStatus(many)
		told := len(detail[*errdetails.BadRequest](t, st).GetFieldViolations())
		if told == 0 || told > maxViolations {
			t.Errorf("%d violations in the details, want 1 to %d", told, maxViolations)
		}
		want := fmt.Sprintf("vectors[0].vector: has 3 dimensions, want 128 (and 9999 more); the details hold the first %d of 10000", told)
		if st.Message() != want {
			t.Errorf("message %q, want %q", st.Message(), want)
		}
		if told := len(detail[*errdetails.BadRequest](t, toStatus(short)).GetFieldViolations()); told != maxViolations {
			t.Errorf("%d short violations in the details, want %d", told, maxViolations)
		}
	})
}

func TestClip(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"as long as may be", "12345", "12345"},
		{"one byte more", "123456", "12..."},
		{"never half a rune", "1é3456", "1\uFFFD..."},
		{"never bytes that are not UTF-8", "a\xff", "a\uFFFD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := clip(tt.in, 5); got != tt.want {
				t.Errorf("clip(%q, 5) is %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestRecovered(t *testing.T) {
	want := errors.New("plain")
	if err := recovered(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want the function's own error", err)
	}
	err := recovered(func() error { panic("boom") })
	p, ok := asError[*panicError](err)
	if !ok || p.value != "boom" || !strings.Contains(string(p.stack), "TestRecovered") {
		t.Errorf("got %v, want the panic's value and stack", err)
	}
}
