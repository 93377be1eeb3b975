package measure

import (
	"testing"

	"github.com/hamnest/hamnest/index/api"
)

func TestRecallCountsHitsThatScoreAsTheLastRightOne(t *testing.T) {
	hit := func(id string, score float32) api.Hit { return api.Hit{ID: id, Score: score} }
	right := []api.Hit{hit("a", 3), hit("b", 2), hit("c", 2)}
	for _, tt := range []struct {
		hits       []api.Hit
		recall, id float64
	}{
		{right, 1, 1},
		{[]api.Hit{hit("a", 3), hit("d", 2), hit("e", 2)}, 1, 1. / 3},
		{[]api.Hit{hit("b", 2)}, 1. / 3, 1. / 3},
		{[]api.Hit{hit("x", 4), hit("y", 4), hit("z", 4), hit("w", 4)}, 1, 0},
		{[]api.Hit{hit("x", 1)}, 0, 0},
		{nil, 0, 0},
	} {
		if got, id := recallOf(tt.hits, right), sameIDs(tt.hits, right); got != tt.recall || id != tt.id {
			t.Errorf("%v: recall %v and %v by id, want %v and %v", tt.hits, got, id, tt.recall, tt.id)
		}
	}
	if recallOf(nil, nil) != 1 || sameIDs(nil, nil) != 1 {
		t.Error("of nothing something is missing")
	}
}
