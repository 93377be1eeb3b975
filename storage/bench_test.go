package storage

import (
	"fmt"
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
