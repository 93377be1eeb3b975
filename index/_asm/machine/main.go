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
	xor      func(a, b, c Op) // c = a ^ b
	store    func(a, b Op)
}

var (
	zmm = width{"AVX512", 64, ZMM, func(a, b, c Op) { VPXORQ(a, b, c) }, func(a, b Op) { VMOVDQU64(a, b) }}
	ymm = width{"AVX2", 32, YMM, VPXOR, VMOVDQU}
)

func main() {
	ConstraintExpr("!purego")
	for _, w := range []width{zmm, ymm} {
		w.read()
	}
	zmm.count(new(popcount))
	ymm.count(new(lookup))
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
	prepare()
	// step adds to sums[j], by lane, the bits in which the 256 bytes from at on
	// differ from query[j].
	step(at reg.Register, query, sums []reg.VecVirtual)
}

// count emits a function that compares code words, a register full at a time, with
// a word of each query, and leaves the sums by query and lane.
func (w width) count(c counter) {
	TEXT("count"+w.suffix, NOSPLIT, "func(words *uint64, bytes int, queries *uint64, sums *uint64)")
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
	c.prepare()
	Label("loop")
	c.step(at, query, sums)
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

func (*popcount) prepare() {}

func (*popcount) step(at reg.Register, query, sums []reg.VecVirtual) {
	for offset := 0; offset < 256; offset += zmm.bytes {
		line := ZMM()
		VMOVDQU64(Mem{Base: at, Disp: offset}, line)
		for j := range queries {
			bits := ZMM()
			VPXORQ(line, query[j], bits)
			VPOPCNTQ(bits, bits)
			VPADDQ(bits, sums[j], sums[j])
		}
	}
}

// lookup counts by looking nibbles up, as the kernels of package hamming do, but
// adds up bytes, which hold the counts of 31 lines, before it widens them.
type lookup struct{ table, low, zero reg.VecVirtual }

func (l *lookup) prepare() {
	counts := GLOBL("nibbleCounts", RODATA|NOPTR)
	for i, n := range []uint8{0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4} {
		DATA(i, U8(n))
	}
	mask := GLOBL("nibbleMask", RODATA|NOPTR)
	for i := range 16 {
		DATA(i, U8(0x0f))
	}
	l.table, l.low, l.zero = YMM(), YMM(), YMM()
	VBROADCASTI128(counts, l.table)
	VBROADCASTI128(mask, l.low)
	VPXOR(l.zero, l.zero, l.zero)
}

func (l *lookup) step(at reg.Register, query, sums []reg.VecVirtual) {
	for j := range queries {
		var total reg.VecVirtual // by byte
		for offset := 0; offset < 256; offset += ymm.bytes {
			bits, high := YMM(), YMM()
			VPXOR(Mem{Base: at, Disp: offset}, query[j], bits)
			VPSRLW(Imm(4), bits, high)
			VPAND(l.low, bits, bits)
			VPAND(l.low, high, high)
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
