package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What an *Error can be, to test for with errors.Is. A context's end is
// context.Canceled or context.DeadlineExceeded.
var (
	// ErrNotFound: the collection, or the stored vector searched for, is not
	// there. Error.Resource names it.
	ErrNotFound = errors.New("client: not found")
	// ErrExists: the collection's name is taken. Error.Resource names it.
	ErrExists = errors.New("client: already exists")
	// ErrInvalid: the request is malformed. Error.Violations say how.
	ErrInvalid = errors.New("client: invalid")
	// ErrLimit: the request, or its answer, is above a configured limit of the
	// server or of the client. Error.Limit names it, unless it is the size of a
	// message, which gRPC refuses without details.
	ErrLimit = errors.New("client: limit exceeded")
	// ErrNoSpace: the server's disk or the collection is full.
	ErrNoSpace = errors.New("client: no space")
	// ErrNewerFormat: the collection's files were written by a newer program.
	ErrNewerFormat = errors.New("client: newer format")
	// ErrRewriting: a change of the collection is under way, and there can be but one.
	ErrRewriting = errors.New("client: the collection is being rewritten")
	// ErrCodesOnly: the collection stores no vectors, which this needs.
	ErrCodesOnly = errors.New("client: the collection keeps codes and no vectors")
	// ErrCalibrating: a calibration is under way, and there can be but one.
	ErrCalibrating = errors.New("client: the collection is being calibrated")
	// ErrEmpty: the collection has no vectors to measure.
	ErrEmpty = errors.New("client: the collection has no vectors")
	// ErrDataLoss: the server found damaged bytes on its disk.
	ErrDataLoss = errors.New("client: data loss")
	// ErrUnavailable: the server cannot be reached or is shutting down.
	ErrUnavailable = errors.New("client: unavailable")
)

// Error is what the server answered, or what kept it from answering.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Message is for people.
	Message string
	// Reason tells apart what shares a code, such as LIMIT_EXCEEDED and NO_SPACE;
	// empty when the code says it all.
	Reason string
	// Violations are the malformed fields, of an ErrInvalid. The server names as
	// many as fit; Message says how many there are.
	Violations []Violation
	// Limit is the limit exceeded, of an ErrLimit.
	Limit *Limit
	// Resource is what was not there or there already.
	Resource *Resource

	status *status.Status
}

// Violation is one malformed field.
type Violation struct {
	// Field is its path in the request as hamnest.v1 has it, such as "k" or
	// "vectors[17].vector".
	Field string
	// Reason says what was found and what was wanted.
	Reason string
}

// Limit is a configured limit of the server.
type Limit struct {
	// Name of the limit, such as "max_k", and Field of the request that is above it.
	Name, Field string
	// Max is the limit, Found what the request has.
	Max, Found uint64
}

// Resource is a thing on the server.
type Resource struct {
	// Type is "hamnest.v1.Collection" or "hamnest.v1.VectorRecord".
	Type string
	// Name is the collection's name or the vector's id.
	Name string
}

// Error returns the code and the message.
func (e *Error) Error() string {
	return fmt.Sprintf("client: %s: %s", e.Code, e.Message)
}

// GRPCStatus lets status.FromError and status.Code see the status behind e.
func (e *Error) GRPCStatus() *status.Status {
	if e.status == nil {
		return status.New(e.Code, e.Message)
	}
	return e.status
}

// The reasons of a google.rpc.ErrorInfo of the server, and their domain.
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

// Is reports whether e is what one of this package's errors, or one of package
// context's, stands for.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Code == codes.NotFound
	case ErrExists:
		return e.Code == codes.AlreadyExists
	case ErrInvalid:
		return e.Code == codes.InvalidArgument
	case ErrLimit:
		return e.Code == codes.ResourceExhausted && (e.Reason == reasonLimitExceeded || e.Reason == "")
	case ErrNoSpace:
		return e.Code == codes.ResourceExhausted && (e.Reason == reasonNoSpace || e.Reason == reasonCollectionFull)
	case ErrNewerFormat:
		return e.Code == codes.FailedPrecondition && e.Reason == reasonNewerFormat
	case ErrRewriting:
		return e.Code == codes.FailedPrecondition && e.Reason == reasonRewriting
	case ErrCalibrating:
		return e.Code == codes.FailedPrecondition && e.Reason == reasonCalibrating
	case ErrEmpty:
		return e.Code == codes.FailedPrecondition && e.Reason == reasonEmpty
	case ErrCodesOnly:
		return e.Code == codes.FailedPrecondition && e.Reason == reasonCodesOnly
	case ErrDataLoss:
		return e.Code == codes.DataLoss
	case ErrUnavailable:
		return e.Code == codes.Unavailable
	case context.Canceled:
		return e.Code == codes.Canceled
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	}
	return false
}

// fromGRPC returns an error of gRPC as an *Error, and nil as nil.
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
				e.Violations = append(e.Violations, Violation{v.GetField(), v.GetDescription()})
			}
		case *errdetails.ResourceInfo:
			e.Resource = &Resource{d.GetResourceType(), d.GetResourceName()}
		case *errdetails.ErrorInfo:
			if d.GetDomain() == errorDomain {
				e.Reason = d.GetReason()
				e.Limit = limitFrom(d)
			}
		}
	}
	return e
}

// limitFrom returns the limit that info describes, or nil if it is of another
// kind.
func limitFrom(info *errdetails.ErrorInfo) *Limit {
	if info.GetReason() != reasonLimitExceeded {
		return nil
	}
	metadata := info.GetMetadata()
	limit := &Limit{Name: metadata["limit"], Field: metadata["field"]}
	var errMax, errFound error
	limit.Max, errMax = strconv.ParseUint(metadata["max"], 10, 64)
	limit.Found, errFound = strconv.ParseUint(metadata["found"], 10, 64)
	if errMax != nil || errFound != nil {
		return nil
	}
	return limit
}

// checkText returns an ErrInvalid if one of texts, given in field, cannot be sent.
func checkText(field string, texts ...string) error {
	var req request
	for _, s := range texts {
		req.text(field, s)
	}
	return req.err()
}

// request collects what is malformed in a request that has no form on the wire.
type request struct {
	violations []Violation
}

// uint32 returns n for a field that holds 32 bits without a sign.
func (r *request) uint32(field string, n int) uint32 {
	if n < 0 || uint64(n) > 1<<32-1 {
		r.refuse(field, fmt.Sprintf("is %d, want 0 to %d", n, uint32(1<<32-1)))
		return 0
	}
	return uint32(n)
}

// text refuses a string that is not UTF-8, which gRPC cannot send.
func (r *request) text(field, s string) string {
	if reason := badText(s); reason != "" {
		r.refuse(field, reason)
	}
	return s
}

func (r *request) refuse(field, reason string) {
	r.violations = append(r.violations, Violation{field, reason})
}

// err returns what was refused as an ErrInvalid, or nil.
func (r *request) err() error {
	if len(r.violations) == 0 {
		return nil
	}
	first := r.violations[0]
	message := first.Field + ": " + first.Reason
	if more := len(r.violations) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return &Error{Code: codes.InvalidArgument, Message: message, Violations: r.violations}
}
