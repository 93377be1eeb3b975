package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// soundFile writes the closed file of a small shard that has everything: two
// blocks and a tail, rows replaced and removed in each. Its slots are
//
//	0 to 7 and 8 to 15 sealed, 16 to 21 in the tail, of which 16 to 19 have their
//	vectors in a block, 1, 2 and 17 retired
//
// with ids row-00 to row-19, of which row-01 is in slot 20 and row-17 in slot 21. These
// two are found in memory only.
func soundFile(t testing.TB) (*model, string) {
	t.Helper()
	m, path := newModel(tinySchema()), filepath.Join(t.TempDir(), shardFile)
	if err := CreateShard(path, m.schema); err != nil {
		t.Fatal(err)
	}
	s := openShard(t, path)
	rng := newRand(1)
	var first []Op
	for i := range 20 {
		first = append(first, m.randomOp(rng, fmt.Sprintf("row-%02d", i)))
	}
	second := []Op{m.randomOp(rng, "row-01"), {ID: "row-02", Delete: true}, m.randomOp(rng, "row-17")}
	for _, ops := range [][]Op{first, second} {
		mustCommit(t, s, ops...)
		m.commit(ops)
	}
	m.mustHold(t, s)
	mustClose(t, s)
	mustBeSound(t, path)
	return m, path
}

// change is one thing done to the values of a shard's file.
type change func(tx *bolt.Tx) error

func put(bucket []byte, key, value []byte) change {
	return func(tx *bolt.Tx) error { return tx.Bucket(bucket).Put(key, value) }
}

func remove(bucket []byte, key []byte) change {
	return func(tx *bolt.Tx) error { return tx.Bucket(bucket).Delete(key) }
}

func nest(bucket []byte, key string) change {
	return func(tx *bolt.Tx) error {
		_, err := tx.Bucket(bucket).CreateBucket([]byte(key))
		return err
	}
}

// edit replaces a value by what fn makes of a copy of it.
func edit(bucket []byte, key []byte, fn func(value []byte) []byte) change {
	return func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		return b.Put(key, fn(slices.Clone(b.Get(key))))
	}
}

// editBody is edit for checked values, with a checksum that fits again.
func editBody(bucket []byte, key []byte, fn func(body []byte) []byte) change {
	return edit(bucket, key, func(value []byte) []byte { return seal(key, fn(value[:len(value)-4])) })
}

// flip changes a bit of the byte at, counted from the end when negative.
func flip(at int) func(value []byte) []byte {
	return func(value []byte) []byte {
		value[(at+len(value))%len(value)] ^= 1
		return value
	}
}

func cut(value []byte) []byte { return value[:len(value)-1] }

// mendHeader edits a block and gives its header the checksums that fit.
func mendHeader(fn func(block []byte) []byte) func(block []byte) []byte {
	return func(block []byte) []byte {
		block = fn(block)
		if string(block[:4]) == "HNC1" {
			binary.LittleEndian.PutUint32(block[24:], crc32.Checksum(block[64:], castagnoli))
		}
		binary.LittleEndian.PutUint32(block[60:], crc32.Checksum(block[:60], castagnoli))
		return block
	}
}

// mendVectorRow edits a vector row and gives it the checksum that fits.
func mendVectorRow(slot uint64, row []byte, fn func(row []byte) []byte) {
	row = fn(row)
	end := len(row) - 8
	binary.LittleEndian.PutUint32(row[end:], slotCRC(slot, row[:end], row[end+4:]))
}

// swap exchanges the values of two keys.
func swap(bucket []byte, a, b []byte) change {
	return func(tx *bolt.Tx) error {
		bucket := tx.Bucket(bucket)
		x, y := slices.Clone(bucket.Get(a)), slices.Clone(bucket.Get(b))
		return errors.Join(bucket.Put(a, y), bucket.Put(b, x))
	}
}

// editHashes changes the entries of the only block of hashes of a sound file, checksum
// included.
func editHashes(fn func(entries []hashed) []hashed) change {
	return editBody(bucketHashes, slotKey(math.MaxUint64), func(body []byte) []byte {
		var entries []hashed
		block := hashBlock{entries: body[floorBytes:]}
		for i := range block.len() {
			entries = append(entries, block.at(i))
		}
		return appendHashes(nil, 0, fn(entries))
	})
}

// lead is editHashes that has the id row-05 lead to slot, where its hash led before or not.
func lead(slot uint64) change {
	hash := hashID([]byte("row-05"))
	return editHashes(func(entries []hashed) []hashed {
		entries = slices.DeleteFunc(entries, func(e hashed) bool { return e.hash == hash })
		if slot != NoSlot {
			entries = append(entries, hashed{hash, slot})
		}
		slices.SortFunc(entries, compareHashed)
		return entries
	})
}

// editState changes the state, checksum included.
func editState(fn func(s *State)) change {
	return editBody(bucketMeta, keyState, func(body []byte) []byte {
		s, err := tinySchema().parseState(body)
		if err != nil {
			panic(err)
		}
		fn(&s.State)
		return s.append()
	})
}

// Everything that breaks a rule of FORMAT.md is found by Check, which says where.
// Readers find it too, unless it is a lie told with checksums that fit.
func TestCheckFindsEveryBrokenRule(t *testing.T) {
	m, sound := soundFile(t)
	s := m.schema
	const lie = true
	long := strings.Repeat("x", MaxIDBytes+1)
	fillIDs := func(n int) change {
		return func(tx *bolt.Tx) error {
			for i := range n {
				if err := tx.Bucket(bucketTail).Put(slotKey(uint64(100+i)), nil); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name   string
		change change
		want   string // in one of the problems
		lie    bool
	}{
		// Rule 1: blocks and the tail.
		{"a code block is missing", remove(bucketCodes, slotKey(8)), "codes from slot 8: block has 0 bytes", false},
		{"the first code block is missing", remove(bucketCodes, slotKey(0)), "codes: key 0000000000000008, want slot 0", false},
		{"a code block too many", put(bucketCodes, slotKey(16), make([]byte, s.codeBlock())), "codes: key 0000000000000010", lie},
		{"a code block between others", put(bucketCodes, slotKey(4), make([]byte, s.codeBlock())), "codes: key 0000000000000004", lie},
		{"a key of codes that is no slot", put(bucketCodes, []byte("abc"), []byte("x")), "codes: key 616263", lie},
		{"a bucket in codes", nest(bucketCodes, "zzz"), "codes: key 7a7a7a", lie},
		{"a vector block is missing", remove(bucketVectors, slotKey(4)), "vectors from slot 4: block has 0 bytes", false},
		{"the last vector block is missing", remove(bucketVectors, slotKey(16)), "vectors: key 000000000000001000", false},
		{"a vector block too many", put(bucketVectors, slotKey(20), make([]byte, s.vectorBlock())), "vectors: key 0000000000000014", lie},
		{"a lid with something in it", put(bucketVectors, lidKey(16, 0), []byte("x")), "vectors: key 000000000000001000", lie},
		{"a lid too many", put(bucketCodes, lidKey(8, lidKeys), nil), "codes: key 000000000000000804", lie},
		{"a lid after no block", put(bucketCodes, lidKey(9, 0), nil), "codes: key 000000000000000900", lie},
		{"a lid after a row", put(bucketRows, lidKey(8, 0), nil), "rows: key 000000000000000800", lie},
		{"a tail row is missing", remove(bucketTail, slotKey(18)), "tail: 5 rows, want slots 16 to 22", false},
		{"a tail row too many", put(bucketTail, slotKey(22), make([]byte, s.tailRow())), "tail: 7 rows, want slots 16 to 22", lie},
		{"a sealed row is in the tail as well", put(bucketTail, slotKey(3), make([]byte, s.tailRow())), "tail: 7 rows", lie},
		{"a key of the tail that is no slot", put(bucketTail, []byte("abc"), []byte("x")), "tail: 7 rows", lie},

		// The header.
		{"a code block a byte short", edit(bucketCodes, slotKey(0), cut), "codes from slot 0: block has", false},
		{"an empty code block", put(bucketCodes, slotKey(0), nil), "codes from slot 0: block has 0 bytes", false},
		{"the magic of codes", edit(bucketCodes, slotKey(0), mendHeader(flip(0))), "codes from slot 0: block header", false},
		{"the rows of a code block", edit(bucketCodes, slotKey(0), mendHeader(flip(4))), "codes from slot 0: block header", false},
		{"the first slot of a code block", edit(bucketCodes, slotKey(0), mendHeader(flip(8))), "codes from slot 0: block header", false},
		{"the bytes a row of a code block", edit(bucketCodes, slotKey(0), mendHeader(flip(16))), "codes from slot 0: block header", false},
		{"the dims of a code block", edit(bucketCodes, slotKey(0), mendHeader(flip(20))), "codes from slot 0: block header", false},
		{"the checksum of a code block's body", edit(bucketCodes, slotKey(0), flip(24)), "codes from slot 0: block header", false},
		{"the zeros of a code block's header", edit(bucketCodes, slotKey(0), mendHeader(flip(59))), "codes from slot 0: block header", false},
		{"the checksum of a code block's header", edit(bucketCodes, slotKey(0), flip(60)), "codes from slot 0: block header", false},
		{"the magic of vectors", edit(bucketVectors, slotKey(4), mendHeader(flip(3))), "vectors from slot 4: block header", false},
		{"the rows of a vector block", edit(bucketVectors, slotKey(4), mendHeader(flip(5))), "vectors from slot 4: block header", false},
		{"the first slot of a vector block", edit(bucketVectors, slotKey(4), mendHeader(flip(15))), "vectors from slot 4: block header", false},
		{"the bytes a row of a vector block", edit(bucketVectors, slotKey(4), mendHeader(flip(19))), "vectors from slot 4: block header", false},
		{"the dims of a vector block", edit(bucketVectors, slotKey(4), mendHeader(flip(23))), "vectors from slot 4: block header", false},
		{"a checksum where a vector block has none", edit(bucketVectors, slotKey(4), mendHeader(flip(24))), "vectors from slot 4: block header", false},
		{"the zeros of a vector block's header", edit(bucketVectors, slotKey(4), mendHeader(flip(28))), "vectors from slot 4: block header", false},
		{"the checksum of a vector block's header", edit(bucketVectors, slotKey(4), flip(63)), "vectors from slot 4: block header", false},

		// Their rows.
		{"a code", edit(bucketCodes, slotKey(8), flip(64)), "codes from slot 8: checksum", false},
		{"a scalar", edit(bucketCodes, slotKey(8), flip(-1)), "codes from slot 8: checksum", false},
		{"a bit past the last dimension of a sealed code", edit(bucketCodes, slotKey(8), mendHeader(func(block []byte) []byte {
			block[64+16*3+15] |= 0x80 // the last byte of the fourth code
			return block
		})), "code of slot 11: bits past dimension 70", lie},
		{"a sealed vector", edit(bucketVectors, slotKey(4), flip(64+24*2)), "vector of slot 6: checksum", false},
		{"the checksum of a sealed vector", edit(bucketVectors, slotKey(4), flip(-8)), "vector of slot 7: checksum", false},
		{"the flags of a sealed vector", edit(bucketVectors, slotKey(4), func(block []byte) []byte {
			mendVectorRow(5, block[64+24:64+48], flip(-1))
			return block
		}), "vector of slot 5: flags 01000000", lie},
		{"the zeros after a sealed vector", edit(bucketVectors, slotKey(4), func(block []byte) []byte {
			mendVectorRow(4, block[64:64+24], flip(15))
			return block
		}), "vector of slot 4: zeros", lie},
		{"a tail row a byte short", edit(bucketTail, slotKey(20), cut), "tail row of slot 20 has", false},
		{"a tail row without its vector", edit(bucketTail, slotKey(20), func(row []byte) []byte { return row[24:] }), "tail row of slot 20 has", false},
		{"a tail row with a vector that is packed", edit(bucketTail, slotKey(16), func(row []byte) []byte {
			return append(make([]byte, 24), row...)
		}), "tail row of slot 16 has", false},
		{"a tail vector", edit(bucketTail, slotKey(20), flip(0)), "vector of slot 20: checksum", false},
		{"a packed vector of the tail", edit(bucketVectors, slotKey(16), flip(-24)), "vector of slot 19: checksum", false},
		{"a tail code", edit(bucketTail, slotKey(20), flip(24)), "code of slot 20: checksum", false},
		{"a tail code without its vector", edit(bucketTail, slotKey(16), flip(0)), "code of slot 16: checksum", false},
		{"a tail scalar", edit(bucketTail, slotKey(16), flip(-5)), "code of slot 16: checksum", false},
		{"the flags of a tail vector", edit(bucketTail, slotKey(21), func(row []byte) []byte {
			mendVectorRow(21, row[:24], flip(20))
			return row
		}), "vector of slot 21: flags 00000001", lie},
		{"a bit past the last dimension of a tail code", edit(bucketTail, slotKey(21), func(row []byte) []byte {
			row[24+15] |= 1
			binary.LittleEndian.PutUint32(row[48:], slotCRC(21, row[24:48]))
			return row
		}), "code of slot 21: bits past dimension 70", lie},

		// Rule 2: a row for every slot.
		{"a row is missing", remove(bucketRows, slotKey(5)), "rows: key 0000000000000006, want slot 5", false},
		{"the last row is missing", remove(bucketRows, slotKey(21)), "rows: ends before slot 21", false},
		{"the row of a retired slot is missing", remove(bucketRows, slotKey(1)), "row of slot 1: value has 0 bytes", false},
		{"a row too many", put(bucketRows, slotKey(22), seal(slotKey(22), appendRow(nil, "row-22", nil))), "rows: key 0000000000000016", lie},
		{"a row", edit(bucketRows, slotKey(5), flip(3)), "row of slot 5: checksum", false},
		{"a row without its id", editBody(bucketRows, slotKey(5), func([]byte) []byte { return []byte{9, 0, 'r'} }), "row of slot 5: row's id has 9 bytes", false},
		{"a row with an empty id", editBody(bucketRows, slotKey(5), func([]byte) []byte { return appendRow(nil, "", nil) }), "row of slot 5: id of 0", lie},
		{"a row with an id too long", editBody(bucketRows, slotKey(5), func([]byte) []byte { return appendRow(nil, long, nil) }), "row of slot 5: id of 513", lie},
		{"a row with too much metadata", editBody(bucketRows, slotKey(5), func([]byte) []byte {
			return appendRow(nil, "row-05", make([]byte, MaxMetadataBytes+1))
		}), "row of slot 5: id of 6 and metadata of 65537", lie},

		// Rule 3: ids and their rows.
		{"a hash is missing", lead(NoSlot), `row of slot 5, id "row-05": is live, and its id leads to no slot`, lie},
		{"a hash leads to a row before", lead(4), "leads to slot 4, whose id has the hash", lie},
		{"a hash leads past the last slot", lead(22), "leads to slot 22 of 22", false},
		{"a floor too high", editBody(bucketHashes, slotKey(math.MaxUint64), func(body []byte) []byte {
			return slices.Concat(slotKey(math.MaxUint64), body[floorBytes:])
		}), "hashes to ffffffffffffffff: after ffffffffffffffff, want 0000000000000000", false},
		{"hashes out of order", editHashes(func(entries []hashed) []hashed {
			slices.Reverse(entries)
			return entries
		}), "is out of order", lie},
		{"a hash in a block too late", put(bucketHashes, slotKey(1<<63), seal(slotKey(1<<63), nil)), "is out of order", lie},
		{"a hash twice", editHashes(func(entries []hashed) []hashed { return append(entries, entries[19]) }), "is out of order", lie},
		{"a hash", edit(bucketHashes, slotKey(math.MaxUint64), flip(0)), "hashes to ffffffffffffffff: checksum", false},
		{"half a hash", editBody(bucketHashes, slotKey(math.MaxUint64), cut), "hashes to ffffffffffffffff: 327 bytes, want 8 and entries of 16", false},
		{"hashes are missing", remove(bucketHashes, slotKey(math.MaxUint64)), "hashes: the last key is , want ffffffffffffffff", false},
		{"a key of hashes that is none", put(bucketHashes, []byte("abc"), seal([]byte("abc"), nil)), "hashes to 616263: 0 bytes", false},
		{"a bucket in hashes", nest(bucketHashes, "zzz"), "hashes to 7a7a7a", false},
		{
			"two live rows of one id", editBody(bucketRows, slotKey(20), func([]byte) []byte { return appendRow(nil, "row-05", nil) }),
			`row of slot 5, id "row-05": is live, and its id leads to slot 20`, lie,
		},

		// Rule 4: live and retired.
		{"fewer live rows than there are", editState(func(s *State) { s.Live-- }), "state: 18 live and 3 retired rows, want 22", lie},
		{"more live rows than there are", editState(func(s *State) { s.Live++ }), "state: 20 live and 3 retired rows, want 22", lie},
		{"a bit too many", editBody(bucketRetired, slotKey(0), flip(0)), "state: 19 live and 4 retired rows, want 22", lie},
		{"a slot retired that is to come", editBody(bucketRetired, slotKey(0), flip(3)), "retired: slot 24 of 22", false},
		{"a bitmap", edit(bucketRetired, slotKey(0), flip(0)), "retired slots from 0: checksum", false},
		{"a bitmap a byte short", editBody(bucketRetired, slotKey(0), cut), "retired slots from 0: bitmap has 8191 bytes", false},
		{"a bitmap is missing", remove(bucketRetired, slotKey(0)), `row of slot 1, id "row-01": is live, and its id leads to slot 20`, false},
		{"an empty bitmap", put(bucketRetired, slotKey(1), seal(slotKey(1), make([]byte, retiredBytes))), "retired slots from 65536, of 22 in all", false},
		{"a key of retired that is no span", put(bucketRetired, []byte("abc"), []byte("x")), "retired slots: key 616263", false},

		// Rule 5.
		{"rows, but no commit that made them", editState(func(s *State) { s.Commits = 0 }), "state: 0 commits, but 22 rows", lie},

		// The meta bucket, as far as the shard opens.
		{"an unknown key", put(bucketMeta, []byte("hello"), []byte("x")), `meta: unknown key "hello"`, lie},
		{"an unknown bucket in meta", nest(bucketMeta, "world"), `meta: unknown key "world"`, lie},

		// Values that are whole but in the wrong place.
		{"code blocks swapped", swap(bucketCodes, slotKey(0), slotKey(8)), "codes from slot 0: block header", false},
		{"vector blocks swapped", swap(bucketVectors, slotKey(0), slotKey(12)), "vectors from slot 12: block header", false},
		{"tail rows swapped", swap(bucketTail, slotKey(16), slotKey(17)), "code of slot 17: checksum", false},
		{"rows swapped", swap(bucketRows, slotKey(3), slotKey(4)), "row of slot 3: checksum", false},

		{"more problems than anyone wants to read", fillIDs(300), "tail: 306 rows", lie},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), shardFile)
			copyFile(t, path, sound, 1<<20)
			tamper(t, path, tt.change)
			s := openShard(t, path)
			found := problems(t, s)
			if !mentions(found, tt.want) {
				t.Errorf("problems are\n%s\nwant one with\n%s", strings.Join(found, "\n"), tt.want)
			}
			if tt.lie {
				return
			}
			v := m.read(s)
			if len(v.errs) == 0 || len(v.wrong) > 0 {
				t.Errorf("readers were refused %d times and were given wrong answers %q", len(v.errs), v.wrong)
			}
			for _, err := range v.errs {
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
					t.Errorf("error is %v, want ErrCorrupt and the path", err)
				}
			}
		})
	}
}

// The second bitmap of a shard needs 65,536 rows, which the table above has not.
func TestCheckFindsAnEmptyBitmap(t *testing.T) {
	_, path := soundFile(t)
	empty := seal(slotKey(0), make([]byte, retiredBytes))
	tamper(t, path, put(bucketRetired, slotKey(0), empty))
	if found := problems(t, openShard(t, path)); !mentions(found, "retired: an empty bitmap from slot 0") {
		t.Errorf("problems are %q", found)
	}
}

// What bbolt itself says of its pages is among the problems: here that a key comes
// before those in front of it.
func TestCheckFindsDamageToThePages(t *testing.T) {
	path := filepath.Join(t.TempDir(), shardFile)
	makeFlipFile(t, "with branches", path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	row := []byte("\x14\x00idid") // as the row of each id of 20 bytes begins
	disordered := bytes.ReplaceAll(content, slices.Concat(slotKey(50), row), slices.Concat(slotKey(0), row))
	if bytes.Equal(disordered, content) {
		t.Fatal("the row is not where it should be")
	}
	damaged := filepath.Join(t.TempDir(), shardFile)
	if err := os.WriteFile(damaged, disordered, 0o600); err != nil {
		t.Fatal(err)
	}
	if found := openShard(t, damaged).CheckPages(); !mentions(found, "bbolt: ") {
		t.Errorf("problems are %q", found)
	}
}

// bboltPages returns the numbers of the root page and of the freelist's page of a
// file that was closed well.
func bboltPages(t *testing.T, path string) (root, freelist int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, f)
	const page, header = 4096, 16
	const rootAt, freelistAt, txidAt = header + 16, header + 32, header + 48
	metas := make([]byte, 2*page)
	if _, err := f.ReadAt(metas, 0); err != nil {
		t.Fatal(err)
	}
	meta := metas[:page]
	if number := binary.NativeEndian.Uint64; number(meta[txidAt:]) < number(metas[page+txidAt:]) {
		meta = metas[page:]
	}
	root, freelist = int64(binary.NativeEndian.Uint64(meta[rootAt:])), int64(binary.NativeEndian.Uint64(meta[freelistAt:]))
	if root < 2 || freelist < 2 {
		t.Fatalf("root page %d, freelist page %d", root, freelist)
	}
	return root, freelist
}

// overwrite writes b into a file, past whoever has it open.
func overwrite(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	mustClose(t, f)
}

// A page that claims to run over into millions of others would have bbolt's own
// check note each of them.
func TestCheckIsNotDrownedByADamagedPage(t *testing.T) {
	m, path := soundFile(t)
	s := openShard(t, path)
	page := rootPage(t, s, bucketRetired)
	overwrite(t, path, page*4096+12, []byte{0xff, 0xff, 0xff, 0x7f})
	m.mustHold(t, s) // readers need not know
	if found := problems(t, s); !mentions(found, fmt.Sprintf("bbolt: page %d of 9 runs over into 2147483647 more", page)) {
		t.Errorf("problems are %q", found)
	}
}

func TestCheckStopsAtMaxProblems(t *testing.T) {
	_, path := soundFile(t)
	tamper(t, path, editState(func(s *State) { s.Next, s.Live = 1<<60, 1<<60-3 }))
	if found := problems(t, openShard(t, path)); len(found) != MaxProblems {
		t.Errorf("%d problems, want %d", len(found), MaxProblems)
	}
}

func TestCheckVisitsEveryRowThatIsWhole(t *testing.T) {
	m, path := soundFile(t)
	tamper(t, path, edit(bucketVectors, slotKey(4), flip(64)))
	tamper(t, path, edit(bucketTail, slotKey(20), flip(24)))
	s := openShard(t, path)
	var visited []uint64
	report, err := s.Check(t.Context(), func(slot uint64, code []uint64, scalars []float32, vector []byte) error {
		visited = append(visited, slot)
		want := m.rows[slot]
		if !slices.Equal(code, want.Code) || !slices.EqualFunc(scalars, want.Scalars, sameBits) || string(vector) != string(want.Vector) {
			t.Errorf("row %d is %x %v %x, want %x %v %x", slot, code, scalars, vector, want.Code, want.Scalars, want.Vector)
		}
		if slot == 9 {
			return errors.New("not to my taste")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []uint64{0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21}
	if !slices.Equal(visited, want) {
		t.Errorf("visited %d, want %d", visited, want)
	}
	if len(report.Problems) != 3 || !mentions(report.Problems, "slot 9: not to my taste") {
		t.Errorf("problems are %q, want those of slots 4, 9 and 20", report.Problems)
	}
}

func TestCheckCountsWhatItRead(t *testing.T) {
	m, path := soundFile(t)
	report, err := openShard(t, path).Check(t.Context(), nil)
	if err != nil || report.Rows != uint64(len(m.rows)) || report.Blocks != 2+5 || len(report.Problems) != 0 {
		t.Errorf("report is %+v (%v), want %d rows and 7 blocks", report, err, len(m.rows))
	}
}

func TestCheckStopsWhenToldTo(t *testing.T) {
	_, path := soundFile(t)
	ctx, cancel := context.WithCancel(t.Context())
	report, err := openShard(t, path).Check(ctx, func(uint64, []uint64, []float32, []byte) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || report.Rows > 8 {
		t.Errorf("%d rows were read, error %v; want no more than the block at hand and %v", report.Rows, err, context.Canceled)
	}
}
