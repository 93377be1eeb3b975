package convert

import (
	"errors"
	"strconv"
	"syscall"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/hamnest/hamnest/index/api"
)

// ErrorDomain is the domain of every google.rpc.ErrorInfo of hamnest.v1.
const ErrorDomain = "hamnest"

// ReasonLimitExceeded is the reason of an ErrorInfo for an *api.LimitError.
const ReasonLimitExceeded = "LIMIT_EXCEEDED"

// meanings are the errors that are sent as a code and a reason, which may be empty: the first
// match counts.
var meanings = []struct {
	err    error
	code   codes.Code
	reason string
}{
	{api.ErrNotFound, codes.NotFound, ""},
	{api.ErrExists, codes.AlreadyExists, ""},
	{api.ErrFull, codes.ResourceExhausted, "COLLECTION_FULL"},
	{syscall.ENOSPC, codes.ResourceExhausted, "NO_SPACE"},
	{api.ErrCorrupt, codes.DataLoss, ""},
	{api.ErrVersion, codes.FailedPrecondition, "NEWER_FORMAT"},
	{api.ErrGone, codes.FailedPrecondition, "FILE_GONE"},
	{api.ErrReadOnly, codes.FailedPrecondition, "READ_ONLY"},
	{api.ErrCalibrating, codes.FailedPrecondition, "CALIBRATING"},
	{api.ErrEmpty, codes.FailedPrecondition, "EMPTY"},
	{api.ErrRewriting, codes.FailedPrecondition, "REWRITING"},
	{api.ErrCodesOnly, codes.FailedPrecondition, "CODES_ONLY"},
	{api.ErrAliased, codes.FailedPrecondition, "ALIASED"},
	{api.ErrUnavailable, codes.Unavailable, ""},
	{api.ErrClosed, codes.Unavailable, ""},
	{api.ErrInvalid, codes.InvalidArgument, ""},
	{api.ErrLimit, codes.ResourceExhausted, ReasonLimitExceeded},
	{api.ErrLimit, codes.ResourceExhausted, ""}, // a message too large, which gRPC refuses
}

// ErrorToCode returns the code and reason that err is sent as; false if it has no form of its
// own.
func ErrorToCode(err error) (code codes.Code, reason string, ok bool) {
	for _, m := range meanings {
		if errors.Is(err, m.err) {
			return m.code, m.reason, true
		}
	}
	return codes.Unknown, "", false
}

// ErrorFromCode returns the error of package api, or of the system, that a code and a reason
// stand for, or nil.
func ErrorFromCode(code codes.Code, reason string) error {
	for _, m := range meanings {
		if m.code == code && m.reason == reason {
			return m.err
		}
	}
	return nil
}

// LimitToProto returns what a limit was and what was found.
func LimitToProto(e *api.LimitError) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{
		Reason: ReasonLimitExceeded,
		Domain: ErrorDomain,
		Metadata: map[string]string{
			"limit": e.Limit,
			"max":   strconv.FormatUint(e.Max, 10),
			"found": strconv.FormatUint(e.Found, 10),
			"field": e.Field,
		},
	}
}

// LimitFromProto returns the limit that info describes, or nil if it is of another kind.
func LimitFromProto(info *errdetails.ErrorInfo) *api.LimitError {
	if info.GetReason() != ReasonLimitExceeded {
		return nil
	}
	metadata := info.GetMetadata()
	most, isMost := number(metadata["max"])
	found, isFound := number(metadata["found"])
	if !isMost || !isFound {
		return nil
	}
	return &api.LimitError{Limit: metadata["limit"], Field: metadata["field"], Max: most, Found: found}
}

func number(text string) (n uint64, is bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}
