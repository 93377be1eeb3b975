package storage

import (
	"errors"

	"github.com/hamnest/hamnest/storage/fault"
)

// Errors to test for with errors.Is.
var (
	// ErrCorrupt marks bytes on disk that break a rule of FORMAT.md.
	ErrCorrupt = fault.ErrCorrupt
	// ErrVersion marks files of a format version that this program does not know.
	ErrVersion = fault.ErrVersion
	// ErrLocked is returned by Open when another process holds the directory.
	ErrLocked = fault.ErrLocked
	// ErrNotFound is returned for a collection that is not in the catalog.
	ErrNotFound = errors.New("storage: not found")
	// ErrExists is returned when a collection's name is taken.
	ErrExists = errors.New("storage: already exists")
)
