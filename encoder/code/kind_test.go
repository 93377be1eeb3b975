package code

import (
	"strings"
	"testing"
)

func TestKindsAreReadAndWrittenByName(t *testing.T) {
	for k, name := range map[Kind]string{KindLearned: "learned", KindSigns: "signs", KindExact: "exact"} {
		if got, err := ParseKind(name); err != nil || got != k || k.String() != name {
			t.Errorf("%q is read as %v (%v) and %d is written as %q", name, got, err, k, k)
		}
	}
	if _, err := ParseKind("fancy"); err == nil || !strings.Contains(err.Error(), `unknown profile "fancy", want one of ["learned" "signs" "exact"]`) {
		t.Errorf("an unknown kind: %v", err)
	}
	if got := Kind(9).String(); got != "Kind(9)" {
		t.Errorf("kind 9 is %q", got)
	}
}
