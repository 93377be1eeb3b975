package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestAViewSeesTheCommitItBeganWith(t *testing.T) {
	m, s := newModel(tinySchema()), newShard(t, tinySchema())
	rng := newRand(newSeed(t))
	commit := func(m *model) {
		ops := m.randomOps(rng, 30)
		mustCommit(t, s, ops...)
		m.commit(ops)
	}
	commit(m)
	before := m.clone()
	err := s.View(func(old *Reader) error {
		for range 5 { // enough for the pages of old to be wanted again
			commit(m)
		}
		if old.State() != before.state() {
			return wrongf("state is %+v, want %+v", old.State(), before.state())
		}
		for slot := range before.rows {
			if err := errors.Join(before.askRow(old, uint64(slot)), before.askVector(old, uint64(slot))); err != nil {
				return err
			}
		}
		return errors.Join(before.askRows(old, 0), before.askRetired(old), before.askCodes(old, 0, uint64(len(before.rows))))
	})
	if err != nil {
		t.Error(err)
	}
	m.mustHold(t, s)
}

// Whatever a reader sees while commits go on is one commit, whole. Row i of this
// test holds i everywhere; every commit adds ten rows and removes the first of the
// ten before.
func TestReadersAndChecksRunWhileCommitsGoOn(t *testing.T) {
	const commits, batch = 80, 10
	schema := Schema{Dims: 64, Scalars: 1, VectorBytes: 8, BlockRows: 16, ChunkRows: 4, Engine: []byte("{}")}
	s := newShard(t, schema)
	whole := func(r *Reader) error {
		state := r.State()
		n := state.Commits
		if removed := max(n, 1) - 1; state.Next != n*batch || state.Live != state.Next-removed {
			return fmt.Errorf("after %d commits: %d rows, %d live", n, state.Next, state.Live)
		}
		seen := uint64(0)
		err := r.Rows(0, func(slot uint64, id, _ []byte) (bool, error) {
			seen++
			vector, err := r.Vector(slot)
			if err == nil && (string(id) != fmt.Sprint(slot) || vector[0] != byte(slot)) {
				err = fmt.Errorf("slot %d has id %q and vector %x", slot, id, vector)
			}
			return true, err
		})
		if err != nil || seen != state.Live {
			return fmt.Errorf("%d rows, want %d: %w", seen, state.Live, err)
		}
		return r.Codes(0, state.Next, func(first uint64, codes []uint64, scalars []float32) error {
			for i, c := range codes {
				if c != first+uint64(i) || scalars[i] != float32(c) {
					return fmt.Errorf("slot %d has code %d and scalar %v", first+uint64(i), c, scalars[i])
				}
			}
			return nil
		})
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	again := func(work func() error) {
		running.Go(func() {
			for {
				if err := work(); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	again(func() error { return s.View(whole) })
	again(func() error { return s.View(whole) })
	again(func() error {
		report, err := s.Check(t.Context(), nil)
		if err == nil && len(report.Problems) > 0 {
			err = fmt.Errorf("check: %q", report.Problems)
		}
		return err
	})
	again(func() error { _, _, err := s.Size(); return err })
	for n := range commits {
		var ops []Op
		if n > 0 {
			ops = append(ops, Op{ID: fmt.Sprint((n - 1) * batch), Delete: true})
		}
		for i := n * batch; i < (n+1)*batch; i++ {
			vector := make([]byte, 8)
			vector[0] = byte(i)
			ops = append(ops, Op{ID: fmt.Sprint(i), Code: []uint64{uint64(i)}, Scalars: []float32{float32(i)}, Vector: vector})
		}
		if _, err := s.Commit(ops); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	running.Wait()
}

func TestConcurrentCommitsTakeTurns(t *testing.T) {
	s := newShard(t, tinySchema())
	m := newModel(s.schema)
	const writers, each = 4, 20
	slots := make([][]uint64, writers)
	var running sync.WaitGroup
	for w := range writers {
		rng := newRand(uint64(w))
		running.Go(func() {
			for i := range each {
				applied, err := s.Commit([]Op{m.randomOp(rng, fmt.Sprintf("%d-%d", w, i))})
				if err != nil {
					t.Error(err)
					return
				}
				slots[w] = append(slots[w], applied[0].Slot)
			}
		})
	}
	running.Wait()
	given := make(map[uint64]bool)
	for _, own := range slots {
		for i, slot := range own {
			if given[slot] || (i > 0 && own[i-1] >= slot) {
				t.Errorf("slot %d given out of turn", slot)
			}
			given[slot] = true
		}
	}
	err := s.View(func(r *Reader) error {
		if want := (State{Next: writers * each, Live: writers * each, Commits: writers * each, Applied: writers * each}); r.State() != want {
			return wrongf("state is %+v, want %+v", r.State(), want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAnErrorOfTheCallerComesBackFromAView(t *testing.T) {
	_, path := soundFile(t)
	s := openShard(t, path)
	mine := errors.New("mine")
	for name, read := range map[string]func(r *Reader) error{
		"View": func(*Reader) error { return mine },
		"Rows": func(r *Reader) error {
			return r.Rows(0, func(uint64, []byte, []byte) (bool, error) { return true, mine })
		},
		"Codes": func(r *Reader) error { return r.Codes(0, 22, func(uint64, []uint64, []float32) error { return mine }) },
		"Codes of the tail": func(r *Reader) error {
			return r.Codes(16, 22, func(uint64, []uint64, []float32) error { return mine })
		},
		"Retired": func(r *Reader) error { return r.Retired(func(uint64, []uint64) error { return mine }) },
	} {
		if err := s.View(read); !errors.Is(err, mine) || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error is %v, want %v", name, err, mine)
		}
	}
}

func TestSlotsThatAreNotThereAreErrors(t *testing.T) {
	_, path := soundFile(t)
	s := openShard(t, path)
	for name, read := range map[string]func(r *Reader) error{
		"the row of the next slot":    func(r *Reader) error { _, _, err := r.Row(22); return err },
		"the row of no slot":          func(r *Reader) error { _, _, err := r.Row(NoSlot); return err },
		"the vector of the next slot": func(r *Reader) error { _, err := r.Vector(22); return err },
		"the vector of no slot":       func(r *Reader) error { _, err := r.Vector(NoSlot); return err },
		"codes past the next slot": func(r *Reader) error {
			return r.Codes(16, 23, func(uint64, []uint64, []float32) error { return nil })
		},
		"codes from within a block": func(r *Reader) error {
			return r.Codes(1, 22, func(uint64, []uint64, []float32) error { return nil })
		},
	} {
		if err := s.View(read); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error is %v, want ErrCorrupt", name, err)
		}
	}
}

// A search reads hundreds of vectors in a View: none may cost an allocation.
func TestReadingMoreVectorsAllocatesNoMore(t *testing.T) {
	_, path := soundFile(t)
	s := openShard(t, path)
	allocations := func(slots ...uint64) float64 {
		return testing.AllocsPerRun(20, func() {
			err := s.View(func(r *Reader) error {
				for _, slot := range slots {
					if _, err := r.Vector(slot); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	if one, many := allocations(0), allocations(0, 1, 3, 7, 8, 15, 2, 12, 5); one != many {
		t.Errorf("one vector takes %v allocations, nine take %v", one, many)
	}
}

// Damage that bbolt trips over becomes ErrCorrupt; a bug of ours stays a panic.
func TestOnlyPanicsOfDamagedPagesBecomeErrors(t *testing.T) {
	s := newShard(t, tinySchema())
	for _, tt := range []struct {
		name string
		read func(r *Reader)
		want bool // a panic
	}{
		{"a panic of the caller", func(*Reader) { panic("mine") }, true},
		{"an index out of range of the caller", func(*Reader) { _ = []int{}[len(os.Args)] }, true},
		{"a nil pointer of the caller", func(*Reader) { var none *State; read(none) }, true},
		{"a panic of bbolt", func(r *Reader) { _ = r.tx.Commit() }, false},
		{"a nil pointer in bbolt", func(r *Reader) { r.tx.Bucket([]byte("none")).Get(nil) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			defer func() {
				if p := recover(); (p != nil) != tt.want {
					t.Errorf("panic is %v, error %v; want a panic: %t", p, err, tt.want)
				}
			}()
			err = s.View(func(r *Reader) error {
				tt.read(r)
				return nil
			})
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("error is %v, want ErrCorrupt", err)
			}
		})
	}
}

func read(s *State) uint64 { return s.Next }

// A page past the end of the file is a memory fault where the file is mapped.
func TestAFileCutShortWhileOpenIsCorrupt(t *testing.T) {
	m, path := soundFile(t)
	s := openShard(t, path)
	m.mustHold(t, s)
	if err := os.Truncate(path, 2*4096); err != nil {
		t.Fatal(err)
	}
	v := m.read(s)
	if len(v.errs) == 0 || len(v.wrong) > 0 {
		t.Errorf("%d errors, wrong answers %q", len(v.errs), v.wrong)
	}
	for _, err := range v.errs {
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Fatalf("error is %v, want ErrCorrupt and the path", err)
		}
	}
	if _, err := s.Commit([]Op{m.randomOp(newRand(1), "row-00")}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("commit: error is %v, want ErrCorrupt", err)
	}
}

// A commit that meets damage says so, changes nothing, and leaves the shard to
// other commits.
func TestACommitThatMeetsDamageChangesNothing(t *testing.T) {
	m, sound := soundFile(t)
	other := m.randomOp(newRand(1), "other")
	replace := m.randomOp(newRand(2), "row-05")
	fill := []Op{other, m.randomOp(newRand(3), "more")} // to 24 rows, which seals the tail
	for _, tt := range []struct {
		name   string
		change change
		ops    []Op
	}{
		{"an id that leads past the last slot", lead(22), []Op{replace}},
		{"an id that leads past the last slot, to remove", lead(22), []Op{{ID: "row-05", Delete: true}}},
		{"the row of the id", edit(bucketRows, slotKey(5), flip(0)), []Op{replace}},
		{"the bitmap to retire in", edit(bucketRetired, slotKey(0), flip(9)), []Op{other, replace}},
		{"a tail vector to pack", edit(bucketTail, slotKey(20), flip(1)), fill},
		{"a tail code to seal", edit(bucketTail, slotKey(18), flip(-1)), fill},
		{"a tail row to seal that is not there", remove(bucketTail, slotKey(18)), fill},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir() + "/" + shardFile
			copyFile(t, path, sound, 1<<20)
			tamper(t, path, tt.change)
			s := openShard(t, path)
			before := contents(t, s)
			if applied, err := s.Commit(tt.ops); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("commit: %+v, %v; want ErrCorrupt", applied, err)
			}
			if after := contents(t, s); after != before {
				t.Error("the failed commit changed something")
			}
			if applied := mustCommit(t, s, other); applied[0] != (Applied{22, NoSlot}) {
				t.Errorf("another commit applied %+v, want slot 22", applied)
			}
		})
	}
}

// contents is everything in a shard's file as one string.
func contents(t *testing.T, s *Shard) string {
	t.Helper()
	var all strings.Builder
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEach(func(key, value []byte) error {
				_, err := fmt.Fprintf(&all, "%s %q %x\n", name, key, value)
				return err
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Pages that bbolt cannot read end a commit with an error too. The shard has a
// commit since it was opened, so that its freelist is in memory only.
func TestACommitThatMeetsADamagedPageIsAnError(t *testing.T) {
	m, s := newModel(tinySchema()), newShardThatBreaks(t)
	rng := newRand(newSeed(t))
	var ops []Op
	for i := range 200 { // so many that hashes has pages of its own
		ops = append(ops, m.randomOp(rng, fmt.Sprintf("id-%03d", i)))
	}
	mustCommit(t, s, ops...)
	page := rootPage(t, s, bucketHashes)
	good := snapshot(t, s)[page*4096:][:8]
	overwrite(t, s.path, page*4096+1, []byte{0xff}) // the page's own number
	if _, err := s.Commit(ops[:1]); !errors.Is(err, ErrCorrupt) {
		t.Errorf("commit: error is %v, want ErrCorrupt", err)
	}
	// Nothing was changed: with the page mended all is well.
	overwrite(t, s.path, page*4096, good)
	m.commit(ops)
	m.mustHold(t, s)
	mustCommit(t, s, ops[:1]...)
	m.commit(ops[:1])
	m.mustHold(t, s)
	if found := problems(t, s); len(found) > 0 {
		t.Errorf("problems are %q", found)
	}
}

// rootPage returns the number of the page where a bucket begins.
func rootPage(t *testing.T, s *Shard, bucket []byte) int64 {
	t.Helper()
	var page int64
	err := s.db.View(func(tx *bolt.Tx) error {
		page = int64(tx.Bucket(bucket).RootPage())
		return nil
	})
	if err != nil || page == 0 {
		t.Fatalf("root page of %s is %d (%v)", bucket, page, err)
	}
	return page
}

// A file that bbolt trips over at open is corrupt, and not locked by the try before.
func TestADamagedFileIsCorruptHoweverOftenItIsOpened(t *testing.T) {
	_, path := soundFile(t)
	for page := int64(2); page < 8; page++ { // the kind of each page, the freelist's among them
		overwrite(t, path, page*4096+8, []byte{0, 0x80})
	}
	for range 3 {
		if s, err := OpenShard(path); !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrLocked) {
			t.Fatalf("opened %v, error %v, want ErrCorrupt", s, err)
		}
	}
}

// A branch page that leads back into its tree would have bbolt go round until the
// memory is used up, and a page that looks free would be written over.
func TestAFileWhosePagesAreNoTreesIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), shardFile)
	makeFlipFile(t, "with branches", path)
	s := openShard(t, path)
	content := snapshot(t, s)
	rows, hashes, retired := rootPage(t, s, bucketRows), rootPage(t, s, bucketHashes), rootPage(t, s, bucketRetired)
	mustClose(t, s)
	count := int64(binary.NativeEndian.Uint16(content[rows*4096+10:]))
	if count < 3 {
		t.Fatalf("rows has a root page with %d children", count)
	}
	child := func(i int64) int64 { return rows*4096 + 16 + 16*i + 8 }
	root, freelist := bboltPages(t, path)
	rootOf := func(bucket string, page int64) int64 {
		return int64(bytes.LastIndex(content, binary.NativeEndian.AppendUint64([]byte(bucket), uint64(page))) + len(bucket))
	}
	free := int64(binary.NativeEndian.Uint64(content[freelist*4096+16:]))
	for _, tt := range []struct {
		name string
		at   int64
		page int64
	}{
		{"the first child is the page itself", child(0), rows},
		{"a child is the page itself", child(1), rows},
		{"the last child is the page itself", child(count - 1), rows},
		{"a child is a branch page of another bucket", child(1), hashes},
		{"a child is the page with the buckets in it", child(1), root},
		{"a child is the list of free pages", child(1), freelist},
		{"a child is a free page", child(count - 1), free},
		{"a child is the page of the bitmaps", child(0), retired},
		{"rows has the root of the bitmaps", rootOf("rows", rows), retired},
		{"rows has the root of hashes", rootOf("rows", rows), hashes},
		{"a page in use is free", freelist*4096 + 16, rows},
		{"a leaf in use is free", freelist*4096 + 16, int64(binary.NativeEndian.Uint64(content[child(1):]))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), shardFile)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			overwrite(t, path, tt.at, binary.NativeEndian.AppendUint64(nil, uint64(tt.page)))
			if s, err := OpenShard(path); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "in a tree") {
				t.Errorf("opened %v, error %v, want ErrCorrupt", s, err)
			}
		})
	}
}

// newShardThatBreaks is newShard for a test that damages it.
func newShardThatBreaks(t *testing.T) *Shard {
	t.Helper()
	path := t.TempDir() + "/" + shardFile
	if err := CreateShard(path, tinySchema()); err != nil {
		t.Fatal(err)
	}
	return openShard(t, path)
}

func TestReadsThatTakeLongAreNoticedUntilTheyNoLongerDo(t *testing.T) {
	var d diskReads
	for _, tt := range []struct {
		name string
		rows int
		took time.Duration
		slow bool
	}{
		{"from memory", 16, 10 * time.Microsecond, false},
		{"from a disk", 16, time.Millisecond, true},
		{"one page of many rows", 1000, time.Millisecond, false},
		{"one row from a disk", 1, 100 * time.Microsecond, true},
		{"from memory again", 1, time.Microsecond, false},
	} {
		if d.notice(tt.rows, 3080, tt.took); d.slow.Load() != tt.slow {
			t.Errorf("%s: slow is %t after %d rows in %v, want %t", tt.name, !tt.slow, tt.rows, tt.took, tt.slow)
		}
	}
}
