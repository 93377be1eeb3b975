package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx512 takes a whole group at a time. It needs AVX512BW, for VPSHUFB.
type avx512 struct{ low reg.VecVirtual }

func newAVX512() vector { return new(avx512) }

// Which numbers of two registers, the second's from 16 on: those of even and odd places, and
// the lower and upper halves of both by turns.
var (
	evens      = constant("evens", 16, func(i int) uint32 { return uint32(2 * i) })
	odds       = constant("odds", 16, func(i int) uint32 { return uint32(2*i + 1) })
	lowerTurns = constant("lowerTurns", 16, func(i int) uint32 { return uint32(i/2 + i%2*16) })
	upperTurns = constant("upperTurns", 16, func(i int) uint32 { return uint32(i/2 + i%2*16 + 8) })
)

func (*avx512) suffix() string                  { return "AVX512" }
func (*avx512) bytes() int                      { return 64 }
func (*avx512) register() reg.VecVirtual        { return ZMM() }
func (*avx512) clear(x reg.VecVirtual)          { VPXORD(x, x, x) }
func (*avx512) load(from Mem, x reg.VecVirtual) { VMOVDQU32(from, x) }
func (*avx512) store(x reg.VecVirtual, to Mem)  { VMOVUPS(x, to) }

func (a *avx512) prepare(int) {
	a.low = ZMM()
	VBROADCASTI32X4(nibbleMask, a.low)
}

func (a *avx512) nibbles(low, high reg.VecVirtual) {
	VPSRLW(Imm(4), low, high)
	VPANDD(a.low, low, low)
	VPANDD(a.low, high, high)
}

func (*avx512) table(from Mem, x reg.VecVirtual) { VBROADCASTI32X4(from, x) }

func (*avx512) lowHalves(x, y reg.VecVirtual)  { VPANDD_BCST(lowHalves, x, y) }
func (*avx512) highHalves(x, y reg.VecVirtual) { VPANDD_BCST(highHalves, x, y) }

func (*avx512) affine(x reg.VecVirtual, factor, addend Mem) {
	VMULPS_BCST(factor, x, x)
	VADDPS_BCST(addend, x, x)
}

// pick returns numbers of a and of b: see evens.
func (*avx512) pick(which, a, b reg.VecVirtual) reg.VecVirtual {
	x := ZMM()
	VMOVDQA32(a, x)
	VPERMT2D(b, which, x)
	return x
}

func (a *avx512) constants(m ...Mem) (x []reg.VecVirtual) {
	for _, m := range m {
		x = append(x, ZMM())
		VMOVDQU32(m, x[len(x)-1])
	}
	return x
}

// stride turns 64 numbers in order into strided ones.
func (a *avx512) stride(in [strides]reg.VecVirtual) [strides]reg.VecVirtual {
	which := a.constants(evens, odds)
	even, odd := which[0], which[1]
	e0, o0 := a.pick(even, in[0], in[1]), a.pick(odd, in[0], in[1])
	e1, o1 := a.pick(even, in[2], in[3]), a.pick(odd, in[2], in[3])
	return [strides]reg.VecVirtual{a.pick(even, e0, e1), a.pick(even, o0, o1), a.pick(odd, e0, e1), a.pick(odd, o0, o1)}
}

func (a *avx512) floats(from reg.Register) [strides]reg.VecVirtual {
	var in [strides]reg.VecVirtual
	for i := range in {
		in[i] = ZMM()
		VMOVUPS(Mem{Base: from, Disp: 64 * i}, in[i])
	}
	return a.stride(in)
}

func (a *avx512) halves(from reg.Register) [strides]reg.VecVirtual {
	var in [strides]reg.VecVirtual
	for i := range in {
		in[i] = ZMM()
		VCVTPH2PS(Mem{Base: from, Disp: 32 * i}, in[i])
	}
	return a.stride(in)
}

func (a *avx512) brains(from reg.Register) (out [strides]reg.VecVirtual) {
	which := a.constants(evens, odds)
	in := a.constants(Mem{Base: from}, Mem{Base: from, Disp: 64})
	for i, which := range which { // rows 4*i and 4*i+1, then 4*i+2 and 4*i+3
		pairs := a.pick(which, in[0], in[1])
		out[2*i], out[2*i+1] = ZMM(), ZMM()
		VPSLLD(Imm(16), pairs, out[2*i])
		a.highHalves(pairs, out[2*i+1])
	}
	return out
}

func (a *avx512) matches(k *kernel, query int, scores func(c int) Mem, limit Mem) {
	none := fmt.Sprintf("none%d", query)
	l := ZMM()
	VBROADCASTSS(limit, l)
	var masks [strides]reg.OpmaskVirtual
	for c := range masks {
		masks[c] = K()
		VCMPPS(Imm(less), scores(c), l, masks[c])
	}
	KORW(masks[0], masks[1], masks[0])
	KORW(masks[2], masks[3], masks[2])
	KORTESTW(masks[0], masks[2])
	JZ(LabelRef(none))
	which := a.constants(lowerTurns, upperTurns)
	lower, upper := which[0], which[1]
	in := a.constants(scores(0), scores(1), scores(2), scores(3))
	evenLow, evenHigh := a.pick(lower, in[0], in[2]), a.pick(upper, in[0], in[2])
	oddLow, oddHigh := a.pick(lower, in[1], in[3]), a.pick(upper, in[1], in[3])
	for run, x := range []reg.VecVirtual{a.pick(lower, evenLow, oddLow), a.pick(upper, evenLow, oddLow), a.pick(lower, evenHigh, oddHigh), a.pick(upper, evenHigh, oddHigh)} {
		passes, mask := K(), GP64()
		VCMPPS(Imm(less), x, l, passes)
		KMOVW(passes, mask.As32())
		k.head(query, run, mask)
		VMOVUPS(x, Mem{Base: k.out, Disp: matchScores})
		k.advance(mask)
	}
	Label(none)
}

// sumSetAVX512 has the 64 lanes in four registers, and adds under masks that are the bits
// themselves.
func sumSetAVX512() {
	TEXT("sumSetAVX512", NOSPLIT, "func(z *float32, words *uint64, n int) float32")
	Pragma("noescape")
	Doc("Sums over n words, 1 or more: see sumSetGeneric.")
	z, words, n := Load(Param("z"), GP64()), Load(Param("words"), GP64()), Load(Param("n"), GP64())
	var sums [4]reg.VecVirtual
	for i := range sums {
		sums[i] = ZMM()
		VXORPS(sums[i], sums[i], sums[i])
	}
	Label("word")
	for i, s := range sums {
		set := K()
		KMOVW(Mem{Base: words, Disp: 2 * i}, set)
		VADDPS(Mem{Base: z, Disp: 64 * i}, s, set, s)
	}
	ADDQ(imm(256), z)
	ADDQ(Imm(8), words)
	DECQ(n)
	JNZ(LabelRef("word"))
	VADDPS(sums[2], sums[0], sums[0])
	VADDPS(sums[3], sums[1], sums[1])
	VADDPS(sums[1], sums[0], sums[0])
	upper := YMM()
	VEXTRACTF64X4(Imm(1), sums[0], upper)
	half := YMM()
	VADDPS(upper, sums[0].AsY(), half)
	foldHalf(half)
}

// foldHalf returns the sum of eight lanes.
func foldHalf(half reg.VecVirtual) {
	x, sum := XMM(), XMM()
	VEXTRACTF128(Imm(1), half, x)
	VADDPS(x, half.AsX(), sum)
	VMOVHLPS(sum, sum, x)
	VADDPS(x, sum, sum)
	VMOVSHDUP(sum, x)
	VADDSS(x, sum, sum)
	VZEROUPPER()
	Store(sum, ReturnIndex(0))
	RET()
}
