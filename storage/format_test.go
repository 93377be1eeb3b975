package storage

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

func TestDefaultRowsOfABlock(t *testing.T) {
	for _, tt := range []struct {
		dims, vectorBytes int
		blockRows         int
		chunkRows         int
	}{
		{dims: 1, vectorBytes: 4, blockRows: 8192, chunkRows: 8192}, // all that a code block has
		{dims: 64, vectorBytes: 256, blockRows: 8192, chunkRows: 512},
		{dims: 65, vectorBytes: 260, blockRows: 4096, chunkRows: 512},
		{dims: 256, vectorBytes: 1024, blockRows: 2048, chunkRows: 128},
		{dims: 512, vectorBytes: 2048, blockRows: 1024, chunkRows: 64},
		{dims: 768, vectorBytes: 3072, blockRows: 1024, chunkRows: 64},
		{dims: 1024, vectorBytes: 4096, blockRows: 1024, chunkRows: 32},
		{dims: 4096, vectorBytes: 16384, blockRows: 1024, chunkRows: 8},
		{dims: 65536, vectorBytes: 262144, blockRows: 1024, chunkRows: 8}, // 2 MiB: never fewer than 8
		{dims: 768, vectorBytes: 0, blockRows: 1024, chunkRows: 1024},
		// 64 of these rows are 256 KiB, and the header would come on top.
		{dims: 1022, vectorBytes: 4088, blockRows: 1024, chunkRows: 32},
	} {
		t.Run(fmt.Sprintf("dims=%d/vector=%d", tt.dims, tt.vectorBytes), func(t *testing.T) {
			s := Schema{Dims: tt.dims, VectorBytes: tt.vectorBytes, Engine: []byte("{}")}.withDefaults()
			if s.BlockRows != tt.blockRows || s.ChunkRows != tt.chunkRows {
				t.Errorf("blocks of %d and %d rows, want %d and %d", s.BlockRows, s.ChunkRows, tt.blockRows, tt.chunkRows)
			}
		})
	}
}

func TestDefaultRowsKeepTheSizesOfTheFormat(t *testing.T) {
	for dims := 1; dims < 20000; dims += 1 + dims/7 {
		for _, vectorBytes := range []int{0, dims, 2 * dims, 4 * dims} {
			s := Schema{Dims: dims, VectorBytes: vectorBytes, Engine: []byte("{}")}.withDefaults()
			if err := s.validate(); err != nil {
				t.Fatalf("%+v: %v", s, err)
			}
			codes := func(rows int) int { return rows * 8 * s.words() }
			if codes(s.BlockRows) < 64<<10 || (s.BlockRows > 1024 && codes(s.BlockRows/2) >= 64<<10) {
				t.Errorf("%+v: %d is not the fewest rows from 1024 with codes of 64 KiB", s, s.BlockRows)
			}
			if s.vectorBlock() > 256<<10 && s.ChunkRows > 8 {
				t.Errorf("%+v: a vector block has %d bytes", s, s.vectorBlock())
			}
			double := s
			double.ChunkRows *= 2
			if double.ChunkRows <= s.BlockRows && double.vectorBlock() <= 256<<10 {
				t.Errorf("%+v: a vector block has only %d bytes", s, s.vectorBlock())
			}
		}
	}
}

func TestGivenRowsOfABlockAreKept(t *testing.T) {
	for _, tt := range []struct{ block, chunk, wantBlock, wantChunk int }{
		{64, 16, 64, 16},
		{0, 16, 1024, 16},
		{64, 0, 64, 64},
		{4, 0, 4, 4}, // no room for the 8 that a vector block has at least
		{1, 0, 1, 1},
	} {
		s := Schema{Dims: 768, VectorBytes: 768, BlockRows: tt.block, ChunkRows: tt.chunk, Engine: []byte("{}")}.withDefaults()
		if s.BlockRows != tt.wantBlock || s.ChunkRows != tt.wantChunk {
			t.Errorf("blocks of %d and %d rows became %d and %d, want %d and %d", tt.block, tt.chunk, s.BlockRows, s.ChunkRows, tt.wantBlock, tt.wantChunk)
		}
		if err := s.validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestASchemaIsWithinBounds(t *testing.T) {
	for _, tt := range []struct {
		name string
		bend func(s *Schema)
		want string // in the error, "" for none
	}{
		{"as it is", func(*Schema) {}, ""},
		{"one dimension", func(s *Schema) { s.Dims = 1 }, ""},
		{"no dimension", func(s *Schema) { s.Dims = 0 }, "dims 0"},
		{"most dimensions", func(s *Schema) { s.Dims = 1 << 20 }, ""},
		{"one dimension more", func(s *Schema) { s.Dims = 1<<20 + 1 }, "dims 1048577"},
		{"no scalars", func(s *Schema) { s.Scalars = 0 }, ""},
		{"less than none", func(s *Schema) { s.Scalars = -1 }, "scalars -1"},
		{"most scalars", func(s *Schema) { s.Scalars = 64 }, ""},
		{"one scalar more", func(s *Schema) { s.Scalars = 65 }, "scalars 65"},
		{"no vector", func(s *Schema) { s.VectorBytes = 0 }, ""},
		{"a vector shorter than none", func(s *Schema) { s.VectorBytes = -1 }, "vector_bytes -1"},
		{"the longest vector", func(s *Schema) { s.VectorBytes = 8 << 20 }, ""},
		{"a byte longer", func(s *Schema) { s.VectorBytes = 8<<20 + 1 }, "vector_bytes 8388609"},
		{"one row to a block", func(s *Schema) { s.BlockRows, s.ChunkRows = 1, 1 }, ""},
		{"no rows to a block", func(s *Schema) { s.BlockRows = 0 }, "block_rows 0"},
		{"rows that are no power of two", func(s *Schema) { s.BlockRows = 12 }, "block_rows 12"},
		{"the lowest number", func(s *Schema) { s.BlockRows = math.MinInt }, "block_rows -"},
		{"most rows", func(s *Schema) { s.BlockRows = 1 << 16 }, ""},
		{"more than most", func(s *Schema) { s.BlockRows = 1 << 17 }, "block_rows 131072"},
		{"no rows to a vector block", func(s *Schema) { s.ChunkRows = 0 }, "chunk_rows 0"},
		{"three rows to a vector block", func(s *Schema) { s.ChunkRows = 3 }, "chunk_rows 3"},
		{"larger vector blocks than code blocks", func(s *Schema) { s.ChunkRows = 16 }, "chunk_rows 16"},
		// bbolt takes no value of 2 GiB, and nobody wants to read one.
		{"a code block of 8 GiB", func(s *Schema) { s.Dims, s.BlockRows = 1<<20, 1<<16 }, "code block"},
		{"a vector block of 512 GiB", func(s *Schema) { s.VectorBytes, s.BlockRows, s.ChunkRows = 8<<20, 1<<16, 1<<16 }, "vector block"},
		{"an engine of JSON null", func(s *Schema) { s.Engine = []byte("null") }, ""},
		{"no engine", func(s *Schema) { s.Engine = nil }, "engine"},
		{"an engine cut short", func(s *Schema) { s.Engine = []byte(`{"a":`) }, "engine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tinySchema()
			tt.bend(&s)
			err := s.validate()
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}

// The engine's part comes back as the same JSON, which is not the same bytes.
func TestTheEnginesPartOfTheSchemaComesBack(t *testing.T) {
	for _, engine := range []string{`null`, `0`, `"<&>"`, ` { "b" : [1, 2.50],` + "\n" + `"a": "é` + "\u2028" + `" } `, `12345678901234567890123456789`} {
		schema := tinySchema()
		schema.Engine = json.RawMessage(engine)
		got := newShard(t, schema).Schema().Engine
		decode := func(raw []byte) string {
			var v any
			d := json.NewDecoder(strings.NewReader(string(raw)))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(v)
		}
		if decode(got) != decode([]byte(engine)) {
			t.Errorf("engine %q came back as %q", engine, got)
		}
	}
}

// byHand puts values together as FORMAT.md says, by nothing but this file.
type byHand struct{}

func (byHand) join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		case uint16:
			b = append(b, byte(p), byte(p>>8))
		case uint32:
			b = append(b, byte(p), byte(p>>8), byte(p>>16), byte(p>>24))
		case uint64:
			b = append(b, byte(p), byte(p>>8), byte(p>>16), byte(p>>24), byte(p>>32), byte(p>>40), byte(p>>48), byte(p>>56))
		default:
			panic(fmt.Sprintf("%T", p))
		}
	}
	return b
}

func (h byHand) crc(parts ...any) uint32 {
	return crc32.Checksum(h.join(parts...), crc32.MakeTable(crc32.Castagnoli))
}

// key is a number in a key: the only big-endian thing.
func (byHand) key(n byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, n} }

// Three rows in blocks of two: every kind of value that a shard has, byte for
// byte. When this fails, the format has changed.
func TestTheBytesOnDiskAreThoseOfTheFormat(t *testing.T) {
	var h byHand
	if got := h.crc("123456789"); got != 0xe3069283 { // the check value of CRC-32C in every catalogue
		t.Fatalf("CRC is %08x", got)
	}
	schema := Schema{Dims: 70, Scalars: 1, VectorBytes: 5, BlockRows: 2, ChunkRows: 2, Engine: []byte(`{"k":1}`)}
	s := newShard(t, schema)
	mustCommit(t, s,
		Op{ID: "a", Code: []uint64{0x8000000000000001, 0x20}, Scalars: []float32{1}, Vector: []byte("AAAAA"), Metadata: []byte("one")},
		Op{ID: "bb", Code: []uint64{0x0123456789abcdef, 0x3f}, Scalars: []float32{-2}, Vector: []byte("BBBBB")},
	)
	mustCommit(t, s,
		Op{ID: "a", Code: []uint64{2, 0}, Scalars: []float32{0.5}, Vector: []byte("CCCCC"), Metadata: []byte{0}},
	)
	mustClose(t, s)

	codes := h.join(
		"\x01\x00\x00\x00\x00\x00\x00\x80", "\x20\x00\x00\x00\x00\x00\x00\x00", // slot 0
		"\xef\xcd\xab\x89\x67\x45\x23\x01", "\x3f\x00\x00\x00\x00\x00\x00\x00", // slot 1
		"\x00\x00\x80\x3f", // 1
		"\x00\x00\x00\xc0", // -2
	)
	header := func(magic string, rowBytes, bodyCRC uint32) []byte {
		b := h.join(
			magic,      // at 0
			uint32(2),  // at 4: rows
			uint64(0),  // at 8: first slot
			rowBytes,   // at 16
			uint32(70), // at 20: dims
			bodyCRC,    // at 24
			make([]byte, 32),
		)
		return h.join(b, h.crc(b)) // at 60
	}
	vectorRow := func(slot uint64, vector string) []byte {
		padded := vector + "\x00\x00\x00"
		return h.join(padded, h.crc(slot, padded, uint32(0)), uint32(0))
	}
	tail := h.join("\x02\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x3f")
	checked := func(key, body []byte) []byte { return h.join(body, h.crc(key, body)) }
	row := func(slot byte, id, metadata string) []byte {
		return checked(h.key(slot), h.join(uint16(len(id)), id, metadata))
	}
	bitmap := make([]byte, 8192)
	bitmap[0] = 1
	lidded := func(block []byte) map[string][]byte {
		first := string(h.key(0))
		return map[string][]byte{first: block, first + "\x00": nil, first + "\x01": nil, first + "\x02": nil, first + "\x03": nil}
	}

	want := map[string]map[string][]byte{
		"meta": {
			"format": checked([]byte("format"), h.join("HAMNSHRD", uint32(3))),
			"schema": checked([]byte("schema"), []byte(`{"dims":70,"scalars":1,"vector_bytes":5,"block_rows":2,"chunk_rows":2,"engine":{"k":1}}`)),
			"state":  checked([]byte("state"), h.join(uint64(3), uint64(2), uint64(2), uint64(2), uint64(3))),
		},
		"codes":   lidded(h.join(header("HNC1", 8*2+4, h.crc(codes)), codes)),
		"vectors": lidded(h.join(header("HNV1", 16, 0), vectorRow(0, "AAAAA"), vectorRow(1, "BBBBB"))),
		"tail":    {string(h.key(2)): h.join(vectorRow(2, "CCCCC"), tail, h.crc(uint64(2), tail))},
		"rows": {
			string(h.key(0)): row(0, "a", "one"),
			string(h.key(1)): row(1, "bb", ""),
			string(h.key(2)): row(2, "a", "\x00"),
		},
		// Of "bb" and the first "a": as `printf bb | sha256sum` begins, the last byte of eight
		// counting most.
		"hashes": {"\xff\xff\xff\xff\xff\xff\xff\xff": checked([]byte("\xff\xff\xff\xff\xff\xff\xff\xff"), h.join(
			uint64(0),
			"\x3b\x64\xdb\x95\xcb\x55\xc7\x63", uint64(1),
			"\xca\x97\x81\x12\xca\x1b\xbd\xca", uint64(0),
		))},
		"retired": {string(h.key(0)): checked(h.key(0), bitmap)},
	}
	tamper(t, s.path, func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			values := want[string(name)]
			delete(want, string(name))
			err := b.ForEach(func(key, value []byte) error {
				if wanted := values[string(key)]; string(value) != string(wanted) {
					t.Errorf("%s, key %q:\n got %x\nwant %x", name, key, value, wanted)
				}
				delete(values, string(key))
				return nil
			})
			for key := range values {
				t.Errorf("%s: no key %q", name, key)
			}
			return err
		})
	})
	for name := range want {
		t.Errorf("no bucket %s", name)
	}
}

func TestTheBytesOfACatalogAreThoseOfTheFormat(t *testing.T) {
	var h byHand
	dir := t.TempDir()
	c := openCatalog(t, dir)
	e, err := c.Create("docs", map[string]string{"team": "search"}, tinySchema())
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, c)
	entry := fmt.Sprintf(`{"id":"%s","created":"%s","labels":{"team":"search"}}`, e.ID, e.Created.Format("2006-01-02T15:04:05.999999999Z07:00"))
	tamper(t, filepath.Join(dir, "catalog.db"), func(tx *bolt.Tx) error {
		format := tx.Bucket([]byte("meta")).Get([]byte("format"))
		if want := h.join("HAMNCATL", uint32(1), h.crc("format", "HAMNCATL", uint32(1))); string(format) != string(want) {
			t.Errorf("format is %x, want %x", format, want)
		}
		got := tx.Bucket([]byte("collections")).Get([]byte("docs"))
		if want := h.join(entry, h.crc("docs", entry)); string(got) != string(want) {
			t.Errorf("entry is %q, want %q", got, want)
		}
		return nil
	})
}

func TestTheFormatValueSaysWhatAFileIsAndHowNew(t *testing.T) {
	var h byHand
	for _, tt := range []struct {
		name string
		body []byte
		want error
	}{
		{"this version", h.join("HAMNSHRD", uint32(3)), nil},
		{"the second version", h.join("HAMNSHRD", uint32(2)), nil},
		{"the first version", h.join("HAMNSHRD", uint32(1)), nil},
		{"the next version", h.join("HAMNSHRD", uint32(4)), ErrVersion},
		{"a version before the first", h.join("HAMNSHRD", uint32(0)), ErrCorrupt},
		{"the last version ever", h.join("HAMNSHRD", ^uint32(0)), ErrVersion},
		{"a catalog", h.join("HAMNCATL", uint32(1)), ErrCorrupt},
		{"nothing", nil, ErrCorrupt},
		{"no version", h.join("HAMNSHRD"), ErrCorrupt},
		{"a byte too many", h.join("HAMNSHRD", uint32(1), "\x00"), ErrCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseFormat(tt.body, shardMagic, shardVersion); !errors.Is(err, tt.want) {
				t.Errorf("error is %v, want %v", err, tt.want)
			}
		})
	}
}

func TestACheckedValueIsWholeAndInItsPlace(t *testing.T) {
	key, body := []byte("key"), []byte("body")
	value := seal(key, append([]byte(nil), body...))
	got, err := unseal(key, value)
	if err != nil || string(got) != string(body) {
		t.Fatalf("unseal gives %q, %v", got, err)
	}
	refused := func(name string, key, value []byte) {
		t.Helper()
		if got, err := unseal(key, value); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: unseal gives %q, %v", name, got, err)
		}
	}
	refused("nothing", key, nil)
	refused("less than a checksum", key, []byte{1, 2, 3})
	refused("another key", []byte("kez"), value)
	refused("a byte short", key, value[:len(value)-1])
	for bit := range 8 * len(value) {
		value[bit/8] ^= 1 << (bit % 8)
		refused(fmt.Sprintf("bit %d", bit), key, value)
		value[bit/8] ^= 1 << (bit % 8)
	}
}

func TestParsersRefuseWhatIsTooShortOrTooLong(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parse func() error
	}{
		{"a state a byte short", func() error { _, err := tinySchema().parseState(make([]byte, 31)); return err }},
		{"a state a byte long", func() error { _, err := tinySchema().parseState(make([]byte, 33)); return err }},
		{"an old state a byte long", func() error { _, err := tinySchema().parseState(make([]byte, 25)); return err }},
		{"a state with more live rows than rows", func() error {
			_, err := tinySchema().parseState(state{State: State{Next: 1, Live: 2}}.append())
			return err
		}},
		{"a state with more rows indexed than rows", func() error {
			_, err := tinySchema().parseState(state{State: State{Next: 1, Live: 1}, Indexed: 2}.append())
			return err
		}},
		{"a row without the length of its id", func() error { _, _, err := parseRow([]byte{0}); return err }},
		{"a row with half an id", func() error { _, _, err := parseRow([]byte{3, 0, 'a', 'b'}); return err }},
		{"hashes of 17 bytes", func() error { _, err := openHashBlock(slotKey(1), seal(slotKey(1), make([]byte, 17))); return err }},
		{"hashes that are not there", func() error { _, err := openHashBlock(nil, nil); return err }},
		{"a key of 9 bytes", func() error { _, err := parseSlotKey(make([]byte, 9)); return err }},
		{"an empty tail row", func() error { _, _, err := tinySchema().parseTailRow(0, nil, false); return err }},
		{"an empty tail row of a packed vector", func() error { _, _, err := tinySchema().parseTailRow(0, nil, true); return err }},
	} {
		if err := tt.parse(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error is %v, want ErrCorrupt", tt.name, err)
		}
	}
}

func TestAHeaderIsOfItsBlockAndNoOther(t *testing.T) {
	s := tinySchema()
	header := appendHeader(nil, codeMagic, s.BlockRows, 8, s.codeRow(), s.Dims, 77)
	block := append(header, make([]byte, s.BlockRows*s.codeRow())...)
	check := func(b []byte, magic [4]byte, rows int, first uint64, rowBytes, dims int) error {
		_, _, err := checkHeader(b, magic, rows, first, rowBytes, dims)
		return err
	}
	body, crc, err := checkHeader(block, codeMagic, s.BlockRows, 8, s.codeRow(), s.Dims)
	if err != nil || crc != 77 || len(body) != s.BlockRows*s.codeRow() {
		t.Fatalf("%d bytes, checksum %d, %v", len(body), crc, err)
	}
	for name, err := range map[string]error{
		"nothing":               check(nil, codeMagic, s.BlockRows, 8, s.codeRow(), s.Dims),
		"a byte short":          check(block[:len(block)-1], codeMagic, s.BlockRows, 8, s.codeRow(), s.Dims),
		"of vectors":            check(block, vectorMagic, s.BlockRows, 8, s.codeRow(), s.Dims),
		"of half the rows":      check(block, codeMagic, s.BlockRows/2, 8, 2*s.codeRow(), s.Dims),
		"of another slot":       check(block, codeMagic, s.BlockRows, 0, s.codeRow(), s.Dims),
		"of another dimension":  check(block, codeMagic, s.BlockRows, 8, s.codeRow(), s.Dims+1),
		"vectors with checksum": check(append(appendHeader(nil, vectorMagic, 1, 8, 8, 70, 1), make([]byte, 8)...), vectorMagic, 1, 8, 8, 70),
	} {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("a block %s: error is %v, want ErrCorrupt", name, err)
		}
	}
	for at := range headerBytes {
		if at >= 24 && at < 28 { // the checksum of the body: told from it, not from the header
			continue
		}
		block[at] ^= 1
		if err := check(block, codeMagic, s.BlockRows, 8, s.codeRow(), s.Dims); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d: error is %v, want ErrCorrupt", at, err)
		}
		// Nor does it help to mend the header's own checksum.
		if mended := block; at < 60 {
			binary.LittleEndian.PutUint32(mended[60:], crc32.Checksum(mended[:60], castagnoli))
			if err := check(mended, codeMagic, s.BlockRows, 8, s.codeRow(), s.Dims); !errors.Is(err, ErrCorrupt) {
				t.Errorf("byte %d with a good checksum: error is %v, want ErrCorrupt", at, err)
			}
		}
		block[at] ^= 1
		binary.LittleEndian.PutUint32(block[60:], crc32.Checksum(block[:60], castagnoli))
	}
}
