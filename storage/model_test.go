package storage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
)

// model is the plain twin of a shard: the same rows in slices and maps.
type model struct {
	schema  Schema
	rows    []Op // by slot
	retired map[uint64]bool
	slots   map[string]uint64 // of the live row of each id
	commits uint64
	applied uint64
}

func newModel(schema Schema) *model {
	return &model{schema: schema, retired: make(map[uint64]bool), slots: make(map[string]uint64)}
}

func (m *model) commit(ops []Op) []Applied {
	applied := make([]Applied, len(ops))
	for i, op := range ops {
		done := Applied{Slot: NoSlot, Retired: NoSlot}
		if slot, ok := m.slots[op.ID]; ok {
			done.Retired = slot
			m.retired[slot] = true
			delete(m.slots, op.ID)
		}
		if !op.Delete {
			done.Slot = uint64(len(m.rows))
			m.rows = append(m.rows, op)
			m.slots[op.ID] = done.Slot
		}
		applied[i] = done
	}
	m.commits++
	m.applied += uint64(len(ops))
	return applied
}

func (m *model) state() State {
	return State{Next: uint64(len(m.rows)), Live: uint64(len(m.slots)), Commits: m.commits, Applied: m.applied}
}

func (m *model) clone() *model {
	c := *m
	c.rows, c.retired, c.slots = slices.Clone(m.rows), maps.Clone(m.retired), maps.Clone(m.slots)
	return &c
}

// verdict is what came of reading everything in a shard and holding it against
// the model.
type verdict struct {
	wrong []string // answers that are not the model's
	errs  []error  // answers refused
}

// wrongAnswer tells an answer that is not the model's from one that was refused.
type wrongAnswer string

func (w wrongAnswer) Error() string { return string(w) }

func wrongf(format string, args ...any) error { return wrongAnswer(fmt.Sprintf(format, args...)) }

// read asks s for everything.
func (m *model) read(s *Shard) verdict {
	// All in one View: the short way, unless something is amiss.
	var v verdict
	questions := m.questions()
	err := s.View(func(r *Reader) error {
		for _, ask := range questions {
			if err := ask(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return v
	}
	// Each in a View of its own, so that an error in one does not hide another.
	for _, ask := range questions {
		err := s.View(ask)
		var wrong wrongAnswer
		switch {
		case errors.As(err, &wrong):
			v.wrong = append(v.wrong, string(wrong))
		case err != nil:
			v.errs = append(v.errs, err)
		}
	}
	return v
}

// questions returns all there is to ask a shard.
func (m *model) questions() []func(r *Reader) error {
	questions := []func(r *Reader) error{m.askState, m.askVectors, m.askBlocks, m.askRetired}
	next := uint64(len(m.rows))
	ids := map[string]bool{"never there": true}
	for slot, op := range m.rows {
		ids[op.ID] = true
		questions = append(questions,
			func(r *Reader) error { return m.askRow(r, uint64(slot)) },
			func(r *Reader) error { return m.askVector(r, uint64(slot)) })
	}
	for id := range ids {
		questions = append(questions, func(r *Reader) error { return m.askSlot(r, id) })
	}
	for _, from := range edges(next) {
		questions = append(questions, func(r *Reader) error { return m.askRows(r, from) })
	}
	size := uint64(m.schema.BlockRows)
	for _, from := range edges(next / size) {
		for _, to := range edges(next) {
			questions = append(questions, func(r *Reader) error { return m.askCodes(r, from*size, to) })
		}
	}
	return questions
}

func (m *model) askState(r *Reader) error {
	if r.State() != m.state() {
		return wrongf("state is %+v, want %+v", r.State(), m.state())
	}
	return nil
}

func (m *model) askSlot(r *Reader, id string) error {
	got, err := r.Slot(id)
	if err != nil {
		return err
	}
	want, ok := m.slots[id]
	if !ok {
		want = NoSlot
	}
	if got != want {
		return wrongf("slot of %q is %s, want %s", id, slotName(got), slotName(want))
	}
	return nil
}

// edges returns numbers from 0 to n worth asking about, ascending.
func edges(n uint64) []uint64 {
	numbers := []uint64{0, min(1, n), n / 3, n / 2, max(n, 1) - 1, n}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

func (m *model) askRow(r *Reader, slot uint64) error {
	id, metadata, err := r.Row(slot)
	if err != nil {
		return err
	}
	if want := m.rows[slot]; string(id) != want.ID || !bytes.Equal(metadata, want.Metadata) {
		return wrongf("row %d is %q %x, want %q %x", slot, id, metadata, want.ID, want.Metadata)
	}
	return nil
}

func (m *model) askVector(r *Reader, slot uint64) error {
	vector, err := r.Vector(slot)
	if err != nil {
		return err
	}
	if want := m.rows[slot].Vector; !bytes.Equal(vector, want) {
		return wrongf("vector %d is %x, want %x", slot, vector, want)
	}
	return nil
}

// askBlocks reads the vectors a block at a time.
func (m *model) askBlocks(r *Reader) error {
	for _, slow := range []bool{false, true} {
		r.shard.disk.slow.Store(slow)
		for slot, end := uint64(0), uint64(len(m.rows)); slot < end; {
			b, err := r.Block(slot, end)
			if err == nil {
				err = b.Check(0, b.Count, nil)
			}
			if err != nil {
				return err
			}
			for i := range b.Count {
				if got, want := b.Rows[i*b.Stride:][:m.schema.VectorBytes], m.rows[slot].Vector; !bytes.Equal(got, want) {
					return wrongf("vector %d, number %d of its block, is %x, want %x", slot, i, got, want)
				}
				slot++
			}
		}
	}
	return nil
}

// askVectors reads the vectors within one View, forwards and then backwards, so
// that the block kept from the row before is used and is left.
func (m *model) askVectors(r *Reader) error {
	for slot := range m.rows {
		if err := m.askVector(r, uint64(slot)); err != nil {
			return err
		}
	}
	for slot := range slices.Backward(m.rows) {
		if err := m.askVector(r, uint64(slot)); err != nil {
			return err
		}
	}
	var slots []uint64 // some that follow each other and some that do not
	for slot := range m.rows {
		if slot%7 != 3 && slot%7 != 5 {
			slots = append(slots, uint64(slot))
		}
	}
	for _, slow := range []bool{false, true} {
		r.shard.disk.slow.Store(slow)
		var wrong error
		at := 0
		err := r.Vectors(slots, func(slot uint64, vector []byte) {
			if slot != slots[at] || !bytes.Equal(vector, m.rows[slot].Vector) {
				wrong = wrongf("vector %d of %v is that of %d: %x, want %x", at, slots, slot, vector, m.rows[slots[at]].Vector)
			}
			at++
		})
		if wrong == nil && err == nil && at != len(slots) {
			wrong = wrongf("%d vectors of %v", at, slots)
		}
		if err := errors.Join(err, wrong); err != nil {
			return err
		}
	}
	return nil
}

// askRows also stops half way, where a page of a list would end.
func (m *model) askRows(r *Reader, from uint64) error {
	var live []uint64
	for slot := from; slot < uint64(len(m.rows)); slot++ {
		if !m.retired[slot] {
			live = append(live, slot)
		}
	}
	for _, limit := range edges(uint64(len(live))) {
		var got []uint64
		err := r.Rows(from, func(slot uint64, id, metadata []byte) (bool, error) {
			if len(got) == len(live) || slot != live[len(got)] {
				return false, wrongf("rows from %d: slot %d after %d of the live slots %d", from, slot, len(got), live)
			}
			if want := m.rows[slot]; string(id) != want.ID || !bytes.Equal(metadata, want.Metadata) {
				return false, wrongf("rows from %d: slot %d is %q %x, want %q %x", from, slot, id, metadata, want.ID, want.Metadata)
			}
			got = append(got, slot)
			return uint64(len(got)) != limit, nil
		})
		if err != nil {
			return err
		}
		if limit == 0 { // never reached: all of them
			limit = uint64(len(live))
		}
		if uint64(len(got)) != limit {
			return wrongf("rows from %d ended after slots %d, want %d of %d", from, got, limit, live)
		}
	}
	return nil
}

func (m *model) askCodes(r *Reader, from, to uint64) error {
	words, at := code.Words(m.schema.Dims), from
	err := r.Codes(from, to, func(first uint64, codes []uint64, scalars []float32) error {
		if first != at || len(codes)%words != 0 {
			return wrongf("codes %d to %d: a run of %d words from slot %d, want whole codes from %d", from, to, len(codes), first, at)
		}
		rows := len(codes) / words
		if len(scalars) != rows*m.schema.Scalars || first+uint64(rows) > to {
			return wrongf("codes %d to %d: a run of %d codes and %d scalars from slot %d", from, to, rows, len(scalars), first)
		}
		for i := range rows {
			want := m.rows[at]
			if got := codes[i*words:][:words]; !slices.Equal(got, want.Code) {
				return wrongf("code %d is %x, want %x", at, got, want.Code)
			}
			if got := scalars[i*m.schema.Scalars:][:m.schema.Scalars]; !slices.EqualFunc(got, want.Scalars, sameBits) {
				return wrongf("scalars %d are %v, want %v", at, got, want.Scalars)
			}
			at++
		}
		return nil
	})
	if err == nil && at != max(from, to) {
		return wrongf("codes %d to %d ended before slot %d", from, to, at)
	}
	return err
}

// sameBits also tells -0 from 0 and finds NaN equal to itself.
func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

func (m *model) askRetired(r *Reader) error {
	got, last := make(map[uint64]bool), int64(-1)
	err := r.Retired(func(first uint64, words []uint64) error {
		if int64(first) <= last || first%retiredSpan != 0 || len(words) != retiredSpan/64 {
			return wrongf("retired: %d words from slot %d after %d", len(words), first, last)
		}
		last = int64(first)
		before := len(got)
		for i, w := range words {
			for bit := uint64(0); w>>bit != 0; bit++ {
				if w>>bit&1 == 1 {
					got[first+uint64(64*i)+bit] = true
				}
			}
		}
		if len(got) == before {
			return wrongf("retired: an empty bitmap from slot %d", first)
		}
		return nil
	})
	if err == nil && !maps.Equal(got, m.retired) {
		return wrongf("retired slots are %v, want %v", got, m.retired)
	}
	return err
}

// mustHold fails the test unless s holds exactly what the model does.
func (m *model) mustHold(t testing.TB, s *Shard) {
	t.Helper()
	v := m.read(s)
	for _, err := range v.errs {
		v.wrong = append(v.wrong, err.Error())
	}
	const enough = 10
	for _, line := range v.wrong[:min(enough, len(v.wrong))] {
		t.Error(line)
	}
	if len(v.wrong) > enough {
		t.Errorf("and %d more", len(v.wrong)-enough)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// randomOp upserts id with contents at random, edges included.
func (m *model) randomOp(rng *rand.Rand, id string) Op {
	op := Op{
		ID:      id,
		Code:    make([]uint64, code.Words(m.schema.Dims)),
		Scalars: make([]float32, m.schema.Scalars),
		Vector:  randomBytes(rng, m.schema.VectorBytes),
	}
	for i := range op.Code {
		op.Code[i] = rng.Uint64()
	}
	if used := m.schema.Dims % code.WordBits; used != 0 {
		op.Code[len(op.Code)-1] &= 1<<used - 1
	}
	numbers := []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(-1)), math.SmallestNonzeroFloat32, rng.Float32()}
	for i := range op.Scalars {
		op.Scalars[i] = numbers[rng.IntN(len(numbers))]
	}
	if rng.IntN(3) > 0 {
		op.Metadata = randomBytes(rng, rng.IntN(40))
	}
	return op
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// randomOps is n upserts and removals of few ids, so that they meet.
func (m *model) randomOps(rng *rand.Rand, n int) []Op {
	ops := make([]Op, n)
	for i := range ops {
		id := fmt.Sprintf("id-%02d", rng.IntN(40))
		if rng.IntN(4) == 0 {
			ops[i] = Op{ID: id, Delete: true}
		} else {
			ops[i] = m.randomOp(rng, id)
		}
	}
	return ops
}

// schemas are the geometries that the row tests go through.
func schemas() map[string]Schema {
	with := func(change func(s *Schema)) Schema {
		s := tinySchema()
		change(&s)
		return s
	}
	return map[string]Schema{
		"codes and vectors with padding":    tinySchema(),
		"codes and vectors without padding": with(func(s *Schema) { s.Dims, s.VectorBytes = 128, 16 }),
		"no vectors":                        with(func(s *Schema) { s.VectorBytes = 0 }),
		"no scalars":                        with(func(s *Schema) { s.Scalars = 0 }),
		"one scalar and one bit":            with(func(s *Schema) { s.Dims, s.Scalars = 1, 1 }),
		"a vector block for each row":       with(func(s *Schema) { s.ChunkRows = 1 }),
		"one vector block for a code block": with(func(s *Schema) { s.ChunkRows = s.BlockRows }),
		"blocks of one row, so no tail":     with(func(s *Schema) { s.BlockRows, s.ChunkRows = 1, 1 }),
	}
}

// A shard does what its model does, whatever is committed in whatever order and
// however the file is closed in between.
func TestAShardDoesWhatItsModelDoes(t *testing.T) {
	for name, schema := range schemas() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := newRand(newSeed(t))
			m, s := newModel(schema), newShard(t, schema)
			for range 60 {
				switch rng.IntN(8) {
				case 0: // closed and opened again
					mustClose(t, s)
					s = openShard(t, s.path)
				case 1: // as after a crash
					s = openSound(t, copyWhileOpen(t, s))
				default:
					ops := m.randomOps(rng, rng.IntN(2*schema.BlockRows+4))
					if got, want := mustCommit(t, s, ops...), m.commit(ops); !slices.Equal(got, want) {
						t.Fatalf("applied %+v, want %+v", got, want)
					}
				}
				m.mustHold(t, s)
				if found := problems(t, s); len(found) > 0 {
					t.Fatalf("check: %q", found)
				}
			}
		})
	}
}
