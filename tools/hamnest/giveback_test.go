package main

import "testing"

func TestMemoryIsGivenBackTwiceAfterEachBurst(t *testing.T) {
	const mib = 1 << 20
	var q quiet
	for i, step := range []struct {
		allocated uint64 // in MiB, since the step before
		want      bool
	}{
		{1, false},   // nothing has happened yet
		{500, false}, // the burst
		{500, false},
		{9, false}, // not quiet
		{8, true},
		{9, false}, // not quiet
		{0, true},
		{0, false}, // twice is enough
		{8, false},
		{8, false},
		{40, false},
		{7, false}, // 63 MiB since the last time
		{1, true},
		{8, true},
		{8, false},
	} {
		if got := q.after(q.last + step.allocated*mib); got != step.want {
			t.Errorf("step %d, %d MiB more: %v, want %v", i, step.allocated, got, step.want)
		}
	}
}
