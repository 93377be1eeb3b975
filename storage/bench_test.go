package storage

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// benchSchema is 768 dimensions of float32.
func benchSchema() Schema {
	return Schema{Dims: 768, VectorBytes: 4 * 768, Engine: []byte("{}")}.withDefaults()
}

// benchShard is synced as in life, unlike the shards of the tests.
func benchShard(b *testing.B) (*model, *Shard) {
	b.Helper()
	s := newShard(b, benchSchema())
	s.db.NoSync = false
	return newModel(s.schema), s
}

func BenchmarkCommit(b *testing.B) {
	for _, rows := range []int{1, 32, 1024, 4096} {
		b.Run(fmt.Sprintf("rows=%d/dims=768", rows), func(b *testing.B) {
			m, s := benchShard(b)
			rng := newRand(1)
			ops := make([]Op, rows)
			for i := range ops {
				ops[i] = m.randomOp(rng, "")
			}
			b.SetBytes(int64(rows * s.schema.VectorBytes))
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				for i := range ops {
					ops[i].ID = fmt.Sprintf("%08d-%04d", n, i)
				}
				if _, err := s.Commit(ops); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// ingested stores rows of 256 dimensions of float32 with 100 bytes of metadata, and ids in
// no order, so many a commit, and returns the bytes written for each byte of vectors.
func ingested(tb testing.TB, s *Shard, rows, commitRows int) float64 {
	tb.Helper()
	rng := newRand(1)
	op := Op{Code: make([]uint64, s.schema.words()), Vector: make([]byte, s.schema.VectorBytes), Metadata: []byte(strings.Repeat("m", 100))}
	for stored := 0; stored < rows; stored += commitRows {
		ops := make([]Op, min(commitRows, rows-stored))
		for i := range ops {
			ops[i] = op
			ops[i].ID = fmt.Sprintf("%016x", rng.Uint64())
		}
		mustCommit(tb, s, ops...)
	}
	stats := s.db.Stats()
	return float64(stats.TxStats.GetPageAlloc()) / float64(rows*s.schema.VectorBytes)
}

func ingestSchema() Schema { return Schema{Dims: 256, VectorBytes: 1024, Engine: []byte("{}")} }

// What is written for a row does not grow with the rows that are there, nor much with
// fewer rows to a commit.
func TestIngestWritesLittleMoreThanItIsGiven(t *testing.T) {
	t.Parallel()
	loads := []struct{ rows, commitRows int }{{10_000, 10_000}, {10_000, 2_000}, {40_000, 4_000}}
	if long {
		loads = append(loads, []struct{ rows, commitRows int }{{80_000, 2_000}, {80_000, 8_000}}...)
	}
	for _, tt := range loads {
		got := ingested(t, newShard(t, ingestSchema()), tt.rows, tt.commitRows)
		t.Logf("%d rows, %d a commit: %.3f bytes written for one of vectors", tt.rows, tt.commitRows, got)
		if got > 1.5 {
			t.Errorf("%d rows, %d a commit: %.3f bytes written for one of vectors, want at most 1.5", tt.rows, tt.commitRows, got)
		}
	}
}

func BenchmarkIngest(b *testing.B) {
	const rows = 100_000
	for _, commitRows := range []int{2000, 8000} {
		b.Run(fmt.Sprintf("rows=%d/commit=%d/dims=256", rows, commitRows), func(b *testing.B) {
			b.SetBytes(rows * 1024)
			var written float64
			for b.Loop() {
				s := newShard(b, ingestSchema())
				s.db.NoSync = false
				written = ingested(b, s, rows, commitRows)
				mustClose(b, s)
			}
			b.ReportMetric(written, "written/given")
		})
	}
}

// scattered returns sets of slots, ascending and all over so many rows.
func scattered(rng *rand.Rand, sets, read int, rows uint64) [][]uint64 {
	all := make([][]uint64, sets)
	for i := range all {
		for range read {
			all[i] = append(all[i], rng.Uint64N(rows))
		}
		slices.Sort(all[i])
	}
	return all
}

// BenchmarkScattered reads what a search does: a few vectors all over the file, in memory.
// They are found by a descent through the tree or at the places known, and are in the
// processor's caches or are not.
func BenchmarkScattered(b *testing.B) {
	const rows, read = 64 << 10, 25
	m, s := benchShard(b)
	rng := newRand(1)
	op := m.randomOp(rng, "")
	for first := 0; first < rows; first += 4096 {
		ops := make([]Op, 4096)
		for i := range ops {
			ops[i] = op
			ops[i].ID = fmt.Sprint(first + i)
		}
		mustCommit(b, s, ops...)
	}
	var sum byte
	for _, cached := range []struct {
		name string
		sets int
	}{{"no", 4096}, {"yes", 8}} {
		sets := scattered(rng, cached.sets, read, rows)
		for _, how := range []string{"sought", "known"} {
			b.Run(fmt.Sprintf("place=%s/cached=%s/dims=768", how, cached.name), func(b *testing.B) {
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if how == "sought" {
						s.places = places{}
					}
					err := s.View(func(r *Reader) error {
						return r.Vectors(sets[n%len(sets)], func(_ uint64, vector []byte) { sum += vector[0] })
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/read, "ns/row")
			})
		}
	}
}

func BenchmarkVector(b *testing.B) {
	m, s := benchShard(b)
	rng := newRand(1)
	const rows, read = 16 << 10, 256
	for range rows / 1024 {
		ops := make([]Op, 1024)
		for i := range ops {
			ops[i] = m.randomOp(rng, fmt.Sprint(len(m.rows)+i))
		}
		mustCommit(b, s, ops...)
		m.commit(ops)
	}
	sorted, unsorted := make([]uint64, read), make([]uint64, read)
	for i := range read {
		sorted[i] = uint64(i * (rows / read))
		unsorted[i] = sorted[i]
	}
	rng.Shuffle(read, func(i, j int) { unsorted[i], unsorted[j] = unsorted[j], unsorted[i] })
	neighbours := make([]uint64, read)
	for i := range neighbours {
		neighbours[i] = uint64(1000 + i)
	}
	for _, order := range []struct {
		name  string
		slots []uint64
	}{{"neighbours", neighbours}, {"sorted", sorted}, {"unsorted", unsorted}} {
		b.Run(fmt.Sprintf("order=%s/dims=768", order.name), func(b *testing.B) {
			b.SetBytes(int64(read * s.schema.VectorBytes))
			b.ReportAllocs()
			for b.Loop() {
				err := s.View(func(r *Reader) error {
					for _, slot := range order.slots {
						if _, err := r.Vector(slot); err != nil {
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

func BenchmarkCodes(b *testing.B) {
	m, s := benchShard(b)
	rng := newRand(1)
	const rows = 64 << 10
	ops := make([]Op, 4096)
	for i := range ops {
		ops[i] = m.randomOp(rng, "")
	}
	for n := range rows / len(ops) {
		for i := range ops {
			ops[i].ID = fmt.Sprintf("%08d-%04d", n, i)
		}
		mustCommit(b, s, ops...)
	}
	b.Run(fmt.Sprintf("rows=%d/dims=768", rows), func(b *testing.B) {
		b.SetBytes(rows * 768 / 8)
		b.ReportAllocs()
		for b.Loop() {
			err := s.View(func(r *Reader) error {
				return r.Codes(0, rows, func(uint64, []uint64, []float32) error { return nil })
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
