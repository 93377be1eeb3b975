package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// The resource types of a google.rpc.ResourceInfo.
const (
	collectionResource = "hamnest.v1.Collection"
	vectorResource     = "hamnest.v1.VectorRecord"
	aliasResource      = "hamnest.v1.Alias"
)

// A status travels in HTTP/2 trailers, and some clients take no more than 8 KiB of those (gRPC
// for C and Java by default), base64 included. Text from the user is clipped to fit.
const (
	maxMessageText    = 1 << 10
	maxFieldText      = 256
	maxViolations     = 100
	maxViolationsText = 3 << 10
	violationOverhead = 6 // tags and lengths
)

// errStopping ends the streams of a server that shuts down.
var errStopping = errors.New("server: shutting down")

// toStatus returns err, which is not nil, as a gRPC status with its details.
func toStatus(err error) *status.Status {
	code, detail, ok := formOf(err)
	switch {
	case !ok:
	case detail == nil:
		return status.New(code, message(err))
	default:
		st, detailErr := status.New(code, message(err)).WithDetails(detail)
		if detailErr != nil {
			panic("server: a generated message does not marshal: " + detailErr.Error())
		}
		return st
	}
	// gRPC's own: a message too large, a stream that broke.
	if st, ok := status.FromError(err); ok {
		return st
	}
	return status.New(codes.Internal, message(err))
}

// formOf returns the code that err is sent as, and the detail if there is one; false when err
// has no form of its own.
func formOf(err error) (code codes.Code, detail protoadapt.MessageV1, ok bool) {
	switch {
	case errors.Is(err, context.Canceled):
		return codes.Canceled, nil, true
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded, nil, true
	case errors.Is(err, errStopping):
		return codes.Unavailable, nil, true
	}
	if limit, ok := asError[*api.LimitError](err); ok {
		return codes.ResourceExhausted, convert.LimitToProto(limit), true
	}
	if invalid, ok := asError[*api.InvalidError](err); ok {
		return codes.InvalidArgument, badRequest(invalid.Violations), true
	}
	code, reason, ok := convert.ErrorToCode(err)
	if resource, is := asError[*resourceError](err); is && (code == codes.NotFound || code == codes.AlreadyExists) {
		return code, resource.info(), ok
	}
	if reason != "" {
		return code, &errdetails.ErrorInfo{Reason: reason, Domain: convert.ErrorDomain}, ok
	}
	return code, nil, ok
}

// asError is errors.As by type.
func asError[E error](err error) (E, bool) {
	var e E
	ok := errors.As(err, &e)
	return e, ok
}

// message is the status message of err, without the names of our packages.
func message(err error) string {
	if invalid, ok := asError[*api.InvalidError](err); ok {
		return invalidMessage(invalid.Violations)
	}
	if _, ok := asError[*panicError](err); ok {
		return "internal error, logged by the server"
	}
	return clip(api.Plain(err.Error()), maxMessageText)
}

// invalidMessage names the first violation, and says how many there are and how
// many of them the details leave out.
func invalidMessage(violations []api.Violation) string {
	first := violations[0]
	text := clip(first.Field, maxFieldText) + ": " + reason(first)
	if len(violations) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(violations)-1)
	}
	if told := countTold(violations); told < len(violations) {
		text += fmt.Sprintf("; the details hold the first %d of %d", told, len(violations))
	}
	return text
}

// countTold returns how many of the violations fit into the details.
func countTold(violations []api.Violation) int {
	size := 0
	for i, v := range violations {
		size += min(len(v.Field), maxFieldText) + min(len(v.Reason), maxFieldText) + violationOverhead
		if i == maxViolations || size > maxViolationsText {
			return i
		}
	}
	return len(violations)
}

// reason is why a field was refused, as it travels.
func reason(v api.Violation) string { return clip(api.Plain(v.Reason), maxFieldText) }

func badRequest(violations []api.Violation) *errdetails.BadRequest {
	detail := &errdetails.BadRequest{}
	for _, v := range violations[:countTold(violations)] {
		detail.FieldViolations = append(detail.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field:       clip(v.Field, maxFieldText),
			Description: reason(v),
		})
	}
	return detail
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

func (e *resourceError) info() *errdetails.ResourceInfo {
	return &errdetails.ResourceInfo{ResourceType: e.kind, ResourceName: clip(e.name, maxFieldText)}
}

// invalid returns one violation as an error.
func invalid(field, format string, args ...any) error {
	var bad convert.Violations
	bad.Add(field, format, args...)
	return bad.Err()
}

// clip returns s if it has at most n bytes, otherwise its start with a mark; valid UTF-8 either
// way.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n-len("...")] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
