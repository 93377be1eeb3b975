// Package fault names what can be wrong with files. It is a leaf, so that packages that
// never touch a file can test for what storage found.
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
	// ErrReadOnly is for changes to a directory that was opened for reading.
	ErrReadOnly = errors.New("storage: opened for reading only")
	// ErrGone is for writes to a file that was removed or replaced since it was opened.
	ErrGone = errors.New("storage: the file that was opened is no longer there")
	// ErrAliased is for the deletion of a collection that has aliases.
	ErrAliased = errors.New("storage: the collection has aliases")
	// ErrOrphans is for folders of collections that are not in the catalog.
	ErrOrphans = errors.New("storage: collections that are not in the catalog")
)
