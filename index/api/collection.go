package api

import "time"

// Spec describes a new collection. Name and Dims are required.
type Spec struct {
	// Name is 1 to 128 of A-Z a-z 0-9 . _ -, starting with a letter or digit.
	Name string
	// Dims is the number of components of a vector, 1 to MaxDims.
	Dims int
	// Ladder lists the Matryoshka prefix sizes in ascending order, each but the last a
	// multiple of 64; Dims is added as its last step when missing. Empty: 64, 128, 256,
	// 512, ... below Dims, then Dims.
	Ladder []int
	// Bits is the most bits that the code of a vector may have: the budget of learned codes,
	// and Dims if codes are plain signs. Fewer bits take less memory, and searches read more
	// vectors. A budget too small or too large for Dims is refused with the range. 0: the
	// default, Dims + 256 for learned codes.
	Bits int
	// Metric says what scores mean.
	Metric Metric
	// Profile says how vectors become codes: Learned, the default, or Signs for codes made
	// elsewhere. A learned profile needs vectors to learn from. While there are few, and always
	// up to 16 dimensions, there are no codes (Exact) and searches compare all vectors, which
	// is cheaper. Without stored vectors it is Signs.
	Profile Profile
	// Store is how exactly vectors are kept beside their codes. The default keeps them
	// unchanged; StoreNone keeps none.
	Store Precision
	// Labels are the owner's notes: at most MaxLabels, with keys of 1 to 63 bytes and values of
	// up to 255.
	Labels map[string]string
}

// MaxLabels is the most labels a collection may have.
const MaxLabels = 64

// Info describes a collection: its Spec with defaults filled in, and more. During a rewrite
// Profile and Store are its target.
type Info struct {
	Spec
	// LadderGiven says that Ladder was given when the collection was made: only then is a query
	// that has the size of a shorter step taken as a prefix without saying so. See Query.Dims.
	LadderGiven bool
	// ProfileInForce says how codes are made now.
	ProfileInForce Profile
	// ProfileFingerprint names the frozen encoder state.
	ProfileFingerprint string
	// Created is when the collection was made.
	Created time.Time
}

// Alias is another name of a collection. It can stand wherever a collection's name is wanted, but
// for renaming and deletion.
type Alias struct {
	// Name has the form of a collection's name, and no collection has it.
	Name string
	// Collection is the collection's own name.
	Collection string
}

// Change says what an update of a collection changes; nil fields stay as they are.
type Change struct {
	// Profile says how vectors become codes from now on. Learned learns again from the vectors
	// there are now.
	Profile *Profile
	// Store is how exactly vectors are kept from now on. It may only lower the precision, to a
	// later value of Precision. What is rounded away is gone. After StoreNone no vector can be
	// read and the profile cannot change.
	Store *Precision
}

// Stats says what a collection holds and what it costs.
type Stats struct {
	// Vectors can be found. Retired rows were replaced or deleted, and keep their space until a
	// rewrite, such as a compaction, drops them. Sealed rows are packed in blocks.
	Vectors, Retired, Sealed uint64
	// Dropped is how many replaced or deleted rows rewrites have left out since the collection
	// was made. While Dropped and Retired are both 0, List returns the vectors in the order in
	// which they were given.
	Dropped uint64
	// MemoryBytes are the codes and what is kept beside them. DiskBytes is the size of the file
	// on disk, of which DiskFreeBytes are free for later commits.
	MemoryBytes, DiskBytes, DiskFreeBytes uint64
	// FilterBytes, beside MemoryBytes, are what filters have been answered by: see
	// index.Options.
	FilterBytes uint64
	// CodeBytesPerVector and VectorBytesPerVector are payload.
	CodeBytesPerVector, VectorBytesPerVector uint64
	// DiskCodes, DiskVectors and DiskRows are parts of DiskBytes: codes and the numbers beside
	// them; vectors with their checksums; ids, metadata and what finds them.
	DiskCodes, DiskVectors, DiskRows uint64
	// Commits since the collection was made.
	Commits uint64
	// Kernel is the one that scans; ProfileFingerprint names the encoder state.
	Kernel, ProfileFingerprint string
	// Live is what checks of live searches found; nil unless the engine was opened with such
	// checks.
	Live *LiveStats
	// Rewrite is the rewrite under way, or nil; see Change and Engine.Compact.
	Rewrite *RewriteStats
	// RewriteError says why the last rewrite since the collection was opened was given up;
	// empty if it was not.
	RewriteError string
	// Fault says why writes are refused, such as that the collection's file was removed or
	// replaced since it was opened; empty: nothing is known against them.
	Fault string
}

// RewriteStats is how far a rewrite is.
type RewriteStats struct {
	// Profile and Store are the target: of a compaction, what is so already.
	Profile Profile
	Store   Precision
	Started time.Time
	// Done of Total rows are copied.
	Done, Total uint64
}

// LiveStats is what was learnt from searches that were answered.
type LiveStats struct {
	// Queries is how many are remembered for CalibrateOptions.Live.
	Queries int
	// Checks is how many recent searches were answered again exactly, at most 200 since the
	// collection was opened. Recall is their mean recall, and Target the mean of what they
	// asked for.
	Checks         int
	Recall, Target float64
	// Short says that Recall is below Target by more than chance; empty if it is not.
	Short string
}

// CheckReport is what Check found.
type CheckReport struct {
	// Rows and Blocks are how many were read.
	Rows, Blocks uint64
	// Problems are the rules of storage/FORMAT.md that the files break, a line each: at most
	// the first 100; and after them why writes are refused. Empty means that the files are
	// sound.
	Problems []string
}
