package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// This file finds the row of an id. Ids come in any order, and a tree sorted by id would be
// rewritten, nearly all of it, by every commit of some thousand rows. So the ids of recent
// rows are in memory only, read from rows when the file is opened. Now and then a sweep
// puts them, in order, among the others in the bucket of hashes: the rolling merge of
// O'Neil et al., The Log-Structured Merge-Tree, 1996.

const (
	// sweepShare keeps the hashes in memory few: a sweep begins when they reach
	// 1/sweepShare of those on disk. So each row is written about sweepShare+1 times, 16
	// bytes each, and at most a fifth of the rows is read when a file is opened.
	sweepShare = 4
	// sweepSpeed is how many rows a sweep takes for each row that a commit adds, so that it
	// ends before many rows wait for the next sweep.
	sweepSpeed = 4

	// hashBlockRows is the most entries of a block of hashes, except that entries of one
	// hash stay together. Four full blocks fit a page, and a lookup checks one.
	hashBlockRows = 61
)

// hashed is an id's hash and the slot of a row with that id.
type hashed struct{ hash, slot uint64 }

// compareHashed orders by hash and then by slot.
func compareHashed(a, b hashed) int {
	switch {
	case a == b:
		return 0
	case a.hash < b.hash, a.hash == b.hash && a.slot < b.slot:
		return -1
	}
	return 1
}

// recent is the hashes of the ids of slots from from on, including retired ones. One
// goroutine adds to it while any number look up.
type recent struct {
	from uint64

	mu     sync.RWMutex
	hashes []uint64 // of slot from+i; noHash where the row is damaged
	// Chains, newest first: heads by the first bits of the hash, next by i. Each number is
	// i + 1, and 0 at the end.
	heads, next []uint32

	damaged []uint64 // slots whose rows could not be read when the file was opened
	short   bool     // rows ended before the last slot: the file is damaged
}

func newRecent(from uint64) *recent { return &recent{from: from, heads: make([]uint32, 1<<10)} }

// add adds the next slot.
func (r *recent) add(hash uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hashes = append(r.hashes, hash)
	if len(r.hashes) > len(r.heads) {
		r.heads = make([]uint32, 2*len(r.heads))
		r.chain()
		return
	}
	r.link(len(r.hashes) - 1)
}

// chain makes all chains anew.
func (r *recent) chain() {
	clear(r.heads)
	r.next = r.next[:0]
	for i := range r.hashes {
		r.link(i)
	}
}

// link puts i, the next, at the head of its chain.
func (r *recent) link(i int) {
	r.next = append(r.next, 0)
	if hash := r.hashes[i]; hash != noHash {
		head := &r.heads[hash>>(64-bits.Len(uint(len(r.heads)-1)))]
		r.next[i], *head = *head, uint32(i+1)
	}
}

// find returns the last slot below below whose id has that hash, or NoSlot. Chains end
// where their slots come before from.
func (r *recent) find(hash, below uint64) uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	i := r.heads[hash>>(64-bits.Len(uint(len(r.heads)-1)))]
	for ; i != 0; i = r.next[i-1] {
		if slot := r.from + uint64(i-1); slot < below && r.hashes[i-1] == hash {
			return slot
		}
	}
	return NoSlot
}

// cut removes the slots from end on, which were not committed.
func (r *recent) cut(end uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hashes = r.hashes[:min(end-r.from, uint64(len(r.hashes)))]
	r.chain()
}

// end is the slot that add adds next.
func (r *recent) end() uint64 { return r.from + uint64(len(r.hashes)) }

// since returns a copy without the slots before from.
func (r *recent) since(from uint64) *recent {
	c := newRecent(from)
	for _, hash := range r.hashes[from-r.from:] {
		c.add(hash)
	}
	return c
}

// sorted returns the slots in order of their hashes, without those of damaged rows.
func (r *recent) sorted() []hashed {
	all := make([]hashed, 0, len(r.hashes))
	for i, hash := range r.hashes {
		if hash != noHash {
			all = append(all, hashed{hash, r.from + uint64(i)})
		}
	}
	slices.SortFunc(all, compareHashed)
	return all
}

// readRecent returns what rows has from indexed to next. It notes damaged rows: while one
// cannot be read, nobody can say that an id is not there.
func readRecent(rows *bolt.Bucket, indexed, next uint64) *recent {
	r := newRecent(indexed)
	cursor := rows.Cursor()
	key, value := cursor.Seek(slotKey(indexed))
	for slot := indexed; slot < next; slot++ {
		if r.short = key == nil; r.short {
			break
		}
		hash := uint64(noHash)
		if bytes.Equal(key, slotKey(slot)) {
			if id, _, err := openRow(slot, key, value); err == nil {
				hash = hashID(id)
			}
		}
		if hash == noHash {
			r.damaged = append(r.damaged, slot)
		}
		if bytes.Compare(key, slotKey(slot)) <= 0 { // otherwise the row has no key, and this one is of a later row
			key, value = cursor.Next()
		}
		r.add(hash)
	}
	return r
}

// finder finds rows by id, as of one transaction.
type finder struct {
	state  state
	recent *recent
	rows   *bolt.Bucket
	hashes *bolt.Bucket // nil in a file of version 1
	// bitmap returns the verified retired slots of a span, or nil.
	bitmap func(span uint64) ([]byte, error)
}

// find returns the slot of the live row of that id, or NoSlot. Slots are given in order, so
// the last row with the id decides.
func (f *finder) find(id []byte) (uint64, error) {
	slot, err := f.last(id)
	if err == nil && slot != NoSlot {
		var dead bool
		if dead, err = f.dead(slot); dead {
			slot = NoSlot
		}
	}
	if err == nil && slot == NoSlot {
		err = f.unread()
	}
	if err != nil {
		return NoSlot, fmt.Errorf("id %q: %w", head(id), err)
	}
	return slot, nil
}

func (f *finder) dead(slot uint64) (bool, error) {
	bitmap, err := f.bitmap(slot / retiredSpan)
	return isRetired(bitmap, slot), err
}

// unread returns an error if there is a live row whose id is unknown: it may be the one
// that was not found.
func (f *finder) unread() error {
	for _, slot := range f.recent.damaged {
		if slot >= f.state.Next {
			break
		}
		if dead, err := f.dead(slot); err != nil || !dead {
			return errors.Join(err, corrupt("not found, but it may be the id of slot %d, whose row is damaged", slot))
		}
	}
	return nil
}

// last returns the last slot whose row has that id, or NoSlot.
func (f *finder) last(id []byte) (uint64, error) {
	if f.recent.short {
		return NoSlot, corrupt("rows ends before slot %d", f.state.Next-1)
	}
	hash := hashID(id)
	for slot := f.recent.find(hash, f.state.Next); slot != NoSlot; slot = f.recent.find(hash, slot) {
		if same, err := f.has(slot, id); err != nil || same {
			return slot, err
		}
	}
	// A sweep that ended after this transaction began has taken some out of memory.
	for slot := min(f.recent.from, f.state.Next); slot > f.state.Indexed; slot-- {
		if same, err := f.has(slot-1, id); err != nil || same {
			return slot - 1, err
		}
	}
	block, err := f.block(hash)
	if err != nil {
		return NoSlot, err
	}
	for n := block.after(hash); n > 0 && block.at(n-1).hash == hash; n-- {
		slot := block.at(n - 1).slot
		if same, err := f.has(slot, id); err != nil || same {
			return slot, err
		}
	}
	return NoSlot, nil
}

// has reports whether the row of slot has that id.
func (f *finder) has(slot uint64, id []byte) (bool, error) {
	if slot >= f.state.Next {
		return false, corrupt("its hash leads to slot %d of %d", slot, f.state.Next)
	}
	found, _, err := readRow(f.rows, slot)
	return bytes.Equal(found, id), err
}

// block returns the block on disk that a hash belongs to.
func (f *finder) block(hash uint64) (hashBlock, error) {
	if f.hashes == nil {
		return hashBlock{}, nil
	}
	return seekHashes(f.hashes, hash)
}

// seekHashes returns the block of hashes that a hash belongs to, and verifies that it does.
// If damage changed or hid a key, bbolt leads to another block, which may be whole.
func seekHashes(hashes *bolt.Bucket, hash uint64) (hashBlock, error) {
	cursor := hashes.Cursor()
	block, err := openHashBlock(cursor.Seek(slotKey(hash)))
	if err != nil {
		return hashBlock{}, err
	}
	if !block.floored {
		if key, value := cursor.Prev(); key != nil {
			before, err := openHashBlock(key, value)
			if err != nil {
				return hashBlock{}, err
			}
			block.floor = before.last
		}
	}
	if hash <= block.floor || hash > block.last {
		return hashBlock{}, corrupt("hash %016x leads to the block of hashes after %016x, up to %016x", hash, block.floor, block.last)
	}
	return block, nil
}

// sweep puts the hashes that wait in memory into the bucket of hashes, a part in each
// commit. Entries put there before the sweep ends do no harm. If a crash restarts it, they
// are put there again.
type sweep struct {
	end  uint64   // slots before are in it
	todo []hashed // in order
}

// sweepDue reports whether a sweep should begin: not for fewer rows than a code block has.
func (s Schema) sweepDue(at state) bool {
	return at.Next-at.Indexed >= max(at.Indexed/sweepShare, uint64(s.BlockRows))
}

// step puts the next n of todo into hashes, or a few more, and returns what is left of the
// sweep. It leaves out dead slots, and drops them from the blocks that it writes.
func (s sweep) step(hashes *bolt.Bucket, n int, dead func(slot uint64) (bool, error)) (sweep, error) {
	var carried []hashed // from a block that had become too small to stay,
	var floor uint64     // whose floor this was
	carry, from := false, uint64(0)
	for carry || n > 0 && len(s.todo) > 0 {
		if !carry {
			from = s.todo[0].hash
		}
		block, err := seekHashes(hashes, from)
		if err != nil {
			return s, err
		}
		if !carry {
			floor = block.floor
		}
		last := block.last
		fresh, _ := slices.BinarySearchFunc(s.todo, hashed{last, math.MaxUint64}, compareHashed)
		merged, err := mergeHashes(carried, block, s.todo[:fresh], dead)
		if err != nil {
			return s, err
		}
		s.todo, n = s.todo[fresh:], n-fresh
		if carry = len(merged) < hashBlockRows/4 && last != math.MaxUint64; carry {
			carried, from = merged, last+1
			err = hashes.Delete(slotKey(last))
		} else {
			carried = nil
			err = putHashes(hashes, merged, floor, last)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// mergeHashes appends to all, in order, the entries of block and fresh that are not dead.
func mergeHashes(all []hashed, block hashBlock, fresh []hashed, dead func(slot uint64) (bool, error)) ([]hashed, error) {
	for i := 0; i < block.len() || len(fresh) > 0; {
		var next hashed
		if i < block.len() && (len(fresh) == 0 || compareHashed(block.at(i), fresh[0]) < 0) {
			next = block.at(i)
			i++
		} else {
			next = fresh[0]
			fresh = fresh[1:]
			if i < block.len() && block.at(i) == next { // from a sweep that was interrupted
				i++
			}
		}
		switch gone, err := dead(next.slot); {
		case err != nil:
			return nil, err
		case !gone:
			all = append(all, next)
		}
	}
	return all, nil
}

// putHashes writes all, which are above floor, as blocks of similar size; the last block
// has the key of last. Entries of one hash stay together.
func putHashes(hashes *bolt.Bucket, all []hashed, floor, last uint64) error {
	for blocks := max(1, (len(all)+hashBlockRows-1)/hashBlockRows); blocks > 0; blocks-- {
		n := (len(all) + blocks - 1) / blocks
		for n > 0 && n < len(all) && all[n].hash == all[n-1].hash {
			n++
		}
		end := last
		if n < len(all) {
			end = all[n-1].hash
		} else {
			blocks = 1
		}
		key := slotKey(end)
		if err := hashes.Put(key, seal(key, appendHashes(nil, floor, all[:n]))); err != nil {
			return err
		}
		floor, all = end, all[n:]
	}
	return nil
}
