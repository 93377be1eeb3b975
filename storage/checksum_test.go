package storage

import (
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
	"github.com/hamnest/hamnest/encoder/isa/isatest"
)

// vectorRows returns count rows of successive slots and the CRCs of these.
func vectorRows(s Schema, first uint64, count int) (rows []byte, crcs []uint32) {
	rng := newRand(first)
	for slot := first; slot < first+uint64(count); slot++ {
		rows = s.appendVectorRow(rows, slot, randomBytes(rng, s.VectorBytes))
		crcs = append(crcs, slotCRC(slot))
	}
	return rows, crcs
}

func TestTheFirstDamagedRowIsFound(t *testing.T) {
	isatest.Each(t, &active, func(t *testing.T) {
		for _, size := range []int{0, 1, 8, 40, 63, 64, 65, 128, 200, 1000} {
			s := Schema{VectorBytes: size}
			for _, count := range []int{0, 1, 2, 3, 4, 5, 6, 7, 64} {
				rows, crcs := vectorRows(s, 1000, count)
				find := func() int { return firstDamaged(rows, s.vectorRow(), append([]uint32(nil), crcs...)) }
				if got := find(); got != count {
					t.Fatalf("%d rows of %d bytes, none damaged: row %d is found", count, size, got)
				}
				for at := count - 1; at >= 0; at-- { // so that those behind are damaged too
					for _, byteOf := range []int{0, size / 2, s.vectorRow() - 8, s.vectorRow() - 1} {
						flipped := &rows[at*s.vectorRow()+byteOf]
						*flipped ^= 0x10
						if got := find(); got != at {
							t.Fatalf("%d rows of %d bytes, byte %d of row %d damaged: row %d is found", count, size, byteOf, at, got)
						}
						*flipped ^= 0x10
					}
					rows[at*s.vectorRow()] ^= 1
				}
			}
		}
	})
}

// FuzzChecksum compares the kernels with the twin on rows of any bytes.
func FuzzChecksum(f *testing.F) {
	rows, _ := vectorRows(Schema{VectorBytes: 20}, 1, 5)
	f.Add(rows, uint8(20))
	f.Fuzz(func(t *testing.T, rows []byte, size uint8) {
		before := active
		defer func() { active = before }()
		stride := Schema{VectorBytes: int(size)}.vectorRow()
		count := min(len(rows)/stride, checkedRows)
		crcs := func() []uint32 {
			var crcs [checkedRows]uint32
			for i := range crcs {
				crcs[i] = slotCRC(uint64(i + 1))
			}
			return crcs[:count]
		}
		want := firstDamagedGeneric(rows, stride, crcs())
		for _, active = range isa.Usable() {
			if got := firstDamaged(rows, stride, crcs()); got != want {
				t.Errorf("%v: row %d of %d, the twin finds %d", active, got, count, want)
			}
		}
	})
}
