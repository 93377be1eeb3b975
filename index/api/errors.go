package api

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/hamnest/hamnest/storage/fault"
)

// Errors to test for with errors.Is.
var (
	// ErrInvalid matches every *InvalidError.
	ErrInvalid = errors.New("invalid")
	// ErrLimit matches every *LimitError, and the error of a message too large to send.
	ErrLimit = errors.New("limit exceeded")
	// ErrUnavailable is returned when a server cannot be reached or is shutting down.
	ErrUnavailable = errors.New("unavailable")
	// ErrNotFound is returned for a collection, or a query's stored vector, that does not
	// exist, and by calls on a collection that was dropped while they were under way.
	ErrNotFound = errors.New("index: not found")
	// ErrExists is returned when a name is taken, of a collection or an alias.
	ErrExists = errors.New("index: already exists")
	// ErrClosed is returned by every use of a closed DB.
	ErrClosed = errors.New("index: closed")
	// ErrFull is returned when a collection has used up its row numbers.
	ErrFull = errors.New("index: full")
	// ErrRewriting is returned by an update while another is under way.
	ErrRewriting = errors.New("index: the collection is being rewritten")
	// ErrCodesOnly is returned when a collection keeps no vectors and a call needs them: to
	// read them, search by one, score by them, or make another profile.
	ErrCodesOnly = errors.New("index: the collection keeps codes and no vectors")
	// ErrCalibrating is returned by Calibrate while another one is under way.
	ErrCalibrating = errors.New("index: the collection is being calibrated")
	// ErrEmpty is returned by Calibrate of a collection that has nothing to measure.
	ErrEmpty = errors.New("index: the collection has no vectors")
	// ErrLocked is returned by Open when another process holds the directory.
	ErrLocked = fault.ErrLocked
	// ErrCorrupt is returned when bytes on disk break a rule of storage/FORMAT.md.
	ErrCorrupt = fault.ErrCorrupt
	// ErrVersion is returned when files were written by a newer program.
	ErrVersion = fault.ErrVersion
	// ErrReadOnly is returned by every change to a directory that was opened for reading.
	ErrReadOnly = fault.ErrReadOnly
	// ErrGone is returned by writes to a collection whose file was removed or replaced since it
	// was opened.
	ErrGone = fault.ErrGone
	// ErrAliased is returned when a collection that has aliases is to be deleted.
	ErrAliased = fault.ErrAliased
	// ErrOrphans is returned by Open if there are folders of collections that are not in the
	// catalog.
	ErrOrphans = fault.ErrOrphans
)

// InvalidError says which parts of an argument are malformed. Nothing was changed.
type InvalidError struct {
	// Violations is never empty.
	Violations []Violation
}

// Violation is one malformed part of an argument.
type Violation struct {
	// Field is the path to that part, such as "k" or "vectors[17].vector".
	Field string
	// Reason says what was found and what was wanted.
	Reason string
}

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Field + ": " + v.Reason
	}
	return "index: invalid " + strings.Join(parts, "; ")
}

// LimitError says that a request is well-formed but asks for more than the server allows.
type LimitError struct {
	// Limit is the name of the limit, such as "max_k", and Field the path of the part of the
	// request that exceeds it.
	Limit, Field string
	// Max is the limit, Found what the request has, and What, in the server, the property of
	// Field that was measured.
	Max, Found uint64
	What       string
}

// Is reports whether target is ErrLimit.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %s %d, above this server's limit %s of %d", e.Field, cmp.Or(e.What, "is"), e.Found, e.Limit, e.Max)
}
