package api

import "time"

// Spec shapes a new collection. Name and Dims are required.
type Spec struct {
	// Name is 1 to 128 of A-Z a-z 0-9 . _ -, starting with a letter or digit.
	Name string
	// Dims is the components of a vector, 1 to MaxDims.
	Dims int
	// Ladder lists the Matryoshka prefix sizes in ascending order, each but the last a
	// multiple of 64; Dims is added as its last step when missing. Empty: 64, 128, 256,
	// 512, ... below Dims, then Dims.
	Ladder []int
	// Bits is the most bits that the code of a vector has: the budget of learned codes, and
	// Dims where they are plain signs. Fewer take less memory, and searches read more vectors.
	// What is too few or too many for Dims is refused with the range. 0: the default, Dims and
	// 256 more of learned codes.
	Bits int
	// Metric says what scores mean.
	Metric Metric
	// Profile says how vectors become codes: Learned, the default, or Signs for codes that
	// others made. A learned profile looks at vectors first: while there are
	// few, and always up to 16 dimensions, there are no codes (Exact) and
	// searches compare all vectors, which is cheaper. Without stored vectors it is
	// Signs.
	Profile Profile
	// Store is how exactly vectors are kept beside their codes. The default keeps them
	// as they are; StoreNone keeps none.
	Store Precision
	// Labels are the owner's notes: at most MaxLabels, keys of 1 to 63 and values
	// of up to 255 bytes.
	Labels map[string]string
}

// MaxLabels is the most labels a collection may have.
const MaxLabels = 64

// Info describes a collection: its Spec, defaults filled in, and more. Profile and Store
// are what is wanted, the target of a rewrite under way included.
type Info struct {
	Spec
	// ProfileInForce is how codes are made now.
	ProfileInForce Profile
	// ProfileFingerprint names the frozen encoder state.
	ProfileFingerprint string
	// Created is when the collection was made.
	Created time.Time
}

// Change says what an update of a collection is to change; nil fields stay as they are.
type Change struct {
	// Profile is how vectors are to become codes. With Learned what is learnt is
	// learnt anew, from the vectors there are now.
	Profile *Profile
	// Store is how exactly vectors are to be kept from now on, less so than now: a later
	// value of Precision. What is rounded away is gone, and so is after
	// StoreNone what a profile could be changed or a vector be read by.
	Store *Precision
}

// Stats is what a collection holds and what it costs.
type Stats struct {
	// Vectors can be found; Retired rows were replaced or deleted, and hold space
	// until a rewrite drops them; Sealed rows are packed in blocks.
	Vectors, Retired, Sealed uint64
	// Dropped rows were replaced or deleted, and left out by rewrites since the
	// collection was made. While neither these nor Retired ones are there, List has
	// the vectors in the order in which they were given.
	Dropped uint64
	// MemoryBytes are the codes and what is kept beside them; DiskBytes what the
	// file takes of the disk, of which DiskFreeBytes are free for later commits.
	MemoryBytes, DiskBytes, DiskFreeBytes uint64
	// CodeBytesPerVector and VectorBytesPerVector are payload.
	CodeBytesPerVector, VectorBytesPerVector uint64
	// Parts of DiskBytes: codes and what stands beside them, vectors with their checksums,
	// and the rest, which is ids, metadata and what finds them.
	DiskCodes, DiskVectors, DiskRows uint64
	// Commits since the collection was made.
	Commits uint64
	// Kernel scans; ProfileFingerprint names the encoder state.
	Kernel, ProfileFingerprint string
	// Live is what was learnt from searches, nil unless the engine was opened to
	// learn it.
	Live *LiveStats
	// Rewrite is the one under way, nil when there is none; see Change.
	Rewrite *RewriteStats
	// RewriteError says why the last rewrite was given up, since the collection was
	// opened; empty when it was not.
	RewriteError string
}

// RewriteStats is how far a rewrite is.
type RewriteStats struct {
	// Profile and Store are the target.
	Profile Profile
	Store   Precision
	Started time.Time
	// Done of Total rows are copied.
	Done, Total uint64
}

// LiveStats is what was learnt from the searches that were answered.
type LiveStats struct {
	// Queries are remembered for CalibrateOptions.Live.
	Queries int
	// Checks are the last searches that were answered again exactly, at most 200 since
	// the collection was opened; Recall is what they had in the mean, and Target what they
	// asked for.
	Checks         int
	Recall, Target float64
	// Short says that Recall is below Target by more than chance; empty: it is not.
	Short string
}

// CheckReport is what Check found.
type CheckReport struct {
	// Rows and Blocks were read.
	Rows, Blocks uint64
	// Problems says, a line each, what breaks a rule of storage/FORMAT.md: at most the first
	// 100. Empty means that the files are sound.
	Problems []string
}
