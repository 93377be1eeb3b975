package measure

import (
	"math"
	"testing"
	"time"
)

func TestRecallCountsRightAnswersOverThoseWanted(t *testing.T) {
	set := func(ids ...string) IDSet {
		s := make(IDSet)
		for _, id := range ids {
			s[id] = struct{}{}
		}
		return s
	}
	for _, tt := range []struct {
		name          string
		ids           []string
		right         IDSet
		k             int
		found, wanted int
	}{
		{"all right", []string{"a", "b"}, set("a", "b"), 2, 2, 2},
		{"order does not matter", []string{"b", "a"}, set("a", "b"), 2, 2, 2},
		{"half right", []string{"a", "x"}, set("a", "b"), 2, 1, 2},
		{"none returned", nil, set("a", "b"), 2, 0, 2},
		{"what is past k does not count", []string{"x", "a"}, set("a"), 1, 0, 1},
		{"any of a tie will do", []string{"a", "c"}, set("a", "b", "c"), 2, 2, 2},
		{"no more than k count", []string{"a", "b", "c"}, set("a", "b", "c"), 2, 2, 2},
		{"a collection smaller than k", []string{"a"}, set("a"), 10, 1, 1},
		{"an empty collection", nil, set(), 10, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if found, wanted := CountRight(tt.ids, tt.right, tt.k); found != tt.found || wanted != tt.wanted {
				t.Errorf("%d right of %d, want %d of %d", found, wanted, tt.found, tt.wanted)
			}
		})
	}
}

func TestNDCGDiscountsByRank(t *testing.T) {
	judged := map[string]float64{"a": 3, "b": 1, "c": 0}
	ideal := 3 + 1/math.Log2(3)
	for _, tt := range []struct {
		name string
		ids  []string
		k    int
		want float64
	}{
		{"ideal order", []string{"a", "b"}, 10, 1},
		{"swapped", []string{"b", "a"}, 10, (1 + 3/math.Log2(3)) / ideal},
		{"something in between", []string{"a", "x", "c", "b"}, 10, (3 + 1/math.Log2(5)) / ideal},
		{"nothing relevant", []string{"x", "c"}, 10, 0},
		{"nothing returned", nil, 10, 0},
		{"cut at k, and so is the ideal", []string{"b", "a"}, 1, 1.0 / 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := NDCG(tt.ids, judged, tt.k); math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("nDCG is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTiesAreRelative(t *testing.T) {
	for _, tt := range []struct {
		a, b float64
		want bool
	}{
		{0.5, 0.5, true},
		{0, 0, true},
		{1, 1 - 0.9e-6, true},
		{1, 1 - 1.1e-6, false},
		{-1e9, -1e9 - 900, true},
		{1e-9, 2e-9, false},
		{1e-9, -1e-9, false},
	} {
		if got := Tied(tt.a, tt.b); got != tt.want || Tied(tt.b, tt.a) != tt.want {
			t.Errorf("Tied(%v, %v) is %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	values := []time.Duration{1, 2, 3, 4}
	for _, tt := range []struct {
		p    float64
		want time.Duration
	}{{0, 1}, {0.25, 1}, {0.26, 2}, {0.5, 2}, {0.99, 4}, {1, 4}} {
		if got := Percentile(values, tt.p); got != tt.want {
			t.Errorf("Percentile %v is %d, want %d", tt.p, got, tt.want)
		}
	}
}
