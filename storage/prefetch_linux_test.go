package storage

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// dropPages drops a closed file, which must be synced, from the page cache.
func dropPages(tb testing.TB, path string) {
	tb.Helper()
	f, err := os.Open(path)
	if err == nil {
		err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkVectors reads the vectors of rows all over the file, 16 at a time in their
// order, from the disk and from memory, with and without asking for them first.
func BenchmarkVectors(b *testing.B) {
	_, s := benchShard(b)
	b.Cleanup(func() { mustClose(b, s) })
	const rows, read, batch = 32 << 10, 400, 16
	m, rng := newModel(s.schema), newRand(1)
	for first := 0; first < rows; first += 1024 {
		ops := make([]Op, 1024)
		for i := range ops {
			ops[i] = m.randomOp(rng, fmt.Sprint(first+i))
		}
		mustCommit(b, s, ops...)
	}
	slots, all := make([]uint64, read), make([]uint64, rows)
	for i := range all {
		all[i] = uint64(i)
	}
	for _, from := range []string{"disk", "memory"} {
		for _, how := range []string{"touch", "prefetch", "notice"} {
			b.Run(fmt.Sprintf("from=%s/how=%s/dims=768", from, how), func(b *testing.B) {
				b.SetBytes(int64(read * s.schema.VectorBytes))
				err := s.View(func(r *Reader) error { return r.Vectors(all, func(uint64, []byte) {}) })
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					b.StopTimer()
					if from == "disk" {
						s = reopenCold(b, s)
					}
					for i := range slots {
						slots[i] = rng.Uint64N(rows)
					}
					b.StartTimer()
					err := s.View(func(r *Reader) error {
						for part := range slices.Chunk(slots, batch) {
							slices.Sort(part)
							if how != "notice" {
								s.disk.slow.Store(how == "prefetch")
							}
							if err := r.Vectors(part, func(uint64, []byte) {}); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// reopenCold returns the shard again, none of which is in memory but what opening reads.
func reopenCold(b *testing.B, s *Shard) *Shard {
	b.Helper()
	mustClose(b, s)
	dropPages(b, s.path)
	again, err := OpenShard(s.path)
	if err != nil {
		b.Fatal(err)
	}
	return again
}
