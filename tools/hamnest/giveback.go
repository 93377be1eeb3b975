package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Codes are outside the Go heap, on which there is little in the long run. But when
// vectors stream in it grows by some hundred MB of buffers, and an idle process would
// keep them: the collector runs when there is something to allocate, or else every two
// minutes, and even then gives memory back slowly.
const (
	giveBackInterval = 2 * time.Second
	// quietBytes is the most that is allocated in an interval in which little happens.
	quietBytes = 8 << 20
	// burstBytes is the least that makes a collection worthwhile.
	burstBytes = 64 << 20
)

// untouchedBytes are allocated and never touched, so that they take no memory. The
// collector runs when the heap has doubled, and a server that only searches has so little
// on it that this is often. These count as heap: 6 % more searches a second, for about so
// many bytes of garbage more. A GOGC of 200 gives as much, but with it the hundreds of MB
// that a burst of writes needs become more, too.
const untouchedBytes = 8 << 20

// giveBackMemory returns what the Go heap no longer needs to the system each time
// that it gets quiet, until ctx ends.
func giveBackMemory(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	ticker := time.NewTicker(giveBackInterval)
	defer ticker.Stop()
	var q quiet
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		metrics.Read(sample)
		if q.after(sample[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}

// quiet tells when a burst of allocations is over.
type quiet struct {
	last    uint64 // bytes allocated since the process began, when it was looked at last
	settled uint64 // and when a burst was over last
	again   bool   // the one that is over is to be looked after once more
}

// after takes the bytes allocated since the process began, and reports whether there
// is something to give back: when a burst is over, and at the next quiet look, because
// pools keep what they hold through one collection.
func (q *quiet) after(allocated uint64) bool {
	still, burst := allocated-q.last <= quietBytes, allocated-q.settled >= burstBytes
	q.last = allocated
	if !still || !burst && !q.again {
		return false
	}
	q.again, q.settled = burst, allocated
	return true
}
