package measure

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestRehearsedIDsDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for row := range maxRehearsalRows + 2*rehearsalTimes {
		id := planID(row, 3)
		if seen[id] || len(id) < 3 {
			t.Fatalf("row %d has id %q, want one of 3 bytes or more that no other row has", row, id)
		}
		seen[id] = true
	}
}

func TestRehearsedMetadataIsAnObjectOfItsSize(t *testing.T) {
	for _, bytes := range []int{0, 8, 9, 400} {
		if m := planMetadata(bytes); len(m) != bytes || bytes > 0 && !json.Valid(m) {
			t.Errorf("metadata of %d bytes is %q", bytes, m)
		}
	}
	if got := fmt.Sprint(len(planMetadata(1))); got != "8" {
		t.Errorf("the smallest metadata has %s bytes, want 8", got)
	}
}
