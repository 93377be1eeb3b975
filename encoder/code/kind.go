package code

import "fmt"

// Kind names a way of turning vectors into codes.
type Kind uint8

const (
	// KindLearned is the default: it takes out what the first vectors of a collection have in
	// common, gives their principal components more bits than the rest, and keeps with each
	// code the numbers that make its estimates unbiased.
	KindLearned Kind = iota
	// KindSigns takes the signs of the components as they are. It is for codes made elsewhere,
	// of which nothing more is known.
	KindSigns
	// KindExact makes no codes: a collection has it while comparing vectors is cheaper.
	KindExact
)

var kindNames = [...]string{KindLearned: "learned", KindSigns: "signs", KindExact: "exact"}

// ParseKind returns the kind of that name: learned, signs or exact.
func ParseKind(name string) (Kind, error) {
	for k, n := range kindNames {
		if n == name {
			return Kind(k), nil
		}
	}
	return 0, fmt.Errorf("unknown profile %q, want one of %q", name, kindNames)
}

// String returns the name that ParseKind reads.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}
