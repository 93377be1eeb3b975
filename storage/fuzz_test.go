package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
)

// No parser panics, whatever it is given, and what it accepts is what the writer
// would write.

func refusedAsCorrupt(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
		t.Errorf("error is %v, want ErrCorrupt or ErrVersion", err)
	}
	return err != nil
}

func FuzzCheckedValue(f *testing.F) {
	state := state{State: State{Next: 3, Live: 2, Commits: 1}, Indexed: 1}.append()
	f.Add([]byte("state"), seal(keyState, bytes.Clone(state)))
	f.Add([]byte("state"), state)
	f.Add([]byte("format"), seal(keyFormat, appendFormat(shardMagic, shardVersion)))
	f.Add([]byte("format"), appendFormat(catalogMagic, catalogVersion))
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0}, bytes.Repeat([]byte{0xff}, 24))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if body, err := unseal(key, value); !refusedAsCorrupt(t, err) {
			if again := seal(key, bytes.Clone(body)); !bytes.Equal(again, value) {
				t.Errorf("sealed again it is %x, was %x", again, value)
			}
		}
		// Few values get past a checksum: take this one for a body as well.
		if body, err := unseal(key, seal(key, bytes.Clone(value))); err != nil || !bytes.Equal(body, value) {
			t.Fatalf("sealed and unsealed it is %x (%v), was %x", body, err, value)
		}
		s, err := tinySchema().parseState(value)
		if !refusedAsCorrupt(t, err) && (!bytes.HasPrefix(s.append(), value) || s.Live > s.Next || s.Indexed > s.Next || s.Packed > s.Next) {
			t.Errorf("state %+v of %x", s, value)
		}
		if v, err := parseFormat(value, shardMagic, shardVersion); !refusedAsCorrupt(t, err) && !bytes.Equal(value, appendFormat(shardMagic, v)) {
			t.Errorf("format %x", value)
		}
		if slot, err := parseSlotKey(key); !refusedAsCorrupt(t, err) && !bytes.Equal(slotKey(slot), key) {
			t.Errorf("slot %d of key %x", slot, key)
		}
		if block, err := openHashBlock(key, seal(key, bytes.Clone(value))); !refusedAsCorrupt(t, err) {
			var entries []hashed
			for i := range block.len() {
				entries = append(entries, block.at(i))
			}
			again := appendHashes(nil, block.floor, entries)
			if !block.floored {
				again = again[floorBytes:]
			}
			if !bytes.Equal(again, value) {
				t.Errorf("hashes %x, were %x", again, value)
			}
		}
	})
}

func FuzzRow(f *testing.F) {
	f.Add(appendRow(nil, "id", []byte("metadata")))
	f.Add(appendRow(nil, "", nil))
	f.Add([]byte{0xff, 0xff, 'x'})
	f.Fuzz(func(t *testing.T, body []byte) {
		id, metadata, err := parseRow(body)
		if !refusedAsCorrupt(t, err) && !bytes.Equal(appendRow(nil, string(id), metadata), body) {
			t.Errorf("row %q %x of %x", id, metadata, body)
		}
	})
}

func FuzzHeader(f *testing.F) {
	s := tinySchema()
	codes := appendHeader(nil, codeMagic, s.BlockRows, 8, s.codeRow(), s.Dims, 7)
	f.Add(append(codes, make([]byte, s.BlockRows*s.codeRow())...), uint64(8))
	vectors := appendHeader(nil, vectorMagic, s.ChunkRows, 4, s.vectorRow(), s.Dims, 0)
	f.Add(append(vectors, make([]byte, s.ChunkRows*s.vectorRow())...), uint64(4))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, block []byte, first uint64) {
		body, crc, err := checkHeader(block, codeMagic, s.BlockRows, first, s.codeRow(), s.Dims)
		if !refusedAsCorrupt(t, err) {
			again := append(appendHeader(nil, codeMagic, s.BlockRows, first, s.codeRow(), s.Dims, crc), body...)
			if !bytes.Equal(again, block) {
				t.Errorf("written again it is %x, was %x", again, block)
			}
		}
		body, crc, err = checkHeader(block, vectorMagic, s.ChunkRows, first, s.vectorRow(), s.Dims)
		if !refusedAsCorrupt(t, err) {
			again := append(appendHeader(nil, vectorMagic, s.ChunkRows, first, s.vectorRow(), s.Dims, 0), body...)
			if !bytes.Equal(again, block) || crc != 0 {
				t.Errorf("written again it is %x, was %x", again, block)
			}
		}
	})
}

func FuzzTailRow(f *testing.F) {
	s := tinySchema()
	op := newModel(s).randomOp(newRand(1), "x")
	f.Add(uint64(7), s.appendTailRow(nil, 7, &op, false))
	f.Add(uint64(0), []byte{})
	f.Add(uint64(1<<63), make([]byte, s.tailRow()))
	f.Fuzz(func(t *testing.T, slot uint64, value []byte) {
		checkTailRow(t, s, slot, value)
		if len(value) != s.tailRow() {
			return
		}
		// The same with checksums that fit.
		value = bytes.Clone(value)
		mendVectorRow(slot, value[:s.vectorRow()], func(row []byte) []byte { return row })
		end := len(value) - crcBytes
		binary.LittleEndian.PutUint32(value[end:], slotCRC(slot, value[s.vectorRow():end]))
		if !checkTailRow(t, s, slot, value) {
			t.Errorf("refused %x", value)
		}
	})
}

// checkTailRow parses a tail row, and writes again what it accepts.
func checkTailRow(t *testing.T, s Schema, slot uint64, value []byte) bool {
	t.Helper()
	vectorRow, codeRow, err := s.parseTailRow(slot, value, false)
	if refusedAsCorrupt(t, err) {
		return false
	}
	vector, err := s.parseVectorRow(slot, vectorRow)
	if refusedAsCorrupt(t, err) {
		return false
	}
	op := Op{Code: make([]uint64, s.words()), Scalars: make([]float32, s.Scalars), Vector: vector}
	code.FromBytes(op.Code, codeRow)
	decodeScalars(op.Scalars, codeRow[8*s.words():])
	for _, x := range op.Scalars {
		if math.IsNaN(float64(x)) {
			return true // a signalling NaN need not stay one
		}
	}
	zeros := vectorRow[s.VectorBytes:]
	plain := bytes.Count(zeros[:len(zeros)-8], []byte{0}) == len(zeros)-8 && binary.LittleEndian.Uint32(zeros[len(zeros)-4:]) == 0
	// Check tells of other padding and flags; no reader looks at them.
	if again := s.appendTailRow(nil, slot, &op, false); plain && !bytes.Equal(again, value) {
		t.Errorf("written again it is %x, was %x", again, value)
	}
	return true
}

func FuzzEntry(f *testing.F) {
	f.Add("docs", []byte(`{"id":"0123456789abcdef0123456789abcdef","created":"2026-01-02T03:04:05.678901Z","labels":{"a":"b"}}`))
	f.Add("", []byte(`{"id":"../../../../etc","labels":{"a":1}}`))
	f.Add("x", []byte("null"))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		if _, err := parseEntry([]byte(name), body); !refusedAsCorrupt(t, err) && len(body) < crcBytes {
			t.Errorf("an entry of %x", body)
		}
		e, err := parseEntry([]byte(name), seal([]byte(name), bytes.Clone(body)))
		if refusedAsCorrupt(t, err) {
			return
		}
		if e.Name != name || len(e.ID) != 32 || bytes.ContainsAny([]byte(e.ID), "/.\\") {
			t.Errorf("entry %+v of %q", e, body)
		}
		again, err := json.Marshal(entryValue{e.ID, e.Created, e.Labels})
		if err != nil {
			return // a year that RFC 3339 cannot write
		}
		if back, err := parseEntry([]byte(name), seal([]byte(name), again)); err != nil || !back.Created.Equal(e.Created) || back.ID != e.ID || len(back.Labels) != len(e.Labels) {
			t.Errorf("entry %+v came back as %+v (%v)", e, back, err)
		}
	})
}

func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"dims":768,"scalars":0,"vector_bytes":3072,"block_rows":1024,"chunk_rows":64,"engine":{}}`))
	f.Add([]byte(`{"dims":1048576,"scalars":16,"vector_bytes":8388608,"block_rows":65536,"chunk_rows":65536,"engine":null}`))
	f.Add([]byte(`{"dims":1,"block_rows":0,"chunk_rows":0,"engine":0}`))
	f.Add([]byte(`{"dims":-1,"block_rows":-9223372036854775808}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var s Schema
		if json.Unmarshal(body, &s) != nil {
			return
		}
		for _, s := range []Schema{s, s.withDefaults()} {
			if s.validate() != nil {
				continue
			}
			// Sizes computed from it are what they seem.
			if s.words() < 1 || s.codeRow() < 8 || s.vectorRow() < 8 || s.vectorRow() < s.VectorBytes+8 || s.vectorRow()%8 != 0 ||
				s.codeBlock() > maxBlockBytes+headerBytes || s.vectorBlock() > maxBlockBytes+headerBytes ||
				s.tailRow() > 16<<20 || s.ChunkRows > s.BlockRows || s.BlockRows%s.ChunkRows != 0 {
				t.Errorf("schema %+v is valid", s)
			}
			if s.withDefaults().BlockRows != s.BlockRows || s.withDefaults().ChunkRows != s.ChunkRows {
				t.Errorf("schema %+v changed to %+v", s, s.withDefaults())
			}
			encoded, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			var back Schema
			if err := json.Unmarshal(encoded, &back); err != nil || back.validate() != nil || back.Dims != s.Dims || back.BlockRows != s.BlockRows {
				t.Errorf("schema %+v came back as %+v (%v)", s, back, err)
			}
		}
	})
}
