package client

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// Error is an error that the server answered, or that kept it from answering.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Message is for people.
	Message string
	// Reason distinguishes errors that share a code, such as LIMIT_EXCEEDED and NO_SPACE; empty
	// when the code is enough.
	Reason string
	// Violations are the malformed fields of an api.ErrInvalid. The server lists as many as
	// fit; Message says how many there are.
	Violations []api.Violation
	// Limit is the exceeded limit of an api.ErrLimit. It is nil for the size of a message,
	// which gRPC refuses without details.
	Limit *api.LimitError
	// Resource is the thing that was not found or already exists.
	Resource *Resource

	status *status.Status
}

// Resource is a thing on the server.
type Resource struct {
	// Type is "hamnest.v1.Collection", "hamnest.v1.Alias" or "hamnest.v1.VectorRecord".
	Type string
	// Name is the name or the vector's id.
	Name string
}

// Error returns the message. For an error that is not the engine's it also gives the code.
func (e *Error) Error() string {
	if e.Unwrap() != nil {
		return e.Message
	}
	return fmt.Sprintf("client: %s: %s", e.Code, e.Message)
}

// GRPCStatus gives status.FromError and status.Code the status of e.
func (e *Error) GRPCStatus() *status.Status {
	if e.status == nil {
		return status.New(e.Code, e.Message)
	}
	return e.status
}

// Unwrap returns the error of package api that e stands for: an *api.InvalidError, an
// *api.LimitError or one of those to test for with errors.Is; or one of package context's. Nil
// if e stands for nothing but its code.
func (e *Error) Unwrap() error {
	switch {
	case len(e.Violations) > 0:
		return &api.InvalidError{Violations: e.Violations}
	case e.Limit != nil:
		return e.Limit
	case e.Code == codes.Canceled:
		return context.Canceled
	case e.Code == codes.DeadlineExceeded:
		return context.DeadlineExceeded
	}
	return convert.ErrorFromCode(e.Code, e.Reason)
}

// fromGRPC returns an error of gRPC as an *Error; nil stays nil.
func fromGRPC(err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	e := &Error{Code: st.Code(), Message: st.Message(), status: st}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				// api.Spec and api.Alias have the fields that a request holds there.
				field := strings.TrimPrefix(strings.TrimPrefix(v.GetField(), "collection."), "alias.")
				e.Violations = append(e.Violations, api.Violation{Field: field, Reason: v.GetDescription()})
			}
		case *errdetails.ResourceInfo:
			e.Resource = &Resource{d.GetResourceType(), d.GetResourceName()}
		case *errdetails.ErrorInfo:
			if d.GetDomain() == convert.ErrorDomain {
				e.Reason = d.GetReason()
				e.Limit = convert.LimitFromProto(d)
			}
		}
	}
	return e
}

// checkText returns an api.ErrInvalid if one of texts, given in field, cannot be sent.
func checkText(field string, texts ...string) error {
	var bad convert.Violations
	for _, s := range texts {
		bad.Text(field, s)
	}
	return refused(bad)
}

// refused returns an error for the parts of a request that cannot be sent, or nil.
func refused(bad convert.Violations) error {
	if len(bad) == 0 {
		return nil
	}
	message := bad[0].Field + ": " + bad[0].Reason
	if more := len(bad) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return &Error{Code: codes.InvalidArgument, Message: message, Violations: bad}
}
