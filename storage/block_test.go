package storage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestBlocksHoldWhatVectorReturns(t *testing.T) {
	_, path := soundFile(t) // 16 slots in blocks of 4 vectors, 6 in the tail
	s := openShard(t, path)
	err := s.View(func(r *Reader) error {
		next := r.State().Next
		for first := range next {
			for end := first + 1; end <= next; end++ {
				b, err := r.Block(first, end)
				if err != nil {
					return err
				}
				if want := int(min(end, first-first%4+4) - first); b.Count != want || len(b.Rows) != want*b.Stride {
					t.Fatalf("slots %d to %d: %d vectors in %d bytes, want %d of %d", first, end, b.Count, len(b.Rows), want, b.Stride)
				}
				if err := b.Check(0, b.Count, nil); err != nil {
					return err
				}
				rows := bytes.Clone(b.Rows) // Vector may end the block
				for i := range b.Count {
					want, err := r.Vector(first + uint64(i))
					if err != nil {
						return err
					}
					if got := rows[i*b.Stride:][:s.schema.VectorBytes]; !bytes.Equal(got, want) {
						t.Fatalf("slots %d to %d: vector %d is %x, want %x", first, end, i, got, want)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestABlockOfSlotsThatAreNotThereIsAnError(t *testing.T) {
	_, path := soundFile(t)
	s := openShard(t, path)
	for _, span := range [][2]uint64{{22, 23}, {21, 23}, {24, 25}, {1 << 40, 1<<40 + 1}} {
		err := s.View(func(r *Reader) error {
			_, err := r.Block(span[0], span[1])
			return err
		})
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("slots %v: error is %v, want ErrCorrupt", span, err)
		}
	}
}

func TestADamagedRowOfABlockIsNamedUnlessItIsSkipped(t *testing.T) {
	s := tinySchema()
	const first = 254 // the lowest byte of slots comes round
	var rows []byte
	for slot := uint64(first); slot < first+4; slot++ {
		rows = s.appendVectorRow(rows, slot, bytes.Repeat([]byte{byte(slot)}, s.VectorBytes))
	}
	size := s.vectorRow()
	for bit := range 8 * len(rows) {
		damaged := bytes.Clone(rows)
		damaged[bit/8] ^= 1 << (bit % 8)
		at := bit / 8 / size
		b := Block{Rows: damaged, Stride: size, Count: 4, reader: &Reader{schema: s}, first: first}
		if err := b.Check(0, 4, nil); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprintf("slot %d:", first+at)) {
			t.Fatalf("bit %d of row %d: error is %v, want ErrCorrupt of its slot", bit%(8*size), at, err)
		}
		if err := b.Check(0, 4, func(slot uint64) bool { return slot == first+uint64(at) }); err != nil {
			t.Fatalf("bit %d of row %d, which is skipped: %v", bit%(8*size), at, err)
		}
		if err := b.Check(0, 4, func(slot uint64) bool { return slot != first+uint64(at) }); err == nil {
			t.Fatalf("bit %d of row %d is found by nobody when the others are skipped", bit%(8*size), at)
		}
		if err := errors.Join(b.Check(0, at, nil), b.Check(at+1, 4, nil)); err != nil {
			t.Fatalf("bit %d of row %d fails the rows beside it: %v", bit%(8*size), at, err)
		}
	}
}

func TestARowOfAnotherSlotIsDamage(t *testing.T) {
	s := tinySchema()
	row := s.appendVectorRow(nil, 5, make([]byte, s.VectorBytes))
	for _, slot := range []uint64{4, 6, 5 + 256, 5 + 1<<40} {
		b := Block{Rows: row, Stride: len(row), Count: 1, reader: &Reader{schema: s}, first: slot}
		if err := b.Check(0, 1, nil); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the row of slot 5 as that of slot %d: error is %v, want ErrCorrupt", slot, err)
		}
	}
}
