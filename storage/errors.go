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
	// ErrReadOnly is returned by every change to a directory that was opened for reading.
	ErrReadOnly = fault.ErrReadOnly
	// ErrGone is returned by writes to a file that was removed or replaced since it was
	// opened: they would be lost when it is closed.
	ErrGone = fault.ErrGone
	// ErrOrphans is returned by OpenCatalog for folders of collections that are not in the
	// catalog.
	ErrOrphans = fault.ErrOrphans
	// ErrNotFound is returned for a collection that is not in the catalog.
	ErrNotFound = errors.New("storage: not found")
	// ErrAliased is returned by the deletion of a collection that has aliases.
	ErrAliased = fault.ErrAliased
	// ErrExists is returned when a name is taken.
	ErrExists = errors.New("storage: already exists")
)
