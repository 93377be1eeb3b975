package storage

import "errors"

// Errors to test for with errors.Is.
var (
	// ErrCorrupt marks bytes on disk that break a rule of FORMAT.md.
	ErrCorrupt = errors.New("storage: corrupt")
	// ErrVersion marks files of a format version that this program does not know.
	ErrVersion = errors.New("storage: unsupported version")
	// ErrLocked is returned by Open when another process holds the directory.
	ErrLocked = errors.New("storage: locked by another process")
	// ErrNotFound is returned for a collection that is not in the catalog.
	ErrNotFound = errors.New("storage: not found")
	// ErrExists is returned when a collection's name is taken.
	ErrExists = errors.New("storage: already exists")
)
