// Package fault names what can be wrong with files. It is a leaf, so that those who never
// touch a file can test for what storage has found.
package fault

import "errors"

// Errors to test for with errors.Is.
var (
	// ErrCorrupt marks bytes on disk that break a rule of storage/FORMAT.md.
	ErrCorrupt = errors.New("storage: corrupt")
	// ErrVersion marks files of a format version that this program does not know.
	ErrVersion = errors.New("storage: unsupported version")
	// ErrLocked is for a directory that another process holds.
	ErrLocked = errors.New("storage: locked by another process")
)
