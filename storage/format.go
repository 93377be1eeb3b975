package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/bits"
	"sort"

	"github.com/hamnest/hamnest/encoder/code"
)

// This file turns rows into the bytes of FORMAT.md and back; no other file does.

// The first commit to a shard of an older version upgrades it to the newest.
const (
	catalogVersion = 1
	shardVersion   = 3

	shardVersionIDs = 1 // the only one with a bucket of ids instead of hashes
	oldestVersion   = 1 // of both
)

var (
	catalogMagic = []byte("HAMNCATL")
	shardMagic   = []byte("HAMNSHRD")
	codeMagic    = [4]byte{'H', 'N', 'C', '1'}
	vectorMagic  = [4]byte{'H', 'N', 'V', '1'}
)

// Buckets and keys.
var (
	bucketMeta         = []byte("meta")
	bucketCollections  = []byte("collections")
	bucketCalibrations = []byte("calibrations")
	bucketAliases      = []byte("aliases")
	bucketCodes        = []byte("codes")
	bucketVectors      = []byte("vectors")
	bucketTail         = []byte("tail")
	bucketRows         = []byte("rows")
	bucketIDs          = []byte("ids") // of version 1
	bucketHashes       = []byte("hashes")
	bucketRetired      = []byte("retired")
	bucketFrozen       = []byte("frozen")

	keyFormat = []byte("format")
	keyNeeds  = []byte("needs")
	keySchema = []byte("schema")
	keyState  = []byte("state")
	keyEngine = []byte("engine")
)

const (
	headerBytes = 64
	crcBytes    = 4

	// retiredSpan is how many slots one bitmap of the retired bucket covers.
	retiredSpan  = 1 << 16
	retiredBytes = retiredSpan / 8

	minBlockRows  = 1024
	minBlockBytes = 64 << 10
	maxChunkBytes = 256 << 10
	minChunkRows  = 8

	// maxBlockBytes keeps any block far below the 2 GiB that bbolt allows, and the memory
	// to read one reasonable.
	maxBlockBytes = 256 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// corrupt makes an error of kind ErrCorrupt. Text from the file must have a precision, as
// in %.32x, or be cut by head: a damaged page can make a key of gigabytes.
func corrupt(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrCorrupt)...)
}

// head returns b, or its first bytes if it is long. It is for %q, which copies before it
// cuts.
func head(b []byte) []byte { return b[:min(len(b), 64)] }

// Schema is the geometry of a shard's rows, fixed when the shard is made.
type Schema struct {
	// Dims is the number of bits in a code.
	Dims int `json:"dims"`
	// Scalars is the number of float32 kept beside each code.
	Scalars int `json:"scalars"`
	// VectorBytes is the size of one stored vector.
	VectorBytes int `json:"vector_bytes"`
	// BlockRows and ChunkRows are the rows of a code block and of a vector block,
	// powers of two. Zero: chosen by CreateShard as FORMAT.md says.
	BlockRows int `json:"block_rows"`
	ChunkRows int `json:"chunk_rows"`
	// Engine is the engine's own description of the rows, a JSON value.
	Engine json.RawMessage `json:"engine"`
	// Collection is the name of the collection when the file was made, for Adopt. Set by
	// the catalog; empty in files of older programs.
	Collection string `json:"collection,omitempty"`
	// Frozen is anything else that the engine keeps and that never changes: too large to be
	// written again with every commit, like what lies beside the state. Empty: nothing.
	Frozen []byte `json:"-"`
}

func (s Schema) words() int         { return code.Words(s.Dims) }
func (s Schema) codeRow() int       { return 8*s.words() + 4*s.Scalars }
func (s Schema) vectorRow() int     { return (s.VectorBytes+7)/8*8 + 8 }
func (s Schema) tailRow() int       { return s.vectorRow() + s.codeRow() + crcBytes }
func (s Schema) packedTailRow() int { return s.codeRow() + crcBytes }
func (s Schema) codeBlock() int     { return headerBytes + s.BlockRows*s.codeRow() }
func (s Schema) vectorBlock() int   { return headerBytes + s.ChunkRows*s.vectorRow() }

// sealed returns how many of the first next slots have their codes in blocks, and packed
// how many have their vectors in blocks.
func (s Schema) sealed(next uint64) uint64 { return next - next%uint64(s.BlockRows) }
func (s Schema) packed(next uint64) uint64 { return next - next%uint64(s.ChunkRows) }

// Parts is how many bytes a number of rows takes, part by part, without ids and metadata.
type Parts struct{ Codes, Scalars, Vectors uint64 }

// Parts returns the size of that many rows.
func (s Schema) Parts(rows uint64) Parts {
	return Parts{rows * uint64(8*s.words()), rows * uint64(4*s.Scalars), rows * uint64(s.vectorRow())}
}

// Total is the sum.
func (p Parts) Total() uint64 { return p.Codes + p.Scalars + p.Vectors }

// withDefaults fills in the rows of a block.
func (s Schema) withDefaults() Schema {
	if s.Dims < 1 { // for validate to refuse
		return s
	}
	if s.BlockRows == 0 {
		rows := (minBlockBytes + 8*s.words() - 1) / (8 * s.words())
		s.BlockRows = max(minBlockRows, ceilPowerOfTwo(rows))
	}
	if s.ChunkRows == 0 {
		s.ChunkRows = min(minChunkRows, s.BlockRows)
		for s.ChunkRows*2 <= s.BlockRows && headerBytes+s.ChunkRows*2*s.vectorRow() <= maxChunkBytes {
			s.ChunkRows *= 2
		}
	}
	return s
}

func ceilPowerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }

// validate bounds every number, so that sizes computed from them neither
// overflow nor ask for absurd memory when a schema comes from a damaged file.
func (s Schema) validate() error {
	powerOfTwo := func(n int) bool { return n > 0 && n&(n-1) == 0 }
	switch {
	case s.Dims < 1 || s.Dims > 1<<20:
		return fmt.Errorf("dims %d, want 1 to %d", s.Dims, 1<<20)
	case s.Scalars < 0 || s.Scalars > 64:
		return fmt.Errorf("scalars %d, want 0 to 64", s.Scalars)
	case s.VectorBytes < 0 || s.VectorBytes > 8<<20:
		return fmt.Errorf("vector_bytes %d, want 0 to %d", s.VectorBytes, 8<<20)
	case !powerOfTwo(s.BlockRows) || s.BlockRows > 1<<16:
		return fmt.Errorf("block_rows %d, want a power of two up to %d", s.BlockRows, 1<<16)
	case !powerOfTwo(s.ChunkRows) || s.ChunkRows > s.BlockRows:
		return fmt.Errorf("chunk_rows %d, want a power of two up to block_rows %d", s.ChunkRows, s.BlockRows)
	case s.BlockRows > maxBlockBytes/s.codeRow():
		return fmt.Errorf("a code block has %d rows of %d bytes, want at most %d bytes", s.BlockRows, s.codeRow(), maxBlockBytes)
	case s.ChunkRows > maxBlockBytes/s.vectorRow():
		return fmt.Errorf("a vector block has %d rows of %d bytes, want at most %d bytes", s.ChunkRows, s.vectorRow(), maxBlockBytes)
	case !json.Valid(s.Engine):
		return fmt.Errorf("engine %q, want JSON", s.Engine)
	}
	return nil
}

// State is the part of what a commit moves on that everyone can see.
type State struct {
	// Next is the slot that the next row gets: slots 0 to Next-1 are in use.
	Next uint64
	// Live is how many of them are not retired.
	Live uint64
	// Commits is how many commits the file has had.
	Commits uint64
	// Applied is the number of the last change that the rows hold: each upsert and each
	// removal of a commit adds one. A file that replaces another continues its numbers.
	Applied uint64
}

// state is everything that a commit moves on.
type state struct {
	State
	// Indexed is how many of the first slots have the hashes of their ids on disk.
	Indexed uint64
	// Packed is how many of the first slots have their vectors in blocks. It follows from
	// Next and the version.
	Packed uint64
}

func slotKey(slot uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, slot)
}

// lidKeys is how many lids follow the last block that a commit adds to a bucket. bbolt
// rewrites the last page of a bucket whenever something is added, and leaves two to four
// values on each, however large. With four small values at the end, three are on a page
// without a block.
const lidKeys = 4

// lidKey returns the key of the i-th lid, from 0, after the block of first.
func lidKey(first uint64, i int) []byte { return append(slotKey(first), byte(i)) }

func parseSlotKey(key []byte) (uint64, error) {
	if len(key) != 8 {
		return 0, corrupt("key %.32x has %d bytes, want 8", key, len(key))
	}
	return binary.BigEndian.Uint64(key), nil
}

// seal returns the checked value of body under key. It may reuse body's memory.
func seal(key, body []byte) []byte {
	crc := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, body)
	return binary.LittleEndian.AppendUint32(body, crc)
}

// unseal returns the body of a checked value, sharing its memory.
func unseal(key, value []byte) ([]byte, error) {
	if len(value) < crcBytes {
		return nil, corrupt("value has %d bytes, want at least %d", len(value), crcBytes)
	}
	body := value[:len(value)-crcBytes]
	want := binary.LittleEndian.Uint32(value[len(body):])
	if got := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, body); got != want {
		return nil, corrupt("checksum %08x, want %08x", got, want)
	}
	return body, nil
}

// parseNeeds returns an error if the unsealed value of needs names something that this
// program cannot read.
func parseNeeds(body []byte) error {
	var names []string
	if err := json.Unmarshal(body, &names); err != nil {
		return corrupt("needs is %q, want a JSON list of names", head(body))
	}
	for _, name := range names {
		return fmt.Errorf("the file needs %.64q, which this program does not know: a newer one wrote it: %w", name, ErrVersion)
	}
	return nil
}

func appendFormat(magic []byte, version uint32) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(magic), version)
}

// parseFormat checks the unsealed format value, first what it is, then how new, and returns
// its version, which is oldestVersion to newest.
func parseFormat(body, magic []byte, newest uint32) (uint32, error) {
	if len(body) != len(magic)+4 || !bytes.Equal(body[:len(magic)], magic) {
		return 0, corrupt("format is %q, want magic %q and a version", head(body), magic)
	}
	v := binary.LittleEndian.Uint32(body[len(magic):])
	switch {
	case v < oldestVersion:
		return 0, corrupt("format version %d, want %d to %d", v, oldestVersion, newest)
	case v > newest:
		return 0, fmt.Errorf("format version %d, and this program reads %d to %d: a newer one wrote the file: %w", v, oldestVersion, newest, ErrVersion)
	}
	return v, nil
}

func (s state) append() []byte {
	var b []byte
	for _, n := range []uint64{s.Next, s.Live, s.Commits, s.Indexed, s.Applied} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// Sizes of the body of a state, by version.
const (
	stateBytes1 = 24
	stateBytes2 = 32
	stateBytes  = 40
)

// parseState parses the unsealed state of a shard of any version. Versions before 3 did not
// count changes: there each existing row counts as one.
func (s Schema) parseState(body []byte) (state, error) {
	if n := len(body); n != stateBytes && n != stateBytes2 && n != stateBytes1 {
		return state{}, corrupt("state has %d bytes, want %d", n, stateBytes)
	}
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(body[8*i:]) }
	p := state{State: State{Next: at(0), Live: at(1), Commits: at(2)}}
	p.Applied, p.Packed = p.Next, s.packed(p.Next)
	switch len(body) {
	case stateBytes:
		p.Indexed, p.Applied = at(3), at(4)
	case stateBytes2:
		p.Indexed = at(3)
	default:
		p.Packed = s.sealed(p.Next)
	}
	switch {
	case p.Live > p.Next:
		return state{}, corrupt("state has %d live of %d rows", p.Live, p.Next)
	case p.Indexed > p.Next:
		return state{}, corrupt("state has %d indexed of %d rows", p.Indexed, p.Next)
	}
	return p, nil
}

// noHash is the hash of no id.
const noHash = 0

// hashID returns the first 8 bytes of the SHA-256 of id, little-endian, or 1 if that is
// noHash. It is cryptographic so that nobody can construct ids that share a hash.
func hashID(id []byte) uint64 {
	sum := sha256.Sum256(id)
	return max(1, binary.LittleEndian.Uint64(sum[:]))
}

// hashBlock is a value of hashes: the entries of all hashes above floor, up to last.
type hashBlock struct {
	floor, last uint64
	floored     bool   // the value has the floor; in version 2 it does not
	entries     []byte // of 16 bytes, in order
}

const (
	hashedBytes = 16
	floorBytes  = 8
)

func (b hashBlock) len() int { return len(b.entries) / hashedBytes }

func (b hashBlock) at(i int) hashed {
	e := b.entries[i*hashedBytes:][:hashedBytes]
	return hashed{binary.LittleEndian.Uint64(e), binary.LittleEndian.Uint64(e[8:])}
}

// after returns how many entries have that hash or a smaller one.
func (b hashBlock) after(hash uint64) int {
	return sort.Search(b.len(), func(i int) bool { return b.at(i).hash > hash })
}

// openHashBlock unseals a value of hashes. The result shares its memory.
func openHashBlock(key, value []byte) (hashBlock, error) {
	body, err := unseal(key, value)
	rest := len(body) % hashedBytes
	if err == nil && (len(key) != 8 || rest != 0 && rest != floorBytes) {
		err = corrupt("%d bytes, want %d and entries of %d", len(body), floorBytes, hashedBytes)
	}
	if err != nil {
		return hashBlock{}, fmt.Errorf("hashes to %.16x: %w", key, err)
	}
	block := hashBlock{last: binary.BigEndian.Uint64(key), entries: body[rest:], floored: rest == floorBytes}
	if block.floored {
		block.floor = binary.LittleEndian.Uint64(body)
	}
	return block, nil
}

// appendHashes appends the body of a block of entries above floor.
func appendHashes(dst []byte, floor uint64, entries []hashed) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, floor)
	for _, e := range entries {
		dst = binary.LittleEndian.AppendUint64(dst, e.hash)
		dst = binary.LittleEndian.AppendUint64(dst, e.slot)
	}
	return dst
}

// appendHeader appends a block header. body is what the header's CRC covers, nil for blocks
// whose rows have their own CRCs.
func appendHeader(dst []byte, magic [4]byte, rows int, first uint64, rowBytes, dims int, bodyCRC uint32) []byte {
	start := len(dst)
	dst = appendHeaderFields(dst, magic, rows, first, rowBytes, dims, bodyCRC)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// appendHeaderFields appends a block header without its own CRC.
func appendHeaderFields(dst []byte, magic [4]byte, rows int, first uint64, rowBytes, dims int, bodyCRC uint32) []byte {
	dst = append(dst, magic[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(rows))
	dst = binary.LittleEndian.AppendUint64(dst, first)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(rowBytes))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(dims))
	dst = binary.LittleEndian.AppendUint32(dst, bodyCRC)
	return append(dst, make([]byte, 32)...)
}

// checkHeader verifies that block, read under the key of first, has the size and the header
// that a block of that kind must have, and returns its body.
func checkHeader(block []byte, magic [4]byte, rows int, first uint64, rowBytes, dims int) (body []byte, bodyCRC uint32, err error) {
	if want := headerBytes + rows*rowBytes; len(block) != want {
		return nil, 0, corrupt("block has %d bytes, want %d", len(block), want)
	}
	if magic == codeMagic { // the rows of vectors have their own
		bodyCRC = binary.LittleEndian.Uint32(block[24:])
	}
	// Searches do this for every block they touch, so nothing here may allocate.
	var buf [headerBytes]byte
	fields, crc := block[:headerBytes-crcBytes], binary.LittleEndian.Uint32(block[headerBytes-crcBytes:])
	want := appendHeaderFields(buf[:0], magic, rows, first, rowBytes, dims, bodyCRC)
	if !bytes.Equal(fields, want) || crc32.Checksum(fields, castagnoli) != crc {
		return nil, 0, corrupt("block header %x, want %x and its checksum", block[:headerBytes], bytes.Clone(want))
	}
	return block[headerBytes:], bodyCRC, nil
}

// slotCRC is the CRC of slot and then of parts.
func slotCRC(slot uint64, parts ...[]byte) uint32 {
	// The slot's bytes go through the table: a slice of them would escape to the heap.
	crc := ^uint32(0)
	for range 8 {
		crc = castagnoli[byte(crc)^byte(slot)] ^ crc>>8
		slot >>= 8
	}
	crc = ^crc
	for _, p := range parts {
		crc = crc32.Update(crc, castagnoli, p)
	}
	return crc
}

var zeros [8]byte

// appendVectorRow appends the vector row of slot.
func (s Schema) appendVectorRow(dst []byte, slot uint64, vector []byte) []byte {
	start := len(dst)
	dst = append(dst, vector...)
	dst = append(dst, zeros[:s.vectorRow()-8-len(vector)]...)
	crc := slotCRC(slot, dst[start:], zeros[:4])
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	return append(dst, zeros[:4]...)
}

// parseVectorRow checks a vector row and returns its vector, sharing its memory.
func (s Schema) parseVectorRow(slot uint64, row []byte) ([]byte, error) {
	end := len(row) - 8
	want := binary.LittleEndian.Uint32(row[end:])
	if got := slotCRC(slot, row[:end], row[end+4:]); got != want {
		return nil, corrupt("vector of slot %d: checksum %08x, want %08x", slot, got, want)
	}
	return row[:s.VectorBytes], nil
}

// appendCodeRow appends a code row: the code and then its scalars, as bytes.
func (s Schema) appendCodeRow(dst []byte, op *Op) []byte {
	dst = code.AppendBytes(dst, op.Code)
	return appendScalars(dst, op.Scalars)
}

// appendTailRow appends the tail row of slot, without its vector if that is packed.
func (s Schema) appendTailRow(dst []byte, slot uint64, op *Op, packed bool) []byte {
	if !packed {
		dst = s.appendVectorRow(dst, slot, op.Vector)
	}
	start := len(dst)
	dst = s.appendCodeRow(dst, op)
	return binary.LittleEndian.AppendUint32(dst, slotCRC(slot, dst[start:]))
}

// parseTailRow checks the size and the code of a tail row and returns its parts, which
// share its memory. The vector row must still be parsed; it is empty if the vector is
// packed.
func (s Schema) parseTailRow(slot uint64, value []byte, packed bool) (vectorRow, codeRow []byte, err error) {
	want := s.tailRow()
	if packed {
		want = s.packedTailRow()
	}
	if len(value) != want {
		return nil, nil, corrupt("tail row of slot %d has %d bytes, want %d", slot, len(value), want)
	}
	end := want - s.codeRow() - crcBytes
	vectorRow, rest := value[:end], value[end:]
	codeRow = rest[:s.codeRow()]
	crc := binary.LittleEndian.Uint32(rest[s.codeRow():])
	if got := slotCRC(slot, codeRow); got != crc {
		return nil, nil, corrupt("code of slot %d: checksum %08x, want %08x", slot, got, crc)
	}
	return vectorRow, codeRow, nil
}

// appendRow appends the body of a rows value.
func appendRow(dst []byte, id string, metadata []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(id)))
	dst = append(dst, id...)
	return append(dst, metadata...)
}

// parseRow splits the body of a rows value. The results share its memory.
func parseRow(body []byte) (id, metadata []byte, err error) {
	if len(body) < 2 {
		return nil, nil, corrupt("row has %d bytes, want at least 2", len(body))
	}
	n := int(binary.LittleEndian.Uint16(body))
	if n > len(body)-2 {
		return nil, nil, corrupt("row's id has %d bytes, of which %d are there", n, len(body)-2)
	}
	return body[2 : 2+n], body[2+n:], nil
}
