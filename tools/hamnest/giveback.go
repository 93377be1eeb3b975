package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Codes are outside the Go heap, so the heap is usually small. While vectors stream in, buffers
// make it grow by some hundred MB, and an idle process would keep them: the collector runs
// only when something is allocated, or every two minutes, and then returns memory slowly.
const (
	giveBackInterval = 2 * time.Second
	// quietBytes is the most that a quiet interval allocates.
	quietBytes = 8 << 20
	// burstBytes is the least that makes collecting worthwhile.
	burstBytes = 64 << 20
)

// untouchedBytes are allocated and never touched, so they take no memory. They make the heap
// look larger. The collector runs when the heap has doubled, which is often if a server only
// searches and has little on its heap. This gives 6 % more searches a second, for about as
// many more bytes of garbage. A GOGC of 200 gives the same, but also lets the hundreds of MB
// of a burst of writes grow further.
const untouchedBytes = 8 << 20

// giveBackMemory returns unused heap to the system each time the process becomes quiet, until
// ctx ends.
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
	last    uint64 // bytes allocated since the process began, at the last look
	settled uint64 // the same, at the end of the last burst
	again   bool   // memory is to be given back once more for the last burst
}

// after takes the number of bytes allocated since the process began, and reports whether to give
// memory back: when a burst is over, and at the next quiet look, because pools keep what they
// hold for one more collection.
func (q *quiet) after(allocated uint64) bool {
	still, burst := allocated-q.last <= quietBytes, allocated-q.settled >= burstBytes
	q.last = allocated
	if !still || !burst && !q.again {
		return false
	}
	q.again, q.settled = burst, allocated
	return true
}
