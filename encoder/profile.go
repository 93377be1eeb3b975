package encoder

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sync"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/encoder/rotation"
)

// Kind names a way of turning vectors into codes: whether the collection's mean is
// subtracted first (centred), and what is rotated before the signs are taken
// (nothing, each block of the ladder by itself, or all dimensions together).
type Kind uint8

const (
	// Auto is none of the others, but the wish that package index choose one of them
	// by measuring. No profile is of this kind.
	Auto Kind = iota
	// Plain takes the signs of the components as they are.
	Plain
	// Centred subtracts the mean.
	Centred
	// Nested rotates each block, so that prefixes at the ends of blocks stay valid.
	Nested
	// NestedCentred does both.
	NestedCentred
	// Full rotates all dimensions together, which leaves no valid prefix.
	Full
	// FullCentred subtracts the mean as well.
	FullCentred
)

var kindNames = [...]string{
	Auto: "auto", Plain: "plain", Centred: "centred", Nested: "nested", NestedCentred: "nested+centred", Full: "full", FullCentred: "full+centred",
}

// ParseKind returns the kind of that name: plain, centred, nested, nested+centred,
// full, full+centred or auto.
func ParseKind(name string) (Kind, error) {
	for k, n := range kindNames {
		if n == name {
			return Kind(k), nil
		}
	}
	return 0, fmt.Errorf("encoder: unknown profile %q, want one of %q", name, kindNames)
}

// String returns the name that ParseKind reads.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// Centres reports whether the kind subtracts a mean, which must be fitted.
func (k Kind) Centres() bool { return k == Centred || k == NestedCentred || k == FullCentred }

// Rotates reports whether the kind rotates, in which case the error of an estimate
// is that of RaBitQ; see [Query.Estimate].
func (k Kind) Rotates() bool { return k >= Nested && k <= FullCentred }

// MaxDims is the largest vector size, and MaxLadder the most ladder steps.
const (
	MaxDims   = 65536
	MaxLadder = 16
)

// MinBlock is the least width of a block but the last: in narrower ones a rotation
// gains nothing.
const MinBlock = 256

// Profile is the frozen recipe by which a collection's vectors become codes.
// Codes can be compared when their profiles have the same Fingerprint. A Profile
// never changes after it is made and is safe for concurrent use.
type Profile struct {
	kind   Kind
	dims   int
	ladder []int
	unit   bool      // vectors are scaled to length 1 first
	seed   uint64    // of the rotations
	mean   []float32 // nil: none

	blocks    []int // the ends of the blocks, ascending
	rotations []*rotation.Rotation
	squares   []float64 // of the mean's norm, in each block
}

// NewProfile makes a profile of a kind that needs no fitting for vectors of dims
// dimensions. ladder lists the Matryoshka prefix sizes in ascending order, each
// but the last a multiple of 64; dims is added as its last step when missing. An
// empty ladder means DefaultLadder(dims).
func NewProfile(kind Kind, metric Metric, dims int, ladder []int) (*Profile, error) {
	if kind.Centres() {
		return nil, fmt.Errorf("encoder: profile %v has to be fitted to vectors", kind)
	}
	return newProfile(kind.state(metric, dims, ladder))
}

// FitProfile makes a profile of any kind for vectors like those of sample, each of
// dims dimensions and acceptable to Validate: the mean of a centred kind is theirs.
func FitProfile(kind Kind, metric Metric, dims int, ladder []int, sample [][]float32) (*Profile, error) {
	if !kind.Centres() {
		return NewProfile(kind, metric, dims, ladder)
	}
	if len(sample) == 0 {
		return nil, fmt.Errorf("encoder: profile %v has to be fitted to vectors, and there are none", kind)
	}
	sum := make([]float64, dims)
	for _, v := range sample {
		scale := scaleOf(v, metric == Cosine)
		for i, x := range v {
			sum[i] += float64(float64(x) * scale)
		}
	}
	mean := make([]float32, dims)
	for i, x := range sum {
		mean[i] = float32(x / float64(len(sample)))
	}
	state := kind.state(metric, dims, ladder)
	state.Mean = AppendFloat32(nil, mean)
	return newProfile(state)
}

// rotationSeed is the seed of new profiles.
const rotationSeed = 1

func (k Kind) state(metric Metric, dims int, ladder []int) profileState {
	s := profileState{Kind: k.String(), Dims: dims, Ladder: ladder, Unit: k != Plain && metric == Cosine}
	if k.Rotates() {
		s.Seed = rotationSeed
	}
	return s
}

func newProfile(s profileState) (*Profile, error) {
	kind, err := ParseKind(s.Kind)
	if err != nil {
		return nil, err
	}
	if kind == Auto {
		return nil, fmt.Errorf("encoder: profile %v has to be chosen by measuring", kind)
	}
	if s.Dims < 1 || s.Dims > MaxDims {
		return nil, fmt.Errorf("encoder: %d dimensions, want 1 to %d", s.Dims, MaxDims)
	}
	ladder, err := checkLadder(s.Ladder, s.Dims)
	if err != nil {
		return nil, err
	}
	p := &Profile{kind: kind, dims: s.Dims, ladder: ladder, unit: s.Unit, seed: s.Seed}
	if kind == Plain && s.Unit || !kind.Rotates() && s.Seed != 0 || !kind.Centres() && len(s.Mean) > 0 {
		return nil, fmt.Errorf("encoder: profile %v with a unit length, a seed or a mean that it has no use for", kind)
	}
	if kind.Centres() {
		if len(s.Mean) != 4*s.Dims {
			return nil, fmt.Errorf("encoder: profile %v with a mean of %d bytes, want %d", kind, len(s.Mean), 4*s.Dims)
		}
		p.mean = make([]float32, s.Dims)
		DecodeFloat32(p.mean, s.Mean)
		if err := Validate(p.mean, s.Dims, Dot); err != nil {
			return nil, fmt.Errorf("encoder: mean %w", err)
		}
	}
	p.setBlocks()
	return p, nil
}

// checkLadder returns the ladder with what may be left out filled in.
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

// setBlocks cuts the dimensions into blocks at ladder steps at least MinBlock
// apart (a full rotation has but one block), and makes their rotations.
func (p *Profile) setBlocks() {
	if p.kind != Full && p.kind != FullCentred {
		last := 0
		for _, step := range p.ladder[:len(p.ladder)-1] {
			if step-last >= MinBlock {
				p.blocks, last = append(p.blocks, step), step
			}
		}
	}
	p.blocks = append(p.blocks, p.dims)
	first := 0
	for b, end := range p.blocks {
		if p.kind.Rotates() {
			p.rotations = append(p.rotations, rotation.New(end-first, p.seed, b))
		}
		if p.mean != nil {
			n := norm(p.mean[first:end])
			p.squares = append(p.squares, n*n)
		}
		first = end
	}
}

// maxNorm is the longest that a vector may be for its rotation and its products to
// stay far from the largest float32. What is longer is scaled down to it, and its
// estimates are off.
const maxNorm = 1e15

// scaleOf is what v is multiplied by before all else: what brings it to length 1
// where unit is set, and to maxNorm where it is longer.
func scaleOf(v []float32, unit bool) float64 {
	switch n := norm(v); {
	case n > 0 && unit: // a prefix of a vector may be zero
		return 1 / n
	case n > maxNorm:
		return maxNorm / n
	default:
		return 1
	}
}

// norm is the Euclidean norm of v.
func norm(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(float64(x) * float64(x)) // not fused: the same everywhere
	}
	return math.Sqrt(sum)
}

// DefaultLadder returns the powers of two from 256 that are below dims, then dims.
func DefaultLadder(dims int) []int {
	var ladder []int
	for step := 256; step < dims; step *= 2 {
		ladder = append(ladder, step)
	}
	return append(ladder, dims)
}

// Kind returns the profile's kind.
func (p *Profile) Kind() Kind { return p.kind }

// Dims returns the number of dimensions of the vectors that the profile encodes.
func (p *Profile) Dims() int { return p.dims }

// Ladder returns the prefix sizes in dimensions, ascending, the last being Dims.
func (p *Profile) Ladder() []int { return slices.Clone(p.ladder) }

// Blocks returns the ends of the blocks of dimensions that are rotated, and
// corrected by scalars, each by itself: ladder steps, ascending, the last being
// Dims.
func (p *Profile) Blocks() []int { return slices.Clone(p.blocks) }

// Scalars is how many numbers stand beside each code: none for Plain, whose
// estimates need none. Otherwise there is one a block, and one more where there is
// a mean; see EncodeRow.
func (p *Profile) Scalars() int {
	switch {
	case p.kind == Plain:
		return 0
	case p.mean != nil:
		return 2 * len(p.blocks)
	default:
		return len(p.blocks)
	}
}

// CheckPrefix returns nil when the first dims bits of a code are the code of the
// first dims dimensions, so that a scan may stop there: for Plain at every ladder
// step and every multiple of 64, and otherwise at the end of each block.
func (p *Profile) CheckPrefix(dims int) error {
	if p.kind != Plain {
		if slices.Contains(p.blocks, dims) {
			return nil
		}
		return fmt.Errorf("no prefix of %d dimensions, want one of %v: profile %v encodes the dimensions in between together", dims, p.blocks, p.kind)
	}
	if slices.Contains(p.ladder, dims) || (dims > 0 && dims < p.dims && dims%code.WordBits == 0) {
		return nil
	}
	return fmt.Errorf("no prefix of %d dimensions, want a multiple of %d up to %d or one of the ladder %v", dims, code.WordBits, p.dims, p.ladder)
}

// CheckQuery returns nil when a query of dims dimensions can be searched: all of
// them, or a ladder step at which CheckPrefix sees a prefix.
func (p *Profile) CheckQuery(dims int) error {
	if dims == p.dims {
		return nil
	}
	var steps []int
	for _, step := range p.ladder {
		if p.CheckPrefix(step) == nil {
			steps = append(steps, step)
		}
	}
	if slices.Contains(steps, dims) {
		return nil
	}
	if len(steps) == 1 {
		return fmt.Errorf("has %d dimensions, want %d", dims, p.dims)
	}
	return fmt.Errorf("has %d dimensions, want %d or a shorter step of %v", dims, p.dims, steps)
}

// transform overwrites dst with what the signs of v, of Dims dimensions or as many
// as CheckQuery accepts, are taken of: the rotated difference to the mean. v must
// have passed Validate. It returns what v was multiplied by first.
func (p *Profile) transform(dst, v []float32) (scale float64) {
	copy(dst, v)
	if p.kind == Plain {
		return 1
	}
	if scale = scaleOf(v, p.unit); scale != 1 {
		for i, x := range v {
			dst[i] = float32(float64(x) * scale)
		}
	}
	for i, m := range p.mean[:min(len(p.mean), len(v))] {
		dst[i] -= m
	}
	p.rotate(dst)
	return scale
}

// rotate rotates v, of as many dimensions as transform takes, block by block.
func (p *Profile) rotate(v []float32) {
	first := 0
	for b, r := range p.rotations {
		if first == len(v) {
			break
		}
		r.Apply(v[first:p.blocks[b]])
		first = p.blocks[b]
	}
}

// Encode overwrites words, of code.Words(Dims) words, with the code of v, and
// scalars, of Scalars numbers, with those that stand beside it. v has Dims
// dimensions and must have passed Validate.
//
// With x the transform of v (under Cosine of v scaled to length 1) less the mean m,
// scalar b is |x|^2/|x|_1 over block b: with it the block's signs s estimate
// inner products without bias, <q, x> ~ |x|^2/|x|_1 * <q, s> (Gao and Long,
// "RaBitQ", SIGMOD 2024, theorem 3.2). The scalars after those, one a block, are
// <m, v>, of v as it was scaled: what centring took out of the product.
func (p *Profile) Encode(words []uint64, scalars []float32, v []float32) {
	if p.kind == Plain {
		code.Signs(words, v)
		return
	}
	scratch := scratches.Get().(*[]float32)
	defer scratches.Put(scratch)
	*scratch = slices.Grow((*scratch)[:0], len(v))
	x := (*scratch)[:len(v)]
	scale := p.transform(x, v)
	code.Signs(words, x)
	first := 0
	for b, end := range p.blocks {
		var squares, sum float64
		for _, y := range x[first:end] {
			squares += float64(float64(y) * float64(y))
			sum += math.Abs(float64(y))
		}
		scalars[b] = 0
		if sum > 0 {
			scalars[b] = float32(squares / sum)
		}
		first = end
	}
	if p.mean != nil {
		p.meanProducts(scalars[len(p.blocks):], v, scale)
	}
}

var scratches = sync.Pool{New: func() any { return new([]float32) }}

// meanProducts overwrites dst with <m, v> in each block, v multiplied by scale.
func (p *Profile) meanProducts(dst, v []float32, scale float64) {
	first := 0
	for b, end := range p.blocks {
		if first == len(v) {
			break
		}
		var sum float64
		for i, m := range p.mean[first:end] {
			sum += float64(float64(m) * float64(v[first+i]))
		}
		dst[b] = float32(sum * scale)
		first = end
	}
}

// profileState is a Profile as JSON: the frozen state that storage keeps.
type profileState struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"`
	Dims    int    `json:"dims"`
	Ladder  []int  `json:"ladder"`
	Unit    bool   `json:"unit,omitempty"`
	Seed    uint64 `json:"seed,omitempty"`
	Mean    []byte `json:"mean,omitempty"` // float32, little-endian; base64 in JSON
}

// profileVersion is raised when the same state would give other codes.
const profileVersion = 1

// MarshalJSON writes the profile's frozen state.
func (p *Profile) MarshalJSON() ([]byte, error) {
	s := profileState{Version: profileVersion, Kind: p.kind.String(), Dims: p.dims, Ladder: p.ladder, Unit: p.unit, Seed: p.seed}
	if p.mean != nil {
		s.Mean = AppendFloat32(nil, p.mean)
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote. It refuses a newer version and any
// state that NewProfile or FitProfile could not have made.
func (p *Profile) UnmarshalJSON(b []byte) error {
	var s profileState
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("encoder: profile: %w", err)
	}
	if s.Version != profileVersion {
		return fmt.Errorf("encoder: profile version %d, want %d", s.Version, profileVersion)
	}
	made, err := newProfile(s)
	if err != nil {
		return err
	}
	*p = *made
	return nil
}

// Fingerprint names the frozen state in 16 hexadecimal digits: the 64-bit FNV-1a
// hash of its JSON. Codes made under equal fingerprints were made alike.
func (p *Profile) Fingerprint() string {
	state, err := p.MarshalJSON()
	if err != nil {
		panic("encoder: a profile of numbers and names does not marshal: " + err.Error())
	}
	h := fnv.New64a()
	h.Write(state)
	return fmt.Sprintf("%016x", h.Sum64())
}
