package storage

import (
	"fmt"
	"slices"
	"testing"
)

// What places remembers of a block is where bbolt has it, for views of any age, whatever
// was committed since; and blocks are remembered at all.
func TestPlacesAreWhereBboltHasTheBlocks(t *testing.T) {
	for name, schema := range map[string]Schema{
		"a block is a few bytes":   {Dims: 1, VectorBytes: 0, BlockRows: 4, ChunkRows: 2, Engine: []byte("0")},
		"a block is half a page":   {Dims: 1, VectorBytes: 2000, BlockRows: 4, ChunkRows: 1, Engine: []byte("0")},
		"a block is some pages":    {Dims: 1, VectorBytes: 5000, BlockRows: 4, ChunkRows: 2, Engine: []byte("0")},
		"one block a code block":   {Dims: 1, VectorBytes: 5000, BlockRows: 2, ChunkRows: 2, Engine: []byte("0")},
		"blocks of many code rows": {Dims: 1, VectorBytes: 600, BlockRows: 64, ChunkRows: 8, Engine: []byte("0")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := newRand(newSeed(t))
			m, s := newModel(schema), newShard(t, schema)
			look := func(r *Reader) error {
				for slot := uint64(0); slot < r.state.Packed; slot += uint64(schema.ChunkRows) {
					known := s.places.of(slot / uint64(schema.ChunkRows))
					body, err := r.findVectors(slot)
					if err != nil {
						return err
					}
					if known == 0 {
						continue
					}
					if string(r.file.bytes(known, len(body))) != string(body) {
						return wrongf("the block of slot %d is not at %d", slot, known)
					}
				}
				return nil
			}
			// rounds of commits, each within a view of what was before.
			var rounds func(left int, older ...*Reader)
			rounds = func(left int, older ...*Reader) {
				ops := make([]Op, rng.IntN(3*schema.BlockRows))
				for i := range ops {
					ops[i] = m.randomOp(rng, fmt.Sprint(rng.IntN(1000)))
					ops[i].Code[0] &= 1
				}
				mustCommit(t, s, ops...)
				m.commit(ops)
				err := s.View(func(r *Reader) error {
					r.file = mapOf(r.tx)
					readers := append(slices.Clone(older), r)
					if left%5 == 0 {
						readers = []*Reader{r}
					}
					if left > 0 {
						rounds(left-1, readers...)
					}
					for _, r := range readers {
						if err := look(r); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
			rounds(60)
			m.mustHold(t, s)
			known, blocks := 0, s.state.Packed/uint64(schema.ChunkRows)
			for block := range blocks {
				if s.places.of(block) != 0 {
					known++
				}
			}
			if want := blocks - 4 - pageBytes/uint64(schema.vectorBlock()) - 1; uint64(known) < want {
				t.Errorf("%d of %d blocks are known, want %d", known, blocks, want)
			}
		})
	}
}
