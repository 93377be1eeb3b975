package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/hamnest/hamnest/index"
)

// errorDomain and the reasons are what a client finds in a google.rpc.ErrorInfo.
const (
	errorDomain          = "hamnest"
	reasonLimitExceeded  = "LIMIT_EXCEEDED"
	reasonCollectionFull = "COLLECTION_FULL"
	reasonNoSpace        = "NO_SPACE"
	reasonNewerFormat    = "NEWER_FORMAT"
	reasonRewriting      = "REWRITING"
	reasonCalibrating    = "CALIBRATING"
	reasonEmpty          = "EMPTY"
	reasonCodesOnly      = "CODES_ONLY"
)

// The resource types of a google.rpc.ResourceInfo.
const (
	collectionResource = "hamnest.v1.Collection"
	vectorResource     = "hamnest.v1.VectorRecord"
)

// A status travels in HTTP/2 trailers, of which some clients take no more than
// 8 KiB (gRPC for C and Java by default), base64 included. What came from the
// user is clipped to fit.
const (
	maxMessageText    = 1 << 10
	maxFieldText      = 256
	maxViolations     = 100
	maxViolationsText = 3 << 10
	violationOverhead = 6 // tags and lengths
)

// errStopping ends the streams of a server that shuts down.
var errStopping = errors.New("server: shutting down")

// errorTable says which status an error becomes. The first row that matches
// decides; what matches none is INTERNAL.
var errorTable = []struct {
	match  func(error) bool
	code   codes.Code
	detail func(error) protoadapt.MessageV1
}{
	{is(context.Canceled), codes.Canceled, nil},
	{is(context.DeadlineExceeded), codes.DeadlineExceeded, nil},
	{as[*limitError], codes.ResourceExhausted, limitInfo},
	{as[*index.InvalidError], codes.InvalidArgument, badRequest},
	{is(index.ErrNotFound), codes.NotFound, resourceInfo},
	{is(index.ErrExists), codes.AlreadyExists, resourceInfo},
	{is(index.ErrFull), codes.ResourceExhausted, reason(reasonCollectionFull)},
	{is(syscall.ENOSPC), codes.ResourceExhausted, reason(reasonNoSpace)},
	{is(index.ErrCorrupt), codes.DataLoss, nil},
	{is(index.ErrVersion), codes.FailedPrecondition, reason(reasonNewerFormat)},
	{is(index.ErrCalibrating), codes.FailedPrecondition, reason(reasonCalibrating)},
	{is(index.ErrEmpty), codes.FailedPrecondition, reason(reasonEmpty)},
	{is(index.ErrRewriting), codes.FailedPrecondition, reason(reasonRewriting)},
	{is(index.ErrCodesOnly), codes.FailedPrecondition, reason(reasonCodesOnly)},
	{is(index.ErrClosed), codes.Unavailable, nil},
	{is(errStopping), codes.Unavailable, nil},
}

// toStatus returns err, which is not nil, as a gRPC status with its details.
func toStatus(err error) *status.Status {
	for _, row := range errorTable {
		if !row.match(err) {
			continue
		}
		st := status.New(row.code, message(err))
		if row.detail == nil {
			return st
		}
		detail := row.detail(err)
		if detail == nil {
			return st
		}
		detailed, detailErr := st.WithDetails(detail)
		if detailErr != nil {
			panic("server: a generated message does not marshal: " + detailErr.Error())
		}
		return detailed
	}
	// gRPC's own: a message too large, a stream that broke.
	if st, ok := status.FromError(err); ok {
		return st
	}
	return status.New(codes.Internal, message(err))
}

// is and as make rows of errorTable.
func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[E error](err error) bool {
	_, ok := asError[E](err)
	return ok
}

// asError is errors.As by type.
func asError[E error](err error) (E, bool) {
	var e E
	ok := errors.As(err, &e)
	return e, ok
}

// message is the status message of err.
func message(err error) string {
	if invalid, ok := asError[*index.InvalidError](err); ok {
		return invalidMessage(invalid.Violations)
	}
	if as[*panicError](err) {
		return "internal error, logged by the server"
	}
	return clip(err.Error(), maxMessageText)
}

// invalidMessage names the first violation, and says how many there are and how
// many of them the details leave out.
func invalidMessage(violations []index.Violation) string {
	first := violations[0]
	text := clip(first.Field, maxFieldText) + ": " + clip(first.Reason, maxFieldText)
	if len(violations) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(violations)-1)
	}
	if told := countTold(violations); told < len(violations) {
		text += fmt.Sprintf("; the details hold the first %d of %d", told, len(violations))
	}
	return text
}

// countTold returns how many of the violations the details have room for.
func countTold(violations []index.Violation) int {
	size := 0
	for i, v := range violations {
		size += min(len(v.Field), maxFieldText) + min(len(v.Reason), maxFieldText) + violationOverhead
		if i == maxViolations || size > maxViolationsText {
			return i
		}
	}
	return len(violations)
}

func badRequest(err error) protoadapt.MessageV1 {
	invalid, _ := asError[*index.InvalidError](err)
	detail := &errdetails.BadRequest{}
	for _, v := range invalid.Violations[:countTold(invalid.Violations)] {
		detail.FieldViolations = append(detail.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field:       clip(v.Field, maxFieldText),
			Description: clip(v.Reason, maxFieldText),
		})
	}
	return detail
}

func limitInfo(err error) protoadapt.MessageV1 {
	limit, _ := asError[*limitError](err)
	return &errdetails.ErrorInfo{
		Reason: reasonLimitExceeded,
		Domain: errorDomain,
		Metadata: map[string]string{
			"limit": limit.limit,
			"max":   strconv.FormatUint(limit.max, 10),
			"found": strconv.FormatUint(limit.found, 10),
			"field": limit.field,
		},
	}
}

func reason(name string) func(error) protoadapt.MessageV1 {
	return func(error) protoadapt.MessageV1 {
		return &errdetails.ErrorInfo{Reason: name, Domain: errorDomain}
	}
}

// resourceError says which collection or vector a not-found or already-exists
// error is about.
type resourceError struct {
	kind, name string
	err        error
}

func (e *resourceError) Error() string { return e.err.Error() }
func (e *resourceError) Unwrap() error { return e.err }

// about attaches a resource to err, which may be nil.
func about(err error, kind, name string) error {
	if err == nil {
		return nil
	}
	return &resourceError{kind, name, err}
}

func resourceInfo(err error) protoadapt.MessageV1 {
	resource, ok := asError[*resourceError](err)
	if !ok {
		return nil
	}
	return &errdetails.ResourceInfo{ResourceType: resource.kind, ResourceName: clip(resource.name, maxFieldText)}
}

// clip returns s if it has at most n bytes, else its start with a mark, as valid
// UTF-8 either way.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n-len("...")] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
