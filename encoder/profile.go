package encoder

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/hamnest/hamnest/encoder/code"
)

// Kind names a way of turning vectors into codes.
type Kind uint8

const (
	// Plain takes the signs of the components as they are.
	Plain Kind = iota
)

var kindNames = [...]string{Plain: "plain"}

// ParseKind returns the kind of that name: plain.
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

// MaxDims is the largest vector size, and MaxLadder the most ladder steps.
const (
	MaxDims   = 65536
	MaxLadder = 16
)

// Profile is the frozen recipe by which a collection's vectors become codes.
// Codes can be compared when their profiles have the same Fingerprint. A Profile
// never changes after it is made and is safe for concurrent use.
type Profile struct {
	kind   Kind
	dims   int
	ladder []int
}

// NewProfile makes a profile of a kind that needs no fitting for vectors of dims
// dimensions. ladder lists the Matryoshka prefix sizes in ascending order, each
// but the last a multiple of 64; dims is added as its last step when missing. An
// empty ladder means DefaultLadder(dims).
func NewProfile(kind Kind, dims int, ladder []int) (*Profile, error) {
	if int(kind) >= len(kindNames) {
		return nil, fmt.Errorf("encoder: no profile has number %d", kind)
	}
	if dims < 1 || dims > MaxDims {
		return nil, fmt.Errorf("encoder: %d dimensions, want 1 to %d", dims, MaxDims)
	}
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
	return &Profile{kind: kind, dims: dims, ladder: ladder}, nil
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

// CheckPrefix returns nil when the first dims bits of a code are the code of the
// first dims dimensions, so that a scan may stop there: at every ladder step and,
// for a profile that mixes no dimensions, at every multiple of 64.
func (p *Profile) CheckPrefix(dims int) error {
	if slices.Contains(p.ladder, dims) || (dims > 0 && dims < p.dims && dims%code.WordBits == 0) {
		return nil
	}
	return fmt.Errorf("no prefix of %d dimensions, want a multiple of %d up to %d or one of the ladder %v", dims, code.WordBits, p.dims, p.ladder)
}

// CheckQuery returns nil when a query of dims dimensions can be searched: all of
// them, or a ladder step.
func (p *Profile) CheckQuery(dims int) error {
	if slices.Contains(p.ladder, dims) {
		return nil
	}
	return fmt.Errorf("has %d dimensions, want %d or a shorter step of the ladder %v", dims, p.dims, p.ladder)
}

// Encode overwrites dst, of code.Words(len(v)) words, with the code of v, which
// has Dims dimensions or as many as CheckQuery accepts. v must have passed
// Validate.
func (p *Profile) Encode(dst []uint64, v []float32) {
	code.Signs(dst, v)
}

// profileState is a Profile as JSON: the frozen state that storage keeps.
type profileState struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"`
	Dims    int    `json:"dims"`
	Ladder  []int  `json:"ladder"`
}

// profileVersion is raised when the same state would give other codes.
const profileVersion = 1

// MarshalJSON writes the profile's frozen state.
func (p *Profile) MarshalJSON() ([]byte, error) {
	return json.Marshal(profileState{profileVersion, p.kind.String(), p.dims, p.ladder})
}

// UnmarshalJSON reads what MarshalJSON wrote. It refuses a newer version and any
// state that NewProfile would refuse.
func (p *Profile) UnmarshalJSON(b []byte) error {
	var s profileState
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("encoder: profile: %w", err)
	}
	if s.Version != profileVersion {
		return fmt.Errorf("encoder: profile version %d, want %d", s.Version, profileVersion)
	}
	kind, err := ParseKind(s.Kind)
	if err != nil {
		return err
	}
	made, err := NewProfile(kind, s.Dims, s.Ladder)
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
