package client

import (
	"context"
	"fmt"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// Metric says what a score means. Larger scores are always better.
type Metric string

const (
	// Cosine scores by the cosine of the angle, in [-1, 1]. All-zero vectors are
	// refused.
	Cosine Metric = "cosine"
	// Dot scores by the inner product.
	Dot Metric = "dot"
	// L2 scores by minus the squared Euclidean distance, at most 0.
	L2 Metric = "l2"
)

// Profile says how vectors become codes.
type Profile string

const (
	// Learned is the default: what the first vectors have in common is taken out, their
	// principal components get more bits than the rest, and each code carries the numbers
	// that make its estimates unbiased and their errors known. While comparing the vectors
	// themselves is cheaper, in small collections and up to 16 dimensions, there are no
	// codes: Exact.
	Learned Profile = "learned"
	// Signs takes the signs of the components as they are: for codes that others made.
	// Nothing is known of their errors, so that no recall can be promised.
	Signs Profile = "signs"
	// Exact makes no codes; it cannot be asked for.
	Exact Profile = "exact"
)

// Precision says how exactly vectors are stored beside their codes.
type Precision string

const (
	// StoreFloat32 keeps vectors as they are.
	StoreFloat32 Precision = "float32"
	// StoreFloat16 keeps 11 significant bits, components to 65504 either way.
	StoreFloat16 Precision = "float16"
	// StoreBFloat16 keeps 8 significant bits and the range of float32.
	StoreBFloat16 Precision = "bfloat16"
	// StoreInt8 keeps multiples of a 127th of the vector's largest component.
	StoreInt8 Precision = "int8"
	// StoreNone keeps no vectors: codes are plain signs, searches end at them, and what
	// needs vectors is an ErrCodesOnly.
	StoreNone Precision = "none"
)

// Collection is a set of vectors of one size under one metric.
type Collection struct {
	// Name is 1 to 128 of A-Z a-z 0-9 . _ -, starting with a letter or digit.
	Name string
	// Dims is the components of a vector, 1 to 65536.
	Dims int
	// Ladder lists the Matryoshka prefix sizes in dimensions, ascending; each but
	// the last is a multiple of 64, the last is Dims. Empty, when creating: 64, 128,
	// 256, 512, ... below Dims, then Dims.
	Ladder []int
	// Bits is the most bits that the code of a vector has: when creating, the budget of
	// learned codes, and 0 for Dims and 256 more. Fewer take less memory, and searches read
	// more vectors. What is too few or too many for Dims is refused with the range. Plain
	// signs have Dims bits.
	Bits int
	// Metric says what scores mean. Empty, when creating: Cosine.
	Metric Metric
	// Profile says how vectors are to become codes. Empty, when creating: Learned.
	Profile Profile
	// Store says how exactly vectors are to be stored. Empty, when creating: StoreFloat32.
	Store Precision
	// Labels are the owner's notes: at most 64, keys to 63 and values to 255 bytes.
	Labels map[string]string
	// ProfileInForce says how vectors become codes now. Set by the server.
	ProfileInForce Profile
	// ProfileFingerprint names the frozen encoder state. Set by the server.
	ProfileFingerprint string
	// Created is when the collection was made. Set by the server.
	Created time.Time
}

// Stats says what a collection holds and what it costs.
type Stats struct {
	// Vectors are those that a search can return; Retired the rows of replaced
	// and deleted ones, which hold space until a rewrite drops them; Sealed the rows
	// packed in blocks.
	Vectors, Retired, Sealed uint64
	// Dropped are the rows that rewrites have dropped since the collection was made.
	Dropped uint64
	// MemoryBytes are the resident bytes of the codes, DiskBytes the size of the
	// files, DiskFreeBytes the part of it that later writes can use.
	MemoryBytes, DiskBytes, DiskFreeBytes uint64
	// CodeBytesPerVector and VectorBytesPerVector are the size of one code, with the
	// numbers beside it, and of one stored vector.
	CodeBytesPerVector, VectorBytesPerVector uint64
	// Commits counts the commits since the collection was made.
	Commits uint64
	// Kernel is the scan kernel in use, ProfileFingerprint the encoder state.
	Kernel, ProfileFingerprint string
	// DiskCodes and DiskVectors are parts of DiskBytes, and DiskRows is what is left: ids,
	// metadata, and what finds them.
	DiskCodes, DiskVectors, DiskRows uint64
	// Live is what was learnt from searches, nil when the server is not asked to.
	Live *LiveState
	// Rewrite is the one under way, nil when there is none; see UpdateCollection.
	Rewrite *Rewrite
	// RewriteError says why the last rewrite was given up, since the server started;
	// empty when it was not.
	RewriteError string
}

// Rewrite is how far a collection is on the way to another profile or stored precision.
type Rewrite struct {
	// Profile and Store are what it will have.
	Profile Profile
	Store   Precision
	Started time.Time
	// Done of Total vectors are done.
	Done, Total uint64
}

// Change says what UpdateCollection is to change; what is empty stays as it is.
type Change struct {
	// Profile is how vectors are to become codes; Learned is learnt anew.
	Profile Profile
	// Store is how exactly vectors are to be stored: less so than now.
	Store Precision
}

// CreateCollection makes an empty collection and returns it with its defaults
// filled in. Only Name and Dims are required. ErrExists when the name is taken,
// ErrInvalid, ErrLimit.
func (c *Client) CreateCollection(ctx context.Context, collection Collection) (Collection, error) {
	var req request
	message := &hamnestv1.Collection{
		Name:    req.text("collection.name", collection.Name),
		Dims:    req.uint32("collection.dims", collection.Dims),
		Bits:    req.uint32("collection.bits", collection.Bits),
		Metric:  metricToProto(&req, collection.Metric),
		Profile: profileToProto(&req, collection.Profile),
		Store:   precisionToProto(&req, collection.Store),
		Labels:  labelsToProto(&req, collection.Labels),
	}
	for i, step := range collection.Ladder {
		message.Ladder = append(message.Ladder, req.uint32(fmt.Sprintf("collection.ladder[%d]", i), step))
	}
	if err := req.err(); err != nil {
		return Collection{}, err
	}
	resp, err := c.collections.CreateCollection(ctx, &hamnestv1.CreateCollectionRequest{Collection: message})
	return collectionFromProto(resp.GetCollection()), fromGRPC(err)
}

// GetCollection describes a collection. ErrNotFound.
func (c *Client) GetCollection(ctx context.Context, name string) (Collection, error) {
	if err := checkText("name", name); err != nil {
		return Collection{}, err
	}
	resp, err := c.collections.GetCollection(ctx, &hamnestv1.GetCollectionRequest{Name: name})
	return collectionFromProto(resp.GetCollection()), fromGRPC(err)
}

// Collections lists all collections by name, ascending, a page at a time. A
// collection whose files the server cannot open has a name and no more. An error
// is the last pair.
func (c *Client) Collections(ctx context.Context) iter.Seq2[Collection, error] {
	return pages(func(token string) ([]Collection, string, error) {
		resp, err := c.collections.ListCollections(ctx, &hamnestv1.ListCollectionsRequest{PageToken: token})
		return mapSlice(resp.GetCollections(), collectionFromProto), resp.GetNextPageToken(), fromGRPC(err)
	})
}

// SetLabels replaces a collection's labels and returns the collection as it is
// then. ErrNotFound, ErrInvalid.
func (c *Client) SetLabels(ctx context.Context, name string, labels map[string]string) (Collection, error) {
	var req request
	message := &hamnestv1.Collection{Name: req.text("collection.name", name), Labels: labelsToProto(&req, labels)}
	if err := req.err(); err != nil {
		return Collection{}, err
	}
	resp, err := c.collections.UpdateCollection(ctx, &hamnestv1.UpdateCollectionRequest{
		Collection: message,
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}},
	})
	return collectionFromProto(resp.GetCollection()), fromGRPC(err)
}

// UpdateCollection changes how a collection keeps its vectors, and returns it as it is
// to be. The change is durably begun then: codes are made anew in the background, while
// searches and writes go on, and Stats says how far that is. ErrNotFound,
// ErrRewriting when a change is under way, ErrCodesOnly when there are no vectors to make
// codes of, ErrInvalid.
func (c *Client) UpdateCollection(ctx context.Context, name string, change Change) (Collection, error) {
	var req request
	message := &hamnestv1.Collection{
		Name:    req.text("collection.name", name),
		Profile: profileToProto(&req, change.Profile),
		Store:   precisionToProto(&req, change.Store),
	}
	var paths []string
	if change.Profile != "" {
		paths = append(paths, "profile")
	}
	if change.Store != "" {
		paths = append(paths, "store")
	}
	if err := req.err(); err != nil {
		return Collection{}, err
	}
	if len(paths) == 0 { // an empty mask would be one of labels
		return c.GetCollection(ctx, name)
	}
	resp, err := c.collections.UpdateCollection(ctx, &hamnestv1.UpdateCollectionRequest{Collection: message, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
	return collectionFromProto(resp.GetCollection()), fromGRPC(err)
}

// DeleteCollection drops a collection and everything in it. ErrNotFound.
func (c *Client) DeleteCollection(ctx context.Context, name string) error {
	if err := checkText("name", name); err != nil {
		return err
	}
	_, err := c.collections.DeleteCollection(ctx, &hamnestv1.DeleteCollectionRequest{Name: name})
	return fromGRPC(err)
}

// Stats measures a collection. ErrNotFound.
func (c *Client) Stats(ctx context.Context, name string) (Stats, error) {
	if err := checkText("name", name); err != nil {
		return Stats{}, err
	}
	resp, err := c.collections.GetCollectionStats(ctx, &hamnestv1.GetCollectionStatsRequest{Name: name})
	s := resp.GetStats()
	stats := Stats{
		Vectors:              s.GetVectors(),
		Retired:              s.GetRetired(),
		Sealed:               s.GetSealed(),
		MemoryBytes:          s.GetMemoryBytes(),
		DiskBytes:            s.GetDiskBytes(),
		DiskFreeBytes:        s.GetDiskFreeBytes(),
		CodeBytesPerVector:   s.GetCodeBytesPerVector(),
		VectorBytesPerVector: s.GetVectorBytesPerVector(),
		Commits:              s.GetCommits(),
		Kernel:               s.GetKernel(),
		ProfileFingerprint:   s.GetProfileFingerprint(),
		Dropped:              s.GetDropped(),
		DiskCodes:            s.GetDiskCodes(),
		DiskVectors:          s.GetDiskVectors(),
		DiskRows:             s.GetDiskRows(),
		RewriteError:         s.GetRewriteError(),
	}
	if l := s.GetLive(); l != nil {
		stats.Live = &LiveState{int(l.GetQueries()), int(l.GetChecks()), l.GetRecall(), l.GetTarget(), l.GetShortfall()}
	}
	if r := s.GetRewrite(); r != nil {
		stats.Rewrite = &Rewrite{profileFromProto(r.GetProfile()), precisionFromProto(r.GetStore()), r.GetStartTime().AsTime(), r.GetDone(), r.GetTotal()}
	}
	return stats, fromGRPC(err)
}
