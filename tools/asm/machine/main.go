// Command machine writes the kernels of package machine, which measure what a
// machine can do at most: reading memory and nothing else, counting bits and
// nothing else.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	// queries is the size of a tile, as in package hamming.
	queries = 4
	// streams is how many places a read goes on at: more than one keeps more of
	// the processor's prefetchers busy, and more than four gained nothing.
	streams = 4
)

// width is a size of register.
type width struct {
	suffix   string
	bytes    int
	register func() reg.VecVirtual
	xor, and func(a, b, c Op) // c = a ^ b, a & b
	store    func(a, b Op)
	// broadcast fills b with the 16 bytes at a.
	broadcast func(a, b Op)
}

var (
	zmm = width{"AVX512", 64, ZMM, quads(VPXORQ), quads(VPANDQ), func(a, b Op) { VMOVDQU64(a, b) }, func(a, b Op) { VBROADCASTI32X4(a, b) }}
	ymm = width{"AVX2", 32, YMM, VPXOR, VPAND, VMOVDQU, VBROADCASTI128}
)

// quads is an instruction that could also have a mask, without one.
func quads(op func(ops ...Op)) func(a, b, c Op) { return func(a, b, c Op) { op(a, b, c) } }

func main() {
	ConstraintExpr("!purego")
	for _, w := range []width{zmm, ymm} {
		w.read()
	}
	zmm.count("countVPOPCNTAVX512", new(popcount))
	zmm.count("countAVX512", new(lookup))
	ymm.count("countAVX2", new(lookup))
	Generate()
}

// zeros returns n registers that are zero.
func (w width) zeros(n int) []reg.VecVirtual {
	registers := make([]reg.VecVirtual, n)
	for i := range registers {
		registers[i] = w.register()
		w.xor(registers[i], registers[i], registers[i])
	}
	return registers
}

// read emits a function that loads bytes, going on in every quarter of them in turn,
// and leaves the exclusive or of all, so that a test can tell that it read them.
func (w width) read() {
	const unroll = 4
	TEXT("read"+w.suffix, NOSPLIT, "func(words *uint64, bytes int, xor *uint64)")
	Pragma("noescape")
	Doc("Loads bytes, a multiple of 1024: see readGeneric.")
	starts := []reg.Register{Load(Param("words"), GP64())}
	quarter := Load(Param("bytes"), GP64())
	SHRQ(Imm(2), quarter)
	for s := 1; s < streams; s++ {
		starts = append(starts, GP64())
		LEAQ(Mem{Base: starts[s-1], Index: quarter, Scale: 1}, starts[s])
	}
	all := w.zeros(2 * streams)
	at := GP64()
	XORQ(at, at)
	Label("loop")
	for u := range unroll {
		for s := range streams {
			x := all[(u*streams+s)%len(all)]
			w.xor(Mem{Base: starts[s], Index: at, Scale: 1, Disp: u * w.bytes}, x, x)
		}
	}
	ADDQ(U32(unroll*uint32(w.bytes)), at)
	CMPQ(at, quarter)
	JNE(LabelRef("loop"))
	for n := len(all) / 2; n > 0; n /= 2 {
		for i := range n {
			w.xor(all[i], all[i+n], all[i])
		}
	}
	out := Load(Param("xor"), GP64())
	w.store(all[0], Mem{Base: out})
	VZEROUPPER()
	RET()
}

// counter is a way to count bits.
type counter interface {
	// prepare loads constants.
	prepare(w width)
	// step adds to sums[j], by lane, the bits in which the 256 bytes from at on
	// differ from query[j].
	step(w width, at reg.Register, query, sums []reg.VecVirtual)
}

// count emits a function that compares code words, a register full at a time, with
// a word of each query, and leaves the sums by query and lane.
func (w width) count(name string, c counter) {
	TEXT(name, NOSPLIT, "func(words *uint64, bytes int, queries *uint64, sums *uint64)")
	Pragma("noescape")
	Doc("Compares bytes, a multiple of 256, with 4 queries: see countGeneric.")
	at := Load(Param("words"), GP64())
	end := Load(Param("bytes"), GP64())
	ADDQ(at, end)
	words := Load(Param("queries"), GP64())
	query := make([]reg.VecVirtual, queries)
	for j := range query {
		query[j] = w.register()
		VPBROADCASTQ(Mem{Base: words, Disp: 8 * j}, query[j])
	}
	sums := w.zeros(queries)
	c.prepare(w)
	Label("loop")
	c.step(w, at, query, sums)
	ADDQ(U32(256), at)
	CMPQ(at, end)
	JNE(LabelRef("loop"))
	out := Load(Param("sums"), GP64())
	for j, s := range sums {
		w.store(s, Mem{Base: out, Disp: j * w.bytes})
	}
	VZEROUPPER()
	RET()
}

// popcount counts with VPOPCNTQ.
type popcount struct{}

func (*popcount) prepare(width) {}

func (*popcount) step(w width, at reg.Register, query, sums []reg.VecVirtual) {
	for offset := 0; offset < 256; offset += w.bytes {
		line := w.register()
		VMOVDQU64(Mem{Base: at, Disp: offset}, line)
		for j := range queries {
			bits := w.register()
			VPXORQ(line, query[j], bits)
			VPOPCNTQ(bits, bits)
			VPADDQ(bits, sums[j], sums[j])
		}
	}
}

// lookup counts by looking nibbles up (Mula, Kurz, Lemire, "Faster Population Counts Using
// AVX2 Instructions", 2018, section 3), and adds up the bytes of all lines of a step before
// it widens them.
type lookup struct{ table, low, zero reg.VecVirtual }

var (
	nibbleCounts = bytes16("nibbleCounts", 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4)
	nibbleMask   = bytes16("nibbleMask", 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15)
)

func bytes16(name string, b ...uint8) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i, n := range b {
		DATA(i, U8(n))
	}
	return m
}

func (l *lookup) prepare(w width) {
	l.table, l.low, l.zero = w.register(), w.register(), w.register()
	w.broadcast(nibbleCounts, l.table)
	w.broadcast(nibbleMask, l.low)
	w.xor(l.zero, l.zero, l.zero)
}

func (l *lookup) step(w width, at reg.Register, query, sums []reg.VecVirtual) {
	for j := range queries {
		var total reg.VecVirtual // by byte
		for offset := 0; offset < 256; offset += w.bytes {
			bits, high := w.register(), w.register()
			w.xor(Mem{Base: at, Disp: offset}, query[j], bits)
			VPSRLW(Imm(4), bits, high)
			w.and(l.low, bits, bits)
			w.and(l.low, high, high)
			VPSHUFB(bits, l.table, bits)
			VPSHUFB(high, l.table, high)
			VPADDB(high, bits, bits)
			if offset == 0 {
				total = bits
			} else {
				VPADDB(bits, total, total)
			}
		}
		VPSADBW(l.zero, total, total)
		VPADDQ(total, sums[j], sums[j])
	}
}
