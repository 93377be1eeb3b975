package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ids returns n ids of different lengths.
func ids(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("row %d %s", i, strings.Repeat("x", i%5))
	}
	return names
}

func TestEveryRowComesBackBeforeAndAfterReopening(t *testing.T) {
	const size = 8 // of a block, in every schema but one
	batches := map[string]func(left int) int{
		"in one commit":         func(left int) int { return left },
		"a row a commit":        func(int) int { return 1 },
		"in commits of 3 and 7": func(left int) int { return min(left, 3+left%2*4) },
		"a block a commit":      func(left int) int { return min(left, size) },
	}
	for name, schema := range schemas() {
		for how, batch := range batches {
			counts := []int{0, 1, size - 1, size, size + 1, 2 * size, 3*size + 5}
			if name != "codes and vectors with padding" && !long {
				counts = []int{1, size + 1, 3*size + 5}
			}
			for _, rows := range counts {
				t.Run(fmt.Sprintf("%s/%d rows %s", name, rows, how), func(t *testing.T) {
					rng := newRand(newSeed(t))
					m, s := newModel(schema), newShard(t, schema)
					for left := ids(rows); len(left) > 0; {
						var ops []Op
						for _, id := range left[:batch(len(left))] {
							ops = append(ops, m.randomOp(rng, id))
						}
						left = left[len(ops):]
						if got, want := mustCommit(t, s, ops...), m.commit(ops); !slices.Equal(got, want) {
							t.Fatalf("applied %+v, want %+v", got, want)
						}
					}
					m.mustHold(t, s)
					mustClose(t, s)
					m.mustHold(t, openShard(t, s.path))
				})
			}
		}
	}
}

func TestOpsOfACommitApplyInOrder(t *testing.T) {
	const a, b = "a", "b"
	upsert := func(id string) Op { return newModel(tinySchema()).randomOp(newRand(1), id) }
	remove := func(id string) Op { return Op{ID: id, Delete: true} }
	for _, tt := range []struct {
		name    string
		commits [][]Op
		want    []Applied // of the last commit
		live    []uint64
	}{
		{"nothing", [][]Op{{}}, []Applied{}, nil},
		{"an upsert of a new id", [][]Op{{upsert(a)}}, []Applied{{0, NoSlot}}, []uint64{0}},
		{"an upsert retires the row it replaces", [][]Op{{upsert(a), upsert(b)}, {upsert(a)}}, []Applied{{2, 0}}, []uint64{1, 2}},
		{"a removal retires the row", [][]Op{{upsert(a), upsert(b)}, {remove(b)}}, []Applied{{NoSlot, 1}}, []uint64{0}},
		{"a removal of what is not there does nothing", [][]Op{{upsert(a)}, {remove(b)}}, []Applied{{NoSlot, NoSlot}}, []uint64{0}},
		{"a removal of what is there no more does nothing", [][]Op{{upsert(a)}, {remove(a)}, {remove(a)}}, []Applied{{NoSlot, NoSlot}}, nil},
		{"the last of equal ids wins", [][]Op{{upsert(a), upsert(a), upsert(a)}}, []Applied{{0, NoSlot}, {1, 0}, {2, 1}}, []uint64{2}},
		{"an upsert and its removal", [][]Op{{upsert(a), remove(a)}}, []Applied{{0, NoSlot}, {NoSlot, 0}}, nil},
		{"a removal and then an upsert", [][]Op{{upsert(a)}, {remove(a), upsert(a)}}, []Applied{{NoSlot, 0}, {1, NoSlot}}, []uint64{1}},
		{"removed twice", [][]Op{{upsert(a)}, {remove(a), remove(a)}}, []Applied{{NoSlot, 0}, {NoSlot, NoSlot}}, nil},
		{"an id comes back after its removal", [][]Op{{upsert(a)}, {remove(a)}, {upsert(a)}}, []Applied{{1, NoSlot}}, []uint64{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, s := newModel(tinySchema()), newShard(t, tinySchema())
			var got []Applied
			for _, ops := range tt.commits {
				got = mustCommit(t, s, ops...)
				m.commit(ops)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("applied %+v, want %+v", got, tt.want)
			}
			var live []uint64
			err := s.View(func(r *Reader) error {
				return r.Rows(0, func(slot uint64, _, _ []byte) (bool, error) {
					live = append(live, slot)
					return true, nil
				})
			})
			if err != nil || !slices.Equal(live, tt.live) {
				t.Errorf("live slots %d (%v), want %d", live, err, tt.live)
			}
			m.mustHold(t, s)
			mustClose(t, s)
			m.mustHold(t, openShard(t, s.path))
		})
	}
}

func TestAnIDIsAnyBytesUpToTheLimit(t *testing.T) {
	m, s := newModel(tinySchema()), newShard(t, tinySchema())
	rng := newRand(newSeed(t))
	var ops []Op
	for _, id := range []string{"\x00", "\xff\xfe", "a\x00b", "日本", strings.Repeat("y", MaxIDBytes)} {
		op := m.randomOp(rng, id)
		op.Metadata = randomBytes(rng, MaxMetadataBytes)
		ops = append(ops, op)
	}
	mustCommit(t, s, ops...)
	m.commit(ops)
	m.mustHold(t, s)
}

// One bitmap covers 65,536 slots: the first slot of the next is in another value.
func TestRetiredSlotsCrossBitmaps(t *testing.T) {
	t.Parallel()
	schema := Schema{Dims: 1, BlockRows: 1024, ChunkRows: 1024, Engine: []byte("0")}
	base := make([]Op, retiredSpan+2)
	for i := range base {
		base[i] = Op{ID: fmt.Sprintf("%06d", i), Code: []uint64{uint64(i % 2)}}
	}
	all, full := newModel(schema), newShard(t, schema)
	mustCommit(t, full, base...)
	all.commit(base)
	for _, tt := range []struct {
		name   string
		remove []int
	}{
		{"none", nil},
		{"the last of the first", []int{retiredSpan - 1}},
		{"the first of the second", []int{retiredSpan}},
		{"both sides of the edge", []int{retiredSpan - 1, retiredSpan}},
		{"the first and the last of all", []int{0, retiredSpan + 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, s := all.clone(), openShard(t, copyWhileOpen(t, full))
			var ops []Op
			for _, i := range tt.remove {
				ops = append(ops, Op{ID: base[i].ID, Delete: true})
			}
			if got, want := mustCommit(t, s, ops...), m.commit(ops); !slices.Equal(got, want) {
				t.Fatalf("applied %+v, want %+v", got, want)
			}
			err := s.View(func(r *Reader) error {
				for from := uint64(retiredSpan - 2); from <= retiredSpan+2; from++ {
					if err := m.askRows(r, from); err != nil {
						return err
					}
				}
				return errors.Join(m.askRows(r, 0), m.askRetired(r))
			})
			if err != nil {
				t.Error(err)
			}
			if len(tt.remove) == 2 || long {
				if found := problems(t, s); len(found) > 0 {
					t.Errorf("problems are %q", found)
				}
			}
			mustClose(t, s)
			s = openShard(t, s.path)
			for _, i := range append(tt.remove, 1, retiredSpan-2) {
				err := s.View(func(r *Reader) error {
					want, ok := m.slots[base[i].ID]
					if !ok {
						want = NoSlot
					}
					if got, err := r.Slot(base[i].ID); err != nil || got != want {
						return fmt.Errorf("slot of %q is %d, want %d: %w", base[i].ID, got, want, err)
					}
					return m.askRow(r, uint64(i))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAnOpThatDoesNotFitTheSchemaIsABug(t *testing.T) {
	s := newShard(t, tinySchema())
	for _, tt := range []struct {
		name string
		bend func(op *Op)
	}{
		{"an empty id", func(op *Op) { op.ID = "" }},
		{"an empty id to remove", func(op *Op) { *op = Op{Delete: true} }},
		{"an id too long", func(op *Op) { op.ID = strings.Repeat("x", MaxIDBytes+1) }},
		{"a word too few", func(op *Op) { op.Code = op.Code[:1] }},
		{"a word too many", func(op *Op) { op.Code = append(op.Code, 0) }},
		{"a bit past the last dimension", func(op *Op) { op.Code[1] |= 1 << 6 }},
		{"a scalar too few", func(op *Op) { op.Scalars = op.Scalars[:1] }},
		{"a byte too many", func(op *Op) { op.Vector = append(op.Vector, 0) }},
		{"no vector", func(op *Op) { op.Vector = nil }},
		{"too much metadata", func(op *Op) { op.Metadata = make([]byte, MaxMetadataBytes+1) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newModel(tinySchema())
			op := m.randomOp(newRand(1), "x")
			tt.bend(&op)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				m.mustHold(t, s)
			}()
			_, err := s.Commit([]Op{m.randomOp(newRand(2), "good"), op})
			t.Errorf("commit returned %v", err)
		})
	}
}

func TestCreateShardRefuses(t *testing.T) {
	with := func(change func(s *Schema)) Schema {
		s := tinySchema()
		change(&s)
		return s
	}
	for _, tt := range []struct {
		name   string
		schema Schema
		want   string
	}{
		{"the zero schema", Schema{}, "dims 0"},
		{"fewer than no dimensions", with(func(s *Schema) { s.Dims, s.BlockRows = -63, 0 }), "dims -63"},
		{"absurd dimensions", with(func(s *Schema) { s.Dims, s.BlockRows, s.ChunkRows = math.MaxInt, 0, 0 }), "dims"},
		{"fewer than no vector bytes", with(func(s *Schema) { s.VectorBytes, s.ChunkRows = -1, 0 }), "vector_bytes -1"},
		{"no engine", with(func(s *Schema) { s.Engine = nil }), "engine"},
		{"an engine that is not JSON", with(func(s *Schema) { s.Engine = []byte("{") }), "engine"},
		{"more rows to a vector block than to a code block", with(func(s *Schema) { s.ChunkRows = 16 }), "chunk_rows 16"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), shardFile)
			err := CreateShard(path, tt.schema)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
			if _, err := OpenShard(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("then open says %v, want that there is no file", err)
			}
		})
	}
	t.Run("a file that is there", func(t *testing.T) {
		s := newShard(t, tinySchema())
		if err := CreateShard(s.path, tinySchema()); !errors.Is(err, fs.ErrExist) {
			t.Errorf("error is %v, want %v", err, fs.ErrExist)
		}
	})
	t.Run("a folder that is not there", func(t *testing.T) {
		if err := CreateShard(filepath.Join(t.TempDir(), "no", shardFile), tinySchema()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error is %v, want %v", err, fs.ErrNotExist)
		}
	})
}

func TestAShardKnowsItsPathSchemaAndSize(t *testing.T) {
	s := newShard(t, Schema{Dims: 100, VectorBytes: 400, Engine: []byte(`{"a": 1}`)})
	want := Schema{Dims: 100, VectorBytes: 400, BlockRows: 4096, ChunkRows: 512, Engine: []byte(`{"a":1}`)}
	if got := s.Schema(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("schema is %+v, want %+v", got, want)
	}
	if s.Path() != s.path {
		t.Errorf("path is %s", s.Path())
	}
	m := newModel(s.schema)
	rng := newRand(1)
	for i := range 5 {
		mustCommit(t, s, m.randomOp(rng, fmt.Sprint(i%2)))
	}
	size, free, err := s.Size()
	if err != nil || size < 4*4096 || free <= 0 || free >= size {
		t.Errorf("size is %d, %d of it free (%v)", size, free, err)
	}
}

func TestAClosedShardSaysSo(t *testing.T) {
	s := newShard(t, tinySchema())
	mustCommit(t, s, newModel(s.schema).randomOp(newRand(1), "a"))
	mustClose(t, s)
	if _, err := s.Commit(nil); err == nil {
		t.Error("commit worked")
	}
	if err := s.View(func(*Reader) error { return nil }); err == nil {
		t.Error("view worked")
	}
	if report, _ := s.Check(t.Context(), nil); len(report.Problems) == 0 {
		t.Error("check found nothing wrong")
	}
}
