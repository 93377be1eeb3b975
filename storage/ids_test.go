package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// A recent finds what a scan from the newest back finds, whatever was cut and grown.
func TestRecentFindsTheLastSlotOfAHash(t *testing.T) {
	rng := newRand(newSeed(t))
	const from = 100
	r, plain := newRecent(from), []uint64{}
	for range 20_000 {
		switch rng.IntN(1000) {
		case 0: // a commit that failed
			end := uint64(from + rng.IntN(len(plain)+1))
			r.cut(end)
			plain = plain[:end-from]
		default:
			hash := rng.Uint64() >> (rng.IntN(2) * 60) // some that come again, noHash too
			r.add(hash)
			plain = append(plain, hash)
		}
		hash, below := rng.Uint64N(16), from+rng.Uint64N(uint64(len(plain)+2))
		if len(plain) > 0 && rng.IntN(2) == 0 {
			hash = plain[rng.IntN(len(plain))]
		}
		want := uint64(NoSlot)
		for i, h := range plain {
			if slot := from + uint64(i); slot < below && h == hash && h != noHash {
				want = slot
			}
		}
		if got := r.find(hash, below); got != want {
			t.Fatalf("hash %x below %d of %d: slot %d, want %d", hash, below, len(plain), got, want)
		}
	}
}

// memoryHashes makes a bucket of hashes in a file of its own, with one transaction open.
func memoryHashes(t *testing.T) *bolt.Bucket {
	t.Helper()
	db, err := bolt.Open(t.TempDir()+"/hashes", 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	b, err := tx.CreateBucket(bucketHashes)
	if err != nil {
		t.Fatal(err)
	}
	if err := putHashes(b, nil, 0, math.MaxUint64); err != nil {
		t.Fatal(err)
	}
	return b
}

// blocks returns the entries of a bucket of hashes, having looked at its order.
func blocks(t *testing.T, b *bolt.Bucket) (sizes []int, all []hashed) {
	t.Helper()
	var last uint64
	err := b.ForEach(func(key, value []byte) error {
		block, err := openHashBlock(key, value)
		if err != nil {
			return err
		}
		end, err := parseSlotKey(key)
		if err != nil {
			return err
		}
		if block.floor != last {
			return fmt.Errorf("block to %x begins after %x, want %x", end, block.floor, last)
		}
		for i := range block.len() {
			e := block.at(i)
			if e.hash > end || e.hash <= last && len(sizes) > 0 {
				return fmt.Errorf("hash %x is in the block to %x, after that to %x", e.hash, end, last)
			}
			all = append(all, e)
		}
		sizes, last = append(sizes, block.len()), end
		return nil
	})
	if err != nil || last != math.MaxUint64 {
		t.Fatalf("blocks of %d, to %x: %v", sizes, last, err)
	}
	return sizes, all
}

// Sweeps in steps of any size leave what one merge of all would, in blocks of fair sizes.
func TestSweepsMergeWhatIsNotDead(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rows  int
		shift int // so many bits fewer has a hash
		die   int // a row in so many is dead, 0 for none
	}{
		{"none", 0, 0, 0},
		{"one", 1, 0, 0},
		{"a block", hashBlockRows, 0, 0},
		{"one more than a block", hashBlockRows + 1, 0, 0},
		{"many", 5000, 0, 0},
		{"many, and all dead", 5000, 0, 1},
		{"many, of which most die", 5000, 0, 2},
		{"of few hashes", 1000, 58, 3},
		{"of one hash", 200, 63, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rng := newRand(newSeed(t))
			b := memoryHashes(t)
			dead := func(slot uint64) (bool, error) { return tt.die > 0 && slot%uint64(tt.die) == 0, nil }
			var want []hashed
			for slot := uint64(0); slot < uint64(tt.rows); {
				var s sweep
				for range min(1+rng.IntN(900), tt.rows-int(slot)) {
					e := hashed{max(1, rng.Uint64()>>tt.shift), slot}
					s.todo = append(s.todo, e)
					if gone, _ := dead(slot); !gone {
						want = append(want, e)
					}
					slot++
				}
				slices.SortFunc(s.todo, compareHashed)
				whole := s
				for cut := rng.IntN(3); len(s.todo) > 0; cut-- {
					if cut == 0 { // a crash, and then all of it again
						s = whole
					}
					left, err := s.step(b, 1+rng.IntN(400), dead)
					if err != nil {
						t.Fatal(err)
					}
					if len(left.todo) >= len(s.todo) {
						t.Fatalf("a step took nothing of %d", len(s.todo))
					}
					s = left
					blocks(t, b)
				}
			}
			slices.SortFunc(want, compareHashed)
			sizes, got := blocks(t, b)
			if !slices.Equal(got, want) {
				t.Fatalf("%d entries, want %d", len(got), len(want))
			}
			if tt.shift == 0 && (slices.Max(sizes) > hashBlockRows || len(sizes) > 1+8*len(want)/hashBlockRows) {
				t.Errorf("%d entries are in blocks of %d", len(want), sizes)
			}
		})
	}
}

// manySchema has so few rows to a block that sweeps begin early and take many commits.
func manySchema() Schema {
	return Schema{Dims: 1, BlockRows: 4, ChunkRows: 4, Engine: []byte("0")}
}

// Rows of thousands of ids that come, are replaced, and go are found, by those who look
// now, by those who have looked since before, and after a crash.
func TestIDsAreFoundBeforeWhileAndAfterTheyAreSwept(t *testing.T) {
	t.Parallel()
	rng := newRand(newSeed(t))
	m, s := newModel(manySchema()), newShard(t, manySchema())
	swept, rounds, least := 0, 20, 3
	if long {
		rounds, least = 60, 5
	}
	for round := range rounds {
		ops := make([]Op, 1+rng.IntN(250))
		for i := range ops {
			ops[i] = Op{ID: fmt.Sprint("id ", rng.IntN(3000)), Code: []uint64{uint64(i % 2)}, Delete: rng.IntN(8) == 0}
		}
		before, indexed := m.clone(), s.state.Indexed
		err := s.View(func(r *Reader) error { // from before the commit
			mustCommit(t, s, ops...)
			m.commit(ops)
			return before.askSlots(r)
		})
		if err != nil {
			t.Fatalf("round %d, from before: %v", round, err)
		}
		if s.state.Indexed > indexed {
			swept++
		}
		if pending := s.state.Next - s.state.Indexed; pending > max(s.state.Indexed/2, 500) {
			t.Errorf("round %d: %d of %d rows wait for a sweep", round, pending, s.state.Next)
		}
		if err := s.View(m.askSlots); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if round%10 == 9 {
			s = openSound(t, copyWhileOpen(t, s))
			if err := s.View(m.askSlots); err != nil {
				t.Fatalf("round %d, after a crash: %v", round, err)
			}
			if found := problems(t, s); len(found) > 0 {
				t.Fatalf("round %d: %q", round, found)
			}
		}
	}
	if swept < least {
		t.Errorf("%d sweeps ended", swept)
	}
}

// askSlots asks for the slot of every id there was.
func (m *model) askSlots(r *Reader) error {
	for _, op := range m.rows {
		if err := m.askSlot(r, op.ID); err != nil {
			return err
		}
	}
	return nil
}

// The ids of a commit that failed are not found, nor in the way of those that come after.
func TestTheIDsOfAFailedCommitAreForgotten(t *testing.T) {
	m, s := newModel(manySchema()), newShard(t, manySchema())
	full := false
	interpose(t, s.db, func(write writer) writer {
		return func(b []byte, at int64) (int, error) {
			if full {
				return 0, syscall.ENOSPC
			}
			return write(b, at)
		}
	})
	op := func(name string, i int) Op { return Op{ID: fmt.Sprint(name, i), Code: []uint64{0}} }
	for i := range 200 {
		ops := []Op{op("a", i), op("b", i)}
		if full = i%3 == 1; full {
			if _, err := s.Commit([]Op{op("lost", i), op("a", i-1), op("c", 0)}); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("on a full disk: error is %v, want ENOSPC", err)
			}
			full = false
		}
		mustCommit(t, s, ops...)
		m.commit(ops)
	}
	m.rows = append(m.rows, op("lost", 1), op("c", 0)) // to be asked for
	if err := s.View(m.askSlots); err != nil {
		t.Error(err)
	}
}

// While the id of one row is damaged and in memory only, nobody says of any id that it is not
// there, and no row gets a second one; the ids of all other rows are found.
func TestAnIDThatMayBeThatOfADamagedRowIsNotSaidToBeMissing(t *testing.T) {
	m, path := soundFile(t)
	tamper(t, path, edit(bucketRows, slotKey(20), flip(3)))
	s := openShard(t, path)
	if v := m.read(s); len(v.wrong) > 0 {
		t.Errorf("wrong answers %q", v.wrong)
	}
	for id, slot := range m.slots {
		err := s.View(func(r *Reader) error { return m.askSlot(r, id) })
		if slot != 20 && err != nil {
			t.Errorf("id %q: %v", id, err)
		}
	}
	for _, id := range []string{"row-01", "never there"} {
		op := m.randomOp(newRand(1), id)
		for _, op := range []Op{op, {ID: id, Delete: true}} {
			if _, err := s.Commit([]Op{op}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "slot 20, whose row is damaged") {
				t.Errorf("commit of %q: error is %v, want ErrCorrupt and the slot", id, err)
			}
		}
	}
	if op := (Op{ID: "row-05", Delete: true}); !slices.Equal(mustCommit(t, s, op), m.commit([]Op{op})) {
		t.Errorf("the id of another row is not removed")
	}
	if found := problems(t, s); !mentions(found, "row of slot 20: checksum") {
		t.Errorf("problems are %q", found)
	}
}

// Whatever bit of a key is flipped, no hash is led to a block that it is not in: not in blocks
// of version 2 either, which do not say where they begin.
func TestAFlippedKeyOfHashesNeverHidesAnID(t *testing.T) {
	rng := newRand(newSeed(t))
	var all []hashed
	for slot := range uint64(6 * hashBlockRows) {
		all = append(all, hashed{max(1, rng.Uint64()), slot})
	}
	slices.SortFunc(all, compareHashed)
	for _, floored := range []bool{true, false} {
		path, values := hashesFile(t, all, floored)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for key, value := range values {
			at := bytes.Index(content, append([]byte(key), value...))
			if at < 0 {
				t.Fatalf("key %x is not in the file", key)
			}
			for bit := range 64 {
				overwrite(t, path, int64(at+bit/8), []byte{key[bit/8] ^ 1<<(bit%8)})
				err := db.View(func(tx *bolt.Tx) error {
					n, err := lookUp(tx.Bucket(bucketHashes), all)
					found += n
					return err
				})
				if err != nil {
					t.Errorf("with floors %t, bit %d of key %x flipped: %v", floored, bit, key, err)
				}
			}
			overwrite(t, path, int64(at), []byte(key))
		}
		mustClose(t, db)
		if found == 0 {
			t.Error("nothing was found")
		}
	}
}

// hashesFile makes a file that has a bucket with all in blocks, with floors or as of version 2,
// and returns the values of its keys.
func hashesFile(t *testing.T, all []hashed, floored bool) (path string, values map[string][]byte) {
	t.Helper()
	path, values = filepath.Join(t.TempDir(), "hashes"), make(map[string][]byte)
	tamper(t, path, func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(bucketHashes)
		if err != nil {
			return err
		}
		if err := putHashes(b, all, 0, math.MaxUint64); err != nil {
			return err
		}
		err = b.ForEach(func(key, value []byte) error {
			body, err := unseal(key, slices.Clone(value))
			if err == nil && !floored {
				body = body[floorBytes:]
			}
			values[string(key)] = seal(key, body)
			return err
		})
		for key, value := range values {
			err = errors.Join(err, b.Put([]byte(key), value))
		}
		return err
	})
	return path, values
}

// lookUp seeks the blocks of all, and returns how many are there. Any that is neither there nor
// refused as damaged is an error.
func lookUp(hashes *bolt.Bucket, all []hashed) (found int, err error) {
	for _, e := range all {
		block, err := seekHashes(hashes, e.hash)
		if errors.Is(err, ErrCorrupt) {
			continue
		}
		if err != nil {
			return found, err
		}
		if n := block.after(e.hash); n == 0 || block.at(n-1) != e {
			return found, wrongf("hash %016x is not there", e.hash)
		}
		found++
	}
	return found, nil
}
