package encoder

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"github.com/hamnest/hamnest/encoder/basis"
	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/encoder/rotation"
)

// MaxLadder is the most ladder steps.
const MaxLadder = 16

// Shape is what is known of a collection before it has vectors.
type Shape struct {
	Metric Metric
	// Dims is the number of components of a vector, 1 to MaxDims.
	Dims int
	// Ladder lists the Matryoshka prefix sizes in ascending order, each but the last a
	// multiple of 64; Dims is added as its last step when missing. Empty: DefaultLadder.
	Ladder []int
	// Bits is the budget of a learned code, the most bits it has; BitsRange says what is
	// allowed. 0: Dims + 256, or the most bits a code can have if that is fewer. Fewer bits
	// take less memory and read more vectors.
	Bits int
}

// extraBits is what the default budget has beyond one bit a dimension: the extra bits of the
// first 128 principal components when most of the energy is theirs.
const extraBits = 256

// Check returns nil if a profile can have that shape.
func (s Shape) Check() error {
	_, err := s.check()
	return err
}

// check fills in the defaults.
func (s Shape) check() (Shape, error) {
	if s.Dims < 1 || s.Dims > MaxDims {
		return s, fmt.Errorf("encoder: %d dimensions, want 1 to %d", s.Dims, MaxDims)
	}
	var err error
	if s.Ladder, err = checkLadder(s.Ladder, s.Dims); err != nil {
		return s, err
	}
	least, most := BitsRange(s.Dims)
	if s.Bits == 0 {
		s.Bits = s.Dims + extraBits
	}
	if s.Bits < least || s.Bits > max(most, s.Dims+extraBits) { // the default may exceed what can be spent
		return s, fmt.Errorf("encoder: %d bits a vector of %d dimensions, want %d to %d", s.Bits, s.Dims, least, most)
	}
	return s, nil
}

// Profile is the frozen recipe by which a collection's vectors become rows of codes. Rows can
// be compared if their profiles have the same Fingerprint. A Profile never changes after it is
// made and is safe for concurrent use.
type Profile struct {
	kind   Kind
	shape  Shape
	scale  int       // vectors are multiplied by 2^scale first; not under Cosine
	mean   []float32 // under L2 the mean, otherwise its direction; nil: none
	basis  *basis.Basis
	blocks []Block
	scan   int // blocks that the first stage looks at
	least  int // and looks at least
	steps  [][]Step
	seed   uint64 // of the rotations of an older version; see NewOlder

	norm2     float64   // of the mean's direction: 1 apart from rounding
	rotated   []float32 // the mean of an older version, in the form its codes have
	rotations []*rotation.Rotation
	side      sideLayout
	words     int
}

// Step is what the first rows told about the scan at one ladder step: how the scores of that
// prefix follow from what the scan sees.
type Step struct {
	// Gain is the factor that makes the scan's inner products as large as those over all
	// blocks, on average over the nearest rows.
	Gain float64 `json:"gain"`
	// Spread is the standard deviation of what remains after that, as a share of the norm of
	// the query in the blocks that the scan leaves out.
	Spread float64 `json:"spread"`
	// Scale is the factor by which scores are larger than inner products with the scaled query:
	// under Cosine the mean of 1/|prefix|, otherwise 1.
	Scale float64 `json:"scale"`
	// Share is the largest share of a query's norm outside the blocks for which all this holds:
	// larger than in nearly all vectors that it was learnt from. See Query.Familiar.
	Share float64 `json:"share"`
}

// Limits of what can be learnt, so that what is computed from it stays far from the limits of a
// float32. Vectors have a length of about 1 when factors are learnt, and only these powers of
// two can scale a float32 to that.
const (
	maxRMS       = 1e15
	maxScaleBits = 149
)

var largestStep = Step{Gain: 1e6, Spread: 1e30, Scale: 1e6, Share: 1}

// bounded returns s with no number above that of largestStep.
func (s Step) bounded() Step {
	return Step{min(s.Gain, largestStep.Gain), min(s.Spread, largestStep.Spread), min(s.Scale, largestStep.Scale), min(s.Share, largestStep.Share)}
}

// NewSigns makes the profile of plain signs.
func NewSigns(shape Shape) (*Profile, error) {
	shape.Bits = 0
	shape, err := shape.check()
	if err != nil {
		return nil, err
	}
	p := newSigns(shape)
	p.finish()
	return p, nil
}

func newSigns(shape Shape) *Profile {
	return &Profile{kind: Signs, shape: shape, blocks: []Block{{Dims: shape.Dims, Kept: shape.Dims, Bits: 1, RMS: 1}}, scan: 1, least: 1}
}

// NewExact makes the profile of a collection without codes. Its rows are one word without
// meaning.
func NewExact(shape Shape) (*Profile, error) {
	shape, err := shape.check()
	if err != nil {
		return nil, err
	}
	return &Profile{kind: Exact, shape: shape, words: 1}, nil
}

// checkLadder returns the ladder with defaults filled in.
func checkLadder(ladder []int, dims int) ([]int, error) {
	if len(ladder) == 0 {
		ladder = DefaultLadder(dims)
	}
	steps := len(ladder)
	if ladder[steps-1] != dims {
		steps++
	}
	if steps > MaxLadder { // before a hostile ladder is copied
		return nil, fmt.Errorf("encoder: ladder has %d steps, want at most %d", steps, MaxLadder)
	}
	ladder = slices.Clone(ladder)
	if steps > len(ladder) {
		ladder = append(ladder, dims)
	}
	last := 0
	for i, step := range ladder {
		if step <= last {
			return nil, fmt.Errorf("encoder: ladder step %d follows %d, want ascending steps from 1 to %d", step, last, dims)
		}
		if i < len(ladder)-1 && step%code.WordBits != 0 {
			return nil, fmt.Errorf("encoder: ladder step %d, want a multiple of %d (only the last, %d, need not be)", step, code.WordBits, dims)
		}
		last = step
	}
	return ladder, nil
}

// DefaultLadder returns the powers of two from 64 that are below dims, then dims.
func DefaultLadder(dims int) []int {
	var ladder []int
	for step := 64; step < dims; step *= 2 {
		ladder = append(ladder, step)
	}
	return append(ladder, dims)
}

// finish derives what follows from the frozen state.
func (p *Profile) finish() {
	for b := range p.blocks {
		p.words += p.blocks[b].Words()
		if p.kind == Learned {
			p.rotations = append(p.rotations, rotation.New(p.blocks[b].Dims, rotationSeed, b))
		}
	}
	p.side = newSideLayout(p)
	p.words += p.side.words
}

// rotationSeed is the seed of the rotations: part of what a profile's version means.
const rotationSeed = 1

// Kind returns the profile's kind.
func (p *Profile) Kind() Kind { return p.kind }

// Shape returns the shape that the profile was made for, with defaults filled in.
func (p *Profile) Shape() Shape {
	s := p.shape
	s.Ladder = slices.Clone(s.Ladder)
	return s
}

// Bits returns the most bits that codes of the collection have, now or once it has a learned
// profile.
func (p *Profile) Bits() int {
	if p.kind == Signs {
		return p.shape.Dims
	}
	_, most := BitsRange(p.shape.Dims)
	return min(p.shape.Bits, most)
}

// Dims returns the number of dimensions of the vectors that the profile encodes.
func (p *Profile) Dims() int { return p.shape.Dims }

// Metric returns what scores mean.
func (p *Profile) Metric() Metric { return p.shape.Metric }

// Ladder returns the prefix sizes in dimensions, ascending, the last being Dims.
func (p *Profile) Ladder() []int { return slices.Clone(p.shape.Ladder) }

// Blocks returns the blocks of a code, in the order in which they stand in it.
func (p *Profile) Blocks() []Block { return slices.Clone(p.blocks) }

// ScanBlocks returns how many blocks, from the first, the first stage of a search looks at.
func (p *Profile) ScanBlocks() int { return p.scan }

// BlockDims returns how many dimensions the first blocks blocks have.
func (p *Profile) BlockDims(blocks int) int {
	n := 0
	for _, b := range p.blocks[:blocks] {
		n += b.Dims
	}
	return n
}

// BlocksWithin returns how many blocks, from the first, a scan looks at if it should look at no
// more than dims dimensions: more blocks if fewer would tell too little.
func (p *Profile) BlocksWithin(dims int) int {
	n := p.least
	for n < len(p.blocks) && p.BlockDims(n+1) <= dims {
		n++
	}
	return n
}

// WithScan returns p with a first stage that looks at the first blocks blocks unless asked for
// fewer, but at no fewer than least. steps[b-1][i] is what is known of a scan of b blocks,
// fewer than all, for scores about step i of the ladder.
func (p *Profile) WithScan(blocks, least int, steps [][]Step) *Profile {
	q := *p
	q.scan, q.least, q.steps = blocks, least, make([][]Step, len(steps))
	for b := range steps {
		for _, s := range steps[b] {
			q.steps[b] = append(q.steps[b], s.bounded())
		}
	}
	return &q
}

// CheckQuery returns nil if a query of dims dimensions can be searched: one of all dimensions,
// or of a step of the ladder.
func (p *Profile) CheckQuery(dims int) error {
	if slices.Contains(p.shape.Ladder, dims) {
		return nil
	}
	if len(p.shape.Ladder) == 1 {
		return fmt.Errorf("has %d dimensions, want %d", dims, p.shape.Dims)
	}
	return fmt.Errorf("has %d dimensions, want %d or a shorter step of %v", dims, p.shape.Dims, p.shape.Ladder)
}

// profileState is a Profile as JSON: the frozen state that storage keeps.
type profileState struct {
	Version    int      `json:"version"`
	Kind       string   `json:"kind"`
	Metric     Metric   `json:"metric"`
	Dims       int      `json:"dims"`
	Ladder     []int    `json:"ladder"`
	Bits       int      `json:"bits,omitempty"`
	Scale      int      `json:"scale,omitempty"`
	Seed       uint64   `json:"seed,omitempty"`
	Mean       []byte   `json:"mean,omitempty"` // float32, little-endian; base64 in JSON
	Blocks     []Block  `json:"blocks,omitempty"`
	Scan       int      `json:"scan,omitempty"`
	Least      int      `json:"least,omitempty"`
	Steps      [][]Step `json:"steps,omitempty"`
	Components []byte   `json:"components,omitempty"` // of the basis, as mean
}

// profileVersion is raised when the same state would give other codes. Version 1 was that of
// the profiles plain, centred, nested, nested+centred, full and full+centred.
const profileVersion = 2

// olderVersion is the version of the states of NewOlder, which readers of version 2 would take
// for plain signs.
const olderVersion = 3

// ProfileVersion is the newest version of a profile's state that UnmarshalJSON reads.
const ProfileVersion = olderVersion

// MarshalJSON writes the profile's frozen state.
func (p *Profile) MarshalJSON() ([]byte, error) {
	s := profileState{
		Version: profileVersion, Kind: p.kind.String(), Metric: p.shape.Metric, Dims: p.shape.Dims, Ladder: p.shape.Ladder, Bits: p.shape.Bits,
		Scale: p.scale, Mean: floats.Append(nil, p.mean), Seed: p.seed,
	}
	if p.Older() {
		s.Version = olderVersion
	}
	if p.kind == Learned {
		s.Blocks, s.Scan, s.Least, s.Steps = p.blocks, p.scan, p.least, p.steps
		s.Components = floats.Append(nil, p.basis.Components())
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote. It refuses other versions and any state that
// could not have been learnt.
func (p *Profile) UnmarshalJSON(b []byte) error {
	var s profileState
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("encoder: profile: %w", err)
	}
	if s.Version != profileVersion && s.Version != olderVersion {
		return fmt.Errorf("encoder: profile version %d, want %d or %d", s.Version, profileVersion, olderVersion)
	}
	made, err := s.profile()
	if err != nil {
		return err
	}
	*p = *made
	return nil
}

func (s *profileState) profile() (*Profile, error) {
	kind, err := code.ParseKind(s.Kind)
	if err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	shape := Shape{Metric: s.Metric, Dims: s.Dims, Ladder: s.Ladder, Bits: s.budget()}
	if s.Version == olderVersion {
		return s.older(kind, shape)
	}
	if s.Seed != 0 || kind != Learned && len(s.Mean) > 0 {
		return nil, fmt.Errorf("encoder: profile %v of version %d with a seed or a mean that it has no use for", kind, s.Version)
	}
	switch kind {
	case Signs:
		return NewSigns(shape)
	case Exact:
		return NewExact(shape)
	}
	if shape, err = shape.check(); err != nil {
		return nil, err
	}
	if s.Scale < -maxScaleBits || s.Scale > maxScaleBits {
		return nil, fmt.Errorf("encoder: scale 2^%d, want 2^-%d to 2^%d", s.Scale, maxScaleBits, maxScaleBits)
	}
	p := &Profile{kind: kind, shape: shape, scale: s.Scale, blocks: s.Blocks, scan: s.Scan, least: s.Least, steps: s.Steps}
	if len(s.Mean) > 0 || shape.Metric == L2 {
		if p.mean, err = readFloats("mean", s.Mean, s.Dims); err != nil {
			return nil, err
		}
		p.norm2 = squares64(p.mean)
		if shape.Metric != L2 && math.Abs(p.norm2-1) > 1e-3 {
			return nil, fmt.Errorf("encoder: mean's direction has length %v, want 1", math.Sqrt(p.norm2))
		}
	}
	components, err := readFloats("components", s.Components, min(s.Dims, headDims)*s.Dims)
	if err != nil {
		return nil, err
	}
	if p.basis, err = basis.New(components, s.Dims); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	if err := p.checkBlocks(); err != nil {
		return nil, err
	}
	p.finish()
	return p, nil
}

// budget returns Bits, or the nearest allowed number. Bits could once be given from half of
// Dims to four times Dims and 256 more.
func (s *profileState) budget() int {
	if s.Dims < 1 || s.Dims > MaxDims || s.Bits < s.Dims/2 || s.Bits > 4*s.Dims+extraBits {
		return s.Bits // for Shape.check to refuse
	}
	least, most := BitsRange(s.Dims)
	return max(least, min(s.Bits, max(most, s.Dims+extraBits)))
}

// older is profile for a state of olderVersion.
func (s *profileState) older(kind Kind, shape Shape) (*Profile, error) {
	if kind != Signs || s.Seed == 0 && len(s.Mean) == 0 {
		return nil, fmt.Errorf("encoder: profile %v of version %d, want %v with a seed or a mean", kind, olderVersion, Signs)
	}
	var mean []float32
	if len(s.Mean) > 0 {
		var err error
		if mean, err = readFloats("mean", s.Mean, s.Dims); err != nil {
			return nil, err
		}
	}
	return NewOlder(shape, s.Seed, mean)
}

// readFloats decodes want finite numbers.
func readFloats(what string, b []byte, want int) ([]float32, error) {
	if len(b) != 4*want {
		return nil, fmt.Errorf("encoder: %s of %d bytes, want %d", what, len(b), 4*want)
	}
	v := make([]float32, want)
	floats.Decode(v, b)
	if err := floats.Validate(v, want, Dot); err != nil {
		return nil, fmt.Errorf("encoder: %s %w", what, err)
	}
	return v, nil
}

// checkBlocks returns what is wrong with blocks, scan and steps read from a file.
func (p *Profile) checkBlocks() error {
	widths := blockWidths(p.shape.Dims)
	if len(p.blocks) != len(widths) {
		return fmt.Errorf("encoder: %d blocks, want %d", len(p.blocks), len(widths))
	}
	for i, b := range p.blocks {
		if b.Dims != widths[i] || b.Kept < 1 || b.Kept > b.Dims || b.Bits < 1 || b.Bits > MaxBits || !fits(b.Kept, b.Bits) || !(b.RMS >= 0 && b.RMS <= maxRMS) {
			return fmt.Errorf("encoder: block %d is %+v, want %d dimensions and factors of at most %g", i, b, widths[i], maxRMS)
		}
	}
	if p.least < 1 || p.least > p.scan || p.scan > len(p.blocks) {
		return fmt.Errorf("encoder: a scan of %d blocks and at least %d, want 1 to %d", p.scan, p.least, len(p.blocks))
	}
	if len(p.steps) != len(p.blocks)-1 {
		return fmt.Errorf("encoder: steps of %d scans, want %d", len(p.steps), len(p.blocks)-1)
	}
	for b, steps := range p.steps {
		if len(steps) != len(p.shape.Ladder) {
			return fmt.Errorf("encoder: %d steps of scan %d, want %d", len(steps), b, len(p.shape.Ladder))
		}
		for i, s := range steps {
			if !(s.Gain > 0) || !(s.Spread >= 0) || !(s.Scale > 0) || !(s.Share >= 0 && s.Share <= 1) || s != s.bounded() {
				return fmt.Errorf("encoder: step %d of scan %d is %+v, want numbers above 0 of at most %+v", i, b, s, largestStep)
			}
		}
	}
	return nil
}

// Fingerprint names the frozen state in 16 hexadecimal digits: the 64-bit FNV-1a hash of
// its JSON.
func (p *Profile) Fingerprint() string {
	b, err := p.MarshalJSON()
	if err != nil {
		panic("encoder: a profile that cannot be written: " + err.Error())
	}
	h := fnv.New64a()
	h.Write(b)
	return fmt.Sprintf("%016x", h.Sum64())
}
