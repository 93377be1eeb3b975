package convert

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/hamnest/hamnest/index/api"
)

// Violations collects the malformed parts of a request.
type Violations []api.Violation

// Add adds a violation.
func (v *Violations) Add(field, format string, args ...any) {
	*v = append(*v, api.Violation{Field: field, Reason: fmt.Sprintf(format, args...)})
}

// Err returns the violations as an *api.InvalidError, or nil if there are none.
func (v Violations) Err() error {
	if len(v) == 0 {
		return nil
	}
	return &api.InvalidError{Violations: v}
}

// Text returns s, and refuses it if gRPC cannot send it: gRPC takes UTF-8 only.
func (v *Violations) Text(field, s string) string {
	if !utf8.ValidString(s) {
		v.Add(field, "%.50q is not UTF-8", s)
	}
	return s
}

// Uint32 returns n for a field that holds an unsigned 32-bit number.
func (v *Violations) Uint32(field string, n int) uint32 {
	if n < 0 || uint64(n) > math.MaxUint32 {
		v.Add(field, "is %d, want 0 to %d", n, uint32(math.MaxUint32))
		return 0
	}
	return uint32(n)
}

// labels returns labels and refuses those that cannot be sent.
func (v *Violations) labels(labels map[string]string) map[string]string {
	for key, value := range labels {
		v.Text("labels", key)
		v.Text("labels", value)
	}
	return labels
}
