package measure

import (
	"strings"
	"testing"
)

func TestLiveRecallBelowTheTargetIsSaid(t *testing.T) {
	l := NewLive(0, 1e-9, nil, nil)
	defer l.Close()
	for _, tt := range []struct {
		name           string
		checks         int
		recall, target float64
		want           string
	}{
		{"reached", 100, .95, .95, ""},
		{"nearly reached", 100, .946, .95, ""},
		{"missed, but seldom looked at", 49, .90, .95, ""},
		{"missed", 50, .90, .95, "found 0.900 where 0.950 was asked for"},
		{"missed by the last 200", 1000, .90, .99, "the last 200 live searches"},
	} {
		l.mu.Lock()
		l.checks = ring[liveCheck]{}
		for range tt.checks {
			l.checks.add(liveCheck{tt.recall, tt.target}, liveChecks)
		}
		l.mu.Unlock()
		if got := l.Stats().Short; tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want it to say %q", tt.name, got, tt.want)
		}
	}
}
