package measure

import (
	"context"
	"slices"
	"time"
)

// measurement is something done again and again.
type measurement struct {
	bytes float64 // that are compared or read when it is done once
	once  func()
	took  []time.Duration
	total time.Duration
}

const (
	// minTimes is how often a thing is done at least.
	minTimes = 5
	// turnsEach is how many turns it takes to fill the time of a thing that is quick.
	turnsEach = 10
)

func (m *measurement) enough(least time.Duration) bool {
	return len(m.took) >= minTimes && m.total >= least
}

func (m *measurement) turn(ctx context.Context, least time.Duration) {
	for end := m.total + least; m.total < end && ctx.Err() == nil; {
		start := time.Now()
		m.once()
		took := max(time.Since(start), 1)
		m.took = append(m.took, took)
		m.total += took
	}
}

func (m *measurement) median() time.Duration {
	return Percentile(slices.Sorted(slices.Values(m.took)), 0.5)
}

func (m *measurement) gbPerS() float64 { return m.bytes / m.median().Seconds() / 1e9 }

// turns are measurements that take turns, so that what else the machine does
// hits all of them alike.
type turns []*measurement

func (t *turns) add(bytes float64, once func()) *measurement {
	m := &measurement{bytes: bytes, once: once}
	*t = append(*t, m)
	return m
}

// take goes round until all have enough.
func (t turns) take(ctx context.Context, least time.Duration) error {
	for _, m := range t {
		m.once() // memory is touched, scratch is made
	}
	for {
		again := false
		for _, m := range t {
			if !m.enough(least) {
				m.turn(ctx, least/turnsEach)
			}
			again = again || !m.enough(least)
		}
		if err := ctx.Err(); err != nil || !again {
			return err
		}
	}
}
