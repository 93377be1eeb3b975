package index

import (
	"fmt"
)

// invalid returns one violation as an error.
func invalid(field, format string, args ...any) *InvalidError {
	return &InvalidError{Violations: []Violation{{Field: field, Reason: fmt.Sprintf(format, args...)}}}
}
