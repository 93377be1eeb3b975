package api

// Record is one stored vector.
type Record struct {
	// ID is the user's key, 1 to 512 bytes of UTF-8.
	ID string
	// Vector has as many components as the collection has dims, all finite and, under Cosine,
	// not all zero.
	Vector []float32
	// Code is (dims + 63) / 64 words with no bit set past the last dimension; dimension i is
	// bit i%64 of word i/64. Dialect.Unpack converts codes that other systems pack. It is
	// optional. With Vector it must be the signs of Vector. Without Vector it is stored as it
	// is, but only by a collection of plain signs under Cosine that stores no vectors.
	Code []uint64
	// Metadata is a JSON object of at most 65536 bytes, or empty.
	Metadata []byte
}

// RecordError says why one record was refused.
type RecordError struct {
	// Index and ID are the record's.
	Index int
	ID    string
	// Field is the malformed part, if known: id, vector, code or metadata.
	Field string
	// Reason says what was found and what was wanted.
	Reason string
}

// Text returns the field and the reason.
func (e RecordError) Text() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + " " + e.Reason
}

// ReadOptions says which parts of a record to read besides its ID, and which records to list.
type ReadOptions struct {
	// Filter leaves the records that do not match out of a list: see Query.Filter. Reading by ID
	// takes none.
	Filter string
	// WithVector reads the stored vector; ErrCodesOnly if there are none.
	WithVector bool
	// WithCode reads the signs of the stored vector, or the code that was stored without one.
	WithCode bool
	// WithMetadata reads the metadata.
	WithMetadata bool
}
