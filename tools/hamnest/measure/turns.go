package measure

import (
	"context"
	"slices"
	"time"
)

// measurement is a thing that is timed many times.
type measurement struct {
	bytes float64 // compared or read each time
	once  func()
	took  []time.Duration
	total time.Duration
}

const (
	// minTimes is the least number of times.
	minTimes = 5
	// turnsEach is how many turns a quick thing takes.
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

// turns are measurements that take turns, so that other work on the machine affects all of
// them equally.
type turns []*measurement

func (t *turns) add(bytes float64, once func()) *measurement {
	m := &measurement{bytes: bytes, once: once}
	*t = append(*t, m)
	return m
}

// take goes round until every measurement took at least minTimes and the time least.
func (t turns) take(ctx context.Context, least time.Duration) error {
	for _, m := range t {
		m.once() // touches memory and allocates scratch, untimed
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
